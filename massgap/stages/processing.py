"""An analysis over event files: the run itself, and a look at the workers before it."""

from __future__ import annotations

import contextlib
import hashlib
import shutil
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.stages.execution import Execution
from massgap.stages.inputs import Inputs
from massgap.stages.job_options import Luggage, private_notes
from massgap.stages.repeated_events import RepeatedEvents

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from massgap.runner.preflight.answers import Preflight
    from massgap.runner.result import RunResult

__all__ = ["preflight", "processor_of", "reported", "run", "with_scores"]


def run(
    analysis: str,
    files: Inputs | Iterable[str | Path] = (),
    *,
    out: str | Path | None = None,
    model: str | Path | dict[str, str | Path] | None = None,
    options: dict[str, Any] | None = None,
    chunksize: int | None = None,
    accept_loss: bool = False,
    allow_duplicates: bool = False,
    resume: bool = True,
    command: str = "",
    progress: Callable[[Any], None] | None = None,
    **words: Any,
) -> RunResult:
    """Run an analysis over event files and write the run folder.

    Parameters
    ----------
    analysis
        Name of an analysis (``slepton``), or ``path/to/file.py:Class`` for your own coffea processor.
    files
        Event files, or :class:`massgap.stages.inputs.Inputs`.
    out
        Run folder; None to write nothing.
    model
        ONNX model whose score is filled; score name -> model if the analysis has several.
    options
        Further options of the processor.
    chunksize
        Number of events in a chunk, about; by default a 32nd of all events, but between 100,000 and 500,000.
    accept_loss
        Take the result although something is missing.
    allow_duplicates
        Count the events of a file as often as the fileset lists copies of it, instead of refusing them.
    resume
        Use the finished chunks of an earlier run in the same folder (same code, options, model, files).
    command
        For the manifest.
    progress
        Callback, see :class:`massgap.runner.progress.Progress`.
    words
        ``fileset, tree, process, xsec_fb, is_data`` of :class:`massgap.stages.inputs.Inputs`, and
        ``executor, workers, adapt, timeout, cluster`` of :class:`massgap.stages.execution.Execution`.

    Returns
    -------
    massgap.runner.RunResult
        Also if something failed: see its ``ledger``.

    Raises
    ------
    massgap.errors.MassgapError
        If the run cannot begin: no such analysis or option, no input, no workers, a folder that cannot be written or that
        another process is writing.

    Examples
    --------
    >>> run("slepton", ["ttbar.root"], process="tt", xsec_fb=832e3, out="runs/tt", workers=4)  # doctest: +SKIP
    """
    from massgap.contracts.folder_lock import locked_folder
    from massgap.contracts.run_writer import write_run_folder
    from massgap.contracts.writing import prepare_folder
    from massgap.runner.checkpoints.fingerprint import processor_identity
    from massgap.runner.runner import run as run_processor
    from massgap.runner.slices.stored import require_no_other_jobs

    execution = Execution.of(words)
    inputs = inputs_of("run", files, words)
    processor, _, tags = processor_of(analysis, options, model)
    fileset = inputs.load(allow_duplicates=allow_duplicates)
    checkpoints = None
    luggage = Luggage(processor, fileset, None if progress is None else reported(progress))
    for note in private_notes(execution.executor, fileset, out):
        luggage.tell(f"note: {note}", 1, 1)
    with contextlib.ExitStack() as stack:
        if out is not None:
            stack.enter_context(locked_folder(out))
            checkpoints = prepare_folder(out) / "checkpoints"
            require_no_other_jobs(out, processor_identity(processor), fileset)
            if not resume and checkpoints.exists():
                shutil.rmtree(checkpoints)
        with execution.open(out, luggage) as executor:
            result = run_processor(
                processor,
                fileset,
                executor=executor,
                chunksize=chunksize,
                checkpoints=checkpoints,
                accept_loss=accept_loss,
                allow_duplicates=allow_duplicates,
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
                watch=RepeatedEvents(result.datasets),
            )
    return result


def with_scores(run_folder: str | Path, model: str | Path | dict[str, str | Path], **options: Any) -> Path:
    """A run with the scores of models: the run itself if they are those that it has, else the same again with them.

    Parameters
    ----------
    run_folder
        A run, with scores or without; its files are read again.
    model
        ONNX file, score name -> ONNX file, a model folder, or a folder with a model folder for each score.
    options
        Further arguments of :func:`run`.

    Returns
    -------
    pathlib.Path
        The run folder, or ``scored`` in it.

    Raises
    ------
    massgap.errors.MassgapError
        If there is no such run or model, or a score has none.
    """
    from massgap.contracts.model_folder import models_in
    from massgap.contracts.run_folder import open_run

    folder = Path(run_folder)
    found = open_run(folder)
    chosen: Any = model if isinstance(model, dict) or Path(model).is_file() else models_in(Path(model))
    files = [Path(file) for file in (chosen.values() if isinstance(chosen, dict) else [chosen])]
    has = sorted(entry["sha256"] for entry in found.manifest["models"].values())
    if any(isinstance(point, dict) for point in (found.manifest["options"].get("hypothesis") or {}).values()):
        has = sorted(set(has))  # one that is asked about several hypotheses stands there once for each
    # What is no file may be a model that comes with massgap: the run knows, or says what is wrong.
    same = has == sorted(hashlib.sha256(file.read_bytes()).hexdigest() for file in files if file.is_file())
    if same and not _exchanged(found.manifest["models"], chosen):
        return folder
    made = run(
        found.manifest["analysis"],
        fileset=folder / "fileset.json",
        out=folder / "scored",
        model=chosen,
        options=found.manifest["options"],
        **options,
    )
    made.require_complete()
    return folder / "scored"


def _exchanged(models: Mapping[str, Any], chosen: Any) -> bool:
    """Whether a score of a run has another model than is chosen for it, be it that of another score."""
    return isinstance(chosen, dict) and any(
        name in models and models[name]["sha256"] != hashlib.sha256(Path(file).read_bytes()).hexdigest()
        for name, file in chosen.items()
        if Path(file).is_file()
    )


def preflight(
    analysis: str,
    files: Inputs | Iterable[str | Path] = (),
    *,
    model: str | Path | dict[str, str | Path] | None = None,
    options: dict[str, Any] | None = None,
    chunksize: int | None = None,
    files_per_dataset: int = 1,
    wait: float = 300.0,
    allow_duplicates: bool = False,
    announce: Callable[[str], None] | None = None,
    **words: Any,
) -> Preflight:
    """Look at the workers before a long run: software, model, data, memory, scratch space, clock.

    Parameters
    ----------
    analysis, files, model, options, chunksize, allow_duplicates, words
        As for :func:`run`.
    files_per_dataset
        Files of each dataset that are opened on the workers, and whose first events are processed there.
    wait
        Seconds to wait for the first worker of a cluster.
    announce
        Called with a line while there is something to wait for.

    Returns
    -------
    massgap.runner.preflight.answers.Preflight
        ``ok`` says whether the run can begin.

    Raises
    ------
    massgap.runner.errors.RunnerError, massgap.condor.errors.CondorError
        If there is no scheduler, no worker in time, or an argument is wrong.
    """
    from massgap.runner.planning import DEFAULT_CHUNKSIZE
    from massgap.runner.preflight.ask import preflight as ask

    # Workers that go away when they have nothing to do could not be asked.
    execution = Execution.of(words).fixed()
    inputs = inputs_of("preflight", files, words)
    processor, _, _ = processor_of(analysis, options, model)
    fileset = inputs.load(allow_duplicates=allow_duplicates)
    say = announce or (lambda _: None)
    luggage = Luggage(processor, fileset, _announced(say))
    for note in private_notes(execution.executor, fileset, None):
        say(f"note: {note}")
    with execution.open(luggage=luggage) as executor:
        return ask(
            processor,
            fileset,
            executor,
            workers=execution.workers,
            chunksize=chunksize or DEFAULT_CHUNKSIZE,
            files_per_dataset=files_per_dataset,
            wait=wait,
            announce=announce,
        )


def reported(progress: Callable[[Any], None]) -> Callable[[str, int, int], None]:
    """What takes time before the run, as progress of it."""
    from massgap.runner.progress import Progress

    return lambda text, done, total: progress(Progress("prepare", done, total, message=text))


_NOW_AND_THEN = 10.0
"""Seconds between two lines on one thing that takes long."""


def _announced(say: Callable[[str], None]) -> Callable[[str, int, int], None]:
    """What takes time as lines: its beginning, its end, and now and then how far it is."""
    last = time.monotonic()

    def tell(text: str, done: int, total: int) -> None:
        nonlocal last
        if 0 < done < total and time.monotonic() - last < _NOW_AND_THEN:
            return
        last = time.monotonic()
        say(text)

    return tell


def inputs_of(function: str, files: Inputs | Iterable[str | Path], words: dict[str, Any]) -> Inputs:
    """The inputs of a stage from its files and the keywords that are left.

    Raises
    ------
    TypeError
        If a keyword is none of its.
    massgap.contracts.errors.FilesetError
        If the inputs do not fit together.
    """
    inputs = Inputs.of(files, words)
    if words:
        msg = f"{function}() has no argument {', '.join(map(repr, words))}; options of the analysis go into options={{...}}"
        raise TypeError(msg)
    return inputs


def processor_of(
    analysis: str, options: dict[str, Any] | None, model: str | Path | dict[str, str | Path] | None
) -> tuple[Any, dict[str, Any], dict[str, Any]]:
    """The processor of a run, its options, and what the manifest says of its model.

    Raises
    ------
    massgap.errors.MassgapError
        If there is no such analysis, or it refuses an option or the model.
    """
    from massgap.processors.registry import find_processor, make_processor

    options = dict(options or {})
    if model is not None:
        options["model"] = {k: str(v) for k, v in model.items()} if isinstance(model, dict) else str(model)
    if _keeps_rows(find_processor(analysis)):
        options.setdefault("features", True)
    processor = make_processor(analysis, **options)
    if model is None:
        return processor, options, {}
    tags = {
        name: {"file": scorer.path, "training_hash": scorer.training_hash, "engine": scorer.engine}
        for name, scorer in processor.models.items()
    }
    return processor, options, {"models": tags}


def _keeps_rows(cls: type) -> bool:
    """Whether it is an analysis on our base, which can keep a row of features per event, and not any coffea processor."""
    from massgap.processors.base.analysis import Analysis

    return issubclass(cls, Analysis)
