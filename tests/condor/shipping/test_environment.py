"""Environments that travel: packed once, complete, and what cannot be packed is refused with the remedy."""

from __future__ import annotations

import subprocess
import sys
import tarfile
import venv

import pytest
from archives import unpack

from massgap.condor.errors import CondorError
from massgap.condor.shipping import environment
from massgap.condor.shipping.environment import environment_digest, pack_environment


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    root = tmp_path_factory.mktemp("venv") / "env"
    venv.create(root, with_pip=False)
    site = next(root.glob("lib/python*/site-packages"))
    (site / "toy.py").write_text("value = 7\n")
    (site / "__pycache__").mkdir()
    (site / "__pycache__" / "toy.pyc").write_bytes(b"x")
    return root


def test_packed_unpacked_and_used(small, tmp_path) -> None:
    archive = pack_environment(tmp_path / "env.tar.gz", prefix=small, cache=tmp_path / "cache")
    (tmp_path / "job" / "env").mkdir(parents=True)
    with tarfile.open(archive) as tar:
        assert not [name for name in tar.getnames() if "__pycache__" in name]
    unpack(archive, tmp_path / "job" / "env", links=True)
    said = subprocess.run(
        [tmp_path / "job" / "env" / "bin" / "python", "-c", "import sys, toy; print(toy.value, sys.prefix)"],
        check=True,
        capture_output=True,
        text=True,
    ).stdout.split()
    assert said == ["7", str(tmp_path / "job" / "env")]


def test_packed_once(small, tmp_path) -> None:
    first = pack_environment(tmp_path / "a.tar.gz", prefix=small, cache=tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    before = kept.stat().st_mtime_ns
    second = pack_environment(tmp_path / "b.tar.gz", prefix=small, cache=tmp_path / "cache")
    assert kept.stat().st_mtime_ns == before
    assert first.read_bytes() == second.read_bytes()


def test_other_versions_have_another_name(small, monkeypatch) -> None:
    before = environment_digest(small)
    assert environment_digest(small) == before
    monkeypatch.setattr(sys, "version", "3.99")
    assert environment_digest(small) != before


def test_refused(tmp_path, monkeypatch) -> None:
    with pytest.raises(CondorError, match=r"is no virtual environment.*--environment FILE\.tar\.gz.*--image"):
        pack_environment(tmp_path / "x.tar.gz", prefix=tmp_path)
    (tmp_path / "conda-meta").mkdir()
    monkeypatch.setitem(sys.modules, "conda_pack", None)
    with pytest.raises(CondorError, match="conda-pack is needed"):
        pack_environment(tmp_path / "x.tar.gz", prefix=tmp_path)


def test_no_room(small, tmp_path, monkeypatch) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(environment.tarfile, "open", full)
    with pytest.raises(CondorError, match=r"could not be packed .No space left on device"):
        pack_environment(tmp_path / "x.tar.gz", prefix=small, cache=tmp_path / "cache")
    assert not list((tmp_path / "cache").iterdir())
