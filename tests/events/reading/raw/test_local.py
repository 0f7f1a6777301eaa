"""Files on this machine are opened by their names, and read without a memory map."""

from __future__ import annotations

import os
import queue
import resource
import shutil

import eventfiles
import numpy as np
import pytest
import uproot

from massgap.events.reading.raw.local import LocalSource, open_root, read_at

NAMES = ["a.root", "~x.root", "x.root:y.root", "a::b.root", "simplecache::a.root", "new\nline #1? *[2].root"]


@pytest.fixture(scope="module")
def good(tmp_path_factory):
    return eventfiles.write_nano(
        tmp_path_factory.mktemp("local") / "good.root", eventfiles.make_events(60, seed=2)
    )


@pytest.mark.parametrize("name", NAMES)
def test_the_content_is_that_of_uproot(good, tmp_path, monkeypatch, name) -> None:
    with uproot.open(good) as file:
        expected = file["Events"].arrays(["Jet_pt", "MET_pt"]).to_list()
    shutil.copy(good, tmp_path / name)
    monkeypatch.chdir(tmp_path)
    for path in (str(tmp_path / name), name):
        with open_root(path) as file:
            assert file["Events"].arrays(["Jet_pt", "MET_pt"]).to_list() == expected
            assert file.file.source.num_bytes == good.stat().st_size
        assert file.file.source.closed


def test_bytes_are_those_of_the_file(good) -> None:
    raw = good.read_bytes()
    source = LocalSource(str(good))
    assert source.chunk(10, 400).raw_data.tobytes() == raw[10:400]
    waiting: queue.Queue = queue.Queue()
    chunks = source.chunks([(0, 4), (100, 150)], waiting)
    assert [c.raw_data.tobytes() for c in chunks] == [raw[:4], raw[100:150]]
    assert [waiting.get_nowait() for _ in chunks] == chunks
    # Beyond the end there is nothing, and no memory is taken for it.
    handle = os.open(good, os.O_RDONLY)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    assert read_at(handle, len(raw) - 3, 1 << 40) == raw[-3:]
    assert read_at(handle, len(raw) + 5, 100) == b""
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000
    os.close(handle)
    with pytest.raises(OSError, match="expected Chunk of length"):
        source.chunk(len(raw) - 10, len(raw) + 10).raw_data  # noqa: B018
    source.close()
    source.close()
    assert source.closed
    with pytest.raises(OSError, match="is closed"):
        source.chunk(0, 4)


def test_no_handle_is_left_open(good) -> None:
    def handles() -> int:
        return len(os.listdir("/proc/self/fd"))  # noqa: PTH208

    if not os.path.isdir("/proc/self/fd"):  # noqa: PTH112
        pytest.skip("no list of open files on this system")
    with open_root(str(good)) as file:
        assert np.isfinite(file["Events"]["MET_pt"].array(library="np")).all()
    before = handles()
    for _ in range(5):
        with open_root(str(good)) as file:
            file["Events"]["MET_pt"].array(library="np")
    assert handles() == before
