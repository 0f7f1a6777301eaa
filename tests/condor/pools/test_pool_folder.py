"""Where tests on a real pool work: its jobs have a /tmp of their own."""

from __future__ import annotations

from pathlib import Path

import pytest

from massgap.condor.private_folders import private_folder

pytest_plugins = ["pytester"]


def test_folders_of_marked_tests_lie_where_jobs_see_them(pytester, monkeypatch) -> None:
    conftest = Path(__file__).parents[1] / "conftest.py"
    pytester.makeconftest(conftest.read_text())
    shared = Path.cwd() / "shared"
    shared.mkdir()
    monkeypatch.setenv("MASSGAP_POOL_FOLDER", str(shared))
    pytester.makeini("[pytest]\nmarkers = htcondor: real")
    pytester.makepyfile(
        """
        import pytest

        @pytest.mark.htcondor
        def test_real(tmp_path):
            (tmp_path / "x").touch()
            assert tmp_path.parent.parent.name == "shared"

        def test_other(tmp_path):
            assert "shared" not in tmp_path.parts
        """
    )
    pytester.runpytest_inprocess("-p", "no:cacheprovider").assert_outcomes(passed=2)
    assert list(shared.iterdir()) == []


@pytest.mark.parametrize(
    ("path", "folder"),
    [
        ("/tmp/a/b.root", "/tmp"),
        ("/var/tmp/x", "/var/tmp"),
        ("/tmp", "/tmp"),
        ("/tmpfs/x", None),
        ("/home/me/tmp/x", None),
        ("root://host.org//tmp/x.root", None),
    ],
)
def test_private_folders(path, folder) -> None:
    assert private_folder(path) == folder


def test_a_link_into_a_private_folder(tmp_path) -> None:
    (tmp_path / "link").symlink_to("/tmp/elsewhere")
    assert private_folder(tmp_path / "link" / "x.root") == "/tmp"
