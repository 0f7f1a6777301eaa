"""The scan of variables and spectra."""
