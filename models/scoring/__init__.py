"""Scores of a trained model, inside a processor."""
