"""Figures show what they say: colours, labels, ranges."""

from __future__ import annotations

import hist
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import StepPatch

from massgap.reports import figures
from massgap.reports.labels import process_label


@pytest.fixture
def histogram() -> hist.Hist:
    """Processes of very different sizes in three bins, so that a layer is told by its height."""
    axes = [
        hist.axis.StrCategory(["WW", "sig", "tt"], name="process"),
        hist.axis.StrCategory(["c"], name="channel"),
        hist.axis.StrCategory(["topology", "precuts"], name="selection"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Regular(3, 0, 3, name="met"),
    ]
    h = hist.Hist(*axes, storage=hist.storage.Weight())
    for process, size in (("WW", 1.0), ("sig", 0.1), ("tt", 10.0)):
        h.fill(process, "c", "precuts", "nominal", [0.5, 1.5, 2.5], weight=[size, 2 * size, 3 * size])
    return h


def layers(figure) -> dict[tuple[float, ...], tuple[float, ...]]:
    """Thickness of each filled layer -> its colour."""
    out = {}
    for patch in figure.axes[0].patches:
        if isinstance(patch, StepPatch) and patch.get_fill() and not patch.get_hatch():
            values, _, baseline = patch.get_data()
            thickness = np.asarray(values) - (0 if baseline is None else np.asarray(baseline))
            out[tuple(np.round(thickness, 9))] = patch.get_facecolor()
    return out


def legend_colours(figure) -> dict[str, tuple[float, ...]]:
    legend = figure.legends[0]
    return {
        text.get_text(): handle.get_facecolor()
        for text, handle in zip(legend.get_texts(), legend.legend_handles, strict=True)
        if hasattr(handle, "get_facecolor")
    }


def test_legend_of_a_stack_names_the_layers_by_their_colour(histogram: hist.Hist) -> None:
    figure = figures.stacked(histogram, signals=["sig"], selection="precuts")
    drawn, named = layers(figure), legend_colours(figure)
    for process, size in (("WW", 1.0), ("tt", 10.0)):
        assert to_rgba(named[process_label(process)]) == to_rgba(drawn[size, 2 * size, 3 * size])


def test_legend_of_the_fitted_score_names_the_layers_by_their_colour() -> None:
    results = {
        "binning": [0.0, 0.5, 0.8, 1.0],
        "yields": {"sig": [1.0, 2.0, 3.0], "WW": [5.0, 4.0, 3.0], "tt": [50.0, 40.0, 30.0]},
        "stat_errors": {"sig": [0.1] * 3, "WW": [0.5] * 3, "tt": [2.0] * 3},
        "signal": "sig",
        "backgrounds": ["WW", "tt"],
        "lumi_fb": 300.0,
    }
    figure = figures.fitted_score(results)
    drawn, named = layers(figure), legend_colours(figure)
    for process in ("WW", "tt"):
        assert to_rgba(named[process_label(process)]) == to_rgba(drawn[tuple(results["yields"][process])])


def test_figures_are_drawn_with_their_own_fonts(histogram: hist.Hist, capfd, tmp_path) -> None:
    """A notebook draws outside of our functions; fonts must not be looked up in its settings then."""
    figure = figures.stacked(histogram, signals=["sig"], selection="precuts")
    figure.savefig(tmp_path / "plain.png")
    figure.savefig(tmp_path / "tight.png", bbox_inches="tight")
    assert "findfont" not in capfd.readouterr().err
