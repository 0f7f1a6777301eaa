"""What must hold in a folder of the study whatever its simulation: channels, planes, closed form, settings, importances."""

from __future__ import annotations

import json
import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.feature_table import read_feature_tables
from massgap.contracts.model_folder import open_model
from massgap.contracts.plane_folder import open_plane
from massgap.contracts.run_folder import open_run
from massgap.fits.counting.significance import binned_statistical
from massgap.models.recipes.registry import find_recipe
from massgap.studies.electroweakino.numbers.performance import Performance, importance_spread
from massgap.studies.electroweakino.numbers.reach import (
    combined_is_best,
    falls_with_mass,
    largest_difference,
    opened_planes,
    rises_with_luminosity,
)
from massgap.studies.electroweakino.places import CHANNELS, SEEDS, WITH_PYHF, PlanePlace, classifier

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    import pandas as pd

    Number = tuple[float, float | None]
    Numbers = dict[tuple[str, str], Number | None]

__all__ = ["checks", "closed_form", "in_one_channel"]

_BY_SAMPLE = ("batch_size", "virtual_batch_size")
"""Settings that a training makes smaller where it has fewer events than one batch."""


def checks(folder: Path) -> Numbers:
    """The numbers of the table Checks that a folder of the study has."""
    planes = opened_planes(folder)
    found: dict[str, float | None] = {
        "share of events that are in one channel only": _disjoint(folder),
        "share of points at which the combination is at least as good as the best channel": combined_is_best(
            planes
        ).share,
        "share of steps in luminosity that make limits and significances no worse": rises_with_luminosity(
            planes
        ).share,
        "share of steps in mass, at one gap, along which the significance falls": falls_with_mass(
            planes
        ).share,
        "significance without uncertainties over the closed form": closed_form(
            folder / "fits/nothing_uncertain"
        ),
        "largest relative difference from pyhf, 3l": _from_pyhf(folder),
        "settings of the TabNets that are the paper's": _settings(folder),
    }
    performance = Performance(folder)
    for channel in CHANNELS:
        places = [classifier(channel, seed=seed) for seed in SEEDS]
        shares = [performance.importances(place) for place in places if performance.trained(place)]
        if len(shares) > 1 and all(shares):
            found[f"spread of an importance over seeds, {channel}"] = importance_spread(shares)
    return {(name, "number"): (value, None) for name, value in found.items() if value is not None}


def _disjoint(folder: Path) -> float | None:
    place = next((p for p in (folder / "run", folder) if (p / "manifest.json").is_file()), None)
    if place is None or not (place / "features").is_dir():
        return None
    run = open_run(place)
    table = read_feature_tables(run.path, run.manifest).table
    columns = [f"region_{name}" for name in CHANNELS]
    if not len(table) or not set(columns) <= set(table.columns):
        return None
    return in_one_channel(table, columns)


def in_one_channel(table: pd.DataFrame, columns: Sequence[str]) -> float:
    """Share of the events that are in one channel, of a table in which an event has a row for each channel that it is in.

    Copies of an event have its key, but other observables.

    Parameters
    ----------
    table
        Feature table.
    columns
        Of its channels, true or false.
    """
    event = ["dataset", "fold_key", "met", "m_jj"]
    channels = table[list(columns)].astype(int).assign(**{name: table[name] for name in event})
    counts = channels.groupby(event, observed=True, dropna=False).sum().sum(axis=1)
    return float(np.mean(counts == 1))


def closed_form(fit_folder: Path) -> float | None:
    r"""Expected significance of a fit without nuisance parameters over :math:`\sqrt{\sum 2 ((s+b) \ln(1 + s/b) - s)}`."""
    if not (fit_folder / "results.json").is_file():
        return None
    results = json.loads((fit_folder / "results.json").read_text(encoding="utf-8"))
    workspace = json.loads((fit_folder / "workspace.json").read_text(encoding="utf-8"))
    s, b = [], []
    for channel in workspace["channels"]:
        of: dict[str, Any] = {sample["name"]: sample["data"] for sample in channel["samples"]}
        signal = of.pop(results["signal"], None)
        if signal is not None:
            s += signal
            b += [math.fsum(bin_) for bin_ in zip(*of.values(), strict=True)]
    expected = float(binned_statistical(np.array(s), np.array(b)))
    return float(results["discovery"]["expected_significance"]) / expected if expected > 0 else None


def _from_pyhf(folder: Path) -> float | None:
    places = (folder / PlanePlace("WZ", "own", "3l").folder, folder / WITH_PYHF)
    if not all((place / "plane.json").is_file() for place in places):
        return None
    return largest_difference(*(open_plane(place) for place in places))


def _settings(folder: Path) -> float | None:
    """Share of the paper's hyperparameters that the TabNets of the channels have."""
    wanted = find_recipe("electroweakino").hyperparameters
    same = []
    for channel in CHANNELS:
        place = folder / classifier(channel)
        if (place / "training.json").is_file():
            used = open_model(place).training["hyperparameters"]
            same += [used[name] == value for name, value in wanted.items() if name not in _BY_SAMPLE]
    return sum(same) / len(same) if same else None
