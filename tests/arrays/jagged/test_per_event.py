"""One object per event against plain NumPy."""

from __future__ import annotations

import copy
import math
import pickle
from types import SimpleNamespace

import awkward as ak
import numpy as np
import pytest
import vector

from massgap.arrays import Collection, PerEvent
from massgap.arrays.errors import SelectionError

PT, PHI = np.array([10.0, 20.0, 30.0]), np.array([0.0, 1.0, 2.0])


def met(**options) -> PerEvent:
    return PerEvent({"pt": PT, "phi": PHI.astype("f4"), "n": np.array([1, 2, 3])}, name="MET", **options)


def test_fields() -> None:
    assert (len(met()), met().fields) == (3, ("pt", "phi", "n"))
    assert met().pt.tolist() == met()["pt"].tolist() == PT.tolist()
    assert (met().phi.dtype, met().stored("phi").dtype, met().n.dtype) == ("f8", "f4", "i8")
    assert met().exists.tolist() == [True] * 3
    assert repr(met()) == "<PerEvent MET: 3 events, fields pt phi n>"


@pytest.mark.parametrize("chosen", [[True, False, True], [2, 0], [-1], slice(1, None), [], slice(None)])
def test_events(chosen) -> None:
    index = np.array(chosen, dtype=None if chosen else int) if isinstance(chosen, list) else chosen
    part = met()[chosen]
    assert part.pt.tolist() == PT[index].tolist()
    assert part[::-1].phi.tolist() == PHI[index][::-1].tolist()
    assert len(part) == len(PT[index])


def test_missing_objects() -> None:
    some = met(exists=[True, False, True])
    np.testing.assert_array_equal(some.pt, [10.0, math.nan, 30.0])
    np.testing.assert_array_equal(some.stored("phi"), np.array([0.0, math.nan, 2.0], dtype="f4"))
    assert some.n.tolist() == [1, 0, 3]
    more = some.with_fields(x=np.arange(3.0))[[1, 2]]
    assert more.exists.tolist() == [False, True]
    assert more.x.tolist() == [1.0, 2.0]
    np.testing.assert_array_equal(more.pt, [math.nan, 30.0])


def test_fields_are_read_once_and_on_first_use() -> None:
    read = []

    def reader(name, values):
        return lambda: (read.append(name), np.array(values))[1]

    one = PerEvent(
        {"pt": reader("pt", [1.0, 2.0]), "phi": reader("phi", [3.0, 4.0]), "no": reader("no", [1.0])}
    )
    assert repr(one) == "<PerEvent the object: fields pt phi no>"
    assert read == []
    assert one.phi.tolist() == [3.0, 4.0]
    assert one[[1]].phi.tolist() == [4.0]
    assert one.pt.tolist() == [1.0, 2.0]
    assert sorted(read) == ["phi", "pt"]
    with pytest.raises(SelectionError, match="the object: no has 1 values"):
        one.no  # noqa: B018


def test_awkward_is_a_vector() -> None:
    assert isinstance(met().awkward, vector.Momentum)
    np.testing.assert_allclose(met().awkward.px, PT * np.cos(PHI), rtol=1e-6)
    muons = Collection.of([[{"pt": 2.0, "eta": 1.0, "phi": 0.5, "mass": 0.1}], []])
    one = muons.at(0).awkward
    assert one.energy[0] == pytest.approx(vector.obj(pt=2.0, eta=1.0, phi=0.5, mass=0.1).energy)
    assert math.isnan(one.energy[1])


def test_mistakes_are_named() -> None:
    with pytest.raises(SelectionError, match="MET: phi has 1 values, but the events have 2"):
        PerEvent({"pt": np.zeros(2), "phi": np.zeros(1)}, name="MET")
    with pytest.raises(SelectionError, match="MET: there is no field 'eta'; they have pt, phi, n"):
        met().eta  # noqa: B018
    with pytest.raises(SelectionError, match="the mask has 2 values, but there are 3 events"):
        met()[[True, False]]
    with pytest.raises(TypeError, match="instead of a loop"):
        list(met())
    with pytest.raises(ValueError, match="read-only"):
        met().pt[0] = 1


def test_copies() -> None:
    some = met(exists=[True, False, True])
    for again in (copy.copy(some), copy.deepcopy(some), pickle.loads(pickle.dumps(some))):
        np.testing.assert_array_equal(again.pt, some.pt)
        assert again.exists.tolist() == [True, False, True]


def test_no_object_in_any_event() -> None:
    one = Collection.of([[], []], "jets").at(0)
    np.testing.assert_array_equal(one.pt, [math.nan, math.nan])
    np.testing.assert_array_equal(one[[1]].anything, [math.nan])


def test_anything_with_its_fields_is_one_object_per_event() -> None:
    records = ak.Array([{"pt": 1.0, "phi": 2.0}, {"pt": 3.0, "phi": 4.0}])
    vectors = vector.array({"pt": [1.0, 3.0], "phi": [2.0, 4.0]})
    plain = SimpleNamespace(pt=[1.0, 3.0], phi=np.float32([2, 4]))
    for given in (
        records,
        vectors,
        plain,
        {"pt": [1, 3], "phi": records.phi},
        PerEvent({"pt": [1, 3], "phi": [2, 4]}),
    ):
        out = PerEvent.of(given, ("pt", "phi"), "met")
        assert out.columns("pt", "phi").tolist() == [[1.0, 3.0], [2.0, 4.0]]
    named = met()
    assert PerEvent.of(named, ("pt", "phi"), "met") is named
    for given in (np.float32([1, 2]), ak.Array([1, 2]), [1, 2]):
        assert PerEvent.of(given, ("pt",), "met").columns("pt").tolist() == [[1.0, 2.0]]


def test_what_is_no_object_per_event_is_named() -> None:
    def of(given, *fields: str) -> PerEvent:
        return PerEvent.of(given, fields or ("pt", "phi"), "met")

    with pytest.raises(SelectionError, match="met needs the field phi, but has only pt"):
        of({"pt": [1.0]})
    with pytest.raises(SelectionError, match="met needs the field pt, but has no fields"):
        of([1.0])
    with pytest.raises(SelectionError, match="met: pt has 0 dimensions"):
        of(3.0, "pt")
    with pytest.raises(SelectionError, match="met: pt is not a flat array"):
        of([[1.0], []], "pt")
    with pytest.raises(SelectionError, match="met: pt is not a flat array"):
        of(["a"], "pt")
    with pytest.raises(SelectionError, match="met: phi has 1 values, but the events have 2"):
        of({"pt": [1.0, 2.0], "phi": [1.0]})
    with pytest.raises(SelectionError, match="met: there is no field 'phi'"):
        of(PerEvent({"pt": [1.0]}), "pt", "phi").columns("phi")


def test_columns_are_undefined_where_the_object_is_missing() -> None:
    """Whole numbers, too, which are 0 there as a field."""
    one = met(exists=[True, False, True])
    assert one.n.tolist() == [1, 0, 3]
    columns = one.columns("n", "pt")
    np.testing.assert_array_equal(columns, [[1.0, np.nan, 3.0], [10.0, np.nan, 30.0]])
    columns[:] = 0.0
    assert one.pt[0] == 10.0
    assert met().columns("n").dtype == np.float64
