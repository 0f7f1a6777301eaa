"""Files of matrix-element events."""
