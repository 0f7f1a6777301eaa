"""What a fileset says of single files: checked where it is read, compared with the file."""

from __future__ import annotations

import pytest

from massgap.contracts.errors import FilesetError
from massgap.contracts.filesets.fileset import load_fileset, validate_fileset, write_fileset
from massgap.contracts.filesets.known_files import chosen_ranges, disagreement, file_facts

UUID = "27919c7a-eb1a-11f1-8ea4-02fc00000001"


def fileset(**about):
    files = {"root://host//a.root": {"object_path": "Events", **about}}
    return {"d": {"files": files, "metadata": {"xsec_fb": 1.0}}}


@pytest.mark.parametrize(
    ("steps", "words"),
    [
        ([], '"steps" is empty: take the file out of the fileset'),
        ("all", "must be a list of pairs"),
        (100, "must be a list of pairs"),
        ([0, 100], "0 in .steps. is no pair"),
        ([[0, 1, 2]], "is no pair"),
        ([[0, 10.5]], "is no pair"),
        ([[False, True]], "is no pair"),
        ([[-1, 10]], "does not go from a first entry to a later one"),
        ([[10, 5]], "does not go from a first entry to a later one"),
        ([[0, 60], [50, 80]], r"the steps \[0, 60\] and \[50, 80\] overlap"),
        ([[50, 80], [0, 100]], "overlap"),
        ([[0, 50], [0, 50]], "overlap"),
        ([[90, 101]], "ends beyond its 100 entries"),
    ],
)
def test_steps_that_are_none(steps, words) -> None:
    with pytest.raises(FilesetError, match=f"dataset 'd': file root://host//a.root: .*{words}"):
        validate_fileset(fileset(steps=steps, num_entries=100))


def test_what_coffea_writes_is_kept(tmp_path) -> None:
    about = {
        "steps": [[60, 80], [0, 50], [50, 60], [90, 90]],
        "num_entries": 100,
        "uuid": UUID,
        "format": "root",
        "lfn": None,
        "pfn": None,
        "num_selected_entries": 80,
    }
    given = fileset(**about)
    given["d"] |= {"format": "root", "compressed_form": None, "did": None, "form": None}
    path = write_fileset(given, tmp_path / "f.json")
    known = load_fileset(path)["d"]["known"]["root://host//a.root"]
    assert known == {"steps": [[0, 50], [50, 60], [60, 80]], "num_entries": 100, "uuid": UUID}
    assert chosen_ranges(known, 100) == [(0, 80)]
    from coffea.dataset_tools.filespec import DataGroupSpec

    del given["d"]["form"]
    assert validate_fileset(DataGroupSpec(given))["d"]["known"]["root://host//a.root"] == known


def test_no_entry_is_chosen_where_all_steps_are_empty() -> None:
    assert chosen_ranges(file_facts({"steps": [[0, 0]]}, "a"), 100) == [(0, 0)]
    assert chosen_ranges(file_facts({"steps": [[7, 7], [9, 9]]}, "a"), 100) == [(0, 0)]
    assert chosen_ranges(file_facts({"steps": None}, "a"), 100) == [(0, 100)]


def test_another_format_is_named() -> None:
    with pytest.raises(FilesetError, match="is of the format 'parquet': massgap reads ROOT files"):
        validate_fileset(fileset(format="parquet", object_path=None))
    with pytest.raises(FilesetError, match='"uuid" must be a text, not 5'):
        validate_fileset(fileset(uuid=5))


@pytest.mark.parametrize(
    ("known", "words"),
    [
        (
            {"uuid": UUID.replace("2", "3", 1)},
            f"has the UUID {UUID}, but the fileset means the file 37919c7a",
        ),
        ({"num_entries": 99}, "has 100 entries, but the fileset says num_entries 99"),
        ({"steps": [[0, 50], [90, 101]]}, r"step \[90, 101\] in .steps. ends beyond them"),
        ({"uuid": UUID, "num_entries": 100, "steps": [[0, 100]]}, None),
        ({"uuid": UUID.upper().replace("-", "")}, None),
        ({"uuid": "x"}, None),
        ({}, None),
    ],
)
def test_files_that_are_not_those_that_were_meant(known, words) -> None:
    found = disagreement(known, 100, UUID)
    if words is None:
        assert found is None
    else:
        import re

        assert re.search(words, found)
        assert "recalculate_steps=True" in found
