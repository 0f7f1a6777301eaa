"""Errors of batch clusters: the job, file or option at fault, and the remedy."""

from __future__ import annotations

__all__ = ["CondorError"]


class CondorError(ValueError):
    """A pool, cluster or job that cannot do what was asked."""
