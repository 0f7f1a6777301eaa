"""How well the classifiers of the study tell signal in each channel, on events that they have not seen.

Signal events count one, background events their weight.  All classifiers are asked about the same events of the same folds, and
their differences are those of the same bootstrap replicas.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.contracts.feature_table import read_feature_tables
from massgap.contracts.model_folder import open_model
from massgap.contracts.run_folder import open_run
from massgap.models.folds import held_out_fold
from massgap.models.measures.roc import auc, roc_curve
from massgap.models.scoring.scorer import OnnxScorer

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["EFFICIENCY", "Performance", "Quality", "importance_spread"]

EFFICIENCY = 0.991
"""Share of the signal that the paper's number for the background goes with."""
LEAST = 10
"""Events of either class without which nothing is said."""
_REPLICAS = 100


class Quality(NamedTuple):
    """Area under the ROC curve, and share of the background where `EFFICIENCY` of the signal is kept, with their values in
    bootstrap replicas, shape (n,)."""

    auc: float
    background: float
    auc_replicas: Floats
    background_replicas: Floats

    @property
    def auc_number(self) -> tuple[float, float]:
        """With its standard error."""
        return self.auc, float(np.std(self.auc_replicas))

    @property
    def background_number(self) -> tuple[float, float]:
        """With its standard error."""
        return self.background, float(np.std(self.background_replicas))

    def better_than(self, other: Quality) -> tuple[float, float]:
        """Difference of the areas with its standard error."""
        return self.auc - other.auc, float(np.std(self.auc_replicas - other.auc_replicas))


@dataclass(frozen=True)
class Performance:
    """The classifiers of a study folder, and the events of its run.

    Parameters
    ----------
    folder
        Of the study.
    """

    folder: Path

    @cached_property
    def table(self) -> pd.DataFrame:
        """The selected events of the run."""
        run = open_run(self.folder / "run")
        return read_feature_tables(run.path, run.manifest).table

    @cached_property
    def signals(self) -> tuple[str, ...]:
        """Signal processes of the run."""
        return tuple(open_run(self.folder / "run").signals)

    def trained(self, place: str) -> bool:
        """Whether there is such a classifier."""
        return (self.folder / place / "training.json").is_file()

    def qualities(
        self, channel: str, places: Sequence[str], signals: Sequence[str] | None = None
    ) -> dict[str, Quality]:
        """Quality of those of the classifiers that are trained.

        Parameters
        ----------
        channel
            Its events are asked about.
        places
            Model folders, relative to that of the study.
        signals
            Only these; all by default.

        Returns
        -------
        dict
            Place -> quality; empty where a class has too few events.
        """
        places = [place for place in places if self.trained(place)]
        if not places:
            return {}
        table = self.table[self.table[f"region_{channel}"]]
        process = table["process"].astype(str).to_numpy()
        label = np.isin(process, list(self.signals if signals is None else signals))
        used = label | ~np.isin(process, list(self.signals))
        table, label = table[used], label[used]
        if min(label.sum(), (~label).sum()) < LEAST:
            return {}
        weight = np.where(label, 1.0, table["weight"].to_numpy(float))
        drawn = np.random.default_rng(len(table)).poisson(1.0, (_REPLICAS, len(table)))
        drawn = np.array([one for one in drawn if _both(label, weight * one)])
        return {place: _quality(self._score(place, table), label, weight, drawn) for place in places}

    def _score(self, place: str, table: pd.DataFrame) -> Floats:
        """Scores of events by the classifiers that have not seen them."""
        scorer = OnnxScorer(open_model(self.folder / place).model_file)
        columns = {name: table[name].to_numpy(float) for name in scorer.features}
        fold = held_out_fold(table["fold_key"].to_numpy(np.uint64), scorer.n_folds)
        return scorer.score(columns, fold).astype(float)

    def importances(self, place: str) -> dict[str, float]:
        """Share of each feature in the attention masks, or what the kind of classifier has in their place."""
        found: dict[str, Any] = open_model(self.folder / place).training["importance"]
        return dict(found.get("all") or {})


def _both(label: NDArray[np.bool_], weight: Floats) -> bool:
    return bool(weight[label].sum() > 0 and weight[~label].sum() > 0)


def _quality(score: Floats, label: NDArray[np.bool_], weight: Floats, drawn: NDArray[np.int64]) -> Quality:
    def numbers(w: Floats) -> tuple[float, float]:
        curve = roc_curve(score, label, w)
        kept = int(np.searchsorted(curve.tpr, EFFICIENCY - 1e-12))
        return auc(curve), float(curve.fpr[kept])

    replicas = np.array([numbers(weight * one) for one in drawn]).reshape(-1, 2)
    return Quality(*numbers(weight), replicas[:, 0], replicas[:, 1])


def importance_spread(found: Sequence[dict[str, float]]) -> float:
    """Largest difference between two trainings in the share of any feature.

    Examples
    --------
    >>> importance_spread([{"met": 0.5, "pt": 0.5}, {"met": 0.25, "pt": 0.75}])
    0.25
    """
    return max(max(one[name] for one in found) - min(one[name] for one in found) for name in found[0])
