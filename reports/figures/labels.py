"""Names for people: processes, features, and the groups in which the report shows them.

The labels of features come from the analysis itself (``massgap.selections.slepton.features``);
whatever is not known there keeps the label of its histogram's axis, so that every analysis'
histograms can be shown.
"""

from __future__ import annotations

import importlib
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

PROCESS_LABELS = {
    "mumu": r"$\mu\mu$",
    "tautau": r"$\tau\tau$",
    "tt": r"$t\bar{t}$",
    "WW": "WW",
    "ZZ": "ZZ",
    "WZ": "WZ",
}

# A process keeps its colour in every figure. The six known backgrounds, then spares for others;
# the reds are left to signals.
PROCESS_COLOURS = {
    "tt": "#3f90da",
    "WW": "#ffa90e",
    "tautau": "#832db6",
    "mumu": "#94a4a2",
    "WZ": "#a96b59",
    "ZZ": "#5fb8bd",
}
SPARE_COLOURS = ("#b9ac70", "#717581", "#2e8b57", "#d48fc7", "#4b5fd1", "#8fa31e")
SIGNAL_COLOURS = ("#bd1f01", "#e0487a", "#7a0018", "#ff6a3d")

# Table II of the slepton paper, in its order.
FEATURE_GROUPS: dict[str, tuple[str, ...]] = {
    "Invariant masses": ("m_ll", "m_j"),
    "Mass-like constructions": ("mt2_0", "mt2_100", "m_tautau"),
    "Transverse scales": ("met", "ht", "meff"),
    "Transverse momentum values": ("pt_l1", "pt_l2", "pt_j"),
    "Scale ratios": ("ratio_mt2", "pt_l1_over_met", "pt_l2_over_met", "pt_j_over_met"),
    "Azimuthal angular separations": (
        "dphi_l1_met",
        "dphi_l2_met",
        "dphi_j_met",
        "dphi_l1_l2",
        "dphi_l1_j",
        "dphi_l2_j",
    ),
    "Rapidity separations": ("cos_theta_star", "tanh_deta_l1_j", "tanh_deta_l2_j"),
    "Rapidity values": ("eta_l1", "eta_l2", "eta_j"),
}
OTHER_GROUP = "Other distributions"

SELECTION_LABELS = {"topology": "before the pre-cuts", "precuts": "after the pre-cuts"}


@dataclass(frozen=True)
class FeatureLabel:
    """What is written at a feature's axis, with its unit, and what it is in words."""

    axis: str
    description: str


@lru_cache(maxsize=1)
def _known_features() -> dict[str, Any]:
    try:
        module = importlib.import_module("massgap.selections.slepton.features")
    except ImportError:
        return {}
    features: Any = getattr(module, "FEATURES", ())
    values: Iterable[Any] = features.values() if isinstance(features, Mapping) else features
    return {feature.name: feature for feature in values}


@lru_cache(maxsize=1024)
def plottable(text: str) -> str:
    """Return `text` as matplotlib can draw it: mathematics stays, broken mathematics is quoted.

    >>> plottable("$m_{T2}$"), plottable("price $x_{$"), plottable("_hidden")
    ('$m_{T2}$', 'price \\\\$x_{\\\\$', ' _hidden')
    """
    from matplotlib.mathtext import MathTextParser

    text = re.sub(r"[\x00-\x1f\x7f]", " ", text)
    if text.startswith("_"):
        text = " " + text  # matplotlib leaves labels that start with an underscore out of legends
    if text.count("$") < 2:
        return text
    try:
        MathTextParser("path").parse(text)
    except (ValueError, RuntimeError):
        return re.sub(r"(?<!\\)\$", r"\\$", text)
    return text


def feature_label(name: str, axis_label: str = "") -> FeatureLabel:
    """Return the label of a feature, or that of its histogram's axis if the feature is unknown."""
    feature = _known_features().get(name)
    if feature is None:
        return FeatureLabel(plottable(axis_label or name), "")
    unit = f" [{feature.unit}]" if feature.unit and feature.unit not in {"1", "rad"} else ""
    return FeatureLabel(plottable(f"{feature.label}{unit}"), str(getattr(feature, "description", "")))


def process_label(process: str, masses: Mapping[str, float] | None = None) -> str:
    """Return the label of a process in figures.

    >>> process_label("slepton_110_80", {"m_slepton": 110.0, "m_lsp": 80.0})
    'signal (110, 80)'
    """
    if masses:
        return f"signal ({', '.join(f'{mass:g}' for mass in masses.values())})"
    return PROCESS_LABELS.get(process) or plottable(process)


def process_colours(processes: Iterable[str], signals: Iterable[str] = ()) -> dict[str, str]:
    """Return one colour per process, the same in every figure of a report."""
    colours: dict[str, str] = {}
    signals = list(signals)
    for index, signal in enumerate(signals):
        colours[signal] = SIGNAL_COLOURS[index % len(SIGNAL_COLOURS)]
    spare = 0
    for process in sorted(set(processes) - set(signals)):
        if process in PROCESS_COLOURS:
            colours[process] = PROCESS_COLOURS[process]
        else:
            colours[process] = SPARE_COLOURS[spare % len(SPARE_COLOURS)]
            spare += 1
    return colours


def grouped_features(names: Iterable[str]) -> dict[str, list[str]]:
    """Sort histogram names into the groups of Table II; strangers come last, in their own order."""
    names = list(names)
    groups = {group: [name for name in members if name in names] for group, members in FEATURE_GROUPS.items()}
    known = {name for members in FEATURE_GROUPS.values() for name in members}
    groups[OTHER_GROUP] = [name for name in names if name not in known]
    return {group: members for group, members in groups.items() if members}
