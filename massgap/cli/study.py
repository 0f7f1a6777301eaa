"""The command ``massgap demo``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from massgap.cli.cluster_options import executor_options, take_cluster
from massgap.cli.console import Ticker, command_line, duration, say
from massgap.cli.run_options import event_number
from massgap.cli.words import print_fit

__all__ = ["demo"]


@click.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for everything.",
)
@click.option(
    "--events",
    callback=event_number,
    help="Events to generate, all processes together.  [default: a few minutes' worth]",
)
@click.option("--seed", default=1, show_default=True)
@click.option("--lumi", "lumi_fb", default=300.0, show_default=True, help="Luminosity in fb-1.")
@executor_options
def demo(events: int | None, **options: Any) -> None:
    """The slepton analysis from nothing to a report, in a few minutes.

    Generates a small sample, runs the processor, trains, runs again with the score, fits and reports.
    What an earlier call finished is used again.

    \b
    Example:
      massgap demo --out demo
    """
    from massgap import stages

    ticker = Ticker()
    hooks = {"generate": ticker.generate, "run": ticker.run, "train": ticker.train}

    def announce(text: str) -> None:
        ticker.close()
        say(text)

    cluster = take_cluster(options)
    done = stages.demo(
        events=events, hooks=hooks, announce=announce, command=command_line(), cluster=cluster, **options
    )
    ticker.close()
    print_fit(done.fit)
    say("time: " + ", ".join(f"{stage} {duration(s)}" for stage, s in done.seconds.items()))
    click.echo(f"report: {done.report.resolve()}")
