"""Files by the names that they have: what looks like something else is a file when it exists."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from massgap.contracts.errors import FilesetError
from massgap.contracts.filesets.fileset import fileset_from_files
from massgap.contracts.filesets.paths import expand, is_url, local_path

NAMES = [
    "~x.root",
    "~",
    "x.root:y.root",
    "x.root:Events",
    "a b.root",
    "#1.root",
    "what?.root",
    "all*.root",
    "x[1].root",
    "Ψ é.root",
    "new\nline.root",
    "$HOME.root",
    "a::b.root",
    "-x.root",
    "%20.root",
    "x.root;1",
    "'\".root",
]


@pytest.mark.parametrize("name", NAMES)
def test_a_file_that_exists_is_meant(tmp_path, monkeypatch, name) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / name).write_bytes(b"root")
    (tmp_path / "x1.root").write_bytes(b"root")  # what the pattern x[1].root matches
    assert expand(name, "d", Path(), check=True) == [str(tmp_path / name)]
    assert expand(str(tmp_path / name), "d", Path(), check=True) == [str(tmp_path / name)]
    assert list(fileset_from_files([name], xsec_fb=1.0, process="p")["p"]["files"]) == [str(tmp_path / name)]


def test_a_name_that_is_not_text_gives_a_process_that_is(tmp_path) -> None:
    path = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\xfe z.root")
    Path(path).write_bytes(b"root")
    ((name, entry),) = fileset_from_files([path], xsec_fb=1.0).items()
    assert name.encode().decode() == entry["metadata"]["process"]
    assert list(entry["files"]) == [path]


def test_homes_patterns_and_addresses(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.root").write_bytes(b"")
    (tmp_path / "b.root").write_bytes(b"")
    both = [str(tmp_path / "a.root"), str(tmp_path / "b.root")]
    assert expand("~/a.root", "d", Path(), check=True) == both[:1]
    assert expand("*.root", "d", Path(), check=True) == both
    assert expand(f"file://{tmp_path}/a.root", "d", Path(), check=True) == both[:1]
    assert expand("root://host//x.root", "d", Path(), check=True) == ["root://host//x.root"]
    assert local_path("sub/../a.root") == tmp_path / "a.root"
    assert not is_url(f"{tmp_path}/a://b.root")


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("~nobody-of-this-name.root", "does not exist"),
        ("a.root:Events", "give a.root and --tree Events"),
        ("gone", "it is a link to nowhere.root, which does not exist"),
        ("x*.root", "no file matches"),
        ("n" * 300, "does not exist"),
        ("sub", r"is a folder: list its files, or give sub/\*.root"),
        ("pipe", "not a regular file"),
    ],
)
def test_what_is_not_there(tmp_path, monkeypatch, path, words) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.root").write_bytes(b"")
    (tmp_path / "gone").symlink_to("nowhere.root")
    (tmp_path / "sub").mkdir()
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(FilesetError, match=words):
        expand(path, "d", Path(), check=True)


def test_blanks_in_addresses_of_files(tmp_path) -> None:
    """``Path.as_uri`` writes them as %20; a file of just this name comes first."""
    path = tmp_path / "a b é.root"
    path.write_bytes(b"root")
    assert path.as_uri().endswith("/a%20b%20%C3%A9.root")
    assert expand(path.as_uri(), "d", Path(), check=True) == [str(path)]
    other = tmp_path / "a%20b%20%C3%A9.root"
    other.write_bytes(b"root")
    assert expand(path.as_uri(), "d", Path(), check=True) == [str(other)]
