from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hist
import numpy as np
import pytest

from massgap.contracts.errors import HistogramError
from massgap.fits.contents import read_region, regions_of

if TYPE_CHECKING:
    from collections.abc import Callable


def test_arrays_of_one_region(make_score: Callable[..., Any], signal: str) -> None:
    h = make_score(n_events=50, variations=True)
    contents = read_region(h, "precuts")
    assert regions_of(h) == ("precuts",)
    assert contents.values.shape == (7, 3, 3, 400)
    assert contents.folds == 3
    assert contents.variations[contents.nominal] == "nominal"
    (at,) = contents.positions((signal,))
    picked = h[signal, "precuts", "nominal", 1, :].values()
    assert contents.values[at, contents.nominal, 1].tolist() == picked.tolist()
    summed = contents.over_folds()
    assert summed.values.shape == (7, 3, 400)
    assert summed.values.sum() == pytest.approx(contents.values.sum())


def test_order_of_axes_does_not_matter(make_score: Callable[..., Any]) -> None:
    h = make_score(n_events=50)
    other = hist.Hist(*(h.axes[i] for i in (2, 3, 1, 0, 4)), storage=hist.storage.Weight())
    other.view(flow=True)[...] = h.view(flow=True).transpose(2, 3, 1, 0, 4)
    one, two = read_region(h), read_region(other)
    assert np.array_equal(one.values, two.values)
    assert np.array_equal(one.variances, two.variances)


def observable(edges: list[float], **options: bool) -> hist.Hist[Any]:
    h = hist.Hist(
        hist.axis.StrCategory(["a"], name="process"),
        hist.axis.StrCategory(["sr"], name="region"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Variable(edges, name="m", **options),
        storage=hist.storage.Weight(),
    )
    h.fill(process="a", region="sr", variation="nominal", m=[-1.0, 0.5, 7.0], weight=[1.0, 2.0, 4.0])
    return h


def test_what_lies_outside_is_added_on_the_side_that_is_asked() -> None:
    contents = read_region(observable([0.0, 1.0, 3.0])).over_folds()
    assert contents.folds is None
    assert contents.with_flow()[0].ravel().tolist() == [3.0, 4.0]
    assert contents.with_flow(below=False)[0].ravel().tolist() == [2.0, 4.0]
    assert contents.with_flow(above=False)[0].ravel().tolist() == [3.0, 0.0]
    assert contents.with_flow()[1].ravel().tolist() == [5.0, 16.0]
    assert contents.values.ravel().tolist() == [2.0, 0.0]


def test_axis_without_bins_outside() -> None:
    contents = read_region(observable([0.0, 1.0, 3.0], underflow=False, overflow=False)).over_folds()
    assert contents.with_flow()[0].ravel().tolist() == [2.0, 0.0]


def test_two_observables_are_refused() -> None:
    h = hist.Hist(
        hist.axis.StrCategory(["a"], name="process"),
        hist.axis.StrCategory(["sr"], name="region"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Regular(2, 0, 1, name="x"),
        hist.axis.Regular(2, 0, 1, name="y"),
        storage=hist.storage.Weight(),
    )
    with pytest.raises(HistogramError, match="has the axis 'x', which a one-dimensional fit cannot use"):
        regions_of(h)
