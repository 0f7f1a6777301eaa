"""Figures of an analysis: plain functions that return a `matplotlib.figure.Figure`.

They need no run folder and no report: a notebook hands in its histograms and shows what comes
back. Nothing here touches pyplot's global state.
"""

from __future__ import annotations

from massgap.reports.figures.distributions import nminus1, shapes, stacked
from massgap.reports.figures.fitted import fitted_bins, pulls, upper_limit
from massgap.reports.figures.maps import density_map
from massgap.reports.figures.scores import residual_cross_section, score_density, threshold_scan
from massgap.reports.figures.style import render, style
from massgap.reports.figures.training import (
    attention_masks,
    calibration_curves,
    importances,
    loss_curves,
    roc,
)

__all__ = [
    "attention_masks",
    "calibration_curves",
    "density_map",
    "fitted_bins",
    "importances",
    "loss_curves",
    "nminus1",
    "pulls",
    "render",
    "residual_cross_section",
    "roc",
    "score_density",
    "shapes",
    "stacked",
    "style",
    "threshold_scan",
    "upper_limit",
]
