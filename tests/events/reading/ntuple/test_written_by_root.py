"""A file that ROOT wrote: every encoding of numbers and lists, against the formulas of its macro, ``written_by_root.C``.

uproot 5.7 gives other numbers for fields whose representation changes from cluster to cluster, and cannot read lists
without tables of offsets whose baskets end elsewhere than those of their counter.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from massgap.events.reading import baskets
from massgap.events.reading.baskets import flat_branch
from massgap.events.reading.ntuple.columns import NtupleColumns
from massgap.events.reading.tree import LeanFile

if TYPE_CHECKING:
    from collections.abc import Iterator

PATH = Path(__file__).with_name("written_by_root.root")
N, LATE = 150, 75
RANGES = [
    (0, N),
    (0, 0),
    (N, N),
    (0, 1),
    (49, 51),
    (50, 100),
    (70, 80),
    (75, 76),
    (99, 101),
    (23, 142),
    (149, 150),
]


def signed(k: int) -> int:
    return -k if k % 2 else k


def truncated(x: float, bits: int) -> np.float32:
    """The highest bits of a number in single precision."""
    word = np.float32(x).view(np.uint32) & np.uint32((0xFFFFFFFF << (32 - bits)) & 0xFFFFFFFF)
    return word.view(np.float32)


def jets(k: int) -> range:
    return range(0 if k % 50 == 0 else k % 4)


NUMBERS: dict[str, tuple[str, Any]] = {
    "run": ("u4", lambda k: 1 + k // 40),
    "event": ("u8", lambda k: k * 10_000_000_000),
    "i8": ("i1", lambda k: (3 * k + 128) % 256 - 128),
    "u8": ("u1", lambda k: 3 * k % 256),
    "i16": ("i2", lambda k: signed(k) * 200),
    "u16": ("u2", lambda k: k * 400),
    "i32": ("i4", lambda k: signed(k) * 1_000_003),
    "i64": ("i8", lambda k: signed(k) * 100_000_000_007),
    "flag": ("?", lambda k: k % 3 == 1),
    "f64": ("f8", lambda k: k / 7.0),
    "plain": ("f4", lambda k: np.float32(k / 7.0)),
    "half": ("f2", lambda k: k * 0.25),
    "trunc10": ("f4", lambda k: truncated((k - 60) / 7.0, 10)),
    "trunc17": ("f4", lambda k: truncated((k - 60) / 7.0, 17)),
    "trunc31": ("f4", lambda k: truncated((k - 60) / 7.0, 31)),
    "switched": ("f4", lambda k: k * 0.5),
    "late": ("f4", lambda k: 2 * k if k >= LATE else 0),
    "nJet": ("i8", lambda k: len(jets(k))),
}
LISTS: dict[str, tuple[str, Any]] = {
    "Jet_pt": ("f4", lambda k: [k + j / 8 for j in jets(k)]),
    "Jet_flag": ("?", lambda k: [(k + j) % 2 for j in jets(k)]),
    "Jet_id": ("i4", lambda k: [j - k for j in jets(k)]),
    "Jet_u64": ("u8", lambda k: [1000 * k + j for j in jets(k)]),
    "Switched_list": ("f4", lambda k: [4 * k + j for j in jets(k)]),
    "late_list": ("i2", lambda k: [k] * (k % 3 if k >= LATE else 0)),
}


@pytest.fixture(params=[True, False], ids=["local", "through uproot"])
def events(request) -> Iterator[Any]:
    handle = os.open(PATH, os.O_RDONLY)
    read = (lambda begin, size: os.pread(handle, size, begin)) if request.param else None
    with LeanFile(str(PATH)) as file:
        yield file.ntuple("Events", read)
    os.close(handle)


def test_entries_and_clusters(events) -> None:
    assert events.num_entries == N
    assert events.cluster_edges == (0, 50, 100, 150)


@pytest.mark.parametrize("name", NUMBERS)
def test_numbers(events, name) -> None:
    kind, formula = NUMBERS[name]
    field = events[name]
    assert field.is_plain
    assert not field.is_jagged
    for start, stop in RANGES:
        found = field.flat(start, stop)
        assert found.dtype == np.dtype(kind)
        assert found.tolist() == np.array([formula(k) for k in range(start, stop)], dtype=kind).tolist()


@pytest.mark.parametrize("bits", [1, 7, 12, 32])
def test_quantised_numbers(events, bits) -> None:
    """Within half a step of what was written, and on a step."""
    step = 8.0 / (2**bits - 1)
    for start, stop in RANGES:
        found = events[f"quant{bits}"].flat(start, stop).astype(np.float64)
        true = -2.0 + 8.0 * np.arange(start, stop) / 149
        assert np.abs(found - true).max(initial=0) <= 0.5 * step + 1e-6
        away = (found + 2.0) / step
        assert np.abs(away - away.round()).max(initial=0) * step <= 1e-6


@pytest.mark.parametrize("name", LISTS)
def test_lists(events, name) -> None:
    kind, formula = LISTS[name]
    field = events[name]
    assert field.is_plain
    assert field.is_jagged
    for start, stop in RANGES:
        true = [formula(k) for k in range(start, stop)]
        found = field.flat(start, stop)
        assert found.dtype == np.dtype(kind)
        assert found.tolist() == np.array([x for xs in true for x in xs], dtype=kind).tolist()
        assert field.offsets(start, stop).tolist() == np.cumsum([0, *map(len, true)]).tolist()


def test_pages_that_lie_together_are_read_together() -> None:
    """A list with four pages in a cluster of fifty entries: once for its values, once for its ends."""
    asked = []

    def read(begin: int, size: int) -> bytes:
        asked.append(size)
        return content[begin : begin + size]

    content = PATH.read_bytes()
    with LeanFile(str(PATH)) as file:
        ntuple: Any = file.ntuple("Events", read)
    cluster = next(ntuple.clusters(0, 1))[0]
    field = ntuple["Jet_u64"]
    assert len(cluster.pages(field._values[0].number).places) > 3
    del asked[:]
    assert len(field.flat(0, 50)) == field.offsets(0, 50)[-1]
    assert len(asked) == 2


@pytest.mark.parametrize("column", ["f64", "Jet_pt", "flag"])
def test_a_flipped_bit_in_any_page_is_found(column) -> None:
    """ROOT writes a checksum behind each page."""
    content = bytearray(PATH.read_bytes())
    with LeanFile(str(PATH)) as file:
        ntuple: Any = file.ntuple("Events", lambda begin, size: bytes(content[begin : begin + size]))
    pages = next(ntuple.clusters(0, 1))[0].pages(ntuple[column]._values[0].number)
    for number, (begin, size, checked) in enumerate(pages.places):
        assert checked
        for at in (begin, begin + size - 1):
            content[at] ^= 16
            with pytest.raises(ValueError, match=f"page {number} of field {column} has a wrong checksum"):
                ntuple[column].flat(0, 50)
            content[at] ^= 16
    assert len(ntuple[column].flat(0, 50)) > 0


def test_chunk_after_chunk(events) -> None:
    """What is kept of a page for the next chunk is that page's."""
    for size in (1, 7, 40):
        for name, (_, formula) in LISTS.items():
            parts = [events[name].flat(a, min(a + size, N)) for a in range(0, N, size)]
            assert np.concatenate(parts).tolist() == [x for k in range(N) for x in formula(k)]


def test_what_is_neither_numbers_nor_lists_is_read_by_uproot(events) -> None:
    columns = NtupleColumns(events, 40, 60)
    ks = range(40, 60)
    assert not any(events[name].is_plain for name in ("text", "maybe", "nested"))
    assert columns.read("", "nested").tolist() == [[[k + 0.5, j] for j in jets(k)] for k in ks]
    assert [bytes(x).decode() for x in columns.read("", "text").tolist()] == [f"event {k}" for k in ks]
    assert columns.read("", "maybe").tolist() == [k if k % 3 else None for k in ks]


@pytest.mark.parametrize("local", [True, False])
def test_lists_without_tables_of_offsets(local) -> None:
    """Baskets of ROOT's kGenerateOffsetMap, which end elsewhere than those of the counter."""
    counts = [0 if k % 7 == 0 else k % 5 for k in range(250)]
    formulas: dict[str, tuple[str, Any]] = {
        "Muon_pt": ("f4", lambda k, j: k + j / 8),
        "Muon_wide": ("f8", lambda k, j: 3 * k + j),
        "Muon_u8": ("u1", lambda k, j: (k + j) % 256),
    }
    content = PATH.read_bytes()
    read = (lambda begin, size: content[begin : begin + size]) if local else None
    with LeanFile(str(PATH)) as file:
        tree = file.tree("Tree")
        assert tree is not None
        edges = [tree[name].entry_offsets for name in ("nMuon", *formulas)]
        assert not set(edges[1]) <= set(edges[0])
        for name, (kind, formula) in formulas.items():
            for start, stop in [(0, 250), (0, 33), (33, 34), (99, 101), (120, 249), (7, 7), (13, 222)]:
                true = [formula(k, j) for k in range(start, stop) for j in range(counts[k])]
                found = flat_branch(tree[name], start, stop, read)
                assert found.dtype == np.dtype(kind)
                assert found.tolist() == true


def test_lists_without_offsets_that_nothing_counts(monkeypatch) -> None:
    """Or whose counter says something else."""
    content = PATH.read_bytes()
    with LeanFile(str(PATH)) as file:
        tree: Any = file.tree("Tree")
        branch = tree["Muon_pt"]
        length = 4 * len(
            flat_branch(branch, *branch.entry_offsets[1:3], lambda at, size: content[at : at + size])
        )
        assert baskets._counted(branch, 1, 4, length, None)[-1] == length
        with pytest.raises(ValueError, match=f"has {length + 4} bytes instead of {length}, by branch nMuon"):
            baskets._counted(branch, 1, 4, length + 4, None)
        monkeypatch.setattr(type(branch), "count_branch", None, raising=False)
        with pytest.raises(ValueError, match="has no offsets, and no branch counts its values"):
            flat_branch(branch, 1, 3)
