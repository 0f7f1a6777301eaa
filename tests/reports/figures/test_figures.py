"""Figures show what they say: colours, labels, ranges."""

from __future__ import annotations

import io

import hist
import numpy as np
import pytest
from matplotlib.colors import to_rgba
from matplotlib.patches import StepPatch
from PIL import Image as Pillow

from massgap.contracts.description import Cut, Description, Feature, ProcessLabel, Region
from massgap.reports import figures
from massgap.reports.figures.distributions import removed
from massgap.reports.figures.labels import COLOURS, process_colours, process_label
from massgap.reports.figures.scores import residual_from_histogram
from massgap.reports.figures.style import DOTS_PER_INCH, new_figure, render


@pytest.fixture
def histogram() -> hist.Hist:
    """Processes of very different sizes in three bins, so that a layer is told by its height."""
    axes = [
        hist.axis.StrCategory(["WW", "sig", "tt"], name="process"),
        hist.axis.StrCategory(["topology", "precuts"], name="region"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Regular(3, 0, 3, name="met"),
    ]
    h = hist.Hist(*axes, storage=hist.storage.Weight())
    for process, size in (("WW", 1.0), ("sig", 0.1), ("tt", 10.0)):
        h.fill(process, "precuts", "nominal", [0.5, 1.5, 2.5], weight=[size, 2 * size, 3 * size])
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
    figure = figures.stacked(histogram, signals=["sig"], region="precuts")
    drawn, named = layers(figure), legend_colours(figure)
    for process, size in (("WW", 1.0), ("tt", 10.0)):
        assert to_rgba(named[process_label(process)]) == to_rgba(drawn[size, 2 * size, 3 * size])


def test_legend_of_the_fitted_bins_names_the_layers_by_their_colour() -> None:
    yields = {"sig": [1.0, 2.0, 3.0], "WW": [5.0, 4.0, 3.0], "tt": [50.0, 40.0, 30.0]}
    results = {
        "parts": [
            {
                "observable": "score",
                "binning": [0.0, 0.5, 0.8, 1.0],
                "yields": yields,
                "stat_errors": {"sig": [0.1] * 3, "WW": [0.5] * 3, "tt": [2.0] * 3},
            }
        ],
        "signal": "sig",
        "backgrounds": ["WW", "tt"],
        "lumi_fb": 300.0,
    }
    figure = figures.fitted_bins(results)
    drawn, named = layers(figure), legend_colours(figure)
    for process in ("WW", "tt"):
        assert to_rgba(named[process_label(process)]) == to_rgba(drawn[tuple(yields[process])])


def test_figures_are_drawn_with_their_own_fonts(histogram: hist.Hist, capfd, tmp_path) -> None:
    """A notebook draws outside of our functions; fonts must not be looked up in its settings then."""
    figure = figures.stacked(histogram, signals=["sig"], region="precuts")
    figure.savefig(tmp_path / "plain.png")
    figure.savefig(tmp_path / "tight.png", bbox_inches="tight")
    assert "findfont" not in capfd.readouterr().err


def test_ratio_panel_is_signal_over_background(histogram: hist.Hist) -> None:
    figure = figures.stacked(histogram, signals=["sig"], region="precuts")
    points = figure.axes[1].containers[0].lines[0]
    np.testing.assert_allclose(points.get_ydata(), 0.1 / 11)


def test_the_band_is_the_statistical_uncertainty(histogram: hist.Hist) -> None:
    figure = figures.stacked(histogram, signals=["sig"], region="precuts")
    (band,) = (p for p in figure.axes[0].patches if p.get_hatch())
    top, _, bottom = band.get_data()
    total, error = np.array([11.0, 22.0, 33.0]), np.sqrt(101.0) * np.array([1.0, 2.0, 3.0])
    np.testing.assert_allclose(top, total + error)
    np.testing.assert_allclose(bottom, total - error)


def cut(edges: tuple[float, ...], passes) -> Cut:
    """A cut as a run has it: without its function."""
    described = Description("a", regions=(Region("sr", cuts=(Cut("x", "x", passes, edges),)),))
    return Description.from_dict(described.as_dict()).cuts["x"][1]


def test_the_removed_side_of_a_cut_is_shaded() -> None:
    assert removed(cut((110.0,), lambda x: x > 110.0), 0.0, 500.0) == [(0.0, 110.0)]
    assert removed(cut((-0.5, 0.5), lambda x: abs(x) < 0.5), -1.0, 1.0) == [(-1.0, -0.5), (0.5, 1.0)]
    assert removed(cut((0.5,), lambda x: abs(x) < 0.5), 0.0, 1.0) == [(0.5, 1.0)]
    assert removed(cut((81.0, 101.0), lambda x: (x < 81.0) | (x > 101.0)), 0.0, 500.0) == [(81.0, 101.0)]
    assert removed(Cut("x", "x", edges=(1.0,)), 0.0, 2.0) == []


def test_lines_are_drawn_where_a_cut_lies(histogram: hist.Hist) -> None:
    figure = figures.nminus1(histogram, cut=Cut("x", "met", edges=(1.0, 2.5)), region="precuts")
    assert [line.get_xdata()[0] for line in figure.axes[0].lines if line.get_linestyle() == "--"] == [
        1.0,
        2.5,
    ]


def test_labels_and_colours_come_out_of_the_description(histogram: hist.Hist) -> None:
    described = Description(
        features=(Feature("met", "missing", "GeV"),), processes={"tt": ProcessLabel("top pairs", "#010203")}
    )
    figure = figures.stacked(histogram, signals=["sig"], region="precuts", description=described)
    assert figure.axes[1].get_xlabel() == "missing [GeV]"
    assert to_rgba(legend_colours(figure)["top pairs"]) == to_rgba("#010203")
    assert process_colours(["tt", "WW"])["WW"] != process_colours(["tt", "WW"])["tt"]


def test_a_colour_that_a_process_has_is_given_to_no_other() -> None:
    described = Description(processes={"b": ProcessLabel("b", COLOURS[0])})
    assert process_colours(["a", "b"], (), described)["a"] != COLOURS[0]


@pytest.mark.parametrize("content", [0.0, -1.0])
def test_nothing_to_show_is_said_without_a_warning(content: float) -> None:
    h = hist.new.StrCat(["a", "sig"], name="process").Reg(3, 0, 3, name="x").Weight()
    h.view().value[:] = content
    figure = figures.stacked(h, signals=["sig"])
    assert "no events" in {text.get_text() for text in figure.axes[0].texts}
    assert figures.render(figure).data


def test_residual_cross_section_adds_up_from_above() -> None:
    h = hist.new.StrCat(["a"], name="process").Int(0, 2, name="fold").Reg(4, 0, 1, name="score").Weight()
    h.fill("a", [0, 0, 1], [0.1, 0.6, 0.9], weight=[1.0, 2.0, 4.0])
    threshold, above = residual_from_histogram(h)
    assert threshold == [0.0, 0.25, 0.5, 0.75]
    assert above["a"] == [7.0, 6.0, 6.0, 4.0]
    assert residual_from_histogram(h, fold=0)[1]["a"] == [3.0, 2.0, 2.0, 0.0]


def test_importances_are_ranked_and_the_rest_is_added_up() -> None:
    share = {f"f{index:02d}": value for index, value in enumerate([0.1, 0.5, 0.25, 0.1, 0.05])}
    figure = figures.importances(share, most=3)
    axes = figure.axes[0]
    assert [label.get_text() for label in axes.get_yticklabels()] == ["f01", "f02", "f00", "2 others"]
    np.testing.assert_allclose([bar.get_width() for bar in axes.patches], [50, 25, 10, 15])


@pytest.mark.parametrize("name", ["_hidden", "50$ $x_{", "<b>&", "\u540d\u524d", "line\nbreak", "a_b^c"])
def test_any_name_can_be_drawn(name: str) -> None:
    h = hist.new.StrCat([name, "tt"], name="process").Reg(3, 0, 3, name="x", label=name).Weight()
    h.fill(name, [0.5, 1.5])
    h.fill("tt", [0.5, 1.5])
    figure = figures.stacked(h)
    assert len(figure.legends[0].get_texts()) == 3
    assert figures.render(figure, "svg").data == figures.render(figures.stacked(h), "svg").data


def test_a_map_shows_each_bin_where_it_lies() -> None:
    h = hist.new.StrCat(["a", "b"], name="process").Reg(2, 0, 2, name="x").Reg(3, 0, 3, name="y").Weight()
    h.fill("a", [0.5], [2.5], weight=[3.0])
    h.fill("b", [1.5], [0.5], weight=[7.0])
    figure = figures.density_map(h, processes=["a"])
    mesh = figure.axes[0].collections[0]
    shown = np.ma.filled(mesh.get_array(), np.nan)
    assert shown.shape == (3, 2)
    assert shown[2, 0] == 3.0
    assert np.isnan(shown).sum() == 5
    assert figures.render(figure).data
    assert figures.render(figures.density_map(h, processes=["nothing"])).data


def test_a_notebook_shows_a_figure_that_nobody_drew_by_pyplot() -> None:
    display = pytest.importorskip("IPython.core.formatters").DisplayFormatter()
    figure, (axes,) = new_figure()
    axes.plot([0, 1], [0, 1])
    shown, _ = display.format(figure)
    assert shown["image/png"].startswith(b"\x89PNG")


def test_pictures_have_few_colours_and_white_paper() -> None:
    figure, (axes,) = new_figure()
    axes.imshow(np.linspace(0.0, 1.0, 400).reshape(20, 20), aspect="auto")
    picture = render(figure, "png")
    assert render(figure, "png") == picture
    whole = io.BytesIO()
    figure.savefig(whole, format="png", dpi=DOTS_PER_INCH)
    few, every = (Pillow.open(io.BytesIO(data)).convert("RGB") for data in (picture.data, whole.getvalue()))
    assert few.size == every.size
    assert few.getpixel((0, 0)) == (255, 255, 255)
    assert len(few.getcolors(1 << 20)) <= 256
    # No colour is far from what it was.
    assert np.abs(np.asarray(few, dtype=int) - np.asarray(every, dtype=int)).max() <= 32
    assert len(picture.data) < 0.7 * len(whole.getvalue())
