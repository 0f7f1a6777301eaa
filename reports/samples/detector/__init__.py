"""Detector closure: what is measured back from the events, beside the card that made them."""
