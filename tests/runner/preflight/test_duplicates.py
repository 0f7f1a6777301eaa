"""Copies of one file in a fileset."""

from __future__ import annotations

import shutil

import eventfiles
import pytest
import uproot
from click.testing import CliRunner
from runs import fileset_of

from massgap import stages
from massgap.cli.group import main
from massgap.contracts.errors import FilesetError
from massgap.processors.slepton import Slepton
from massgap.runner.errors import RunnerError
from massgap.runner.runner import run


@pytest.fixture(scope="module")
def pair(tmp_path_factory):
    """A file, and a copy of it."""
    folder = tmp_path_factory.mktemp("copies")
    one = eventfiles.write_nano(folder / "one.root", eventfiles.make_events(60))
    shutil.copy(one, folder / "two.root")
    return one, folder / "two.root"


def test_copies_in_one_data_set(pair) -> None:
    with pytest.raises(RunnerError, match=r"one\.root and .*two\.root \(data set 'tt'\).*--allow-duplicates"):
        run(Slepton(), fileset_of(*pair))
    once = run(Slepton(), fileset_of(pair[0]))
    twice = run(Slepton(), fileset_of(*pair), allow_duplicates=True)
    raw = [[row["raw"] for row in found.cutflow["processes"]["tt"]] for found in (once, twice)]
    assert raw[1] == [2 * n for n in raw[0]]
    assert raw[0][0] == 60
    assert twice.ledger.as_dict()["duplicate_files"] == [[str(path) for path in pair]]
    assert any("copies of one file are counted each, as allowed" in note for note in twice.notes)


def test_copies_in_several_data_sets(pair) -> None:
    """Also as different processes: signal and background are added up in one expectation."""
    fileset = {
        name: fileset_of(path, process=name)["tt"] for name, path in zip(("signal", "tt"), pair, strict=True)
    }
    fileset["signal"]["metadata"]["is_signal"] = True
    with pytest.raises(
        RunnerError, match=r"one\.root \(data set 'signal'\) and .*two\.root \(data set 'tt'\)"
    ):
        run(Slepton(), fileset)
    assert run(Slepton(), fileset, allow_duplicates=True).ledger.complete


def test_files_without_an_identity_are_compared_by_content(tmp_path) -> None:
    """ROOT leaves the UUID empty where it is asked to write reproducibly: then equal UUIDs say nothing."""

    def write(name, seed):
        path = eventfiles.write_nano(tmp_path / name, eventfiles.make_events(40, seed=seed), compression=None)
        with uproot.open(path) as file:
            mark = file.file.uuid.bytes
        path.write_bytes(path.read_bytes().replace(mark, bytes(16)))
        with uproot.open(path) as file:
            assert not any(file.file.uuid.bytes)
        return path

    different = write("a.root", 3), write("b.root", 4)
    result = run(Slepton(), fileset_of(*different))
    assert result.ledger.complete
    shutil.copy(different[0], tmp_path / "c.root")
    with pytest.raises(RunnerError, match=r"a\.root and .*c\.root"):
        run(Slepton(), fileset_of(*different, tmp_path / "c.root"))


@pytest.mark.parametrize("link", ["symlink_to", "hardlink_to"])
def test_one_file_under_two_names(pair, tmp_path, link) -> None:
    getattr(tmp_path / "other.root", link)(pair[0])
    files = [pair[0], tmp_path / "other.root"]
    with pytest.raises(FilesetError, match=r"is listed twice, also as .*--allow-duplicates"):
        stages.run("slepton", files, executor="iterative")
    twice = stages.run("slepton", files, executor="iterative", allow_duplicates=True)
    assert twice.datasets["one"]["events"] == 120


def test_the_command_says_it_and_takes_the_remedy(pair, tmp_path) -> None:
    command = ["run", "slepton", *map(str, pair), "--out", str(tmp_path / "run"), "--executor", "iterative"]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 1
    assert "copies of one file" in refused.output
    taken = CliRunner().invoke(main, [*command, "--allow-duplicates"])
    assert taken.exit_code == 0, taken.output
    # In two runs it is no matter.
    for path in pair:
        args = ["run", "slepton", str(path), "--out", str(tmp_path / path.stem), "--executor", "iterative"]
        assert CliRunner().invoke(main, args).exit_code == 0
