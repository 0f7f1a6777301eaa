from __future__ import annotations

import itertools

import awkward as ak
import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.arrays.errors import SelectionError
from massgap.selections.observables.cascades.delta4 import delta4, deltas
from massgap.selections.observables.cascades.delta4_noise import delta4_noise

TRUTH = (390.0, 360.0, 330.0, 300.0)
MUON = 0.1056583755
EVENT = (30.0, 0.3, 0.4, MUON, 20.0, 0.5, 1.0, MUON, 10.0, -0.5, 2.0, 0.0)


def determinant(matrix):
    if len(matrix) == 1:
        return matrix[0][0]
    minors = ([row[:j] + row[j + 1 :] for row in matrix[1:]] for j in range(len(matrix)))
    return sum((-1) ** j * matrix[0][j] * determinant(minor) for j, minor in enumerate(minors))


def reference(inputs):
    """Delta_1 to Delta_4 and the z by the definitions: four-vectors, a 4 x 4 matrix, sums of its minors."""
    values = [mpmath.mpf(x) for x in inputs]
    p, mass = [], []
    for pt, eta, phi, m in (values[k : k + 4] for k in (0, 4, 8)):
        momentum = pt * mpmath.cos(phi), pt * mpmath.sin(phi), pt * mpmath.sinh(eta)
        mass.append(max(m, 0))
        p.append((mpmath.sqrt(sum(c * c for c in momentum) + mass[-1] ** 2), *momentum))
    z = [[mpmath.mpf(0)] * 4 for _ in range(4)]
    for i in range(3):
        for j in range(3):
            z[i][j] = (
                mass[i] ** 2
                if i == j
                else p[i][0] * p[j][0] - sum(a * b for a, b in zip(p[i][1:], p[j][1:], strict=True))
            )
    squares = [m**2 for m in values[12:]]
    z[2][3] = (squares[2] - squares[3] - mass[2] ** 2) / 2
    z[1][3] = (squares[1] - squares[2] - mass[1] ** 2) / 2 - z[1][2]
    z[0][3] = (squares[0] - squares[1] - mass[0] ** 2) / 2 - z[0][1] - z[0][2]
    for i in range(3):
        z[3][i] = z[i][3]
    z[3][3] = squares[3]
    sums = [
        sum(
            determinant([[z[i][j] for j in rows] for i in rows])
            for rows in itertools.combinations(range(4), k)
        )
        for k in (1, 2, 3, 4)
    ]
    products = [z[0][1], z[0][2], z[1][2], z[0][3], z[1][3], z[2][3]]
    return [sums[0], -sums[1], sums[2], -sums[3], *products]


def nasty_event(rng):
    """Sixteen inputs: scales from 1e-3 to 1e5 GeV, parallel, soft, at rest, across the seam, odd spectra."""
    scale, kind = 10.0 ** rng.uniform(-3, 5), rng.integers(11)
    v = [
        [
            scale * rng.exponential(),
            rng.uniform(-5, 5),
            rng.uniform(-np.pi, np.pi),
            rng.choice([0.0, MUON, scale]),
        ]
        for _ in range(3)
    ]
    if rng.random() < 0.6:
        v[2][3] = 0.0
    if kind in (1, 2, 3):
        v[1][1:3] = v[0][1:3]  # two parallel
    if kind == 2:
        v[2][1:3] = v[0][1:3]  # three parallel
    if kind == 3:
        v[1][0], v[1][3] = 3 * v[0][0], 3 * v[0][3]  # and equally fast
    if kind == 4:
        v[1] = list(v[0])
    if kind == 5:
        v[1][1], v[1][2] = v[0][1] + 1e-8 * rng.normal(), v[0][2] + 1e-8 * rng.normal()
    if kind == 6:
        v[rng.integers(3)][0] *= 1e-9
    if kind == 7:
        v[rng.integers(3)][0] = 0.0
    if kind == 8:
        v[0][2], v[1][2] = np.pi - 1e-7 * rng.random(), -np.pi + 1e-7 * rng.random()
    spectrum = np.sort(scale * rng.exponential(size=4) * rng.choice([1, 10]))[::-1].copy()
    spectrum += rng.choice([0, 0, 100]) * scale
    if rng.random() < 0.2:
        spectrum[3] = 0.0
    if rng.random() < 0.1:
        spectrum[rng.integers(1, 4)] = spectrum[0]
    return [float(x) for x in itertools.chain(*v, spectrum)]


def moved_to_zero(inputs):
    """The same with the chi mass next to where Delta_4 changes its sign, if it does."""
    masses = np.linspace(0.0, inputs[14], 50)
    signs = np.sign(delta4(*inputs[:15], masses))
    changes = np.flatnonzero(signs[1:] * signs[:-1] < 0)
    if not changes.size:
        return inputs
    low, high = masses[changes[0]], masses[changes[0] + 1]
    for _ in range(100):
        middle = 0.5 * (low + high)
        if np.sign(delta4(*inputs[:15], middle)) == signs[changes[0]]:
            low = middle
        else:
            high = middle
    return [*inputs[:15], float(low)]


def test_against_200_digits():
    rng = np.random.default_rng(11)
    events = [nasty_event(rng) for _ in range(250)]
    events += [moved_to_zero(event) for event in events[::4]]
    columns = np.array(events).T
    coefficients, products = deltas(*columns)
    exact = np.array([*coefficients, *products])
    fast, swapped = delta4(*columns), delta4(*columns[4:8], *columns[:4], *columns[8:])
    noise = delta4_noise(*columns)
    with mpmath.workdps(200):
        for i, event in enumerate(events):
            for k, ref in enumerate(reference(event)):
                # 1e-150: exact zeros come out as the rounding error of 200 digits
                allowed = (2e-16 if k != 3 else 1e-12) * abs(ref) + mpmath.mpf("1e-150")
                assert abs(exact[k, i] - ref) <= allowed, (k, event)
                if k == 3:
                    assert abs(fast[i] - ref) <= 2e-11 * abs(ref) + mpmath.mpf("1e-150"), event
                    assert abs(exact[3, i] - ref) <= noise[i] + 2e-16 * abs(ref) + mpmath.mpf("1e-150"), event
            if i % 8 == 0:
                ref = reference([*event[4:8], *event[:4], *event[8:]])[3]
                assert abs(swapped[i] - ref) <= 2e-11 * abs(ref) + mpmath.mpf("1e-150"), event


def test_plain_numpy_would_not_do(cascade_decays):
    """A determinant in float64 is off by far more than the noise, ours is not."""
    v = cascade_decays(300, TRUTH, 2, MUON)
    # one muon twice, and the photon parallel: Delta_4 is nearly zero, a difference of far larger terms
    v[4:8], v[9:11] = v[:4], v[1:3]
    inputs = [*v, *(np.full(300, m) for m in TRUTH)]
    p = [
        np.array([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
        for pt, eta, phi, _ in v.reshape(3, 4, -1)
    ]
    e = [np.sqrt((q**2).sum(axis=0) + m**2) for q, m in zip(p, v[3::4], strict=True)]
    z = np.array([[e[i] * e[j] - (p[i] * p[j]).sum(axis=0) for j in range(3)] for i in range(3)])
    x, y, zz, c = (m**2 for m in TRUTH)
    z4 = [
        0.5 * (x - y) - z[0, 1] - z[0, 2] - z[0, 0] / 2,
        0.5 * (y - zz) - z[1, 2] - z[1, 1] / 2,
        0.5 * (zz - c) - z[2, 2] / 2,
    ]
    full = np.empty((300, 4, 4))
    full[:, :3, :3] = z.transpose(2, 0, 1)
    full[:, 3, :3] = full[:, :3, 3] = np.array(z4).T
    full[:, 3, 3] = c
    plain, noise = -np.linalg.det(full), delta4_noise(*inputs)
    with mpmath.workdps(60):
        exact = np.array([float(reference(event)[3]) for event in zip(*inputs, strict=True)])
    assert np.mean(abs(plain - exact) > 100 * noise) > 0.5
    assert np.all(abs(delta4(*inputs) - exact) <= noise + 2e-11 * abs(exact))


def test_collinear_massless_particles_give_zero():
    direction = (0.5, 0.5, 0.0)
    assert delta4(30.0, *direction, 20.0, *direction, 10.0, *direction, *TRUTH) == 0.0
    coefficients, _ = deltas(30.0, *direction, 20.0, *direction, 10.0, *direction, *TRUTH)
    assert coefficients.delta3 == 0.0
    assert coefficients.delta2 == 11250.0**2 + 10350.0**2 + 9450.0**2


@pytest.mark.parametrize("m_mu", [0.0, MUON])
@pytest.mark.parametrize("spectrum", [TRUTH, (1000.0, 300.0, 100.0, 0.0), (5.0, 4.0, 3.0, 1.0)])
def test_decays_are_inside_their_own_phase_space(cascade_decays, spectrum, m_mu):
    v = cascade_decays(3000, spectrum, 7, m_mu)
    coefficients, _ = deltas(*v, *spectrum)
    noise = delta4_noise(*v, *spectrum)
    assert (coefficients.delta1 >= 0).all()
    assert (coefficients.delta2 > 0).all()
    assert (coefficients.delta3 > 0).all()
    assert (coefficients.delta4 > -30 * noise).all()
    # and signal events gather at the boundary of phase space
    assert np.median(coefficients.delta4) < 0.3 * coefficients.delta4.max()


def test_wrong_spectra_put_events_outside(cascade_decays):
    v = cascade_decays(3000, TRUTH, 8)
    assert (delta4(*v, 691.0, 660.0, 631.0, 600.0) < 0).mean() > 0.01
    assert (delta4(*v, 390.0, 380.0, 330.0, 300.0) < 0).mean() > 0.3


angles = st.floats(-3.0, 3.0)
momenta = st.floats(0.1, 500.0)


@settings(max_examples=60)
@given(
    event=st.tuples(*[momenta, angles, angles] * 3),
    m_mu=st.sampled_from([0.0, MUON]),
    boost=angles,
    turn=angles,
    power=st.integers(-8, 8),
)
def test_boosts_rotations_reflections_and_scales(event, m_mu, boost, turn, power):
    pt1, eta1, phi1, pt2, eta2, phi2, pt3, eta3, phi3 = event

    def at(shift=0.0, angle=0.0, sign=1.0, scale=1.0):
        legs = (
            (pt1 * scale, sign * eta1 + shift, sign * phi1 + angle, m_mu * scale),
            (pt2 * scale, sign * eta2 + shift, sign * phi2 + angle, m_mu * scale),
            (pt3 * scale, sign * eta3 + shift, sign * phi3 + angle, 0.0),
        )
        return (*legs[0], *legs[1], *legs[2], *(m * scale for m in TRUTH))

    value, noise = delta4(*at()), delta4_noise(*at())
    tolerance = 1e3 * noise + 1e-9 * abs(value)
    assert delta4(*at(angle=turn)) == pytest.approx(value, abs=tolerance, rel=0)
    assert delta4(*at(sign=-1.0)) == pytest.approx(value, abs=tolerance, rel=0)
    # Powers of two scale without rounding, so that all digits stay.
    assert delta4(*at(scale=2.0**power)) == pytest.approx(2.0 ** (8 * power) * value, rel=1e-10)
    if m_mu == 0.0:
        # For massless particles a boost along the beam is a shift in eta.
        assert delta4(*at(shift=boost)) == pytest.approx(
            value, abs=tolerance + delta4_noise(*at(shift=boost)) * 1e3, rel=0
        )


def test_noise_is_the_first_order_response():
    """Derivatives by differences in 80 digits."""
    rng = np.random.default_rng(3)
    with mpmath.workdps(80):
        for _ in range(6):
            m = rng.choice([0.0, MUON, 5.0], 3)
            event = [
                x for k in range(3) for x in (rng.exponential(50), rng.normal(), rng.uniform(-3, 3), m[k])
            ]
            inputs = [mpmath.mpf(float(x)) for x in (*event, *TRUTH)]
            total = mpmath.mpf(0)
            step = mpmath.mpf("1e-20")
            for k in range(16):
                up, down = list(inputs), list(inputs)
                up[k] *= 1 + step
                down[k] *= 1 - step
                total += ((reference(up)[3] - reference(down)[3]) / (2 * step)) ** 2
            assert delta4_noise(*event, *TRUTH, relative=1.0) == pytest.approx(
                float(mpmath.sqrt(total)), rel=1e-7
            )


def test_broadcasting_jagged_arrays_and_single_precision():
    expected = delta4(*EVENT, *TRUTH)
    assert isinstance(expected, float)
    scan = delta4(*EVENT, *TRUTH[:3], np.array([300.0, 200.0]))
    np.testing.assert_array_equal(scan, [expected, delta4(*EVENT, *TRUTH[:3], 200.0)])
    photons = ak.Array([[10.0, 11.0], [], [10.0]])
    jagged = delta4(*EVENT[:8], photons, *EVENT[9:], *TRUTH)
    assert ak.num(jagged).tolist() == [2, 0, 1]
    assert jagged[2, 0] == jagged[0, 0] == expected
    single = [np.float32(x) for x in (*EVENT, *TRUTH)]
    result = delta4(*single)
    assert result.dtype == np.float64
    assert result == delta4(*(float(x) for x in single))


def test_odd_input():
    assert np.isnan(delta4(np.nan, *EVENT[1:], *TRUTH))
    assert np.isnan(delta4(np.inf, *EVENT[1:], *TRUTH))
    assert np.isnan(delta4_noise(*EVENT, np.nan, *TRUTH[1:]))
    negative = list(EVENT)
    negative[3] = -1e-3
    massless = list(EVENT)
    massless[3] = 0.0
    assert delta4(*negative, *TRUTH) == delta4(*massless, *TRUTH)
    at_rest = delta4(0.0, *EVENT[1:], *TRUTH)
    for eta in (700.0, -np.inf):
        assert delta4(0.0, eta, *EVENT[2:], *TRUTH) == pytest.approx(at_rest, rel=2e-11)
    with pytest.raises(SelectionError, match="shapes"):
        delta4(np.ones(2), *EVENT[1:], np.ones(3), *TRUTH[1:])
