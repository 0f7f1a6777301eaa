from __future__ import annotations

import math

import mpmath as mp
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.selections.observables.mct import mct

scales = st.floats(-3, 5).map(lambda x: 10.0**x)
objects = st.tuples(scales, st.floats(-3.14, 3.14), st.one_of(st.just(0.0), scales))


def exact(a, b) -> float:
    """The definition, a difference of squares, in 60 digits."""
    with mp.workdps(60):
        a, b = [mp.mpf(x) for x in a], [mp.mpf(x) for x in b]
        transverse = mp.sqrt(a[2] ** 2 + a[0] ** 2) + mp.sqrt(b[2] ** 2 + b[0] ** 2)
        dx = a[0] * mp.cos(a[1]) - b[0] * mp.cos(b[1])
        dy = a[0] * mp.sin(a[1]) - b[0] * mp.sin(b[1])
        return float(mp.sqrt(abs(transverse**2 - dx**2 - dy**2)))


@settings(deadline=None, max_examples=300)
@given(objects, objects)
def test_agrees_with_sixty_digits(a, b):
    # Back to back, the rounding of the angles themselves is what remains.
    rounding = 4e-16 * math.sqrt(a[0] * b[0])
    assert mct(*a, *b) == pytest.approx(exact(a, b), rel=1e-11, abs=rounding)


def test_equal_boosts_back_to_back_change_nothing():
    # Two particles of mass 0 and energy 30 in decays at rest; the parents get opposite rapidities along x.
    def boosted(energy: float, phi: float, rapidity: float) -> tuple[float, float, float]:
        px, py = energy * math.cos(phi), energy * math.sin(phi)
        new = math.cosh(rapidity) * px + math.sinh(rapidity) * energy
        return math.hypot(new, py), math.atan2(py, new), 0.0

    at_rest = mct(30.0, 0.4, 0.0, 30.0, 2.0, 0.0)
    for rapidity in (0.1, 0.7, 2.0):
        assert mct(*boosted(30.0, 0.4, rapidity), *boosted(30.0, 2.0, -rapidity)) == pytest.approx(
            at_rest, rel=1e-12
        )


def test_objects_without_momentum():
    assert mct(0.0, 0.0, 5.0, 0.0, 1.0, 3.0) == 8.0
    assert mct(0.0, 0.0, 0.0, 0.0, 1.0, 0.0) == 0.0
