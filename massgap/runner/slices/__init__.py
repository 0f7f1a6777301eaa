"""A run in slices, each worked on by a batch job of its own."""
