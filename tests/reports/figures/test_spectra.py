"""Arrays cut out of histograms by the names of the axes."""

from __future__ import annotations

import hist
import numpy as np
import pytest

from massgap.contracts.description import Description, Region
from massgap.reports.errors import UnreadableInput
from massgap.reports.figures.labels import ordered_regions
from massgap.reports.figures.spectra import folds, plane, regions, spectra


@pytest.fixture
def histogram() -> hist.Hist:
    """Two processes; axes in another order than that of a run; contents inside and outside the range."""
    h = hist.Hist(
        hist.axis.Regular(4, 0, 4, name="x", label="x [GeV]"),
        hist.axis.StrCategory(["precuts", "topology", "other"], name="region"),
        hist.axis.StrCategory(["a", "b"], name="process"),
        hist.axis.StrCategory(["nominal", "up"], name="variation"),
        storage=hist.storage.Weight(),
    )
    h.fill([0.5, 3.5], "topology", "a", "nominal", weight=[2.0, 3.0])
    h.fill([0.5, 9.0, -1.0], "topology", "a", "nominal", weight=[1.0, 7.0, 0.5])
    h.fill([1.5], "precuts", "a", "nominal", weight=[100.0])
    h.fill([1.5], "topology", "b", "up", weight=[1000.0])
    return h


def test_a_region_and_a_variation_are_chosen(histogram: hist.Hist) -> None:
    drawn = spectra(histogram, region="topology")
    np.testing.assert_array_equal(drawn.values["a"], [3, 0, 0, 3])
    np.testing.assert_array_equal(drawn.variances["a"], [5, 0, 0, 9])
    np.testing.assert_array_equal(drawn.values["b"], 0)
    assert drawn.outside["a"] == 7.5
    assert (drawn.name, drawn.axis_label) == ("x", "x [GeV]")
    np.testing.assert_array_equal(spectra(histogram, region="precuts").values["a"], [0, 100, 0, 0])
    up = spectra(histogram, region="topology", variation="up")
    np.testing.assert_array_equal(up.values["b"], [0, 1000, 0, 0])


def test_regions_are_never_added_up(histogram: hist.Hist) -> None:
    """They may overlap."""
    with pytest.raises(UnreadableInput, match=r"several regions.*region=: precuts, topology, other"):
        spectra(histogram)


def test_the_only_region_need_not_be_named() -> None:
    h = hist.new.StrCat(["a"], name="process").StrCat(["sr"], name="region").Reg(1, 0, 1, name="x").Weight()
    h.fill("a", "sr", [0.5])
    assert spectra(h).values["a"] == [1.0]


def test_unknown_categories_are_named(histogram: hist.Hist) -> None:
    with pytest.raises(UnreadableInput, match=r"region has no 'nothing', only precuts, topology"):
        spectra(histogram, region="nothing")


def test_two_axes_of_values_cannot_be_drawn() -> None:
    h = hist.new.StrCat(["a"], name="process").Reg(2, 0, 1, name="x").Reg(2, 0, 1, name="y").Weight()
    with pytest.raises(UnreadableInput, match="exactly one axis of values"):
        spectra(h)


def test_regions_come_in_the_order_of_the_analysis(histogram: hist.Hist) -> None:
    described = Description(
        regions=(Region("topology", channel="b"), Region("precuts", channel="a"), Region("none", channel="b"))
    )
    found = ordered_regions(regions(histogram), described)
    assert list(found.items()) == [("b", ["topology"]), ("a", ["precuts"]), ("", ["other"])]


def test_a_fold_is_one_slice_and_all_folds_are_the_sum() -> None:
    h = hist.new.StrCat(["a"], name="process").Int(0, 3, name="fold").Reg(8, 0, 1, name="score").Weight()
    h.fill("a", [0, 1, 2, 2], [0.05, 0.05, 0.05, 0.95], weight=[1.0, 10.0, 100.0, 5.0])
    assert folds(h) == [0, 1, 2]
    assert spectra(h, fold=1).values["a"][0] == 10
    assert spectra(h).values["a"][0] == 111
    merged = spectra(h).merged(4)
    np.testing.assert_array_equal(merged.values["a"], [111, 5])
    np.testing.assert_array_equal(merged.edges, [0, 0.5, 1])


def test_a_plane_has_x_along_its_first_axis_and_nothing_from_outside() -> None:
    h = (
        hist.new.Reg(2, 0, 2, name="x")
        .StrCat(["a"], name="process")
        .Reg(3, 0, 3, name="y", label="Y")
        .Weight()
    )
    h.fill([0.5, 1.5, 5.0], "a", [2.5, 0.5, 0.5], weight=[1.0, 2.0, 4.0])
    drawn = plane(h)
    np.testing.assert_array_equal(drawn.values["a"], [[0, 0, 1], [2, 0, 0]])
    assert drawn.names == ("x", "y")
    assert drawn.axis_labels == ("x", "Y")
    with pytest.raises(UnreadableInput, match="exactly one axis of values"):
        spectra(h)
