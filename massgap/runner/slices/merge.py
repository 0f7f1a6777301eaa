"""Put the results of all slices of a run together; nothing is computed."""

from __future__ import annotations

import itertools
import json
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.processors.registry import make_processor
from massgap.runner.checkpoints.fingerprint import processor_identity
from massgap.runner.checkpoints.folder import Checkpoints
from massgap.runner.checkpoints.merge_tree import MergeTree, leaves_of
from massgap.runner.errors import RunnerError
from massgap.runner.progress import Progress
from massgap.runner.result import RunResult, mark_loss
from massgap.runner.runner import finish
from massgap.runner.slices.plan_file import plan_of, read_plan
from massgap.runner.slices.stored import output_folders

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.runner.ledger import Ledger

__all__ = ["merge_slices"]


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
    _require_same(run, identity, content["identity"])
    kept = run / "checkpoints"
    failures = _collect(run, kept)
    plan = plan_of(content, accept_loss=accept_loss)
    ledger = plan.ledger
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


def _require_same(run: Path, identity: dict[str, Any], planned: dict[str, Any]) -> None:
    """Refuse an analysis that changed since its slices were written."""
    here = json.loads(json.dumps(identity, default=str))
    if here == planned:
        return
    changed = [key for key, value in here.items() if value != planned.get(key)]
    msg = (
        f"{run}: the {' and '.join(changed)} of the analysis changed since massgap submit, and results of both do not go "
        "together. Go back to what was submitted, or submit again to another folder"
    )
    raise RunnerError(msg)


def _collect(run: Path, kept: Path) -> dict[tuple[str, str, int], dict[str, Any]]:
    """Move what the jobs left to the run's checkpoints; the answer is which chunks failed."""
    kept.mkdir(exist_ok=True)
    failures: dict[tuple[str, str, int], dict[str, Any]] = {}
    outputs = output_folders(run)
    for folder in itertools.chain.from_iterable(outputs[number] for number in sorted(outputs)):
        for path in folder.glob("*.npz"):
            shutil.move(path, kept / path.name)
        failures.update(_failures(folder / "ledger.json"))
    return failures


def _merge_progress(ledger: Ledger) -> Progress:
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
