"""What the numbers of the study stand on: simulated events, and the time of a run with all scores."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import ContractError
from massgap.contracts.run_folder import open_run
from massgap.contracts.study_folder import open_study
from massgap.studies.slepton.numbers.sums import sum_of

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from massgap.studies.slepton.numbers.folders import Folders

    Number = tuple[float, float | None]
    Numbers = dict[tuple[str, str], Number | None]

__all__ = ["resources"]


def resources(folders: Folders) -> Numbers:
    """Effective events after the pre-cuts, (sum w)^2 / sum w^2 with all responses to an event as one, and what all scores in one pass cost; of a whole study in full."""
    if folders.study is None or (record := open_study(folders.study)).small:
        return {}
    out: Numbers = {}
    histogram = folders.opened.histograms.get("m_ll")
    there = set() if histogram is None else {str(name) for name in histogram.axes["process"]}
    regions = set() if histogram is None else {str(name) for name in histogram.axes["region"]}
    for what, process in (
        ("signal", folders.signal()),
        *((name, name) for name in ("tt", "WW", "tautau")),
    ):
        if process in there and "precuts" in regions:
            total, variance = sum_of(histogram, process, "precuts", shared=folders.shared("m_ll", "precuts"))
            number = (total**2 / variance if variance else 0.0, None)
            out[f"effective events after the pre-cuts, {what}", "number"] = number
    if {"run", "scored"} <= record.runs.keys():
        out["time with all scores in one pass over that with none", "number"] = _time_ratio(
            folders.study / "scored", folders.study / "run"
        )
    return out


def _time_ratio(above: Path, below: Path) -> Number | None:
    """Time of one run over that of another, of the chunks that both have timed, with the error that the chunks' scatter gives it.

    Chunks that an earlier call had processed have no time.
    """
    try:
        one, other = (_seconds(open_run(folder).ledger) for folder in (above, below))
    except ContractError:
        return None
    both = [(one[chunk], other[chunk]) for chunk in one.keys() & other.keys()]
    total = sum(seconds for _, seconds in both)
    if len(both) < 2 or not total:
        return None
    ratio = sum(seconds for seconds, _ in both) / total
    squares = sum((a - ratio * b) ** 2 for a, b in both)
    return ratio, math.sqrt(len(both) / (len(both) - 1) * squares) / total


def _seconds(ledger: Mapping[str, Any]) -> dict[tuple[Any, ...], float]:
    return {
        tuple(chunk[name] for name in ("dataset", "file", "start", "stop")): float(chunk["seconds"])
        for chunk in ledger.get("chunks", ())
        if chunk.get("status") == "processed" and chunk.get("seconds")
    }
