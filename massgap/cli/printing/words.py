"""Results in words: of a run, the checks before one, its batch jobs, a fit."""

from __future__ import annotations

import shutil
import textwrap
from collections import Counter
from shlex import quote
from typing import TYPE_CHECKING, Any

import click

from massgap.cli.console import say
from massgap.cli.printing.documents import emit

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from massgap.stages.batch_jobs.status import BatchStatus
    from massgap.stages.verification import Verification

__all__ = [
    "fit_lines",
    "preflight_lines",
    "print_fit",
    "print_run",
    "print_validation",
    "status_lines",
    "verification_lines",
]


def print_run(result: Any, out: Path) -> None:
    """Print cutflow, notes and problems of a run; ends the command with code 1 if it is not complete."""
    ledger = result.ledger
    emit("massgap-run-result/1", run_document(result, out))
    if result.cutflow and "steps" in result.cutflow:
        from massgap.reports.html.tables import cutflow_text

        click.echo(cutflow_text(result.cutflow))
        for name, n in result.undefined.items():
            say(f"note: {name} is undefined in {n} events; they are left out of its histogram")
    for warning in result.warnings:
        say(f"warning: {warning}")
    for note in result.notes:
        say(f"note: {note}")
    if not ledger.problems() and not any(entry.chunk.stop > entry.chunk.start for entry in ledger.chunks):
        say("note: there are no events in the input: all numbers are 0")
    kept = sum(entry.from_checkpoint for entry in ledger.chunks)
    if kept:
        say(
            f"note: {kept} of {len(ledger.chunks)} chunks were already finished and are taken from {out / 'checkpoints'}"
        )
    problems = ledger.problems()
    if result.interrupted:
        done = ledger.count("processed")
        say(
            f"Interrupted after {done:,} events. Finished chunks are kept in {out}: the same command goes on from there."
        )
        raise click.exceptions.Exit(130)
    if problems:
        word = "Accepted loss" if ledger.accepted_loss else "Error"
        for problem in problems[:10]:
            say(f"{word}: {problem}")
        if len(problems) > 10:
            say(f"... and {len(problems) - 10} more in {out / 'ledger.json'}")
    if not ledger.count("processed") and not ledger.complete:
        say("Nothing was processed.")
        raise click.exceptions.Exit(1)
    click.echo(f"run folder: {out}")
    if not (ledger.complete or ledger.accepted_loss):
        say(
            "The run is not complete: it cannot be scaled to a luminosity. Mend the input and run again, or add --accept-loss."
        )
        raise click.exceptions.Exit(1)


def run_document(result: Any, out: Path) -> dict[str, Any]:
    """What a run gave, for programs: cutflow, what is lost, notes."""
    ledger = result.ledger
    return {
        "run_folder": out,
        "complete": ledger.complete and not result.interrupted,
        "accepted_loss": ledger.accepted_loss,
        "interrupted": result.interrupted,
        "events": ledger.count("processed"),
        "problems": ledger.problems(),
        "warnings": result.warnings,
        "notes": result.notes,
        "undefined": result.undefined,
        "cutflow": result.cutflow,
    }


def print_fit(fitted: Any) -> None:
    """Print what a fit found, its notes, and where it is."""
    emit(fitted.results["format"], {"fit_folder": fitted.out, **fitted.results})
    rows = fitted.summary()
    width = max(len(what) for what, _ in rows)
    for what, value in rows:
        click.echo(f"{what:{width}s}  {value}")
    for reason in fitted.results["disjoint"]:
        say(f"note: {reason}")
    for warning in fitted.warnings:
        say(f"note: {warning}")
    click.echo(f"fit folder: {fitted.out}")


def fit_lines(fits: Iterable[Any], folder: Path) -> list[str]:
    """A line per fit: where it is, its signal, the expected significance."""
    rows = []
    for fitted in fits:
        found = dict(fitted.summary())
        place = fitted.out.relative_to(folder) if fitted.out.is_relative_to(folder) else fitted.out
        rows.append((str(place), found["signal"], found["expected significance"]))
    widths = [max((len(row[i]) for row in rows), default=0) for i in range(2)]
    return [f"{place:{widths[0]}s}  {signal:{widths[1]}s}  {words}" for place, signal, words in rows]


def print_validation(found: Any) -> None:
    """Print numbers beside those of a paper, the causes of misses, and how many numbers have which verdict."""
    from massgap.reports.html.tables import plain_table
    from massgap.studies.comparison import compared_text

    click.echo(compared_text(found.rows))
    for table in found.further():
        click.echo(f"\n{table.title}\n{plain_table(table.header, table.texts())}")
    for sentence in found.warnings():
        click.echo(f"\n{sentence}")
    counts = ", ".join(f"{n} {verdict}" for verdict, n in found.verdicts.items())
    click.echo(f"\n{len(found.rows)} numbers of {found.source or 'the paper'}: {counts or 'none'}")


_MARKS = {"ok": "ok", "warning": "note", "failed": "FAILED"}


def preflight_lines(result: Any, width: int | None = None) -> list[str]:
    """A line per check, and below it what to do where it does not hold.

    Parameters
    ----------
    result
        A :class:`massgap.runner.preflight.answers.Preflight`.
    width
        Columns; by default those of the terminal.
    """
    width = max(width or shutil.get_terminal_size((110, 24)).columns, 60)
    lines = []
    for check in result.checks:
        head = f"{_MARKS[check.status]:7}{check.name:10}"
        lines += _wrapped(check.what, head, width)
        if check.remedy:
            lines += _wrapped(check.remedy, " " * 17 + "-> ", width)
    failed = sum(check.status == "failed" for check in result.checks)
    notes = sum(check.status == "warning" for check in result.checks)
    asked = f"{len(result.answers)} worker{'s' if len(result.answers) != 1 else ''}"
    if failed:
        lines.append(f"{failed} of {len(result.checks)} checks failed on {asked}: not ready")
    else:
        said = f", {notes} with a note" if notes else ""
        lines.append(f"{len(result.checks)} checks on {asked}{said}: ready")
    return lines


def _wrapped(text: str, head: str, width: int) -> list[str]:
    # Paths and addresses are not cut: they are there to be copied.
    return textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [head.rstrip()]


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
        See :func:`massgap.stages.batch_jobs.submitted.status`.
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


_PROBLEMS = 20


def verification_lines(found: Verification) -> list[str]:
    """Lines for the console: where the numbers of a run came from, what was computed again, and what differs.

    Parameters
    ----------
    found
        See :func:`massgap.stages.verification.verify`.
    """
    code = "the same now" if found.code == found.code_now else f"another one now ({found.code_now[:12]})"
    lines = [
        f"{found.run}, made {found.created} by: {found.command or 'a call from Python'}",
        f"  code      {found.code[:12]}, {code}",
    ]
    changes = ", ".join(f"{name} {then} then, {now} now" for name, (then, now) in found.versions.items())
    lines.append(f"  libraries {changes or 'the same versions now'}")
    lines += [
        f"  model     {name}: {str(model['sha256'])[:12]}, {model['file']}"
        for name, model in found.models.items()
    ]
    same = sum(not file["changed"] for file in found.files)
    lines.append(f"  files     {same} of {len(found.files)} are those that were read (UUID, size, events)")
    again = len(found.chunks)
    if again:
        seed = (
            "all" if found.seed is None else f"{again / max(found.total_chunks, 1):.1%}, --seed {found.seed}"
        )
        lines.append(f"  chunks    {again} of {found.total_chunks} computed again ({seed})")
    if found.outputs:
        good = sum(found.outputs.values())
        lines.append(f"  outputs   {good} of {len(found.outputs)} made again with the same bits")
    problems = found.problems()
    lines += [f"differs: {problem}" for problem in problems[:_PROBLEMS]]
    if len(problems) > _PROBLEMS:
        lines.append(f"... and {len(problems) - _PROBLEMS} other differences; see --json")
    return [*lines, "Verified." if found.ok else "NOT verified."]
