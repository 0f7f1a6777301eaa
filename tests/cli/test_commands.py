"""Every command explains itself, and lists what there is."""

from __future__ import annotations

import numpy as np
import pytest
from click.testing import CliRunner

from massgap import __version__
from massgap.cli import main

COMMANDS = (
    "generate",
    "preflight",
    "run",
    "submit",
    "status",
    "resubmit",
    "merge",
    "train",
    "fit",
    "report",
    "study",
    "validate",
    "demo",
)


def invoke(*arguments: str):
    return CliRunner().invoke(main, list(arguments), catch_exceptions=False)


def test_help_names_all_commands() -> None:
    result = invoke("--help")
    assert result.exit_code == 0
    assert all(f"\n  {name} " in result.output for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_help_of_each_command_has_an_example(command: str) -> None:
    result = invoke(command, "--help")
    assert result.exit_code == 0
    assert "Example" in result.output
    assert f"massgap {command} " in result.output


def test_version() -> None:
    lines = invoke("--version").output.splitlines()
    assert lines[0] == f"massgap {__version__}"
    shown = dict(line.split(maxsplit=1) for line in lines[1:])
    assert shown["numpy"] == np.__version__
    assert {"python", "coffea", "pyhf", "jax"} <= set(shown)


def test_list_of_processes_has_a_line_each_with_cross_section() -> None:
    from massgap.samples.processes.catalogue import PROCESSES

    lines = invoke("generate", "--list").output.splitlines()
    rows = {line.split()[0]: line.split()[1:] for line in lines if line.startswith("  ")}
    assert set(rows) == set(PROCESSES)
    for name, words in rows.items():
        if PROCESSES[name].is_signal:
            assert words[0] == "computed"
        else:
            assert float(words[0]) > 0
            assert words[1] == "fb"
    assert "smuonR_M_LSP" in lines[-2]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("tt", "--lhe", "x.lhe"), ("PROCESSES", "--lhe")),
        (("--lhe", "x.lhe", "--energy", "13"), ("--energy", "--lhe")),
        (("--lhe", "nosuch.lhe"), ("nosuch.lhe",)),
        (("tt", "--qcut", "20"), ("--qcut", "--lhe")),
        (("tt", "--filter", "vbf"), ("--filter", "--lhe")),
        (("tt", "--detector", "nosuch"), ("nosuch", "hl-lhc")),
        (("tt", "--detector", "cms", "--card", "my.toml"), ("--detector", "--card")),
        (("tt", "--energy", "1000"), ("TeV",)),
        (("tt", "tt_2mu"), ("tt_2mu", "twice")),
        (("tt", "--variations", "jes,isr"), ("takes no names", "massgap run --variations isr,jes")),
        (("ttbar", "--leptonic", "e", "mu"), ("without blanks", "--leptonic e,mu")),
        (("--leptonic", "ttbar"), ("'ttbar'", "--leptonic e,mu")),
        (("ttbar", "--leptonic", "e,,mu"), ("not ''", "--leptonic e,mu")),
        (("ttbar", "--leptonic="), ("--leptonic e,mu",)),
        (("tt", "--leptonic"), ("tt is made to decay to muons", "without --leptonic")),
        (("Zmumu", "--leptonic", "e"), ("its Z decays to none", "--leptonic e,mu,tau")),
        (("smuonR_300_100", "--repeat", "0"), ("not 0", "--repeat 5")),
        (("smuonR_300_100", "--repeat", "-2"), ("not -2", "--repeat 5")),
        (("smuonR_300_100", "--repeat", "100000"), ("from 1 to 1000", "--repeat 5")),
        (("tt", "--repeat", "2"), ("tt cannot decay after the shower", "--repeat", "--lhe")),
        (("smuonR_300_100", "--repeat", "2", "--hard", "M_T2 > 80"), ("--repeat or --hard",)),
        (("tt", "--hard", "M_T3 > 80"), ("'M_T3'", "--hard 'M_T2 > 80'")),
        (("tt", "--hard", "M_T2 > nan"), ("'M_T2 > nan'", "--hard 'M_T2 > 80'")),
        (("tt", "--hard", "M_T2: 80, 40"), ("must rise", "--hard 'M_T2: 0, 40, 80'")),
        (("mumu", "--hard", "m_ll > 80"), ("sliced in pT_hat", "without --hard")),
        (("--lhe", "x.lhe", "--filter", "dimun"), ("'dimun'", "dimuon-photon")),
        (("--lhe", "x.lhe", "--repeat", "0"), ("not 0", "--repeat 5")),
        (("--lhe", "x.lhe", "--fast-taus"), ("--fast-taus", "--lhe")),
    ],
)
def test_options_of_generate_that_do_not_go_together(arguments, words, tmp_path, monkeypatch) -> None:
    pytest.importorskip("pythia8mc")
    monkeypatch.chdir(tmp_path)
    result = invoke("generate", *arguments)
    assert result.exit_code not in (0, None)
    assert all(word in result.output for word in words), result.output
    assert "Traceback" not in result.output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("generate", "nosuch", "--out", "out"), ("nosuch", "massgap generate --list", "smuonR_M_LSP")),
        (("generate", "--events", "many"), ("many", "100k")),
        (("run", "nosuch", "file.root"), ("nosuch", "slepton")),
        (("run", "slepton"), ("no input", "--fileset")),
        (("run", "slepton", "x.root", "--set", "muon_pt"), ("muon_pt", "NAME=VALUE")),
        (("run", "slepton", "x.root", "--set", "nosuch=1"), ("nosuch", "muon_pt")),
        (("run", "slepton", "x.root", "--precuts", "nosuch"), ("nosuch", "z_window")),
        (("run", "slepton", "x.root", "--variations", "nosuch"), ("nosuch", "jes")),
        (("run", "slepton", "x.root", "--model", "nosuch.onnx"), ("nosuch.onnx",)),
        (("run", "./nosuch.py:Mine", "x.root"), ("nosuch.py",)),
        (("train", "nosuch"), ("nosuch",)),
        (("fit", "nosuch"), ("nosuch",)),
        (("fit", "nosuch", "--edges", "a,b"), ("a,b", "0,0.5,0.9,1")),
        (("fit", "nosuch", "--replicas", "many"), ("many", "--replicas")),
        (("fit", "nosuch", "--part", "met"), ("'met'", "REGION:HISTOGRAM")),
        (("fit", "nosuch", "--part", "sr:met:0,x"), ("0,x", "0,0.5,0.9,1")),
        (("report", "nosuch"), ("nosuch",)),
        (("report", "samples", "nosuch"), ("nosuch",)),
        (("study", "nosuch", "--out", "out"), ("nosuch", "slepton")),
        (("validate", "slepton", "nosuch"), ("nosuch", "massgap study slepton")),
        (("validate", "nosuch", "."), ("nosuch", "slepton")),
        (("generate",), ("what to generate", "--list")),
        (("report", "a", "b"), ("samples", "a b")),
        (("report", "samples", ".", "--reference", "tt"), ("tt", "PROCESS=FILE")),
    ],
)
def test_wrong_arguments_get_one_message_that_names_them(
    arguments: tuple[str, ...], words: tuple[str, ...], tmp_path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = invoke(*arguments)
    assert result.exit_code not in (0, None)
    assert all(word in result.output for word in words)
    assert "Traceback" not in result.output
    assert "fault of massgap" not in result.output


def test_what_jobs_call_is_hidden_but_explains_itself() -> None:
    assert "\n  work " not in invoke("--help").output
    assert "Ends with code 0" in invoke("work", "--help").output


def test_preflight_takes_what_run_takes() -> None:
    """So that a command line can be checked before it is run."""
    options = {name: {o for p in main.commands[name].params for o in p.opts} for name in ("run", "preflight")}
    assert options["run"] - options["preflight"] == {"--out", "--accept-loss", "--fresh"}
