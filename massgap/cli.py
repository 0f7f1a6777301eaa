"""The command line: ``massgap generate | run | train | fit | report | demo``.

Nothing but wiring: each command calls the function of the same name in :mod:`massgap.stages` and prints what
it returns.
"""

from __future__ import annotations

import contextlib
import json
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from massgap import __version__
from massgap.console import Ticker, duration, say

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["main"]


class _Group(click.Group):
    """Turns the errors of the package into one message and an exit code."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            with _terminate_as_interrupt():
                return super().invoke(ctx)
        except (click.ClickException, click.exceptions.Exit, click.Abort):
            raise
        except KeyboardInterrupt:
            say("\nInterrupted. What was finished is kept: the same command goes on from there.")
            ctx.exit(130)
        except BrokenPipeError:
            sys.stderr.close()
            ctx.exit(1)
        except Exception as error:  # noqa: BLE001 - the last place where a person can be told
            if ctx.params.get("debug"):
                traceback.print_exc()
            elif isinstance(error, _known_errors()):
                say(f"Error: {error}")
            elif isinstance(error, OSError):
                name = f"{error.filename}: " if error.filename else ""
                say(f"Error: {name}{error.strerror or error}")
            else:
                say(
                    f"Error: {type(error).__name__}: {error}\n(This looks like a fault of massgap. Run again as 'massgap --debug ...' for the details.)"
                )
            ctx.exit(1)


@contextlib.contextmanager
def _terminate_as_interrupt() -> Iterator[None]:
    """A batch system ends a job with SIGTERM: like Ctrl-C, so that the workers end and the ledger is written."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _known_errors() -> tuple[type[Exception], ...]:
    from massgap.fits.errors import FitError
    from massgap.models.errors import ModelError
    from massgap.processors.errors import ProcessorError
    from massgap.reports.errors import ReportError
    from massgap.samples.errors import SampleError
    from massgap.selections.errors import SelectionError

    return (SampleError, SelectionError, ModelError, ProcessorError, FitError, ReportError)


@click.group(cls=_Group, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.version_option(__version__, prog_name="massgap")
@click.option("--debug", is_flag=True, help="Show the full traceback of an error.")
def main(debug: bool) -> None:
    """Columnar searches for new particles behind small mass gaps: from event files to limits.

    \b
    The stages, each reading what the one before wrote:
      massgap generate slepton --events 100k --out data
      massgap run slepton --fileset data/fileset.json --out runs/slepton
      massgap train runs/slepton --out runs/model
      massgap run slepton --fileset data/fileset.json --model runs/model/slepton.onnx --out runs/scored
      massgap fit runs/scored
      massgap report runs/scored
    Or all of them at once: massgap demo
    """


def _events(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    factor = {"k": 1_000, "m": 1_000_000}.get(value[-1:].lower(), 1)
    try:
        number = float(value[:-1] if factor > 1 else value) * factor
    except ValueError as error:
        msg = f"{value!r} is not a number of events; write 5000, 100k or 1M"
        raise click.BadParameter(msg) from error
    if not 1 <= number < 1e12:
        msg = "the number of events must be at least 1"
        raise click.BadParameter(msg)
    return round(number)


def _option_pair(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for pair in values:
        key, sign, text = pair.partition("=")
        if not sign:
            msg = f"{pair!r}: write NAME=VALUE, for instance muon_pt=5"
            raise click.BadParameter(msg)
        try:
            out[key] = json.loads(text)
        except json.JSONDecodeError:
            out[key] = text
    return out


def _names(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


def _command() -> str:
    return " ".join(["massgap", *sys.argv[1:]])


WORKERS = click.option("--workers", default=2, show_default=True, help="Worker processes.")
EXECUTOR = click.option(
    "--executor",
    default="futures",
    show_default=True,
    help="iterative, futures, dask, or a scheduler's address (tcp://...).",
)


@main.command()
@click.argument("processes", nargs=-1)
@click.option(
    "--events", default="100k", callback=_events, show_default=True, help="Events, all processes together."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("data"),
    show_default=True,
    help="Folder for the files.",
)
@click.option(
    "--seed", default=1, show_default=True, help="The same seed gives the same events for any --workers."
)
@WORKERS
@click.option("--list", "list_only", is_flag=True, help="List the processes and stop.")
def generate(
    processes: tuple[str, ...], events: int, out: Path, seed: int, workers: int, list_only: bool
) -> None:
    """Generate event samples with Pythia and a parametrised detector, as NanoAOD files.

    PROCESSES is an analysis (all its processes) or names of single processes; default slepton.
    Needs the extra massgap[generator].  Interrupted, the same command goes on.

    \b
    Example:
      massgap generate slepton --events 100k --out data
    """
    from massgap import stages

    if list_only:
        from massgap.samples.generate import list_processes

        for row in list_processes():
            click.echo(f"{row['name']:16s} {row['xsec_fb']:10.4g} fb  {row['description']}")
        return
    ticker = Ticker()
    wanted = list(processes) if len(processes) > 1 else (processes or ("slepton",))[0]
    made = stages.generate(wanted, out, events=events, seed=seed, workers=workers, progress=ticker.generate)
    ticker.close()
    total = sum(entry["metadata"].get("n_events", 0) for entry in made.values())
    click.echo(f"{total:,} events in {len(made)} datasets")
    click.echo(f"fileset: {out / 'fileset.json'}")


@main.command()
@click.argument("analysis")
@click.argument("files", nargs=-1)
@click.option("--fileset", type=click.Path(path_type=Path), help="coffea fileset (JSON) instead of FILES.")
@click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/ANALYSIS]")
@click.option("--tree", help="Name of the tree, if not Events or Delphes.")
@click.option("--process", help="Process name of FILES.")
@click.option("--xsec", "xsec_fb", type=float, help="Cross section of FILES in fb.")
@click.option(
    "--data/--simulation", "is_data", default=None, help="What FILES are.  [default: told by their weights]"
)
@EXECUTOR
@WORKERS
@click.option("--chunksize", callback=_events, help="Largest number of events in a chunk.  [default: 100k]")
@click.option("--model", type=click.Path(path_type=Path), help="ONNX model whose score is filled.")
@click.option("--variations", callback=_names, help="Systematics, e.g. jes,muon_scale,isr,fsr.")
@click.option("--precuts", callback=_names, help="Pre-cuts to apply, by name.")
@click.option("--without", callback=_names, help="Topology steps to switch off, by name.")
@click.option(
    "--set",
    "options",
    multiple=True,
    callback=_option_pair,
    metavar="NAME=VALUE",
    help="Any other option of the processor.",
)
@click.option(
    "--accept-loss", is_flag=True, help="Take the result although files, chunks or weights are missing."
)
@click.option("--fresh", is_flag=True, help="Do not use finished chunks of an earlier run.")
def run(
    analysis: str,
    files: tuple[str, ...],
    out: Path | None,
    variations: list[str] | None,
    precuts: list[str] | None,
    without: list[str] | None,
    options: dict[str, Any],
    fresh: bool,
    **settings: Any,
) -> None:
    """Run an analysis over NanoAOD or Delphes files and print its cutflow.

    ANALYSIS is slepton, or path/to/file.py:Class for your own coffea processor.

    \b
    Examples:
      massgap run slepton ttbar_*.root --process tt --xsec 832000 --out runs/tt
      massgap run slepton --fileset data/fileset.json --out runs/slepton
      massgap run ./my_analysis.py:MyProcessor events.root
    """
    from massgap import stages

    if out is None:
        out = Path("runs") / (Path(analysis.partition(":")[0]).stem)
    named = {"variations": variations, "precuts": precuts, "without": without}
    options |= {name: value for name, value in named.items() if value is not None}
    ticker = Ticker()
    result = stages.run(
        analysis,
        files,
        out=out,
        options=options,
        resume=not fresh,
        command=_command(),
        progress=ticker.run,
        **settings,
    )
    ticker.close()
    _print_run(result, out)


def _print_run(result: Any, out: Path) -> None:
    ledger = result.ledger
    empty = not ledger.problems() and not any(entry.chunk.stop > entry.chunk.start for entry in ledger.chunks)
    if empty and not result.interrupted:
        say("Error: there are no events in the input; nothing was processed")
        raise click.exceptions.Exit(1)
    if result.cutflow and "steps" in result.cutflow:
        from massgap.reports.tables import cutflow_text

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


@main.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Model folder.  [default: RUN_FOLDER/model]")
@click.option("--signal", callback=_names, help="Signal processes.  [default: as the samples say]")
@click.option("--backgrounds", callback=_names, help="Background processes.  [default: all others]")
@click.option(
    "--protocol",
    type=click.Choice(["nested", "paper"]),
    default="nested",
    show_default=True,
    help="Early stopping on a nested split, or on the held-out fold as in the paper.",
)
@click.option("--folds", "n_folds", default=3, show_default=True, help="Number of rotated folds.")
@click.option("--seed", default=1, show_default=True)
@click.option(
    "--precuts/--no-precuts", default=True, show_default=True, help="Train on events after the pre-cuts only."
)
@click.option("--accept-loss", is_flag=True, help="Train although the run lost events.")
def train(run_folder: Path, out: Path | None, **options: Any) -> None:
    """Train boosted trees on a run's feature tables and export them to ONNX.

    \b
    Example:
      massgap train runs/slepton --out runs/model
    """
    from massgap import stages

    ticker = Ticker()
    made = stages.train(run_folder, out, progress=ticker.train, **options)
    ticker.close()
    _print_model(made)


def _print_model(made: Any) -> None:
    if made.reused:
        say("note: the folder already holds this training; nothing was done")
    click.echo(
        "area under the ROC curve per held-out fold: " + ", ".join(f"{auc:.4f}" for auc in made.auc_eval)
    )
    click.echo(f"model: {made.model_file}")


def _edges(_: click.Context, __: click.Parameter, value: str | None) -> list[float] | None:
    if value is None:
        return None
    try:
        return [float(edge) for edge in value.split(",")]
    except ValueError as error:
        msg = f"{value!r}: write increasing numbers with commas, for instance 0,0.5,0.9,1"
        raise click.BadParameter(msg) from error


@main.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Fit folder.  [default: RUN_FOLDER/fit]")
@click.option("--lumi", "lumi_fb", default=300.0, show_default=True, help="Luminosity in fb-1.")
@click.option("--signal", help="Signal process.  [default: as the samples say]")
@click.option(
    "--histogram", default="score", show_default=True, help="What is fitted: score or an observable."
)
@click.option("--selection", help="topology or precuts, for an observable.")
@click.option(
    "--edges", callback=_edges, help="Bin edges, e.g. 0,0.5,0.9,1.  [default: chosen by statistics]"
)
@click.option("--lumi-uncertainty", default=0.025, show_default=True, help="Relative; 0 leaves it out.")
@click.option(
    "--background-uncertainty",
    "normalisation",
    multiple=True,
    callback=_option_pair,
    metavar="NAME=SIZE",
    help="Normalisation of a background: relative size, 0, or free. NAME can be all.  [default: all=0.2]",
)
@click.option(
    "--mc-statistics", type=click.Choice(["lite", "full", "off"]), default="lite", show_default=True
)
@click.option(
    "--systematics/--no-systematics", default=True, show_default=True, help="Use the variations of the run."
)
@click.option("--level", default=0.95, show_default=True, help="Confidence level of the limit.")
@click.option("--accept-loss", is_flag=True, help="Fit although the run lost events.")
def fit(
    run_folder: Path,
    out: Path | None,
    lumi_fb: float,
    signal: str | None,
    histogram: str,
    selection: str | None,
    edges: list[float] | None,
    lumi_uncertainty: float,
    normalisation: dict[str, Any],
    mc_statistics: Any,
    systematics: bool,
    level: float,
    accept_loss: bool,
) -> None:
    """Fit the score of a run: significance, upper limit, signal strength, threshold scan.

    \b
    Examples:
      massgap fit runs/scored --lumi 300
      massgap fit runs/scored --background-uncertainty tt=0.1 --background-uncertainty WW=free
    """
    from massgap import stages
    from massgap.fits.fit_run import FitOptions
    from massgap.fits.workspace import WorkspaceOptions

    common = normalisation.pop("all", WorkspaceOptions.default_normalisation)
    model = WorkspaceOptions(
        lumi_uncertainty=lumi_uncertainty,
        default_normalisation=common,
        normalisation=normalisation,
        mc_statistics=mc_statistics,
        systematics=systematics,
    )
    options = FitOptions(histogram=histogram, selection=selection, edges=edges, level=level, model=model)
    _print_fit(
        stages.fit(run_folder, out, lumi_fb=lumi_fb, signal=signal, options=options, accept_loss=accept_loss)
    )


def _print_fit(fitted: Any) -> None:
    rows = fitted.summary()
    width = max(len(what) for what, _ in rows)
    for what, value in rows:
        click.echo(f"{what:{width}s}  {value}")
    for warning in fitted.warnings:
        say(f"note: {warning}")
    click.echo(f"fit folder: {fitted.out}")


@main.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="HTML file.  [default: RUN_FOLDER/report.html]")
@click.option(
    "--model",
    "model_folder",
    type=click.Path(path_type=Path),
    help="Model folder.  [default: as the run says]",
)
@click.option(
    "--fit", "fit_folder", type=click.Path(path_type=Path), help="Fit folder.  [default: RUN_FOLDER/fit]"
)
@click.option("--title", help="Title of the page.")
def report(run_folder: Path, out: Path | None, **options: Any) -> None:
    """Write a run's report: one HTML page with tables, plots, fit and provenance.

    \b
    Example:
      massgap report runs/scored
    """
    from massgap import stages

    path = stages.report(run_folder, out, **options)
    click.echo(f"report: {path.resolve()}")


@main.command()
@click.option(
    "--out",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    help="Folder for everything.",
)
@click.option(
    "--events",
    callback=_events,
    help="Events to generate, all processes together.  [default: a few minutes' worth]",
)
@click.option("--seed", default=1, show_default=True)
@click.option("--lumi", "lumi_fb", default=300.0, show_default=True, help="Luminosity in fb-1.")
@EXECUTOR
@WORKERS
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

    done = stages.demo(events=events, hooks=hooks, announce=announce, command=_command(), **options)
    ticker.close()
    _print_fit(done.fit)
    say("time: " + ", ".join(f"{stage} {duration(s)}" for stage, s in done.seconds.items()))
    click.echo(f"report: {done.report.resolve()}")


if __name__ == "__main__":
    main()
