from __future__ import annotations

import json
import math
from pathlib import Path

import awkward as ak
import mt2 as package
import numpy as np
import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st
from numba import njit

from massgap.arrays.errors import SelectionError
from massgap.selections.observables.mt2.kernels import general_kernel as general
from massgap.selections.observables.mt2.kernels import mt2_kernel, mt2_pair_block
from massgap.selections.observables.mt2.mt2 import mt2

NAMES = ("m1", "px1", "py1", "m2", "px2", "py2", "pxmiss", "pymiss", "chi1", "chi2")
HARD_CASES = json.loads((Path(__file__).parent / "data" / "mt2_mpmath.json").read_text())
MUON = 0.1056583755

scales = st.floats(-3, 5).map(lambda x: 10.0**x)
masses = st.one_of(st.just(0.0), st.just(MUON), st.just(100.0), scales)
vectors = st.one_of(
    st.tuples(scales, st.floats(-math.pi, math.pi)).map(
        lambda v: (v[0] * math.cos(v[1]), v[0] * math.sin(v[1]))
    ),
    st.just((0.0, 0.0)),
    st.just((50.0, 0.0)),
    st.just((-30.0, 0.0)),
    st.just((0.0, 20.0)),
)
events = st.tuples(masses, vectors, masses, vectors, vectors, masses, masses).map(
    lambda e: (e[0], *e[1], e[2], *e[3], *e[4], e[5], e[6])
)
quick = settings(deadline=None, max_examples=300)


def size(event) -> float:
    return max(map(abs, event))


def near(value: float, expected: float, event) -> bool:
    """The agreement that the conventions ask for, with the rounding of the input itself on top."""
    rounding = 1e-13 * size(event) ** 2 / max(value, expected, 1e-300)
    return abs(value - expected) <= 1e-9 * expected + min(2e-7 * size(event), rounding)


def transverse_mass(m, p, chi, q) -> float:
    """sqrt(m^2 + chi^2 + 2 (E e - p.q)) with E e - p.q in extended precision."""
    m, chi, px, py, qx, qy = map(np.longdouble, (m, chi, *p, *q))
    energies = np.sqrt(m**2 + px**2 + py**2) * np.sqrt(chi**2 + qx**2 + qy**2)
    return float(np.sqrt(max(m**2 + chi**2 + 2 * (energies - px * qx - py * qy), np.longdouble(0))))


@pytest.mark.parametrize("case", [pytest.param(c, id=f"{c['id']} {c['kind']}") for c in HARD_CASES])
def test_hard_cases_in_45_digits(case):
    event = [case["in"][name] for name in NAMES]
    # Where the true value is 0, the search of the reference stops a little above.
    if case["mt2"] < 1e-9 * size(event):
        assert mt2(*event) == pytest.approx(case["mt2"], abs=2e-7 * size(event))
    else:
        assert mt2(*event) == pytest.approx(case["mt2"], rel=1e-10)
    assert mt2(*event) >= case["lower_bound"]


@quick
@given(events)
@example((0.0,) * 10)
@example((0.0, 10.0, 0.0, 0.0, -20.0, 0.0, -5.0, 3.0, 100.0, 100.0))
def test_always_defined_and_at_least_the_bound(event):
    m1, m2, chi1, chi2 = event[0], event[3], event[8], event[9]
    value = mt2(*event)
    assert math.isfinite(value)
    assert value >= max(m1 + chi1, m2 + chi2)


@quick
@given(events, vectors)
def test_no_splitting_does_better(event, q1):
    m1, x1, y1, m2, x2, y2, px, py, chi1, chi2 = event
    q2 = (px - q1[0], py - q1[1])
    worst = max(transverse_mass(m1, (x1, y1), chi1, q1), transverse_mass(m2, (x2, y2), chi2, q2))
    assert mt2(*event) <= worst * (1 + 1e-9) + 2e-7 * max(size(event), *map(abs, q1))


@quick
@given(events)
def test_exchange_of_the_legs(event):
    m1, x1, y1, m2, x2, y2, px, py, chi1, chi2 = event
    assert near(mt2(m2, x2, y2, m1, x1, y1, px, py, chi2, chi1), mt2(*event), event)


@quick
@given(events)
def test_reflection_and_right_angles(event):
    m1, x1, y1, m2, x2, y2, px, py, chi1, chi2 = event
    value = mt2(*event)
    assert near(mt2(m1, x1, -y1, m2, x2, -y2, px, -py, chi1, chi2), value, event)
    assert near(mt2(m1, -y1, x1, m2, -y2, x2, -py, px, chi1, chi2), value, event)


def test_rotation():
    rng = np.random.default_rng(1)
    size, angle = 2000, rng.uniform(-np.pi, np.pi, 2000)
    m1, m2, chi1, chi2 = rng.uniform(0, 100, (4, size))
    x, y = rng.normal(0, 100, (2, 3, size))
    u, v = x * np.cos(angle) - y * np.sin(angle), x * np.sin(angle) + y * np.cos(angle)
    plain = mt2(m1, x[0], y[0], m2, x[1], y[1], x[2], y[2], chi1, chi2)
    turned = mt2(m1, u[0], v[0], m2, u[1], v[1], u[2], v[2], chi1, chi2)
    np.testing.assert_allclose(turned, plain, rtol=1e-10)


@quick
@given(events, st.integers(-60, 60))
def test_scaling(event, power):
    factor = 2.0**power
    assert near(mt2(*(factor * v for v in event)), factor * mt2(*event), [factor * v for v in event])


@pytest.mark.parametrize("mass", [0.0, MUON])
@pytest.mark.parametrize("factor", [1e-300, 1e-200, 1e-54, 1e-52, 1e-48, 1e46, 1e51, 1e200, 1e300])
def test_units_far_from_one(factor, mass):
    event = np.array([mass, 60.0, 10.0, mass, -20.0, 35.0, 30.0, -80.0, 50.0, 50.0])
    assert mt2(*(factor * event)) == pytest.approx(factor * mt2(*event), rel=1e-10)


def test_plain_numbers_give_what_arrays_give():
    event = (0, 60.0, 10, 0, -20.0, np.float64(35.0), 30.0, -80.0, 50, 50.0)
    value = mt2(*event)
    assert type(value) is np.float64
    assert value == mt2(*(np.full(100, float(v)) for v in event))[7]
    assert value == mt2(*event, out=np.empty(()))


@quick
@given(events, st.floats(0, 100))
def test_rises_with_the_trial_mass(event, more):
    heavier = (*event[:8], event[8] + more, event[9] + more)
    assert mt2(*heavier) >= mt2(*event) * (1 - 1e-9) - 2e-7 * size(heavier)


@quick
@given(vectors, vectors, st.sampled_from([0.0, MUON, 5.0]), st.sampled_from([0.0, 1.0, 80.0, 1000.0]))
def test_closed_form_without_recoil(p1, p2, mass, chi):
    # Equal masses, and missing momentum that balances the visible one (Lester, arXiv:1103.5682):
    # MT2^2 = chi^2 + A + sqrt((1 + 2 chi^2 / (A - m^2)) (A^2 - m^4)) with A = E1 E2 + p1.p2.
    e1, e2 = math.hypot(mass, *p1), math.hypot(mass, *p2)
    a = e1 * e2 + p1[0] * p2[0] + p1[1] * p2[1]
    event = (mass, *p1, mass, *p2, -p1[0] - p2[0], -p1[1] - p2[1], chi, chi)
    assume(a > mass**2 * (1 + 1e-4) + 1e-6 * e1 * e2)
    expected = math.sqrt(chi**2 + a + math.sqrt((1 + 2 * chi**2 / (a - mass**2)) * (a**2 - mass**4)))
    assert mt2(*event) == pytest.approx(expected, rel=1e-7)


def decays(rng, size, m_parent, m_invisible, recoil):
    """Pairs of parents that decay to a massless lepton and an invisible particle: transverse momenta."""
    momentum = (m_parent**2 - m_invisible**2) / (2 * m_parent)
    out = []
    common = rng.normal(0, 1, (3, size))
    for sign in (1, -1):
        cos, phi = rng.uniform(-1, 1, size), rng.uniform(-np.pi, np.pi, size)
        sin = np.sqrt(1 - cos**2)
        lepton = momentum * np.array([sin * np.cos(phi), sin * np.sin(phi), cos])
        # The parent's velocity: opposite ones without recoil, an additional common push with it.
        parent = rng.normal(0, 100, (3, size)) if not out else -out[0][2]
        parent_momentum = parent
        pushed = parent_momentum + recoil * common
        energy = np.sqrt(m_parent**2 + (pushed**2).sum(0))
        gamma, beta_gamma = energy / m_parent, pushed / m_parent
        along = (lepton * beta_gamma).sum(0)
        boosted = lepton + beta_gamma * (momentum + along / (gamma + 1))
        out.append((boosted[:2], (pushed - boosted)[:2], parent, sign))
    (l1, q1, *_), (l2, q2, *_) = out
    return l1, l2, q1 + q2


@pytest.mark.parametrize("recoil", [0.0, 300.0])
def test_the_parents_mass_is_an_endpoint_for_the_true_trial_mass(recoil):
    l1, l2, miss = decays(np.random.default_rng(3), 20000, 110.0, 80.0, recoil)
    values = mt2(0.0, *l1, 0.0, *l2, *miss, 80.0, 80.0)
    assert values.max() <= 110.0 * (1 + 1e-12)
    assert values.max() > 109.0


def test_endpoint_of_the_benchmark_without_recoil():
    # mu + sqrt(mu^2 + 100^2) with mu = (110^2 - 80^2) / (2 110): 129.21 GeV.
    l1, l2, miss = decays(np.random.default_rng(4), 20000, 110.0, 80.0, 0.0)
    values = mt2(0.0, *l1, 0.0, *l2, *miss, 100.0, 100.0)
    mu = (110.0**2 - 80.0**2) / 220.0
    assert values.max() <= mu + math.hypot(mu, 100.0)
    assert mu + math.hypot(mu, 100.0) == pytest.approx(129.21, abs=0.005)
    assert values.max() > 128.0


@pytest.mark.parametrize(("mass", "chi"), [(None, None), (MUON, 100.0), (0.0, 100.0), (20.0, 0.0)])
def test_agrees_with_the_package_where_that_is_right(mass, chi):
    # Heavy trial or visible masses and momenta of one scale; elsewhere bisection loses digits.
    rng = np.random.default_rng(5)
    shape = 20000
    x, y = rng.normal(0, 80, (2, 3, shape))
    m1, m2 = (rng.uniform(1, 100, (2, shape))) if mass is None else (mass, mass)
    chi1, chi2 = (rng.uniform(0, 200, (2, shape))) if chi is None else (chi, chi)
    args = (m1, x[0], y[0], m2, x[1], y[1], x[2], y[2], chi1, chi2)
    np.testing.assert_allclose(mt2(*args), package.mt2(*args), rtol=2e-7)


def test_drops_in_for_the_package():
    positional = (100, 410, 20, 150, -210, -300, -200, 280, 100, 100)
    names = [
        *("m_vis_1", "px_vis_1", "py_vis_1", "m_vis_2", "px_vis_2", "py_vis_2"),
        *("px_miss", "py_miss", "m_invis_1", "m_invis_2"),
    ]
    named = dict(zip(names, positional, strict=True)) | {"desired_precision_on_mt2": 0.01}
    assert mt2(*positional) == pytest.approx(package.mt2(*positional), rel=1e-12)
    assert mt2(**named) == mt2(*positional)
    out = np.empty(2)
    assert mt2(*positional[:8], [100, 120], 100, out=out) is out
    np.testing.assert_allclose(out, package.mt2(*positional[:8], [100, 120], 100), rtol=1e-12)
    with pytest.raises(SelectionError, match="shape"):
        mt2(*positional, out=out)


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ((0, 10, 0, 0, 20, 0, -5, 3, 0, 0), 12.017183194545662),  # parallel, where bisection fails
        ((0, 10, 0, 0, -20, 0, -5, 3, 100, 100), 100.0),  # antiparallel: an infimum at infinity
        ((0, 10, 0, 0, 0, 20, 30, 7, 0, 0), 0.0),  # missing momentum between the visible ones
        ((0, 0, 0, 5, 30, 0, 10, 10, 70, 20), 70.0),  # a leg without energy
        ((150, 0, 0, 1, 2, 0, 3, 4, 100, 3), 250.0),  # unbalanced
    ],
)
def test_special_cases(event, expected):
    assert mt2(*event) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("index", range(10))
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_input_that_is_not_finite(index, bad):
    event = [1.0] * 10
    event[index] = bad
    assert math.isnan(mt2(*event))


MASSES = {0: "m_vis_1", 3: "m_vis_2", 8: "m_invis_1", 9: "m_invis_2"}


@pytest.mark.parametrize(("index", "name"), MASSES.items())
@pytest.mark.parametrize(
    "form",
    [
        float,
        lambda value: np.array([1.0, value, np.nan]),
        lambda value: np.array([1.0, value, 3.0], dtype=np.float32),
        lambda value: [1.0, value, 3.0],
        lambda value: ak.Array([[1.0], [], [None, value]]),
        lambda value: np.ma.masked_array([1.0, value, 3.0], [True, False, False]),
    ],
)
def test_a_negative_mass_is_refused_and_named(index, name, form):
    event = [1.0, 10.0, 0.0, 1.0, 20.0, 0.0, -5.0, 3.0, 1.0, 1.0]
    event[index] = form(-0.5)
    with pytest.raises(SelectionError, match=rf"{name} is -0\.5 GeV"):
        mt2(*event)


@pytest.mark.parametrize("index", MASSES)
def test_a_mass_of_negative_zero_is_zero(index):
    event = [0.0, 10.0, 0.0, 0.0, 20.0, 0.0, -5.0, 3.0, 0.0, 0.0]
    event[index] = -0.0
    assert mt2(*event) == pytest.approx(12.017183194545662, rel=1e-12)


@pytest.mark.parametrize("index", range(10))
def test_what_is_masked_stays_masked_whatever_lies_below(index):
    event = [1.0, 10.0, 0.0, 1.0, 20.0, 0.0, -5.0, 3.0, 1.0, 1.0]
    right = package.mt2(*event)
    event[index] = np.ma.masked_array([event[index], -7.0, event[index]], [False, True, False])
    got = mt2(*event)
    assert np.ma.getmaskarray(got).tolist() == [False, True, False]
    assert got.compressed().tolist() == pytest.approx([right, right], rel=1e-12)
    options = list(event)
    options[index] = ak.from_numpy(event[index])
    listed = mt2(*options).to_list()
    assert listed[1] is None
    assert listed[::2] == pytest.approx([right, right], rel=1e-12)
    plain, masked = np.zeros(3), np.ma.zeros(3)
    mt2(*event, out=plain)
    assert np.isnan(plain).tolist() == [False, True, False]
    mt2(*event, out=masked)
    assert np.ma.getmaskarray(masked).tolist() == [False, True, False]


def test_jagged_arrays():
    px = ak.Array([[10.0, 20.0], [], [0.0]])
    got = mt2(0.0, px, 0.0, 0.0, 20.0, 0.0, -5.0, 3.0, 0.0, 0.0)
    assert ak.num(got).to_list() == [2, 0, 1]
    assert got[0, 0] == pytest.approx(12.017183194545662, rel=1e-12)


@pytest.mark.parametrize("more", [1e-300, 2.54e-183, 1e-160, 1e-100, 1e-30, 1e-20, 1e-14])
@pytest.mark.parametrize("which", [(1.0, 1.0), (1.0, 0.0), (0.0, 1.0)])
def test_trial_masses_too_small_to_matter(more, which):
    """The limit of no trial mass is reached continuously, whatever underflows on the way."""
    event = (0.0, 50.0, 0.0, 0.0, 0.0, 20.0, -0.4161468365471424, 0.9092974268256817)
    massless = mt2(*event, 0.0, 0.0)
    # all splittings of the missing momentum on a grid: the smallest of the larger transverse mass
    x, y = np.meshgrid(np.linspace(-3, 3, 601), np.linspace(-3, 3, 601))
    first = np.sqrt(2 * np.maximum(50.0 * np.hypot(x, y) - 50.0 * x, 0.0))
    x, y = event[6] - x, event[7] - y
    second = np.sqrt(2 * np.maximum(20.0 * np.hypot(x, y) - 20.0 * y, 0.0))
    assert np.min(np.maximum(first, second)) == pytest.approx(massless, rel=0.02)
    assert mt2(*event, which[0] * more, which[1] * more) == pytest.approx(massless, rel=1e-9)


# In all of these one leg is massless and the other trial mass is (nearly) zero, so that directions exist in which
# M_T2 is next to its lower bound although it is far above it in others.  Values: minimum over the plane of splittings
# in 40-digit arithmetic.
@pytest.mark.parametrize(
    ("event", "expected"),
    [
        ((0.0, 1.0, 3.0, 0.0, -1.0, -1.0, 3.0, -3.0, 0.0, 2.0), 2.62257941737898),
        ((0.0, -1.0, -1.0, 0.0, 3.0, 1.0, -3.0, 3.0, 2.0, 0.0), 2.62257941737899),
        ((1.0, -3.0, 0.0, 0.0, 0.0, -1.0, -3.0, -1.0, 1.0, 2.0), 2.3480576668540367),
        (
            (
                *(0.0, 1.0142952765213586, -0.47400103540096417),
                *(0.0002818793695996942, -252.37536450738475, 747.8896678379238),
                *(-4.722284056373709, -25.68008182647266, 328.0518320165263, 0.037576486690379246),
            ),
            328.465852397588,
        ),
        (
            (
                *(0.11348533338545065, -4239.158814547643, 5197.863108500233),
                *(0.0, -0.0015717062066916883, -0.004521331138514172),
                *(33.52558586492329, -1.100230849249548, 5.118259986483013, 11189.810966293333),
            ),
            11189.812069275,
        ),
    ],
)
def test_trial_masses_that_differ_with_massless_visibles(event, expected):
    assert mt2(*event) == pytest.approx(expected, rel=1e-12)
    assert general(*event) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("which", [(1.0, 0.0), (0.0, 1.0), (1.0, 1.0)])
def test_one_trial_mass_nearly_zero(which):
    """M_T2 with trial masses of 1e-12 to 1e-9 of the scale differs from that without by no more than about them."""
    rng = np.random.default_rng(1)
    size = 10000
    pt, phi = 10 ** rng.uniform(-1, 2, (3, size)), rng.uniform(-np.pi, np.pi, (3, size))
    x, y = pt * np.cos(phi), pt * np.sin(phi)
    chi = 10 ** rng.uniform(-13, -8, size)
    columns = (np.zeros(size), x[0], y[0], np.zeros(size), x[1], y[1], x[2], y[2])
    without = mt2(0.0, x[0], y[0], 0.0, x[1], y[1], x[2], y[2], 0.0, 0.0)
    got = mt2(*columns, which[0] * chi, which[1] * chi)
    slow = np.array([general(*event) for event in zip(*columns, which[0] * chi, which[1] * chi, strict=True)])
    for values in (got, slow):
        assert np.all(values >= without * (1 - 1e-9))
        assert np.max((values - without) / (np.sqrt(chi * pt.max(0)) + 1e-9 * pt.max(0))) < 10.0
    np.testing.assert_allclose(got, slow, rtol=1e-9, atol=1e-9)


def nasty_events(rng, size):
    """Events of all kinds in one array: scales from 1e-3 to 1e5, zeros, equal masses, (anti)parallel momenta."""

    def spread(zeros, low=-3.0, high=5.0):
        return np.where(rng.random(size) < zeros, 0.0, 10 ** rng.uniform(low, high, size))

    def vector(length, angle):
        return length * np.cos(angle), length * np.sin(angle)

    kind = rng.integers(0, 5, size)
    narrow = kind > 1
    angles = rng.uniform(-np.pi, np.pi, (3, size))
    beside = 10 ** rng.uniform(-12, 0, size) * rng.choice([-1, 0, 1], size) + rng.choice([0.0, np.pi], size)
    angles[1] = np.where(kind == 2, angles[0] + beside, angles[1])
    p = [np.where(narrow, spread(0.02, 0, 3), spread(0.02)) for _ in range(3)]
    p1, p2, miss = (vector(length, angle) for length, angle in zip(p, angles, strict=True))
    along = kind == 3
    miss = tuple(np.where(along, a * rng.uniform(-1, 2, size), c) for a, c in zip(p1, miss, strict=True))
    mass, chi = spread(0.3, -3, 3), spread(0.4, -3, 3)
    mass = np.where(rng.random(size) < 0.3, MUON, mass)
    mass2 = np.where(rng.random(size) < 0.6, mass, spread(0.3))
    chi2 = np.where(rng.random(size) < 0.6, chi, spread(0.3))
    return tuple(np.ascontiguousarray(v) for v in (mass, *p1, mass2, *p2, *miss, chi, chi2))


@njit
def each(kernel, columns, out):
    a, b, c, d, e, f, g, h, i, j = columns
    for k in range(out.size):
        out[k] = kernel(a[k], b[k], c[k], d[k], e[k], f[k], g[k], h[k], i[k], j[k])


def test_vectorised_steps_agree_with_the_search():
    events = nasty_events(np.random.default_rng(7), 100_000)
    got, slow, scalar = mt2(*events), np.empty(100_000), np.empty(100_000)
    each(general, events, slow)
    each(mt2_kernel, events, scalar)
    scale = np.max(np.abs(events), axis=0)
    rounding = np.minimum(2e-7 * scale, 1e-13 * scale**2 / np.maximum(got, 1e-300))
    assert np.all(np.abs(got - slow) <= 1e-9 * slow + rounding)
    # One event on its own has the same bits as in an array.
    np.testing.assert_array_equal(got, scalar)


def test_results_do_not_depend_on_the_place_in_the_array():
    events = nasty_events(np.random.default_rng(8), 5000)
    whole = mt2(*events)
    for start, stop in ((0, 1), (1, 2), (17, 1000), (127, 129), (999, 4999)):
        np.testing.assert_array_equal(mt2(*(column[start:stop] for column in events)), whole[start:stop])
    order = np.random.default_rng(9).permutation(5000)
    np.testing.assert_array_equal(mt2(*(column[order] for column in events)), whole[order])


@pytest.mark.parametrize("mass", [0.0, MUON])
def test_blocks_for_compiled_passes(mass):
    rng = np.random.default_rng(10)
    # Also parallel momenta, and others that need the search.
    _, hard_x1, hard_y1, _, hard_x2, hard_y2, hard_px, hard_py, _, _ = nasty_events(rng, 500)
    hard = (hard_x1, hard_y1, hard_x2, hard_y2, hard_px, hard_py)
    x1, y1, x2, y2, px, py = (np.concatenate([rng.normal(0, 80, 500), values]) for values in hard)
    masses, first, second = np.full(1, mass), np.empty(1000), np.empty(1000)
    mt2_pair_block(masses, x1, y1, masses, x2, y2, px, py, 0.0, 100.0, first, second)
    for chi, values in ((0.0, first), (100.0, second)):
        np.testing.assert_array_equal(values, mt2(mass, x1, y1, mass, x2, y2, px, py, chi, chi))
        np.testing.assert_array_equal(
            values, mt2(np.full(1000, mass), x1, y1, mass, x2, y2, px, py, chi, np.full(1000, chi))
        )


def test_massless_legs_parallel_up_to_rounding() -> None:
    """Rotated together, parallel massless legs differ in the last bit: M_T2 with massless invisibles stays the same."""
    rng = np.random.default_rng(8)
    n = 2000
    angle, turn = rng.uniform(-np.pi, np.pi, n), rng.uniform(-np.pi, np.pi, n)
    p1, p2, met = rng.uniform(10, 200, (3, n))
    zero = np.zeros(n)

    def legs(phi):
        return p1 * np.cos(phi), p1 * np.sin(phi), zero, p2 * np.cos(phi), p2 * np.sin(phi)

    apart = rng.uniform(0.2, 3.0, n)
    found = [
        mt2(
            zero,
            *legs(angle + by),
            met * np.cos(angle + apart + by),
            met * np.sin(angle + apart + by),
            0.0,
            0.0,
        )
        for by in (zero, turn)
    ]
    np.testing.assert_allclose(found[0], found[1], rtol=1e-6, atol=1e-5)
    # Exactly parallel along an axis, nothing is rounded.
    along = mt2(zero, p1, zero, zero, p2, zero, met * np.cos(apart), met * np.sin(apart), 0.0, 0.0)
    np.testing.assert_allclose(found[0], along, rtol=1e-6, atol=1e-5)
    assert (along > 1.0).mean() > 0.5
