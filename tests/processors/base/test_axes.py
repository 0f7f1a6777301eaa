"""Bins of the axes against boost-histogram."""

from __future__ import annotations

import itertools
import math

import boost_histogram as bh
import hist
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.processors.base.axes import Integer, Regular, Variable, as_axis
from massgap.processors.errors import ProcessorError


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
def test_regular(case) -> None:
    low, high, bins, values = case
    axis = bh.axis.Regular(bins, low, high)
    expected = [axis.index(v) + 1 for v in values]
    mine = Regular(bins, low, high, name="x")
    assert mine.places(np.array(values)).tolist() == expected
    assert mine.extent == axis.extent


@given(
    st.lists(st.floats(-1e3, 1e3), min_size=2, max_size=20, unique=True).map(sorted),
    st.lists(st.floats(-2e3, 2e3), max_size=20),
)
def test_variable(edges, values) -> None:
    near = [v for e in edges for v in (e, math.nextafter(e, -math.inf), math.nextafter(e, math.inf))]
    values = [*values, *near, math.inf, -math.inf]
    axis = bh.axis.Variable(edges)
    mine = Variable(tuple(edges), name="x")
    assert mine.places(np.array(values)).tolist() == [axis.index(v) + 1 for v in values]
    assert mine.extent == axis.extent


@given(st.integers(-5, 5), st.integers(1, 9), st.lists(st.integers(-20, 20), max_size=20))
def test_integer(start, size, values) -> None:
    axis = bh.axis.Integer(start, start + size)
    mine = Integer(start, start + size, name="n")
    assert mine.places(np.array(values, dtype=np.float64)).tolist() == [axis.index(v) + 1 for v in values]
    assert mine.extent == axis.extent
    assert mine.places(np.array([-math.inf, math.inf])).tolist() == [0, size + 1]


AXES = (Regular(4, 0.0, 2.0, name="x"), Variable((0.0, 0.5, 2.0), name="x"), Integer(0, 2, name="x"))


@pytest.mark.parametrize("axis", AXES, ids=lambda axis: type(axis).__name__)
def test_undefined_values_have_no_bin(axis) -> None:
    assert axis.places(np.array([math.nan, 1.0]))[0] == -1
    assert axis.places(np.array([math.nan, 1.0]))[1] > 0
    assert axis.places(np.array([])).tolist() == []


@pytest.mark.parametrize(
    ("axis", "given_as"),
    list(
        itertools.chain.from_iterable(
            [(mine, make(module)) for module in (hist.axis, bh.axis)]
            for mine, make in (
                (Regular(4, 0.0, 2.0, name="x"), lambda m: m.Regular(4, 0, 2)),
                (Variable((0.0, 0.5, 2.0), name="x"), lambda m: m.Variable([0, 0.5, 2])),
                (Integer(-1, 2, name="x"), lambda m: m.Integer(-1, 2)),
            )
        )
    ),
)
def test_axes_of_hist_and_boost_histogram_are_taken(axis, given_as) -> None:
    found = as_axis(given_as)
    values = np.array([-2.0, -1.0, 0.0, 0.5, 1.9, 2.0, 3.0])
    assert type(found) is type(axis)
    assert found.places(values).tolist() == axis.places(values).tolist()
    assert found.as_hist().edges.tolist() == given_as.edges.tolist()


def test_name_and_label_come_along_and_go_back() -> None:
    mine = as_axis(hist.axis.Regular(4, 0, 2, name="met", label="MET [GeV]"))
    assert mine == Regular(4, 0.0, 2.0, name="met", label="MET [GeV]")
    for axis in (mine, Variable((0, 1), name="v", label="V"), Integer(0, 3, name="n", label="N")):
        back = axis.as_hist()
        assert (back.name, back.label, back.extent) == (axis.name, axis.label, axis.extent)
        assert as_axis(back) == axis


@pytest.mark.parametrize(
    "axis",
    [
        hist.axis.Regular(4, 0, 2, name="x", overflow=False),
        hist.axis.Regular(4, 0, 2, name="x", underflow=False),
        hist.axis.Regular(4, 0, 2, name="x", circular=True),
        hist.axis.Regular(4, 0, 2, name="x", growth=True),
        hist.axis.Regular(4, 1, 10, name="x", transform=hist.axis.transform.log),
        hist.axis.StrCategory(["a"], name="x"),
        hist.axis.IntCategory([1], name="x"),
        hist.axis.Boolean(name="x"),
        "x",
        None,
    ],
    ids=repr,
)
def test_other_axes_are_refused(axis) -> None:
    with pytest.raises(ProcessorError, match=r"cannot be filled: axes are Regular, Variable or Integer"):
        as_axis(axis)


@pytest.mark.parametrize("edges", [(), (1.0,), (1.0, 1.0), (2.0, 1.0), (0.0, math.nan), (math.nan, 0.0)])
def test_edges_must_rise(edges) -> None:
    with pytest.raises(ProcessorError, match=r"axis 'x': the edges .* must be two or more that rise"):
        Variable(edges, name="x")
