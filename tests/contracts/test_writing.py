from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from massgap.contracts.errors import ContractError, FolderError, RunFolderError
from massgap.contracts.writing import (
    digest,
    prepare_folder,
    read_json,
    replacing,
    versions,
    write_atomically,
    write_json,
)


def test_write_atomically_leaves_nothing_behind(tmp_path, monkeypatch):
    write_atomically(tmp_path / "x", b"old")

    def full(self, target):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(OSError, match="No space"):
        write_atomically(tmp_path / "x", b"new")
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x", b"old")]


def test_an_interrupted_writer_leaves_the_old_file(tmp_path):
    write_atomically(tmp_path / "x", b"old")

    def interrupted():
        with replacing(tmp_path / "x") as part:
            part.write_bytes(b"half")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [(p.name, p.read_bytes()) for p in tmp_path.iterdir()] == [("x", b"old")]


def test_the_mask_of_the_user_decides_who_may_read(tmp_path):
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "x", b"1")
    finally:
        os.umask(before)
    assert (tmp_path / "x").stat().st_mode & 0o777 == 0o640


def test_the_content_is_on_the_disk_before_it_takes_the_place_of_the_old(tmp_path, monkeypatch):
    done = []
    sync, replace = os.fsync, Path.replace
    monkeypatch.setattr(os, "fsync", lambda handle: (done.append("fsync"), sync(handle)))
    monkeypatch.setattr(
        Path, "replace", lambda self, target: (done.append("replace"), replace(self, target))[1]
    )
    write_atomically(tmp_path / "x", b"1")
    write_atomically(tmp_path / "y", b"1", durable=False)
    assert done == ["fsync", "replace", "replace"]


def test_json_round_trip_and_what_json_cannot_say(tmp_path):
    write_json(tmp_path / "a.json", {"format": "f/1", "path": Path("b")})
    assert read_json(tmp_path / "a.json", "f/1", remedy="Run again.") == {"format": "f/1", "path": "b"}
    with pytest.raises(TypeError):
        write_json(tmp_path / "a.json", {"path": Path("b")}, default=None)
    with pytest.raises(ValueError, match="JSON"):
        write_json(tmp_path / "a.json", {"x": float("nan")}, allow_nan=False)
    assert json.loads((tmp_path / "a.json").read_text())["format"] == "f/1"


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, r"a\.json is missing: no run\. Run again\."),
        (b'{"format": ', r"a\.json is damaged \(line 1: .*\)\. Run again\."),
        (b"\xff\xfe", r"a\.json cannot be read \(.*\)\. Run again\."),
        (b"[]", r"a\.json has the format None, but 'f/1' is needed\. Run again\."),
        (b'{"format": "f/2"}', r"a\.json has the format 'f/2', but 'f/1' is needed\. Run again\."),
    ],
)
def test_every_fault_names_file_and_remedy(tmp_path, content, words):
    path = tmp_path / "a.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(RunFolderError, match=words):
        read_json(path, "f/1", remedy="Run again.", missing="no run", error=RunFolderError)


def test_a_folder_and_a_missing_file_of_a_kind_of_its_own(tmp_path):
    with pytest.raises(ContractError, match="cannot be read"):
        read_json(tmp_path, remedy="Give a file.")
    with pytest.raises(FolderError, match="missing"):
        read_json(tmp_path / "x", remedy="Give a file.", absent=FolderError)
    (tmp_path / "x").write_text("3")
    with pytest.raises(ContractError, match="an object"):
        read_json(tmp_path / "x", remedy="Give a file.")


def test_an_output_folder_below_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_text("")
    for place in ("file", "file/below"):
        with pytest.raises(FolderError, match="below, a file; choose another with --out"):
            prepare_folder(tmp_path / place)
    assert prepare_folder(tmp_path / "a" / "b").is_dir()


def test_versions_leave_out_what_is_not_installed():
    assert set(versions(("numpy", "no-such-package"))) == {"python", "numpy"}


def test_digest_of_other_data_is_another():
    assert digest({"a": [1, 2]}) != digest({"a": [2, 1]})
