"""The VBF electroweakino search: preselection and observables."""
