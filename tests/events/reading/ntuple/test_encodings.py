"""Pages by hand: bytes on the one side, numbers on the other."""

from __future__ import annotations

import struct

import numpy as np
import pytest

from massgap.events.reading.ntuple.encodings import decode, dtype_of, page_bytes
from massgap.events.reading.ntuple.envelopes import NotLeanError
from massgap.events.reading.ntuple.schema import Column


def decoded(column: Column, page: bytes, n: int) -> list[object]:
    out = np.empty(n, dtype=dtype_of(column))
    assert page_bytes(column, n) == len(page)
    decode(column, np.frombuffer(page, dtype=np.uint8).copy(), out)
    return list(out.tolist())


def split(numbers: bytes, width: int) -> bytes:
    """All first bytes, then all second ones, and so on."""
    return b"".join(numbers[k::width] for k in range(width))


@pytest.mark.parametrize(
    ("kind", "code", "values"),
    [
        (0x01, "B", [0, 255]),
        (0x03, "b", [-128, 127]),
        (0x05, "h", [-32768, 32767, 1]),
        (0x06, "H", [65535, 258]),
        (0x07, "i", [-(2**31), 2**31 - 1]),
        (0x08, "I", [2**32 - 1, 66051]),
        (0x09, "q", [-(2**63), 2**63 - 1]),
        (0x0A, "Q", [2**64 - 1, 1]),
        (0x0B, "e", [-0.5, 65504.0]),
        (0x0C, "f", [-0.5, 3.0e38]),
        (0x0D, "d", [0.1, -1e300]),
        (0x0E, "I", [0, 2**32 - 1]),
        (0x0F, "q", [0, 2**40]),
    ],
)
def test_numbers_as_they_are(kind, code, values) -> None:
    page = struct.pack(f"<{len(values)}{code}", *values)
    column = Column(0, kind, 8 * struct.calcsize(code), 0)
    found = decoded(column, page, len(values))
    assert found == list(struct.unpack(f"<{len(values)}{code}", page))


@pytest.mark.parametrize(
    ("kind", "code", "values"),
    [
        (0x12, "H", [65535, 258, 3]),
        (0x14, "I", [2**32 - 1, 66051, 7]),
        (0x16, "Q", [2**64 - 1, 0x0102030405060708]),
        (0x17, "e", [-0.5, 65504.0, 0.0]),
        (0x18, "f", [-0.5, 1e-30, 7.25]),
        (0x19, "d", [0.1, -1e300, 5e-324]),
    ],
)
def test_split_numbers(kind, code, values) -> None:
    plain = struct.pack(f"<{len(values)}{code}", *values)
    column = Column(0, kind, 8 * struct.calcsize(code), 0)
    found = decoded(column, split(plain, struct.calcsize(code)), len(values))
    assert found == list(struct.unpack(f"<{len(values)}{code}", plain))


@pytest.mark.parametrize(("kind", "code", "bits"), [(0x11, "H", 16), (0x13, "I", 32), (0x15, "Q", 64)])
def test_zigzag(kind, code, bits) -> None:
    """0, -1, 1, -2, 2 ... are 0, 1, 2, 3, 4 ...; the least number there is becomes the largest."""
    codes = [0, 1, 2, 3, 4, 2**bits - 2, 2**bits - 1]
    page = split(struct.pack(f"<7{code}", *codes), bits // 8)
    highest = 2 ** (bits - 1) - 1
    assert decoded(Column(0, kind, bits, 0), page, 7) == [0, -1, 1, -2, 2, highest, -highest - 1]


@pytest.mark.parametrize(("kind", "code", "bits"), [(0x1A, "I", 32), (0x1B, "Q", 64)])
def test_differences(kind, code, bits) -> None:
    """The first end, and how much further the others are."""
    page = split(struct.pack(f"<5{code}", 1000, 0, 2, 70000, 1), bits // 8)
    assert decoded(Column(0, kind, bits, 0), page, 5) == [1000, 1000, 1002, 71002, 71003]


def test_bits_begin_with_the_lowest() -> None:
    column = Column(0, 0x00, 1, 0)
    assert decoded(column, b"\x05\x02", 10) == [
        True,
        False,
        True,
        False,
        False,
        False,
        False,
        False,
        False,
        True,
    ]


def test_truncated_floats() -> None:
    """Of 1.5 = 0x3FC00000 and -2 = 0xC0000000 the upper ten bits, packed from the lowest bit on."""
    words = (0x3FC00000 >> 22) | ((0xC0000000 >> 22) << 10)
    assert decoded(Column(0, 0x1C, 10, 0), words.to_bytes(3, "little"), 2) == [1.5, -2.0]


@pytest.mark.parametrize("bits", [1, 5, 12, 31, 32])
def test_quantised_floats(bits) -> None:
    """The lowest and the highest step are the ends of the range."""
    top = 2**bits - 1
    steps = [0, top, top // 2, 0, top]
    words = sum(step << (bits * k) for k, step in enumerate(steps))
    column = Column(0, 0x1D, bits, 0, low=-1.0, high=3.0)
    true = [np.float32(-1.0 + 4.0 * step / top) for step in steps]
    found = decoded(column, words.to_bytes((5 * bits + 7) // 8, "little"), 5)
    assert found == pytest.approx(true, rel=1e-6)
    assert [found[k] for k in (0, 1, 3, 4)] == [-1.0, 3.0, -1.0, 3.0]


@pytest.mark.parametrize(
    ("kind", "bits"),
    [(0x10, 96), (0x1E, 32), (0x00, 8), (0x0C, 16), (0x1C, 9), (0x1C, 32), (0x1D, 0), (0x1D, 33), (0x18, 64)],
)
def test_what_is_not_known_is_left_to_uproot(kind, bits) -> None:
    with pytest.raises(NotLeanError, match="are not known"):
        dtype_of(Column(0, kind, bits, 0, low=0.0, high=1.0))


def test_a_range_without_width_is_left_to_uproot() -> None:
    with pytest.raises(NotLeanError, match="are not known"):
        dtype_of(Column(0, 0x1D, 8, 0, low=1.0, high=1.0))
