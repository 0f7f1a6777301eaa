"""The vector-like-quark search: objects and observables."""
