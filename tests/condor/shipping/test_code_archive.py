"""The code that goes with jobs: complete, with links followed, and the same bytes for the same code."""

from __future__ import annotations

import os
import subprocess
import sys
import tarfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from archives import unpack

import massgap
from massgap.condor.errors import CondorError
from massgap.condor.shipping.code_archive import pack_code
from massgap.condor.shipping.code_plugin import CodePlugin


def test_links_are_followed_and_caches_left_out(tmp_path) -> None:
    (tmp_path / "rooms").mkdir()
    (tmp_path / "rooms" / "mt2.py").write_text("x = 1\n")
    package = tmp_path / "gap"
    (package / "__pycache__").mkdir(parents=True)
    (package / "__pycache__" / "a.nbi").touch()
    (package / "__init__.py").touch()
    (package / "selections").symlink_to("../rooms")
    archive = pack_code(package, tmp_path / "code.tar.gz")
    with tarfile.open(archive) as tar:
        assert tar.getnames() == ["gap/__init__.py", "gap/selections/mt2.py"]
        assert all(member.isreg() for member in tar)
    before = archive.read_bytes()
    os.utime(package / "__init__.py", (1, 1))
    assert pack_code(package, archive).read_bytes() == before


@pytest.mark.filterwarnings("ignore:Python 3.14 will:DeprecationWarning")
def test_a_worker_whose_python_knows_no_filters_of_archives(tmp_path, monkeypatch) -> None:
    """As Python 3.11.0 to 3.11.3, where ``extractall`` has no such option."""
    package = tmp_path / "gap"
    package.mkdir()
    (package / "__init__.py").write_text("value = 7\n")
    archive = pack_code(package, tmp_path / "code.tar.gz").read_bytes()
    extractall = tarfile.TarFile.extractall

    def old(self, path=".", members=None, *, numeric_owner=False) -> None:
        extractall(self, path, members, numeric_owner=numeric_owner)

    monkeypatch.setattr(tarfile.TarFile, "extractall", old)
    monkeypatch.delattr(tarfile, "data_filter", raising=False)
    monkeypatch.setattr(sys, "path", [*sys.path])
    CodePlugin("gap", archive, "0" * 64).setup(SimpleNamespace(local_directory=str(tmp_path / "worker")))
    assert sys.path[0] == str(tmp_path / "worker" / f"code-{'0' * 16}")
    assert (Path(sys.path[0]) / "gap" / "__init__.py").read_text() == "value = 7\n"


def test_massgap_runs_from_its_archive(tmp_path) -> None:
    archive = pack_code(Path(massgap.__file__).parent, tmp_path / "code.tar.gz")
    unpack(archive, tmp_path / "code")
    program = "import massgap; from massgap.runner.checkpoints.fingerprint import code_hash; print(massgap.__file__, code_hash())"
    environment = {**os.environ, "PYTHONPATH": str(tmp_path / "code")}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=True,
    )
    from massgap.runner.checkpoints.fingerprint import code_hash

    assert done.stdout.split() == [str(tmp_path / "code" / "massgap" / "__init__.py"), code_hash()]


def test_what_is_no_package_is_refused(tmp_path) -> None:
    with pytest.raises(CondorError, match="is not a folder with a Python package"):
        pack_code(tmp_path, tmp_path / "code.tar.gz")
    assert not (tmp_path / "code.tar.gz").exists()
