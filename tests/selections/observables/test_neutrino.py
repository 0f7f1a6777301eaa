from __future__ import annotations

import math

import awkward as ak
import mpmath as mp
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from massgap.arrays.errors import SelectionError
from massgap.physical_constants import W_MASS_2018 as W_MASS
from massgap.selections.observables.neutrino import neutrino_pz

momenta = st.floats(-1, 4).map(lambda x: 10.0**x)
angles = st.floats(-3.14, 3.14)
masses = st.sampled_from([0.0, 0.00051099895, 0.1056583755, 1.77686])
# For a lepton that is central up to rounding, which root has the larger magnitude is up to rounding, too.
etas = st.floats(-3, 3).filter(lambda eta: eta == 0.0 or abs(eta) > 1e-6)
leptons = st.tuples(momenta, etas, angles, masses)


def exact(lepton, met, phi_met, m_w=W_MASS):
    """Discriminant and both roots of the quadratic equation in 60 digits."""
    with mp.workdps(60):
        pt, eta, phi, m = (mp.mpf(x) for x in lepton)
        mt2, pz = m**2 + pt**2, pt * mp.sinh(eta)
        a = (mp.mpf(m_w) ** 2 - m**2) / 2 + pt * met * mp.cos(phi - mp.mpf(phi_met))
        disc = a**2 - mt2 * mp.mpf(met) ** 2
        root = mp.sqrt(disc)
        energy = mp.sqrt(mt2 + pz**2)
        roots = [(a * pz + sign * energy * root) / mt2 for sign in (-1, 1)]
        return disc, sorted(roots, key=lambda x: (abs(x), mp.re(x)))


def w_mass(lepton, met, phi_met, pz):
    """Mass of lepton and massless neutrino in 40 digits, so that only the error of pz counts."""
    with mp.workdps(40):
        pt, eta, phi, m = (mp.mpf(x) for x in lepton)
        met, pz = mp.mpf(met), mp.mpf(pz)
        pzl = pt * mp.sinh(eta)
        energy = mp.sqrt(pt**2 + pzl**2 + m**2)
        m2 = m**2 + 2 * (
            energy * mp.sqrt(met**2 + pz**2) - pt * met * mp.cos(phi - mp.mpf(phi_met)) - pzl * pz
        )
        return float(mp.sqrt(m2))


@settings(deadline=None, max_examples=200)
@given(leptons, momenta, angles)
def test_agrees_with_sixty_digits(lepton, met, phi_met):
    disc, roots = exact(lepton, met, phi_met)
    got = neutrino_pz(*lepton, met, phi_met)
    scale = (lepton[0] * met + W_MASS**2) ** 2
    assert got.discriminant == pytest.approx(float(disc), rel=1e-10, abs=1e-14 * scale)
    assume(abs(disc) > 1e-6 * scale)  # nearer, the roots have the rounding of the input's square root
    assert got.is_complex == (disc < 0)
    if disc < 0:
        assert got.pz1 == got.pz_real == pytest.approx(float(mp.re(roots[0])), rel=1e-10)
        assert math.isnan(got.pz2)
    else:
        size = 1e-13 * math.cosh(lepton[1]) * (lepton[0] + met + W_MASS**2 / lepton[0])
        assert [got.pz1, got.pz2] == pytest.approx([float(root) for root in roots], rel=1e-9, abs=size)
        assert abs(got.pz1) <= abs(got.pz2) * (1 + 1e-14)


@settings(deadline=None, max_examples=150)
@given(leptons, momenta, angles)
def test_real_roots_give_the_w_mass(lepton, met, phi_met):
    got = neutrino_pz(*lepton, met, phi_met)
    assume(got.is_complex == 0.0 and got.discriminant > 1e-6 * (lepton[0] * met + W_MASS**2) ** 2)
    for pz in (got.pz1, got.pz2):
        energies = lepton[0] * math.cosh(lepton[1]) * math.hypot(met, pz)
        assert w_mass(lepton, met, phi_met, pz) == pytest.approx(W_MASS, abs=1e-12 * energies / W_MASS + 1e-9)


@settings(deadline=None, max_examples=150)
@given(leptons, st.floats(1.05, 5.0), st.floats(1.0, math.pi))
def test_rescaled_met_gives_the_w_mass(lepton, excess, opening):
    # More missing momentum than a W has for this lepton and this angle: there is no real root.
    met = excess * W_MASS**2 / (2 * lepton[0] * (1 - math.cos(opening)))
    phi_met = lepton[2] + opening
    got = neutrino_pz(*lepton, met, phi_met)
    assert got.is_complex == 1.0
    assert 0.0 < got.scale <= 1.0
    energies = lepton[0] * math.cosh(lepton[1]) * math.hypot(met * got.scale, got.pz_scaled)
    mass = w_mass(lepton, met * got.scale, phi_met, got.pz_scaled)
    assert mass == pytest.approx(W_MASS, abs=1e-12 * energies / W_MASS + 1e-9)


@settings(deadline=None, max_examples=150)
@given(st.floats(-1, 1), angles, momenta, st.floats(-1, 1), angles, masses)
def test_generated_decays_are_found(cosine, phi, momentum, flight, phi_w, mass):
    """A W with a momentum decays to a lepton and a neutrino; one of the roots is the neutrino's pz."""
    energy = (W_MASS**2 + mass**2) / (2 * W_MASS)
    p = (W_MASS**2 - mass**2) / (2 * W_MASS)
    sine = math.sqrt(1 - cosine**2)
    lepton = np.array([energy, p * sine * math.cos(phi), p * sine * math.sin(phi), p * cosine])
    neutrino = np.array([p, *-lepton[1:]])
    gamma = math.hypot(1.0, momentum / W_MASS)
    across = math.sqrt(1 - flight**2)
    beta = momentum / W_MASS / gamma * np.array([across * math.cos(phi_w), across * math.sin(phi_w), flight])
    lepton, neutrino = boosted(lepton, beta, gamma), boosted(neutrino, beta, gamma)
    pt = math.hypot(lepton[1], lepton[2])
    assume(pt > 0.5)
    got = neutrino_pz(
        pt, math.asinh(lepton[3] / pt), math.atan2(lepton[2], lepton[1]), mass,
        math.hypot(neutrino[1], neutrino[2]), math.atan2(neutrino[2], neutrino[1]),
    )  # fmt: skip
    # Where the roots nearly coincide they are as far apart as the square root of the rounding.
    nearest = min(abs(got.pz1 - neutrino[3]), abs(np.nan_to_num(got.pz2, nan=np.inf) - neutrino[3]))
    total = lepton[0] + neutrino[0]
    assert nearest < 1e-6 * total * max(1.0, total / pt)


def boosted(vector, beta, gamma):
    along = beta @ vector[1:]
    space = vector[1:] + beta * (gamma**2 / (gamma + 1) * along + gamma * vector[0])
    return np.array([gamma * (vector[0] + along), *space])


@settings(deadline=None, max_examples=100)
@given(leptons, momenta, angles, st.floats(-2, 2))
@example((50.0, 0.0, 0.0, 0.0), 30.0, 1.0, 1.5)
def test_boost_along_the_beam_shifts_rapidities_only(lepton, met, phi_met, shift):
    lepton = (*lepton[:3], 0.0)
    before = neutrino_pz(*lepton, met, phi_met)
    after = neutrino_pz(lepton[0], lepton[1] + shift, *lepton[2:], met, phi_met)
    assert after.discriminant == before.discriminant
    assume(before.discriminant > 1e-6 * (lepton[0] * met + W_MASS**2) ** 2)
    rapidities = sorted(math.asinh(pz / met) + shift for pz in (before.pz1, before.pz2))
    assert sorted(math.asinh(pz / met) for pz in (after.pz1, after.pz2)) == pytest.approx(
        rapidities, abs=1e-7
    )


@settings(deadline=None, max_examples=100)
@given(leptons, momenta, angles)
def test_mirrored_events_have_mirrored_roots(lepton, met, phi_met):
    got = neutrino_pz(*lepton, met, phi_met)
    mirrored = neutrino_pz(lepton[0], -lepton[1], *lepton[2:], met, phi_met)
    assert mirrored.discriminant == got.discriminant
    assert sorted([-got.pz1, -got.pz2]) == sorted([mirrored.pz1, mirrored.pz2]) or got.is_complex
    assert mirrored.pz_real == -got.pz_real


def test_central_lepton_has_two_opposite_roots():
    got = neutrino_pz(40.0, 0.0, 0.3, 0.0, 20.0, 2.0)
    assert got.pz1 < 0
    assert got.pz2 == -got.pz1


def test_double_root_at_the_threshold():
    # Back to back with pT = MET = m_W / 2: the transverse mass is m_W, A - m_T MET = 0 exactly.
    got = neutrino_pz(40.0, 1.0, 0.0, 0.0, 40.0, math.pi, 80.0)
    assert got.discriminant == pytest.approx(0.0, abs=1e-9)
    assert got.pz1 == pytest.approx(40.0 * math.sinh(1.0), rel=1e-6)
    # Just below and above, the real part is continuous.
    for met in (40.0 * (1 - 1e-12), 40.0 * (1 + 1e-12)):
        near = neutrino_pz(40.0, 1.0, 0.0, 0.0, met, math.pi, 80.0)
        assert near.is_complex == (met > 40.0)
        assert near.pz1 == pytest.approx(got.pz1, rel=1e-5)
        assert near.pz_real == pytest.approx(got.pz_real, rel=1e-11)


def test_discriminant_without_cancellation():
    # Parallel and fast: A^2 and m_T^2 MET^2 agree to 13 digits, the difference is what counts.
    lepton, met = (3e4, 0.7, 0.0, 0.1056583755), 2e4
    disc, roots = exact(lepton, met, 1e-3)
    got = neutrino_pz(*lepton, met, 1e-3)
    assert got.discriminant == pytest.approx(float(disc), rel=1e-12)
    assert [got.pz1, got.pz2] == pytest.approx([float(root) for root in roots], rel=1e-11)


def test_small_root_without_cancellation():
    lepton = (50.0, 1.0, 0.0, 0.0)
    # MET for which the smaller root is nearly 0: E MET = A.
    met = (W_MASS**2 / 2) / (50.0 * (math.cosh(1.0) - 1.0)) * (1 + 1e-9)
    _, roots = exact(lepton, met, 0.0)
    got = neutrino_pz(*lepton, met, 0.0)
    assert abs(roots[0]) < 1e-6
    assert got.pz1 == pytest.approx(float(roots[0]), rel=1e-5)


def test_met_zero_and_lepton_without_momentum():
    got = neutrino_pz(50.0, 1.0, 0.0, 0.0, 0.0, math.nan)
    assert [got.pz1, got.pz2] == pytest.approx([-23.767894753806768, 175.6223076893577])
    at_rest = neutrino_pz(0.0, 7.0, 0.0, 0.1056583755, 20.0, 1.0)
    assert at_rest.pz1 == -at_rest.pz2
    assert all(math.isnan(value) for value in neutrino_pz(0.0, 0.0, 0.0, 0.0, 20.0, 1.0))
    assert all(math.isnan(value) for value in neutrino_pz(math.nan, 0.0, 0.0, 0.0, 20.0, 1.0))


def test_arrays_broadcast_and_are_jagged():
    phi = np.linspace(-3, 3, 7)
    arrays = neutrino_pz(50.0, 0.5, phi, 0.0, np.full(7, 30.0, np.float32), 0.2)
    assert arrays.pz1.dtype == np.float64
    one_by_one = [neutrino_pz(50.0, 0.5, x, 0.0, 30.0, 0.2).pz1 for x in phi]
    np.testing.assert_array_equal(arrays.pz1, one_by_one)
    jagged = ak.unflatten(phi, [3, 0, 4])
    got = neutrino_pz(50.0, 0.5, jagged, 0.0, ak.Array([30.0, 30.0, 30.0]), 0.2)
    assert got.pz1.to_list() == [one_by_one[:3], [], one_by_one[3:]]
    with pytest.raises(SelectionError, match="do not fit together"):
        neutrino_pz([50.0, 40.0], 0.5, phi, 0.0, 30.0, 0.2)
