"""The lowest point of a likelihood of four parameters: the parabola, the grids that shrink, pseudo-experiments."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from massgap.studies.cascade.ensembles import likelihood
from massgap.studies.cascade.ensembles.parameterised import (
    BOX,
    NEAR,
    PARAMETERS,
    Hypotheses,
    checked_point,
    is_open,
)
from massgap.studies.cascade.ensembles.search import Grid, grid_about_lowest, lowest_at, vertex
from massgap.studies.cascade.samples import Events
from massgap.studies.errors import StudyError

MATRIX = np.diag([0.5, 0.2, 1.0, 1e-4])
MATRIX[0, 1] = MATRIX[1, 0] = 0.1
MATRIX[0, 3] = MATRIX[3, 0] = 2e-3
CENTRE = np.array([1.0, -2.0, 0.5, -310.0])
CORNERS = np.array(list(itertools.product((-1.0, 0.0, 1.0), repeat=4)))


def parabola(points, matrix=MATRIX):
    return np.einsum("ni,ij,nj->n", points - CENTRE, matrix, points - CENTRE)


def test_the_parabola_finds_its_lowest_point():
    points = np.array([0.0, 0.0, 0.0, -300.0]) + np.array([2.0, 2.0, 2.0, 100.0]) * CORNERS
    found = vertex(points, parabola(points))
    assert found.found
    assert found.place == pytest.approx(CENTRE, abs=1e-6)
    assert found.error == pytest.approx(np.sqrt(np.diag(np.linalg.inv(MATRIX))), rel=1e-6)


@pytest.mark.parametrize("bend", [1e-4, 0.0, -1e-4])
def test_a_scale_that_is_not_known_ends_at_an_edge_and_the_others_are_those_there(bend):
    """Falling towards the upper edge, or without a lowest point in the scale at all."""
    matrix = np.diag([0.5, 0.2, 1.0, bend])
    matrix[0, 3] = matrix[3, 0] = 2e-3
    points = np.array([0.0, 0.0, 0.0, -480.0]) + np.array([2.0, 2.0, 2.0, 60.0]) * CORNERS
    values = parabola(points, matrix) - 0.05 * points[:, 3]
    found = vertex(points, values)
    assert found.found
    assert found.place[3] == pytest.approx(-420.0)
    assert np.isnan(found.error[3])
    # at a fixed scale: d/d alpha of the parabola is 0
    alpha = CENTRE[0] - 2e-3 / 0.5 * (-420.0 - CENTRE[3])
    assert found.place[:3] == pytest.approx([alpha, CENTRE[1], CENTRE[2]], abs=1e-6)
    assert found.error[:3] == pytest.approx(np.sqrt([2.0, 5.0, 1.0]), rel=1e-6)


def test_without_a_lowest_point_in_the_edges_there_is_none():
    points = CENTRE + CORNERS
    found = vertex(points, parabola(points, np.diag([0.5, -0.2, 1.0, 1.0])))
    assert not found.found
    assert np.isnan(found.place).all()


def test_the_search_ends_at_two_standard_deviations_about_the_lowest_point():
    """From far away, where the function is no parabola."""
    place, sigma = np.array([3.1, -2.2, 0.4]), np.array([0.05, 0.2, 0.01])
    seen = []

    def expected(points):
        seen.append(len(points))
        pull = (points - place) / sigma
        return (pull**2 / (1.0 + 0.01 * np.abs(pull))).sum(axis=1)

    centre, steps, value = lowest_at(expected, np.zeros(3), np.array([4.0, 4.0, 3.0]), Grid(), 0.0)
    assert np.abs((centre - place) / sigma).max() < 0.5
    assert steps == pytest.approx(2.0 * sigma, rel=0.35)
    assert value < 3.0
    assert len(seen) <= 12
    assert set(seen) == {27}
    # not nearer than it is smooth
    centre, steps, _ = lowest_at(expected, np.zeros(3), np.array([4.0, 4.0, 3.0]), Grid(), 0.3)
    assert steps == pytest.approx([0.3, 0.4, 0.3], rel=0.35)
    assert np.abs(centre - place).max() < 0.1


def test_the_search_does_not_leave_what_networks_know():
    seen = []

    def expected(points):
        for point in points:
            checked_point([*point, 0.0], NEAR)
        seen.append(np.abs(points).max())
        return -points.sum(axis=1)

    centre, steps, _ = lowest_at(expected, np.zeros(3), np.array([4.0, 4.0, 3.0]), Grid())
    assert (centre + steps).tolist() == [8.0, 8.0, 8.0]
    assert max(seen) == 8.0


def test_masses_fall_wherever_the_search_may_go():
    """Else it ended in an error about masses that nobody gave."""
    assert is_open(NEAR)
    assert not is_open(BOX)
    network = Hypotheses((), None, None, None, None, BOX)
    with pytest.raises(StudyError, match="masses hardly fall"):
        likelihood.likelihood_study("fDM", network, (1.0,), events=10, toys=1)


@pytest.mark.parametrize(
    ("grid", "match"),
    [
        (Grid(delta=(-300.0, -150.0)), "and not over -300, -150"),
        (Grid(delta=(-300.0, -300.0, -150.0)), "that rise"),
        (Grid(delta=()), "not over none"),
        (Grid(steps=(9.0, 1.0, 1.0)), "steps of 9, 1, 1 GeV"),
    ],
)
def test_a_grid_that_cannot_be_searched(grid, match):
    with pytest.raises(StudyError, match=match):
        grid_about_lowest(lambda *_: None, lambda *_: None, grid)


def test_nothing_is_computed_again_where_no_nearer_grid_is_left():
    """A ridge between two directions that falls to no point: the grid stays where it is."""
    seen = []

    def expected(points):
        seen.append(len(points))
        return np.where(np.abs(points).max(axis=1) > 0.0, 1.0, 0.0) - points[:, 0] ** 2

    lowest_at(expected, np.zeros(3), np.array([0.1, 0.1, 0.1]), Grid())
    assert seen == [27]


def test_the_grid_lies_about_the_lowest_point_of_three_scales():
    def expected(points, log_means):
        shifted = points[:, :3] - 0.01 * (points[:, 3:] + 300.0)
        lowest = (shifted**2 / 0.04).sum(axis=1) + ((points[:, 3] + 250.0) / 30.0) ** 2
        # what the mean over the background is for
        return lowest - 2000.0 * true_mean(points) + 2000.0 * log_means

    def true_mean(points):
        return 0.3 + 0.02 * points[:, 0] - 0.1 * points[:, 2] + 1e-3 * points[:, 3]

    about = grid_about_lowest(expected, true_mean, Grid())
    points, log_means, rise, _ = about
    assert points.shape == (81, 4)
    assert log_means == pytest.approx(true_mean(points), abs=1e-9)
    assert sorted(set(points[:, 3])) == [-300.0, -230.0, -160.0]
    assert rise.min() == rise[3] == 0.0
    assert rise[2] == pytest.approx((50.0 / 30.0) ** 2 - (20.0 / 30.0) ** 2, abs=0.5)
    found = vertex(points, expected(points, log_means))
    assert found.place == pytest.approx([0.5, 0.5, 0.5, -250.0], abs=0.1)
    # from where it was found before it is found again, without another mean
    again = grid_about_lowest(expected, lambda _: pytest.fail("a mean"), Grid(), about)
    assert again.points == pytest.approx(points, abs=0.02)

    # at an edge of what networks know no mean is asked for beyond it
    def known(points):
        for point in points:
            checked_point(point, NEAR)
        return true_mean(points)

    at_edge = grid_about_lowest(
        lambda p, m: ((p[:, :3] - 9.0) ** 2).sum(axis=1) + 2000.0 * (m - true_mean(p)), known, Grid()
    )
    assert at_edge.log_means == pytest.approx(true_mean(at_edge.points), abs=1e-9)
    assert at_edge.points[:, :3].max() == pytest.approx(8.0)
    # the lowest scale may be the last one
    points, *_ = grid_about_lowest(
        lambda p, _: (p[:, :3] ** 2).sum(axis=1) - p[:, 3], lambda p: np.zeros(len(p)), Grid()
    )
    assert sorted(set(points[:, 3])) == [-230.0, -160.0, 0.0]


def test_pseudo_experiments_find_the_truth_with_densities_that_are_known_up_to_a_factor(monkeypatch):
    """Signal and background with known densities in place of the network's."""
    rng = np.random.default_rng(4)
    truth, width = np.array([0.5, -0.5, 0.3, -300.0]), np.array([2.0, 2.0, 2.0, 200.0])
    signal, rest = rng.normal(truth, width, (20000, 4)), rng.normal(truth, 3 * width, (40000, 4))

    def log_ratio(x, point):
        near = -0.5 * (((x - point) / width) ** 2).sum(axis=1)
        far = -0.5 * (((x - truth) / (3 * width)) ** 2).sum(axis=1)
        return near - far + 4 * np.log(3.0)

    class Known:
        background = Events({"x": rest[:, 0]}, np.ones(len(rest)))
        box = NEAR

        def first_logits(self, events, point):
            # of events of either class
            of_class = signal if len(events) == len(signal) else rest[: len(events)]
            return log_ratio(of_class, point) + self.log_mean(point)

        def second_logits(self, events):
            return np.zeros(len(events))

        def log_mean(self, point):
            # a network whose ratios are too large everywhere, and the more the larger alpha
            return 0.4 + 0.05 * point[0]

    monkeypatch.setattr(
        likelihood, "signal_events", lambda *_, **__: Events({"x": signal[:, 0]}, np.ones(len(signal)))
    )
    (one,) = likelihood.likelihood_study("fDM", Known(), (1.0,), events=20000, background=40000, toys=40)
    assert one["without_minimum"] == 0
    assert one["mean_of_signal"] == pytest.approx(np.exp(0.4 + 0.05 * 0.5), rel=0.05)
    for name, true in zip(PARAMETERS, truth, strict=True):
        told = one["parameters"][name]
        assert told["at_edge"] == 0
        assert told["mean"] == pytest.approx(true, abs=4 * told["mean_error"])
        assert told["spread"] == pytest.approx(told["error"], rel=0.35)
