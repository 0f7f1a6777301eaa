"""Systematic variations of objects and weights."""

from __future__ import annotations

import math

import awkward as ak
import eventfiles
import numpy as np
import pytest

from massgap.arrays.errors import SelectionError
from massgap.events.columns import Columns
from massgap.events.event import Event
from massgap.events.variations import (
    ABSENT,
    DUMMY,
    EMPTY,
    OBJECT_VARIATIONS,
    UNTOLD,
    scale_electrons,
    scale_jets,
    scale_leptons,
    scale_muons,
    scale_unclustered,
    stretch_jets,
    varied_weights,
)


@pytest.fixture(scope="module")
def plain():
    return eventfiles.make_events(80, seed=11)


def event_of(plain, **changes):
    arrays = {**eventfiles.columns(plain), **changes}
    return Event(ak.zip({k: v for k, v in arrays.items() if v is not None}, depth_limit=1))


def momentum(objects, i):
    one = objects[[i]]
    return sum(
        complex(pt * math.cos(phi), pt * math.sin(phi)) for pt, phi in zip(one.pt, one.phi, strict=True)
    )


@pytest.mark.parametrize("factor", [1.03, 0.97, 1.0])
def test_what_jets_gain_met_loses(plain, factor) -> None:
    event = event_of(plain)
    shifted = scale_jets(event, factor)
    for i in range(len(plain)):
        met = complex(*(event.met.pt[i] * f(event.met.phi[i]) for f in (math.cos, math.sin)))
        found = complex(*(shifted.met.pt[i] * f(shifted.met.phi[i]) for f in (math.cos, math.sin)))
        hard = event.jets.where(event.jets.pt > 15)
        assert abs(found - (met - (factor - 1) * momentum(hard, i))) < 1e-9
    np.testing.assert_allclose(shifted.jets.pt, factor * event.jets.pt, rtol=1e-15)
    np.testing.assert_allclose(shifted.jets.mass, factor * event.jets.mass, rtol=1e-15)
    assert shifted.jets.b_tagged.tolist() == event.jets.b_tagged.tolist()
    assert shifted.muons.pt.tolist() == event.muons.pt.tolist()


def test_muons(plain) -> None:
    event = event_of(plain)
    shifted = scale_muons(event, 1.002)
    good = event.muons.where(event.muons.identified)
    for i in range(len(plain)):
        met = complex(*(event.met.pt[i] * f(event.met.phi[i]) for f in (math.cos, math.sin)))
        found = complex(*(shifted.met.pt[i] * f(shifted.met.phi[i]) for f in (math.cos, math.sin)))
        assert abs(found - (met - 0.002 * momentum(good, i))) < 1e-9
    np.testing.assert_allclose(shifted.muons.pt, 1.002 * event.muons.pt, rtol=1e-15)


def met_of(event, i):
    return complex(*(event.met.pt[i] * f(event.met.phi[i]) for f in (math.cos, math.sin)))


def test_electrons_and_leptons(plain) -> None:
    event = event_of(plain)
    alone, both = scale_electrons(event, 1.003), scale_leptons(event, 0.998, 1.01)
    np.testing.assert_allclose(alone.electrons.pt, 1.003 * event.electrons.pt, rtol=1e-15)
    assert alone.muons.pt.tolist() == event.muons.pt.tolist()
    np.testing.assert_allclose(both.electrons.pt, 1.01 * event.electrons.pt, rtol=1e-15)
    np.testing.assert_allclose(both.muons.pt, 0.998 * event.muons.pt, rtol=1e-15)
    electrons, muons = (objects.where(objects.identified) for objects in (event.electrons, event.muons))
    for i in range(len(plain)):
        assert abs(met_of(alone, i) - (met_of(event, i) - 0.003 * momentum(electrons, i))) < 1e-9
        moved = -0.002 * momentum(muons, i) + 0.01 * momentum(electrons, i)
        assert abs(met_of(both, i) - (met_of(event, i) - moved)) < 1e-9


def test_unclustered_energy_is_what_is_in_no_object(plain) -> None:
    event = event_of(plain)
    shifted = scale_unclustered(event, 1.1)
    leptons = [objects.where(objects.identified) for objects in (event.muons, event.electrons)]
    assert any(len(objects.pt) for objects in leptons)
    for i in range(len(plain)):
        found = sum(momentum(objects, i) for objects in leptons)
        jets, near = event.jets[[i]], [objects[[i]] for objects in leptons]
        for pt, eta, phi in zip(jets.pt, jets.eta, jets.phi, strict=True):
            distances = [
                math.hypot(eta - e, math.remainder(phi - p, 2 * math.pi))
                for objects in near
                for e, p in zip(objects.eta, objects.phi, strict=True)
            ]
            if pt > 15 and min(distances, default=1.0) >= 0.4:
                found += complex(pt * math.cos(phi), pt * math.sin(phi))
        rest = -met_of(event, i) - found
        assert abs(met_of(shifted, i) - (met_of(event, i) - 0.1 * rest)) < 1e-9
    assert shifted.jets.pt.tolist() == event.jets.pt.tolist()
    assert scale_unclustered(event, 1.0).met.pt == pytest.approx(event.met.pt)


def test_jets_move_away_from_their_generated_ones() -> None:
    jet = {"pt": 50.0, "eta": 0.5, "phi": 3.1, "mass": 5.0}
    near, far = (
        {"pt": 40.0, "eta": 0.6, "phi": -3.14, "mass": 4.0},
        {"pt": 70.0, "eta": 0.75, "phi": 3.1, "mass": 0.0},
    )
    event = Event(
        ak.zip(
            {
                "Jet": ak.Array([[jet, {**jet, "eta": -2.0, "pt": 10.0}], [jet], []]),
                "GenJet": ak.Array([[far, near, {**near, "eta": -2.1, "pt": 12.0}], [far], [near]]),
                "MET_pt": [30.0, 30.0, 30.0],
                "MET_phi": [0.0, 0.0, 0.0],
                "genWeight": [1.0, 1.0, 1.0],
            },
            depth_limit=1,
        )
    )
    shifted = stretch_jets(event, 1.2)
    # the second event's generated jet is too far away
    assert shifted.jets.pt.tolist() == pytest.approx([52.0, 9.6, 50.0])
    assert shifted.jets.mass.tolist() == pytest.approx([5.2, 4.8, 5.0])
    # soft jets are no part of what MET takes up
    gained = 2.0 * complex(math.cos(3.1), math.sin(3.1))
    assert abs(met_of(shifted, 0) - (30.0 - gained)) < 1e-6
    assert shifted.met.pt[1:] == pytest.approx([30.0, 30.0])
    # however wrong a jet is, it does not point backwards
    assert (stretch_jets(event, 100.0).jets.pt > 0).all()


def test_jets_are_in_order_after_each_was_stretched_by_itself() -> None:
    jets, truth = (
        [{"pt": pt, "eta": eta, "phi": eta, "mass": 1.0} for pt, eta in zip(pts, (0.0, 2.0), strict=True)]
        for pts in ((50.0, 48.0), (60.0, 40.0))
    )
    columns = {"Jet": ak.Array([jets]), "GenJet": ak.Array([truth]), "MET_pt": [30.0], "MET_phi": [0.0]}
    event = Event(ak.zip({**columns, "genWeight": [1.0]}, depth_limit=1))
    assert event.jets.at(0).pt.tolist() == [50.0]
    shifted = stretch_jets(event, 1.2)
    assert shifted.jets.pt.tolist() == pytest.approx([49.6, 48.0])
    assert shifted.jets.at(0).eta.tolist() == [2.0]


@pytest.mark.parametrize("met", ["detector", "objects"])
@pytest.mark.parametrize("shift", [scale_jets, scale_muons, scale_electrons, scale_unclustered, stretch_jets])
def test_shifted_met_of_some_events_is_that_of_all_bit_for_bit(plain, shift, met) -> None:
    """It is computed for the events that are left when it is asked for."""
    arrays = {k: v for k, v in eventfiles.columns(plain).items() if v is not None}
    jets = arrays["Jet"]
    arrays["GenJet"] = ak.zip({"pt": 0.9 * jets.pt + 2, "eta": jets.eta, "phi": jets.phi, "mass": jets.mass})
    event = Event(ak.zip(arrays, depth_limit=1), met=met)
    whole = shift(event, 1.05).met
    for chosen in (np.arange(80) % 3 == 0, np.arange(80) == 7, np.zeros(80, bool)):
        part = shift(event, 1.05)[chosen]
        # Selected objects in place of all are nothing that MET is computed from.
        part = part.with_(jets=part.jets.leading(1), muons=part.muons.leading(1))
        assert part.met.pt.tobytes() == whole.pt[chosen].tobytes()
        assert part.met.phi.tobytes() == whole.phi[chosen].tobytes()
    assert np.array_equal(whole.pt, event.met.pt) == (shift is scale_unclustered and met == "objects")


def test_up_and_down_are_what_they_say(plain) -> None:
    event = event_of(plain)

    def total(one):
        return float(sum(objects.pt.sum() for objects in (one.jets, one.muons, one.electrons)))

    for name, variations in OBJECT_VARIATIONS.items():
        down, up = variations.values()
        assert [one.rsplit("_", 1)[1] for one in variations] == ["down", "up"]
        assert {one.rsplit("_", 1)[0] for one in variations} == {name}
        if name.endswith(("scale", "jes")):
            assert total(down(event)) < total(event) < total(up(event))
        elif name == "unclustered":
            assert total(down(event)) == total(event) == total(up(event))
            assert down(event).met.pt.tolist() != up(event).met.pt.tolist()


def vector(n, values):
    return ak.Array([list(values)] * n)


def ratios(event, systematic):
    """Variation -> weight of each event relative to the nominal one, and why events count as nominal."""
    found = varied_weights(event, systematic)
    return {k: (v / event.weights).round(6).tolist() for k, v in found.weights.items()}, found.nominal


def test_parton_shower_weights(plain) -> None:
    event = event_of(plain, PSWeight=vector(80, [2.0, 3.0, 5.0, 7.0]))
    for name, (up, down) in {"isr": (2.0, 5.0), "fsr": (3.0, 7.0)}.items():
        found = varied_weights(event, name)
        assert found.nominal == {}
        assert found.weights[f"{name}_up"].tolist() == (event.weights * up).tolist()
        assert found.weights[f"{name}_down"].tolist() == (event.weights * down).tolist()


def test_scale_weights(plain) -> None:
    # muR in the slow index, muF in the fast one: (0.5, 0.5), (0.5, 1), (0.5, 2), (1, 0.5), (1, 1), ...
    grid = [10 * r + f for r in (1, 2, 3) for f in (1, 2, 3)]
    for given in (grid, [point for point in grid if point != 22]):  # with and without the nominal
        event = event_of(plain, LHEScaleWeight=vector(80, given))
        mur, muf = ratios(event, "mur")[0], ratios(event, "muf")[0]
        found = {k: v[0] for k, v in {**mur, **muf}.items()}
        assert found == {"mur_up": 32.0, "mur_down": 12.0, "muf_up": 23.0, "muf_down": 21.0}


@pytest.mark.parametrize("length", [12, 44])
def test_all_shower_weights(plain, length) -> None:
    # Reduced, default and conservative set of ISR up, FSR up, ISR down, FSR down; then others.
    event = event_of(plain, PSWeight=vector(80, [100.0 + i for i in range(length)]))
    isr, fsr = ratios(event, "isr")[0], ratios(event, "fsr")[0]
    assert {k: v[0] for k, v in {**isr, **fsr}.items()} == {
        "isr_up": 104.0,
        "isr_down": 106.0,
        "fsr_up": 105.0,
        "fsr_down": 107.0,
    }


def test_events_without_weights_count_as_nominal(plain) -> None:
    grid = [10.0 * r + f for r in (1, 2, 3) for f in (1, 2, 3)]
    mixed = ak.Array([[] if i % 4 == 0 else grid if i % 2 else grid[:4] + grid[5:] for i in range(80)])
    found, nominal = ratios(event_of(plain, LHEScaleWeight=mixed), "mur")
    assert nominal == {EMPTY: 20}
    assert found["mur_up"] == [1.0 if i % 4 == 0 else 32.0 for i in range(80)]
    assert ratios(event_of(plain), "mur") == ({"mur_up": [1.0] * 80, "mur_down": [1.0] * 80}, {ABSENT: 80})
    # The dummy that NanoAOD writes is 1; whatever stands there is none of the variations.
    found, nominal = ratios(event_of(plain, PSWeight=vector(80, [0.7])), "isr")
    assert (found["isr_up"], found["isr_down"], nominal) == ([1.0] * 80, [1.0] * 80, {DUMMY: 80})
    delphes = Event(ak.zip(eventfiles.delphes_columns(plain), depth_limit=1))
    assert varied_weights(delphes, "isr").nominal == {ABSENT: 80}
    empty = event_of(plain, PSWeight=vector(80, [1.0, 1, 1, 1]))[np.zeros(80, dtype=bool)]
    assert varied_weights(empty, "isr").weights["isr_up"].tolist() == []


@pytest.mark.parametrize(
    ("branch", "systematic", "length"),
    [("PSWeight", "isr", n) for n in (2, 3, 5, 8, 14, 46)]
    + [("LHEScaleWeight", "mur", n) for n in (1, 2, 7, 10, 18, 44)],
)
def test_unknown_lengths_are_refused(plain, branch, systematic, length) -> None:
    odd = ak.Array([[1.0] * (length if i == 7 else 4 if branch == "PSWeight" else 9) for i in range(80)])
    with pytest.raises(SelectionError, match=rf"{branch} has {length} entries, .*Do this"):
        varied_weights(event_of(plain, **{branch: odd}), systematic, "Do this")


class Titled(Columns):
    """Columns with the title of a branch, as files of NanoAOD have it."""

    def __init__(self, events, titles) -> None:
        super().__init__(events)
        self.titles = titles

    def title(self, collection, field):
        return self.titles.get(field, "")


def titled(plain, title, weights, **more):
    arrays = {**eventfiles.columns(plain), "PSWeight": weights, **more}
    return Event(Titled(ak.zip(arrays, depth_limit=1), {"PSWeight": title}))


OLD = "PS weights (w_var / w_nominal); [0] is ISR=0.5 FSR=1; [1] is ISR=1 FSR=0.5; [2] is ISR=2 FSR=1; [3] is ISR=1 FSR=2 "


def test_titles_are_followed(plain) -> None:
    found, nominal = ratios(titled(plain, OLD, vector(80, [2.0, 3.0, 5.0, 7.0])), "isr")
    assert (found["isr_up"][0], found["isr_down"][0], nominal) == (5.0, 2.0, {})
    # Only of lists as long as what they tell.
    found, _ = ratios(titled(plain, OLD, vector(80, [100.0 + i for i in range(44)])), "isr")
    assert (found["isr_up"][0], found["isr_down"][0]) == (104.0, 106.0)
    _, nominal = ratios(titled(plain, "dummy PS weight (1.0) ", vector(80, [1.0] * 4)), "isr")
    assert nominal == {DUMMY: 80}
    only = "PS weights; [0] is ISR=2 FSR=1; [1] is ISR=0.5 FSR=1"
    assert ratios(titled(plain, only, vector(80, [2.0, 3.0])), "fsr")[1] == {UNTOLD: 80}
    assert ratios(titled(plain, only, vector(80, [2.0, 3.0])), "isr")[0]["isr_down"][0] == 3.0


@pytest.mark.parametrize("factor", [1e-3, 40.0])
def test_weights_that_are_not_relative_to_the_nominal_are_refused(plain, factor) -> None:
    """NanoAOD up to version 6 divides by the weight of the matrix element: all four are off by the same factor."""
    right = np.array([1.1, 0.9, 0.8, 1.3])
    weight = eventfiles.columns(plain)["genWeight"]
    original = {"LHEWeight_originalXWGTUP": (weight / factor).astype(np.float32)}
    with pytest.raises(
        SelectionError, match=r"relative to the weight of the matrix element .*LHEWeight_originalXWGTUP"
    ):
        varied_weights(titled(plain, OLD, vector(80, right * factor), **original), "isr")
    found, _ = ratios(titled(plain, OLD, vector(80, right), **original), "isr")
    assert (found["isr_up"][0], found["isr_down"][0]) == (0.8, 1.1)
