"""RNTuples: what their headers describe, where their pages lie, and what is in them."""
