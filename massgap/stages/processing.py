"""The stages of an analysis as plain functions: generate, run, train, fit, report, demo.

``massgap COMMAND`` calls these functions and prints; a notebook calls them directly.  Each reads what the one
before wrote, and each can be interrupted and called again.  In place of run, submit, status, resubmit and merge do
the same with batch jobs.
"""

from __future__ import annotations

import contextlib
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.stages.batch import merge, resubmit, status, submit_fileset, work
from massgap.stages.execution import folder_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from massgap.stages.batch import Submitted

__all__ = [
    "DemoResult",
    "demo",
    "fit",
    "generate",
    "merge",
    "preflight",
    "report",
    "resubmit",
    "run",
    "status",
    "submit",
    "train",
    "work",
]


def generate(
    processes: str | list[str] = "slepton",
    out: str | Path = "data",
    *,
    events: int = 100_000,
    seed: int = 1,
    workers: int = 2,
    **options: Any,
) -> dict[str, Any]:
    """Generate event samples; see :func:`massgap.samples.production.generate.generate`.

    Parameters
    ----------
    processes
        An analysis (all its processes) or names of single processes.
    out
        Folder for the files and ``fileset.json``.
    events
        Number of events, all processes together.
    seed, workers
        The same seed gives the same files for any number of workers.

    Returns
    -------
    dict
        The fileset.
    """
    from massgap.samples.production.generate import generate as generate_samples

    return generate_samples(processes, out, events=events, seed=seed, workers=workers, **options)


def generate_lhe(files: Iterable[str | Path], out: str | Path = "data", **options: Any) -> dict[str, Any]:
    """Shower matrix-element events; see :func:`massgap.samples.production.generate_lhe.generate_lhe`.

    Parameters
    ----------
    files
        Les Houches event files, plain or compressed.
    out
        Folder for the files and ``fileset.json``.

    Returns
    -------
    dict
        The fileset.
    """
    from massgap.samples.production.generate_lhe import generate_lhe as generate_samples

    return generate_samples(files, out, **options)


def input_fileset(
    files: Iterable[str] = (),
    fileset: str | Path | dict[str, Any] | None = None,
    *,
    tree: str | None = None,
    process: str | None = None,
    xsec_fb: float | None = None,
    is_data: bool | None = None,
) -> dict[str, Any]:
    """The fileset to run over: a JSON file or dict, or one made from plain files.

    Parameters
    ----------
    files
        Paths, patterns or URLs.
    fileset
        A coffea fileset, as JSON file or dict.
    tree
        Name of the tree, if not Events or Delphes.
    process, xsec_fb
        Process name and cross section in fb of plain files.  Without cross section the events are
        counted with their generator weights.
    is_data
        Whether plain files are collision data; None to tell by their content.

    Raises
    ------
    massgap.contracts.errors.FilesetError
        If both or neither are given, or the fileset is not valid.
    """
    from massgap.contracts.errors import FilesetError
    from massgap.contracts.fileset import fileset_from_files, load_fileset, validate_fileset

    paths = [str(path) for path in files]
    if (fileset is None) == (not paths):
        msg = (
            "give either event files or --fileset FILE, not both"
            if paths
            else "no input: give event files, or --fileset FILE"
        )
        raise FilesetError(msg)
    if fileset is not None:
        for name, value in (("--process", process), ("--xsec", xsec_fb), ("--data", is_data)):
            if value is not None:
                msg = f"{name} belongs to plain files; a fileset carries it in its metadata"
                raise FilesetError(msg)
        loaded = validate_fileset(fileset) if isinstance(fileset, dict) else load_fileset(fileset)
        if tree is not None:
            for entry in loaded.values():
                entry["files"] = dict.fromkeys(entry["files"], tree)
        return loaded
    made = fileset_from_files(
        paths,
        process,
        xsec_fb=xsec_fb,
        is_data=bool(is_data),
        treename=tree or "Events",
        unnormalised=xsec_fb is None,
    )
    if is_data is None and xsec_fb is None:
        for entry in made.values():
            del entry["metadata"]["is_data"]
    return made


CLUSTERS = ("htcondor", "lpc", "lxplus", "coffea-casa", "swan")
"""Executors that :func:`massgap.condor.workers.clusters.open_cluster` opens."""


@contextlib.contextmanager
def executor_of(
    executor: Any = "futures",
    *,
    workers: int = 2,
    adapt: tuple[int, int] | None = None,
    timeout: float | None = None,
    cluster: dict[str, Any] | None = None,
    out: str | Path | None = None,
) -> Iterator[Any]:
    """The executor of a name, with its cluster if it needs one, for the time of a ``with`` block.

    Parameters
    ----------
    executor
        ``iterative``, ``futures``, ``dask``, a scheduler's address, one of :data:`CLUSTERS`; or an executor.
    workers
        Number of worker processes or jobs.
    adapt
        Smallest and largest number of workers instead (clusters only).
    timeout
        Seconds without any result after which workers are taken to hang.
    cluster
        Options of the cluster's jobs, see :func:`massgap.condor.workers.clusters.open_cluster`.
    out
        Run folder; logs and submit descriptions of jobs go to ``cluster`` in it.

    Raises
    ------
    massgap.runner.errors.RunnerError, massgap.condor.errors.CondorError
        If there is no such executor, an option does not fit, or the cluster cannot be opened.
    """
    from massgap.runner.errors import RunnerError
    from massgap.runner.executors.local import make_executor

    if not isinstance(executor, str):
        yield executor
        return
    options = dict(cluster or {})
    if executor not in CLUSTERS:
        if options:
            name = next(iter(options)).replace("_lines", "-line")
            msg = f"--{name} goes with the executor htcondor, lpc or lxplus, not with {executor}"
            raise RunnerError(msg)
        yield make_executor(executor, workers, adapt=adapt, timeout=timeout)
        return
    if workers < 1:
        msg = f"the number of workers must be at least 1, not {workers}"
        raise RunnerError(msg)
    import massgap
    from massgap.condor.workers.clusters import open_cluster
    from massgap.runner.executors.dask_cluster import DaskExecutor
    from massgap.stages.job_options import job_options

    with open_cluster(
        executor,
        workers=workers,
        adapt=adapt,
        folder=folder_of(None if out is None else Path(out)),
        package=Path(massgap.__file__).parent,
        options=job_options(options, ask=executor == "htcondor"),
    ) as pool:
        yield DaskExecutor(pool.client, workers, pool=pool, timeout=timeout)


def run(
    analysis: str,
    files: Iterable[str] = (),
    *,
    fileset: str | Path | dict[str, Any] | None = None,
    out: str | Path | None = None,
    tree: str | None = None,
    process: str | None = None,
    xsec_fb: float | None = None,
    is_data: bool | None = None,
    executor: Any = "futures",
    workers: int = 2,
    adapt: tuple[int, int] | None = None,
    timeout: float | None = None,
    cluster: dict[str, Any] | None = None,
    chunksize: int | None = None,
    model: str | Path | None = None,
    options: dict[str, Any] | None = None,
    accept_loss: bool = False,
    resume: bool = True,
    command: str = "",
    progress: Callable[[Any], None] | None = None,
) -> Any:
    """Run an analysis over event files and write the run folder.

    Parameters
    ----------
    analysis
        Name of an analysis (``slepton``), or ``path/to/file.py:Class`` for your own coffea processor.
    files, fileset, tree, process, xsec_fb, is_data
        Input, see :func:`input_fileset`.
    out
        Run folder; None to write nothing.
    executor, workers, adapt, timeout, cluster
        See :func:`executor_of`; an executor that is open already may be given instead of a name.
    chunksize
        Number of events in a chunk, about; by default a 32nd of all events, but between 100,000 and 500,000.
    model
        ONNX model whose score is filled.
    options
        Further options of the processor.
    accept_loss
        Take the result although something is missing.
    resume
        Use the finished chunks of an earlier run in the same folder (same code, options, model, files).
    command
        For the manifest.
    progress
        Callback, see :class:`massgap.runner.runner.Progress`.

    Returns
    -------
    massgap.runner.runner.RunResult
        Also if something failed: see its ``ledger``.
    """
    import shutil

    from massgap.contracts.run_writer import write_run_folder
    from massgap.contracts.writing import prepare_folder
    from massgap.runner.runner import run as run_processor

    processor, _, tags = _processor_of(analysis, options, model)
    inputs = input_fileset(files, fileset, tree=tree, process=process, xsec_fb=xsec_fb, is_data=is_data)
    checkpoints = None
    if out is not None:
        folder = prepare_folder(out)
        checkpoints = folder / "checkpoints"
        if not resume and checkpoints.exists():
            shutil.rmtree(checkpoints)
    with executor_of(
        executor, workers=workers, adapt=adapt, timeout=timeout, cluster=cluster, out=out
    ) as chosen:
        result = run_processor(
            processor,
            inputs,
            executor=chosen,
            chunksize=chunksize,
            checkpoints=checkpoints,
            accept_loss=accept_loss,
            progress=progress,
        )
    if out is not None:
        write_run_folder(
            result,
            out,
            analysis=analysis,
            command=command,
            chunksize=result.chunksize,
            tags=tags,
        )
    return result


def preflight(
    analysis: str,
    files: Iterable[str] = (),
    *,
    fileset: str | Path | dict[str, Any] | None = None,
    tree: str | None = None,
    process: str | None = None,
    xsec_fb: float | None = None,
    is_data: bool | None = None,
    executor: Any = "futures",
    workers: int = 2,
    adapt: tuple[int, int] | None = None,
    timeout: float | None = None,
    cluster: dict[str, Any] | None = None,
    chunksize: int | None = None,
    model: str | Path | None = None,
    options: dict[str, Any] | None = None,
    files_per_dataset: int = 1,
    wait: float = 300.0,
    announce: Callable[[str], None] | None = None,
) -> Any:
    """Look at the workers before a long run: software, model, data, memory, scratch space, clock.

    Parameters
    ----------
    analysis, files, fileset, tree, process, xsec_fb, is_data, executor, workers, adapt, timeout, cluster, chunksize, model, options
        As for :func:`run`.
    files_per_dataset
        Files of each dataset that are opened on the workers, and whose first events are processed there.
    wait
        Seconds to wait for the first worker of a cluster.
    announce
        Called with a line while there is something to wait for.

    Returns
    -------
    massgap.runner.preflight.compare.Preflight
        ``ok`` says whether the run can begin.

    Raises
    ------
    massgap.runner.errors.RunnerError, massgap.condor.errors.CondorError
        If there is no scheduler, no worker in time, or an argument is wrong.
    """
    from massgap.runner.planning import DEFAULT_CHUNKSIZE
    from massgap.runner.preflight.ask import preflight as ask

    processor, _, _ = _processor_of(analysis, options, model)
    inputs = input_fileset(files, fileset, tree=tree, process=process, xsec_fb=xsec_fb, is_data=is_data)
    if adapt is not None:
        # Workers that go away when they have nothing to do could not be asked.
        workers = min(adapt[1], max(adapt[0], 2))
    with executor_of(executor, workers=workers, timeout=timeout, cluster=cluster) as chosen:
        return ask(
            processor,
            inputs,
            chosen,
            workers=workers,
            chunksize=chunksize or DEFAULT_CHUNKSIZE,
            files_per_dataset=files_per_dataset,
            wait=wait,
            announce=announce,
        )


def _processor_of(
    analysis: str, options: dict[str, Any] | None, model: str | Path | None
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """The processor of a run, its options, and what the manifest says of its model."""
    from massgap.processors.registry import ANALYSES, make_processor

    options = dict(options or {})
    if model is not None:
        options["model"] = str(model)
    if analysis in ANALYSES:
        options.setdefault("features", True)
    processor = make_processor(analysis, **options)
    if model is None:
        return processor, options, {}
    tags = {
        "path": str(model),
        "training_hash": getattr(processor.scorer, "training_hash", None),
        "engine": getattr(processor.scorer, "engine", None),
    }
    return processor, options, {"model": tags}


def submit(
    analysis: str,
    files: Iterable[str] = (),
    *,
    out: str | Path,
    fileset: str | Path | dict[str, Any] | None = None,
    tree: str | None = None,
    process: str | None = None,
    xsec_fb: float | None = None,
    is_data: bool | None = None,
    jobs: int | None = None,
    chunks_per_job: int | None = None,
    workers: int = 2,
    cluster: dict[str, Any] | None = None,
    dry_run: bool = False,
    chunksize: int | None = None,
    model: str | Path | None = None,
    options: dict[str, Any] | None = None,
    command: str = "",
    progress: Callable[[Any], None] | None = None,
) -> Submitted:
    """Plan a run and submit it as HTCondor jobs, one per slice of the fileset.

    Look at them with :func:`status`, send again what failed with :func:`resubmit`, and put the results together with
    :func:`merge`: the same bits as those of :func:`run`.

    Parameters
    ----------
    analysis, files, fileset, tree, process, xsec_fb, is_data, chunksize, model, options, command, progress
        As for :func:`run`.
    out
        Run folder; the jobs are in ``jobs`` in it.
    jobs, chunks_per_job
        Number of jobs, about, or of chunks in one.
    workers
        Worker processes that look into the files now.
    cluster
        Options of the jobs, see :class:`massgap.condor.submit_file.JobOptions`.
    dry_run
        Write everything and submit nothing.

    Raises
    ------
    massgap.runner.errors.RunnerError, massgap.condor.errors.CondorError
        If the run cannot be planned, the folder holds jobs already, or HTCondor refuses.
    """
    _, options, tags = _processor_of(analysis, options, model)
    inputs = input_fileset(files, fileset, tree=tree, process=process, xsec_fb=xsec_fb, is_data=is_data)
    return submit_fileset(
        analysis,
        inputs,
        out,
        options=options,
        jobs=jobs,
        chunks_per_job=chunks_per_job,
        chunksize=chunksize,
        workers=workers,
        cluster=cluster,
        dry_run=dry_run,
        command=command,
        tags=tags,
        progress=progress,
    )


def train(run_folder: str | Path, out: str | Path | None = None, **options: Any) -> Any:
    """Train the classifier on a run's feature tables; see :func:`massgap.models.training.train_run.train_run`.

    Parameters
    ----------
    run_folder
        Folder written by ``massgap run``.
    out
        Model folder; by default ``model`` in the run folder.
    """
    from massgap.models.training.train_run import train_run

    return train_run(run_folder, Path(run_folder) / "model" if out is None else out, **options)


def fit(run_folder: str | Path, out: str | Path | None = None, **options: Any) -> Any:
    """Fit a run's histograms; see :func:`massgap.fits.fit_run.fit_run`.

    Parameters
    ----------
    run_folder
        Folder written by ``massgap run`` (with a model for the score).
    out
        Fit folder; by default ``fit`` in the run folder.
    """
    from massgap.fits.fit_run import fit_run

    return fit_run(run_folder, Path(run_folder) / "fit" if out is None else out, **options)


def report(
    run_folder: str | Path,
    out: str | Path | None = None,
    *,
    model_folder: str | Path | None = None,
    fit_folder: str | Path | None = None,
    **options: Any,
) -> Path:
    """Write the HTML report of a run; see :func:`massgap.reports.run.page.write_report`.

    Model and fit folders are found by themselves: the model through the run's manifest or in ``model``,
    the fit in ``fit`` of the run folder.
    """
    import json

    from massgap.reports.run.page import write_report

    folder = Path(run_folder)
    if model_folder is None:
        manifest = folder / "manifest.json"
        used = (
            (json.loads(manifest.read_text()).get("model") or {}).get("path") if manifest.is_file() else None
        )
        candidates = ([Path(used).parent] if used else []) + [folder / "model"]
        model_folder = next((c for c in candidates if (c / "training.json").is_file()), None)
    if fit_folder is None and (folder / "fit" / "results.json").is_file():
        fit_folder = folder / "fit"
    return write_report(
        folder, model_folder, fit_folder, out=folder / "report.html" if out is None else out, **options
    )


def report_samples(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    reference: dict[str, Path] | None = None,
    title: str | None = None,
) -> Path:
    """Write the page of closure plots of generated samples.

    See :func:`massgap.reports.samples.page.write_samples_report`.
    """
    from massgap.reports.samples.page import write_samples_report

    return write_samples_report(folder, out, reference=reference, title=title)


def report_benchmarks(
    results: str | Path, out: str | Path | None = None, *, title: str | None = None
) -> Path:
    """Write the page about a run of the benchmarks.

    See :func:`massgap.reports.benchmarks.page.write_benchmarks_report`.
    """
    from massgap.reports.benchmarks.page import write_benchmarks_report

    return write_benchmarks_report(results, out, title=title)


@dataclass(frozen=True)
class DemoResult:
    """Where the demo's results are, and how long each stage took in seconds."""

    folder: Path
    report: Path
    seconds: dict[str, float]
    fit: Any


def demo(
    out: str | Path = "demo",
    *,
    events: int | None = None,
    seed: int = 1,
    workers: int = 2,
    executor: str = "futures",
    adapt: tuple[int, int] | None = None,
    timeout: float | None = None,
    cluster: dict[str, Any] | None = None,
    lumi_fb: float = 300.0,
    command: str = "massgap demo",
    announce: Callable[[str], None] | None = None,
    hooks: dict[str, Any] | None = None,
) -> DemoResult:
    """The slepton analysis from nothing to a report: generate, run, train, run with score, fit, report.

    Parameters
    ----------
    out
        Folder; what an earlier call finished there is used again.
    events, seed, workers, executor, adapt, timeout, cluster
        Size of the sample (None for one that takes a few minutes), seed, and how to run, see :func:`executor_of`.
    lumi_fb
        Luminosity in fb-1.
    announce
        Called with a line when a stage starts.
    hooks
        Progress callbacks by stage (``generate``, ``run``, ``train``).

    Returns
    -------
    DemoResult
    """
    from massgap.samples.production.generate import DEMO_EVENTS

    folder = Path(out)
    events = events or DEMO_EVENTS
    say = announce or (lambda _: None)
    hooks = hooks or {}
    seconds: dict[str, float] = {}

    def timed(stage: str, text: str, function: Callable[[], Any]) -> Any:
        say(text)
        start = time.perf_counter()
        value = function()
        seconds[stage] = time.perf_counter() - start
        return value

    timed(
        "generate",
        f"1/6  generate {events:,} events with Pythia (kept in {folder / 'samples'})",
        lambda: generate(
            "slepton",
            folder / "samples",
            events=events,
            seed=seed,
            workers=workers,
            progress=hooks.get("generate"),
        ),
    )
    fileset = folder / "samples" / "fileset.json"
    common: dict[str, Any] = {
        "fileset": fileset,
        "executor": executor,
        "workers": workers,
        "adapt": adapt,
        "timeout": timeout,
        "cluster": cluster,
        "command": command,
    }
    systematics = {"variations": ["jes"]}

    def first_run() -> Any:
        result = run("slepton", out=folder / "run", progress=hooks.get("run"), **common)
        result.require_complete()
        return result

    timed("run", "2/6  run the slepton processor", first_run)
    model = timed(
        "train",
        "3/6  train three rotated folds of boosted trees and export them to ONNX",
        lambda: train(folder / "run", folder / "model", seed=seed, progress=hooks.get("train")),
    )

    def second_run() -> Any:
        result = run(
            "slepton",
            out=folder / "scored",
            model=model.model_file,
            options=systematics,
            progress=hooks.get("run"),
            **common,
        )
        result.require_complete()
        return result

    timed(
        "score",
        "4/6  run again with the score inside the processor and the jet energy scale varied",
        second_run,
    )
    fitted = timed("fit", "5/6  fit the score", lambda: fit(folder / "scored", lumi_fb=lumi_fb))
    path = timed(
        "report",
        "6/6  write the report",
        lambda: report(folder / "scored", folder / "report.html", model_folder=folder / "model"),
    )
    return DemoResult(folder, path, seconds, fitted)
