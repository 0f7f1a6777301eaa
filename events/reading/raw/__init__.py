"""Bytes of a file: where they come from, and unpacked."""
