"""The command line: ``massgap generate | run | submit | status | resubmit | merge | train | fit | report | demo``.

Nothing but wiring: each command calls the function of the same name in :mod:`massgap.stages` and prints what
it returns.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from massgap import __version__
from massgap.cli.batch import COMMANDS
from massgap.cli.cluster_options import executor_options, take_cluster
from massgap.cli.console import Ticker, command_line, duration, say
from massgap.cli.run_options import (
    analysis_options,
    event_number,
    input_options,
    names,
    option_pairs,
    plan_options,
    run_folder_of,
    take_options,
)
from massgap.cli.words import print_run
from massgap.errors import MassgapError

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
            elif isinstance(error, MassgapError):
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
    In place of run, with batch jobs: massgap submit, status, resubmit, merge
    """


@main.command()
@click.argument("processes", nargs=-1)
@click.option(
    "--events",
    callback=event_number,
    help="Events, all processes together.  [default: 100k; with --lhe all of the files]",
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
@click.option("--workers", type=int, help="Worker processes.  [default: one per core]")
@click.option(
    "--detector",
    help="Detector response: cms, atlas, hl-lhc, cascade or perfect.  [default: the analysis' own; cms with --lhe]",
)
@click.option("--card", type=click.Path(path_type=Path), help="Own detector card (TOML) instead.")
@click.option(
    "--energy", "sqrt_s_tev", type=float, help="Centre-of-mass energy in TeV.  [default: the analysis']"
)
@click.option("--variations", is_flag=True, help="Also weights of scale, PDF and shower variations (slower).")
@click.option("--mpi", is_flag=True, help="Multiparton interactions (about ten times slower).")
@click.option("--rntuple", is_flag=True, help="Write RNTuples instead of TTrees.")
@click.option(
    "--lhe",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Matrix-element events (.lhe, .lhe.gz) instead of PROCESSES; may be given several times.",
)
@click.option("--process", help="With --lhe: process name.  [default: the file's name]")
@click.option("--signal", is_flag=True, help="With --lhe: the events are a signal.")
@click.option(
    "--filter",
    "filter_name",
    help="With --lhe: keep events with none, lepton, dimuon, 3l, dimuon-photon or vbf.",
)
@click.option("--slha", type=click.Path(path_type=Path), help="With --lhe: spectrum and decays.")
@click.option(
    "--decays",
    help="With --lhe: decay as this signal does, for instance wino_WZ_200_30.",
)
@click.option("--matching", type=click.Choice(["auto", "mlm", "none"]), default="auto", show_default=True)
@click.option("--qcut", type=float, help="With --lhe: matching scale in GeV.  [default: told by the file]")
@click.option("--list", "list_only", is_flag=True, help="List the processes and stop.")
def generate(processes: tuple[str, ...], list_only: bool, **options: Any) -> None:
    """Generate event samples with Pythia and a parametrised detector, as NanoAOD files.

    PROCESSES is an analysis (slepton, smuon, vlq, cascade, electroweakino: all its processes), names of single
    processes, or signals of any mass; default slepton.  With --lhe, matrix-element events are showered instead.
    Needs the extra massgap[generator].  Interrupted, the same command goes on.

    \b
    Examples:
      massgap generate slepton --events 100k --out samples
      massgap generate smuonR_300_100 smuonR_400_50 --events 20k --detector atlas
      massgap generate --lhe my_events.lhe.gz --process tt --filter dimuon
      massgap generate --list
    """
    from massgap import stages

    if list_only:
        _list_processes()
        return
    ticker = Ticker()
    out, lhe = options["out"], options.pop("lhe")
    card = options.pop("card")
    detector = options.pop("detector")
    if card is not None and detector is not None:
        msg = "give --detector or --card, not both"
        raise click.UsageError(msg)
    options["card"] = card or detector or ("cms" if lhe else None)
    options["form"] = "rntuple" if options.pop("rntuple") else "ttree"
    options["workers"] = options["workers"] or os.cpu_count() or 1
    of_files = {
        name: options.pop(name)
        for name in ("process", "filter_name", "slha", "decays", "qcut", "matching", "signal")
    }
    if lhe:
        if processes:
            msg = "give PROCESSES or --lhe files, not both"
            raise click.UsageError(msg)
        if options.pop("sqrt_s_tev") is not None:
            msg = "--energy does not go with --lhe: the file tells the energy"
            raise click.UsageError(msg)
        of_files["is_signal"] = of_files.pop("signal")
        made = stages.generate_lhe(list(lhe), progress=ticker.generate, **of_files, **options)
    else:
        if given := [name for name, value in of_files.items() if value and name != "matching"]:
            msg = f"--{given[0].replace('_name', '')} goes with --lhe"
            raise click.UsageError(msg)
        options["events"] = options["events"] or 100_000
        wanted = list(processes) or ["slepton"]
        made = stages.generate(wanted, progress=ticker.generate, **options)
    ticker.close()
    _tell_generation(out, made)


def _list_processes() -> None:
    from massgap.samples.processes.signals import SIGNAL_FORMS
    from massgap.samples.production.generate import list_processes

    analysis = None
    for row in list_processes():
        heading = ", ".join(row["analyses"]) or "single processes, nothing filtered"
        if heading != analysis:
            analysis = heading
            click.echo(f"{heading} ({row['sqrt_s_tev']:g} TeV)")
        xsec = f"{'computed':>12s}" if row["xsec_fb"] is None else f"{row['xsec_fb']:9.4g} fb"
        click.echo(f"  {row['name']:28s} {xsec}  {row['description']}")
    click.echo(f"signals of any mass in GeV: {', '.join(SIGNAL_FORMS)}")
    click.echo(
        "Cross sections are leading order, before the filters; those of signals are computed when they are made."
    )


def _tell_generation(out: Path, made: dict[str, Any]) -> None:
    """Totals, rates and shares of the time of a generation."""
    rates = json.loads((out / "generation.json").read_text())["datasets"]
    for name, row in rates.items():
        if "note" in row:
            say(f"note: {name}: {row['note']}")
    steps: dict[str, float] = {}
    for row in rates.values():
        for step, seconds in row["cpu_s"].items():
            steps[step] = steps.get(step, 0.0) + seconds
    total = sum(steps.values())
    generated = sum(row["generated"] for row in rates.values())
    if total:
        shares = ", ".join(f"{step} {seconds / total:.0%}" for step, seconds in steps.items())
        click.echo(f"{generated / total:,.0f} generated events per second and core ({shares})")
    events = sum(entry["metadata"].get("n_events", 0) for entry in made.values())
    click.echo(f"{events:,} events in {len(made)} datasets")
    click.echo(f"fileset: {out / 'fileset.json'}")


@main.command()
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
    """Run an analysis over NanoAOD or Delphes files and print its cutflow.

    ANALYSIS is slepton, or path/to/file.py:Class for your own coffea processor.

    \b
    Examples:
      massgap run slepton ttbar_*.root --process tt --xsec 832000 --out runs/tt
      massgap run slepton --fileset data/fileset.json --out runs/slepton
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


@main.command()
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
@click.option("--json", "as_json", is_flag=True, help="Print everything as JSON.")
def preflight(
    analysis: str,
    files: tuple[str, ...],
    as_json: bool,
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
    from massgap.cli.preflight_words import preflight_lines

    result = stages.preflight(
        analysis,
        files,
        options=take_options(settings),
        cluster=take_cluster(settings),
        announce=say,
        **settings,
    )
    if as_json:
        click.echo(json.dumps(result.as_dict(), indent=1))
    else:
        for line in preflight_lines(result):
            click.echo(line)
    if not result.ok:
        raise click.exceptions.Exit(1)


@main.command()
@click.argument("run_folder", type=click.Path(path_type=Path))
@click.option("--out", type=click.Path(path_type=Path), help="Model folder.  [default: RUN_FOLDER/model]")
@click.option("--signal", callback=names, help="Signal processes.  [default: as the samples say]")
@click.option("--backgrounds", callback=names, help="Background processes.  [default: all others]")
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
    callback=option_pairs,
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
    from massgap.fits.workspaces.workspace import WorkspaceOptions

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
@click.argument("what", nargs=-1, required=True, metavar="FOLDER")
@click.option("--out", type=click.Path(path_type=Path), help="HTML file.  [default: FOLDER/report.html]")
@click.option(
    "--model",
    "model_folder",
    type=click.Path(path_type=Path),
    help="Model folder.  [default: as the run says]",
)
@click.option(
    "--fit", "fit_folder", type=click.Path(path_type=Path), help="Fit folder.  [default: FOLDER/fit]"
)
@click.option("--title", help="Title of the page.")
@click.option(
    "--reference",
    multiple=True,
    help="For samples: PROCESS=FILE.root, a NanoAOD file to compare a process with.",
)
def report(what: tuple[str, ...], out: Path | None, reference: tuple[str, ...], **options: Any) -> None:
    """Write a report: one HTML page with tables, plots and provenance.

    FOLDER is a run folder, or a folder of generated samples: then the page shows closure plots.  With the word
    benchmarks before it, it is what make bench wrote.

    \b
    Examples:
      massgap report runs/scored
      massgap report samples data --reference tt=nano_tt.root
      massgap report benchmarks bench/benchmarks.json
    """
    from massgap import stages

    if len(what) > 2 or (len(what) == 2 and what[0] not in ("samples", "benchmarks")):
        msg = f"give one folder, or 'samples' or 'benchmarks' and a folder, not {' '.join(what)}"
        raise click.UsageError(msg)
    if what[0] == "benchmarks" and (len(what) == 2 or not Path("benchmarks/manifest.json").is_file()):
        given = [name for name, value in options.items() if value is not None and name != "title"]
        if given or reference:
            name = given[0].replace("_folder", "") if given else "reference"
            msg = f"--{name} does not go with benchmarks"
            raise click.UsageError(msg)
        results = Path(what[1]) if len(what) == 2 else Path("bench")
        path = stages.report_benchmarks(results, out, title=options["title"])
        click.echo(f"report: {path.resolve()}")
        return
    folder = Path(what[-1])
    if what == ("samples",) and not folder.is_dir():
        folder = Path("data")
    of_samples = (folder / "fileset.json").is_file() and not (folder / "manifest.json").is_file()
    if what[0] == "samples" or of_samples:
        if given := [name for name, value in options.items() if value is not None and name != "title"]:
            msg = f"--{given[0].replace('_folder', '')} goes with a run folder, not with samples"
            raise click.UsageError(msg)
        path = stages.report_samples(folder, out, reference=_pairs(reference), title=options["title"])
    else:
        if reference:
            msg = "--reference goes with samples: massgap report samples FOLDER"
            raise click.UsageError(msg)
        path = stages.report(folder, out, **options)
    click.echo(f"report: {path.resolve()}")


def _pairs(values: tuple[str, ...]) -> dict[str, Path]:
    out = {}
    for value in values:
        process, sign, path = value.partition("=")
        if not sign or not process or not path:
            msg = f"--reference {value!r}: write PROCESS=FILE.root"
            raise click.UsageError(msg)
        out[process] = Path(path)
    return out


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
    _print_fit(done.fit)
    say("time: " + ", ".join(f"{stage} {duration(s)}" for stage, s in done.seconds.items()))
    click.echo(f"report: {done.report.resolve()}")


for _command in COMMANDS:
    main.add_command(_command)


if __name__ == "__main__":
    main()
