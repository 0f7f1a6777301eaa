"""What a job does: one slice of a run, on a machine that knows nothing of the others."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.writing import prepare_folder, write_json
from massgap.processors.registry import make_processor
from massgap.runner.checkpoints.fingerprint import processor_identity
from massgap.runner.executors.local import FuturesExecutor
from massgap.runner.ledger import ChunkEntry, Ledger
from massgap.runner.process import process_plan
from massgap.runner.result import RunResult
from massgap.runner.slices.slice_file import read_slice

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.runner.progress import Progress

__all__ = ["work_slice"]


def work_slice(
    job_file: str | Path, out: str | Path, *, progress: Callable[[Progress], None] | None = None
) -> dict[str, Any]:
    """Process a slice: what a job does.

    Chunks run in a child process, so that one that ends its process does not end the job.

    Parameters
    ----------
    job_file
        The slice; its models and analysis file lie beside it.
    out
        Folder for the results; what is in it already is not done again.
    progress
        As for :func:`massgap.runner.run`.

    Returns
    -------
    dict
        Contents of ``out/ledger.json``: ``complete``, ``interrupted`` and ``chunks`` with status, error, host and attempts.

    Raises
    ------
    massgap.runner.slices.slice_file.WrongEnvironmentError
        If this massgap is not the one that planned.
    RunnerError
        If the slice cannot be read.
    """
    job_file = Path(job_file)
    job = read_slice(job_file)
    folder = prepare_folder(out)
    processor = make_processor(
        _analysis(job_file.parent, job.analysis), **_options(job_file.parent, job.options)
    )
    ledger = Ledger(expected=dict.fromkeys(job.metadata), chunks=[ChunkEntry(c) for c in job.chunks])
    result = RunResult(None, ledger, processor_identity(processor), {})
    process_plan(
        processor,
        result,
        keys=job.keys,
        metadata=job.metadata,
        executor=FuturesExecutor(1),
        checkpoints=folder,
        levels=(job.level, job.level),
        progress=progress,
    )
    content = ledger.as_dict()
    summary = {
        "number": job.number,
        "complete": not ledger.errors and all(e.status == "processed" for e in ledger.chunks),
        "interrupted": result.interrupted,
        "problems": content["problems"],
        "chunks": content["chunks"],
    }
    write_json(folder / "ledger.json", summary)
    return summary


def _analysis(folder: Path, analysis: str) -> str:
    return str(folder / analysis) if analysis.rpartition(":")[0].endswith(".py") else analysis


def _options(folder: Path, options: dict[str, Any]) -> dict[str, Any]:
    model = options.get("model")
    if model is None:
        return options
    if isinstance(model, dict):
        return {**options, "model": {name: str(folder / file) for name, file in model.items()}}
    return {**options, "model": str(folder / model)}
