from __future__ import annotations

import numpy as np

from massgap.selections.observables.ratios import over_met, ratio_mt2


def test_over_met():
    np.testing.assert_array_equal(over_met([0.0, 30.0, 30.0], [10.0, 10.0, 0.0]), [0.0, 3.0, np.nan])


def test_ratio_of_excess_masses():
    assert ratio_mt2(150.0, 25.0) == 2.0
    assert ratio_mt2(90.0, 20.0, trial_mass=80.0) == 0.5
    assert np.isnan(ratio_mt2(100.0, 0.0))
    assert np.isnan(ratio_mt2(np.nan, 3.0))
