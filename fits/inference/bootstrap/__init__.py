"""What the finite simulation does to expected numbers: the bootstrap over its events."""
