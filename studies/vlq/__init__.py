"""The mass-unspecific paper: one classifier for all masses of a heavy partner of the top quark."""
