from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from massgap.arrays.errors import SelectionError
from massgap.selections.observables import transverse_sums as sums


def test_jagged_events():
    jets = ak.Array([[100.0, 20.5], [], [30.0]])
    leptons = ak.Array([[1.0], [2.0, 3.0], []])
    assert sums.ht(jets).to_list() == [120.5, 0.0, 30.0]
    assert sums.ht(jets, leptons).to_list() == [121.5, 5.0, 30.0]
    assert sums.st(leptons).to_list() == [1.0, 5.0, 0.0]


def test_lists_and_arrays():
    assert sums.ht([]) == 0.0
    assert sums.ht([1.0, 2.0]) == 3.0
    np.testing.assert_array_equal(sums.st(np.array([[1.0, 2.0], [3.0, 4.0]])), [3.0, 7.0])
    assert isinstance(sums.st(np.ones((2, 2))), np.ndarray)


def test_single_precision_is_summed_in_double():
    jets = ak.values_astype(ak.Array([[16777216.0, 1.0, 1.0]]), np.float32)
    assert sums.ht(jets)[0] == 16777218.0


def test_effective_mass():
    assert sums.effective_mass(100.0, 50.5) == 150.5
    assert np.isnan(sums.effective_mass(np.nan, 50.5))


@pytest.mark.parametrize("wrong", [3.0, np.float64(3.0), "text", ["a"]])
def test_no_list_of_numbers(wrong):
    with pytest.raises(SelectionError, match="sum over objects"):
        sums.ht(wrong)
