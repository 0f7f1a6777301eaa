"""What the jobs of a run have left so far: results of each slice, and the slices that are not done."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Any

from massgap.runner.checkpoints.folder import Checkpoints
from massgap.runner.checkpoints.merge_tree import FAN_IN, Node, leaves_of
from massgap.runner.errors import RunnerError
from massgap.runner.slices.plan_file import read_plan

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

__all__ = [
    "chunk_counts",
    "count_done",
    "output_folders",
    "require_no_other_jobs",
    "result_files",
    "unfinished",
]

_OUTPUT = re.compile(r"out-(\d{4,})(?:-.*)?")


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


def count_done(run: Path, bounds: Iterable[Any], keys: list[str], level: int) -> int:
    """Chunks of all slices whose results lie in the run's own checkpoints."""
    bounds = list(bounds)
    return sum(done for _, done in _counts(bounds, _stored(run, bounds, keys, level, {})))


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


def require_no_other_jobs(run: str | Path, identity: dict[str, Any], fileset: dict[str, Any]) -> None:
    """Refuse a folder that holds jobs of another run which have not left all their results.

    The jobs are at work somewhere without holding any lock here, and their results would replace those of this run.  Jobs
    of the same run are no matter: what they have not done is done here.

    Parameters
    ----------
    run
        The run folder.
    identity
        Of the processor that is to run, see :func:`massgap.runner.checkpoints.fingerprint.processor_identity`.
    fileset
        What it is to read.

    Raises
    ------
    RunnerError
        Saying whose jobs they are, and what to do.
    """
    run = Path(run)
    if not (run / "jobs" / "plan.json").exists():
        return
    plan = read_plan(run)
    left = unfinished(run)
    same = plan["identity"] == json.loads(json.dumps(identity, default=str))
    if not left or (same and _files(plan["fileset"]) == _files(fileset)):
        return
    typed = quote(str(run / "jobs"))
    msg = (
        f"{run} holds the jobs of another run ({plan['command'] or plan['analysis']}), {len(left)} of {len(plan['bounds'])} slices of "
        f"which have no result yet: choose another folder with --out, or give them up (condor_rm, then rm -r {typed})"
    )
    raise RunnerError(msg)


def _files(fileset: dict[str, Any]) -> dict[str, list[str]]:
    return {name: sorted(map(str, entry["files"])) for name, entry in fileset.items()}


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
