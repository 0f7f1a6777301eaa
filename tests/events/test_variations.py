"""Systematic variations of objects and weights."""

from __future__ import annotations

import math

import awkward as ak
import eventfiles
import numpy as np
import pytest

from massgap.arrays.errors import SelectionError
from massgap.events.errors import MissingBranchError
from massgap.events.event import Event
from massgap.events.variations import OBJECT_VARIATIONS, scale_jets, scale_muons, weight_variation


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


def test_up_and_down_are_what_they_say(plain) -> None:
    event = event_of(plain)
    for variations in OBJECT_VARIATIONS.values():
        down, up = variations.values()
        assert [name.rsplit("_", 1)[1] for name in variations] == ["down", "up"]
        total = [float(down(e).jets.pt.sum() + down(e).muons.pt.sum()) for e in (event,)]
        more = [float(up(e).jets.pt.sum() + up(e).muons.pt.sum()) for e in (event,)]
        assert total < [float(event.jets.pt.sum() + event.muons.pt.sum())] < more


def vector(n, values):
    return ak.Array([list(values)] * n)


def test_parton_shower_weights(plain) -> None:
    event = event_of(plain, PSWeight=vector(80, [2.0, 3.0, 5.0, 7.0]))
    for name, (up, down) in {"isr": (2.0, 5.0), "fsr": (3.0, 7.0)}.items():
        found = weight_variation(event, name)
        assert found[f"{name}_up"].tolist() == (event.weights * up).tolist()
        assert found[f"{name}_down"].tolist() == (event.weights * down).tolist()


def test_scale_weights(plain) -> None:
    # muR in the slow index, muF in the fast one: (0.5, 0.5), (0.5, 1), (0.5, 2), (1, 0.5), (1, 1), ...
    grid = [10 * r + f for r in (1, 2, 3) for f in (1, 2, 3)]
    event = event_of(plain, LHEScaleWeight=vector(80, grid))
    mur, muf = weight_variation(event, "mur"), weight_variation(event, "muf")
    ratio = {k: (v / event.weights).round().tolist()[0] for k, v in {**mur, **muf}.items()}
    assert ratio == {"mur_up": 32.0, "mur_down": 12.0, "muf_up": 23.0, "muf_down": 21.0}


def test_weights_that_are_missing_or_of_another_kind(plain) -> None:
    with pytest.raises(MissingBranchError, match=r"LHEScaleWeight.*Leave 'mur' out"):
        weight_variation(event_of(plain), "mur")
    with pytest.raises(SelectionError, match=r"PSWeight has not 4 entries in every event"):
        weight_variation(event_of(plain, PSWeight=vector(80, [1.0])), "isr")
    with pytest.raises(MissingBranchError, match=r"PSWeight"):
        weight_variation(Event(ak.zip(eventfiles.delphes_columns(plain), depth_limit=1)), "isr")
    empty = event_of(plain, PSWeight=vector(80, [1.0, 1, 1, 1]))[np.zeros(80, dtype=bool)]
    assert weight_variation(empty, "isr")["isr_up"].tolist() == []
