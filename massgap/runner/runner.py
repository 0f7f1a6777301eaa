"""Run a processor over a fileset, keep what is finished, and account for everything.

The function :func:`run` is behind ``massgap run`` and can be called from a notebook.  It processes
the same chunks with the same ``process`` method as coffea's ``Runner`` would, and adds what that one
lacks: files are checked first, a failing chunk does not end the run, what failed for the moment or with its worker is
tried again, finished chunks are kept under a key of code, options, model and file, and a ledger says what is missing.
"""

from __future__ import annotations

import functools
import math
from typing import TYPE_CHECKING, Any

from massgap.contracts.filesets.known_files import plain_fileset
from massgap.errors import MassgapError
from massgap.events.reading.open import close_files
from massgap.processors.base.analysis import Analysis
from massgap.runner.checkpoints.fingerprint import processor_identity
from massgap.runner.executors.local import IterativeExecutor
from massgap.runner.ledger import Ledger
from massgap.runner.memory import describe_plan
from massgap.runner.planning import Plan, chunk_bounds, make_plan
from massgap.runner.preflight.duplicates import check_copies
from massgap.runner.preflight.systematics import check_systematics, tell_systematics
from massgap.runner.process import process_plan
from massgap.runner.result import RunResult, mark_loss
from massgap.runner.work import Retries

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from massgap.runner.executors.base import Executor
    from massgap.runner.progress import Progress

__all__ = ["finish", "run"]


def run(
    processor: Any,
    fileset: dict[str, Any],
    *,
    executor: Executor | None = None,
    chunksize: int | None = None,
    checkpoints: str | Path | None = None,
    accept_loss: bool = False,
    progress: Callable[[Progress], None] | None = None,
    retries: Retries | None = None,
    levels: tuple[int, int] | None = None,
    allow_duplicates: bool = False,
) -> RunResult:
    """Process a fileset.

    Parameters
    ----------
    processor
        An analysis such as ``Slepton()``, or any coffea processor.
    fileset
        ``{dataset: {"files": {path: tree or None}, "metadata": {...}}}``, or what coffea's ``preprocess`` makes of it: of a
        file with ``steps`` only these entries are read.
    executor
        See :func:`massgap.runner.executors.make.make_executor`; by default this process alone.
    chunksize
        Number of events in a chunk, about: chunks end where the file's baskets end, so that none is decompressed twice.
        By default a 32nd of all events, but between 100,000 and 500,000, or what the analysis says in ``chunk_events``.
    checkpoints
        Folder for the results of finished chunks, or None to keep none.
    accept_loss
        Take the result although files, chunks or weights are missing.
    progress
        Called after each step, and now and then while nothing happens.
    retries
        How transient errors (of input and output, networks, storage) are met: several attempts with growing pauses, and
        the same once more when everything else is done.
    levels
        How many chunks make a task, and how many a result, as powers of eight; by default
        :func:`massgap.runner.process.tree_levels`.
    allow_duplicates
        Count the events of files of which the fileset lists copies as often as they are listed, instead of refusing them.

    Returns
    -------
    RunResult
        Also when files or chunks failed: look at ``ledger.complete`` or call ``require_complete()``.

    Raises
    ------
    RunnerError
        If an argument is wrong, the fileset is empty or lists copies of one file, no data set has the weights of a
        systematic, or credentials are refused.
    """
    fileset = plain_fileset(fileset)
    executor = executor or IterativeExecutor()
    report = progress or (lambda _: None)
    retries = retries or Retries()
    identity = processor_identity(processor)
    ledger = Ledger(accepted_loss=accept_loss)
    result = RunResult(None, ledger, identity, fileset)
    try:
        plan = make_plan(
            fileset,
            ledger,
            executor=executor,
            chunksize=chunksize,
            bounds=chunk_bounds(processor),
            retries=retries,
            progress=report,
        )
        check_copies(plan, allowed=allow_duplicates)
        check_systematics(processor, plan)
        result.fileset, result.chunksize = plan.fileset, plan.chunksize
        result.notes.extend(plan.notes)
        if isinstance(processor, Analysis):
            result.notes.extend(processor.notes())
        if ledger.chunks:
            metadata = plan.metadata(processor)
            accumulator = process_plan(
                processor,
                result,
                keys=plan.keys(identity, metadata),
                metadata=metadata,
                executor=executor,
                checkpoints=checkpoints,
                levels=levels,
                retries=retries,
                progress=report,
                describe=functools.partial(describe_plan, processor, plan),
            )
            finish(processor, accumulator, result, plan)
    except KeyboardInterrupt:
        result.interrupted = True
    finally:
        close_files()
    mark_loss(result)
    return result


def finish(processor: Any, accumulator: Any, result: RunResult, plan: Plan) -> None:
    """Turn the sum of all chunks into the result of a run; what goes wrong there is an error in the ledger."""
    ledger = result.ledger
    if accumulator is None:
        return
    try:
        if isinstance(processor, Analysis):
            for tally in accumulator.values():
                tally.normalise(plan.sum_weights)
        output = processor.postprocess(accumulator)
    except Exception as error:  # noqa: BLE001 - of any processor; the finished chunks and the ledger must survive it
        known = isinstance(error, MassgapError)
        ledger.errors.append(
            str(error)
            if known
            else f"the results could not be put together ({type(error).__name__}: {error})"
        )
        return
    result.output = accumulator if output is None else output
    if isinstance(processor, Analysis) and isinstance(result.output, dict):
        result.notes.extend(tell_systematics(result.output.get("variations") or {}, ledger))
        result.notes.extend(ledger.take_extrapolated(result.output.get("extrapolated") or {}))
    if isinstance(result.output, dict):
        for dataset, summary in (result.output.get("datasets") or {}).items():
            if isinstance(summary, dict) and "sum_weights_processed" in summary:
                ledger.processed_weights[dataset] = summary["sum_weights_processed"]
                squares = summary.get("events", 0) * summary.get("sum_weights2_processed", 0.0)
                ledger.weight_sizes[dataset] = math.sqrt(max(squares, 0.0))
                if summary.get("is_data"):
                    ledger.expected[dataset] = None
        if "datasets" not in result.output:
            # A processor of somebody else does not report weights: only events can be accounted for.
            ledger.expected = dict.fromkeys(ledger.expected)
