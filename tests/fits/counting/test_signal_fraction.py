from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.fits.counting.signal_fraction import signal_over_background


@given(eps_s=st.floats(0.2, 1.0), eps_b=st.floats(0.0, 0.1), s_over_b=st.floats(0.0, 10.0))
def test_recovers_the_mixture(eps_s, eps_b, s_over_b):
    passing = (s_over_b * eps_s + eps_b) / (s_over_b + 1)
    assert signal_over_background(eps_s, eps_b, passing) == pytest.approx(s_over_b, rel=1e-12, abs=1e-14)


def test_edges():
    assert signal_over_background(0.5, 0.005, 0.005) == 0.0
    assert signal_over_background(0.5, 0.005, 0.004) < 0.0
    assert signal_over_background(0.5, 0.005, 0.6) < 0.0
    np.testing.assert_equal(
        signal_over_background([0.5, 0.0, np.nan], [0.1, 0.0, 0.1], [0.5, 0.0, 0.2]), [np.nan] * 3
    )
    assert signal_over_background(0.5, [0.1, 0.2], 0.3).shape == (2,)
