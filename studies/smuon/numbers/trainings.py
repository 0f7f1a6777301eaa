"""The network of all features trained again: other seeds, the same seed, and parts of its events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.studies.smuon.places import FRACTIONS, SEEDS, fraction_place, seed_place

if TYPE_CHECKING:
    from massgap.studies.smuon.numbers.folders import Folders

    Numbers = dict[tuple[str, str], tuple[float, float | None] | None]

__all__ = ["learning_curve", "missed", "trainings"]

_ALL = "models/all"


def missed(training: dict[str, Any]) -> tuple[float, float]:
    """One minus the area under the ROC curve, mean over the folds, and the standard error of this from their scatter."""
    found = [1.0 - fold["auc_eval"] for fold in training["folds"]]
    return float(np.mean(found)), float(np.std(found, ddof=1) / np.sqrt(len(found)))


def learning_curve(folders: Folders) -> dict[float, tuple[float, float]]:
    """Share of the training events -> one minus the area, of those trainings that there are."""
    places = {**{part: fraction_place(part) for part in FRACTIONS}, 1.0: _ALL}
    found = {part: folders.training(place) for part, place in places.items()}
    return {part: missed(training) for part, training in found.items() if training is not None}


def trainings(folders: Folders) -> Numbers:
    """What is compared of the trainings.

    Seeds change a network, events do not: the spread is that of the mean over the folds, between seeds.
    """
    out: Numbers = {}
    seeds = [training for seed in SEEDS if (training := folders.training(seed_place(seed))) is not None]
    if len(seeds) > 1:
        means = [missed(training)[0] for training in seeds]
        n = len(means)
        spread = float(np.std(means, ddof=1) / np.mean(means))
        # Error of a standard deviation of n normal numbers.
        out["spread of 1 - AUC between seeds, relative", "number"] = (spread, spread / np.sqrt(2.0 * (n - 1)))
    first = folders.training(_ALL)
    same = next((t for t in seeds if first is not None and t["seed"] == first["seed"]), None)
    if first is not None and same is not None:
        equal = first["model_sha256"] == same["model_sha256"]
        out["the same seed gives the same file", "number"] = (float(equal), None)
    curve = learning_curve(folders)
    for part in FRACTIONS:
        if part in curve and 1.0 in curve:
            (a, da), (b, db) = curve[part], curve[1.0]
            # Both are evaluated on the same events: this error is an upper one.
            error = a / b * float(np.hypot(da / a, db / b)) if a > 0.0 and b > 0.0 else None
            out[f"1 - AUC with {part:g} of the events, over that with all", "number"] = (
                (a / b, error) if b > 0.0 else None
            )
    return out
