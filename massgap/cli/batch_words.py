"""The state of batch jobs in words: a table, what is wrong, and what to type next."""

from __future__ import annotations

from collections import Counter
from shlex import quote
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from massgap.stages.batch_status import BatchStatus

__all__ = ["status_lines"]

_WORDS = {
    "done": "all results are there",
    "running": "the job runs",
    "idle": "the job waits in the queue",
    "fetch": "the job ended, its output waits in the spool",
    "removing": "the job is being removed",
    "held": "the job is held",
    "failed": "the job ended without all results",
    "removed": "the job was removed",
    "lost": "nobody knows the job any more",
    "unsent": "not submitted",
}
_REASONS = 5


def status_lines(status: BatchStatus) -> list[str]:
    """Lines for the console.

    Parameters
    ----------
    status
        See :func:`massgap.stages.batch.status`.
    """
    counts = status.counts
    data = status.as_dict()["chunks"]
    lines = [f"note: {note}" for note in status.notes]
    lines += [f"{'slices':>8s}  state"]
    lines += [f"{counts[state]:8d}  {state:8s} {words}" for state, words in _WORDS.items() if state in counts]
    lines.append(
        f"chunks: {data['total']}, of which {data['done']} done, {data['failed']} failed, {data['left']} left"
    )
    for state in ("held", "failed", "removed", "lost", "unsent"):
        lines += _reasons(status, state)
    if status.errors:
        lines.append("chunks failed because of:")
        lines += [f"  {n}x {error}" for error, n in list(status.errors.items())[:_REASONS]]
        if len(status.errors) > _REASONS:
            lines.append(f"  ... and {len(status.errors) - _REASONS} other reasons; see --json")
    return lines + _next(status)


def _reasons(status: BatchStatus, state: str) -> list[str]:
    """Why slices are in a state: each reason once, with one job that says so."""
    entries = [entry for entry in status.slices if entry.state == state and entry.reason]
    reasons = Counter(entry.reason for entry in entries)
    lines = []
    for reason, n in reasons.most_common(_REASONS):
        one = next(entry for entry in entries if entry.reason == reason)
        job = f", e.g. job {one.job.id} (slice {one.slice})" if one.job else ""
        lines.append(f"  {state} {n}x{job}: {reason}")
    if len(reasons) > _REASONS:
        lines.append(f"  ... and {len(reasons) - _REASONS} other reasons; see --json")
    return lines


def _next(status: BatchStatus) -> list[str]:
    run, counts = quote(str(status.run)), status.counts
    if status.complete:
        return [f"All results are there. Next: massgap merge {run}"]
    lines = []
    if "held" in counts:
        lines.append(
            f"Held jobs: mend the cause and condor_release them, or replace them: massgap resubmit {run} --held (with other "
            "options, for instance --memory 4GB)"
        )
    if counts.keys() & {"failed", "removed", "unsent"}:
        lines.append(
            f"Next: massgap resubmit {run} (logs of the jobs: {status.run / 'jobs' / 'logs'}), or take what is there: massgap merge {run} "
            "--accept-loss"
        )
    if "lost" in counts:
        lines.append(
            f"Lost jobs: look with condor_q at the host that submitted them; if they are gone: massgap resubmit {run} --lost"
        )
    if not lines:
        lines.append("The jobs are at work; nothing to do.")
    return lines
