"""Where the parts of the slepton study are in its folder, and which signals it has."""

from __future__ import annotations

__all__ = [
    "BACKGROUNDS",
    "BENCHMARK",
    "LEFT_OUT",
    "MIN_RATIO",
    "OTHER_DETECTORS",
    "SOURCE",
    "SPECTRA",
    "VARIANTS",
    "any_fit",
    "benchmark_fit",
    "masses_of",
    "parameterised_fit",
    "parameterised_score",
    "retrained_fit",
    "retrained_score",
    "signal_name",
]

SOURCE = (
    "B. Dutta et al., Applying machine learning techniques to searches for lepton-partner pair-production with "
    "intermediate mass gaps at the Large Hadron Collider"
)

MIN_RATIO = 0.15
"""Thresholds on the score are quoted where S/(1+B) is at least this on all folds (the paper's Table III)."""

BACKGROUNDS = ("mumu", "tautau", "tt", "WW", "ZZ", "WZ")

SPECTRA = tuple((m, gap) for m in (110, 160, 300) for gap in (30, 40, 50, 60))
"""Masses of the slepton and gaps to the invisible particle of Table IV, GeV; the first is the benchmark."""

BENCHMARK = SPECTRA[0]

LEFT_OUT = ((110, 40), (160, 50))
"""Spectra that the one classifier for all has not seen."""

VARIANTS = {
    "this work": ("precuts", "score", "fits/benchmark"),
    "this work + MT2_100<130": ("low_mt2", "score_low_mt2", "fits/low_mt2"),
    "cuts of [3]": ("earlier", "score_earlier", "fits/earlier"),
    "no pre-cuts": ("topology", "score_no_precuts", "fits/no_precuts"),
}
"""Selection -> region, score and fit of it."""


OTHER_DETECTORS: dict[str, dict[str, str | bool]] = {
    "calorimeter_cells": {"card": "cms-towers"},
    "wide_jets": {"card": "cms-wide-jets", "mpi": True},
}
"""Name of a response -> how its samples are made: hadrons in cells of the calorimeter, and jets of R = 0.5 with multiple interactions."""


def signal_name(m: int, gap: int) -> str:
    """Process of a spectrum.

    >>> signal_name(110, 30)
    'slepton_110_80'
    """
    return f"slepton_{m}_{m - gap}"


def masses_of(m: int, gap: int) -> dict[str, float]:
    """The masses of a spectrum as its samples name them, GeV.

    >>> masses_of(110, 30)
    {'m_slepton': 110.0, 'm_lsp': 80.0}
    """
    return {"m_slepton": float(m), "m_lsp": float(m - gap)}


def retrained_score(m: int, gap: int) -> str:
    """Name of the score that was trained on a spectrum.

    >>> retrained_score(110, 30), retrained_score(160, 40)
    ('score', 'm160_120')
    """
    return "score" if (m, gap) == BENCHMARK else f"m{m}_{m - gap}"


def benchmark_fit(m: int, gap: int) -> str:
    """Fit of a spectrum with the score of the benchmark."""
    return "fits/benchmark" if (m, gap) == BENCHMARK else f"fits/spectra/{m}_{m - gap}_benchmark"


def retrained_fit(m: int, gap: int) -> str:
    """Fit of a spectrum with the score that was trained on it."""
    return benchmark_fit(m, gap) if (m, gap) == BENCHMARK else f"fits/spectra/{m}_{m - gap}_retrained"


def any_fit(m: int, gap: int) -> str:
    """Fit of a spectrum with the score of the one classifier."""
    return f"fits/spectra/{m}_{m - gap}_any"


def parameterised_score(m: int, gap: int) -> str:
    """Name of the score of the classifier that is told the masses, at a spectrum.

    >>> parameterised_score(110, 30)
    'parameterised_110_80'
    """
    return f"parameterised_{m}_{m - gap}"


def parameterised_fit(m: int, gap: int) -> str:
    """Fit of a spectrum with the score of the classifier that is told the masses."""
    return f"fits/spectra/{m}_{m - gap}_parameterised"
