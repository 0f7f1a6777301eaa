from __future__ import annotations

import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.selections.observables.cos_theta_star import abs_cos_theta_star, cos_theta_star

etas = st.floats(-6.0, 6.0)


@settings(deadline=None)
@given(etas, etas)
def test_it_is_the_polar_angle_where_the_pseudorapidities_are_opposite(a, b):
    # In that frame lepton a has (a - b) / 2, and tanh(eta) = pz / |p|.
    eta = 0.5 * (a - b)
    pt, pz = 1.0, math.sinh(eta)
    assert cos_theta_star(a, b) == pytest.approx(pz / math.hypot(pt, pz), rel=1e-13, abs=1e-15)
    assert abs_cos_theta_star(a, b) == abs(cos_theta_star(a, b))
    assert cos_theta_star(b, a) == -cos_theta_star(a, b)


@settings(deadline=None)
@given(etas, etas, st.floats(-5.0, 5.0))
def test_boosts_along_the_beam_change_nothing(a, b, boost):
    assert cos_theta_star(a + boost, b + boost) == pytest.approx(cos_theta_star(a, b), abs=1e-14)
