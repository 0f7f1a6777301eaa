"""Finished chunks on disk, keyed on all that decides their content."""
