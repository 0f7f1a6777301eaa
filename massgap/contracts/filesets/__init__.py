"""Filesets: which files make up a sample, what is known of them, and how their events are weighted."""
