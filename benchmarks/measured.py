"""The measurements that docs/performance.md shows: each line with the date, the machine and the versions of its own run."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["joined", "keep"]

ORIGIN = ("date", "machine", "versions")


def keep(path: Path, content: dict[str, Any]) -> None:
    """Put what was just measured into the file of measurements; lines of other subjects stay as they are.

    Parameters
    ----------
    path
        The file; made if there is none.
    content
        What one run wrote into ``benchmarks.json``, in the whole form.
    """
    old = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else None
    path.write_text(json.dumps(joined(old, content), indent=1, allow_nan=False) + "\n", encoding="utf-8")


def joined(old: dict[str, Any] | None, new: dict[str, Any]) -> dict[str, Any]:
    """The measurements so far with those of a new run in the place of older ones of the same subject.

    A line that the new run left out, as what it compares with was not there, stays with the date and versions of its own.

    Parameters
    ----------
    old
        Content of the file of measurements, or None.
    new
        Content of a run's ``benchmarks.json``.

    Returns
    -------
    dict
        As ``benchmarks.json``, with the list ``origins`` (date, machine, versions) and in each row its place in it, ``origin``.

    Raises
    ------
    ValueError
        If the new run is a quick one.
    """
    if new["quick"]:
        msg = "a quick run shows that all runs, not how fast: leave out --quick and --smoke"
        raise ValueError(msg)
    before = old or {"origins": [], "rows": []}
    groups = list(dict.fromkeys(row["group"] for row in [*before["rows"], *new["rows"]]))
    fresh = {row["group"] for row in new["rows"]}
    rows: list[tuple[dict[str, Any], dict[str, Any]]] = []
    for group in groups:
        if group in fresh:
            this = {key: new[key] for key in ORIGIN}
            rows += [(_plain(row), this) for row in new["rows"] if row["group"] == group]
        measured = {row["what"] for row, _ in rows if row["group"] == group}
        rows += [
            (row, before["origins"][row["origin"]])
            for row in before["rows"]
            if row["group"] == group and row["what"] not in measured
            if group not in fresh or any(text.split(" ")[0] in row["what"] for text in new["skipped"])
        ]
    origins: list[dict[str, Any]] = []
    for _, origin in rows:
        if origin not in origins:
            origins.append(origin)
    return {
        **{key: value for key, value in new.items() if key not in ("rows", "seconds", "skipped")},
        "seconds": new["seconds"] + before.get("seconds", 0.0),
        "skipped": [],
        "origins": origins,
        "rows": [{**row, "origin": origins.index(origin)} for row, origin in rows],
    }


def _plain(row: dict[str, Any]) -> dict[str, Any]:
    """Without NaN, which strict readers of JSON do not take: nothing where a side was not timed."""
    numbers = {key: None if math.isnan(value) else value for key, value in row["measured"].items()}
    return {**row, "measured": numbers}
