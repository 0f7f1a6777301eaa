"""Columns of an RNTuple: the same as those of coffea's NanoEvents, and as those of a TTree with the same events."""

from __future__ import annotations

import itertools
import threading
from typing import TYPE_CHECKING, Any

import awkward as ak
import cloudpickle
import eventfiles
import fsspec
import numpy as np
import pytest
import uproot

from massgap.arrays.errors import SelectionError
from massgap.events.columns import Columns
from massgap.events.errors import FileProblem, ImpossibleValueError, MissingBranchError
from massgap.events.event import Event
from massgap.events.reading.files import inspect_file
from massgap.events.reading.ntuple import encodings
from massgap.events.reading.ntuple.columns import NtupleColumns
from massgap.events.reading.open import Chunk, close_files, open_events
from massgap.events.reading.tree import LeanFile
from massgap.processors import Slepton
from massgap.runner.work import SharedWork, process_chunk

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

N = 900


@pytest.fixture(autouse=True)
def closed() -> Iterator[None]:
    yield
    close_files()


def write_ntuple(path: Path, arrays: dict[str, Any], edges: tuple[int, ...], *, runs: bool = False) -> Path:
    """Collections as lists with one name each, and their counters, as NanoAOD has them."""
    flat: dict[str, Any] = {}
    for name, array in arrays.items():
        if not ak.fields(array):
            flat[name] = array
            continue
        flat[f"n{name}"] = np.asarray(ak.num(array)).astype(np.int32)
        flat |= {f"{name}_{field}": array[field] for field in ak.fields(array)}
    with uproot.recreate(path, compression=uproot.ZSTD(3)) as file:
        types = {k: v.type.content if isinstance(v, ak.Array) else v.dtype for k, v in flat.items()}
        made = file.mkrntuple("Events", types)
        for a, b in itertools.pairwise(edges):
            made.extend({k: v[a:b] for k, v in flat.items()})
        if runs:
            sums = {"run": np.array([1, 1]), "genEventSumw": np.array([2.5, 4.0])}
            file.mkrntuple("Runs", {k: v.dtype for k, v in sums.items()}).extend(sums)
    return path


@pytest.fixture(scope="module", params=eventfiles.VERSIONS)
def files(request, tmp_path_factory) -> tuple[Path, Path]:
    """The same events as RNTuple and as TTree."""
    folder = tmp_path_factory.mktemp(request.param)
    events = eventfiles.make_events(N, seed=5)
    tree = eventfiles.write_nano(folder / "tree.root", events, request.param)
    arrays = eventfiles.columns(events, request.param)
    return write_ntuple(folder / "ntuple.root", arrays, (0, 400, 401, N)), tree


def opened(path: Path | str, start: int, stop: int, *, columns: bool = True) -> Any:
    info = inspect_file(str(path))
    chunk = Chunk("d", str(path), start, stop, info.tree, info.format, info.uuid)
    return open_events(chunk, {"process": "p"}, columns=columns)


def same_event(mine: Columns, theirs: Columns) -> None:
    a, b = Event(mine), Event(theirs)
    assert len(a) == len(b)
    assert a.is_data == b.is_data
    assert a.weights.tolist() == b.weights.tolist()
    assert a.identifiers.tolist() == b.identifiers.tolist()
    for name in ("met", "muons", "electrons", "taus", "jets"):
        x, y = getattr(a, name), getattr(b, name)
        assert x.fields == y.fields
        if name != "met":
            assert x.offsets.tolist() == y.offsets.tolist()
        for field in x.fields:
            assert x.stored(field).dtype == y.stored(field).dtype
            np.testing.assert_array_equal(x.stored(field), y.stored(field))


@pytest.mark.parametrize(("start", "stop"), [(0, N), (317, 640), (400, 401), (40, 40)])
def test_the_same_events_as_in_a_tree_and_through_coffea(files, start, stop) -> None:
    mine = opened(files[0], start, stop)
    assert isinstance(mine, NtupleColumns)
    assert len(mine) == stop - start
    same_event(mine, opened(files[1], start, stop))
    if start < stop:
        same_event(mine, Columns(opened(files[0], start, stop, columns=False)))


def test_what_is_known_before_it_is_read(tmp_path) -> None:
    arrays = eventfiles.columns(eventfiles.make_events(60, seed=2))
    info = inspect_file(str(write_ntuple(tmp_path / "a.root", arrays, (0, 25, 60), runs=True)))
    assert (info.entries, info.format, info.simulated) == (60, "NanoAOD", True)
    assert info.clusters == (0, 25, 60)
    assert info.runs_sum_weights == 6.5


def test_lists_of_the_event_have_their_own_lengths(files) -> None:
    columns = opened(files[0], 10, 20)
    if columns.has("", "PSWeight"):
        assert columns.offsets("", "PSWeight").tolist() == list(range(0, 41, 4))
        assert columns.read("", "PSWeight").type.length == 10


def test_missing_fields_and_impossible_values_are_named(files) -> None:
    columns = opened(files[0], 0, 50)
    with pytest.raises(
        MissingBranchError, match=r"ntuple.root \(entries 0 to 50\): the file lacks the branch Tau_no"
    ):
        columns.flat("Tau", "no")
    assert columns.read("Muon", "pt").type.length == 50
    with pytest.raises(ImpossibleValueError, match="Muon_pt holds the value"):
        columns.flat_floats("Muon", "pt", 0.0, 1.0)


def test_titles_are_those_of_the_fields(tmp_path) -> None:
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        titled = ak.with_parameter(np.ones(3, "f4"), "__doc__", "the first of them")
        array = ak.zip({"Muon_pt": titled, "run": np.ones(3, "u4")})
        file.mkrntuple("Events", array.layout.form).extend(array)
    columns = opened(path, 0, 3)
    assert columns.title("Muon", "pt") == "the first of them"
    assert columns.title("Muon", "none") == ""


def test_records_in_lists_are_collections(tmp_path) -> None:
    path = tmp_path / "a.root"
    muons = ak.zip({"pt": ak.Array([[5.0, 4.0], [], [3.0]]), "charge": ak.Array([[1, -1], [], [1]])})
    with uproot.recreate(path) as file:
        array = ak.zip({"Muon": muons, "MET_pt": np.arange(3.0)}, depth_limit=1)
        file.mkrntuple("Events", array.layout.form).extend(array)
    columns = opened(path, 1, 3)
    assert columns.read("Muon", "pt").tolist() == [[], [3.0]]
    assert columns.flat("Muon", "charge").tolist() == [1]
    assert columns.offsets("Muon", "pt") is columns.offsets("Muon", "charge")
    assert columns.has("Muon", "pt")
    assert not columns.has("Muon", "eta")


def test_encodings_that_are_not_known_are_read_by_uproot(files, monkeypatch) -> None:
    known = {kind: name for kind, name in encodings._TYPES.items() if name != "f4"}
    monkeypatch.setattr(encodings, "_TYPES", known)
    mine = opened(files[0], 100, 500)
    assert not mine._tree["Jet_pt"].is_plain
    same_event(mine, opened(files[1], 100, 500))


def test_a_compression_that_is_not_known_is_left_to_uproot(files, monkeypatch) -> None:
    columns = opened(files[0], 100, 500)
    columns.flat("", "run")
    with monkeypatch.context() as patch:
        patch.setattr("massgap.events.reading.compressed._UNPACKERS", {})
        found = columns.flat("Jet", "pt")
    assert found.tolist() == opened(files[1], 100, 500).flat("Jet", "pt").tolist()


def test_what_uproot_cannot_read_either_is_named(files, monkeypatch) -> None:
    def fail(*_: Any, **__: Any) -> None:
        msg = "this type is not supported"
        raise NotImplementedError(msg)

    monkeypatch.setattr(encodings, "_TYPES", {})
    monkeypatch.setattr(uproot.behaviors.RNTuple.HasFields, "arrays", fail)
    monkeypatch.setattr(uproot.models.RNTuple.RField, "array", fail)
    columns = opened(files[0], 0, 50)
    with pytest.raises(
        FileProblem,
        match=r"ntuple.root \(entries 0 to 50\): field Jet_pt of type std::vector<float> cannot be read "
        r"\(NotImplementedError: this type is not supported\)\. Write the file anew",
    ):
        columns.flat("Jet", "pt")


def test_lists_of_one_collection_with_other_lengths_are_an_error(tmp_path) -> None:
    path = tmp_path / "a.root"
    lists = ak.Array([[5.0, 4.0], [], [3.0]])
    with uproot.recreate(path) as file:
        data = {"Muon_pt": lists, "Muon_eta": ak.Array([[0.1, 0.2], [0.3], [0.4]]), "MET_pt": np.arange(3.0)}
        types = {k: v.type.content if isinstance(v, ak.Array) else v.dtype for k, v in data.items()}
        file.mkrntuple("Events", types).extend(data)
    columns = opened(path, 0, 3)
    assert columns.read("Muon", "eta").tolist() == [[0.1, 0.2], [0.3], [0.4]]
    with pytest.raises(SelectionError, match="Muon"):
        Event(columns).muons.eta  # noqa: B018


def test_a_file_behind_a_url(files) -> None:
    """No handle of the operating system: bytes come through uproot, of exact ranges."""
    system = fsspec.filesystem("memory")
    system.pipe("/massgap/ntuple.root", files[0].read_bytes())
    try:
        columns = opened("memory://massgap/ntuple.root", 317, 640)
        assert isinstance(columns, NtupleColumns)
        same_event(columns, opened(files[1], 317, 640))
    finally:
        close_files()
        system.rm("/massgap/ntuple.root")


def test_threads_share_an_open_file(files) -> None:
    """Each reads chunk after chunk of one file; what is kept of pages is of no harm."""
    with LeanFile(str(files[0])) as file:
        ntuple = file.ntuple("Events")
        assert ntuple is not None
        true = ntuple["Jet_pt"].flat(0, N).tolist()
        fresh = file.ntuple("Events")
        found: dict[int, list[float]] = {}

        def work(number: int) -> None:
            size = 30 + 11 * number
            parts = [fresh["Jet_pt"].flat(a, min(a + size, N)) for a in range(0, N, size)]
            found[number] = np.concatenate(parts).tolist()

        threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert all(found[k] == true for k in range(8))


def test_the_error_of_a_chunk_says_that_the_file_is_damaged(tmp_path) -> None:
    """Not that the processor failed: nobody but these modules has seen the bytes."""
    arrays = eventfiles.columns(eventfiles.make_events(200, seed=3))
    path = write_ntuple(tmp_path / "a.root", arrays, (0, 200))
    with uproot.open(path) as file:
        ntuple, uuid = file["Events"], str(file.file.uuid)
        lists = ntuple["Jet_pt"].field_id
        (column,) = [
            c.idx
            for c in ntuple.column_records
            if ntuple.field_records[c.field_id].parent_field_id == lists != c.field_id
        ]
        place = ntuple.page_link_list[0][column].pages[0].locator
    content = bytearray(path.read_bytes())
    content[place.offset + 9] ^= 0xFF  # the magic number of the compressed frame
    path.write_bytes(content)
    shared = SharedWork("test_ntuple_columns", cloudpickle.dumps(Slepton()), "", {"d": {}}, 1)
    outcome = process_chunk(shared, Chunk("d", str(path), 0, 200, uuid=uuid))
    assert outcome.error is not None
    assert outcome.error.startswith(f"{path} (entries 0 to 200): cannot be read, the file is damaged")
