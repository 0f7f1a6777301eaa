"""Series of fits: score thresholds."""
