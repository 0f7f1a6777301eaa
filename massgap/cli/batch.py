"""The commands for batch jobs: ``massgap submit | status | resubmit | merge``, and ``work``, which the jobs call.

Nothing but wiring, as :mod:`massgap.cli`.
"""

from __future__ import annotations

from pathlib import Path
from shlex import quote
from typing import Any

import click

from massgap.cli.console import Ticker, command_line, say
from massgap.cli.options.analysis_command import AnalysisCommand
from massgap.cli.options.cluster_options import batch_options, take_cluster
from massgap.cli.options.run_options import (
    analysis_options,
    input_options,
    plan_options,
    run_folder_of,
    take_options,
)
from massgap.cli.printing.documents import emit
from massgap.cli.printing.words import print_run, status_lines

__all__ = ["COMMANDS"]

_RUN_FOLDER = click.argument("run_folder", type=click.Path(path_type=Path))
_DRY_RUN = click.option("--dry-run", is_flag=True, help="Write all files, submit nothing.")


@click.command(cls=AnalysisCommand)
@input_options
@plan_options
@click.option("--jobs", type=int, help="Number of jobs, about.  [default: so that a job has 10 chunks]")
@click.option("--chunks-per-job", type=int, help="Chunks in a job instead.")
@click.option(
    "--workers", default=2, show_default=True, help="Worker processes that look into the files now."
)
@batch_options
@analysis_options
@_DRY_RUN
def submit(analysis: str, files: tuple[str, ...], out: Path | None, dry_run: bool, **settings: Any) -> None:
    """Run an analysis as HTCondor jobs that need no scheduler of ours: one job per slice of the fileset.

    Looks into all files, plans the chunks, writes everything to RUN/jobs and calls condor_submit.  Then nothing has to keep running.

    \b
    Examples:
      massgap submit slepton --fileset big.json --out runs/big --jobs 200 --memory 2GB
      massgap submit slepton --fileset big.json --out runs/big --dry-run
      massgap status runs/big
      massgap resubmit runs/big
      massgap merge runs/big
    """
    from massgap import stages

    out = out or run_folder_of(analysis)
    ticker = Ticker()
    made = stages.submit(
        analysis,
        files,
        out=out,
        options=take_options(settings),
        cluster=take_cluster(settings),
        dry_run=dry_run,
        command=command_line(),
        progress=ticker.run,
        **settings,
    )
    ticker.close()
    emit("massgap-submission/1", _submission(made, out))
    for note in made.notes:
        say(f"note: {note}")
    click.echo(f"{made.jobs} jobs with {made.chunks} chunks ({made.events:,} events)")
    _tell(made, out)


def _submission(made: Any, out: Path) -> dict[str, Any]:
    """What was submitted, for programs."""
    wanted = ("jobs", "chunks", "events", "description", "cluster", "command", "notes", "left_alone")
    return {"run_folder": out, **{name: getattr(made, name, None) for name in wanted}}


def _tell(made: Any, out: Path) -> None:
    """What was written, where the jobs are, and what to type next."""
    click.echo(f"submit description: {made.description}")
    if made.cluster is None:
        click.echo(f"Nothing was submitted. This submits it: massgap resubmit {quote(str(out))}")
        click.echo(f"or by hand: {made.command}")
        return
    click.echo(
        f"submitted to cluster {made.cluster}: massgap status {quote(str(out))} shows what becomes of it"
    )


@click.command()
@_RUN_FOLDER
@click.option("--no-fetch", is_flag=True, help="With --spool: leave the output of ended jobs at the schedd.")
@click.pass_context
def status(ctx: click.Context, run_folder: Path, no_fetch: bool) -> None:
    """What became of the jobs of massgap submit, and what to do.

    Ends with code 0 if all results are there, 3 if jobs are at work and all is well, 1 if something needs you.

    \b
    Examples:
      massgap status runs/big
      massgap status runs/big --json
    """
    from massgap import stages

    found = stages.status(run_folder, fetch=not no_fetch)
    for line in status_lines(found):
        click.echo(line)
    emit("massgap-status/1", found.as_dict())
    ctx.exit(0 if found.complete else 1 if found.needs_user else 3)


@click.command()
@_RUN_FOLDER
@click.option("--held", is_flag=True, help="Also slices whose job is held; the job is removed.")
@click.option("--lost", is_flag=True, help="Also slices whose job nobody knows: if you are sure it is gone.")
@batch_options
@_DRY_RUN
def resubmit(run_folder: Path, held: bool, lost: bool, dry_run: bool, **settings: Any) -> None:
    """Submit the slices again that are not done and have no job in the queue.

    Finished chunks are not done again.  Options of the jobs stay as they were unless given here.

    \b
    Examples:
      massgap resubmit runs/big
      massgap resubmit runs/big --held --memory 4GB
    """
    from massgap import stages

    ticker = Ticker()
    made = stages.resubmit(
        run_folder, held=held, lost=lost, dry_run=dry_run, cluster=take_cluster(settings), progress=ticker.run
    )
    ticker.close()
    emit("massgap-submission/1", _submission(made, run_folder))
    for note in made.notes:
        say(f"note: {note}")
    for state, n in made.left_alone.items():
        say(f"note: {n} slice{'s' if n > 1 else ''} left alone: {_LEFT_ALONE.get(state, state)}")
    if not made.jobs:
        click.echo("There is nothing to submit.")
        return
    click.echo(f"{made.jobs} job{'s' if made.jobs > 1 else ''}")
    _tell(made, run_folder)


_LEFT_ALONE = {
    "idle": "the job waits in the queue",
    "running": "the job runs",
    "removing": "the job is being removed",
    "held": "the job is held; --held removes and replaces it",
    "lost": "nobody knows the job any more; --lost replaces it, if you are sure that it does not run",
    "fetch": "the output of the job waits in the spool",
}


@click.command()
@_RUN_FOLDER
@click.option("--accept-loss", is_flag=True, help="Take the result although something is missing.")
def merge(run_folder: Path, accept_loss: bool) -> None:
    """Put the results of all jobs together: the same run folder as that of massgap run.

    \b
    Example:
      massgap merge runs/big
    """
    from massgap import stages

    ticker = Ticker()

    def show(progress: Any) -> None:
        ticker.show(
            f"chunks put together: {progress.done}/{progress.total}", final=progress.done == progress.total
        )

    result = stages.merge(run_folder, accept_loss=accept_loss, progress=show)
    ticker.close()
    print_run(result, run_folder)


@click.command(hidden=True)
@click.argument("job_file", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), required=True, help="Folder for the results.")
@click.pass_context
def work(ctx: click.Context, job_file: Path, out: Path) -> None:
    """Process one slice: what the jobs of massgap submit call.

    Ends with code 0 if all is done, 3 if some chunks failed, 4 if the code is not the one that planned.

    \b
    Example:
      massgap work job-0000.json --out out-0000
    """
    from massgap import stages
    from massgap.runner.slices.slice_file import WrongEnvironmentError

    ticker = Ticker(every=60.0)
    try:
        summary = stages.work(job_file, out, progress=ticker.run)
    except WrongEnvironmentError as error:
        say(f"Error: {error}")
        ctx.exit(4)
    ticker.close()
    emit("massgap-slice/1", summary)
    for problem in summary["problems"][:10]:
        say(f"Error: {problem}")
    if summary["interrupted"]:
        ctx.exit(130)
    ctx.exit(0 if summary["complete"] else 3)


COMMANDS = (submit, status, resubmit, merge, work)
