"""Trained models that come with massgap: a folder for each, as ``massgap train`` writes it, loadable by its name."""
