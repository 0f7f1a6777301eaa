from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from massgap.selections.observables.ditau import ditau_from_met, ditau_mass, ditau_mass_squared
from massgap.selections.observables.invariant_mass import invariant_mass

M_Z = 91.1876
angles = st.floats(-3.1, 3.1)
quick = settings(deadline=None)


def z_to_taus(pt: float, eta: float, cos: float, azimuth: float, x1: float, x2: float):
    """Leptons, jet and MET of a Z to collinear massless taus that recoils against one jet along -x."""
    sin = math.sqrt(1 - cos * cos)
    half = M_Z / 2
    energy = math.hypot(pt, M_Z)
    leptons = []
    for sign, share in ((1, x1), (-1, x2)):
        rest = [
            sign * half * sin * math.cos(azimuth),
            sign * half * sin * math.sin(azimuth),
            sign * half * cos,
        ]
        # Boost along x to the transverse momentum, then along the beam.
        px = (energy * rest[0] + pt * half) / M_Z
        e = (energy * half + pt * rest[0]) / M_Z
        pz = math.sinh(eta) * e + math.cosh(eta) * rest[2]
        transverse = math.hypot(px, rest[1])
        leptons.append((share * transverse, math.asinh(pz / transverse), math.atan2(rest[1], px), 0.0))
    met = [
        sum((1 / share - 1) * l[0] * f(l[2]) for l, share in zip(leptons, (x1, x2), strict=True))
        for f in (math.cos, math.sin)
    ]
    return leptons, (pt, math.pi), (math.hypot(*met), math.atan2(met[1], met[0]))


@quick
@given(
    st.floats(5, 500),
    st.floats(-2, 2),
    st.floats(-0.95, 0.95),
    angles,
    st.floats(0.05, 0.95),
    st.floats(0.05, 0.95),
)
def test_the_z_mass_comes_back_exactly(pt, eta, cos, azimuth, x1, x2):
    (l1, l2), jet, met = z_to_taus(pt, eta, cos, azimuth, x1, x2)
    assume(abs(math.sin(l1[2] - l2[2])) > 1e-3)
    assert ditau_mass(*l1, *l2, *jet) == pytest.approx(M_Z, rel=1e-9)
    got = ditau_from_met(*l1, *l2, *met)
    assert got.m == pytest.approx(M_Z, rel=1e-9)
    assert (got.x1, got.x2) == pytest.approx((x1, x2), rel=1e-8)
    assert got.physical == 1.0


@quick
@given(
    st.tuples(*[st.floats(1, 300)] * 3), st.tuples(angles, angles, angles), st.floats(-2, 2), st.floats(-2, 2)
)
def test_equation_one_as_printed(pts, phis, eta1, eta2):
    x, y = (
        [pt * math.cos(phi) for pt, phi in zip(pts, phis, strict=True)],
        [pt * math.sin(phi) for pt, phi in zip(pts, phis, strict=True)],
    )

    def cross(i: int, j: int) -> float:
        return x[i] * y[j] - y[i] * x[j]

    assume(min(abs(math.sin(phis[i] - phis[j])) for i, j in ((0, 1), (0, 2), (1, 2))) > 1e-3)
    leptons = (pts[0], eta1, phis[0], 0.1, pts[1], eta2, phis[1], 0.1)
    m2_ll = invariant_mass(*leptons) ** 2
    expected = -m2_ll * cross(0, 2) * cross(1, 2) / cross(0, 1) ** 2
    got = ditau_mass_squared(*leptons, pts[2], phis[2])
    assert got.m2 == pytest.approx(expected, rel=1e-9)
    assert got.m == pytest.approx(math.copysign(math.sqrt(abs(expected)), expected), rel=1e-9)
    assert got.m == ditau_mass(*leptons, pts[2], phis[2])


def test_sign():
    # The jet's opposite lies between the leptons, the jet lies between them, neither does.
    for phi_jet, sign in ((math.pi, 1), (0.0, 1), (1.5, -1)):
        assert np.sign(ditau_mass(50, 0, 0.5, 0, 40, 0, -0.5, 0, 100, phi_jet)) == sign


@pytest.mark.parametrize(
    "leptons",
    [(20, 0.5, 0.7, 0, 30, -0.5, 0.7, 0), (0, 0.5, 0.7, 0, 30, -0.5, 0.2, 0), (20, 0, 0.7, 0, 0, 0, 0.2, 0)],
)
def test_parallel_or_missing_leptons_are_undefined(leptons):
    assert all(np.isnan(ditau_mass_squared(*leptons, 100.0, 2.0)))
    assert all(np.isnan(ditau_from_met(*leptons, 100.0, 2.0)))


def test_no_jet_momentum_gives_zero():
    assert ditau_mass(20, 0.5, 0.3, 0, 30, -0.5, 1.3, 0, 0.0, 2.0) == 0.0


def test_no_missing_momentum_gives_the_leptons_alone():
    leptons = (20, 0.5, 0.3, 0, 30, -0.5, 1.3, 0)
    got = ditau_from_met(*leptons, 0.0, 1.0)
    assert got.m == pytest.approx(invariant_mass(*leptons), rel=1e-14)
    assert (got.x1, got.x2, got.physical) == (1.0, 1.0, 1.0)


AZIMUTHS = [0.0, 0.3, -2.9, math.pi / 2, math.pi, -math.pi, 3.1]


@pytest.mark.parametrize("phi", AZIMUTHS)
@pytest.mark.parametrize("apart", [0.4, -1.7, 2.8])
@pytest.mark.parametrize("other_form", [False, True])
def test_missing_momentum_along_one_lepton_belongs_to_its_tau_alone(phi, apart, other_form):
    """The neutrinos of the first tau carry 0.7 of its lepton's momentum, the second decayed without any."""
    # The same direction, given as the angle of its components or with pi for -pi.
    along = math.atan2(0.7 * math.sin(phi), 0.7 * math.cos(phi)) if other_form else phi
    if other_form and abs(phi) == math.pi:
        along = -phi
    leptons = (20.0, 0.5, phi, 0.0, 30.0, -0.5, phi + apart, 0.0)
    got = ditau_from_met(*leptons, 0.7 * 20.0, along)
    assert (got.xi2, got.x2, got.physical) == (0.0, 1.0, 1.0)
    assert got.xi1 == pytest.approx(0.7, rel=1e-12)
    assert got.m == pytest.approx(invariant_mass(*leptons) * math.sqrt(1.7), rel=1e-12)
    swapped = ditau_from_met(*leptons[4:], *leptons[:4], 0.7 * 20.0, along)
    assert (swapped.x1, swapped.physical) == (1.0, 1.0)
    assert swapped.x2 == pytest.approx(1 / 1.7, rel=1e-12)


@pytest.mark.parametrize("side", [1e-9, -1e-9])
def test_a_billionth_of_a_radian_decides(side):
    """Between the leptons is physical, beyond one is not: the boundary is no wider than rounding."""
    got = ditau_from_met(20.0, 0.5, 0.3, 0.0, 30.0, -0.5, 1.3, 0.0, 14.0, 0.3 + side)
    assert got.physical == (side > 0)


def test_missing_momentum_against_a_lepton_is_not_physical():
    got = ditau_from_met(20.0, 0.5, 0.3, 0.0, 30.0, -0.5, 1.3, 0.0, 10.0, 0.3 - math.pi)
    assert (got.x2, got.physical) == (1.0, 0.0)
    assert got.xi1 == pytest.approx(-0.5, rel=1e-12)
