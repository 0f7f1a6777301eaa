"""Features of one value: an error that names them, or inputs that are always 0."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.contracts.errors import TableError
from massgap.models.networks.scaling import scaling_of

NAMES = ("varies", "constant", "missing", "sometimes")


def events():
    x = np.random.default_rng(1).normal(size=(200, 4)).astype(np.float32)
    x[:, 1], x[:, 2], x[::3, 3] = 7.0, np.nan, np.nan
    return x


def scaled(**options):
    return scaling_of(
        events(), np.ones(200), NAMES, clip=10.0, tell_missing=True, where="events of a test", **options
    )


def test_they_are_refused_by_name() -> None:
    with pytest.raises(
        TableError, match=r"'constant' has the value 7 in all events of a test.*--features varies,sometimes"
    ):
        scaled()


def test_or_they_are_inputs_that_are_always_zero() -> None:
    scaling = scaled(ignore_constant=True)
    z = scaling(events())
    assert scaling.told.tolist() == [3]
    assert z.shape == (200, 5)
    assert (z[:, 1:3] == 0).all()
    assert z[:, 0].std() == pytest.approx(1, abs=0.01)
    # Also for events that have other values, which were not trained with.
    other = np.array([[0.0, -50.0, 3.0, 1.0]], np.float32)
    assert (scaling(other)[:, 1:3] == 0).all()
    assert np.isfinite(scaling(other)).all()
