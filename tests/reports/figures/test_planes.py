"""Figures of planes show the points and contours where they are, failures as crosses, and what is forbidden hatched."""

from __future__ import annotations

import re

import numpy as np
import pytest
from matplotlib.collections import PathCollection
from matplotlib.colors import to_rgba
from planefolders import GAPS, LUMI, MASSES, make_plane, strength

from massgap.reports.errors import ReportError
from massgap.reports.figures.planes import (
    Overlay,
    dimension,
    exclusion,
    interpolation_check,
    limit_against_mass,
    point_map,
)
from massgap.reports.figures.planes.maps import short
from massgap.reports.figures.planes.view import INK, LUMINOSITY_COLOURS
from massgap.reports.figures.style import render

FAILED = "pair_240_230"


@pytest.fixture(scope="module")
def plane(tmp_path_factory):
    return make_plane(tmp_path_factory.mktemp("plane"), observed=True, failed=[FAILED])


@pytest.fixture(scope="module")
def several(tmp_path_factory):
    return make_plane(tmp_path_factory.mktemp("several"), luminosities=[137.0, 300.0, 3000.0])


@pytest.fixture(scope="module")
def line(tmp_path_factory):
    return make_plane(tmp_path_factory.mktemp("line"), line=True, observed=True, failed=["pair_160_150"])


def legend(figure) -> list[str]:
    return [text.get_text() for text in figure.legends[0].get_texts()] if figure.legends else []


def crosses(figure) -> np.ndarray:
    """Places of all crosses."""
    found = [
        collection.get_offsets()
        for collection in figure.axes[0].collections
        # The path of a cross has four corners and is open.
        if isinstance(collection, PathCollection) and len(collection.get_paths()[0].vertices) == 4
    ]
    return np.vstack([np.zeros((0, 2)), *found])


def drawn(figure, dashes: str) -> list[np.ndarray]:
    return [line.get_xydata() for line in figure.axes[0].lines if line.get_linestyle() == dashes]


def test_contours_are_where_the_plane_has_them(plane) -> None:
    figure = exclusion(plane)
    (expected,) = [c for c in plane["contours"] if (c["what"], c["band"]) == ("exclusion", 0)]
    places = np.array(expected["lines"][0])
    # The limit of the invented plane is one there.
    assert np.array([strength(m, m - lsp, LUMI) for m, lsp in places]) == pytest.approx(1)
    assert any(np.array_equal(line, places) for line in drawn(figure, "--") if len(line) == len(places))
    names = legend(figure)
    assert [n for n in names if "observed" in n]
    assert {r"$\pm 1\sigma$", r"3$\sigma$ expected", r"5$\sigma$ expected", "no result", "forbidden"} <= set(
        names
    )


def test_the_gap_is_the_difference(plane) -> None:
    figure = exclusion(plane, view="gap")
    (expected,) = [c for c in plane["contours"] if (c["what"], c["band"]) == ("exclusion", 0)]
    m, lsp = np.array(expected["lines"][0]).T
    assert any(
        np.allclose(line, np.column_stack([m, m - lsp]))
        for line in drawn(figure, "--")
        if len(line) == len(m)
    )
    assert "forbidden" not in legend(figure)
    assert figure.axes[0].get_ylim()[0] == 0


def test_only_a_point_without_result_is_a_cross(plane, several) -> None:
    assert crosses(exclusion(plane)).tolist() == [[240.0, 230.0]]
    assert crosses(exclusion(plane, view="gap")).tolist() == [[240.0, 10.0]]
    assert crosses(point_map(plane, "limit", LUMI)).tolist() == [[240.0, 230.0]]
    # It was selected all the same.
    assert crosses(point_map(plane, "efficiency", LUMI)).tolist() == []
    assert crosses(exclusion(several)).tolist() == []
    assert "no result" not in legend(exclusion(several))


def test_each_luminosity_has_its_colour_and_no_band(several) -> None:
    figure = exclusion(several)
    assert {to_rgba(line.get_color()) for line in figure.axes[0].lines if len(line.get_xdata()) > 2} == {
        to_rgba(colour) for colour in LUMINOSITY_COLOURS[:3]
    }
    assert legend(figure)[:3] == ["137 fb$^{-1}$", "300 fb$^{-1}$", "3000 fb$^{-1}$"]
    assert r"$\pm 1\sigma$" not in legend(figure)
    assert r"$\pm 1\sigma$" in legend(exclusion(several, luminosities=[300.0]))


def test_observed_significance_has_lines_of_its_own(plane) -> None:
    (expected,) = [c for c in plane["contours"] if (c["what"], c["band"]) == ("evidence", 0)]
    moved = [[[m - 7.0, lsp] for m, lsp in line] for line in expected["lines"]]
    with_seen = {**plane, "contours": [*plane["contours"], {**expected, "band": "observed", "lines": moved}]}
    figure = exclusion(with_seen)
    assert r"3$\sigma$ observed" in legend(figure)
    assert r"5$\sigma$ observed" not in legend(figure)
    black = [line for line in figure.axes[0].lines if to_rgba(line.get_color()) == to_rgba(INK)]
    assert any(np.array_equal(line.get_xydata(), moved[0]) for line in black)
    on_map = point_map(with_seen, "observed significance", LUMI)
    assert any(np.array_equal(line.get_xydata(), moved[0]) for line in on_map.axes[0].lines)
    render(figure, "png")


def test_what_is_forbidden_lies_above_the_diagonal(plane) -> None:
    axes = exclusion(plane).axes[0]
    (hatched,) = [c for c in axes.collections if c.get_hatch()]
    corners = hatched.get_paths()[0].vertices
    assert (corners[:, 1] >= corners[:, 0] - 1e-9).all()
    assert np.ptp(corners[:, 1]) > 10


def test_a_plane_of_something_else_has_neither_gap_nor_forbidden_region(tmp_path) -> None:
    free = make_plane(tmp_path)
    free["axes"] = {**free["axes"], "forbidden": None}
    assert "forbidden" not in legend(exclusion(free))
    with pytest.raises(ReportError, match="in its masses"):
        exclusion(free, view="gap")


def test_contours_of_others_stand_beside(plane) -> None:
    other = Overlay("ATLAS $x_{$", [np.array([[120.0, 80.0], [170.0, 150.0]])])
    figure = exclusion(plane, overlays=[other], view="gap")
    assert any(np.array_equal(line.get_xydata(), [[120, 40], [170, 20]]) for line in figure.axes[0].lines)
    render(figure, "png")


def test_a_map_says_the_number_of_each_point(plane) -> None:
    for view in ("masses", "gap"):
        figure = point_map(plane, "limit", LUMI, view=view)
        texts = [text.get_text() for text in figure.axes[0].texts]
        good = [point for point in plane["points"] if point["converged"]]
        assert sorted(texts) == sorted(short(point["upper_limit"]["expected"][2]) for point in good)
        render(figure, "png")


def test_many_points_are_colours_alone(tmp_path) -> None:
    figure = point_map(
        make_plane(tmp_path, masses=np.linspace(100, 300, 90)), "significance", LUMI, view="gap"
    )
    assert not figure.axes[0].texts
    assert len(figure.axes[0].collections[0].get_offsets()) == 90 * len(GAPS)


@pytest.mark.parametrize("what", ["observed limit", "efficiency"])
def test_maps_of_few_points(tmp_path, what) -> None:
    """One point, and three points of equal numbers in a row."""
    single = make_plane(tmp_path, masses=[120.0], observed=True)
    single["points"] = single["points"][:1]
    render(point_map(single, what, LUMI), "png")
    row = [{**single["points"][0], "x": x} for x in (120.0, 130.0, 140.0)]
    assert len(point_map({**single, "points": row}, what, LUMI).axes[0].collections[0].get_offsets()) == 3


def test_a_plane_without_any_result(tmp_path) -> None:
    names = [f"pair_{m:g}_{m - gap:g}" for m in MASSES for gap in GAPS]
    nothing = make_plane(tmp_path, failed=names, contours=[], interpolation=[])
    assert len(crosses(exclusion(nothing))) == len(names)
    assert len(crosses(point_map(nothing, "limit", LUMI))) == len(names)


def areas(axes) -> list[np.ndarray]:
    """Corners of each filled area, which are not the crosses."""
    return [
        path.vertices
        for collection in axes.collections
        for path in collection.get_paths()
        if len(path.vertices) > 4
    ]


def test_the_limit_has_a_gap_where_a_point_has_no_result(line) -> None:
    axes = limit_against_mass(line, LUMI).axes[0]
    (median,) = [entry for entry in axes.lines if entry.get_linestyle() == "--"]
    x, y = median.get_xydata().T
    assert x.tolist() == list(MASSES)
    assert np.isnan(y[1])
    assert y[[0, 2, 3]] == pytest.approx(
        [p["limit_fb"]["expected"][2] for p in line["points"] if p["converged"]]
    )
    assert not [area for area in areas(axes)[:4] if area[:, 0].min() < 160 < area[:, 0].max()]


def test_the_limit_shows_what_was_observed_and_the_cross_section(line, tmp_path) -> None:
    names = legend(limit_against_mass(line, LUMI))
    assert names[:3] == ["expected", r"$\pm 1\sigma$", r"$\pm 2\sigma$"]
    assert "observed" in names
    assert "no result" in names
    expected = make_plane(tmp_path, line=True)
    for point in expected["points"]:
        point["cross_section_uncertainty"] = None
    names = legend(limit_against_mass(expected, LUMI))
    assert "observed" not in names
    assert "no result" not in names
    assert "cross section" in names


def test_three_points_of_which_the_middle_one_has_no_result(tmp_path) -> None:
    """Neither of the others has a neighbour: they are bars."""
    three = make_plane(tmp_path, line=True, masses=[100.0, 160.0, 240.0], failed=["pair_160_150"])
    axes = limit_against_mass(three, LUMI).axes[0]
    bars = [segment for c in axes.collections if hasattr(c, "get_segments") for segment in c.get_segments()]
    assert sorted({segment[0, 0] for segment in bars}) == [100.0, 240.0]
    all_lost = make_plane(tmp_path, line=True, failed=[f"pair_{m:g}_{m - 10:g}" for m in MASSES])
    render(limit_against_mass(all_lost, LUMI))


def test_the_check_of_the_interpolation_marks_what_cannot_be_foretold(plane) -> None:
    figure = interpolation_check(plane["interpolation"], label="log limit")
    main, difference = figure.axes
    (check,) = plane["interpolation"]
    inside, outside = (
        {e["true"] for e in check["left_out"] if e["inside"] is kind} for kind in (True, False)
    )
    assert set(main.lines[0].get_xdata()) == inside
    assert set(main.lines[-1].get_xdata()) == outside
    assert difference.lines[0].get_ydata() == pytest.approx(0.04)
    assert legend(figure) == ["300 fb$^{-1}$", "at the edge, not foretold"]
    for nothing in ([], [entry for entry in check["left_out"] if not entry["inside"]]):
        empty = interpolation_check([{**check, "left_out": nothing}])
        assert [text.get_text() for text in empty.axes[0].texts] == ["no point could be left out"]


def test_a_line_across_both_axes_is_drawn_against_the_first_that_varies(line, tmp_path) -> None:
    """Points of one mass and several gaps lie on a line, too."""
    upright = make_plane(tmp_path, masses=[160.0])
    upright["axes"] = {**upright["axes"], "shape": "line"}
    assert dimension(upright) == 1
    axes = limit_against_mass(upright, LUMI).axes[0]
    (median,) = [entry for entry in axes.lines if entry.get_linestyle() == "--"]
    assert sorted(median.get_xdata()) == [130.0, 140.0, 150.0]
    assert "chi" in axes.get_xlabel()
    assert "ell" in limit_against_mass(line, LUMI).axes[0].get_xlabel()


def filled(figure) -> list:
    """Areas of the band."""
    return [path for c in figure.axes[0].collections if c.get_alpha() == 0.22 for path in c.get_paths()]


@pytest.mark.parametrize("view", ["masses", "gap"])
def test_the_band_is_where_one_lies_between_the_fluctuated_limits(plane, view) -> None:
    (path,) = filled(exclusion(plane, view=view))
    rng = np.random.default_rng(1)
    # Of the points without a result nothing is known: the triangle at the lower right is left out.
    for m, gap in zip(rng.uniform(120, 200, 300), rng.uniform(10, 30, 300), strict=True):
        mu = strength(m, gap, LUMI)
        depth = min(-np.log(0.74 * mu), np.log(1.4 * mu))
        if abs(depth) > 0.03:
            place = (m, gap if view == "gap" else m - gap)
            assert path.contains_point(place) == (depth > 0), (m, gap)


def test_there_is_no_band_without_its_edges(tmp_path) -> None:
    everything = make_plane(tmp_path, masses=[20.0, 40.0, 60.0])
    assert filled(exclusion(everything)) == []
    few = make_plane(tmp_path, failed=[f"pair_{m:g}_{m - gap:g}" for m in MASSES[1:] for gap in GAPS])
    assert filled(exclusion(few)) == []


def test_the_same_plane_gives_the_same_bytes(plane) -> None:
    first, second = (render(exclusion(plane)).data for _ in range(2))
    assert first == second
    assert not re.search(rb"/(tmp|home|work)/", first)
