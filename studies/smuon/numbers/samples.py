"""How large the samples are where it counts, and what the scales of the hard process do to them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.studies.smuon.places import SCALES, TRAINED, signal_name

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.studies.smuon.numbers.folders import Folders
    from massgap.studies.smuon.yields import Yields

    Numbers = dict[tuple[str, str], tuple[float, float | None] | None]

__all__ = ["ENOUGH", "effective_events", "scale_errors"]

ENOUGH = 5000.0
"""Effective events of a signal to train on."""


def effective_events(yields: Yields) -> Numbers:
    """Effective numbers of events after M_T2: (sum of weights)^2 / (sum of their squares).

    Copies of an event of signal count by themselves here.
    """
    out: Numbers = {
        (name, "after M_T2"): (yields.one(name, "preselection").effective, None)
        for name in ("tt", "mumununu", "mumulnu")
    }
    of_signals = {
        name: yields.one(name, "preselection").effective
        for masses in TRAINED
        if (name := signal_name(*masses)) in yields.masses
    }
    if len(of_signals) == len(TRAINED):
        least = min(of_signals, key=lambda name: of_signals[name])
        out["signal of the fewest events", "after M_T2"] = (of_signals[least], None)
        enough = sum(n >= ENOUGH for n in of_signals.values())
        out["signals with at least 5000, of 18", "after M_T2"] = (float(enough), None)
    return out


def scale_errors(folders: Folders) -> Numbers:
    """Relative changes (%) by both scales, of the cross section and of the efficiency after M_T2: the envelope of up and down.

    The run keeps the nominal normalisation of a sample in its variations, so that a changed yield is a changed cross section
    times a changed efficiency; the samples say the former.
    """
    run = folders.run("scales")
    if run is None or folders.home is None:
        return {}
    filled: Any = run.histogram("met")
    varied = [name for name in filled.axes["variation"] if str(name).startswith(("mur_", "muf_"))]
    out: Numbers = {}
    for masses in SCALES:
        name = signal_name(*masses)
        if name not in set(filled.axes["process"]):
            continue
        rates = _rates(folders.home, name)
        if not rates:
            continue
        part = filled[{"process": name, "region": "preselection"}]
        of = {v: float(part[{"variation": v}].values(flow=True).sum()) for v in ("nominal", *varied)}
        row = "/".join(str(m) for m in masses)
        rate = [rates[v] - 1.0 for v in varied if v in rates]
        efficiency = [
            of[v] / of["nominal"] / rates[v] - 1.0 for v in varied if v in rates and of["nominal"] > 0.0
        ]
        for what, found in (("initial", rate), ("M_T2", efficiency)):
            if found:
                out[row, f"{what} up"] = (100.0 * max(0.0, *found), None)
                out[row, f"{what} down"] = (-100.0 * min(0.0, *found), None)
    return out


def _rates(home: Path, process: str) -> dict[str, float]:
    """Variation -> cross section over the nominal one, of the events that the files of a process hold."""
    import uproot

    from massgap.contracts.filesets.fileset import load_fileset
    from massgap.events.weight_places import SCALE_WEIGHTS, WEIGHT_VARIATIONS, Places

    nominal, sums = 0.0, np.zeros(0)
    for entry in load_fileset(home / "scale_samples" / "fileset.json").values():
        if entry["metadata"]["process"] != process:
            continue
        for path in entry["files"]:
            with uproot.open(path) as file:
                runs = file["Runs"]
                weight = runs["genEventSumw"].array(library="np")
                ratios = np.stack(list(runs["LHEScaleSumw"].array(library="np")))
            found = (weight[:, np.newaxis] * ratios).sum(axis=0)
            sums = found if not sums.size else sums + found
            nominal += float(weight.sum())
    places = Places().of(SCALE_WEIGHTS, len(sums)) or {}
    names = [name for branch, pair in WEIGHT_VARIATIONS.values() if branch == SCALE_WEIGHTS for name in pair]
    return {name: float(sums[places[name]]) / nominal for name in names if name in places and nominal > 0.0}
