from __future__ import annotations

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.selections.observables.invariant_mass import invariant_mass

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
