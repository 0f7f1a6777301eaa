from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from massgap.selections.slepton import precuts

JUST = np.nextafter


@pytest.mark.parametrize(
    ("cut", "edge", "below", "at", "above"),
    [
        (precuts.passes_met, 110.0, False, False, True),
        (precuts.passes_cos_theta_star, 0.5, True, False, False),
        (precuts.passes_mt2_100, 130.0, True, False, False),
        (precuts.passes_ditau_veto, 125.0, False, True, True),
        (precuts.passes_met_veto, 125.0, False, True, True),
    ],
)
def test_edges_and_undefined(cut, edge, below, at, above):
    values = np.array([JUST(edge, -np.inf), edge, JUST(edge, np.inf), np.nan])
    np.testing.assert_array_equal(cut(values), [below, at, above, False])
    assert cut(ak.Array(values)).to_list() == [below, at, above, False]
    assert bool(cut(edge)) is at
    shifted = np.array([JUST(edge / 2, -np.inf), edge / 2, JUST(edge / 2, np.inf)])
    np.testing.assert_array_equal(cut(shifted, edge / 2), [below, at, above])


def test_z_window():
    values = [JUST(81.0, 0), 81.0, 91.0, 101.0, JUST(101.0, 200), np.nan]
    np.testing.assert_array_equal(precuts.passes_z_window(values), [True, False, False, False, True, False])
    np.testing.assert_array_equal(precuts.passes_z_window([50.0, 70.0], low=60.0, high=80.0), [True, False])


def test_cos_theta_star_of_either_sign():
    np.testing.assert_array_equal(precuts.passes_cos_theta_star([-0.49, -0.51]), [True, False])


def test_all_three():
    m_ll = np.array([60.0, 91.0, 60.0, 60.0])
    met = np.array([150.0, 150.0, 50.0, 150.0])
    cos = np.array([0.1, 0.1, 0.1, -0.9])
    np.testing.assert_array_equal(precuts.passes_precuts(m_ll, met, cos), [True, False, False, False])
