from __future__ import annotations

import math

import awkward as ak
import numpy as np
import pytest

from massgap.selections.smuon.cuts import VETOES, cutflow_kernel, jet_vetoes


@pytest.mark.parametrize(
    ("pt_j1", "ht", "kept"),
    [
        (25.0, 25.0, "static25 a b c d e f"),
        (math.nextafter(25.0, 26), 25.0, "a b c d e f"),
        (60.0, 60.0, "a b c d e f"),
        (60.0, 60.1, "a b c d e"),
        (80.0, 80.0, "a b c d"),
        (80.0, 80.1, "a c d"),
        (140.0, 140.0, "c d"),
        (140.0, 140.1, "c"),
        (140.1, 140.1, ""),
        (math.nan, 0.0, "static25 a b c d e f"),
    ],
)
def test_equality_keeps_the_event(pt_j1, ht, kept):
    result = jet_vetoes(80.0, 60.0, pt_j1, ht)
    assert [name for name in VETOES if getattr(result, name)] == kept.split()


def test_arrays():
    result = jet_vetoes(80.0, 60.0, np.array([70.0, 90.0]), np.array([70.0, 90.0]))
    assert result.a.dtype == bool
    assert result.a.tolist() == [True, False]
    assert jet_vetoes(80.0, 60.0, ak.Array([[70.0], [], [90.0]]), 10.0).a.to_list() == [[True], [], [False]]


@pytest.mark.parametrize(
    ("changed", "passed"),
    [
        ({}, 6),
        ({"met": 100.0}, 0),
        ({"n_mu": 1.0}, 1),
        ({"charges": 1.0}, 2),
        ({"charges": math.nan}, 2),
        ({"m_mumu": 20.0}, 3),
        ({"m_mumu": 91.1876 + 14.999}, 3),
        ({"m_mumu": 91.1876 - 14.999}, 3),
        ({"m_mumu": 91.1876 - 15.001}, 6),
        ({"m_t2": 90.0}, 4),
        ({"pt1": 50.0}, 5),
        ({"pt2": 20.0}, 5),
    ],
)
def test_cuts_are_strict_and_cumulative(changed, passed):
    event = {
        "met": 120.0,
        "n_mu": 2.0,
        "charges": -1.0,
        "m_mumu": 150.0,
        "m_t2": 95.0,
        "pt1": 60.0,
        "pt2": 30.0,
    }
    flags = cutflow_kernel(*{**event, **changed}.values())
    assert list(flags) == [True] * passed + [False] * (6 - passed)
