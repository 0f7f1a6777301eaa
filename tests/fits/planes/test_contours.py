from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.fits.planes.contours import contours_of
from massgap.fits.planes.interpolation import Coordinates, interpolate, leave_one_out
from massgap.fits.planes.points import PlanePoint, axes_of


def rows_of(
    points, log_limit, significance=None, *, failed=(), lumi=100.0, uncertainty=None, observed=None, seen=None
):
    """Rows with a given logarithm of the limit as a function of the masses."""
    rows = []
    for point in points:
        m, child = (*point.masses.values(), None)[:2]
        z = log_limit(m, child)
        good = point.process not in failed
        rows.append(
            {
                "name": point.process,
                "lumi_fb": lumi,
                "cross_section_fb": 1.0,
                "cross_section_uncertainty": uncertainty,
                "converged": good,
                "upper_limit": {
                    "observed": None if observed is None else float(np.exp(z + observed)),
                    "expected": [float(np.exp(z + 0.4 * n)) for n in range(-2, 3)],
                }
                if good
                else None,
                "significance": {
                    "expected": significance(m, child) if significance else 1.0,
                    "observed": seen(m, child) if seen else None,
                }
                if good
                else None,
            }
        )
    return rows


def plane_of(places):
    return [PlanePoint(f"s{i}", {"m": float(m), "child": float(c)}, 1.0) for i, (m, c) in enumerate(places)]


GRID = [(m, m - gap) for m in (100, 150, 200, 250, 300) for gap in (20, 40, 60, 80)]


def only(found, **which):
    [entry] = [e for e in found.contours if all(e[k] == v for k, v in which.items())]
    return entry


@pytest.mark.parametrize("method", ["spline", "linear"])
def test_contours_of_what_is_linear_are_straight_lines_in_the_right_place(method):
    points = plane_of(GRID)
    axes = axes_of(points)
    # log limit = (m - 180)/50 + (gap - 50)/100, which is 0 on a known line; bands are moved by 0.4.
    rows = rows_of(points, lambda m, c: (m - 180) / 50 + (m - c - 50) / 100, uncertainty=0.2, observed=0.3)
    found = contours_of(rows, axes, method)
    moved = [
        (0, 0, 0.0),
        (1, 0, 0.4),
        (-1, 0, -0.4),
        ("observed", 0, 0.3),
        (0, 1, -np.log(1.2)),
        (0, -1, -np.log(0.8)),
        ("observed", 1, 0.3 - np.log(1.2)),
    ]
    for band, side, offset in moved:
        entry = only(found, what="exclusion", band=band, cross_section=side)
        line = np.concatenate(entry["lines"])
        m, gap = line[:, 0], line[:, 0] - line[:, 1]
        assert (m - 180) / 50 + (gap - 50) / 100 + offset == pytest.approx(0.0, abs=1e-6)
        assert gap.min() == pytest.approx(20.0, abs=0.5)
        assert gap.max() == pytest.approx(80.0, abs=0.5)
        assert entry["open"] == [True]
    assert any("open" in warning for warning in found.warnings)
    errors = {entry["quantity"]: entry for entry in found.interpolation}
    # Nothing is wrong with the interpolation of a plane, but at the corners there is none.
    limit = errors["log expected limit"]
    assert limit["max"] < 1e-9
    assert [row["inside"] for row in limit["left_out"]].count(False) == 4
    assert limit["contour_shift"]["max"] < 1e-6
    assert only(found, what="discovery")["note"] == "no point reaches the level"
    everything = contours_of(rows_of(points, lambda *_: -1.0), axes, method)
    assert only(everything, what="exclusion", band=0)["note"] == "all points are excluded"


def test_a_closed_contour_is_a_circle_and_is_not_open():
    places = [(m, c) for m in range(200, 301, 10) for c in range(0, 101, 10)]
    points = plane_of(places)

    def z(m, c):
        return ((m - 250) ** 2 + (c - 50) ** 2) / 900 - 1.0

    found = contours_of(rows_of(points, z), axes_of(points))
    entry = only(found, what="exclusion", band=0)
    assert entry["open"] == [False]
    [line] = entry["lines"]
    radius = np.hypot(*(np.array(line) - [250, 50]).T)
    assert radius == pytest.approx(30.0, abs=0.3)


def test_the_shift_of_a_contour_is_that_of_the_contour_without_the_point():
    points = plane_of(GRID)
    axes = axes_of(points)

    def z(m, c):
        return (m - 180) / 50 + (0.3 if (m, c) == (200, 160) else 0.0)

    found = contours_of(rows_of(points, z), axes).interpolation[0]
    row = next(row for row in found["left_out"] if (row["x"], row["y"]) == (200, 160))
    # The others are linear: they foretell what was without the bump.
    assert row["interpolated"] == pytest.approx(0.4, abs=1e-3)
    assert row["true"] == pytest.approx(0.7)
    assert found["max"] == pytest.approx(0.3, abs=1e-3)
    # A rise of 0.3 at a slope of about 1/50 per GeV, less where the bump itself is steep.
    assert 3.0 < found["contour_shift"]["max"] < 25.0


def test_contours_of_3_and_5_sigma():
    points = plane_of(GRID)
    found = contours_of(
        rows_of(points, lambda *_: 0.5, lambda m, _: 10.0 * np.exp(-(m - 100) / 100)), axes_of(points)
    )
    for what, level in (("evidence", 3.0), ("discovery", 5.0)):
        line = np.concatenate(only(found, what=what)["lines"])
        assert line[:, 0] == pytest.approx(100.0 + 100.0 * np.log(10.0 / level), rel=1e-3)


def test_contours_of_3_and_5_sigma_that_are_observed():
    """Where less is seen than expected the significance is 0, whose logarithm no contour could be drawn with."""
    points = plane_of(GRID)
    rows = rows_of(points, lambda *_: 0.5, observed=0.1, seen=lambda m, _: max(0.0, (250.0 - m) / 25.0))
    found = contours_of(rows, axes_of(points), "linear")
    for what, level in (("evidence", 3.0), ("discovery", 5.0)):
        entry = only(found, what=what, band="observed")
        assert entry["level"] == level
        line = np.concatenate(entry["lines"])
        assert line[:, 0] == pytest.approx(250.0 - 25.0 * level, rel=1e-3)
        assert only(found, what=what, band=0)["note"] == "no point reaches the level"
    assert "observed significance" in {entry["quantity"] for entry in found.interpolation}
    unseen = contours_of(rows_of(points, lambda *_: 0.5), axes_of(points))
    assert not [entry for entry in unseen.contours if entry["band"] == "observed"]


def test_a_line_of_points_is_crossed_at_a_mass():
    points = [PlanePoint(f"s{m}", {"m": float(m)}, 1.0) for m in (100, 200, 300, 400)]
    axes = axes_of(points)
    assert (axes.shape, axes.as_dict()["y"]) == ("line", None)
    found = contours_of(rows_of(points, lambda m, _: (m - 230) / 80), axes)
    [[crossing]] = only(found, what="exclusion", band=0)["lines"]
    assert crossing == [pytest.approx(230.0, abs=0.5), None]
    assert found.interpolation[0]["contour_shift"]["points"] == 2
    # Two masses that rise together: the crossing has both.
    points = plane_of([(m, m - 30) for m in (100, 200, 300, 400)])
    axes = axes_of(points)
    assert axes.shape == "line"
    [[crossing]] = only(
        contours_of(rows_of(points, lambda m, _: (m - 230) / 80), axes, "linear"), band=0, what="exclusion"
    )["lines"]
    assert crossing == [pytest.approx(230.0), pytest.approx(200.0)]


@pytest.mark.parametrize(
    ("places", "shape", "words"),
    [
        ([(100, 80)], "point", "three points"),
        ([(100, 80), (200, 180)], "line", None),
        ([(100, 80), (200, 180), (200, 150)], "plane", None),
    ],
)
def test_few_points(places, shape, words):
    points = plane_of(places)
    axes = axes_of(points)
    assert axes.shape == shape
    found = contours_of(rows_of(points, lambda m, _: (m - 150) / 50), axes)
    entry = only(found, what="exclusion", band=0)
    if words:
        assert entry["lines"] == []
        assert words in entry["note"]
    else:
        assert np.array([p[0] for line in entry["lines"] for p in line]) == pytest.approx(150.0, abs=0.5)
        left = found.interpolation[0]
        assert left["mean"] is None
        assert left["contour_shift"] is None


def test_points_that_failed_are_never_filled_in():
    points = plane_of(GRID)
    axes = axes_of(points)
    names = {point.process: (point.masses["m"], point.masses["child"]) for point in points}
    failed = next(name for name, place in names.items() if place == (200, 160))
    found = contours_of(rows_of(points, lambda m, _: (m - 200) / 50, failed={failed}), axes)
    assert failed in found.warnings[0]
    lines = only(found, what="exclusion", band=0)["lines"]
    assert len(lines) == 2
    gaps = np.concatenate([[p[0] - p[1] for p in line] for line in lines])
    assert not ((gaps > 30.5) & (gaps < 49.5)).any()
    assert failed not in {row["name"] for row in found.interpolation[0]["left_out"]}
    # So many fail that there is no plane any more.
    rest = [n for n, place in names.items() if place[0] != 100 or place[1] == 80][:-1]
    few = contours_of(rows_of(points, lambda m, _: m - 200, failed=set(rest) | {points[-1].process}), axes)
    assert all(entry["lines"] == [] for entry in few.contours)
    none = contours_of(rows_of(points, lambda m, _: m - 200, failed=set(names)), axes)
    assert all(entry["lines"] == [] for entry in none.contours)


@settings(max_examples=15, deadline=None)
@given(
    st.lists(st.tuples(st.integers(100, 1000), st.integers(0, 90)), min_size=3, max_size=12, unique=True),
    st.integers(-50, 50),
)
def test_contours_stay_among_the_points_and_below_the_diagonal(places, offset):
    points = plane_of([(m, m - gap) for m, gap in places])
    axes = axes_of(points)
    found = contours_of(rows_of(points, lambda m, c: (m - 500 + offset) / 90 + c / 500), axes)
    for entry in found.contours:
        for line in entry["lines"]:
            x, y = np.array(line, dtype=float).T
            assert (y <= x + 1e-6).all()
            assert x.min() >= axes.positions[:, 0].min() - 1e-6
            assert x.max() <= axes.positions[:, 0].max() + 1e-6
            assert np.isfinite(np.array(line)).all()


def test_interpolation_goes_through_the_points_and_never_beyond():
    points = plane_of(GRID)
    axes = axes_of(points)
    coordinates = Coordinates.of(axes)
    at = coordinates.scaled(axes.positions)
    assert (at.min(), at.max()) == (0.0, 1.0)
    assert coordinates.masses(at) == pytest.approx(axes.positions)
    z = np.random.default_rng(1).normal(size=(len(at), 2))
    for method in ("spline", "linear"):
        assert interpolate(at, z, at, method) == pytest.approx(z, abs=1e-4)
        assert np.isnan(interpolate(at, z, np.array([[1.01, 0.5], [-0.01, 0.5]]), method)).all()


@pytest.mark.parametrize("method", ["spline", "linear"])
def test_points_that_are_left_out_are_foretold_by_the_others(method):
    rng = np.random.default_rng(3)
    at, z = rng.uniform(size=(15, 2)), rng.normal(size=15)
    found = leave_one_out(at, z, method)
    by_hand = []
    for i in range(len(at)):
        rest = np.arange(len(at)) != i
        by_hand.append(interpolate(at[rest], z[rest, np.newaxis], at[i : i + 1], method)[0, 0])
    assert found.foretold == pytest.approx(np.array(by_hand), rel=1e-6, nan_ok=True)
    assert 3 < np.isfinite(found.foretold).sum() < 15
    assert found.errors == pytest.approx(np.abs(np.array(by_hand) - z)[np.isfinite(by_hand)], rel=1e-6)


def test_planes_of_many_points():
    rng = np.random.default_rng(2)
    at = rng.uniform(size=(400, 2))
    z = np.sin(2 * at[:, :1]) + at[:, 1:] ** 2
    where = rng.uniform(0.1, 0.9, size=(50, 2))
    exact = np.sin(2 * where[:, 0]) + where[:, 1] ** 2
    assert interpolate(at, z, where)[:, 0] == pytest.approx(exact, abs=5e-3)
