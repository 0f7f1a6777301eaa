"""Certificates of a run."""

from __future__ import annotations

import sys

import pytest

from massgap.condor.errors import CondorError
from massgap.condor.workers.certificates import make_certificates


def test_only_the_owner_reads_them_and_none_outlives_the_run(tmp_path) -> None:
    pytest.importorskip("cryptography")
    made = make_certificates(tmp_path)
    assert [path.stat().st_mode & 0o777 for path in made.files] == [0o600] * 3
    assert made.security.require_encryption
    made.remove()
    assert list(tmp_path.iterdir()) == []
    made.remove()


def test_old_files_are_replaced_whatever_their_rights(tmp_path) -> None:
    pytest.importorskip("cryptography")
    (tmp_path / "key.pem").write_text("old")
    (tmp_path / "key.pem").chmod(0o644)
    made = make_certificates(tmp_path)
    assert made.key.stat().st_mode & 0o777 == 0o600
    assert "PRIVATE KEY" in made.key.read_text()


def test_two_runs_have_different_keys(tmp_path) -> None:
    pytest.importorskip("cryptography")
    keys = set()
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        keys.add(make_certificates(tmp_path / name).key.read_text())
    assert len(keys) == 2


def test_without_cryptography_the_remedy_is_named(tmp_path, monkeypatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setitem(sys.modules, "cryptography", None)
    with pytest.raises(CondorError, match=r"massgap\[htcondor\]"):
        make_certificates(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path) -> None:
    pytest.importorskip("cryptography")
    with pytest.raises(CondorError, match="nowhere"):
        make_certificates(tmp_path / "nowhere")
