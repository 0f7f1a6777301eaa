"""How far a run is: what its callback gets."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

__all__ = ["DatasetProgress", "Progress"]


@dataclass
class DatasetProgress:
    """Chunks of a dataset: in all, done (failed ones included) and failed; events of those that are done."""

    total: int = 0
    done: int = 0
    failed: int = 0
    events: int = 0


@dataclass
class Progress:
    """State of a run, handed to the progress callback.

    Attributes
    ----------
    stage
        ``prepare`` (what jobs take along), ``inspect`` (files), ``plan`` (once, before the first chunk), ``process`` (chunks).
    done, total, failed, events, seconds
        Files or chunks (done counts failed ones, too), events of done chunks, and time so far.
    datasets
        Dataset -> its part.
    retried
        Chunks that were tried again.
    pool
        Workers, see :class:`massgap.runner.executors.base.WorkerStates`; None if that means nothing.
    message
        At ``prepare``: what is done; done and total are that of it.  At ``plan``: what will be done, and how much memory the results
        take.
    """

    stage: str
    done: int = 0
    total: int = 0
    failed: int = 0
    events: int = 0
    seconds: float = 0.0
    datasets: dict[str, DatasetProgress] = field(default_factory=dict)
    retried: int = 0
    pool: Any = None
    message: str = ""
