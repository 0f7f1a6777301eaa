from __future__ import annotations

import bz2
import gzip
import lzma

import pytest

from massgap.samples.errors import LheError
from massgap.samples.lhe.blocks import split
from massgap.samples.lhe.file import read_lhe
from tests.samples import lhefiles

PACK = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress}


@pytest.fixture(scope="module")
def text():
    return lhefiles.text_of(lhefiles.drell_yan(60)).encode()


@pytest.mark.parametrize("kind", PACK)
def test_compressed_files_are_read_as_plain_ones(tmp_path, text, kind, monkeypatch):
    monkeypatch.setattr("massgap.samples.lhe.stream._PACKED_PIECE", 3000)
    path = tmp_path / f"e.lhe.{kind}"
    # two members one after the other are one file to these programs
    path.write_bytes(PACK[kind](text[:9000]) + PACK[kind](text[9000:]))
    lhe = read_lhe(path)
    assert (lhe.n_events, lhe.complete) == (60, True)
    assert lhe.xsec_fb == pytest.approx(1500.0)
    blocks = split(lhe, tmp_path, 25)
    assert [blocks[k].n_events for k in range(3)] == [25, 25, 10]


@pytest.mark.parametrize("kind", PACK)
def test_a_compressed_file_that_ends_early_says_so_and_keeps_what_is_whole(tmp_path, text, kind, monkeypatch):
    monkeypatch.setattr("massgap.samples.lhe.stream._PACKED_PIECE", 500)
    path = tmp_path / f"e.lhe.{kind}"
    # members of a few events each, as bzip2 gives out whole blocks only
    parts = [PACK[kind](text[k : k + 6000]) for k in range(0, len(text), 6000)]
    packed = b"".join(parts[:4]) + parts[4][: len(parts[4]) // 2]
    path.write_bytes(packed)
    whole = text[: 4 * 6000].count(b"</event>")
    with pytest.raises(LheError, match=r"end early\) after \d+ complete events.*--accept-truncated"):
        read_lhe(path)
    assert read_lhe(path, accept_truncated=True).n_events >= whole


@pytest.mark.parametrize("kind", PACK)
def test_damage_within_a_compressed_file_is_told(tmp_path, text, kind):
    packed = PACK[kind](text)
    middle = len(packed) // 2
    path = tmp_path / "e.lhe"
    path.write_bytes(packed[:middle] + bytes(64) + packed[middle + 64 :])
    with pytest.raises(LheError, match="compressed data are damaged"):
        read_lhe(path)
