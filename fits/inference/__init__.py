"""Likelihoods and hypothesis tests."""
