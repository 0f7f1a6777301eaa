from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from massgap.arrays.errors import SelectionError
from massgap.arrays.flat import FlatObjects, as_flat, one_per_event, same_events

RECORDS = ak.Array([[{"pt": 1.0, "n": 1}, {"pt": 2.0, "n": 2}], [], [{"pt": 3.0, "n": 3}]])


@pytest.mark.parametrize(
    "objects",
    [RECORDS, RECORDS.to_list(), {"pt": RECORDS.pt, "n": RECORDS.n}, RECORDS[[True, True, True]]],
)
def test_forms_of_jagged_objects(objects):
    flat = as_flat("jets", objects, ("pt", "n"))
    assert flat.columns.tolist() == [[1.0, 2.0, 3.0], [1.0, 2.0, 3.0]]
    assert flat.columns.dtype == np.float64
    assert flat.offsets.tolist() == [0, 2, 2, 3]


def test_slices_and_masks_of_events():
    assert as_flat("jets", RECORDS[1:], ("pt",)).columns.tolist() == [[3.0]]
    assert as_flat("jets", RECORDS[::-1], ("pt",)).columns.tolist() == [[3.0, 1.0, 2.0]]
    kept = as_flat("jets", RECORDS[RECORDS.pt > 1.5], ("pt",))
    assert (kept.columns.tolist(), kept.offsets.tolist()) == ([[2.0, 3.0]], [0, 1, 1, 2])


def test_flat_objects_pass_through():
    flat = as_flat(
        "jets", FlatObjects(np.array([[1.0, 2.0]], np.float32), np.array([0, 2], np.int32)), ("pt",)
    )
    assert flat.columns.dtype == np.float64
    assert flat.offsets.dtype == np.int64


@pytest.mark.parametrize("offsets", [[0, 1], [1, 2], [0, 3], [0, 2, 1, 2], []])
def test_offsets_that_point_elsewhere(offsets):
    with pytest.raises(SelectionError, match="offsets of the flat jets"):
        as_flat("jets", FlatObjects(np.array([[1.0, 2.0]]), np.array(offsets, np.int64)), ("pt",))


def test_errors_name_input_and_remedy():
    with pytest.raises(SelectionError, match="jets need the field mass, but have only pt, n"):
        as_flat("jets", RECORDS, ("pt", "mass"))
    with pytest.raises(SelectionError, match="jets need the field pt"):
        as_flat("jets", object(), ("pt",))
    with pytest.raises(SelectionError, match="1 dimensions"):
        as_flat("jets", {"pt": [1.0, 2.0]}, ("pt",))
    with pytest.raises(SelectionError, match="different numbers of objects"):
        as_flat("jets", {"pt": RECORDS.pt, "n": RECORDS.n[:, :1]}, ("pt", "n"))
    with pytest.raises(SelectionError, match="not numeric"):
        as_flat("jets", {"pt": [["a"], ["b"]]}, ("pt",))
    with pytest.raises(SelectionError, match="not numeric"):
        as_flat("jets", {"pt": [[1.0, None], []]}, ("pt",))
    with pytest.raises(SelectionError, match="2 columns"):
        as_flat("jets", FlatObjects(np.zeros((1, 1)), np.array([0, 1])), ("pt", "eta"))


def test_no_events_and_no_objects():
    assert as_flat("jets", [], ("pt",)).offsets.tolist() == [0]
    assert as_flat("jets", [[], []], ("pt", "eta")).columns.shape == (2, 0)
    assert as_flat("jets", RECORDS[:0], ("pt",)).offsets.tolist() == [0]


def test_one_per_event():
    assert one_per_event("met", np.float32([1, 2])).dtype == np.float64
    assert one_per_event("met", ak.Array([1, 2])).tolist() == [1.0, 2.0]
    with pytest.raises(SelectionError, match="met has 0 dimensions"):
        one_per_event("met", 3.0)
    with pytest.raises(SelectionError, match="met is not a flat array"):
        one_per_event("met", [[1.0], []])


def test_same_events():
    assert same_events(a=2, b=2) == 2
    with pytest.raises(SelectionError, match="differ"):
        same_events(a=2, b=3)
