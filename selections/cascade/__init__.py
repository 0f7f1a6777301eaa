"""The cascade-decay study: cuts, observables, maps."""
