"""Errors about event content: which branch, object or option is at fault, and the remedy."""

from __future__ import annotations


class SelectionError(ValueError):
    """Base of all errors that the selections raise."""
