"""Observables, one physical quantity per file."""
