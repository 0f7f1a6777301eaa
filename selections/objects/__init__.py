"""Which objects an analysis counts."""
