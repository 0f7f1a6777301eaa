"""Baskets straight into arrays: against uproot's own way of reading them."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any

import awkward as ak
import cloudpickle
import eventfiles
import numpy as np
import pytest
import uproot
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.events.reading.baskets import checked_branch, flat_branch, is_jagged, is_plain
from massgap.events.reading.open import Chunk, close_files
from massgap.events.reading.raw.local import LocalBytes
from massgap.processors import Slepton
from massgap.runner.work import SharedWork, process_chunk

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
EDGES = (0, 400, 401, 700, 950)
N = EDGES[-1]


def columns() -> dict[str, Any]:
    """One branch and one list per type; compressible, so that every basket is in fact compressed."""
    rng = np.random.default_rng(8)
    counts = rng.integers(0, 5, N)
    # Empty lists over the border of baskets, and a whole basket without any value.
    counts[395:405] = 0
    counts[401:700] = 0
    out: dict[str, Any] = {}
    for kind in TYPES:
        out[f"s_{kind.replace('?', 'b1')}"] = rng.integers(0, 2, N).astype(kind) * np.array(100).astype(kind)
        flat = rng.integers(0, 2, int(counts.sum())).astype(kind) * np.array(90).astype(kind)
        out[f"l_{kind.replace('?', 'b1')}"] = ak.unflatten(flat, counts)
    out["s_f8"][::7], out["s_f4"][::5] = np.nan, -np.inf
    return out


def write(path: Path, data: dict[str, Any], compression: Any, edges: tuple[int, ...]) -> Path:
    with uproot.recreate(path, compression=compression) as file:
        tree = file.mktree(
            "t", {k: v.type.content if isinstance(v, ak.Array) else v.dtype for k, v in data.items()}
        )
        for a, b in itertools.pairwise(edges):
            tree.extend({k: v[a:b] for k, v in data.items()})
    return path


@pytest.fixture(scope="module")
def data() -> dict[str, Any]:
    return columns()


@pytest.fixture(scope="module")
def paths(tmp_path_factory, data) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("baskets")
    return {name: write(folder / f"{name}.root", data, codec, EDGES) for name, codec in COMPRESSIONS.items()}


def reader(path: Path) -> tuple[int, Any]:
    handle = os.open(path, os.O_RDONLY)
    return handle, lambda begin, size: os.pread(handle, size, begin)


def expected(array: Any, start: int, stop: int) -> Any:
    part = array[start:stop]
    return ak.to_numpy(ak.flatten(part)) if isinstance(part, ak.Array) else part


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_all_types_and_ranges(paths, data, compression) -> None:
    handle, read = reader(paths[compression])
    ranges = [
        (0, N),
        (0, 0),
        (N, N),
        (5, 5),
        (0, 1),
        (N - 1, N),
        (399, 402),
        (400, 401),
        (401, 700),
        (450, 600),
    ]
    ranges += [(700, 950), (0, 400), (399, 400), (123, 877)]
    with uproot.open(paths[compression]) as file:
        for name, array in data.items():
            branch = file["t"][name]
            assert is_plain(branch)
            assert is_jagged(branch) == name.startswith("l_")
            for start, stop in ranges:
                true = expected(array, start, stop)
                for way in (None, read, LocalBytes(handle)):
                    found = flat_branch(branch, start, stop, way)
                    assert found.dtype == true.dtype
                    assert found.dtype.isnative
                    np.testing.assert_array_equal(found, true, err_msg=f"{name} {start} {stop}")
    os.close(handle)


@given(st.data())
@settings(max_examples=60)
def test_any_range(paths, data, draw) -> None:
    start = draw.draw(st.integers(0, N))
    stop = draw.draw(st.integers(start, N))
    name = draw.draw(st.sampled_from(["l_f4", "l_?".replace("?", "b1"), "s_i2", "l_u8"]))
    with uproot.open(paths["zstd"]) as file:
        found = flat_branch(file["t"][name], start, stop)
    np.testing.assert_array_equal(found, expected(data[name], start, stop))


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_a_column_is_checked_where_it_is_copied(paths, data, compression) -> None:
    handle, _ = reader(paths[compression])
    with uproot.open(paths[compression]) as file:
        for name, start, stop in (("l_f4", 0, N), ("l_f8", 123, 877), ("s_f4", 1, 5), ("s_f8", 0, N)):
            true = expected(data[name], start, stop)
            for low, high in ((0.0, 90.0), (0.5, 90.0), (0.0, 89.0), (-np.inf, np.inf)):
                branch = file["t"][name]
                found, fine = checked_branch(branch, start, stop, LocalBytes(handle), (low, high))
                np.testing.assert_array_equal(found, true)
                assert fine == bool(((true >= low) & (true <= high)).all())
    os.close(handle)


def test_a_key_that_is_longer_than_a_head(tmp_path) -> None:
    name = "x" * 300
    path = write(tmp_path / "a.root", {name: np.arange(5000.0)}, uproot.ZSTD(1), (0, 5000))
    handle, _ = reader(path)
    with uproot.open(path) as file:
        assert np.array_equal(flat_branch(file["t"][name], 0, 5000, LocalBytes(handle)), np.arange(5000.0))
    os.close(handle)


def test_columns_read_before_do_not_change_with_those_that_are_read_after(paths, data) -> None:
    """The memory into which baskets are read is used again, also by other threads."""
    handle, _ = reader(paths["none"])
    read, names = LocalBytes(handle), ["l_f4", "l_i8", "s_f8", "l_u1", "s_i2"]
    with uproot.open(paths["none"]) as file:
        branches = {name: file["t"][name] for name in names}
        assert all(map(is_plain, branches.values()))
        with ThreadPoolExecutor(4) as pool:
            ranges = [(name, *edges) for name in names for edges in ((0, N), (350, 900), (400, 950))] * 4
            found = list(pool.map(lambda one: flat_branch(branches[one[0]], one[1], one[2], read), ranges))
        for (name, start, stop), values in zip(ranges, found, strict=True):
            np.testing.assert_array_equal(values, expected(data[name], start, stop))
    os.close(handle)


def test_ranges_beyond_the_tree_raise(paths) -> None:
    with uproot.open(paths["zstd"]) as file:
        for name in ("s_f4", "l_f4"):
            with pytest.raises(Exception, match="range"):
                flat_branch(file["t"][name], N - 5, N + 5)
            assert len(flat_branch(file["t"][name], 5, 4)) == 0


def test_an_empty_tree_and_lists_that_are_all_empty(tmp_path) -> None:
    nothing = {"x": np.zeros(0, "f4"), "y": ak.values_astype(ak.Array([[1.0]])[:0], "f4")}
    empty = {"y": ak.values_astype(ak.Array([[], [], [1.0]])[:2], "f4")}
    with uproot.open(write(tmp_path / "a.root", nothing, uproot.ZSTD(1), (0, 0))) as file:
        assert flat_branch(file["t"]["x"], 0, 0).tolist() == []
        assert flat_branch(file["t"]["y"], 0, 0).dtype == np.float32
    with uproot.open(write(tmp_path / "b.root", empty, uproot.ZSTD(1), (0, 2))) as file:
        assert [len(flat_branch(file["t"]["y"], a, b)) for a, b in ((0, 2), (0, 1), (1, 2))] == [0, 0, 0]


def test_baskets_of_several_compressed_blocks(tmp_path) -> None:
    """ROOT compresses at most 16 MB at a time."""
    n = 2_200_000
    x = np.arange(n, dtype=np.float64) // 7
    counts = np.full(n // 4, 4)
    counts[-1] = n - counts[:-1].sum()
    path = write(tmp_path / "a.root", {"x": x}, uproot.ZSTD(1), (0, n))
    lists = write(tmp_path / "b.root", {"y": ak.unflatten(x, counts)}, uproot.ZSTD(1), (0, n // 4))
    handle, read = reader(path)
    with uproot.open(path) as file, uproot.open(lists) as other:
        assert file["t"]["x"].num_baskets == 1
        assert np.array_equal(flat_branch(file["t"]["x"], 0, n, read), x)
        assert np.array_equal(flat_branch(file["t"]["x"], 2_097_100, 2_097_200), x[2_097_100:2_097_200])
        assert np.array_equal(flat_branch(other["t"]["y"], 524_200, 524_300), x[4 * 524_200 : 4 * 524_300])
    os.close(handle)


def test_numbers_that_are_not_compressed_but_look_so(tmp_path) -> None:
    """The first two bytes of a basket are "ZS", by chance, where they are values and not a header."""
    x = np.full(8, int.from_bytes(b"ZS", "big"), dtype=np.uint16)
    for compression in (None, uproot.ZSTD(1)):
        path = write(tmp_path / "a.root", {"x": x, "y": np.arange(8.0)}, compression, (0, 8))
        with uproot.open(path) as file:
            assert flat_branch(file["t"]["x"], 0, 8).tolist() == x.tolist()


def test_what_is_not_plain(tmp_path) -> None:
    n = 4
    data = {
        "fixed": np.ones((n, 3)),
        "fBits": np.arange(n, dtype=np.uint32),
        "text": ak.Array(["a", "bc", "", "d"]),
        "lists": ak.Array([[[1.0], []], [], [[2.0, 3.0]], [[]]]),
    }
    path = tmp_path / "a.root"
    with uproot.recreate(path) as file:
        tree = file.mktree("t", {"fixed": (np.float64, (3,)), "fBits": np.uint32, "text": "string"})
        tree.extend({k: data[k] for k in ("fixed", "fBits", "text")})
    with uproot.open(path) as file:
        assert [is_plain(file["t"][k]) for k in ("fixed", "fBits", "text")] == [False, False, False]


def test_several_leaves_in_one_branch_are_not_plain(paths) -> None:
    with uproot.open(paths["none"]) as file:
        branch = file["t"]["s_i4"]
        branch._interpretation = uproot.interpretation.numerical.AsDtype([("x", ">i2"), ("y", ">i2")])
        assert not is_plain(branch)


# ---- damage


@pytest.mark.parametrize("compression", COMPRESSIONS)
def test_flipped_bytes_never_change_the_number_of_values_in_silence(
    paths, data, compression, tmp_path
) -> None:
    """ZSTD as ROOT writes it has no checksum: values may differ, but never how many of them there are."""
    raw = paths[compression].read_bytes()
    rng = np.random.default_rng(len(compression))
    raised = 0
    names = ["s_f8", "s_b1", "s_i2", "l_f4", "l_u1", "l_i8"]
    with uproot.open(paths[compression]) as file:
        for turn in range(120):
            branch = file["t"][names[turn % len(names)]]
            number = int(rng.integers(0, branch.num_baskets))
            begin = int(branch.member("fBasketSeek")[number])
            size = int(branch.member("fBasketBytes")[number])
            bad = bytearray(raw)
            # Half of them in the key and the header of the compressed block.
            for _ in range(int(rng.integers(1, 4))):
                bad[begin + int(rng.integers(0, min(size, 90) if turn % 2 else size))] ^= 1 << int(
                    rng.integers(8)
                )
            content = bytes(bad)
            start, stop = ((0, N), (350, 420), (401, 402), (720, 901))[turn % 4]
            true = expected(data[branch.name], start, stop)
            try:
                found = flat_branch(branch, start, stop, lambda at, n, c=content: c[at : at + n])
            except Exception:  # noqa: BLE001 - of a decompressor or of uproot
                raised += 1
                continue
            if branch.name.startswith("s_") or (start, stop) == (0, N):
                known = len(found) == len(true)
                # Lists of a damaged basket: their counts, in another branch, tell.
                assert known or branch.name.startswith("l_")
            assert found.dtype == true.dtype
    if compression == "zstd":
        assert raised > 20


def test_a_wrong_number_of_values_raises(paths) -> None:
    """Headers that agree with themselves but not with the tree."""
    raw = paths["zstd"].read_bytes()
    with uproot.open(paths["zstd"]) as file:
        for name, words in (
            ("s_f4", "too few bytes|ends its values|offsets of"),
            ("l_f4", "ends its values|offsets"),
        ):
            branch = file["t"][name]
            begin = int(branch.member("fBasketSeek")[0])
            key = int.from_bytes(raw[begin + 14 : begin + 16], "big")
            for last in (key - 1, key + 4, key + 10**6):
                bad = bytearray(raw)
                bad[begin + key - 5 : begin + key - 1] = last.to_bytes(4, "big")
                content = bytes(bad)
                with pytest.raises(ValueError, match=words):
                    flat_branch(branch, 10, 300, lambda at, n, c=content: c[at : at + n])


def test_a_file_cut_short_under_an_open_handle(paths, tmp_path) -> None:
    """In another process: a memory map would end it where its file is cut short."""
    code = """
import os, sys
from pathlib import Path
from massgap.processors import Slepton
from massgap.events.reading.baskets import flat_branch
from massgap.events.reading.raw.local import LocalBytes
from massgap.events.reading.tree import LeanFile
path = Path(sys.argv[1])
file = LeanFile(str(path))
branches = [file.tree("t")[name] for name in ("s_f4", "l_f4")]
handle = os.open(path, os.O_RDONLY)
[flat_branch(branch, 0, 10, lambda at, n: os.pread(handle, n, at)) for branch in branches]
os.truncate(path, int(branches[0].member("fBasketSeek")[0]) + 50)
for branch in branches:
    for read in (lambda at, n: os.pread(handle, n, at), LocalBytes(handle)):
        for stop in (10, 400):
            try:
                print(len(flat_branch(branch, 0, stop, read)))
            except Exception as error:
                print("raised", type(error).__name__)
"""
    copy = tmp_path / "short.root"
    copy.write_bytes(paths["zstd"].read_bytes())
    done = subprocess.run(
        [sys.executable, "-c", code, str(copy)], capture_output=True, text=True, timeout=600, check=False
    )
    assert done.returncode == 0, done.stderr
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["raised"] * 8


def test_the_error_of_a_chunk_says_that_the_file_is_damaged(tmp_path) -> None:
    """Not that the processor failed: nobody but this module has seen the bytes."""
    path = eventfiles.write_nano(tmp_path / "a.root", eventfiles.make_events(200, seed=3), baskets=1)
    with uproot.open(path) as file:
        branch = file["Events"]["Jet_pt"]
        begin = int(branch.member("fBasketSeek")[0])
        uuid = str(file.file.uuid)
    content = bytearray(path.read_bytes())
    key = int.from_bytes(content[begin + 14 : begin + 16], "big")
    content[begin + key + 9] ^= 0xFF  # the magic number of the compressed frame
    path.write_bytes(content)
    chunk = Chunk("d", str(path), 0, 200, uuid=uuid)
    shared = SharedWork("test_baskets", cloudpickle.dumps(Slepton()), "", {"d": {}}, 1)
    outcome = process_chunk(shared, chunk)
    close_files()
    assert outcome.error is not None
    assert outcome.error.startswith(f"{path} (entries 0 to 200): cannot be read, the file is damaged")
