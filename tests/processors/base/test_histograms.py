"""Histograms and their places in the flat buffer, against boost-histogram."""

from __future__ import annotations

import math

import boost_histogram as bh
import hist
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.processors.base.axes import Integer, Regular, Variable
from massgap.processors.base.histograms import HistogramSpec, Layout
from massgap.processors.errors import ProcessorError


def regular(name: str, bins: int, **options) -> HistogramSpec:
    return HistogramSpec(name, Regular(bins, 0.0, 1.0, name=name), **options)


@given(
    st.lists(
        st.tuples(
            st.one_of(st.floats(-2, 2), st.just(math.nan)), st.sampled_from([-1, 0, 1, 2, 5, math.nan])
        ),
        max_size=30,
    )
)
def test_two_observables_lie_as_in_boost_histogram(values) -> None:
    x, n = (np.array([v[i] for v in values], dtype=np.float64) for i in (0, 1))
    spec = HistogramSpec("both", Variable((-1.0, 0.0, 0.3), name="x"), Integer(0, 3, name="n"))
    true = bh.Histogram(bh.axis.Variable([-1.0, 0.0, 0.3]), bh.axis.Integer(0, 3))
    defined = ~(np.isnan(x) | np.isnan(n))
    if defined.any():
        true.fill(x[defined], n[defined].astype(int))
    places = spec.places(x, n)
    assert ((places >= 0) == defined).all()
    found = np.bincount(places[defined], minlength=spec.bins)
    assert found.tolist() == true.values(flow=True).ravel().tolist()


def test_regions_and_folds_lie_behind_each_other() -> None:
    layout = Layout((regular("x", 2), regular("s", 2, regions=["b", "c"], folds=3)), ("a", "b", "c"))
    assert (layout.shape("x"), layout.shape("s")) == ((3, 4), (2, 3, 4))
    assert [layout.first_bin("x", r) for r in "abc"] == [0, 4, 8]
    assert [layout.first_bin("s", r) for r in "bc"] == [12, 12 + 3 * 4]
    assert layout.size == 3 * 4 + 2 * 3 * 4


def test_axes_of_the_histogram() -> None:
    spec = HistogramSpec("x", Regular(5, 0.0, 1.0, name="met", label="MET"))
    h = spec.empty(["WW", "tt"], ["topology", "precuts"], ["jes_up", "nominal"])
    assert [a.name for a in h.axes] == ["process", "region", "variation", "met"]
    assert (list(h.axes["region"]), h.axes["met"].label) == (["topology", "precuts"], "MET")
    h = regular("score", 4, folds=3).empty(["tt"], ["precuts"], ["nominal"])
    assert [a.name for a in h.axes] == ["process", "region", "variation", "fold", "score"]
    assert h.axes["fold"].extent == 3
    both = HistogramSpec("xy", Regular(2, 0.0, 1.0, name="x"), Variable((0.0, 1.0, 5.0), name="y"))
    h = both.empty(["tt"], ["a"], ["nominal"])
    assert [a.name for a in h.axes] == ["process", "region", "variation", "x", "y"]
    # What is not the shape of the block could not be written into it.
    assert h.view(flow=True).shape[3:] == Layout((both,), ("a",)).shape("xy")[1:]


def test_blocks_do_not_overlap() -> None:
    specs = tuple(regular(name, bins) for name, bins in (("a", 3), ("b", 1), ("c", 7)))
    layout = Layout(specs, ("all",))
    assert layout.size == 5 + 3 + 9
    assert [(layout.block(n).start, layout.block(n).stop) for n in "abc"] == [(0, 5), (5, 8), (8, 17)]
    assert layout == Layout(specs, ("all",))
    assert layout != Layout(specs[:2], ("all",))
    assert layout != Layout(specs, ("some",))


def test_names_are_unique_and_regions_known() -> None:
    with pytest.raises(ProcessorError, match="two histograms of the analysis are called a: give each a name"):
        Layout((regular("a", 3), regular("a", 3)), ("all",))
    with pytest.raises(ProcessorError, match="histogram 'a': there is no region 'sr'; there are cr, vr"):
        Layout((regular("a", 3, regions=["sr"]),), ("cr", "vr"))


@pytest.mark.parametrize(
    "axes",
    [(), tuple(Regular(2, 0.0, 1.0, name=n) for n in "abc"), (Regular(2, 0.0, 1.0),)],
    ids=["none", "three", "without a name"],
)
def test_one_or_two_axes_with_names(axes) -> None:
    with pytest.raises(ProcessorError, match=r"histogram 'x': give one or two axes with a name each"):
        HistogramSpec("x", *axes)


def test_arrays_of_different_lengths_are_refused() -> None:
    spec = HistogramSpec("xy", *(hist.axis.Regular(2, 0.0, 1.0, name=n) for n in "xy"))
    with pytest.raises(ProcessorError, match="histogram 'xy': its two arrays have 2 and 1 values"):
        spec.places(np.zeros(2), np.zeros(1))
