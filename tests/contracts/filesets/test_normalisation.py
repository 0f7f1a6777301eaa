from __future__ import annotations

import math

import pytest

from massgap.contracts.errors import FilesetError
from massgap.contracts.filesets.normalisation import check_sum_weights, normalisation


@pytest.mark.parametrize("total", [0.0, -5.0, math.inf, math.nan])
def test_a_sum_that_cannot_normalise_is_refused_with_the_dataset(total):
    with pytest.raises(FilesetError, match=r"'tt'.*sum of generator weights.*to normalise to 6.0 fb"):
        check_sum_weights("tt", {"xsec_fb": 6.0}, total)
    check_sum_weights("tt", {"xsec_fb": 6.0, "is_data": True}, total)
    check_sum_weights("tt", {}, total)


def test_the_declared_sum_comes_before_the_one_that_was_read():
    assert normalisation({"xsec_fb": 6.0, "sum_weights": 3.0}, 1.0) == 2.0
    assert normalisation({"xsec_fb": 6.0}, 1.5) == 4.0
    assert normalisation({"xsec_fb": 6.0}, 0.0) == 0.0
