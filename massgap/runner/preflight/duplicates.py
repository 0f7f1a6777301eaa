"""Copies of one file in a fileset: their events would count twice."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING

from massgap.runner.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Iterable

    from massgap.events.reading.files import FileInfo
    from massgap.runner.planning import Plan

__all__ = ["check_copies"]

_SHOWN = 3


def check_copies(plan: Plan, *, allowed: bool = False) -> None:
    """Refuse files that are copies of each other, wherever in the fileset they stand.

    ROOT gives each file a UUID when it is made, which every copy has, too; files without one (written "reproducibly") are
    compared by their content.  Copies in different data sets, and as different processes, are refused as well: all of
    them are added up to one expectation, in which the same events would be as signal and as background, or weigh twice.
    The same file in two runs is no matter.

    Parameters
    ----------
    plan
        With all files that could be opened; where copies are allowed, its ledger and notes tell of them.
    allowed
        Take them nevertheless.

    Raises
    ------
    RunnerError
        Naming the files.
    """
    groups = _copies(plan.infos)
    if not groups:
        return
    shown = "; ".join(_named(group) for group in groups[:_SHOWN])
    more = f"; and {len(groups) - _SHOWN} more" if len(groups) > _SHOWN else ""
    if not allowed:
        msg = (
            f"the fileset holds copies of one file, whose events would count twice: {shown}{more}. Take all but one out of it, or "
            "give --allow-duplicates (in Python allow_duplicates=True) if they are meant to count twice"
        )
        raise RunnerError(msg)
    plan.ledger.duplicates = [[path for _, path in group] for group in groups]
    plan.notes.append(f"copies of one file are counted each, as allowed: {shown}{more}")


def _copies(infos: dict[tuple[str, str], FileInfo]) -> list[list[tuple[str, str]]]:
    """Groups of (dataset, path) that are copies of each other."""
    alike: dict[tuple[str, ...], list[tuple[str, str]]] = {}
    for key, info in sorted(infos.items()):
        if set(info.uuid) - set("0-"):
            alike.setdefault(("uuid", info.uuid), []).append(key)
        elif info.size >= 0:
            alike.setdefault(("size", str(info.size)), []).append(key)
    groups = []
    for (kind, _), keys in alike.items():
        if len(keys) > 1:
            groups += [keys] if kind == "uuid" else _same_content(keys)
    return sorted(groups)


def _same_content(keys: Iterable[tuple[str, str]]) -> list[list[tuple[str, str]]]:
    by_content: dict[bytes, list[tuple[str, str]]] = {}
    for key in keys:
        with Path(key[1]).open("rb") as stream:
            by_content.setdefault(hashlib.file_digest(stream, "sha256").digest(), []).append(key)
    return [group for group in by_content.values() if len(group) > 1]


def _named(group: list[tuple[str, str]]) -> str:
    datasets = list(dict.fromkeys(dataset for dataset, _ in group))
    if len(datasets) == 1:
        return f"{' and '.join(path for _, path in group)} (data set {datasets[0]!r})"
    return " and ".join(f"{path} (data set {dataset!r})" for dataset, path in group)
