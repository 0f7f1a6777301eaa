"""HistFactory likelihoods as flat arrays, with exact derivatives in compiled code."""
