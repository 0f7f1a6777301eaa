"""Significances and limits of counted events, in closed form."""
