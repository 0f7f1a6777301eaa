"""Jagged collections of objects, and objects one per event."""
