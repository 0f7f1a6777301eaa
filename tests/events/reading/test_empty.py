"""The columns of no events: an analysis runs over them as over any others."""

from __future__ import annotations

import numpy as np
import pytest

from massgap.events.columns import DELPHES, NANOAOD
from massgap.events.event import Event
from massgap.events.reading.empty import EmptyColumns
from massgap.events.variations import OBJECT_VARIATIONS, WEIGHT_VARIATIONS, varied_weights


@pytest.mark.parametrize("form", [NANOAOD, DELPHES, ""])
def test_every_collection_is_there_and_empty(form) -> None:
    event = Event(EmptyColumns({"filename": "a.root"}, form), is_data=False)
    assert len(event) == 0
    for name in event.collections:
        found = event[name]
        assert len(found) == 0
        for field in found.fields:
            assert found[field].shape == (0,)
    assert event.weights.shape == (0,)
    assert event.identifiers.shape == (0, 3)
    assert len(event[np.zeros(0, dtype=bool)]) == 0
    for systematic, (_, variations) in WEIGHT_VARIATIONS.items():
        found = varied_weights(event, systematic).weights
        # Members of a set of parton densities are as many as the events have weights: without events none is known.
        assert set(found) == (set() if systematic == "pdf" else set(variations))
        assert all(values.shape == (0,) for values in found.values())
    for shifts in OBJECT_VARIATIONS.values():
        for shift in shifts.values():
            assert len(shift(event).jets) == 0
