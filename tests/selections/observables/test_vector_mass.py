from __future__ import annotations

import math

import mpmath as mp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.selections.observables.vector_mass import momentum_kernel, vector_mass_squared_kernel

vectors = st.tuples(*[st.floats(-1e3, 1e3)] * 3)
masses = st.sampled_from([0.0, 0.1, 172.5])


def exact(p1, m1, p2, m2):
    with mp.workdps(60):
        p1, p2 = [mp.mpf(x) for x in p1], [mp.mpf(x) for x in p2]
        energies = [mp.sqrt(sum(x**2 for x in p) + mp.mpf(m) ** 2) for p, m in ((p1, m1), (p2, m2))]
        dot = sum(x * y for x, y in zip(p1, p2, strict=True))
        return float(mp.mpf(m1) ** 2 + mp.mpf(m2) ** 2 + 2 * (energies[0] * energies[1] - dot))


@settings(deadline=None, max_examples=150)
@given(vectors, masses, vectors, masses)
def test_agrees_with_sixty_digits(p1, m1, p2, m2):
    # The rounding of the cross product, squared, is what remains for parallel momenta; below 1e-90 GeV the square of a
    # cross product is smaller than any double.
    rounding = 1e-30 * math.dist(p1, (0, 0, 0)) * math.dist(p2, (0, 0, 0))
    assert vector_mass_squared_kernel(p1, m1, p2, m2) == pytest.approx(
        exact(p1, m1, p2, m2), rel=1e-9, abs=rounding + 1e-180
    )


@settings(deadline=None, max_examples=50)
@given(vectors, masses, st.floats(0.01, 100))
def test_parallel_momenta(p, m, factor):
    scaled = tuple(factor * x for x in p)
    assert vector_mass_squared_kernel(p, 0.0, scaled, 0.0) == pytest.approx(0.0, abs=1e-20)
    assert vector_mass_squared_kernel(p, m, p, m) == pytest.approx(4 * m * m, rel=1e-12, abs=1e-20)


def test_along_the_beam_and_at_rest():
    assert vector_mass_squared_kernel((0.0, 0.0, 30.0), 0.0, (0.0, 0.0, -40.0), 0.0) == 4800.0
    assert vector_mass_squared_kernel((0.0, 0.0, 0.0), 3.0, (0.0, 0.0, 0.0), 4.0) == 49.0
    assert momentum_kernel(0.0, 800.0, 1.0) == (0.0, 0.0, 0.0)
    assert momentum_kernel(2.0, 0.0, 0.0) == (2.0, 0.0, 0.0)
