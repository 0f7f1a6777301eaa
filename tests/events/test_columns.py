"""Columns by name under every schema, and how formats are told apart."""

from __future__ import annotations

import math
import pickle

import awkward as ak
import eventfiles
import numpy as np
import pytest
import uproot

from massgap.arrays.errors import SelectionError
from massgap.events.columns import DELPHES, NANOAOD, Columns, event_format
from massgap.events.errors import ImpossibleValueError, MissingBranchError, NonFiniteError, UnknownFormatError
from massgap.events.reading.tree import LeanFile
from massgap.events.reading.tree_columns import TreeColumns


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["nMuon", "Muon_pt", "MET_pt"], NANOAOD),
        (["run", "event", "Jet_pt"], NANOAOD),
        (["Muon", "Jet", "run", "MET"], NANOAOD),
        (["Event", "MissingET", "Muon"], DELPHES),
        (["Event.Number", "MissingET.MET"], DELPHES),
        (["Muon/Muon.PT", "MissingET/MissingET.MET"], DELPHES),
    ],
)
def test_formats(names, expected) -> None:
    assert event_format(names) == expected


@pytest.mark.parametrize(
    ("names", "words"),
    [
        (["px", "py"], "neither NanoAOD nor Delphes"),
        (["NMuon", "Muon_Px", "Muon_Py", "Jet_Px"], "neither NanoAOD nor Delphes"),
        (["MuonsAuxDyn.pt", "JetsAuxDyn.pt"], "PHYSLITE"),
        ([], "its first branches: none"),
    ],
)
def test_unknown_formats(names, words) -> None:
    with pytest.raises(UnknownFormatError, match=words):
        event_format(names)


@pytest.fixture(scope="module")
def events():
    return eventfiles.make_events(60, seed=2)


@pytest.fixture(scope="module")
def by_schema(tmp_path_factory, events):
    from coffea.nanoevents import BaseSchema, NanoEventsFactory

    from massgap.events.reading.schemas import NanoAOD

    path = eventfiles.write_nano(tmp_path_factory.mktemp("sources") / "nano.root", events, "v12")
    place = {"filename": "nano.root", "entrystart": 10, "entrystop": 20}
    out = {
        schema.__name__: NanoEventsFactory.from_root(
            {str(path): "Events"}, schemaclass=schema, metadata=place
        ).events()
        for schema in (NanoAOD, BaseSchema)
    }
    out["records"] = ak.zip(eventfiles.columns(events, "v12"), depth_limit=1)
    return out


@pytest.mark.parametrize("schema", ["NanoAOD", "BaseSchema", "records"])
def test_the_same_columns_under_every_schema(by_schema, events, schema) -> None:
    columns = Columns(by_schema[schema])
    assert (len(columns), columns.format) == (60, NANOAOD)
    expected = [[float(np.float32(m["pt"])) for m in e["muons"]] for e in events]
    assert columns.floats("Muon", "pt").tolist() == expected
    assert str(columns.floats("Muon", "pt").type.content.content) == "float64"
    assert columns.read("", "event").tolist() == [e["number"] for e in events]
    assert columns.floats("MET", "pt").tolist() == [float(np.float32(e["met"][0])) for e in events]
    assert columns.charges("Muon", "charge", 1).tolist() == [
        [m["charge"] for m in e["muons"]] for e in events
    ]
    assert columns.has("Jet", "jetId")
    assert not columns.has("Jet", "puId")
    assert not columns.has("Photon", "pt")
    assert not columns.has("", "LHEWeight")
    assert columns.first("Jet", ("btagPNetB", "btagDeepFlavB")) == "btagDeepFlavB"
    assert columns.first("Jet", ("x", "y")) is None


@pytest.mark.parametrize("schema", ["NanoAOD", "BaseSchema", "records"])
def test_missing_columns_are_named(by_schema, schema) -> None:
    columns = Columns(by_schema[schema], where="nano.root")
    with pytest.raises(
        MissingBranchError, match=r"^nano.root: the file lacks the branch Jet_puId, which"
    ) as caught:
        columns.read("Jet", "puId")
    assert caught.value.branch == "Jet_puId"
    with pytest.raises(MissingBranchError, match="branch genWeigth,"):
        columns.read("", "genWeigth")


def test_place_in_the_file_is_named(by_schema) -> None:
    columns = Columns(by_schema["BaseSchema"])
    assert columns.where == "nano.root (entries 10 to 20)"
    array = ak.Array([{"run": 1, "MET_pt": math.nan}, {"run": 1, "MET_pt": 5.0}])
    with pytest.raises(NonFiniteError, match=r"a.root \(entries 10 to 20\): branch MET_pt has 1 NaN"):
        Columns(array, "a.root (entries 10 to 20)").floats("MET", "pt")


@pytest.mark.parametrize("kind", ["f4", "f8", "i4"])
def test_flat_columns_with_one_limit_hold_nothing_infinite(tmp_path, kind) -> None:
    """Read from a tree, where they are checked on the way, and from records alike."""
    values = np.array([5.0, 7.0, 2.0, 9.0]).astype(kind)
    infinite = values.astype("f8" if kind == "i4" else kind)
    infinite[2] = np.inf
    base = {"run": np.ones(4, "u4"), "luminosityBlock": np.ones(4, "u4"), "event": np.arange(4, dtype="u8")}
    with uproot.recreate(tmp_path / "a.root") as file:
        content = {**base, "MET_pt": values, "MET_phi": infinite}
        file.mktree("Events", {name: column.dtype for name, column in content.items()}).extend(content)
    with LeanFile(str(tmp_path / "a.root")) as file:
        tree = file.tree("Events")
        for columns in (
            TreeColumns(tree, 0, 4),
            Columns(
                ak.Array(
                    [{"run": 1, "MET_pt": a, "MET_phi": b} for a, b in zip(values, infinite, strict=True)]
                )
            ),
        ):
            for _ in range(2):  # read, and held
                assert columns.flat_floats("MET", "pt", 0.0).tolist() == [5.0, 7.0, 2.0, 9.0]
                assert columns.flat_floats("MET", "phi", 0.0, infinite=True).tolist()[2] == np.inf
                for limits in ((0.0,), (), (-np.inf, np.inf)):
                    with pytest.raises(NonFiniteError, match="MET_phi has 1 NaN"):
                        columns.flat_floats("MET", "phi", *limits)
                with pytest.raises(ImpossibleValueError, match="MET_pt holds the value 2, possible are 3 to"):
                    columns.flat_floats("MET", "pt", 3.0)


def test_impossible_values_are_named() -> None:
    columns = Columns(ak.Array([{"run": 1, "Muon_pt": [5.0, -1.0], "Muon_charge": [1, 3]}]), where="x.root")
    with pytest.raises(
        ImpossibleValueError, match=r"x.root: branch Muon_pt holds the value -1, possible are 0 to 10"
    ):
        columns.floats("Muon", "pt", 0.0, 10.0)
    with pytest.raises(ImpossibleValueError, match="Muon_charge holds the value 3"):
        columns.charges("Muon", "charge", 1)
    assert columns.floats("Muon", "pt", -1.0, 5.0).tolist() == [[5.0, -1.0]]


@pytest.mark.parametrize(
    "error",
    [
        MissingBranchError("Jet_pt", "a.root", "Do this."),
        NonFiniteError("Jet_pt", 3, "a.root"),
        ImpossibleValueError("Jet_pt", -1.0, (0.0, 5.0), "a.root"),
    ],
)
def test_errors_pickle(error) -> None:
    again = pickle.loads(pickle.dumps(error))
    assert (type(again), str(again)) == (type(error), str(error))
    assert isinstance(error, SelectionError)
