"""A run in slices: planned here, processed by jobs that know nothing of each other, and put together here.

A slice is a plain JSON file that names chunks, their keys, the analysis and its options.  A job leaves the results of its
chunks under those keys, which are the checkpoints of the run: put together, they give the same bits as ``massgap run``, and whatever is
missing can be done by another job or by ``massgap run`` itself.  No pickle is written or read.
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
import re
import shutil
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.writing import prepare_folder, write_json
from massgap.events.reading.files import FileInfo
from massgap.processors.registry import make_processor
from massgap.runner.checkpoints.fingerprint import code_hash, processor_identity
from massgap.runner.checkpoints.folder import Checkpoints
from massgap.runner.checkpoints.merge_tree import FAN_IN, MergeTree, Node, leaves_of
from massgap.runner.errors import RunnerError
from massgap.runner.executors.local import Executor, FuturesExecutor
from massgap.runner.ledger import BadFile, ChunkEntry, Ledger
from massgap.runner.planning import Plan, make_plan
from massgap.runner.runner import (
    RunResult,
    chunk_metadata,
    finish,
    keys_of,
    mark_loss,
    process_plan,
    tree_levels,
)
from massgap.runner.work import Chunk

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from massgap.runner.progress import Progress

__all__ = [
    "SliceSet",
    "WrongEnvironmentError",
    "chunk_counts",
    "merge_slices",
    "output_folders",
    "read_plan",
    "result_files",
    "unfinished",
    "work_slice",
    "write_slices",
]

PLAN = "massgap-slices/1"
SLICE = "massgap-slice/1"
_OUTPUT = re.compile(r"out-(\d{4,})(?:-.*)?")


class WrongEnvironmentError(RunnerError):
    """The massgap that is to work is not the one that planned."""


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
    chunksize, executor, progress
        As for :func:`massgap.runner.runner.run`; the executor only looks into the files.
    tags, command
        For the manifest.

    Raises
    ------
    RunnerError
        If an argument is wrong, the folder holds slices of another run, or the files cannot be planned.
    """
    for name, value in (("jobs", jobs), ("chunks per job", chunks_per_job)):
        if value is not None and value < 1:
            msg = f"the number of {name} must be at least 1, not {value}"
            raise RunnerError(msg)
    if jobs is not None and chunks_per_job is not None:
        msg = "give the number of jobs or of chunks per job, not both"
        raise RunnerError(msg)
    processor = make_processor(analysis, **options)
    run = prepare_folder(out)
    folder = run / "jobs"
    if (folder / "plan.json").exists():
        msg = (
            f"{folder} holds the jobs of an earlier massgap submit. Look at them with massgap status {run}, or choose another "
            "folder with --out"
        )
        raise RunnerError(msg)
    folder.mkdir(exist_ok=True)
    ledger = Ledger()
    plan = make_plan(fileset, ledger, executor=executor, chunksize=chunksize, progress=progress)
    if not ledger.chunks:
        msg = "; ".join(ledger.problems()[:5]) or "there is nothing to do"
        raise RunnerError(msg)
    identity = processor_identity(processor)
    metadata = chunk_metadata(processor, plan)
    keys = keys_of(identity, plan, metadata)
    shipped, inputs = _ship(analysis, options, folder)
    level, bounds = _bounds(len(keys), jobs, chunks_per_job)
    common = {"format": SLICE, "code": code_hash(), "level": level, **shipped}
    made = SliceSet(
        folder, [], inputs, len(keys), sum(c.stop - c.start for c in plan.chunks), notes=plan.notes
    )
    for number, (first, last) in enumerate(bounds):
        chunks = plan.chunks[first:last]
        content = {
            **common,
            "number": number,
            "chunks": [dataclasses.asdict(c) for c in chunks],
            "keys": keys[first:last],
            "metadata": {name: metadata[name] for name in sorted({c.dataset for c in chunks})},
        }
        path = folder / f"job-{number:04d}.json"
        write_json(path, content)
        made.slices.append(path)
    made.done = sum(done for _, done in _counts(bounds, _stored(run, bounds, keys, level, {})))
    write_json(
        folder / "plan.json",
        {
            "format": PLAN,
            "analysis": analysis,
            "options": options,
            "identity": identity,
            "command": command,
            "tags": tags or {},
            "fileset": plan.fileset,
            "derived": sorted(plan.derived),
            "chunksize": plan.chunksize,
            "notes": plan.notes,
            "infos": [
                {"dataset": d, **dataclasses.asdict(info)} for (d, _), info in sorted(plan.infos.items())
            ],
            "bad_files": [dataclasses.asdict(bad) for bad in ledger.bad_files],
            "expected": ledger.expected,
            "skimmed": sorted(ledger.skimmed),
            "chunks": [dataclasses.astuple(c) for c in plan.chunks],
            "keys": keys,
            "level": level,
            "bounds": bounds,
        },
    )
    return made


def _ship(analysis: str, options: dict[str, Any], folder: Path) -> tuple[dict[str, Any], list[Path]]:
    """Copy what a job needs beside its slice, and name it as the job will find it."""
    inputs = []
    options = dict(options)
    name, _, cls = analysis.rpartition(":")
    if name.endswith(".py"):
        inputs.append(folder / Path(name).name)
        shutil.copyfile(name, inputs[-1])
        analysis = f"{Path(name).name}:{cls}"
    model = options.get("model")
    if model is not None:
        from massgap.contracts.model_folder import model_file

        inputs.append(folder / "model.onnx")
        shutil.copyfile(model_file(Path(model)), inputs[-1])
        options["model"] = "model.onnx"
    try:
        json.dumps(options)
    except TypeError as error:
        msg = f"an option of {analysis} cannot be written to a slice ({error}); use massgap run"
        raise RunnerError(msg) from error
    return {"analysis": analysis, "options": options}, inputs


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


def read_plan(run: str | Path) -> dict[str, Any]:
    """The plan of a run in slices.

    Raises
    ------
    RunnerError
        If the folder holds none.
    """
    path = Path(run) / "jobs" / "plan.json"
    try:
        plan = json.loads(path.read_text())
    except FileNotFoundError as error:
        msg = f"{run}: holds no jobs of massgap submit ({path} is missing)"
        raise RunnerError(msg) from error
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read ({error}); submit again to another folder"
        raise RunnerError(msg) from error
    if plan.get("format") != PLAN:
        msg = f"{path}: is of another massgap (format {plan.get('format')!r}, here {PLAN}); submit again to another folder"
        raise RunnerError(msg)
    return plan


def work_slice(
    job_file: str | Path, out: str | Path, *, progress: Callable[[Progress], None] | None = None
) -> dict[str, Any]:
    """Process a slice: what a job does.

    Chunks run in a child process, so that one that ends its process does not end the job.

    Parameters
    ----------
    job_file
        The slice; its model and analysis file lie beside it.
    out
        Folder for the results; what is in it already is not done again.
    progress
        As for :func:`massgap.runner.runner.run`.

    Returns
    -------
    dict
        Contents of ``out/ledger.json``: ``complete``, ``interrupted`` and ``chunks`` with status, error, host and attempts.

    Raises
    ------
    WrongEnvironmentError
        If this massgap is not the one that planned.
    RunnerError
        If the slice cannot be read.
    """
    job_file = Path(job_file)
    try:
        job = json.loads(job_file.read_text())
        form = job.get("format")
        chunks = [Chunk(**c) for c in job["chunks"]] if form == SLICE else []
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{job_file}: is not a slice that massgap submit wrote ({type(error).__name__}: {error})"
        raise RunnerError(msg) from error
    if form != SLICE:
        msg = f"{job_file}: is not a slice of this massgap (format {form!r}, here {SLICE})"
        raise WrongEnvironmentError(msg)
    if job["code"] != code_hash():
        msg = (
            f"the massgap here has the digest {code_hash()[:12]}, the one that planned {job['code'][:12]}: install the same "
            "version on the workers, or let massgap submit ship its code"
        )
        raise WrongEnvironmentError(msg)
    folder = prepare_folder(out)
    options = dict(job["options"])
    analysis = job["analysis"]
    if options.get("model") is not None:
        options["model"] = str(job_file.parent / options["model"])
    if analysis.rpartition(":")[0].endswith(".py"):
        analysis = str(job_file.parent / analysis)
    processor = make_processor(analysis, **options)
    ledger = Ledger(expected=dict.fromkeys(job["metadata"]), chunks=[ChunkEntry(c) for c in chunks])
    result = RunResult(None, ledger, processor_identity(processor), {})
    process_plan(
        processor,
        result,
        keys=job["keys"],
        metadata=job["metadata"],
        executor=FuturesExecutor(1),
        checkpoints=folder,
        levels=(job["level"], job["level"]),
        progress=progress,
    )
    content = ledger.as_dict()
    complete = not ledger.errors and all(e.status == "processed" for e in ledger.chunks)
    summary = {
        "number": job["number"],
        "complete": complete,
        "interrupted": result.interrupted,
        "problems": content["problems"],
        "chunks": content["chunks"],
    }
    write_json(folder / "ledger.json", summary)
    return summary


def output_folders(run: str | Path) -> dict[int, list[Path]]:
    """Folders with results of each slice, of its first job and of further attempts; of those that have any.

    Parameters
    ----------
    run
        The run folder.
    """
    found: dict[int, list[Path]] = {}
    for path in sorted((Path(run) / "jobs").glob("out-*")):
        match = _OUTPUT.fullmatch(path.name)
        if match is not None:
            found.setdefault(int(match[1]), []).append(path)
    return found


def _stored(
    run: Path, bounds: Iterable[Any], keys: list[str], level: int, outputs: dict[int, list[Path]]
) -> Iterator[dict[Node, Path]]:
    """Results of each slice: node in the slice -> file.  Each folder is listed once."""
    kept = run / "checkpoints"
    in_kept = _names_in(kept)
    for number, (first, last) in enumerate(bounds):
        name = Checkpoints(None, keys[first:last]).name
        places = [(kept, in_kept), *((folder, _names_in(folder)) for folder in outputs.get(number, ()))]
        found: dict[Node, Path] = {}
        for k in range(level, -1, -1):
            for n in range(-(-(last - first) // FAN_IN**k)):
                file = name((k, n))
                for folder, there in places:
                    if file in there:
                        found[k, n] = folder / file
        yield found


def _names_in(folder: Path) -> set[str]:
    return {entry.name for entry in os.scandir(folder)} if folder.is_dir() else set()


def _counts(bounds: Iterable[Any], stored: Iterable[dict[Node, Path]]) -> list[tuple[int, int]]:
    """For each slice: number of chunks, and how many of them have a result."""
    return [
        (last - first, len({leaf for node in found for leaf in leaves_of(node, last - first)}))
        for (first, last), found in zip(bounds, stored, strict=True)
    ]


def _stored_of(run: Path, plan: dict[str, Any]) -> Iterator[dict[Node, Path]]:
    return _stored(run, plan["bounds"], plan["keys"], plan["level"], output_folders(run))


def unfinished(run: str | Path) -> list[int]:
    """Numbers of the slices with chunks that have no result yet.

    Raises
    ------
    RunnerError
        If the folder holds no jobs.
    """
    return [number for number, (chunks, done) in enumerate(chunk_counts(run)) if done < chunks]


def chunk_counts(run: str | Path) -> list[tuple[int, int]]:
    """For each slice: number of chunks, and how many of them have a result.

    Raises
    ------
    RunnerError
        If the folder holds no jobs.
    """
    plan = read_plan(run)
    return _counts(plan["bounds"], _stored_of(Path(run), plan))


def result_files(run: str | Path) -> list[list[Path]]:
    """Files with results of each slice: what its next job need not do again.

    Parameters
    ----------
    run
        The run folder.

    Raises
    ------
    RunnerError
        If the folder holds no jobs.
    """
    stored = _stored_of(Path(run), read_plan(run))
    return [sorted(found.values(), key=lambda path: path.name) for found in stored]


def merge_slices(
    run: str | Path, *, accept_loss: bool = False, progress: Callable[[Progress], None] | None = None
) -> RunResult:
    """Put the results of all jobs together; nothing is computed.

    The results move to ``RUN/checkpoints``, where ``massgap run`` with the same arguments finds them, too.

    Parameters
    ----------
    run
        The run folder.
    accept_loss
        Take the result although something is missing.
    progress
        As for :func:`massgap.runner.runner.run`.

    Raises
    ------
    RunnerError
        If the folder holds no jobs, or the code has changed since they were planned.
    """
    run = Path(run)
    content = read_plan(run)
    processor = make_processor(content["analysis"], **content["options"])
    identity = processor_identity(processor)
    if json.loads(json.dumps(identity, default=str)) != content["identity"]:
        changed = [
            k
            for k, v in identity.items()
            if json.loads(json.dumps(v, default=str)) != content["identity"].get(k)
        ]
        msg = (
            f"{run}: the {' and '.join(changed)} of the analysis changed since massgap submit, and results of both do not go "
            "together. Go back to what was submitted, or submit again to another folder"
        )
        raise RunnerError(msg)
    kept = run / "checkpoints"
    kept.mkdir(exist_ok=True)
    failures: dict[tuple[str, str, int], dict[str, Any]] = {}
    outputs = output_folders(run)
    for folder in itertools.chain.from_iterable(outputs[number] for number in sorted(outputs)):
        for path in folder.glob("*.npz"):
            shutil.move(path, kept / path.name)
        failures.update(_failures(folder / "ledger.json"))
    ledger = Ledger(
        expected=content["expected"],
        skimmed=set(content["skimmed"]),
        bad_files=[BadFile(**bad) for bad in content["bad_files"]],
        chunks=[ChunkEntry(Chunk(*c)) for c in content["chunks"]],
        accepted_loss=accept_loss,
    )
    infos = {}
    for info in content["infos"]:
        dataset = info.pop("dataset")
        infos[dataset, info["path"]] = FileInfo(
            **{**info, "changed": tuple(info["changed"]), "clusters": tuple(info["clusters"])}
        )
    ledger.files = [{"dataset": d, "status": "read", **infos[d, p].as_dict()} for d, p in sorted(infos)]
    plan = Plan(
        content["fileset"], infos, ledger, content["chunksize"], content["notes"], set(content["derived"])
    )
    result = RunResult(None, ledger, identity, plan.fileset, list(plan.notes), chunksize=plan.chunksize)
    store = Checkpoints(kept, content["keys"])
    tree = MergeTree(len(content["keys"]))
    for node, value in store.stored(content["level"]):
        tree.add(node, value)
        for leaf in leaves_of(node, len(content["keys"])):
            ledger.chunks[leaf].status = "processed"
        if progress is not None:
            progress(_merge_progress(ledger))
    for entry in ledger.chunks:
        failure = failures.get((entry.chunk.dataset, entry.chunk.path, entry.chunk.start))
        if entry.status == "missing" and failure is not None:
            entry.status, entry.error = "failed", failure["error"]
            entry.exception, entry.host, entry.attempts = (
                failure["exception"],
                failure["host"],
                failure["attempts"],
            )
    finish(processor, tree.finish(), result, plan)
    mark_loss(result)
    return result


def _merge_progress(ledger: Ledger) -> Progress:
    from massgap.runner.progress import Progress

    done = [e for e in ledger.chunks if e.status == "processed"]
    events = sum(e.chunk.stop - e.chunk.start for e in done)
    return Progress("process", len(done), len(ledger.chunks), 0, events)


def _failures(path: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Chunks that failed, as the ledger of a job says; none if the job left no ledger."""
    try:
        chunks = json.loads(path.read_text())["chunks"]
    except (OSError, ValueError, KeyError):
        return {}
    return {(c["dataset"], c["file"], c["start"]): c for c in chunks if c["status"] == "failed"}
