"""Particles in the field of a solenoid: against steps along their path, and what the detector makes of it."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.samples.detector.card import load_card
from massgap.samples.detector.draws import EventRandom
from massgap.samples.detector.field import at_calorimeter
from massgap.samples.detector.response import reconstruct

TABLE = {"strength": 3.8, "radius": 1.29, "half_length": 3.0}


def followed(pt, eta, phi, charge):
    """Place where a particle leaves the cylinder, by small steps along its path."""
    step, turn = 2e-4, 2e-4 * 0.299792458 * 3.8 * charge / pt
    s = np.arange(1, int(60 / step))
    azimuth = phi - turn * (s - 0.5)
    x, y, z = np.cumsum(np.cos(azimuth)) * step, np.cumsum(np.sin(azimuth)) * step, s * step * np.sinh(eta)
    out = np.flatnonzero((np.hypot(x, y) >= 1.29) | (np.abs(z) >= 3.0))[0]
    return x[out], y[out], z[out]


@given(
    st.floats(0.2, 50.0), st.floats(0.15, 3.0), st.floats(-3.1, 3.1), st.sampled_from([-1.0, 1.0]), st.booleans()
)  # fmt: skip
@settings(max_examples=25, deadline=None)
def test_places_are_those_of_small_steps(pt, eta, phi, charge, backwards) -> None:
    eta = -eta if backwards else eta
    found, turned = at_calorimeter(TABLE, *(np.array([v]) for v in (pt, eta, phi, charge)))
    x, y, z = followed(pt, eta, phi, charge)
    distance = np.hypot(x, y)
    # in metres, where it is near: close to the axis an angle says nothing
    assert abs(z - distance * np.sinh(found[0])) < 5e-3 * max(1.0, abs(np.sinh(found[0])))
    assert abs(np.remainder(np.arctan2(y, x) - turned[0] + np.pi, 2 * np.pi) - np.pi) * distance < 5e-3
    assert -np.pi < turned[0] <= np.pi


def test_neutral_particles_fly_straight_and_no_number_is_undefined() -> None:
    eta, phi = np.array([0.5, 0.0, 0.0, -4.9]), np.array([-3.0, 3.1, 1.0, 0.0])
    found = at_calorimeter(TABLE, np.array([1.0, 0.1, 5.0, 1e-3]), eta, phi, np.array([0.0, 1.0, -2.0, 1.0]))
    assert (found[0][0], found[1][0]) == (0.5, -3.0)
    assert np.isfinite(found).all()
    # twice the charge turns twice as much
    one = at_calorimeter(TABLE, np.array([2.5]), eta[2:3], phi[2:3], np.array([-1.0]))
    assert found[1][2] == pytest.approx(one[1][0])


def test_deposits_move_and_tracks_do_not(guns) -> None:
    """A pion without a track is seen where it meets the barrel, with its energy; one with a track, where it was made for."""
    n, pt = 4000, 3.0
    for efficiency, shift in ((0.0, np.arcsin(1.29 * 0.299792458 * 3.8 / (2 * pt))), (1.0, 0.0)):
        card = copy.deepcopy(load_card("cms-towers"))
        del card["calorimeter"]["towers"]
        card["tracking"]["hadron"]["values"] = [[efficiency] * 2] * 2
        record = guns.record_of(n, np.arange(n), 211, 1, -1, pt, 0.2, 1.0, 0.13957)
        columns = {k: getattr(record, k) for k in ("pdg", "charge", "px", "py", "pz", "energy", "mass")}
        draws = EventRandom(1).objects("particle", record.event)
        seen = reconstruct(record.event, **columns, card=card, draws=draws)
        assert seen.phi == pytest.approx(np.full(len(seen.phi), 1.0 - shift))
        assert len(seen.pt) > 0.5 * n
        if efficiency:
            assert seen.pt.mean() == pytest.approx(pt, rel=0.02)
