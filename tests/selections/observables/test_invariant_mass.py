from __future__ import annotations

import math

import mpmath as mp
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from massgap.selections.observables.invariant_mass import (
    invariant_mass,
    momentum_kernel,
    vector_mass_squared_kernel,
)

scales = st.floats(-3, 5).map(lambda x: 10.0**x)
masses = st.one_of(st.just(0.0), st.just(0.1056583755), scales)
objects = st.tuples(scales, st.floats(-6, 6), st.floats(-3.14, 3.14), masses)


def exact(a, b) -> float:
    """The textbook formula in 60 digits."""
    with mp.workdps(60):
        total = [mp.mpf(0)] * 4
        for item in (a, b):
            pt, eta, phi, m = map(mp.mpf, item)
            p = [pt * mp.cos(phi), pt * mp.sin(phi), pt * mp.sinh(eta)]
            energy = mp.sqrt(m**2 + sum(x**2 for x in p))
            total = [t + x for t, x in zip(total, [energy, *p], strict=True)]
        return float(mp.sqrt(abs(total[0] ** 2 - sum(x**2 for x in total[1:]))))


@settings(deadline=None, max_examples=300)
@given(objects, objects)
def test_agrees_with_sixty_digits(a, b):
    assert invariant_mass(*a, *b) == pytest.approx(exact(a, b), rel=1e-11)


@settings(deadline=None)
@given(objects, st.floats(-12, -1), st.floats(-12, -1), masses)
def test_nearly_collinear_objects(a, log_eta, log_phi, mass):
    b = (a[0] * 1.7, a[1] + 10.0**log_eta, a[2] + 10.0**log_phi, mass)
    # The inputs round where the differences are formed: that much, and no more, is lost.
    spacing = np.spacing(max(abs(b[1]), abs(b[2]), 1.0)) / min(10.0**log_eta, 10.0**log_phi)
    assert invariant_mass(*a, *b) == pytest.approx(exact(a, b), rel=1e-11 + spacing)


@settings(deadline=None)
@given(objects, objects)
def test_symmetric_and_at_least_the_sum_of_the_masses(a, b):
    assert invariant_mass(*a, *b) == pytest.approx(invariant_mass(*b, *a), rel=1e-14)
    assert invariant_mass(*a, *b) >= (a[3] + b[3]) * (1 - 1e-14)


def test_objects_without_momentum():
    assert invariant_mass(0.0, 1.0, 1.0, 5.0, 0.0, 0.0, 2.0, 3.0) == 8.0
    assert invariant_mass(0.0, np.inf, 1.0, 0.0, 0.0, -np.inf, 2.0, 0.0) == 0.0
    # At rest with mass 3, next to a massless object of energy 10 cosh 1.
    expected = np.sqrt(9.0 + 2 * 3.0 * 10.0 * np.cosh(1.0))
    assert invariant_mass(0.0, 4.0, 0.0, 3.0, 10.0, 1.0, 0.3, 0.0) == pytest.approx(expected, rel=1e-14)


def test_negative_masses_count_as_zero():
    assert invariant_mass(10, 0, 0, -1e-3, 10, 0, 3, 0) == invariant_mass(10, 0, 0, 0.0, 10, 0, 3, 0)


def test_nan_stays_nan():
    assert np.isnan(invariant_mass(np.nan, 0, 0, 0, 10, 0, 3, 0))
    assert np.isnan(invariant_mass(10, 0, 0, np.nan, 10, 0, 3, 0))


vectors = st.tuples(*[st.floats(-1e3, 1e3)] * 3)
system_masses = st.sampled_from([0.0, 0.1, 172.5])


def exact_of_systems(p1, m1, p2, m2):
    with mp.workdps(60):
        p1, p2 = [mp.mpf(x) for x in p1], [mp.mpf(x) for x in p2]
        energies = [mp.sqrt(sum(x**2 for x in p) + mp.mpf(m) ** 2) for p, m in ((p1, m1), (p2, m2))]
        dot = sum(x * y for x, y in zip(p1, p2, strict=True))
        return float(mp.mpf(m1) ** 2 + mp.mpf(m2) ** 2 + 2 * (energies[0] * energies[1] - dot))


@settings(deadline=None, max_examples=150)
@given(vectors, system_masses, vectors, system_masses)
@example((0.0, 0.0, 1.0), 0.0, (0.0, 2.6668054784516852e-170, 2.6668054784516852e-170), 0.0)
def test_systems_agree_with_sixty_digits(p1, m1, p2, m2):
    # The rounding of the cross product, squared, is what remains for parallel momenta; the square of a cross product below
    # 1e-154 GeV^2, which is all of m^2 where one momentum is so small and the other is not, is smaller than any double.
    rounding = 1e-30 * math.dist(p1, (0, 0, 0)) * math.dist(p2, (0, 0, 0))
    assert vector_mass_squared_kernel(p1, m1, p2, m2) == pytest.approx(
        exact_of_systems(p1, m1, p2, m2), rel=1e-9, abs=rounding + 1e-150
    )


@settings(deadline=None, max_examples=50)
@given(vectors, system_masses, st.floats(0.01, 100))
def test_systems_with_parallel_momenta(p, m, factor):
    scaled = tuple(factor * x for x in p)
    assert vector_mass_squared_kernel(p, 0.0, scaled, 0.0) == pytest.approx(0.0, abs=1e-20)
    assert vector_mass_squared_kernel(p, m, p, m) == pytest.approx(4 * m * m, rel=1e-12, abs=1e-20)


def test_systems_along_the_beam_and_at_rest():
    assert vector_mass_squared_kernel((0.0, 0.0, 30.0), 0.0, (0.0, 0.0, -40.0), 0.0) == 4800.0
    assert vector_mass_squared_kernel((0.0, 0.0, 0.0), 3.0, (0.0, 0.0, 0.0), 4.0) == 49.0
    assert momentum_kernel(0.0, 800.0, 1.0) == (0.0, 0.0, 0.0)
    assert momentum_kernel(2.0, 0.0, 0.0) == (2.0, 0.0, 0.0)
