"""How well the nine classifiers tell signal at each mass: on events that they have not seen, near that mass.

The events of a mass are those with a reconstructed mass within 0.1 TeV of it, as in the paper.  Parameterised classifiers are
asked about that mass.  Signal events count one, background events their weight.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from massgap.contracts.feature_table import read_feature_tables
from massgap.contracts.model_folder import open_model
from massgap.contracts.run_folder import open_run
from massgap.models.folds import held_out_fold
from massgap.models.measures.roc import RocCurve, auc, roc_curve
from massgap.models.recipes.vlq import MASS
from massgap.models.scoring.hypothesis import names_of
from massgap.models.scoring.scorer import OnnxScorer
from massgap.studies.vlq.classifiers import CLASSIFIERS, FLAT, Classifier
from massgap.studies.vlq.study import BACKGROUND_EFFICIENCY

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

__all__ = ["AtMass", "Performance", "Quality", "Shape", "efficiency_at", "performance_of", "shape_of"]

HALF_WIDTH = 100.0
"""Of the window in the reconstructed mass around a mass, GeV."""
LEAST = 10
"""Raw events of either class in a window that something is said about."""
_REPLICAS = 100


class Quality(NamedTuple):
    """What is found of one classifier at one mass.

    ``auc`` and ``efficiency`` (of signal, where background is kept with the study's efficiency), with the values of the
    bootstrap replicas, shape (n_replicas,): the same replicas for all classifiers, so that differences are compared event by
    event.
    """

    auc: float
    efficiency: float
    auc_replicas: NDArray[np.float64]
    efficiency_replicas: NDArray[np.float64]
    curve: RocCurve
    band: tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]
    """Signal efficiencies, and between which background efficiencies 68 % of the replicas are there."""

    def worse_than(self, other: Quality) -> tuple[float, float]:
        """Difference of the areas, the other's minus this one's, and its standard error."""
        return other.auc - self.auc, float(np.std(other.auc_replicas - self.auc_replicas))


@dataclass(frozen=True)
class AtMass:
    """The classifiers at one mass, GeV, by their places; raw events of signal and background in the window."""

    mass: float
    n_signal: int
    n_background: int
    found: dict[str, Quality] = field(repr=False)


@dataclass(frozen=True)
class Performance:
    """The classifiers of a study folder, and the events of its run.

    Parameters
    ----------
    folder
        Of the study.
    background_efficiency
        At which signal efficiencies are quoted.
    """

    folder: Path
    background_efficiency: float
    _found: dict[float, AtMass] = field(default_factory=dict, repr=False, compare=False)

    @cached_property
    def table(self) -> pd.DataFrame:
        """The selected events of the run."""
        return _selected(self.folder / "run")

    @cached_property
    def tests(self) -> pd.DataFrame | None:
        """Selected events of signals that nothing is trained on, where the study has made some."""
        there = (self.folder / "tests" / "manifest.json").is_file()
        return _selected(self.folder / "tests") if there else None

    @cached_property
    def masses(self) -> dict[float, str]:
        """Mass (GeV) -> signal process of the run, rising."""
        datasets = open_run(self.folder / "run").manifest["datasets"].values()
        found = {m["masses"]["m_T"]: str(m["process"]) for m in datasets if m.get("is_signal")}
        return dict(sorted(found.items()))

    @property
    def classifiers(self) -> list[Classifier]:
        """Those that are trained."""
        return [c for c in CLASSIFIERS if (self.folder / c.place / "training.json").is_file()]

    @property
    def has_flat(self) -> bool:
        """Whether the classifier is trained that the analysis cuts on."""
        return any(c.place == FLAT for c in self.classifiers)

    def score(self, place: str, table: pd.DataFrame, mass: float) -> NDArray[np.float64]:
        """Scores of events by the classifier that has not seen them, asked about a mass (GeV) if it takes one."""
        file = open_model(self.folder / place).model_file
        # Whether it is parameterised its metadata tell, which only an opened model has.
        scorer = OnnxScorer(file, hypothesis="columns")
        columns = {name: table[name].to_numpy(float) for name in scorer.features if name in table.columns}
        for name in names_of(scorer.metadata):
            columns[name] = np.full(len(table), mass)
        fold = held_out_fold(table["fold_key"].to_numpy(np.uint64), scorer.n_folds)
        return scorer.score(columns, fold).astype(float)

    def at(self, mass: float, classifiers: Iterable[Classifier] | None = None) -> AtMass:
        """Performance at a mass that the run has, GeV; without classifiers where events are too few.

        Found once for all classifiers.
        """
        if classifiers is not None:
            return self._at(mass, list(classifiers))
        if mass not in self._found:
            self._found[mass] = self._at(mass, self.classifiers)
        return self._found[mass]

    def near(self, mass: float) -> pd.DataFrame:
        """Selected events with a reconstructed mass near a mass, GeV: of the run, and those to test on."""
        import pandas as pd

        tables = [t for t in (self.table, self.tests) if t is not None]
        return pd.concat([t[(t[MASS] - mass).abs() < HALF_WIDTH] for t in tables], ignore_index=True)

    def _at(self, mass: float, classifiers: list[Classifier]) -> AtMass:
        near = self.near(mass)
        signal = (near["process"] == self.masses[mass]).to_numpy()
        background = self.is_background(near)
        near, label = near[signal | background], signal[signal | background]
        n_signal, n_background = int(label.sum()), int((~label).sum())
        found: dict[str, Quality] = {}
        if min(n_signal, n_background) >= LEAST:
            weight = np.where(label, 1.0, near["weight"].to_numpy(float))
            drawn = np.random.default_rng([int(mass), 1]).poisson(1.0, (_REPLICAS, len(near)))
            for classifier in classifiers:
                if classifier.mass in (0.0, mass):
                    score = self.score(classifier.place, near, mass)
                    found[classifier.place] = self._quality(score, label, weight, drawn)
        return AtMass(mass, n_signal, n_background, found)

    def is_background(self, table: pd.DataFrame) -> NDArray[np.bool_]:
        """Which events are of no signal."""
        return ~np.isin(table["process"].astype(str), list(self.masses.values()))

    def _quality(
        self,
        score: NDArray[np.float64],
        label: NDArray[np.bool_],
        weight: NDArray[np.float64],
        drawn: NDArray[np.int64],
    ) -> Quality:
        curve = roc_curve(score, label, weight)
        replicas = [roc_curve(score, label, weight * one) for one in drawn if _both(label, weight * one)]
        at, grid = self.background_efficiency, np.linspace(0, 1, 101)
        along = [np.interp(grid, replica.tpr, replica.fpr) for replica in replicas]
        low, high = np.quantile(along, [0.16, 0.84], axis=0)
        return Quality(
            auc(curve),
            efficiency_at(curve, at),
            np.array([auc(replica) for replica in replicas]),
            np.array([efficiency_at(replica, at) for replica in replicas]),
            curve,
            (grid, low, high),
        )


@cache
def performance_of(folder: Path) -> Performance | None:
    """Of a folder of the study, None for one without a run or classifiers."""
    found = Performance(folder, BACKGROUND_EFFICIENCY)
    there = (folder / "run" / "manifest.json").is_file() and found.classifiers
    return found if there else None


def _selected(run_folder: Path) -> pd.DataFrame:
    run = open_run(run_folder)
    table = read_feature_tables(run.path, run.manifest).table
    table = table[table["region_selected"]].reset_index(drop=True)
    return table.assign(process=table["process"].astype(str))


def _both(label: NDArray[np.bool_], weight: NDArray[np.float64]) -> bool:
    return bool(weight[label].sum() > 0 and weight[~label].sum() > 0)


def efficiency_at(curve: RocCurve, background_efficiency: float) -> float:
    """Signal efficiency where the background efficiency is this one.

    Examples
    --------
    >>> efficiency_at(RocCurve(np.array([0.0, 0.02, 1.0]), np.array([0.0, 0.5, 1.0])), 0.01)
    0.25
    """
    return float(np.interp(background_efficiency, curve.fpr, curve.tpr))


class Shape(NamedTuple):
    """Share of the background that a cut keeps in bins of the reconstructed mass.

    ``edges`` GeV, shape (n + 1,); ``share`` and ``error``, shape (n,), NaN where there are no events; ``chi2`` of the shares
    against their common mean, with ``ndf``; ``distance`` and ``p_value`` of the Kolmogorov-Smirnov test of the shapes before
    and after.
    """

    edges: NDArray[np.float64]
    share: NDArray[np.float64]
    error: NDArray[np.float64]
    mean: float
    chi2: float
    ndf: int
    distance: float
    p_value: float


def shape_of(
    mass: NDArray[np.float64],
    weight: NDArray[np.float64],
    kept: NDArray[np.bool_],
    edges: NDArray[np.float64],
) -> Shape:
    """Compare the background's shape in the reconstructed mass before and after a cut.

    All bins count alike: events of a bin have its total weight taken out, or a falling spectrum would be compared in its
    first bin only.

    Parameters
    ----------
    mass, weight, kept
        Of the background events, shape (N,).
    edges
        GeV.
    """
    from scipy.stats import kstwobign

    place = np.digitize(mass, edges) - 1
    inside = (place >= 0) & (place < len(edges) - 1)
    place, w, cut, m = place[inside], weight[inside], kept[inside], mass[inside]
    n = len(edges) - 1
    total, squares = (np.bincount(place, x, n) for x in (w, w**2))
    share = np.divide(np.bincount(place, w * cut, n), total, out=np.full(n, np.nan), where=total > 0)
    full = total > 0
    mean = float(np.mean(share[full])) if full.any() else np.nan
    # The error of the expected share: the seen one is 0 where no event is left.
    error = np.sqrt(np.divide(mean * (1 - mean) * squares, total**2, out=np.full(n, np.nan), where=total > 0))
    # A bin that would keep less than one effective event says nothing of a chi2.
    told = full & (mean * total**2 > squares)
    chi2 = float((((share[told] - mean) / error[told]) ** 2).sum())
    flat = w / total[place]
    order = np.argsort(m, kind="stable")
    before, after = (np.cumsum(flat[order] * x) for x in (1.0, cut[order]))
    if not (len(before) and after[-1] > 0):
        return Shape(edges, share, error, mean, chi2, int(told.sum()) - 1, np.nan, np.nan)
    distance = float(np.abs(before / before[-1] - after / after[-1]).max())
    effective = (flat * cut).sum() ** 2 / ((flat * cut) ** 2).sum()
    p_value = float(kstwobign.sf(distance * np.sqrt(effective)))
    return Shape(edges, share, error, mean, chi2, int(told.sum()) - 1, distance, p_value)
