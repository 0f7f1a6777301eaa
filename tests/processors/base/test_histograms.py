"""Bins of the flat buffer against boost-histogram."""

from __future__ import annotations

import math

import boost_histogram as bh
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.processors.base.histograms import HistogramSpec, Layout


@st.composite
def axis_and_values(draw):
    low = draw(st.floats(-1e3, 1e3))
    width = draw(st.floats(1e-3, 1e3))
    bins = draw(st.integers(1, 80))
    high = low + width
    edges = np.linspace(low, high, bins + 1)
    near = [float(v) for e in edges for v in (e, np.nextafter(e, -np.inf), np.nextafter(e, np.inf))]
    values = draw(st.lists(st.one_of(st.sampled_from(near), st.floats(-2e3, 2e3)), max_size=30))
    return low, high, bins, [*values, low, high, math.inf, -math.inf]


@given(axis_and_values())
def test_index_is_that_of_boost_histogram(case) -> None:
    low, high, bins, values = case
    spec = HistogramSpec("x", "x", "x", bins, low, high)
    axis = bh.axis.Regular(bins, low, high)
    expected = [axis.index(v) + 1 for v in values]
    assert spec.index(np.array(values)).tolist() == expected


def test_classes_lie_behind_each_other() -> None:
    spec = HistogramSpec("x", "x", "x", 2, 0.0, 1.0, ("a", "b"), "selection")
    assert spec.size == 8
    values = np.array([-1.0, 0.1, 0.9, 1.0])
    assert spec.index(values, 1).tolist() == [4, 5, 6, 7]
    assert spec.index(values, np.array([0, 1, 0, 1])).tolist() == [0, 5, 2, 7]


def test_axes_of_the_histogram() -> None:
    spec = HistogramSpec("x", "met", "MET", 5, 0.0, 1.0, ("topology", "precuts"), "selection")
    h = spec.empty(["WW", "tt"], "mumu1j", ["jes_up", "nominal"])
    assert [a.name for a in h.axes] == ["process", "channel", "selection", "variation", "met"]
    folds = HistogramSpec("score", "score", "s", 4, 0.0, 1.0, (0, 1, 2), "fold")
    h = folds.empty(["tt"], "mumu1j", ["nominal"])
    assert [a.name for a in h.axes] == ["process", "channel", "variation", "fold", "score"]
    assert h.axes["fold"].extent == 3


def test_blocks_do_not_overlap() -> None:
    specs = tuple(HistogramSpec(n, n, n, b, 0.0, 1.0) for n, b in (("a", 3), ("b", 1), ("c", 7)))
    layout = Layout(specs)
    assert layout.size == 5 + 3 + 9
    assert [(layout.block(n).start, layout.block(n).stop) for n in "abc"] == [(0, 5), (5, 8), (8, 17)]
    assert layout == Layout(specs)
    assert layout != Layout(specs[:2])


def test_names_are_unique() -> None:
    spec = HistogramSpec("a", "a", "a", 3, 0.0, 1.0)
    with pytest.raises(ValueError, match="same name"):
        Layout((spec, spec))
