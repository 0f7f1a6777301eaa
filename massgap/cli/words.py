"""What is printed at the end of a run, of one piece or of many jobs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from massgap.cli.console import say

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["print_run"]


def print_run(result: Any, out: Path) -> None:
    """Print cutflow, notes and problems of a run; ends the command with code 1 if it is not complete."""
    ledger = result.ledger
    empty = not ledger.problems() and not any(entry.chunk.stop > entry.chunk.start for entry in ledger.chunks)
    if empty and not result.interrupted:
        say("Error: there are no events in the input; nothing was processed")
        raise click.exceptions.Exit(1)
    if result.cutflow and "steps" in result.cutflow:
        from massgap.reports.html.tables import cutflow_text

        click.echo(cutflow_text(result.cutflow))
        for name, n in result.undefined.items():
            say(f"note: {name} is undefined in {n} events; they are left out of its histogram")
    for note in result.notes:
        say(f"note: {note}")
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
