"""What the study of mass-unspecific classifiers measures, against numbers that are known beforehand."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats
from vlq_scores import quality

from massgap.models.measures.roc import auc, roc_curve
from massgap.studies.vlq.numbers.measured import Shapes, _told, mass_edges, orderings
from massgap.studies.vlq.numbers.performance import AtMass, Quality, efficiency_at, shape_of
from massgap.studies.vlq.validation import paper


def falling(n, seed=3):
    """A mass that falls by six orders of magnitude, from slices: equal numbers of events with falling weights."""
    random = np.random.default_rng(seed)
    mass = random.uniform(900, 6500, n)
    return mass, np.exp(-(mass - 900) / 400), random


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_a_cut_that_keeps_the_shape_is_seen_to(seed):
    mass, weight, random = falling(30_000, seed)
    shape = shape_of(mass, weight, random.random(len(mass)) < 0.02, mass_edges())
    assert shape.mean == pytest.approx(0.02, abs=0.004)
    assert shape.ndf == 27
    assert stats.chi2.sf(shape.chi2, shape.ndf) > 1e-3
    assert shape.p_value > 1e-3
    np.testing.assert_allclose(np.nansum(shape.share), 28 * shape.mean)


def test_a_cut_that_follows_the_mass_is_seen_to_fail():
    mass, weight, random = falling(30_000)
    kept = random.random(len(mass)) < 0.02 * (mass / 2500)
    shape = shape_of(mass, weight, kept, mass_edges())
    assert stats.chi2.sf(shape.chi2, shape.ndf) < 1e-6
    assert shape.p_value < 1e-6


def test_the_errors_of_shares_are_those_of_repeated_samples():
    pulls = []
    for seed in range(60):
        mass, weight, random = falling(3000, seed)
        shape = shape_of(mass, weight, random.random(len(mass)) < 0.2, mass_edges())
        pulls.append((shape.share - 0.2) / shape.error)
    assert np.std(pulls) == pytest.approx(1.0, abs=0.08)


def test_bins_without_events_are_no_numbers():
    shape = shape_of(np.array([950.0, 960.0]), np.ones(2), np.array([True, False]), mass_edges())
    assert shape.share[0] == 0.5
    assert np.isnan(shape.share[1:]).all()
    nothing = shape_of(np.array([950.0, 960.0]), np.ones(2), np.zeros(2, bool), mass_edges())
    assert np.isnan(nothing.p_value)


def test_areas_and_efficiencies_of_normal_scores():
    found = quality(1.5, n=40_000)
    assert found.auc == pytest.approx(stats.norm.cdf(1.5 / np.sqrt(2)), abs=0.006)
    assert found.efficiency == pytest.approx(stats.norm.sf(stats.norm.isf(0.01) - 1.5), abs=0.03)
    # Hanley and McNeil, Radiology 143 (1982) 29, eq. 1, with the exponential approximation
    a, n = found.auc, 20_000
    q1, q2 = a / (2 - a), 2 * a**2 / (1 + a)
    known = np.sqrt((a * (1 - a) + (n - 1) * (q1 - a**2) + (n - 1) * (q2 - a**2)) / n**2)
    assert found.auc_replicas.std() == pytest.approx(known, rel=0.3)
    grid, low, high = found.band
    curve = np.interp(grid, found.curve.tpr, found.curve.fpr)
    inside = (curve >= low - 1e-12) & (curve <= high + 1e-12)
    assert inside.mean() > 0.8


def test_efficiency_at_a_background_efficiency():
    curve = roc_curve([0.9, 0.8, 0.2, 0.1], [1, 0, 1, 0], [1.0, 1.0, 3.0, 1.0])
    assert auc(curve) == pytest.approx(1 - 0.75 * 0.5)
    assert efficiency_at(curve, 0.5) == pytest.approx(1.0)


def point(mass, **strengths):
    found = {f"models/{name}": quality(value) for name, value in strengths.items()}
    return AtMass(mass, 2000, 2000, found)


def test_orderings_that_hold_and_one_that_does_not():
    names = list(paper().tables["Orderings"].rows)
    good = {"mubdt": 2.0, "munn": 2.0, "pnn_b": 1.6, "pnn": 1.2, "mubdt_6000": 2.0}
    holds = orderings([point(6000.0, **good)], None)
    assert {row: holds[row, "number"] for row in names if (row, "number") in holds} == {
        names[0]: (1.0, None), names[1]: (1.0, None), names[2]: (1.0, None), names[4]: (1.0, None)
    }  # fmt: skip
    bad = orderings([point(6000.0, **{**good, "munn": 1.0, "pnn": 1.6, "mubdt_6000": 3.0})], None)
    assert [bad[names[k], "number"][0] for k in (0, 1, 2, 4)] == [0.0, 0.0, 1.0, 0.0]
    assert orderings([AtMass(6000.0, 3, 3, {})], None) == {}


def test_the_shape_is_judged():
    mass, weight, random = falling(30_000)
    kept, not_kept, _ = paper().tables["Orderings"].rows[-3:]
    flat = shape_of(mass, weight, random.random(len(mass)) < 0.02, mass_edges())
    bent = shape_of(mass, weight, random.random(len(mass)) < 0.02 * (mass / 2500), mass_edges())
    good = float(flat.chi2 / flat.ndf < 1.5 and flat.p_value > 0.05)
    assert orderings([], Shapes(flat, bent, {})) == {
        (kept, "number"): (good, None),
        (not_kept, "number"): (1.0, None),
    }
    assert orderings([], Shapes(bent, flat, {})) == {
        (kept, "number"): (0.0, None), (not_kept, "number"): (1.0 - good, None)
    }  # fmt: skip


def test_differences_are_those_of_the_same_replicas():
    one, other = quality(1.5), quality(1.5)
    assert one.worse_than(other) == (0.0, 0.0)
    assert isinstance(one, Quality)
    difference, error = quality(1.2).worse_than(quality(1.5))
    assert difference > 3 * error > 0


def test_few_events_are_judged_in_fewer_bins():
    mass, weight, random = falling(800)
    shape = _told(mass, weight, random.random(len(mass)) < 0.02)
    assert 3 <= shape.ndf < 27
    assert len(shape.edges) < 29
    assert len(_told(*falling(30_000)[:2], falling(30_000)[2].random(30_000) < 0.05).edges) == 29
