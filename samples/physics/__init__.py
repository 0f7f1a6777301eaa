"""Cross sections, spectra, decays and weights in closed form."""
