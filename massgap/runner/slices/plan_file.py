"""The plan of a run in slices, ``RUN/jobs/plan.json``: written when it is submitted, read when its results are put together."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

from massgap.contracts.writing import read_json, write_json
from massgap.events.reading.files import FileInfo
from massgap.events.reading.open import Chunk
from massgap.runner.errors import RunnerError
from massgap.runner.ledger import BadFile, ChunkEntry, Ledger
from massgap.runner.planning import Plan

__all__ = ["plan_of", "read_plan", "write_plan"]

FORMAT = "massgap-slices/3"


def write_plan(folder: Path, plan: Plan, **about: Any) -> None:
    """Write a plan.

    Parameters
    ----------
    folder
        ``RUN/jobs``.
    plan
        What will be done.
    **about
        Further plain data: ``analysis``, ``options``, ``identity``, ``command``, ``tags``, ``keys`` (of all chunks), ``level``
        (of the families that jobs add up) and ``bounds`` (first and last chunk of each slice).

    Raises
    ------
    OSError
        If it cannot be written.
    """
    ledger = plan.ledger
    content = {
        "format": FORMAT,
        **about,
        "fileset": plan.fileset,
        "sum_weights": plan.sum_weights,
        "chunksize": plan.chunksize,
        "notes": plan.notes,
        "infos": [{"dataset": d, **dataclasses.asdict(info)} for (d, _), info in sorted(plan.infos.items())],
        "files": ledger.files,
        "remarks": ledger.remarks,
        "bad_files": [dataclasses.asdict(bad) for bad in ledger.bad_files],
        "expected": ledger.expected,
        "skimmed": sorted(ledger.skimmed),
        "duplicates": ledger.duplicates,
        "chunks": [dataclasses.astuple(c) for c in plan.chunks],
    }
    write_json(folder / "plan.json", content)


def read_plan(run: str | Path) -> dict[str, Any]:
    """The plan of a run in slices, as plain data.

    Raises
    ------
    RunnerError
        If the folder holds none.
    """
    return read_json(
        Path(run) / "jobs" / "plan.json",
        FORMAT,
        missing=f"{run} holds no jobs of massgap submit",
        remedy="Give the folder of massgap submit (its --out); if its plan is damaged, submit again to another folder.",
        error=RunnerError,
    )


def plan_of(content: dict[str, Any], *, accept_loss: bool = False) -> Plan:
    """The plan again, with no chunk done.

    Parameters
    ----------
    content
        See :func:`read_plan`.
    accept_loss
        Take the result although something is missing.
    """
    ledger = Ledger(
        expected=content["expected"],
        skimmed=set(content["skimmed"]),
        duplicates=content["duplicates"],
        bad_files=[BadFile(**bad) for bad in content["bad_files"]],
        chunks=[ChunkEntry(Chunk(*c)) for c in content["chunks"]],
        accepted_loss=accept_loss,
        files=content["files"],
        remarks=content["remarks"],
    )
    infos = {(entry["dataset"], entry["path"]): _info(entry) for entry in content["infos"]}
    return Plan(
        content["fileset"], infos, ledger, content["chunksize"], content["notes"], content["sum_weights"]
    )


def _info(entry: dict[str, Any]) -> FileInfo:
    known: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value for key, value in entry.items()
    }
    del known["dataset"]
    return FileInfo(**known)
