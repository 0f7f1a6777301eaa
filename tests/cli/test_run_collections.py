"""``massgap run --collections``: what it reads, what it says of names that there are not, and what stays in the folder."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import eventfiles
import physlitefiles
import pytest
from click.testing import CliRunner

from massgap.cli import main

if TYPE_CHECKING:
    from pathlib import Path


def call(*words: Any) -> Any:
    return CliRunner().invoke(main, ["run", "slepton", *map(str, words), "--executor", "iterative"])


@pytest.fixture(scope="module")
def delphes(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Jets of PUPPI are the usual ones with half of the momentum: fewer events have a hard one."""
    columns = eventfiles.delphes_columns(eventfiles.make_events(200, seed=2))
    columns |= {n.replace("Jet.", "JetPUPPI."): a for n, a in columns.items() if n.startswith("Jet.")}
    columns["JetPUPPI.PT"] = columns["JetPUPPI.PT"] * 0.5
    return eventfiles.write_columns(tmp_path_factory.mktemp("delphes") / "d.root", columns, tree="Delphes")


def raw(folder: Path) -> dict[str, int]:
    (rows,) = json.loads((folder / "cutflow.json").read_text())["processes"].values()
    return {row["step"]: row["raw"] for row in rows}


def test_other_jets_are_read_and_the_run_folder_says_so(delphes, tmp_path) -> None:
    usual, chosen = tmp_path / "usual", tmp_path / "chosen"
    assert call(delphes, "--out", usual).exit_code == 0
    assert call(delphes, "--out", chosen, "--collections", "jets=JetPUPPI").exit_code == 0
    step = "exactly one hard jet"
    assert 0 < raw(chosen)[step] < raw(usual)[step]
    manifest = json.loads((chosen / "manifest.json").read_text())
    assert manifest["options"]["collections"] == {"jets": "JetPUPPI"}
    # In the same folder the finished chunks of the other choice are not taken.
    assert call(delphes, "--out", usual, "--collections", "jets=JetPUPPI").exit_code == 0
    assert raw(usual) == raw(chosen)


def test_a_missing_name_lists_those_of_the_file(delphes, tmp_path) -> None:
    done = call(delphes, "--out", tmp_path / "run", "--collections", "jets=JetCHS")
    assert done.exit_code == 1
    assert "lacks the branch JetCHS.PT" in done.stderr
    assert "the file has: Electron, Jet, JetPUPPI, Muon" in done.stderr
    assert "Traceback" not in done.output
    done = call(delphes, "--out", tmp_path / "run", "--collections", "jet=JetCHS")
    assert done.exit_code == 1
    assert "no collection 'jet' to choose for; there are muons, electrons" in done.stderr


def test_the_option_is_in_the_help() -> None:
    text = CliRunner().invoke(main, ["run", "slepton", "--help"]).output
    assert "--collections" in text
    assert "jets=JetPUPPI,met=PuppiMissingET" in " ".join(text.split())


def test_physlite_from_the_command(tmp_path) -> None:
    columns = physlitefiles.columns(eventfiles.make_events(60, seed=4))
    path = physlitefiles.write_tree(tmp_path / "a.root", columns)
    done = call(path, "--process", "x", "--xsec", "1", "--out", tmp_path / "run")
    assert done.exit_code == 0, done.output
    ledger = json.loads((tmp_path / "run" / "ledger.json").read_text())
    assert ledger["files"][0]["format"] == "PHYSLITE"
    assert raw(tmp_path / "run")["all events"] == 60
    without = {n: a for n, a in columns.items() if not n.startswith("AnalysisTauJets")}
    path = physlitefiles.write_tree(tmp_path / "b.root", without)
    done = call(path, "--process", "x", "--xsec", "1", "--out", tmp_path / "no_taus")
    assert done.exit_code == 1
    assert "AnalysisTauJetsAuxDyn.pt" in done.stderr
    assert "--without no_tau" in done.stderr
    done = call(path, "--process", "x", "--xsec", "1", "--out", tmp_path / "no_taus", "--without", "no_tau")
    assert done.exit_code == 0, done.output
