"""Ntuples that uproot wrote, field by field: against what was written, and against uproot."""

from __future__ import annotations

import itertools
import os
import struct
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
import pytest
import uproot
import xxhash
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from massgap.events.errors import FileProblem
from massgap.events.reading.baskets import flat_branch
from massgap.events.reading.ntuple import pages
from massgap.events.reading.ntuple.envelopes import NotLeanError
from massgap.events.reading.ntuple.ntuple import LeanNtuple
from massgap.events.reading.tree import LeanFile

if TYPE_CHECKING:
    from pathlib import Path

COMPRESSIONS = {
    "zstd": uproot.ZSTD(3),
    "lz4": uproot.LZ4(1),
    "zlib": uproot.ZLIB(1),
    "lzma": uproot.LZMA(1),
    "none": None,
}
TYPES = ("?", "i1", "u1", "i2", "u2", "i4", "u4", "i8", "u8", "f4", "f8")


def write(
    path: Path, data: dict[str, Any], compression: Any, edges: list[int], form: str = "rntuple"
) -> Path:
    with uproot.recreate(path, compression=compression) as file:
        types = {k: v.type.content if isinstance(v, ak.Array) else v.dtype for k, v in data.items()}
        made = (file.mkrntuple if form == "rntuple" else file.mktree)("Events", types)
        for a, b in itertools.pairwise(edges):
            made.extend({k: v[a:b] for k, v in data.items()})
    return path


def expected(array: Any, start: int, stop: int) -> Any:
    part = array[start:stop]
    return ak.to_numpy(ak.flatten(part)) if isinstance(part, ak.Array) else part


class Bytes:
    """A reader of bytes, which counts how often it is asked."""

    def __init__(self, content: bytes) -> None:
        self.content = bytearray(content)
        self.asked: list[tuple[int, int]] = []

    def __call__(self, begin: int, size: int) -> bytes:
        self.asked.append((begin, size))
        return bytes(self.content[begin : begin + size])


def opened(path: Path) -> tuple[LeanNtuple, Bytes]:
    read = Bytes(path.read_bytes())
    with uproot.open(path) as file:
        return LeanNtuple(file["Events"], read), read


@given(st.data())
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_any_data_compression_clusters_and_chunks(tmp_path, draw) -> None:
    """The same random data as TTree and as RNTuple, read in random chunks, are what was written."""
    n = draw.draw(st.integers(1, 300), label="events")
    rng = np.random.default_rng(draw.draw(st.integers(0, 2**32), label="seed"))
    kinds = draw.draw(st.lists(st.sampled_from(TYPES), min_size=1, max_size=3, unique=True), label="types")
    mean = draw.draw(st.sampled_from([0.0, 0.3, 3.0]), label="mean length")
    wide = draw.draw(st.booleans(), label="incompressible")
    data: dict[str, Any] = {}
    for kind in kinds:
        counts = rng.poisson(mean, n)
        high = 2 if kind == "?" else 100
        values = rng.integers(0, high, n + int(counts.sum())).astype(kind)
        if wide and kind[0] == "f":
            values = rng.normal(size=len(values)).astype(kind)
        data[f"s_{kind.replace('?', 'b')}"] = values[:n]
        data[f"l_{kind.replace('?', 'b')}"] = ak.unflatten(values[n:], counts)
    cuts = st.lists(st.integers(0, n), max_size=4)
    edges = sorted({0, n, *draw.draw(cuts, label="clusters")})
    chunks = sorted({0, n, *draw.draw(cuts, label="chunks")})
    codec = COMPRESSIONS[draw.draw(st.sampled_from(sorted(COMPRESSIONS)), label="compression")]
    ntuple, _ = opened(write(tmp_path / "n.root", data, codec, edges))
    with LeanFile(str(write(tmp_path / "t.root", data, codec, edges, "ttree"))) as file:
        tree: Any = file.tree("Events")
        assert ntuple.num_entries == tree.num_entries == n
        assert ntuple.cluster_edges == tuple(edges)
        for name, array in data.items():
            for start, stop in itertools.pairwise(chunks):
                true = expected(array, start, stop)
                for found in (ntuple[name].flat(start, stop), flat_branch(tree[name], start, stop)):
                    assert found.dtype == true.dtype
                    np.testing.assert_array_equal(found, true)
                if name.startswith("l_"):
                    lengths = ak.to_numpy(ak.num(array[start:stop]))
                    assert ntuple[name].offsets(start, stop).tolist() == [0, *np.cumsum(lengths).tolist()]


def test_collections_of_records_and_records(tmp_path) -> None:
    counts = [2, 0, 1, 3, 0]
    pt, charge = np.arange(6.0), np.array([1, -1, 1, 1, -1, 1], dtype=np.int32)
    data = {
        "Muon": ak.zip({"pt": ak.unflatten(pt, counts), "charge": ak.unflatten(charge, counts)}),
        "MET": ak.zip({"pt": np.arange(5.0), "phi": -np.arange(5.0)}),
    }
    ntuple, _ = opened(write(tmp_path / "a.root", data, uproot.ZSTD(1), [0, 3, 5]))
    assert ntuple["Muon.pt"].flat(1, 5).tolist() == [2.0, 3.0, 4.0, 5.0]
    assert ntuple["Muon.charge"].offsets(2, 4).tolist() == [0, 1, 4]
    # One list of positions for both: it is read once for the collection.
    assert ntuple["Muon.pt"].list_columns == ntuple["Muon.charge"].list_columns
    assert ntuple["MET.phi"].flat(2, 4).tolist() == [-2.0, -3.0]
    assert not ntuple["Muon"].is_plain
    assert "Muon.mass" not in ntuple
    assert "Tau" not in ntuple
    with pytest.raises(KeyError):
        ntuple["MET.mass"]


def test_ranges_beyond_the_ntuple_raise(tmp_path) -> None:
    ntuple, _ = opened(write(tmp_path / "a.root", {"x": np.arange(9.0)}, None, [0, 4, 9]))
    for start, stop in ((5, 10), (-1, 3), (6, 5)):
        with pytest.raises(ValueError, match="out of the range of the 9"):
            ntuple["x"].flat(start, stop)


def test_an_empty_ntuple_and_lists_that_are_all_empty(tmp_path) -> None:
    nothing = {"x": np.zeros(0, "f4"), "y": ak.values_astype(ak.Array([[1.0]])[:0], "f4")}
    ntuple, _ = opened(write(tmp_path / "a.root", nothing, uproot.ZSTD(1), [0]))
    assert ntuple.num_entries == 0
    assert ntuple["x"].flat(0, 0).dtype == np.float32
    assert ntuple["y"].offsets(0, 0).tolist() == [0]
    empty = {"y": ak.values_astype(ak.Array([[], [], [1.0]])[:2], "f4")}
    ntuple, _ = opened(write(tmp_path / "b.root", empty, uproot.ZSTD(1), [0, 1, 2]))
    assert [len(ntuple["y"].flat(a, b)) for a, b in ((0, 2), (0, 1), (1, 2))] == [0, 0, 0]
    assert ntuple["y"].offsets(0, 2).tolist() == [0, 0, 0]


def test_pages_of_several_compressed_blocks(tmp_path) -> None:
    """ROOT compresses at most 16 MB at a time."""
    x = np.arange(2_200_000, dtype=np.float64) // 7
    ntuple, _ = opened(write(tmp_path / "a.root", {"x": x}, uproot.ZSTD(1), [0, len(x)]))
    assert np.array_equal(ntuple["x"].flat(0, len(x)), x)
    assert np.array_equal(ntuple["x"].flat(2_097_100, 2_097_200), x[2_097_100:2_097_200])


def test_a_page_is_unpacked_once_for_chunk_after_chunk(tmp_path) -> None:
    """One cluster, one page, ten chunks: the bytes of the page are read once, and forgotten at its end."""
    data = {"x": np.arange(1000.0), "y": ak.unflatten(np.arange(2000.0), np.full(1000, 2))}
    ntuple, read = opened(write(tmp_path / "a.root", data, uproot.ZSTD(1), [0, 1000]))
    next(ntuple.clusters(0, 1))
    for name, pages_of_it in (("x", 1), ("y", 2)):
        before = len(read.asked)
        parts = [ntuple[name].flat(a, a + 100) for a in range(0, 1000, 100)]
        assert np.concatenate(parts).tolist() == expected(data[name], 0, 1000).tolist()
        assert len(read.asked) - before == pages_of_it
    whole = ntuple["x"].flat(0, 1000)
    whole[:] = -1
    assert ntuple["x"].flat(0, 100).tolist() == data["x"][:100].tolist()


def test_pages_are_kept_only_while_there_is_room(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(pages, "_KEPT", 8 * 1000 + 7)
    data = {name: np.arange(1000.0) for name in "abc"}
    ntuple, read = opened(write(tmp_path / "a.root", data, uproot.ZSTD(1), [0, 1000]))
    next(ntuple.clusters(0, 1))
    before = len(read.asked)
    for start in range(0, 1000, 250):
        for name, true in data.items():
            assert ntuple[name].flat(start, start + 250).tolist() == true[start : start + 250].tolist()
    assert len(read.asked) - before == 1 + 4 + 4


def test_only_what_is_asked_for_is_read(tmp_path) -> None:
    """Not the pages of other fields or clusters, and no byte beyond a page's end."""
    rng = np.random.default_rng(4)
    data = {name: rng.normal(size=4000) for name in ("a", "b", "c")}
    path = write(tmp_path / "a.root", data, uproot.ZSTD(1), [0, 1000, 2000, 3000, 4000])
    ntuple, read = opened(path)
    before = sum(size for _, size in read.asked)
    assert ntuple["b"].flat(1200, 1300).tolist() == data["b"][1200:1300].tolist()
    with uproot.open(path) as file:
        place = file["Events"].page_link_list[1][1].pages[0].locator
        lists = file["Events"].footer.cluster_group_records[1].page_list_link.locator
    assert read.asked[-2:] == [(lists.offset, lists.num_bytes), (place.offset, place.num_bytes)]
    assert sum(size for _, size in read.asked) - before == lists.num_bytes + place.num_bytes


# ---- damage, and what is not known


def envelope(path: Path, part: str) -> tuple[int, int]:
    with uproot.open(path) as file:
        ntuple = file["Events"]
        return ntuple.member(f"fSeek{part}"), ntuple.member(f"fNBytes{part}")


@pytest.fixture
def small(tmp_path) -> Path:
    rng = np.random.default_rng(6)
    counts = rng.poisson(2, 200)
    data = {"x": rng.normal(size=200), "y": ak.unflatten(rng.integers(0, 9, int(counts.sum())), counts)}
    return write(tmp_path / "a.root", data, None, [0, 120, 200])


@pytest.mark.parametrize("part", ["Header", "Footer"])
def test_damaged_descriptions_raise(small, part) -> None:
    begin, size = envelope(small, part)
    rng = np.random.default_rng(2)
    with uproot.open(small) as file:
        found = file["Events"]
        for at in {0, 1, 7, size - 1, *rng.integers(0, size, 20).tolist()}:
            read = Bytes(small.read_bytes())
            read.content[begin + at] ^= 1 << int(rng.integers(8))
            with pytest.raises(ValueError, match=f"the {part.lower()} of the ntuple has a wrong checksum"):
                LeanNtuple(found, read)
        short = Bytes(small.read_bytes()[: begin + size - 1])
        with pytest.raises(ValueError, match="ends beyond the end of the file"):
            LeanNtuple(found, short)


def test_a_damaged_list_of_pages_raises(small) -> None:
    ntuple, read = opened(small)
    with uproot.open(small) as file:
        where = file["Events"].footer.cluster_group_records[1].page_list_link.locator
    read.content[where.offset + 60] ^= 4
    assert len(ntuple["x"].flat(0, 120)) == 120
    with pytest.raises(ValueError, match="list of pages of the entries 120 to 200 has a wrong checksum"):
        ntuple["x"].flat(119, 121)


def seal(content: bytearray, begin: int, size: int) -> None:
    """The right checksum for an envelope that was changed."""
    digest = xxhash.xxh3_64_intdigest(bytes(content[begin : begin + size - 8]))
    content[begin + size - 8 : begin + size] = digest.to_bytes(8, "little")


def test_features_that_are_not_known_are_refused(small, tmp_path) -> None:
    """They may change what everything else means; uproot reads on all the same."""
    begin, size = envelope(small, "Footer")
    content = bytearray(small.read_bytes())
    content[begin + 8] |= 2
    seal(content, begin, size)
    path = tmp_path / "b.root"
    path.write_bytes(content)
    with (
        LeanFile(str(path)) as file,
        pytest.raises(FileProblem, match=r"b\.root: .*features.*flags 0x2.*update"),
    ):
        file.ntuple("Events")


def test_a_list_whose_ends_go_backwards_raises(small) -> None:
    """They would send a compiled pass to memory that is not its own."""
    ntuple, read = opened(small)
    with uproot.open(small) as file:
        place = file["Events"].page_link_list[0][1].pages[0].locator
    struct.pack_into("<q", read.content, place.offset + 8 * 60, 10**6)
    with pytest.raises(ValueError, match="field y has lists in cluster 0 that end before they begin"):
        ntuple["y"].offsets(0, 120)
    with pytest.raises(ValueError, match="field y has lists outside of its"):
        ntuple["y"].flat(0, 61)
    with pytest.raises(ValueError, match="field y has lists outside of its"):
        ntuple["y"].flat(61, 120)


def test_a_page_list_with_too_few_elements_raises(small) -> None:
    """An ntuple that agrees with its checksums and not with itself."""
    with uproot.open(small) as file:
        where = file["Events"].footer.cluster_group_records[0].page_list_link.locator
        place = file["Events"].page_link_list[0][0].pages[0].locator
    read = Bytes(small.read_bytes())
    text = bytes(read.content[where.offset : where.offset + where.num_bytes])
    at = where.offset + text.index(struct.pack("<iiQ", 120, place.num_bytes, place.offset))
    struct.pack_into("<i", read.content, at, 119)
    seal(read.content, where.offset, where.num_bytes)
    with uproot.open(small) as file:
        ntuple = LeanNtuple(file["Events"], read)
    with pytest.raises(
        ValueError, match="field x has 119 elements from 0 on in cluster 0, and not up to 120"
    ):
        ntuple["x"].flat(0, 120)


def test_flipped_bytes_of_pages_never_change_the_number_of_values_in_silence(tmp_path) -> None:
    rng = np.random.default_rng(3)
    data = {
        "x": rng.integers(0, 3, 500).astype("f4"),
        "y": ak.unflatten(rng.integers(0, 3, 1000), np.full(500, 2)),
    }
    for compression, codec in COMPRESSIONS.items():
        path = write(tmp_path / f"{compression}.root", data, codec, [0, 300, 500])
        for _ in range(25):
            ntuple, read = opened(path)
            with uproot.open(path) as file:
                places = [p.locator for c in file["Events"].page_link_list for f in c for p in f.pages]
            place = places[int(rng.integers(len(places)))]
            read.content[place.offset + int(rng.integers(place.num_bytes))] ^= 1 << int(rng.integers(8))
            for name, n in (("x", 500), ("y", 1000)):
                try:
                    assert len(ntuple[name].flat(0, 500)) == n
                    if name == "y":
                        offsets = ntuple[name].offsets(0, 500)
                        assert (np.diff(offsets) >= 0).all()
                except AssertionError:
                    raise
                except Exception:  # noqa: BLE001, S112 - of a decompressor or of ours
                    continue


def test_clusters_that_do_not_follow_one_another_are_left_to_uproot(small) -> None:
    begin, size = envelope(small, "Footer")
    read = Bytes(small.read_bytes())
    text = bytes(read.content[begin : begin + size])
    at = text.index(struct.pack("<QQI", 120, 80, 1))
    struct.pack_into("<Q", read.content, begin + at, 125)
    seal(read.content, begin, size)
    with uproot.open(small) as file, pytest.raises(NotLeanError, match="do not follow one another"):
        LeanNtuple(file["Events"], read)


def test_a_file_cut_short_under_an_open_handle(small) -> None:
    handle = os.open(small, os.O_RDONLY)
    with uproot.open(small) as file:
        ntuple = LeanNtuple(file["Events"], lambda begin, size: os.pread(handle, size, begin))
        place = file["Events"].page_link_list[0][0].pages[0].locator
        assert len(ntuple["x"].flat(0, 10)) == 10
        assert len(ntuple["y"].flat(0, 0)) == 0
    fresh = LeanNtuple(ntuple.uproot, lambda begin, size: os.pread(handle, size, begin))
    next(fresh.clusters(0, 1))
    os.truncate(small, place.offset + 50)
    with pytest.raises(ValueError, match="page 0 of field x ends beyond the end of the file"):
        fresh["x"].flat(0, 10)
    os.close(handle)
