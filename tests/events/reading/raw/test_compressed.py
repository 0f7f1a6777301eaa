"""Blocks that ROOT compressed: as uproot packs them."""

from __future__ import annotations

import contextlib
import struct
import sys
from concurrent.futures import ThreadPoolExecutor

import cramjam
import numpy as np
import pytest
import uproot

from massgap.events.reading.raw import compressed
from massgap.events.reading.raw.compressed import UnknownCompressionError, unpack

CODECS = {"ZS": uproot.ZSTD(3), "L4": uproot.LZ4(1), "ZL": uproot.ZLIB(1), "XZ": uproot.LZMA(1)}


@pytest.fixture
def zstd_by(request, monkeypatch):
    """With the package of the extra zstd, and without."""
    if request.param == "cramjam":
        monkeypatch.setitem(sys.modules, "zstandard", None)
    compressed._zstandard.cache_clear()
    yield request.param
    compressed._zstandard.cache_clear()


WAYS = pytest.mark.parametrize("zstd_by", ["zstandard", "cramjam"], indirect=True)
CODECS_AND_WAYS = pytest.mark.parametrize(
    ("codec", "zstd_by"),
    [*((name, "zstandard") for name in CODECS), ("ZS", "cramjam")],
    indirect=["zstd_by"],
)


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


@CODECS_AND_WAYS
def test_a_header_that_lies_about_the_size_of_its_block(codec, zstd_by) -> None:
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


@CODECS_AND_WAYS
def test_only_the_beginning(codec, zstd_by) -> None:
    """Of one block, and of several of which the last ones are left alone."""
    for size, wanted in ((3000, (0, 1, 2999, 3000)), (17_000_000, (16_777_214, 16_777_215, 16_777_216))):
        content = np.resize(np.arange(251, dtype=np.uint8), size)
        raw = packed(content.tobytes(), codec)
        for n in wanted:
            out = np.zeros(n + 5, dtype=np.uint8)
            unpack(raw, out[:n], "it", size)
            assert np.array_equal(out[:n], content[:n])
            assert not out[n:].any()
        with pytest.raises(ValueError, match=f"it has blocks of other sizes than {len(raw)} and {size - 1}"):
            unpack(raw, np.empty(size - 1, dtype=np.uint8), "it", size - 1)


def numbers(size: int) -> np.ndarray:
    """Bytes of floats of limited precision and of a table that grows, as baskets have them."""
    random = np.random.default_rng(size)
    floats = np.round(random.exponential(30.0, size // 8 + 1), 2).astype(">f4").view(np.uint8)
    return np.concatenate([floats, np.arange(size // 8 + 1, dtype=">i4").view(np.uint8)])[:size]


@WAYS
@pytest.mark.parametrize("size", [300, 8191, 8192, 8193, 70_000, 131_073, 400_000, 1_000_000])
def test_any_beginning_has_the_same_bits(size, zstd_by) -> None:
    """At and beside the sizes of the pieces that decompressors work in."""
    content = numbers(size)
    raw = packed(content.tobytes(), "ZS")
    random = np.random.default_rng(1)
    for n in {
        1,
        size // 2,
        size - 1,
        size,
        *random.integers(0, size, 10),
        *(8192 * random.integers(0, 20, 3)),
    }:
        if n <= size:
            out = np.zeros(n, dtype=np.uint8)
            unpack(raw, out, "it", size)
            assert np.array_equal(out, content[:n])


@WAYS
def test_damage_is_told_where_only_the_beginning_is_wanted(zstd_by) -> None:
    """And is not taken for memory that is too small."""
    from massgap.events.reading.evidence import shows_damage

    content = numbers(300_000)
    raw = packed(content.tobytes(), "ZS")
    errors = []
    for at in np.random.default_rng(2).integers(9, len(raw) // 2, 60):
        broken = raw.copy()
        broken[at : at + 40] = 255
        try:
            unpack(broken, np.empty(280_000, dtype=np.uint8), "it", 300_000)
        except Exception as error:  # noqa: BLE001 - each decompressor has its own
            errors.append(error)
    # Frames that ROOT writes have no checksums: numbers that are stored as they are can be any.
    assert len(errors) > 5
    assert [error for error in errors if shows_damage([error]) is None] == []


def test_cramjam_that_looks_at_the_size_first(monkeypatch) -> None:
    """Another version may refuse memory that is too small before it writes into it: then all is unpacked."""
    monkeypatch.setitem(sys.modules, "zstandard", None)
    theirs = cramjam.zstd
    asked = []

    class Careful:
        compress = staticmethod(theirs.compress)

        @staticmethod
        def decompress_into(block, place):
            asked.append(len(place))
            if len(theirs.decompress(block)) > len(place):
                raise cramjam.DecompressionError(compressed._IS_FULL)
            return theirs.decompress_into(block, place)

    monkeypatch.setattr("cramjam.zstd", Careful)
    content = numbers(50_000)
    raw = packed(content.tobytes(), "ZS")
    for function in (compressed._zstandard, compressed._cramjam_fills):
        function.cache_clear()
    try:
        out = np.zeros(40_000, dtype=np.uint8)
        unpack(raw, out, "it", 50_000)
    finally:
        for function in (compressed._zstandard, compressed._cramjam_fills):
            function.cache_clear()
    assert np.array_equal(out, content[:40_000])
    assert asked[-1] == 50_000


def test_cramjam_as_it_is_fills_what_is_too_small() -> None:
    compressed._cramjam_fills.cache_clear()
    assert compressed._cramjam_fills()


def test_sizes_that_frames_say_of_themselves() -> None:
    """As the package zstandard reads them: every width, with and without a size, a checksum, and a name of a dictionary."""
    zstandard = pytest.importorskip("zstandard")
    samples = [bytes(numbers(900)[k : k + 100]) for k in range(800)]
    dictionary = zstandard.train_dictionary(4096, samples)
    for size in (0, 1, 255, 256, 257, 65_535, 65_791, 65_792, 300_000, 20_000_000):
        for said, check, words in ((True, False, None), (False, True, None), (True, True, dictionary)):
            pack = zstandard.ZstdCompressor(write_content_size=said, write_checksum=check, dict_data=words)
            frame = pack.compress(bytes(size))
            expected = zstandard.frame_content_size(frame)
            assert expected in ((size,) if said else (size, -1))
            assert compressed._size_of_frame(np.frombuffer(frame, dtype=np.uint8)) == expected
    assert compressed._size_of_frame(np.zeros(30, dtype=np.uint8)) == -1
    assert compressed._size_of_frame(np.zeros(3, dtype=np.uint8)) == -1


@CODECS_AND_WAYS
def test_a_beginning_that_is_not_there(codec, zstd_by) -> None:
    raw = packed(np.random.default_rng(2).bytes(3000), codec).copy()
    short = raw[:1500].copy()
    before = len(short) - 9
    short[3:6] = np.frombuffer(before.to_bytes(3, "little"), dtype=np.uint8)
    with pytest.raises(Exception, match=r"."):
        unpack(short, np.empty(2000, dtype=np.uint8), "it", 3000)


@WAYS
def test_threads_unpack_side_by_side(zstd_by) -> None:
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
