"""The commands ``massgap run``, ``massgap preflight`` and ``massgap verify``."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from massgap.cli.console import Ticker, command_line, say
from massgap.cli.options.analysis_command import AnalysisCommand
from massgap.cli.options.cluster_options import executor_options, take_cluster
from massgap.cli.options.run_options import (
    analysis_options,
    event_number,
    input_options,
    plan_options,
    run_folder_of,
    take_options,
)
from massgap.cli.printing.documents import emit
from massgap.cli.printing.words import preflight_lines, print_run, verification_lines

__all__ = ["preflight", "run", "verify"]


@click.command(cls=AnalysisCommand)
@input_options
@plan_options
@executor_options
@analysis_options
@click.option(
    "--accept-loss", is_flag=True, help="Take the result although files, chunks or weights are missing."
)
@click.option("--fresh", is_flag=True, help="Do not use finished chunks of an earlier run.")
def run(
    analysis: str,
    files: tuple[str, ...],
    out: Path | None,
    fresh: bool,
    **settings: Any,
) -> None:
    """Run an analysis over NanoAOD, PHYSLITE or Delphes files and print its cutflow.

    ANALYSIS is slepton, smuon, vlq, cascade or electroweakino, or path/to/file.py:Class for your own coffea processor.

    \b
    Examples:
      massgap run slepton ttbar_*.root --process tt --xsec 832000 --out runs/tt
      massgap run slepton --fileset data/fileset.json --out runs/slepton
      massgap run slepton delphes.root --collections jets=JetPUPPI,met=PuppiMissingET
      massgap run ./my_analysis.py:MyProcessor events.root
    """
    from massgap import stages

    out = out or run_folder_of(analysis)
    ticker = Ticker()
    result = stages.run(
        analysis,
        files,
        out=out,
        options=take_options(settings),
        resume=not fresh,
        command=command_line(),
        progress=ticker.run,
        cluster=take_cluster(settings),
        **settings,
    )
    ticker.close()
    print_run(result, out)


@click.command(cls=AnalysisCommand)
@input_options
@executor_options
@click.option(
    "--chunksize", callback=event_number, help="Events in a chunk.  [default: 500k, the largest default]"
)
@analysis_options
@click.option(
    "--files-per-dataset",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Files of each dataset that are opened on the workers.",
)
@click.option(
    "--wait",
    type=click.FloatRange(min=1),
    default=300.0,
    show_default=True,
    help="Seconds to wait for the first worker of a cluster.",
)
def preflight(
    analysis: str,
    files: tuple[str, ...],
    **settings: Any,
) -> None:
    """Look at the workers before a long run: what would go wrong is said now, with what to do.

    Checks on the workers themselves, compared with this machine: versions, modules, the analysis and its model, the first file
    of each dataset, memory for a chunk, scratch space, threads, clock.  Ends with code 1 if a check fails.

    \b
    Examples:
      massgap preflight slepton --fileset big.json --executor htcondor --workers 20 --model runs/model/slepton.onnx
      massgap preflight ./my_analysis.py:MyAnalysis --fileset big.json --executor tls://localhost:8786 --files-per-dataset 3
    """
    from massgap import stages

    result = stages.preflight(
        analysis,
        files,
        options=take_options(settings),
        cluster=take_cluster(settings),
        announce=say,
        **settings,
    )
    for line in preflight_lines(result):
        click.echo(line)
    emit("massgap-preflight/1", result.as_dict())
    if not result.ok:
        raise click.exceptions.Exit(1)


@click.command()
@click.argument("run_folder", metavar="RUN", type=click.Path(path_type=Path))
@click.option(
    "--all", "everything", is_flag=True, help="Compute all chunks again, and use nothing that was kept."
)
@click.option(
    "--share",
    type=click.FloatRange(0.0, 1.0),
    default=0.01,
    show_default=True,
    help="Share of the chunks that are computed again; at least one is.",
)
@click.option(
    "--seed", type=click.IntRange(0), help="Chooses the chunks.  [default: a random one, which is printed]"
)
@click.option("--workers", type=click.IntRange(1), default=2, show_default=True, help="Worker processes.")
def verify(run_folder: Path, workers: int, **settings: Any) -> None:
    """Compute a part of a run again and compare it to the last bit.

    Says what code, libraries, models and files the numbers of the folder came from, and whether these are still the same; then
    some chunks, chosen at random, are computed again and compared with what was kept of them, and histograms, cutflow and
    feature tables are put together again from all that was kept.  Ends with code 1 if anything differs.

    \b
    Examples:
      massgap verify runs/scored
      massgap verify runs/scored --share 0.1 --seed 7
      massgap verify runs/scored --all --json
    """
    from massgap import stages

    ticker = Ticker()
    found = stages.verify(run_folder, executor="futures", workers=workers, progress=ticker.run, **settings)
    ticker.close()
    for line in verification_lines(found):
        click.echo(line)
    emit("massgap-verification/1", found.as_dict())
    if not found.ok:
        raise click.exceptions.Exit(1)
