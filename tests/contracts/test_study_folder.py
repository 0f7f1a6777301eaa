"""study.json: written, read, and refused."""

from __future__ import annotations

import json

import pytest

from massgap.contracts.errors import ContractError, FolderError
from massgap.contracts.study_folder import StudyFolder, open_study, write_study


def example(path) -> StudyFolder:
    return StudyFolder(
        path,
        "slepton",
        small=True,
        seed=3,
        luminosity=300.0,
        samples={"samples": {"events": 5, "fileset": "samples/fileset.json"}},
        runs={"run": {"analysis": "slepton", "samples": "samples", "models": {}}},
    )


def test_what_is_written_is_read(tmp_path) -> None:
    path = write_study(example(tmp_path))
    assert path == tmp_path / "study.json"
    assert open_study(tmp_path) == example(tmp_path)
    # The folder may be moved: no path of it is inside.
    assert str(tmp_path) not in path.read_text()


def test_a_newer_file_can_be_read(tmp_path) -> None:
    path = write_study(example(tmp_path))
    path.write_text(json.dumps({**json.loads(path.read_text()), "planes": {}}))
    assert open_study(tmp_path) == example(tmp_path)


def test_places(tmp_path) -> None:
    folder = example(tmp_path)
    assert folder.place("run") == tmp_path / "run"
    with pytest.raises(
        ContractError, match=r"no 'scored': massgap study slepton --out .* makes what is missing"
    ):
        folder.place("scored")


@pytest.mark.parametrize("text", [None, "{", '{"format": "massgap-run/1"}', '{"format": "massgap-study/1"}'])
def test_no_folder_of_a_study(tmp_path, text) -> None:
    if text is not None:
        (tmp_path / "study.json").write_text(text)
    with pytest.raises(ContractError, match=r"study\.json .*massgap study NAME --out"):
        open_study(tmp_path)


def test_a_folder_that_is_not_there(tmp_path) -> None:
    with pytest.raises(FolderError, match="choose another folder with --out"):
        write_study(example(tmp_path / "gone"))
