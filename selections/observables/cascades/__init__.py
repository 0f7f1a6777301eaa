"""Observables of cascade decays."""
