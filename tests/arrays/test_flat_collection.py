"""Flat arrays of a collection: against the jagged records that they stand for."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.arrays.errors import SelectionError
from massgap.arrays.flat_collection import FlatCollection, common_precision

RECORDS = ak.Array([[{"pt": 20.0, "n": 1}, {"pt": 5.0, "n": 2}], [], [{"pt": 7.0, "n": 3}]])


def collection(counts, keep=None, **fields) -> FlatCollection:
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    mask = None if keep is None else (lambda: np.asarray(keep, dtype=bool))
    return FlatCollection(
        lambda: offsets, {name: lambda v=v: np.asarray(v) for name, v in fields.items()}, mask, "a.root, Jet"
    )


@pytest.mark.parametrize(
    "records", [RECORDS, RECORDS[::-1], RECORDS[1:2], RECORDS[:0], RECORDS[RECORDS.pt > 6], RECORDS[[2, 0]]]
)
def test_of_jagged_records(records) -> None:
    flat = FlatCollection.of(records)
    assert flat.offsets.dtype == np.int64
    assert flat.offsets.tolist() == [0, *np.cumsum(ak.num(records)).tolist()]
    assert flat["pt"].tolist() == ak.flatten(records.pt).tolist()
    again = flat.jagged()
    assert again.tolist() == records.tolist()
    assert again.fields == records.fields


@given(st.lists(st.lists(st.booleans(), max_size=4), max_size=8))
def test_objects_that_do_not_belong(keep) -> None:
    flags = [x for xs in keep for x in xs]
    numbers = np.arange(len(flags))
    flat = collection([len(xs) for xs in keep], flags, n=numbers, pt=numbers.astype(np.float32))
    true = (
        ak.unflatten(numbers, [len(xs) for xs in keep])[ak.Array(keep)]
        if flags
        else ak.Array([[]] * len(keep))
    )
    assert flat.offsets.tolist() == [0, *np.cumsum(ak.num(true)).tolist()] if keep else [0]
    assert flat["n"].tolist() == ak.flatten(true).tolist()
    jagged = flat.jagged()
    assert [[x["n"] for x in xs] for xs in jagged.tolist()] == true.tolist()


def test_jagged_is_in_double_precision_and_flat_is_not() -> None:
    flat = collection([1, 1], pt=np.float32([0.1, 3]), good=[True, False], n=np.int8([1, 2]))
    assert flat["pt"].dtype == np.float32
    jagged = flat.jagged()
    assert jagged.pt.tolist() == [[float(np.float32(0.1))], [3.0]]
    assert [str(ak.flatten(jagged[f]).type.content) for f in ("pt", "good", "n")] == [
        "float64",
        "bool",
        "int8",
    ]


def test_fields_are_read_once_and_on_first_use() -> None:
    read = []
    offsets = np.array([0, 1])
    flat = FlatCollection(
        lambda: read.append("offsets") or offsets,
        {name: lambda name=name: read.append(name) or np.ones(1) for name in ("pt", "eta")},
    )
    assert read == []
    for _ in range(3):
        flat["pt"], flat.offsets
    assert read.count("pt") == 1
    assert "eta" not in read
    with pytest.raises(KeyError, match="phi"):
        flat["phi"]


@pytest.mark.parametrize("values", [[1.0], [1.0, 2.0, 3.0, 4.0], []])
@pytest.mark.parametrize("keep", [None, [True, False, True]])
def test_other_numbers_of_values_than_objects(values, keep) -> None:
    flat = collection([2, 1], keep, pt=values)
    for use in (lambda: flat["pt"], flat.jagged):
        with pytest.raises(
            SelectionError,
            match=rf"^a.root, Jet: pt has {len(values)} values, but the events have 3 objects; the file is damaged.$",
        ):
            use()


@pytest.mark.parametrize("keep", [[True], [True] * 4])
def test_other_numbers_of_marks_than_objects(keep) -> None:
    """The mark of Delphes' taus is a column as well, which may be damaged as well."""
    with pytest.raises(SelectionError, match=r"a.root, Jet: the mark of its objects has"):
        collection([2, 1], keep, pt=[1.0, 2.0, 3.0])["pt"]
    with pytest.raises(SelectionError, match=r"a.root, Jet: the mark of its objects has"):
        _ = collection([2, 1], keep, pt=[1.0, 2.0, 3.0]).offsets


def test_common_precision() -> None:
    single, double, whole = np.float32([0.1]), np.float64([0.1]), np.int32([3])
    assert [a.dtype for a in common_precision(single, single)] == [np.float32] * 2
    mixed = common_precision(single, double, whole, single[:0])
    assert [a.dtype for a in mixed] == [np.float64] * 4
    assert mixed[0][0] == float(single[0])
    assert mixed[1] is double
