"""The smuon search: cuts and observables."""
