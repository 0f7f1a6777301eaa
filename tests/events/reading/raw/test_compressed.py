"""Blocks that ROOT compressed: as uproot packs them."""

from __future__ import annotations

import contextlib
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import uproot

from massgap.events.reading.raw import compressed
from massgap.events.reading.raw.compressed import UnknownCompressionError, unpack

CODECS = {"ZS": uproot.ZSTD(3), "L4": uproot.LZ4(1), "ZL": uproot.ZLIB(1), "XZ": uproot.LZMA(1)}


def packed(content: bytes, codec: str) -> np.ndarray:
    return np.frombuffer(uproot.compression.compress(content, CODECS[codec]), dtype=np.uint8)


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("size", [3000, 17_000_000])
def test_every_algorithm(codec, size) -> None:
    """Also more than the 16 MB that go into one block."""
    content = np.resize(np.arange(251, dtype=np.uint8), size)
    raw = packed(content.tobytes(), codec)
    assert raw[:2].tobytes() == codec.encode()
    out = np.zeros(size, dtype=np.uint8)
    unpack(raw, out, "it")
    assert np.array_equal(out, content)


@pytest.mark.parametrize("codec", CODECS)
def test_sizes_that_do_not_agree(codec) -> None:
    content = bytes(1000)
    raw = packed(content, codec)
    with pytest.raises(ValueError, match="it has 1000 bytes instead of 1001"):
        unpack(raw, np.empty(1001, dtype=np.uint8), "it")
    with pytest.raises(ValueError, match="it has blocks of other sizes"):
        unpack(raw, np.empty(999, dtype=np.uint8), "it")
    with pytest.raises(ValueError, match="it has blocks of other sizes"):
        unpack(raw[:-1], np.empty(1000, dtype=np.uint8), "it")
    empty = np.array([*codec.encode(), 1, 0, 0, 0, 0, 0, 0], dtype=np.uint8)
    with pytest.raises(ValueError, match="it has blocks of other sizes"):
        unpack(empty, np.empty(10, dtype=np.uint8), "it")


@pytest.mark.parametrize("codec", CODECS)
def test_a_header_that_lies_about_the_size_of_its_block(codec) -> None:
    raw = packed(bytes(1000), codec).copy()
    raw[6] ^= 1  # 1001 instead of 1000
    with pytest.raises(Exception, match=r"."):
        unpack(raw, np.empty(1001, dtype=np.uint8), "it")
    if codec == "ZS":  # its frames say their sizes, which is seen where only the beginning is wanted, too
        with pytest.raises(ValueError, match="it has 1000 bytes instead of 1001"):
            unpack(raw, np.empty(10, dtype=np.uint8), "it", 1001)


def test_a_damaged_frame_has_the_error_of_the_decompressor() -> None:
    raw = packed(np.random.default_rng(1).bytes(1000), "ZS").copy()
    raw[9] ^= 0xFF
    with pytest.raises(Exception, match=r"."):
        unpack(raw, np.empty(1000, dtype=np.uint8), "it")


@pytest.mark.parametrize("codec", CODECS)
@pytest.mark.parametrize("have_zstandard", [True, False])
def test_only_the_beginning(codec, have_zstandard, monkeypatch) -> None:
    """Of one block, and of several of which the last ones are left alone; with the package zstandard and without it."""
    if not have_zstandard:
        monkeypatch.setitem(sys.modules, "zstandard", None)
    compressed._zstandard.cache_clear()
    try:
        for size, wanted in ((3000, (0, 1, 2999, 3000)), (17_000_000, (16_777_214, 16_777_215, 16_777_216))):
            content = np.resize(np.arange(251, dtype=np.uint8), size)
            raw = packed(content.tobytes(), codec)
            for n in wanted:
                out = np.zeros(n + 5, dtype=np.uint8)
                unpack(raw, out[:n], "it", size)
                assert np.array_equal(out[:n], content[:n])
                assert not out[n:].any()
            with pytest.raises(
                ValueError, match=f"it has blocks of other sizes than {len(raw)} and {size - 1}"
            ):
                unpack(raw, np.empty(size - 1, dtype=np.uint8), "it", size - 1)
    finally:
        compressed._zstandard.cache_clear()


@pytest.mark.parametrize("codec", CODECS)
def test_a_beginning_that_is_not_there(codec) -> None:
    raw = packed(np.random.default_rng(2).bytes(3000), codec).copy()
    short = raw[:1500].copy()
    before = len(short) - 9
    short[3:6] = np.frombuffer(before.to_bytes(3, "little"), dtype=np.uint8)
    with pytest.raises(Exception, match=r"."):
        unpack(short, np.empty(2000, dtype=np.uint8), "it", 3000)


def test_threads_unpack_side_by_side() -> None:
    contents = [np.random.default_rng(k).integers(0, 9, 50_000 + k, dtype=np.uint8) for k in range(8)]
    raws = [packed(content.tobytes(), "ZS") for content in contents]

    def work(k: int) -> bool:
        fine = True
        for i in range(20):
            which = (k + i) % len(raws)
            out = np.zeros(len(contents[which]) // (1 + i % 2), dtype=np.uint8)
            unpack(raws[which], out, "it", len(contents[which]))
            fine &= np.array_equal(out, contents[which][: len(out)])
        return fine

    with ThreadPoolExecutor(4) as pool:
        assert all(pool.map(work, range(16)))


def test_the_checksum_of_lz4() -> None:
    raw = packed(bytes(1000), "L4").copy()
    raw[-1] ^= 1
    with pytest.raises(ValueError, match="it has a wrong checksum"):
        unpack(raw, np.empty(1000, dtype=np.uint8), "it")


def test_unknown_algorithms_are_named() -> None:
    raw = np.frombuffer(b"CS\x08\x05\0\0\x0a\0\0hello", dtype=np.uint8)
    with pytest.raises(UnknownCompressionError, match="it is compressed with the algorithm b'CS'"):
        unpack(raw, np.empty(10, dtype=np.uint8), "it")


def test_lz4_whose_first_bytes_look_like_a_length() -> None:
    """The table of offsets of 239 empty lists, which cramjam takes for 143 bytes if it is not told how many there are."""
    content = struct.pack(">241i", 240, *[67] * 240)
    raw = packed(content, "L4")
    assert int.from_bytes(raw[17:21].tobytes(), "little") == 143
    out = np.empty(len(content), dtype=np.uint8)
    unpack(raw, out, "it")
    assert out.tobytes() == content


@pytest.mark.parametrize("codec", ["L4", "ZL", "XZ"])
def test_checksums_are_looked_at_where_only_the_beginning_is_wanted(codec) -> None:
    """Else flipped bytes of a basket become other numbers in silence: the checksum is of all of it."""
    content = np.random.default_rng(3).integers(0, 4, 5000, dtype=np.uint8)
    raw = packed(content.tobytes(), codec)
    random = np.random.default_rng(4)
    for at in random.integers(17, len(raw), 40):
        flipped = raw.copy()
        flipped[at] ^= 1 << random.integers(8)
        out = content[:4000].copy()
        with contextlib.suppress(Exception):  # each decompressor has its own
            unpack(flipped, out, "it", 5000)
        assert np.array_equal(out, content[:4000])
