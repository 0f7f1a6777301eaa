"""What cannot be read is called what it is: "damaged" only where the bytes show it."""

from __future__ import annotations

import errno
import os
import re
import struct
import subprocess
import sys
from pathlib import Path

import cloudpickle
import eventfiles
import pytest
import uproot

from massgap.events.errors import FileProblem
from massgap.events.reading import diagnosis
from massgap.events.reading.diagnosis import what_is_wrong
from massgap.events.reading.evidence import damage
from massgap.events.reading.files import inspect_file
from massgap.events.reading.open import Chunk, close_files
from massgap.processors import Slepton
from massgap.runner.work import Retries, SharedWork, inspect_work, process_chunk

EVENTS = eventfiles.make_events(200, seed=3)
DAMAGED = "the file is damaged or truncated"


@pytest.fixture(scope="module", params=["zstd", "zlib", "lz4", None])
def good(request, tmp_path_factory):
    return eventfiles.write_nano(
        tmp_path_factory.mktemp("good") / "good.root", EVENTS, baskets=1, compression=request.param
    )


def said(path) -> str:
    with pytest.raises(FileProblem) as caught:
        inspect_file(str(path))
    text = str(caught.value)
    assert text.startswith(f"{path}: ")
    return text.removeprefix(f"{path}: ")


def outcome_of(path) -> str:
    """The error of the first chunk."""
    with uproot.open({path: None}) as file:
        chunk = Chunk("d", str(path), 0, 200, uuid=str(file.file.uuid))
    shared = SharedWork("test_diagnosis", cloudpickle.dumps(Slepton()), "", {"d": {}}, 1, Retries(1))
    outcome = process_chunk(shared, chunk)
    close_files()
    assert outcome.error is not None
    return outcome.error


def basket_of(path, name) -> tuple[int, int]:
    """Where the content of the first basket of a branch begins, and where its record does."""
    with uproot.open({path: None}) as file:
        begin = int(file["Events"][name].member("fBasketSeek")[0])
    return begin + int.from_bytes(path.read_bytes()[begin + 14 : begin + 16], "big"), begin


def tree_record(path) -> int:
    """Where the content of the tree's own record begins."""
    with uproot.open({path: None}) as file:
        key = file.key("Events")
        return int(key.fSeekKey + key.fKeylen)


def changed(path, copy, **words):
    """A copy with other bytes at some places."""
    content = bytearray(path.read_bytes())
    for place, new in words.values():
        content[place : place + len(new)] = new
    copy.write_bytes(content)
    return copy


# ---- damage that can be shown


@pytest.mark.parametrize("left", [4, 40, 63, 1000, 0.5, -1])
def test_a_file_that_is_too_short(good, tmp_path, left) -> None:
    raw = good.read_bytes()
    size = int(len(raw) * left) if isinstance(left, float) else left % len(raw)
    (tmp_path / "short.root").write_bytes(raw[:size])
    assert re.search(r"truncated", said(tmp_path / "short.root"))
    assert f"{size} " in damage(str(tmp_path / "short.root"))


def test_nothing_is_wrong_with_good_files(good, nano_files) -> None:
    for path in (good, *nano_files.values()):
        assert damage(str(path)) is None


def test_damaged_baskets_and_trees(good, tmp_path) -> None:
    place, _ = basket_of(good, "Jet_pt")
    if good.read_bytes()[place : place + 2] not in (b"ZS", b"ZL", b"L4"):
        pytest.skip("not compressed: any bytes are numbers")
    hole = changed(good, tmp_path / "hole.root", hole=(place + 9, bytes(60)))
    assert f"cannot be read, {DAMAGED}: what is compressed in it cannot be unpacked" in outcome_of(
        hole
    ) or f"cannot be read, {DAMAGED}: one of its records contradicts itself" in outcome_of(hole)
    at = tree_record(good)
    if good.read_bytes()[at : at + 2] in (b"ZS", b"ZL", b"L4"):
        tree = changed(good, tmp_path / "tree.root", hole=(at + 20, bytes(80)))
        assert f"{DAMAGED}: the record of Events;1 cannot be unpacked" in said(tree)


def test_zeros_where_the_header_was(good, tmp_path) -> None:
    assert DAMAGED in said(changed(good, tmp_path / "header.root", hole=(8, bytes(20))))


# ---- what is no damage


@pytest.mark.parametrize(
    ("tag", "words"), [(b"CS", r"ROOT's old algorithm \(CS"), (b"QQ", r"compressed with 'QQ'")]
)
def test_another_compression(good, tmp_path, tag, words) -> None:
    place, _ = basket_of(good, "Jet_pt")
    if good.read_bytes()[place : place + 2] not in (b"ZS", b"ZL", b"L4"):
        pytest.skip("not compressed")
    error = outcome_of(changed(good, tmp_path / "old.root", tag=(place, tag)))
    assert re.search(words, error)
    assert "hadd -f505 new.root" in error
    assert "damaged" not in error
    at = tree_record(good)
    if good.read_bytes()[at : at + 2] in (b"ZS", b"ZL", b"L4"):
        text = said(changed(good, tmp_path / "tree.root", tag=(at, tag)))
        assert re.search(words, text)
        assert "damaged" not in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", r"is empty \(0 bytes\); copy or make it again"),
        (b"\n<!DOCTYPE html><html>", r"a web page \(HTML\)"),
        (b"<html lang='en'>", "a web page"),
        (b'<?xml version="1.0"?>\n<!DOCTYPE html>', "a web page"),
        (b"\x1f\x8b\x08root", "gzip-compressed data; unpack it: gunzip -c .*bad.root"),
        (b"PK\x03\x04root", "a ZIP archive; unpack it: unzip .*bad.root"),
        (b"BZh91AY", "bzip2"),
        (b"\xfd7zXZ\x00", "xz-compressed"),
        (b"\x28\xb5\x2f\xfdroot", "zstd-compressed"),
        (b"PAR1....PAR1", "a parquet file"),
        (b"\x89HDF\r\n\x1a\nxxx", "an HDF5 file"),
        (b"version https://git-lfs.github.com/spec/v1\n", "Git LFS.*git lfs pull"),
        (b"<LesHouchesEvents version='3.0'>", "massgap generate ANALYSIS --lhe"),
        (b"x" * 257 + b"ustar" + bytes(300), "tar -xf"),
        (bytes(4096), "nothing but zeros"),
        (b"text", "is not a ROOT file .it starts with b'text'"),
        (b"ro", "is not a ROOT file"),
    ],
)
def test_other_things_with_the_name_of_a_root_file(tmp_path, content, words) -> None:
    (tmp_path / "bad.root").write_bytes(content)
    text = said(tmp_path / "bad.root")
    assert re.search(words, text)
    assert "damaged" not in text


def test_folders_links_and_pipes(tmp_path) -> None:
    (tmp_path / "folder.root").mkdir()
    assert "is a folder, not a file; give the files in it" in said(tmp_path / "folder.root")
    (tmp_path / "link.root").symlink_to("gone.root")
    assert "no such file: it is a link to gone.root, which does not exist" in said(tmp_path / "link.root")
    assert "no such file; correct the path" in said(tmp_path / "gone.root")
    assert "no such file" in said(tmp_path / "folder.root" / "x" / "y.root")
    (tmp_path / "loop.root").symlink_to("loop.root")
    assert "cannot be read (Too many levels of symbolic links)" in said(tmp_path / "loop.root")
    os.mkfifo(tmp_path / "pipe.root")  # opening it would wait for a writer
    assert "a pipe, socket or device" in said(tmp_path / "pipe.root")
    assert "File name too long" in said(tmp_path / ("n" * 300))


def test_a_file_that_may_not_be_read(good, monkeypatch) -> None:
    def refuse(path, *_):
        raise PermissionError(errno.EACCES, "Permission denied", path)

    # The tests may run as root, who may read everything.
    monkeypatch.setattr(diagnosis.os, "stat", refuse)
    text = said(good)
    assert "may not be read by this account (permission denied)" in text
    assert "chmod a+r" in text


def test_a_missing_package_is_named(tmp_path) -> None:
    """In a process in which the packages for XRootD cannot be imported, installed or not."""
    code = """
import sys
sys.modules["fsspec_xrootd"] = sys.modules["XRootD"] = sys.modules["aiohttp"] = None
from massgap.runner.work import inspect_work
for path in ("root://127.0.0.1:1//x.root", "https://127.0.0.1:1/x.root", "foo://host/x.root"):
    print(inspect_work((path, None)).error)
"""
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=True
    )
    xrootd, web, unknown = done.stdout.splitlines()
    assert "need the package fsspec-xrootd (and with it XRootD), which cannot be imported here" in xrootd
    assert "pip install fsspec-xrootd" in xrootd
    assert "[xrootd]" in xrootd
    assert "need the package aiohttp" in web
    assert "nothing here knows addresses with foo://" in unknown
    assert "damaged" not in done.stdout


def test_the_extra_brings_what_the_message_names() -> None:
    import tomllib

    project = Path(__file__).parents[3] / "pyproject.toml"
    if not project.is_file():
        pytest.skip("only in the clone")
    extras = tomllib.loads(project.read_text())["project"]["optional-dependencies"]
    assert any(wanted.startswith("fsspec-xrootd") for wanted in extras["xrootd"])


def test_an_error_that_shows_nothing_is_not_called_damage(good) -> None:
    text = what_is_wrong(str(good), struct.error("unpack requires 8 bytes"))
    assert text.startswith(
        "cannot be opened (error: unpack requires 8 bytes). Nothing shows that it is damaged"
    )
    assert f"hadd -f505 new.root {good}" in text


def test_a_pause_and_a_refusal_of_a_server() -> None:
    url = "https://host/x.root"
    assert "for the moment (TimeoutError" in what_is_wrong(url, TimeoutError("slow"), "read")
    assert "access was refused" in what_is_wrong(url, OSError("401, message='Unauthorized'"))
    assert "no such file on the server" in what_is_wrong(url, FileNotFoundError(url))
    gone = OSError(
        "[ERROR] Server responded with an error: [3011] Unable to open /x.root; no such file or directory"
    )
    assert "no such file on the server" in what_is_wrong("root://host//x.root", gone)
    ranges = ValueError("The HTTP server doesn't appear to support range requests")
    assert "curl -O https://host/x.root" in what_is_wrong(url, ranges)


def test_a_web_server(good, tmp_path) -> None:
    """One that gives whole files only, as Python's own does; on this machine alone."""
    import functools
    import http.server
    import shutil
    import threading

    shutil.copy(good, tmp_path / "good.root")
    (tmp_path / "page.root").write_bytes(b"<!DOCTYPE html><html>please log in</html>")

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_):
            pass

    server = http.server.ThreadingHTTPServer(
        ("127.0.0.1", 0), functools.partial(Quiet, directory=str(tmp_path))
    )
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        url = f"http://127.0.0.1:{server.server_port}"
        found = {n: inspect_work((f"{url}/{n}.root", None)).error for n in ("good", "page", "gone")}
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
    assert "which gives no parts of a file" in found["good"]
    assert f"curl -O {url}/good.root" in found["good"]
    assert "a web page (HTML)" in found["page"]
    assert "no such file on the server" in found["gone"]
