"""What workers answer, what they are compared with, and how findings become checks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    import numpy as np

__all__ = [
    "EVENT_MEMORY",
    "FAILED",
    "OK",
    "WARNING",
    "Answer",
    "Check",
    "Finding",
    "Here",
    "Preflight",
    "judge",
    "size_text",
    "who",
]

EVENT_MEMORY = 350
"""Bytes per event of a chunk for an analysis that does not say (``event_memory``): measured 216 for one of two muons, one jet
and 27 observables, 310 with variations and feature tables."""

OK, WARNING, FAILED = "ok", "warning", "failed"


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name
        What: ``workers``, ``python``, ``massgap``, ``packages``, ``imports``, ``analysis``, ``model``, ``data``, ``memory``,
        ``scratch``, ``threads`` or ``clock``.
    status
        :data:`OK`, :data:`WARNING` or :data:`FAILED`.
    what, remedy
        What was found, and what to do where it does not hold.
    workers
        Names of the workers that it is about; empty for all.
    """

    name: str
    status: str
    what: str
    remedy: str = ""
    workers: tuple[str, ...] = ()


@dataclass
class Answer:
    """What is known of a worker.

    Attributes
    ----------
    name
        As dask or the process calls it.
    look, tried
        What :func:`massgap.runner.preflight.probe.look` and :func:`~massgap.runner.preflight.probe.try_out` gave there; None if they
        were not run.  ``look`` may hold the packages only.
    problem
        Why there is no (complete) answer.
    sent, received
        Times here, before and after the worker read its clock.
    memory_limit, threads
        As dask says; None without.
    """

    name: str
    look: dict[str, Any] | None = None
    tried: dict[str, Any] | None = None
    problem: str = ""
    sent: float = 0.0
    received: float = 0.0
    memory_limit: int | None = None
    threads: int | None = None


@dataclass
class Here:
    """What the workers are compared with.

    Attributes
    ----------
    look
        What :func:`massgap.runner.preflight.probe.look` gave here.
    files
        Dataset, path and tree of the files that are tried.
    exists
        Whether each of them is there, seen from here; None for remote ones.
    scores, engines
        Score -> scores of the rows of :func:`massgap.runner.preflight.software.model_request`, and what scored; empty
        without a model.
    chunksize, event_memory
        Events in a chunk, and bytes of memory that each of them takes.
    wanted
        Number of workers that were asked for.
    cluster
        Whether dask carries the work.
    """

    look: dict[str, Any]
    files: list[tuple[str, str, str | None]] = field(default_factory=list)
    exists: list[bool | None] = field(default_factory=list)
    scores: dict[str, np.ndarray] = field(default_factory=dict)
    engines: dict[str, str] = field(default_factory=dict)
    chunksize: int = 500_000
    event_memory: int = EVENT_MEMORY
    wanted: int = 1
    cluster: bool = False


@dataclass(frozen=True)
class Preflight:
    """The result: all checks, and the answers that they were made of."""

    checks: tuple[Check, ...]
    answers: tuple[Answer, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return all(check.status != FAILED for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "format": "massgap-preflight/1",
            "ok": self.ok,
            "checks": [asdict(check) for check in self.checks],
            "workers": [asdict(answer) for answer in self.answers],
        }


@dataclass(frozen=True)
class Finding:
    """What does not hold for a worker, and the remedy."""

    worker: str
    what: str
    remedy: str
    status: str = FAILED


def judge(
    name: str, fine: str, answers: Sequence[Answer], look: Callable[[Answer], Iterator[Finding]]
) -> list[Check]:
    """One check where all is well, else one for each different finding."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for answer in answers:
        for finding in look(answer):
            found.setdefault((finding.status, finding.what, finding.remedy), []).append(finding.worker)
    if not answers:
        return [
            Check(name, WARNING, "was not looked at: no worker came so far", "mend what failed above first")
        ]
    checks = [
        Check(name, status, f"{what} ({who(workers, len(answers))})", remedy, tuple(workers))
        for (status, what, remedy), workers in found.items()
    ]
    return checks or [Check(name, OK, fine)]


def who(workers: Sequence[str], of: int) -> str:
    """Which workers, in words."""
    names = list(dict.fromkeys(workers))
    if len(names) == of:
        return "the worker" if of == 1 else f"all {of} workers"
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{len(names)} of {of} workers: {shown}"


def size_text(size: float) -> str:
    """A size in words."""
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
