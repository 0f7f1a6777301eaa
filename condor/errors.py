"""Errors of batch clusters: the job, file or option at fault, and the remedy."""

from __future__ import annotations

from massgap.errors import MassgapError

__all__ = ["CondorError"]


class CondorError(MassgapError):
    """A pool, cluster or job that cannot do what was asked."""
