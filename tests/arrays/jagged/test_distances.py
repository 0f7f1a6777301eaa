"""Angles and distances against plain loops, and bit for bit against the formulas of the selections."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.arrays import Collection, PerEvent
from massgap.arrays.errors import SelectionError
from massgap.selections.observables.angles import delta_phi, delta_r, wrap_phi_kernel

angle = st.one_of(st.floats(-7, 7, width=32), st.sampled_from([math.pi, -math.pi, 0.0, 0.3]))
eta = st.one_of(st.floats(-3, 3, width=32), st.sampled_from([0.0, 0.4, math.nan]))
chunks = st.lists(
    st.tuples(st.lists(st.tuples(eta, angle), max_size=5), st.lists(st.tuples(eta, angle), max_size=4)),
    max_size=6,
)


def directions(events, kind: str = "f8", name: str = "objects") -> Collection:
    offsets = np.array([0, *np.cumsum([len(event) for event in events])], dtype=np.int64)
    flat = np.array([x for event in events for x in event], dtype=kind).reshape(-1, 2)
    return Collection(offsets, {"eta": flat[:, 0].copy(), "phi": flat[:, 1].copy()}, where=name)


def is_near(eta_a: float, phi_a: float, eta_b: float, phi_b: float, radius: float) -> bool:
    """The formula of a selection that is written as one loop."""
    deta, dphi = float(eta_a) - float(eta_b), wrap_phi_kernel(float(phi_a) - float(phi_b))
    return deta * deta + dphi * dphi < radius * radius


@given(chunks, st.sampled_from(["f4", "f8"]), st.sampled_from([0.4, 1.5]))
def test_near_and_away(events, kind, radius) -> None:
    one, two = directions([a for a, _ in events], kind), directions([b for _, b in events], "f4")
    expected = []
    for i in range(len(events)):
        for k in range(one.offsets[i], one.offsets[i + 1]):
            found = False
            for m in range(two.offsets[i], two.offsets[i + 1]):
                found |= is_near(one.eta[k], one.phi[k], two.eta[m], two.phi[m], radius)
            expected.append(found)
    assert one.near(two, radius).tolist() == expected
    away = one.away_from(two, radius)
    np.testing.assert_array_equal(away.eta, one.eta[~np.array(expected, dtype=bool)])
    assert away.counts.tolist() == one.count(~np.array(expected, dtype=bool)).tolist()


@pytest.mark.parametrize("kind", ["f4", "f8"])
@pytest.mark.parametrize("selected", [False, True])
def test_two_others_in_every_event(kind, selected) -> None:
    """A loop of its own: as if they were three, one of them far away."""
    rng = np.random.default_rng(7)

    def some(counts, kind):
        return directions([[(rng.normal(0, 1), rng.uniform(-7, 14)) for _ in range(n)] for n in counts], kind)

    jets = some(rng.poisson(2.0, 300), kind)
    leptons = some(np.full(300, 3 if selected else 2), "f4")
    if selected:
        leptons = leptons.where(np.arange(leptons.size) % 3 != rng.integers(0, 3, 300).repeat(3))
    assert (leptons.counts == 2).all()
    expected = [
        any(
            is_near(jets.eta[k], jets.phi[k], leptons.eta[m], leptons.phi[m], 0.7)
            for m in range(2 * i, 2 * i + 2)
        )
        for i in range(300)
        for k in range(jets.offsets[i], jets.offsets[i + 1])
    ]
    assert 50 < sum(expected) < len(expected) - 50
    assert jets.near(leptons, 0.7).tolist() == expected
    part = jets.where(jets.eta > 0)
    assert part.near(leptons, 0.7).tolist() == np.array(expected)[jets.eta > 0].tolist()
    none = leptons[np.zeros(300, bool)]
    assert jets[np.zeros(300, bool)].near(none, 0.7).tolist() == []


def test_exactly_at_the_distance_stays() -> None:
    jets = directions([[(0.5, 0.0), (0.25, 0.0), (3.0, 4.0), (0.0, 0.5)]])
    muon = directions([[(0.0, 0.0)]])
    assert jets.near(muon, 0.5).tolist() == [False, True, False, False]
    assert directions([[(0.0, 3.1)]]).near(directions([[(0.0, -3.1)]]), 0.1).tolist() == [True]
    # 0.4 in single precision is larger than 0.4
    assert directions([[(0.4, 0.0)]], "f4").near(muon, 0.4).tolist() == [False]


@given(chunks)
def test_closest(events) -> None:
    one, two = directions([a for a, _ in events]), directions([b for _, b in events])
    found = one.closest_to(two)
    k = 0
    for i, (a, _) in enumerate(events):
        for _ in a:
            others = range(two.offsets[i], two.offsets[i + 1])
            apart = [(delta_r(one.eta[k], one.phi[k], two.eta[m], two.phi[m]), m) for m in others]
            best = min((x for x in apart if not math.isnan(x[0])), default=(math.inf, -1))
            assert (found.delta_r[k], found.index[k]) == best
            k += 1
    assert len(found.index) == len(found.delta_r) == k


def test_one_object_per_event() -> None:
    jets = directions([[(0.0, 3.0), (1.0, 0.0)], [(0.0, 0.0)], [], [(2.0, -3.0)]])
    muons = directions([[(0.5, -3.0)], [], [(1.0, 1.0)], [(2.0, 3.0)]])
    first = muons.at(0)
    phi, eta = np.array([-3.0, -3.0, np.nan, 3.0]), np.array([0.5, 0.5, np.nan, 2.0])
    np.testing.assert_array_equal(jets.delta_phi(first), delta_phi(jets.phi, phi))
    np.testing.assert_array_equal(jets.delta_r(first), delta_r(jets.eta, jets.phi, eta, phi))
    assert jets.near(first, 0.6).tolist() == [True, False, False, True]
    assert jets.near(first, 0.6).tolist() == jets.near(muons, 0.6).tolist()
    assert jets.closest_to(first).index.tolist() == [0, 0, -1, 3]
    assert jets.away_from(first, 0.6).counts.tolist() == [1, 1, 0, 0]
    met = PerEvent({"pt": np.ones(4), "phi": np.array([0.0, 1.0, 2.0, 3.0])}, name="MET")
    np.testing.assert_array_equal(jets.delta_phi(met), delta_phi(jets.phi, np.array([0.0, 0.0, 1.0, 3.0])))
    with pytest.raises(SelectionError, match="MET: there is no field 'eta'; they have pt, phi"):
        jets.delta_r(met)


def test_single_objects_of_the_same_event() -> None:
    jets = directions([[(0.0, 3.0), (1.0, -3.0)], [(0.0, 0.0)]])
    one, two = jets.at(0), jets.at(1)
    assert one.delta_phi(two)[0] == delta_phi(3.0, -3.0)
    assert one.delta_r(two)[0] == delta_r(0.0, 3.0, 1.0, -3.0)
    assert np.isnan(one.delta_phi(two)[1])
    assert np.isnan(one.delta_r(two)[1])


@pytest.mark.parametrize(
    ("act", "message"),
    [
        (lambda c, d: c.near(d[:1], 0.4), "jets has 2 events, but muons has 1"),
        (lambda c, d: c.closest_to(d.at(0)[:1]), "jets has 2 events, but muons has 1"),
        (lambda c, d: c.pairs(d[:1]), "jets has 2 events, but muons has 1"),
        (lambda c, d: c.delta_phi(d), r"jets: delta_phi is to one object per event.*pairs\(others\)"),
        (lambda c, d: c.delta_r(d), r"jets: delta_r is to one object per event"),
        (lambda c, d: c.at(0).delta_r(d), r"for a collection write objects\.delta_r"),
        (lambda c, d: c.at(0).delta_phi(d.at(0)[:1]), "jets has 2 events, but muons has 1"),
    ],
)
def test_mistakes_are_named(act, message) -> None:
    events = [[(0.0, 0.0)], []]
    with pytest.raises(SelectionError, match=message):
        act(directions(events, name="jets"), directions(events, name="muons"))
