"""How well the scores of a run tell signal from background: areas, orderings, networks against trees on the same events."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.studies.smuon.places import signal_of_row

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from massgap.studies.smuon.yields import Yields

    Numbers = dict[tuple[str, str], tuple[float, float | None] | None]

__all__ = ["Scored", "against_trees", "areas", "orderings", "scored"]

_ROWS = ("200/0", "300/0", "500/0")
_AGAINST = (("low", "200/0"), ("low", "300/0"), ("high", "500/0"), ("all", "300/0"), ("all", "500/0"))
"""Networks and signals that are compared with the trees."""
REPLICAS = 100


class Scored:
    """Scores of the events of a run, with labels and weights; backgrounds are mixed as in Table III."""

    def __init__(self, yields: Yields) -> None:
        from massgap.contracts.feature_table import read_feature_tables

        self.table = read_feature_tables(yields.run.path, yields.run.manifest).table
        factors = yields.event_factors("as Table III")
        self.process = self.table["process"].astype(str).to_numpy()
        self.is_background = np.isin(self.process, list(factors))
        self.weight = self.table["weight"].to_numpy(np.float64).copy()
        for name, factor in factors.items():
            self.weight[self.process == name] *= factor
        # Copies of an event have one key, and events of other datasets may have the same.
        self.group = self.table.groupby(["process", "dataset", "fold_key"], observed=True).ngroup().to_numpy()

    def has(self, score: str) -> bool:
        """Whether the run has a score."""
        return f"score_{score}" in self.table

    def used(self, signal: str) -> NDArray[np.bool_]:
        """Which events are of a signal or of background."""
        return np.asarray(self.is_background | (self.process == signal))

    def of(self, signal: str, score: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
        """Scores, labels, weights of a signal and all background."""
        used = self.used(signal)
        values = self.table[f"score_{score}"].to_numpy(np.float64)
        return values[used], ~self.is_background[used], self.weight[used]


def scored(yields: Yields) -> Scored | None:
    """The scores of a run, None if it has none, or no tables."""
    if not (yields.run.path / "features").is_dir() or not any(
        score in yields.regions for score in ("low", "all", "bdt")
    ):
        return None
    return Scored(yields)


def areas(yields: Yields, found: Scored | None) -> Numbers:
    """One minus the area under the ROC curve, with DeLong's error for weighted events."""
    from massgap.models.measures.delong import delong

    out: Numbers = {}
    for row in _ROWS:
        signal = signal_of_row(row)
        if found is None or signal not in yields.masses:
            continue
        for score in ("lowlevel", "derived", "all"):
            if not found.has(score):
                continue
            area = delong(
                [found.of(signal, score)[0]], *found.of(signal, score)[1:], found.group[found.used(signal)]
            )
            out[row, score] = (float(1.0 - area.area[0]), math.sqrt(area.covariance[0, 0]))
    return out


def orderings(yields: Yields, missed_areas: Numbers, found: Scored | None) -> Numbers:
    """What must come out whatever the training: 1 where it does."""
    from massgap.models.measures.roc import roc_curve

    out: Numbers = {}
    rows = [row for row in _ROWS if (row, "all") in missed_areas and (row, "derived") in missed_areas]
    missed = {key: value[0] for key, value in missed_areas.items() if value is not None}
    if rows and all((row, "lowlevel") in missed_areas for row in rows):
        better = all(missed[row, "lowlevel"] > missed[row, "derived"] for row in rows)
        out["AUC: low-level below derived", "holds"] = (float(better), None)
    if rows:
        equal = all(missed[row, "all"] <= missed[row, "derived"] + 0.005 for row in rows)
        out["AUC: derived at most 0.005 above all", "holds"] = (float(equal), None)
    signal = signal_of_row("300/0")
    veto = yields.efficiency(signal, "static_veto") if signal in yields.masses else None
    of_veto = yields.background_efficiency("static_veto", "as Table III")
    if found is None or veto is None or of_veto is None:
        return out
    passed = {}
    for score in ("low", "bdt"):
        if found.has(score):
            curve = roc_curve(*found.of(signal, score))
            passed[score] = float(np.interp(veto.value, curve.tpr, curve.fpr))
    if len(passed) == 2:
        out["rejection: network above BDT", "holds"] = (float(passed["low"] < passed["bdt"]), None)
    if "bdt" in passed:
        out["rejection: BDT above static veto", "holds"] = (float(passed["bdt"] < of_veto.value), None)
    return out


def against_trees(yields: Yields, found: Scored | None) -> Numbers:
    """Networks less trees on the same events: areas (DeLong), and the ratio of rejections where both keep as much signal as the veto.

    The error of the ratio is that of a bootstrap in which all copies of an event are kept or lost together.
    """
    from massgap.models.measures.delong import delong

    out: Numbers = {}
    for score, row in _AGAINST:
        signal = signal_of_row(row)
        veto = yields.efficiency(signal, "static_veto") if signal in yields.masses else None
        if found is None or veto is None or not (found.has(score) and found.has("bdt")):
            continue
        used = found.used(signal)
        (network, label, weight), trees = found.of(signal, score), found.of(signal, "bdt")[0]
        group = found.group[used]
        name = f"{score}, {row}"
        out[name, "area"] = delong([network, trees], label, weight, group).difference()
        out[name, "rejection"] = _ratio(network, trees, label, weight, group, veto.value)
    return out


def _ratio(
    network: NDArray[Any],
    trees: NDArray[Any],
    label: NDArray[Any],
    weight: NDArray[Any],
    group: NDArray[Any],
    kept: float,
) -> tuple[float, float] | None:
    """Background that the trees keep over that which the network keeps, and its standard error."""
    random = np.random.default_rng(1)
    value = _kept_background(trees, label, weight, kept) / max(
        _kept_background(network, label, weight, kept), 1e-300
    )
    place = np.unique(group, return_inverse=True)[1]
    replicas = []
    for _ in range(REPLICAS):
        drawn = weight * random.poisson(1.0, place.max() + 1)[place]
        of_network = _kept_background(network, label, drawn, kept)
        if of_network > 0.0:
            replicas.append(_kept_background(trees, label, drawn, kept) / of_network)
    if not np.isfinite(value) or value > 1e6 or len(replicas) < REPLICAS // 2:
        return None  # the network keeps no simulated event of background: there is no ratio
    return value, float(np.std(replicas, ddof=1))


def _kept_background(score: NDArray[Any], label: NDArray[Any], weight: NDArray[Any], kept: float) -> float:
    """Share of the background above the score that keeps a share of the signal."""
    order = np.argsort(-score[label], kind="stable")
    above = np.cumsum(weight[label][order])
    if not above[-1] > 0.0:
        return 0.0
    least = score[label][order][min(int(np.searchsorted(above, kept * above[-1])), len(order) - 1)]
    b = weight[~label]
    return float(b[score[~label] >= least].sum() / b.sum()) if b.sum() > 0.0 else 0.0
