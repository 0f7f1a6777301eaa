"""Which bins are too small for asymptotic formulae."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.inference.small_counts import small_bins, small_counts_warning

MU = {"name": "mu", "type": "normfactor", "data": None}


def two_channels(
    signal: tuple[list[float], list[float]], background: tuple[list[float], list[float]]
) -> Likelihood:
    channels, observed = [], []
    for name, s, b in zip(("sr", "cr"), signal, background, strict=True):
        samples: list[dict[str, Any]] = [
            {"name": "signal", "data": s, "modifiers": [MU]},
            {"name": "background", "data": b, "modifiers": []},
        ]
        channels.append({"name": name, "samples": samples})
        observed.append({"name": name, "data": [float(round(x)) for x in b]})
    config = {"poi": "mu", "parameters": []}
    return Likelihood(
        {
            "channels": channels,
            "observations": observed,
            "measurements": [{"name": "m", "config": config}],
            "version": "1.0.0",
        }
    )


def test_a_small_bin_is_told_where_it_matters() -> None:
    likelihood = two_channels(([3.0, 3.0], [0.0, 1.0]), ([100.0, 1.5], [500.0, 2.0]))
    found = small_bins(likelihood, 1.0, observed=False)
    assert [(b.channel, b.bin) for b in found] == [("sr", 1), ("cr", 1)]
    assert found[0].expected == 1.5
    weights = 2.0 * np.array([3 - 100 * np.log(1.03), 3 - 1.5 * np.log(3.0), 0.0, 1 - 2 * np.log(1.5)])
    assert [b.share for b in found] == pytest.approx((weights / weights.sum())[[1, 3]])
    text = small_counts_warning(likelihood, 1.0, observed=False)
    assert text is not None
    assert "bin 1 of channel 'sr' (1.5 events" in text
    assert "--toys 20000" in text


def test_large_bins_and_those_that_do_not_matter_are_not_told() -> None:
    large = two_channels(([3.0, 3.0], [0.0, 1.0]), ([100.0, 50.0], [500.0, 20.0]))
    assert small_counts_warning(large, 1.0) is None
    # A small bin with hardly a signal: 30 events in the other one have it all.
    other = two_channels(([10.0, 0.01], [0.0, 0.0]), ([30.0, 1.0], [500.0, 20.0]))
    assert small_bins(other, 1.0) == []
    nothing = two_channels(([0.0, 0.0], [0.0, 0.0]), ([30.0, 1.0], [500.0, 20.0]))
    assert small_bins(nothing, 1.0) == []


def test_a_bin_without_background_matters_by_its_signal() -> None:
    likelihood = two_channels(([2.0, 3.0], [0.0, 0.0]), ([0.0, 1000.0], [10.0, 10.0]))
    (found,) = small_bins(likelihood, 2.0)
    assert (found.bin, found.expected) == (0, 0.0)
    assert found.share == pytest.approx(8.0 / (8.0 + 2.0 * (6.0 - 1000.0 * np.log(1.006))))


def test_many_small_bins_are_counted() -> None:
    likelihood = two_channels(([1.0] * 6, [0.0]), ([1.0] * 6, [10.0]))
    text = small_counts_warning(likelihood, 1.0)
    assert text is not None
    assert "and 2 more" in text
