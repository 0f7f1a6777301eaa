from __future__ import annotations

import math

import pytest

from massgap.contracts.errors import FilesetError
from massgap.contracts.filesets.normalisation import check_sum_weights, normalisation, normalisation_notes


@pytest.mark.parametrize("xsec", [6.0, -6.0])
@pytest.mark.parametrize("total", [0.0, math.inf, -math.inf, math.nan])
def test_a_sum_that_cannot_normalise_is_refused_with_the_dataset(total, xsec):
    with pytest.raises(
        FilesetError, match=rf"'tt'.*sum of generator weights.*cannot be normalised to {xsec:g} fb"
    ):
        check_sum_weights("tt", {"xsec_fb": xsec}, total)
    check_sum_weights("tt", {"xsec_fb": xsec, "is_data": True}, total)
    check_sum_weights("tt", {}, total)


def test_a_positive_cross_section_beside_a_negative_sum_is_refused_with_the_remedy():
    with pytest.raises(FilesetError, match=r"'tt'.* is -5, .*\"xsec_fb\": -6 in the fileset, or --xsec=-6"):
        check_sum_weights("tt", {"xsec_fb": 6.0}, -5.0)


def test_the_declared_sum_comes_before_the_one_that_was_read():
    assert normalisation({"xsec_fb": 6.0, "sum_weights": 3.0}, 1.0) == 2.0
    assert normalisation({"xsec_fb": 6.0}, 1.5) == 4.0
    assert normalisation({"xsec_fb": 6.0}, 0.0) == 0.0


@pytest.mark.parametrize("total", [-4.0, 4.0])
def test_all_events_together_make_up_a_negative_cross_section(total):
    factor = normalisation({"xsec_fb": -6.0}, total)
    assert factor * total == -6.0
    assert math.copysign(1, factor) == -math.copysign(1, total)


def test_notes_name_the_datasets_that_take_away():
    fileset = {
        "a": {"metadata": {"xsec_fb": -6.0, "sum_weights": -2.0}},
        "b": {"metadata": {"xsec_fb": -7.5, "sum_weights": 2.0}},
        "c": {"metadata": {"xsec_fb": 6.0}},
        "d": {"metadata": {"is_data": True}},
        "e": {"metadata": {"xsec_fb": -1.0}},
    }
    first, second, third = normalisation_notes(fileset)
    assert "'a' has a negative cross section (-6 fb)" in first
    assert "other sign" not in first
    assert "'b'" in second
    assert "counts with the other sign" in second
    assert "'e'" in third
    assert "other sign" not in third
