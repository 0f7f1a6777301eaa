"""Driving Pythia: settings, filters, showers, matching."""
