"""Columns of a tree: the same as those of coffea's NanoEvents on the same file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import eventfiles
import numpy as np
import pytest
import uproot

from massgap.arrays.errors import SelectionError
from massgap.events.columns import DELPHES, NANOAOD, Columns
from massgap.events.errors import ImpossibleValueError, MissingBranchError, NonFiniteError, UnknownFormatError
from massgap.events.event import Event
from massgap.events.reading.files import inspect_file
from massgap.events.reading.open import Chunk, close_files, open_events
from massgap.events.reading.tree import LeanFile
from massgap.events.reading.tree_columns import TreeColumns

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

COLLECTIONS = ("muons", "electrons", "taus", "jets")


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_files()


def both(path: Path, start: int, stop: int) -> tuple[TreeColumns, Columns]:
    """The columns of the tree, and those over coffea's events."""
    info = inspect_file(str(path))
    chunk = Chunk("d", str(path), start, stop, info.tree, info.format, info.uuid)
    mine = open_events(chunk, {"process": "p"}, columns=True)
    theirs = Columns(open_events(chunk, {"process": "p"}))
    assert isinstance(mine, TreeColumns)
    return mine, theirs


def identical(a: Any, b: Any) -> None:
    assert str(a.type) == str(b.type)
    assert ak.array_equal(a, b, equal_nan=True)


def same_event(mine: TreeColumns, theirs: Columns) -> None:
    a, b = Event(mine), Event(theirs)
    assert len(a) == len(b)
    assert a.is_data == b.is_data
    assert a.weights.tolist() == b.weights.tolist()
    assert a.identifiers.tolist() == b.identifiers.tolist()
    for name in ("met", *COLLECTIONS):
        x, y = getattr(a, name), getattr(b, name)
        assert x.fields == y.fields
        if name != "met":
            assert x.offsets.tolist() == y.offsets.tolist()
        for field in x.fields:
            assert x.stored(field).dtype == y.stored(field).dtype
            np.testing.assert_array_equal(x.stored(field), y.stored(field))
            np.testing.assert_array_equal(x[field], y[field])


@pytest.mark.parametrize("version", eventfiles.VERSIONS)
@pytest.mark.parametrize(("start", "stop"), [(0, 900), (317, 640), (40, 40)])
def test_nanoaod(nano_files, version, start, stop) -> None:
    mine, theirs = both(nano_files[version], start, stop)
    assert (len(mine), mine.format, mine.where) == (len(theirs), NANOAOD, theirs.where)
    assert mine.where == f"{nano_files[version]} (entries {start} to {stop})"
    same_event(mine, theirs)
    for collection, fields in eventfiles.layout(version).items():
        for field in fields:
            assert mine.has(collection, field)
            assert theirs.has(collection, field)
            identical(mine.read(collection, field), theirs.read(collection, field))
            np.testing.assert_array_equal(mine.flat(collection, field), theirs.flat(collection, field))
            assert mine.offsets(collection, field).tolist() == theirs.offsets(collection, field).tolist()
            assert mine.title(collection, field) == theirs.title(collection, field)
            assert mine.branch_name(collection, field) == f"{collection}_{field}"
    for name in ("PSWeight",):
        mine_list, their_list = Event(mine).weight_vector(name), Event(theirs).weight_vector(name)
        assert (mine_list is None) == (their_list is None) == (version == "data")
        if mine_list is not None:
            assert ak.to_list(mine_list) == ak.to_list(their_list)


@pytest.mark.parametrize(
    "name",
    [
        "nano_tt_v15.root",
        "nanoAOD_2015_CMS_Open_Data_ttbar.root",
        "nano_dimuon.root",
        "delphes_seungjin.root",
    ],
)
def test_real_files(real_files, name) -> None:
    path = real_files / name
    if not path.exists():
        pytest.skip(f"no {name} among the real event files")
    entries = inspect_file(str(path)).entries
    mine, theirs = both(path, entries // 4, entries // 2)
    assert mine.format == theirs.format
    same_event(mine, theirs)
    if mine.format == DELPHES:
        assert mine.branch_name("Jet", "PT") == "Jet.PT"
        assert mine.title("Jet", "PT") == "PT[Jet_]"
        for collection, field in (("Jet", "BTag"), ("Muon", "Charge")):
            identical(mine.read(collection, field), theirs.read(collection, field))
        # coffea takes the one value of each event out of its list.
        for collection, field in (("Event", "Number"), ("MissingET", "MET")):
            np.testing.assert_array_equal(mine.flat(collection, field), theirs.flat(collection, field))
        assert not mine.has("Jet", "Absent")
        assert not mine.has("Absent", "PT")
    else:
        assert mine.title("Tau", "idDeepTau2018v2p5VSjet") == theirs.title("Tau", "idDeepTau2018v2p5VSjet")
        for weight in ("PSWeight", "LHEScaleWeight", "LHEPdfWeight"):
            assert mine.has("", weight) == theirs.has("", weight)
            if mine.has("", weight):
                identical(mine.read("", weight), theirs.read("", weight))


def test_lists_of_the_event_have_each_their_own_lengths(tmp_path) -> None:
    """PSWeight and LHEScaleWeight belong to no collection: what one of them counts says nothing of the other."""
    n = 30
    columns = eventfiles.columns(eventfiles.make_events(n, seed=4), "v12")
    columns["LHEScaleWeight"] = ak.unflatten(np.arange(9 * n, dtype="f4"), np.full(n, 9))
    columns["LHEPdfWeight"] = ak.unflatten(np.arange(2 * n, dtype="f4"), np.arange(n) % 2 * 4)
    path = eventfiles.write_columns(tmp_path / "a.root", columns)
    mine, _ = both(path, 3, 25)
    for name in ("PSWeight", "LHEScaleWeight", "LHEPdfWeight", "PSWeight"):
        assert mine.floats("", name).tolist() == columns[name][3:25].tolist()


@pytest.fixture
def open_columns(tmp_path):
    """Columns of a file with a few events."""
    files = []

    def write(
        change: dict[str, Any] | None = None, *, drop: tuple[str, ...] = (), n: int = 40, **how: Any
    ) -> TreeColumns:
        columns = eventfiles.columns(eventfiles.make_events(n, seed=4), "v12")
        for name in drop:
            del columns[name]
        path = eventfiles.write_columns(tmp_path / f"{len(files)}.root", columns | (change or {}), **how)
        files.append(LeanFile(str(path)))
        return TreeColumns(files[-1].tree("Events"), 0, n, {"filename": "a.root", "process": "p"})

    yield write
    for file in files:
        file.close()


def test_missing_columns_are_named(open_columns) -> None:
    columns = open_columns()
    assert columns.metadata == {"filename": "a.root", "process": "p"}
    for reach in (columns.read, columns.floats, columns.flat, columns.flat_floats, columns.offsets):
        with pytest.raises(
            MissingBranchError,
            match=r"^a.root \(entries 0 to 40\): the file lacks the branch Jet_puId, which",
        ) as caught:
            reach("Jet", "puId")
        assert caught.value.branch == "Jet_puId"
    with pytest.raises(MissingBranchError, match="branch genWeigth,"):
        columns.read("", "genWeigth")
    assert not columns.has("Jet", "puId")
    assert columns.title("Jet", "puId") == ""
    assert columns.first("Jet", ("puId", "jetId")) == "jetId"


def test_without_a_file_name_there_is_no_place(open_columns) -> None:
    tree = open_columns()._tree
    with pytest.raises(MissingBranchError, match=r"^the file lacks the branch x") as caught:
        TreeColumns(tree, 0, 3).read("", "x")
    assert caught.value.where == ""


def test_impossible_values_and_nan_are_named(open_columns) -> None:
    met = np.full(40, 5.0, dtype=np.float32)
    met[7] = np.nan
    columns = open_columns({"MET_pt": met, "MET_phi": np.full(40, 9.0)})
    for check in (columns.floats, columns.flat_floats):
        with pytest.raises(NonFiniteError, match=r"a.root \(entries 0 to 40\): branch MET_pt has 1 NaN"):
            check("MET", "pt", 0.0, 100.0)
        with pytest.raises(ImpossibleValueError, match="MET_phi holds the value 9"):
            check("MET", "phi", -6.3, 6.3)


def test_other_trees_are_refused(open_columns, tmp_path) -> None:
    path = tmp_path / "x.root"
    with uproot.recreate(path) as file:
        file.mktree("Events", {"px": np.float32}).extend({"px": np.ones(2, np.float32)})
    with LeanFile(str(path)) as file, pytest.raises(UnknownFormatError, match="neither NanoAOD nor Delphes"):
        TreeColumns(file.tree("Events"), 0, 2)


def test_arrays_of_a_fixed_size_are_read_in_the_generic_way(tmp_path) -> None:
    path = tmp_path / "a.root"
    fixed = np.arange(12, dtype=np.float64).reshape(4, 3)
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {"run": np.uint32, "Muon_pt": "f4", "fixed": (np.float64, (3,))})
        tree.extend({"run": np.ones(4, "u4"), "Muon_pt": np.ones(4, "f4"), "fixed": fixed})
    with LeanFile(str(path)) as file:
        columns = TreeColumns(file.tree("Events"), 1, 3)
        assert columns.read("", "fixed").tolist() == fixed[1:3].tolist()
        assert columns.flat("", "fixed").tolist() == fixed[1:3].ravel().tolist()


def test_strings_are_read_in_the_generic_way(tmp_path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("Events", {"run": np.uint32, "Muon_pt": "f4", "name": "string"})
        tree.extend(
            {"run": np.ones(3, "u4"), "Muon_pt": np.ones(3, "f4"), "name": ak.Array(["a", "", "cde"])}
        )
    with LeanFile(str(path)) as file:
        columns = TreeColumns(file.tree("Events"), 1, 3)
        # As from coffea's events: characters without the mark that they are text.
        assert [bytes(text).decode() for text in columns.read("", "name").tolist()] == ["", "cde"]


def test_columns_without_a_counter_of_their_collection(open_columns) -> None:
    """Lists that were written one by one: each has its own counter, nX_pt and nX_eta, and nX is something else."""
    lists = ak.Array([[1.0, 2.0], [], [3.0]] * 13 + [[]])
    columns = open_columns({"X_pt": lists, "X_eta": -lists})
    assert columns.read("X", "pt").tolist() == lists.tolist()
    assert columns.read("X", "eta").tolist() == (-lists).tolist()
    assert columns.offsets("X", "eta").tolist() == [0, *np.cumsum(ak.num(lists)).tolist()]
    for odd in (np.full(40, 0.5), ak.Array([[1], [2]] * 20)):
        columns = open_columns({"X_pt": lists, "nX": odd})
        assert columns.read("X", "pt").tolist() == lists.tolist()


@pytest.mark.parametrize("kind", ["i1", "u1", "i2", "u4", "i8", "u8"])
def test_counters_of_any_integer_type(open_columns, kind) -> None:
    lists = ak.Array([[1.0, 2.0], [], [3.0]] * 13 + [[]])
    columns = open_columns({"X_pt": lists, "nX": np.asarray(ak.num(lists)).astype(kind)})
    assert columns.offsets("X", "pt").dtype == np.int64
    assert columns.read("X", "pt").tolist() == lists.tolist()


def test_columns_of_one_collection_with_other_lengths_are_an_error(open_columns) -> None:
    lists = ak.Array([[1.0, 2.0], [], [3.0]] * 13 + [[]])
    longer = ak.concatenate([lists[:-1], ak.Array([[9.0]])])
    columns = open_columns({"X_pt": lists, "X_eta": longer, "nX": np.asarray(ak.num(lists))})
    assert columns.read("X", "pt").tolist() == lists.tolist()
    with pytest.raises(
        SelectionError,
        match=r"a.root \(entries 0 to 40\): branch X_eta has 40 values, but the events have 39 objects",
    ):
        columns.read("X", "eta")
    events = open_columns({"Muon_extra": longer})
    with pytest.raises(SelectionError, match="branch Muon_extra has 40 values"):
        events.floats("Muon", "extra")


def test_a_stale_counter_is_named(open_columns) -> None:
    """As RDataFrame leaves it where a collection was filtered and its counter was not."""
    lists = ak.Array([[1.0, 2.0], [], [3.0]] * 13 + [[]])
    stale = np.asarray(ak.num(lists)) + 1
    columns = open_columns({"X_pt": lists, "X_eta": -lists, "X_phi": lists, "nX": stale.astype(np.int32)})
    words = (
        r"a.root \(entries 0 to 40\): branch X_pt has 39 values, but the events have 79 objects by nX \(X_eta, X_phi have 39, too\): "
        r"the counter is stale.*\.Redefine\(.nX., .static_cast<int>\(X_pt.size\(\)\).\), or without nX"
    )
    for ask in (columns.offsets, columns.read):
        with pytest.raises(SelectionError, match=words):
            ask("X", "pt")
    assert "the counter is stale" in str(columns.stale_counter())
    # One branch alone that was filtered.
    columns = open_columns(
        {"X_pt": lists, "X_eta": lists[:, :1], "X_phi": lists, "nX": np.asarray(ak.num(lists))}
    )
    assert columns.offsets("X", "pt").tolist() == [0, *np.cumsum(ak.num(lists)).tolist()]
    with pytest.raises(SelectionError, match="39 objects by nX and X_phi: a skim changed this branch alone"):
        columns.read("X", "eta")


def test_a_stale_counter_in_a_run_of_any_processor(tmp_path) -> None:
    """Also where coffea stumbles over it."""
    from runs import fileset_of

    from massgap.processors import Slepton
    from massgap.processors.registry import make_processor
    from massgap.runner import run

    arrays = eventfiles.columns(eventfiles.make_events(60, seed=3), "v12")
    jets = arrays.pop("Jet")
    arrays |= {f"Jet_{field}": jets[field] for field in jets.fields}
    arrays["nJet"] = np.asarray(ak.num(jets.pt) + 1, dtype=np.int32)
    path = eventfiles.write_columns(tmp_path / "stale.root", arrays)
    (tmp_path / "own.py").write_text(
        "from coffea.processor import ProcessorABC\n"
        "class Count(ProcessorABC):\n"
        "    def process(self, events):\n"
        "        return {'n': len(events.Jet.pt.to_list())}\n"
        "    def postprocess(self, accumulator):\n"
        "        return None\n"
    )
    for processor in (Slepton(), make_processor(f"{tmp_path / 'own.py'}:Count")):
        (problem,) = run(processor, fileset_of(path)).ledger.problems()
        assert problem.startswith(f"{path}: branch Jet_")
        assert "by nJet" in problem
        assert "the counter is stale" in problem
        assert "damaged" not in problem


def test_negative_counts_are_an_error(open_columns) -> None:
    """They would send a compiled pass to memory that is not its own."""
    lists = ak.Array([[1.0], [2.0]] * 20)
    counts = np.array([25, -23] * 20)
    columns = open_columns({"X_pt": lists, "nX": counts.astype(np.int32)})
    with pytest.raises(SelectionError, match="nX has negative values: the file was written wrongly"):
        columns.offsets("X", "pt")


def test_flat_columns_are_read_once(open_columns) -> None:
    columns = open_columns()
    assert columns.flat("Muon", "pt") is columns.flat("Muon", "pt")
    assert columns.flat("", "nMuon") is columns.flat("", "nMuon")
    assert columns.offsets("Muon", "pt") is columns.offsets("Muon", "eta")
