"""Options of an analysis on the command line: those of its constructor, with what its docstring says."""

from __future__ import annotations

import json

import eventfiles
import pytest
from click.testing import CliRunner

from massgap.cli import main
from massgap.cli.batch import submit
from massgap.cli.run import preflight, run

MINE = '''
from massgap.processors.slepton import Slepton


class Mine(Slepton):
    """Slepton with more to choose.

    Parameters
    ----------
    window, other : float
        Width of the
        window in GeV, ``half`` of it.
    tight
        Tight identification.
    workers
        Not what the command means by it.
    """

    name = "mine"

    def __init__(self, *, window: float = 10.0, other=None, tight: bool = False, workers: int = 3, edges=(1, 2), **options):
        super().__init__(**options)
        self.window, self.other, self.tight, self.workers, self.edges = window, other, tight, workers, edges
        print("made", repr((window, other, tight, workers, edges)))
'''


@pytest.fixture
def mine(tmp_path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return f"{path}:Mine"


@pytest.fixture(scope="module")
def sample(tmp_path_factory):
    return eventfiles.write_nano(
        tmp_path_factory.mktemp("options") / "a.root", eventfiles.make_events(200, seed=4)
    )


def invoke(*words) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(word) for word in words], catch_exceptions=False)
    return done.exit_code, done.output


@pytest.mark.parametrize("command", [run, preflight, submit])
def test_help_lists_what_the_constructor_takes(command, mine) -> None:
    code, text = invoke(command.name, mine, "--help")
    plain = " ".join(text.split())
    assert code == 0
    assert "--window VALUE Width of the window in GeV, half of it. [default: 10.0]" in plain
    assert "--other VALUE Width of the window" in plain
    assert "--tight / --no-tight Tight identification." in plain
    # Of the bases, where it passes options on.
    assert "--without NAME,..." in plain
    assert "--muon-pt" in plain
    # Its name is the command's already: --set gives it.
    assert "Not what the command means" not in plain
    assert "--window" not in invoke(command.name, "slepton", "--help")[1]
    assert f"massgap {command.name} ANALYSIS --help" in " ".join(invoke(command.name, "--help")[1].split())


def test_what_is_typed_reaches_the_constructor(mine, sample, tmp_path) -> None:
    words = ["run", "--tight", mine, sample, "--window", "2.5", "--set", "workers=7", "--edges", "3,4,x"]
    code, text = invoke(
        *words, "--executor", "iterative", "--out", tmp_path / "run", "--without=no_tau,met_30"
    )
    assert code == 0, text
    assert "made (2.5, None, True, 7, [3, 4, 'x'])" in text
    assert "no hadronic tau" not in text
    options = json.loads((tmp_path / "run" / "manifest.json").read_text())["options"]
    assert options["without"] == ["met_30", "no_tau"]


def test_an_option_is_the_same_as_set(sample, tmp_path) -> None:
    tables = []
    for words in (
        ["--muon-pt", "25", "--precuts", "met"],
        ["--set", "muon_pt=25", "--set", 'precuts=["met"]'],
    ):
        out = tmp_path / str(len(tables))
        code, text = invoke("run", "slepton", sample, *words, "--executor", "iterative", "--out", out)
        assert code == 0, text
        tables.append((out / "cutflow.json").read_text())
    assert tables[0] == tables[1]


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["slepton", "--withou", "no_tau"], "--without"),
        (["slepton", "--muon-pt", "5", "--set", "muon_pt=6"], "either --muon-pt or --set muon_pt=..."),
        (["slepton", "--muon-pt"], "'--muon-pt' requires an argument"),
        (["slepton", "x.root", "--muon-pt", "many"], "an option has a value that it cannot take"),
        (["sleptom", "--muon-pt", "5"], "unknown analysis 'sleptom'"),
        (["--muon-pt", "5", "slepton"], "no input"),
        (["--muon-pt", "5"], "--muon-pt"),
        (
            ["slepton", "--model", "a.onnx", "--model", "b=b.onnx"],
            "'a.onnx': of several models each needs the name",
        ),
        (["slepton", "--model", "b=a.onnx", "--model", "b=b.onnx"], "two models for the score 'b'"),
        (["slepton", "--met", "nosuch"], "objects"),
    ],
)
def test_what_is_refused(words, message, tmp_path, monkeypatch) -> None:
    monkeypatch.chdir(tmp_path)
    code, text = invoke("run", *words)
    assert code in (1, 2)
    assert message in text
    assert "fault of massgap" not in text


def test_met_takes_what_the_event_has() -> None:
    from massgap.events.event import MET_DEFINITIONS

    (option,) = (param for param in run.params if param.name == "met")
    assert tuple(option.type.choices) == tuple(MET_DEFINITIONS)
