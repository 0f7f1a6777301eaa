"""A run in slices: planned here, processed by jobs that know nothing of each other, and put together here.

A slice is a plain JSON file that names chunks, their keys, the analysis and its options.  A job leaves the results of its
chunks under those keys, which are the checkpoints of the run: put together, they give the same bits as ``massgap run``, and whatever is
missing can be done by another job or by ``massgap run`` itself.  No pickle is written or read.
"""

from __future__ import annotations

import itertools
import json
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.writing import prepare_folder
from massgap.processors.base.analysis import Analysis
from massgap.processors.registry import make_processor
from massgap.runner.checkpoints.fingerprint import code_hash, processor_identity
from massgap.runner.checkpoints.merge_tree import FAN_IN
from massgap.runner.errors import RunnerError
from massgap.runner.ledger import Ledger
from massgap.runner.planning import chunk_bounds, make_plan
from massgap.runner.preflight.duplicates import check_copies
from massgap.runner.preflight.systematics import check_systematics
from massgap.runner.process import tree_levels
from massgap.runner.slices.plan_file import write_plan
from massgap.runner.slices.slice_file import Slice, write_slice
from massgap.runner.slices.stored import count_done

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.runner.executors.base import Executor
    from massgap.runner.planning import Plan
    from massgap.runner.progress import Progress

__all__ = ["SliceSet", "write_slices"]


@dataclass
class SliceSet:
    """What :func:`write_slices` wrote.

    Attributes
    ----------
    folder
        ``RUN/jobs``.
    slices
        The JSON files, by number.
    inputs
        Further files that every job needs beside its slice: a model, a user's own analysis.
    chunks, events
        How many there are.
    done
        Chunks whose results an earlier run has left in ``RUN/checkpoints``.
    notes
        What a user should know.
    """

    folder: Path
    slices: list[Path]
    inputs: list[Path] = field(default_factory=list)
    chunks: int = 0
    events: int = 0
    done: int = 0
    notes: list[str] = field(default_factory=list)


def write_slices(
    analysis: str,
    options: dict[str, Any],
    fileset: dict[str, Any],
    out: str | Path,
    *,
    jobs: int | None = None,
    chunks_per_job: int | None = None,
    chunksize: int | None = None,
    executor: Executor | None = None,
    progress: Callable[[Progress], None] | None = None,
    tags: dict[str, Any] | None = None,
    command: str = "",
    allow_duplicates: bool = False,
) -> SliceSet:
    """Look into all files and write one slice per job.

    Parameters
    ----------
    analysis, options
        As for :func:`massgap.processors.registry.make_processor`; a model and a user's own file are copied beside the slices.
    fileset
        What to process.
    out
        The run folder; slices go to ``jobs`` in it.
    jobs, chunks_per_job
        Number of jobs, or of chunks in one; by default 10 chunks.
    chunksize, executor, progress, allow_duplicates
        As for :func:`massgap.runner.runner.run`; the executor only looks into the files.
    tags, command
        For the manifest.

    Raises
    ------
    RunnerError
        If an argument is wrong, the folder holds slices of another run, or the files cannot be planned.
    """
    _check_numbers(jobs, chunks_per_job)
    processor = make_processor(analysis, **options)
    run = prepare_folder(out)
    folder = _jobs_folder(run)
    ledger = Ledger()
    plan = make_plan(
        fileset,
        ledger,
        executor=executor,
        chunksize=chunksize,
        bounds=chunk_bounds(processor),
        progress=progress,
    )
    check_copies(plan, allowed=allow_duplicates)
    check_systematics(processor, plan)
    if not ledger.chunks:
        msg = "; ".join(ledger.problems()[:5]) or "there is nothing to do"
        raise RunnerError(msg)
    if isinstance(processor, Analysis):
        plan.notes.extend(processor.notes())
    identity = processor_identity(processor)
    metadata = plan.metadata(processor)
    keys = plan.keys(identity, metadata)
    level, bounds = _bounds(len(keys), jobs, chunks_per_job)
    shipped, made_options, inputs = _ship(analysis, options, folder)
    common = {"analysis": shipped, "options": made_options, "code": code_hash(), "level": level}
    slices = [
        _write_slice(folder, number, plan, keys, metadata, bound, common)
        for number, bound in enumerate(bounds)
    ]
    write_plan(
        folder,
        plan,
        analysis=analysis,
        options=options,
        identity=identity,
        command=command,
        tags=tags or {},
        keys=keys,
        level=level,
        bounds=bounds,
    )
    events = sum(c.stop - c.start for c in plan.chunks)
    done = count_done(run, bounds, keys, level)
    return SliceSet(folder, slices, inputs, len(keys), events, done, plan.notes)


def _check_numbers(jobs: int | None, chunks_per_job: int | None) -> None:
    for name, value in (("jobs", jobs), ("chunks per job", chunks_per_job)):
        if value is not None and value < 1:
            msg = f"the number of {name} must be at least 1, not {value}"
            raise RunnerError(msg)
    if jobs is not None and chunks_per_job is not None:
        msg = "give the number of jobs (--jobs) or of chunks per job (--chunks-per-job), not both"
        raise RunnerError(msg)


def _jobs_folder(run: Path) -> Path:
    folder = run / "jobs"
    if (folder / "plan.json").exists():
        msg = (
            f"{folder} holds the jobs of an earlier massgap submit. Look at them with massgap status {run}, or choose another "
            "folder with --out"
        )
        raise RunnerError(msg)
    folder.mkdir(exist_ok=True)
    return folder


def _write_slice(
    folder: Path,
    number: int,
    plan: Plan,
    keys: list[str],
    metadata: dict[str, dict[str, Any]],
    bound: tuple[int, int],
    common: dict[str, Any],
) -> Path:
    chunks = plan.chunks[slice(*bound)]
    seen = {name: metadata[name] for name in sorted({c.dataset for c in chunks})}
    path = folder / f"job-{number:04d}.json"
    write_slice(path, Slice(number=number, chunks=chunks, keys=keys[slice(*bound)], metadata=seen, **common))
    return path


def _ship(analysis: str, options: dict[str, Any], folder: Path) -> tuple[str, dict[str, Any], list[Path]]:
    """Copy what a job needs beside its slice: analysis and options as the job will find them, and the copies."""
    inputs = []
    options = dict(options)
    name, _, cls = analysis.rpartition(":")
    if name.endswith(".py"):
        inputs.append(folder / Path(name).name)
        shutil.copyfile(name, inputs[-1])
        analysis = f"{Path(name).name}:{cls}"
    model = options.get("model")
    if model is not None:
        from massgap.models.model_content import read_content

        # One without a name is for the only score of the analysis.
        named = model if isinstance(model, dict) else {"": model}
        files = {score: f"model-{score}.onnx" if score else "model.onnx" for score in named}
        for score, path in named.items():
            inputs.append(folder / files[score])
            inputs[-1].write_bytes(read_content(path)[1])
        options["model"] = files if isinstance(model, dict) else files[""]
    try:
        json.dumps(options)
    except TypeError as error:
        msg = f"an option of {analysis} cannot be written to a slice ({error}); use massgap run"
        raise RunnerError(msg) from error
    return analysis, options, inputs


def _bounds(total: int, jobs: int | None, chunks_per_job: int | None) -> tuple[int, list[tuple[int, int]]]:
    """Level of the families that jobs add up, and first and last chunk of each slice; slices hold whole families."""
    if chunks_per_job is None:
        chunks_per_job = -(-total // jobs) if jobs is not None else min(10, total)
    level = tree_levels(total)[1]
    while level and chunks_per_job < FAN_IN**level:
        level -= 1
    size = FAN_IN**level
    per_job = max(round(chunks_per_job / size), 1) * size if level else chunks_per_job
    if level or jobs is None:
        return level, [(a, min(a + per_job, total)) for a in range(0, total, per_job)]
    jobs = min(jobs, total)
    edges = [total * k // jobs for k in range(jobs + 1)]
    return level, list(itertools.pairwise(edges))
