"""Errors about arrays and what is computed from them: which collection, field or option is at fault."""

from __future__ import annotations

from massgap.errors import MassgapError

__all__ = ["SelectionError"]


class SelectionError(MassgapError):
    """Base of all errors about the content of events and of what selections are given."""
