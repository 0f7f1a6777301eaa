from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.selections.observables import angles

phis = st.floats(-10.0, 10.0)
etas = st.floats(-6.0, 6.0)
quick = settings(deadline=None)


@quick
@given(phis, phis)
def test_delta_phi_is_the_angle_of_the_quotient(a, b):
    result = angles.delta_phi(a, b)
    assert -math.pi < result <= math.pi
    # Compared as points of the circle: the seam is no exception there.
    assert math.cos(result) == pytest.approx(math.cos(a - b), abs=1e-12)
    assert math.sin(result) == pytest.approx(math.sin(a - b), abs=1e-12)
    assert angles.abs_delta_phi(a, b) == abs(result)


@pytest.mark.parametrize(("a", "b"), [(math.pi, 0.0), (0.0, math.pi), (-math.pi, 0.0), (3 * math.pi, 0.0)])
def test_the_seam_belongs_to_plus_pi(a, b):
    assert angles.delta_phi(a, b) == math.pi


def test_small_differences_across_the_seam_keep_their_precision():
    a, b = math.pi - 1e-9, -math.pi + 1e-9
    assert angles.abs_delta_phi(a, b) == pytest.approx(2e-9, abs=2e-15)


@quick
@given(phis)
def test_wrap_phi(phi):
    assert angles.wrap_phi(phi) == pytest.approx(math.atan2(math.sin(phi), math.cos(phi)), abs=1e-12) or abs(
        angles.wrap_phi(phi)
    ) == pytest.approx(math.pi, abs=1e-12)


@quick
@given(etas, phis, etas, phis)
def test_delta_r(eta_a, phi_a, eta_b, phi_b):
    expected = math.hypot(eta_a - eta_b, math.acos(max(-1.0, min(1.0, math.cos(phi_a - phi_b)))))
    # acos loses half of the digits near 0 and pi.
    assert angles.delta_r(eta_a, phi_a, eta_b, phi_b) == pytest.approx(expected, abs=5e-8)
    assert angles.delta_r(eta_a, phi_a, eta_b, phi_b) == angles.delta_r(eta_b, phi_b, eta_a, phi_a)


def test_eta_differences():
    assert angles.delta_eta(1.0, 2.5) == -1.5
    assert angles.abs_delta_eta(1.0, 2.5) == 1.5
    assert angles.tanh_abs_delta_eta(1.0, 2.5) == pytest.approx((math.e**3 - 1) / (math.e**3 + 1), rel=1e-14)
    assert angles.tanh_abs_delta_eta(-5.0, 5.0) < 1.0


def test_nan_stays_nan():
    assert np.isnan(angles.delta_phi(np.nan, 1.0))
    assert np.isnan(angles.abs_delta_phi(1.0, np.nan))
    assert np.isnan(angles.tanh_abs_delta_eta(np.nan, 1.0))
