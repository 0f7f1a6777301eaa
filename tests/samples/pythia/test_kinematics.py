"""Kinematics of the recoil."""

from __future__ import annotations

import math

import pytest

from massgap.samples.processes.filters import MassWindow
from massgap.samples.pythia.kinematics import boost, frame_of, lies_in, pair_mass, pt_eta


def particle(pt, eta, phi, mass=0.0):
    px, py, pz = pt * math.cos(phi), pt * math.sin(phi), pt * math.sinh(eta)
    return (px, py, pz, math.sqrt(px**2 + py**2 + pz**2 + mass**2))


def boost_along(p, old, new):
    """From the ancestor's old momentum to its new one."""
    return boost(boost(p, frame_of(old, -1.0)), frame_of(new, 1.0))


def test_boost_along_carries_the_ancestor_to_its_new_momentum():
    old, new = particle(20.0, 0.5, 1.0, 80.0), particle(90.0, -1.0, 2.0, 80.0)
    assert boost_along(old, old, new) == pytest.approx(new)


def test_boost_along_keeps_masses_and_products():
    old, new = particle(20.0, 0.5, 1.0, 80.0), particle(90.0, -1.0, 2.0, 80.0)
    a, b = particle(30.0, 0.1, 0.3), particle(25.0, 1.1, -2.0)

    def dot(p, q):
        return p[3] * q[3] - sum(p[k] * q[k] for k in range(3))

    moved_a, moved_b = boost_along(a, old, new), boost_along(b, old, new)
    assert dot(moved_a, moved_b) == pytest.approx(dot(a, b))
    assert dot(moved_a, new) == pytest.approx(dot(a, old))


def test_pairs_and_directions():
    assert pt_eta(particle(20.0, -1.5, 1.0, 80.0)) == pytest.approx((20.0, -1.5))
    assert pair_mass(particle(40.0, 0.0, 0.0), particle(40.0, 0.0, math.pi)) == pytest.approx(80.0)


@pytest.mark.parametrize(("mass", "inside"), [(91.19, True), (83.2, True), (99.2, False), (83.1, False)])
def test_windows_in_mass(mass, inside):
    assert lies_in(MassWindow(8.0), mass) is inside
    assert not lies_in(MassWindow(0.0), mass)
