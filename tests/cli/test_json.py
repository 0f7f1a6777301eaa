"""``--json`` on every command: one document on standard output, with the numbers that the text has."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click
import eventfiles
import numpy as np
import pytest
from click.testing import CliRunner

from massgap.cli import main
from massgap.cli.printing.documents import plain

if TYPE_CHECKING:
    from collections.abc import Iterator

RUN = Path(__file__).parents[1] / "stages" / "data" / "plane_run"
FORMAT = re.compile(r"massgap-[a-z-]+/\d+")


def all_commands(command: click.Command, name: str = "") -> Iterator[tuple[str, click.Command]]:
    """Every command of the tree, those that help does not show among them."""
    if not isinstance(command, click.Group):
        yield name, command
        return
    for part, below in command.commands.items():
        yield from all_commands(below, f"{name} {part}".strip())


COMMANDS = dict(all_commands(main))


def invoke(*words: Any) -> Any:
    return CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)


def document(*words: Any, code: int = 0) -> dict[str, Any]:
    """What a command prints to standard output, which is one document and nothing else."""
    done = invoke(*words, "--json")
    assert done.exit_code == code, done.output
    found = json.loads(done.stdout, parse_constant=pytest.fail)
    assert FORMAT.fullmatch(found["format"])
    return found


@pytest.mark.parametrize("name", sorted(COMMANDS))
def test_every_command_has_it(name: str) -> None:
    found = [option for option in COMMANDS[name].params if "--json" in option.opts]
    assert len(found) == 1
    done = invoke(*name.split(), "--help")
    assert "--json" in done.output


def test_there_are_as_many_commands_as_the_help_says() -> None:
    assert len(COMMANDS) >= 22
    assert {"publish", "recast", "work"} <= set(COMMANDS)


def test_a_run_and_its_cutflow(tmp_path) -> None:
    file = eventfiles.write_nano(tmp_path / "tt.root", eventfiles.make_events(60, negative=False))
    words = (
        "run",
        "slepton",
        file,
        "--process",
        "tt",
        "--xsec",
        "1000",
        "--out",
        tmp_path / "run",
        "--workers",
        1,
    )
    found = document(*words)
    text = invoke(*words).stdout
    assert found["format"] == "massgap-run-result/1"
    assert (found["complete"], found["events"], found["problems"]) == (True, 60, [])
    steps = found["cutflow"]["processes"]["tt"]
    assert steps[0]["weighted"] == pytest.approx(1000.0)
    for step in steps:
        (line,) = [line for line in text.splitlines() if line.strip().startswith(step["step"])][:1]
        assert str(step["raw"]) in line.replace(",", "")


def test_a_fit_and_a_plane(tmp_path) -> None:
    histogram = ("--histogram", "mt2_100", "--region", "precuts", "--replicas", 0)
    words = (RUN, *histogram, "--signal", "slepton_110_60")
    fitted = document("fit", *words, "--out", tmp_path / "fit")
    text = invoke("fit", *words, "--out", tmp_path / "fit").stdout
    shown = float(re.search(r"expected significance\s+([\d.]+)", text)[1])
    assert fitted["discovery"]["expected_significance"] == pytest.approx(shown, rel=5e-3)
    assert fitted["fit_folder"] == str(tmp_path / "fit")
    plane = document("plane", *words, "--out", tmp_path / "plane")
    assert plane["format"] == json.loads((tmp_path / "plane" / "plane.json").read_text())["format"]
    (row,) = plane["points"]
    again = invoke("plane", *words, "--out", tmp_path / "plane").stdout
    assert f"{row['cls']['expected'][2]:8.4f}" in again
    limits = document("limit", tmp_path / "fit" / "workspace.json")
    (point,) = limits["points"]
    assert f"{point['cls']['expected'][2]:.4g}" in invoke("limit", tmp_path / "fit" / "workspace.json").stdout
    assert point["cls"]["expected"] == pytest.approx(row["cls"]["expected"], abs=1e-5)


def test_what_lists_and_spectra_say() -> None:
    from massgap.samples.processes.catalogue import PROCESSES

    names = [row["name"] for row in document("models")["models"]]
    assert all(f"{name}: " in invoke("models").stdout for name in names)
    assert {row["name"] for row in document("generate", "--list")["processes"]} == set(PROCESSES)
    point = "wino_slepton_200_50"
    assert document("slha", point)["slha"] == invoke("slha", point).stdout


def test_a_validation_is_printed_or_written(tmp_path) -> None:
    found = invoke("validate", "slepton", RUN, "--json")
    assert json.loads(found.stdout)["format"] == "massgap-validation/1"
    beside = invoke("validate", "slepton", RUN, "--json", tmp_path / "numbers.json")
    assert "numbers of" in beside.stdout
    assert json.loads((tmp_path / "numbers.json").read_text())["rows"] == json.loads(found.stdout)["rows"]


@pytest.mark.parametrize(
    ("words", "code", "kind"),
    [
        (("run", "nosuch", "x.root"), 1, "ProcessorError"),
        (("fit", "nosuch"), 1, "RunFolderError"),
        (("recast", "nosuch", "my.root"), 1, "BundleError"),
        (("recast", "nosuch"), 2, "UsageError"),
    ],
)
def test_an_error_is_a_document_too(words, code, kind, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    found = document(*words, code=code)
    assert (found["format"], found["type"]) == ("massgap-error/1", kind)
    done = invoke(*words)
    assert done.stdout == ""
    assert found["error"] in done.stderr


def test_what_json_does_not_know_is_made_plain() -> None:
    given = {
        "a": np.float32(0.5),
        "b": np.array([1, 2]),
        "c": (1.0, np.inf),
        "d": {3: Path("x")},
        "e": True,
        "f": None,
    }
    assert plain(given) == {"a": 0.5, "b": [1, 2], "c": [1.0, None], "d": {"3": "x"}, "e": True, "f": None}
