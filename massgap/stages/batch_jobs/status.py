"""What became of the jobs of a run: state of each slice, chunks done and failed."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.condor.jobs.job_set import JobSet
    from massgap.condor.jobs.job_states import JobState, SliceState

__all__ = ["BatchStatus", "status_of"]


@dataclass(frozen=True)
class BatchStatus:
    """What became of the jobs of a run.

    Attributes
    ----------
    run
        The run folder.
    slices
        State of each slice.
    chunks
        (number of chunks, chunks with a result) of each slice.
    failed
        Number of chunks that failed in the last job of their slice, by slice.
    errors
        Why chunks failed: message -> how many.
    notes
        What else a user should know.
    """

    run: Path
    slices: list[SliceState]
    chunks: list[tuple[int, int]]
    failed: dict[int, int]
    errors: dict[str, int]
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """State -> number of slices."""
        return dict(Counter(entry.state for entry in self.slices))

    @property
    def complete(self) -> bool:
        """Whether all results are there."""
        return all(entry.state == "done" for entry in self.slices)

    @property
    def needs_user(self) -> bool:
        """Whether something will not be done by waiting."""
        return any(
            entry.state not in ("done", "idle", "running", "removing", "fetch") for entry in self.slices
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for scripts."""
        done = sum(there for _, there in self.chunks)
        failed = sum(self.failed.values())
        total = sum(n for n, _ in self.chunks)
        return {
            "format": "massgap-status/1",
            "run": str(self.run),
            "complete": self.complete,
            "needs_user": self.needs_user,
            "counts": self.counts,
            "chunks": {"total": total, "done": done, "failed": failed, "left": total - done - failed},
            "errors": self.errors,
            "notes": list(self.notes),
            "slices": [
                {
                    "slice": entry.slice,
                    "state": entry.state,
                    "job": entry.job.id if entry.job else None,
                    "attempt": entry.job.job.attempt if entry.job else None,
                    "reason": entry.reason,
                    "chunks": n,
                    "done": there,
                    "failed": self.failed.get(entry.slice, 0),
                }
                for entry, (n, there) in zip(self.slices, self.chunks, strict=True)
            ],
        }


def status_of(run: Path, job_set: JobSet, jobs: list[JobState], notes: tuple[str, ...] = ()) -> BatchStatus:
    """Put together what jobs and results say.

    Parameters
    ----------
    run, job_set
        The run folder, and its jobs.
    jobs
        See :meth:`massgap.condor.jobs.job_set.JobSet.observe`.
    notes
        For the user.
    """
    from massgap.runner.slices.stored import chunk_counts, output_folders

    # After the jobs were looked at: what ends in between counts as done.
    chunks = chunk_counts(run)
    left = {number for number, (n, there) in enumerate(chunks) if there < n}
    states = job_set.slices(len(chunks), left, jobs)
    outputs = output_folders(run)
    failed: dict[int, int] = {}
    errors: Counter[str] = Counter()
    for number in sorted(left):
        told = _errors_of(outputs.get(number, []))
        if told:
            failed[number] = min(len(told), chunks[number][0] - chunks[number][1])
            errors.update(told)
    return BatchStatus(run, states, chunks, failed, dict(errors.most_common()), notes)


def _errors_of(outs: list[Path]) -> list[str]:
    """Errors of the chunks that failed in the last job of a slice that came back, by its output folders."""
    ledgers = [out / "ledger.json" for out in outs if (out / "ledger.json").is_file()]
    if not ledgers:
        return []
    last = max(ledgers, key=lambda path: path.stat().st_mtime)
    try:
        chunks = json.loads(last.read_text())["chunks"]
        return [str(chunk["error"]) for chunk in chunks if chunk["status"] == "failed"]
    except (OSError, ValueError, KeyError, TypeError):
        return []
