"""How far a counting experiment reaches: closed forms, and what follows from the numbers that the smuon paper prints."""

from __future__ import annotations

import math

import pytest

from massgap.studies.errors import StudyError
from massgap.studies.smuon.reach import excluded_events, reach
from massgap.studies.smuon.validation import paper, printed_reach


def test_without_background_three_events_are_excluded() -> None:
    """No event seen: CLs is exp(-s)."""
    assert excluded_events(0.0, method="exact") == pytest.approx(-math.log(0.05), rel=1e-5)
    assert excluded_events(0.0, method="exact", level=0.9) == pytest.approx(-math.log(0.1), rel=1e-5)


@pytest.mark.parametrize("method", ["exact lnN", "exact gauss"])
def test_a_part_of_no_background_is_nothing(method) -> None:
    """As in a region without one simulated event of background."""
    assert excluded_events(0.0, 0.5, method=method) == pytest.approx(-math.log(0.05), rel=1e-5)


@pytest.mark.parametrize(
    ("background", "uncertainty", "method", "expected"),
    [
        # Of an independent calculation of CLs, exact Poisson and, with an uncertainty, a truncated Gaussian.
        (5.9, 0.0, "exact", 6.78),
        (2.4, 0.0, "exact", 4.65),
        (28.4, 0.0, "exact", 11.96),
        (33.8, 0.0, "exact", 13.36),
        (5.9, 0.5, "exact gauss", 8.43),
        (2.4, 0.5, "exact gauss", 5.01),
        (28.4, 0.5, "exact gauss", 26.5),
        (5.9, 0.0, "asymptotic", 6.12),
        (28.4, 0.5, "asymptotic", 23.6),
        (33.8, 0.5, "asymptotic", 27.4),
    ],
)
def test_excluded_events_are_those_of_another_calculation(background, uncertainty, method, expected) -> None:
    assert excluded_events(background, uncertainty, method=method) == pytest.approx(expected, rel=2e-3)


def test_more_background_or_uncertainty_excludes_less() -> None:
    for method in ("asymptotic", "exact lnN", "exact gauss"):
        found = [excluded_events(b, 0.3, method=method) for b in (1.0, 4.0, 20.0)]
        assert found == sorted(found), method
        assert excluded_events(20.0, 0.5, method=method) > excluded_events(20.0, 0.1, method=method)


def test_the_reach_follows_from_the_printed_yields() -> None:
    """The text says 450 GeV for the veto, 100 and 200 more for the networks; Tables IV and VIII give these."""
    found = printed_reach(paper())
    assert found["network"] == pytest.approx(620, abs=5)
    assert found["bdt"] == pytest.approx(512, abs=5)
    assert found["static_veto"] == pytest.approx(424, abs=5)


def test_the_reach_of_an_exponential_is_found_exactly() -> None:
    events = {m: 1000.0 * math.exp(-m / 80.0) for m in (100.0, 200.0, 400.0, 500.0)}
    for mass in (150.0, 330.0, 499.0, 620.0):  # the last beyond the heaviest
        assert reach(events, 1000.0 * math.exp(-mass / 80.0)) == pytest.approx(mass)
    assert reach(events, 1e4) is None


def test_a_second_island_counts_where_it_ends() -> None:
    """The largest mass that is excluded, also where a lighter one is not."""
    assert reach({100.0: 1.0, 200.0: 10.0, 300.0: 2.0}, 4.0) == pytest.approx(
        200 + 100 * math.log(10 / 4) / math.log(10 / 2)
    )
    assert reach({100.0: 1.0, 200.0: 10.0}, 4.0) == 200.0  # rising: nothing is known beyond


@pytest.mark.parametrize("events", [{}, {200.0: 5.0}, {200.0: 5.0, 300.0: 0.0}])
def test_a_reach_needs_two_masses_with_events(events) -> None:
    with pytest.raises(StudyError, match="two masses"):
        reach(events, 3.0)


@pytest.mark.parametrize(("background", "uncertainty"), [(-1.0, 0.0), (math.nan, 0.0), (1.0, -0.1)])
def test_what_is_no_background_is_refused(background, uncertainty) -> None:
    with pytest.raises(StudyError, match="cannot be tested"):
        excluded_events(background, uncertainty)
