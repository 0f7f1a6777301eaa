"""The slepton search: topology, observables, pre-cuts."""
