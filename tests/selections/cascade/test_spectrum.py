from __future__ import annotations

import numpy as np
import pytest

from massgap.selections.cascade.spectrum import TESTING_SPECTRUM, TRUTH_SPECTRUM, shifted_spectrum
from massgap.selections.observables.cascades.endpoints import endpoints

DIRECTIONS = np.array([[0, 1, 0, -1], [1, 0, -1, 0], [1, -1, 1, -1], [1, 1, 1, 1]]) / np.array(
    [[2**0.5], [2**0.5], [2], [1]]
)


def test_against_the_vectors():
    shifts = np.random.default_rng(1).normal(0, 100, (50, 4))
    np.testing.assert_allclose(
        np.array(shifted_spectrum(*shifts.T)).T, np.array(TESTING_SPECTRUM) + shifts @ DIRECTIONS, rtol=1e-13
    )


def test_origin_and_start():
    assert shifted_spectrum() == TESTING_SPECTRUM
    assert shifted_spectrum(start=TRUTH_SPECTRUM) == TRUTH_SPECTRUM
    assert shifted_spectrum(delta=np.array([0.0, 10.0])).m_chi.tolist() == [600.0, 610.0]


def test_edges_hardly_change_along_the_flat_direction():
    start = endpoints(*TESTING_SPECTRUM)
    flat = endpoints(*shifted_spectrum(delta=-20.0))
    across = endpoints(*shifted_spectrum(alpha=20.0))
    assert flat.m12 == pytest.approx(start.m12, rel=0.005)
    assert abs(across.m12 / start.m12 - 1) > 0.05
