from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from massgap.selections.cascade import cuts

GOOD = {
    "pt_plus": 20.0,
    "eta_plus": 1.0,
    "pt_minus": 15.0,
    "eta_minus": -1.0,
    "pt_gamma": 16.0,
    "eta_gamma": 0.0,
    "m_mumu": 40.0,
}


@pytest.mark.parametrize(
    ("change", "passes"),
    [
        ({}, True),
        ({"eta_plus": 2.5}, False),
        ({"eta_minus": -2.5}, False),
        ({"eta_gamma": np.nextafter(2.5, 0)}, True),
        ({"pt_gamma": 4.0}, False),
        ({"pt_gamma": 4.1}, True),
        ({"pt_minus": 14.0}, True),  # the other trigger
        ({"pt_minus": 14.0, "pt_gamma": 15.0}, False),
        ({"pt_minus": 10.0}, False),
        ({"pt_plus": 10.1, "pt_minus": 10.1}, True),
        ({"m_mumu": 15.0}, False),
        ({"m_mumu": 65.0}, False),
        ({"m_mumu": np.nan}, False),
        ({"pt_plus": np.nan}, False),
        ({"eta_gamma": np.nan}, False),
    ],
)
def test_selection(change, passes):
    assert bool(cuts.passes_cascade_selection(**(GOOD | change))) is passes


def test_parts():
    assert cuts.passes_dimuon_trigger([15.0, 14.0], [15.0, 20.0]).tolist() == [True, False]
    assert cuts.passes_dimuon_photon_trigger([15.0, 10.0, 15.0], 12.0, [16.0, 16.0, 15.0]).tolist() == [
        True,
        False,
        False,
    ]
    assert cuts.passes_acceptance([0.0, -3.0], [0.0, 0.0], [0.0, 0.0], [5.0, 5.0]).tolist() == [True, False]
    assert cuts.passes_dimuon_mass(ak.Array([[20.0], [], [70.0, 30.0]])).tolist() == [
        [True],
        [],
        [False, True],
    ]
