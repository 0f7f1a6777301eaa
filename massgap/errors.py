"""The base of all errors of massgap."""

from __future__ import annotations

__all__ = ["MassgapError"]


class MassgapError(ValueError):
    """An error with a message for the user: what is at fault, and a remedy that can be typed.

    Each room has its own errors below this one; ``except MassgapError`` catches all of them.
    """
