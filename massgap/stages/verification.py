"""Whether the numbers in a run folder still come out: chunks are computed again, and compared to the last bit."""

from __future__ import annotations

import hashlib
import json
import math
import shlex
import tempfile
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import RunFolderError
from massgap.stages.execution import Execution

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.contracts.run_folder import RunFolder
    from massgap.events.reading.open import Chunk
    from massgap.runner.planning import Plan
    from massgap.runner.result import RunResult

__all__ = ["Verification", "verify", "with_tuples"]


@dataclass
class Verification:
    """What became of a verification.

    Attributes
    ----------
    run
        The run folder.
    command, created
        What made it, and when.
    code, code_now
        Digest of the source that made it, and of today's, with that of the user's own modules.
    versions
        Library -> (version then, version now), where they differ.
    models
        Score -> ``file``, ``sha256`` of the run, ``found`` (that of the file now, None without the file).
    files
        ``dataset``, ``path``, ``uuid``, ``entries`` of each event file, and ``changed``: why it is not the file of the run, or
        None.
    chunks
        ``dataset``, ``path``, ``start``, ``stop`` and ``same`` of each chunk that was computed again, and ``error`` where that
        failed; ``same`` is None where nothing of the chunk alone was kept, and only the sums over all are compared.
    total_chunks
        Chunks of the run.
    outputs
        File of the run folder -> whether it was made again with the same content.
    seed
        Which chunks were chosen; None if all were.
    """

    run: str
    command: str
    created: str
    code: str
    code_now: str
    versions: dict[str, tuple[str | None, str | None]] = field(default_factory=dict)
    models: dict[str, dict[str, Any]] = field(default_factory=dict)
    files: list[dict[str, Any]] = field(default_factory=list)
    chunks: list[dict[str, Any]] = field(default_factory=list)
    total_chunks: int = 0
    outputs: dict[str, bool] = field(default_factory=dict)
    seed: int | None = None

    def problems(self) -> list[str]:
        """What is not as the run says, one sentence each; empty if all is."""
        out = [
            f"model {name!r}: {model['file']} "
            + ("is gone" if model["found"] is None else "is another one now")
            for name, model in self.models.items()
            if model["found"] != model["sha256"]
        ]
        out += [f"{file['path']}: {file['changed']}" for file in self.files if file["changed"]]
        for chunk in self.chunks:
            if chunk["same"] is False:
                where = f"{chunk['path']}, entries {chunk['start']} to {chunk['stop']}"
                out.append(f"{where}: {chunk.get('error') or 'other bits than the run has kept'}")
        out += [
            f"{name}: not what the chunks add up to now" for name, same in self.outputs.items() if not same
        ]
        return out

    @property
    def ok(self) -> bool:
        """Whether everything that was looked at is as the run says."""
        return bool(self.outputs) and not self.problems()

    def as_dict(self) -> dict[str, Any]:
        """For ``--json``."""
        return {
            "format": "massgap-verification/1",
            "ok": self.ok,
            "problems": self.problems(),
            **asdict(self),
        }


def verify(
    run: str | Path,
    *,
    share: float = 0.01,
    everything: bool = False,
    seed: int | None = None,
    progress: Callable[[Any], None] | None = None,
    **words: Any,
) -> Verification:
    """Compute some chunks of a run again, or all, and compare with what the run has written.

    Without ``everything``, a random share of the chunks is compared with the results that the run has kept of them, and
    histograms, cutflow and feature tables are put together again from all that is kept; with it, nothing that is kept is used.

    Parameters
    ----------
    run
        Run folder.
    share
        Share of the chunks that are computed again; at least one is.
    everything
        Compute all of them again.
    seed
        Chooses the chunks; a random one by default, which the result names.
    progress
        Callback of the run over everything, see :class:`massgap.runner.progress.Progress`.
    words
        ``executor, workers`` of :class:`massgap.stages.execution.Execution`.

    Returns
    -------
    Verification
        Look at its ``ok``: a difference raises nothing.

    Raises
    ------
    RunFolderError
        If the folder is no complete run, or nothing of its chunks was kept by today's code.
    massgap.errors.MassgapError
        If the processor cannot be made any more.

    Examples
    --------
    >>> verify("runs/scored", share=0.05).ok  # doctest: +SKIP
    True
    """
    from massgap.contracts.filesets.known_files import plain_fileset
    from massgap.contracts.run_folder import open_run
    from massgap.contracts.writing import read_json
    from massgap.runner.checkpoints.fingerprint import processor_identity
    from massgap.runner.ledger import Ledger
    from massgap.runner.planning import make_plan

    execution = Execution.of(words)
    if words:
        msg = f"verify() has no argument {', '.join(map(repr, words))}"
        raise TypeError(msg)
    folder = open_run(run)
    folder.require_complete()
    processor = _processor(folder)
    remedy = "Run the analysis again into this folder."
    fileset = plain_fileset(read_json(folder.path / "fileset.json", remedy=remedy, error=RunFolderError))
    identity = processor_identity(processor)
    with execution.open() as executor:
        # Where files are many, the workers look into them.
        plan = make_plan(fileset, Ledger(), executor=executor, chunksize=folder.manifest.get("chunksize"))
        found = _provenance(folder, identity, plan)
        if found.problems():
            # What comes from another file or model is another number: nothing to compare.
            return found
        if everything:
            result = _result(folder, processor, fileset, executor, None, progress)
            found.chunks = [_about(entry.chunk, None) for entry in result.ledger.chunks]
        else:
            _some_chunks(folder, processor, identity, plan, found, share, seed, executor)
            result = _result(folder, processor, fileset, executor, folder.path / "checkpoints")
    _compare_outputs(folder, result, found)
    return found


def _processor(folder: RunFolder) -> Any:
    """The processor that made a run, with the options that its manifest names."""
    from massgap.stages.processing import processor_of

    options = {name: with_tuples(value) for name, value in (folder.manifest.get("options") or {}).items()}
    models = {name: str(model.get("file")) for name, model in (folder.manifest.get("models") or {}).items()}
    for name, file in models.items():
        if not Path(file).is_file():
            message = f"{file}: the model of the score {name!r} of {folder.path} is gone; put it back there to verify the run"
            raise RunFolderError(message)
    return processor_of(str(folder.manifest["analysis"]), options, models or None)[0]  # type: ignore[arg-type]


def with_tuples(value: Any) -> Any:
    """JSON knows no tuples; options of processors are."""
    if isinstance(value, list):
        return tuple(with_tuples(item) for item in value)
    return {k: with_tuples(v) for k, v in value.items()} if isinstance(value, dict) else value


def _provenance(folder: RunFolder, identity: dict[str, Any], plan: Plan) -> Verification:
    """Code, libraries, models and files of a run, and what they are now."""
    from massgap.contracts.writing import digest, versions

    manifest = folder.manifest
    then, now = manifest.get("versions") or {}, versions()
    found = Verification(
        str(folder.path),
        str(manifest.get("command", "")),
        str(manifest.get("created", "")),
        str(manifest.get("code_hash", "")),
        digest([identity["code"], identity["source"]]),
        {k: (then.get(k), now.get(k)) for k in sorted({*then, *now}) if then.get(k) != now.get(k)},
        {
            name: {
                "file": model.get("file"),
                "sha256": model.get("sha256"),
                "found": identity["models"].get(name),
            }
            for name, model in (manifest.get("models") or {}).items()
        },
        total_chunks=len(folder.ledger.get("chunks", [])),
    )
    infos = {key: info.as_dict() for key, info in plan.infos.items()}
    lost = {(bad.dataset, bad.path): bad.error for bad in plan.ledger.bad_files}
    for file in folder.ledger.get("files", []):
        key = (file["dataset"], file["path"])
        found.files.append(
            {
                "dataset": key[0],
                "path": key[1],
                "uuid": file.get("uuid"),
                "entries": file.get("entries"),
                "changed": lost.get(key) or _changed(file, infos.get(key)),
            }
        )
    return found


def _changed(then: dict[str, Any], now: dict[str, Any] | None) -> str | None:
    """Why a file is not the one that was read; a copy of it is."""
    if now is None:
        return "is not in the fileset of the run any more"
    for name in ("uuid", "entries", "size"):
        if then.get(name) is not None and then[name] != now.get(name):
            return f"is not the file that was read: its {name} was {then[name]} and is {now.get(name)}"
    return None


def _some_chunks(
    folder: RunFolder,
    processor: Any,
    identity: dict[str, Any],
    plan: Plan,
    found: Verification,
    share: float,
    seed: int | None,
    executor: Any,
) -> None:
    """Compute some of the kept results again."""
    import numpy as np

    from massgap.runner.checkpoints.encoding import load, same_bits
    from massgap.runner.checkpoints.folder import Checkpoints
    from massgap.runner.checkpoints.merge_tree import combine, leaves_of
    from massgap.runner.process import shared_work, tree_levels
    from massgap.runner.work import Task, process_task

    metadata = plan.metadata(processor)
    kept = folder.path / "checkpoints"
    store = Checkpoints(kept if kept.is_dir() else None, plan.keys(identity, metadata))
    total = len(plan.chunks)
    level = tree_levels(total)[1]
    nodes = store.cover(level)
    if nodes is None:
        why = (
            "by other code"
            if found.code != found.code_now
            else "where its results were not kept, or removed since"
        )
        message = (
            f"{folder.path} was made {why}: its chunks have nothing to be compared with one by one. "
            f"Type massgap verify {shlex.quote(str(folder.path))} --all to make all of it again"
        )
        raise RunFolderError(message)
    found.seed = int(np.random.SeedSequence().entropy) % 2**32 if seed is None else seed  # type: ignore[arg-type]
    order = np.random.default_rng(found.seed).permutation(len(nodes))
    chosen, wanted = [], max(1, math.ceil(share * total))
    for i in order:
        chosen.append(nodes[i])
        if sum(len(leaves_of(node, total)) for node in chosen) >= wanted:
            break
    tasks = [
        Task(tuple((leaf, plan.chunks[leaf]) for leaf in leaves_of(node, total)), node[0]) for node in chosen
    ]
    for number, answer in executor(
        process_task, tasks, shared=shared_work(processor, identity, metadata, total)
    ):
        node = chosen[number]
        outcomes = getattr(answer, "outcomes", {})
        errors = [outcome.error for outcome in outcomes.values() if outcome.error]
        again = combine(answer.nodes, total, node[0]).get(node) if outcomes else None
        same = again is not None and same_bits(again, load(kept / store.name(node)))
        lost = (
            None
            if outcomes
            else f"its worker ended without a result ({getattr(answer, 'reason', 'no reason known')})"
        )
        for leaf in leaves_of(node, total):
            found.chunks.append(_about(plan.chunks[leaf], same, errors[0] if errors else lost))
    found.chunks.sort(key=lambda chunk: (chunk["dataset"], chunk["path"], chunk["start"]))


def _about(chunk: Chunk, same: bool | None, error: str | None = None) -> dict[str, Any]:
    return {
        "dataset": chunk.dataset,
        "path": chunk.path,
        "start": chunk.start,
        "stop": chunk.stop,
        "same": same,
        "error": error,
    }


def _result(
    folder: RunFolder,
    processor: Any,
    fileset: dict[str, Any],
    executor: Any,
    checkpoints: Path | None,
    progress: Callable[[Any], None] | None = None,
) -> RunResult:
    """The run again, from what is kept of its chunks or from nothing."""
    from massgap.runner.runner import run

    result = run(
        processor,
        fileset,
        executor=executor,
        chunksize=folder.manifest.get("chunksize"),
        checkpoints=checkpoints,
        progress=progress,
        # The run has said what it thinks of copies and losses.
        accept_loss=folder.ledger.get("accepted_loss") is True,
        allow_duplicates=True,
    )
    result.require_complete()
    return result


def _compare_outputs(folder: RunFolder, result: RunResult, found: Verification) -> None:
    """Write the files of the run folder again, elsewhere, and compare them."""
    from massgap.contracts.run_writer import write_run_folder

    with tempfile.TemporaryDirectory(prefix="massgap-verify-") as place:
        made = write_run_folder(result, Path(place) / "run", analysis=str(folder.manifest["analysis"]))
        for name in ("histograms.json", "cutflow.json"):
            if (folder.path / name).is_file() or (made / name).is_file():
                found.outputs[name] = _same_json(folder.path / name, made / name)
        for table in sorted((folder.manifest.get("features") or {}).values()):
            found.outputs[table] = _same_table(folder.path / table, made / table)


def _same_json(path: Path, other: Path) -> bool:
    """Whether two files have the same content; numbers are written so that each bit counts."""
    try:
        return bool(json.loads(path.read_bytes()) == json.loads(other.read_bytes()))
    except (OSError, ValueError):
        return False


def _same_table(path: Path, other: Path) -> bool:
    """Whether two feature tables have the same columns, rows and bits."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        ours, theirs = pq.read_table(path), pq.read_table(other)
    except (OSError, pa.ArrowException):
        return False
    if ours.column_names != theirs.column_names or ours.num_rows != theirs.num_rows:
        return False
    return all(_bits(ours[name]) == _bits(theirs[name]) for name in ours.column_names)


def _bits(column: Any) -> str:
    """Digest of a column, whatever its division into parts."""
    import numpy as np

    values = column.to_numpy()
    if values.dtype == object:
        return hashlib.sha256(repr(values.tolist()).encode()).hexdigest()
    return hashlib.sha256(str(values.dtype).encode() + np.ascontiguousarray(values).tobytes()).hexdigest()
