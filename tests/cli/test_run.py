"""``massgap run`` on bad input: one clear message, no traceback, exit code not 0, finished work kept."""

from __future__ import annotations

import json
import os
import random
import shutil
from typing import TYPE_CHECKING

import eventfiles
import numpy as np
import pytest
from click.testing import CliRunner

from massgap.cli import main
from massgap.cli.options.run_options import run_folder_of

if TYPE_CHECKING:
    from pathlib import Path


class Command:
    """``massgap run`` in this process."""

    def __init__(self, folder: Path) -> None:
        self.out = folder / "run"

    def __call__(self, *arguments, out=None, analysis="slepton"):
        words = [
            "run",
            str(analysis),
            *map(str, arguments),
            "--executor",
            "iterative",
            "--out",
            str(out or self.out),
        ]
        done = CliRunner().invoke(main, words, catch_exceptions=False)
        assert "Traceback" not in done.output
        assert "fault of massgap" not in done.output
        return done

    def refused(self, *arguments, **options) -> str:
        done = self(*arguments, **options)
        assert done.exit_code == 1, done.output
        errors = [line for line in done.stderr.splitlines() if line.startswith("Error: ")]
        assert len(errors) == 1, done.stderr
        leftovers = list(self.out.rglob("*.part")) if self.out.is_dir() else []
        assert leftovers == []
        return errors[0]

    def ledger(self):
        return json.loads((self.out / "ledger.json").read_text())


@pytest.fixture
def massgap(tmp_path) -> Command:
    return Command(tmp_path)


@pytest.fixture(scope="module")
def events():
    return eventfiles.make_events(300, seed=4)


@pytest.fixture(scope="module")
def good(tmp_path_factory, events) -> Path:
    return eventfiles.write_nano(tmp_path_factory.mktemp("cli") / "good.root", events, "v12")


def test_a_good_file(massgap, good) -> None:
    done = massgap(good, "--xsec", "100", "--process", "tt", "--chunksize", "200")
    assert done.exit_code == 0, done.output
    assert "two opposite-sign muons" in done.stdout
    assert "100" in done.stdout.splitlines()[2]
    assert f"run folder: {massgap.out}" in done.stdout
    ledger = massgap.ledger()
    assert ledger["complete"]
    assert [c["status"] for c in ledger["chunks"]] == ["processed"] * 2
    again = massgap(good, "--xsec", "100", "--process", "tt", "--chunksize", "200")
    assert "2 of 2 chunks were already finished" in again.stderr
    assert again.stdout == done.stdout


# ---- files


def spoiled(path: Path, good: Path, change) -> Path:
    path.write_bytes(change(good.read_bytes()))
    return path


@pytest.mark.parametrize(
    ("change", "words"),
    [
        pytest.param(lambda raw: b"", "is empty (0 bytes)", id="zero bytes"),
        pytest.param(lambda raw: b"\x1f\x8b" + raw, "is not a ROOT file", id="not ROOT"),
        pytest.param(lambda raw: b"root", "damaged or truncated", id="only the magic"),
        pytest.param(lambda raw: raw[:50], "damaged or truncated", id="50 bytes"),
        pytest.param(lambda raw: raw[:1000], "truncated", id="1000 bytes"),
        pytest.param(lambda raw: raw[: len(raw) // 2], "is truncated", id="half"),
        pytest.param(lambda raw: raw[:-1], "is truncated", id="one byte short"),
        pytest.param(lambda raw: raw[:100] + bytes(400) + raw[500:], "bad.root", id="zeros in the header"),
    ],
)
def test_files_that_cannot_be_opened(massgap, good, tmp_path, change, words) -> None:
    bad = spoiled(tmp_path / "bad.root", good, change)
    error = massgap.refused(bad)
    assert "bad.root: " in error
    assert words in error
    assert not massgap.ledger()["complete"]
    assert massgap.ledger()["files"][0]["status"] == "failed"


def test_a_file_that_is_missing_or_a_folder(massgap, tmp_path) -> None:
    assert "gone.root" in massgap.refused(tmp_path / "gone.root")
    (tmp_path / "folder").mkdir()
    assert "folder" in massgap.refused(tmp_path / "folder")
    assert "no file matches" in massgap.refused(tmp_path / "x*.root")
    assert "no input" in massgap.refused()


def test_unknown_formats_and_trees(massgap, good, tmp_path, events) -> None:
    flat = eventfiles.write_columns(tmp_path / "flat.root", {"px": np.zeros(5), "py": np.zeros(5)})
    assert "neither NanoAOD nor Delphes" in massgap.refused(flat)
    named = eventfiles.write_nano(tmp_path / "named.root", events[:50], "v12", tree="Nominal")
    error = massgap.refused(named)
    assert "it has Nominal" in error
    assert "--tree" in error
    assert massgap(named, "--tree", "Nominal").exit_code == 0
    assert "has no tree 'Other'" in massgap.refused(good, "--tree", "Other")
    import uproot

    with uproot.recreate(tmp_path / "none.root") as file:
        file["text"] = "hello"
    assert "holds no event tree" in massgap.refused(tmp_path / "none.root")


NEEDED = [
    *(f"Muon_{f}" for f in ("pt", "eta", "phi", "charge", "pfRelIso04_all", "mediumId")),
    *(f"Electron_{f}" for f in ("pt", "eta", "pfRelIso03_all", "cutBased")),
    *(f"Jet_{f}" for f in ("pt", "eta", "phi", "mass", "btagDeepFlavB")),
    *(f"Tau_{f}" for f in ("pt", "eta", "phi", "idDeepTau2018v2p5VSjet")),
    *("MET_pt", "MET_phi", "genWeight", "run", "luminosityBlock", "event"),
]


def test_each_needed_branch(massgap, events, tmp_path) -> None:
    said = {}
    for name in NEEDED:
        path = eventfiles.write_nano(
            tmp_path / f"no_{name}.root", events[:40], "v12", drop=(name,), baskets=1
        )
        said[name] = massgap.refused(path, "--simulation", "--xsec", "1")
    wrong = {n: e for n, e in said.items() if f"no_{n}.root: the file lacks the branch" not in e}
    assert wrong == {}
    for name, error in said.items():
        # Where there are several that would do, the usual one is named.
        family = {"pfRelIso03_all": "pfRelIso04_all"}
        branch = name
        for old, new in family.items():
            branch = branch.replace(old, new)
        assert f"lacks the branch {branch}," in error, error
        if name.startswith("Tau"):
            assert "--without no_tau" in error


def test_branches_that_the_analysis_does_not_use_may_be_missing(massgap, events, tmp_path) -> None:
    whole = eventfiles.write_nano(tmp_path / "whole.root", events[:40], "v12")
    # No jet can overlap with an electron where electrons are vetoed.
    unused = ("Electron_charge", "Electron_mass", "Electron_phi", "Tau_charge", "Tau_mass")
    part = eventfiles.write_nano(tmp_path / "part.root", events[:40], "v12", drop=unused)
    tables = [
        massgap(path, "--process", "tt", out=tmp_path / path.stem).stdout.splitlines()[2:-1]
        for path in (whole, part)
    ]
    assert tables[0] == tables[1]


def test_no_events(massgap, events, tmp_path) -> None:
    arrays = {k: v[:0] for k, v in eventfiles.columns(events[:3], "v12").items()}
    path = eventfiles.write_columns(tmp_path / "empty.root", arrays)
    done = massgap(path)
    assert done.exit_code == 0
    assert "there are no events in the input: all numbers are 0" in done.stderr
    assert massgap.ledger()["complete"]
    assert massgap.ledger()["files"][0]["remark"] == "has no events"


@pytest.mark.parametrize("value", [np.nan, np.inf])
@pytest.mark.parametrize(
    "branch", ["genWeight", "Muon_pt", "Muon_pfRelIso04_all", "Jet_eta", "MET_phi", "Tau_eta"]
)
def test_values_that_are_not_finite(massgap, events, tmp_path, branch, value) -> None:
    if branch.startswith("Muon_pf") and not np.isnan(value):
        pytest.skip("an infinite isolation is legal")

    def spoil(values):
        values[len(values) // 2] = value
        return values

    path = eventfiles.write_nano(tmp_path / "nan.root", events[:120], "v12", change={branch: spoil})
    error = massgap.refused(path, "--chunksize", "40")
    assert f"branch {branch} has 1 NaN or infinite value" in error
    assert [c["status"] for c in massgap.ledger()["chunks"]].count("failed") == 1


@pytest.mark.parametrize(
    ("branch", "value"),
    [
        ("Muon_pt", -3.0),
        ("Muon_pt", 1e30),
        ("Jet_eta", -1e5),
        ("Jet_phi", 55.0),
        ("Muon_charge", 77),
        ("MET_pt", -1.0),
        ("Jet_mass", 1e19),
    ],
)
def test_impossible_values(massgap, events, tmp_path, branch, value) -> None:
    def spoil(values):
        values[3] = value
        return values

    path = eventfiles.write_nano(tmp_path / "odd.root", events[:80], "v12", change={branch: spoil})
    assert f"branch {branch} holds the value" in massgap.refused(path)


@pytest.mark.parametrize("compression", ["zlib", "lz4", "zstd"])
def test_flipped_bytes_are_noticed_or_change_nothing(massgap, events, tmp_path, compression) -> None:
    """Bytes flipped in compressed baskets: an error, or the same numbers; never other numbers in silence.

    A zlib or LZ4 basket carries a checksum.  ZSTD as ROOT writes it carries none: what is not noticed
    by its decoder must be noticed by impossible values, which is not certain (see the test below).
    """
    path = eventfiles.write_nano(tmp_path / "whole.root", events, "v12", compression=compression, baskets=1)
    whole = massgap(path).stdout.splitlines()[2:-1]
    import uproot

    with uproot.open(path) as file:
        baskets = []
        for branch in file["Events"].branches:
            start = int(branch.member("fBasketSeek")[0])
            baskets.append((branch.name, start, int(branch.member("fBasketBytes")[0])))
    raw = path.read_bytes()
    rng = random.Random(compression)
    noticed = silent = 0
    for name, start, size in rng.sample([b for b in baskets if b[2] > 200 and b[0] in NEEDED], 8):
        content = bytearray(raw)
        for _ in range(4):
            content[rng.randrange(start + 120, start + size)] ^= 1 << rng.randrange(8)
        bad = tmp_path / "flipped.root"
        bad.write_bytes(content)
        done = massgap(bad, out=tmp_path / "flipped")
        if done.exit_code:
            noticed += 1
            assert sum(line.startswith("Error: ") for line in done.stderr.splitlines()) == 1, name
        elif done.stdout.splitlines()[2:-1] != whole:
            silent += 1
    assert noticed >= 3
    if compression != "zstd":
        assert silent == 0


# ---- filesets


def write_fileset(path: Path, **datasets) -> Path:
    path.write_text(json.dumps(datasets))
    return path


def test_filesets(massgap, good, tmp_path, nano_files) -> None:
    meta = {"process": "tt", "xsec_fb": 1.0}
    link = tmp_path / "link.root"
    link.symlink_to(good)
    cases = {
        "no xsec_fb": {"tt": {"files": {str(good): "Events"}, "metadata": {"process": "tt"}}},
        "would count twice": {
            "tt": {"files": {str(good): "Events"}, "metadata": meta},
            "tt2": {"files": {str(link): "Events"}, "metadata": meta},
        },
        "data mixed with simulation": {
            "tt": {"files": {str(good): "Events"}, "metadata": meta},
            "d": {
                "files": {str(nano_files["data"]): "Events"},
                "metadata": {"process": "tt", "is_data": True},
            },
        },
        "declared as data": {"d": {"files": {str(good): "Events"}, "metadata": {"is_data": True}}},
        "genWeight": {"d": {"files": {str(nano_files["data"]): "Events"}, "metadata": meta}},
        "does not exist": {"d": {"files": {"gone.root": "Events"}, "metadata": meta}},
        "reserved by coffea": {"d": {"files": {str(good): "Events"}, "metadata": {**meta, "filename": "x"}}},
    }
    for words, content in cases.items():
        path = write_fileset(tmp_path / "fileset.json", **content)
        assert words in massgap.refused("--fileset", path), words
    (tmp_path / "fileset.json").write_text('{"tt": {"files"')
    assert "is not JSON" in massgap.refused("--fileset", tmp_path / "fileset.json")
    assert "does not exist" in massgap.refused("--fileset", tmp_path / "none.json")
    assert "not both" in massgap.refused(good, "--fileset", tmp_path / "fileset.json")
    assert "given twice" in massgap.refused(good, good)


def test_mixed_plain_files(massgap, good, nano_files) -> None:
    assert "data mixed with simulation" in massgap.refused(good, nano_files["data"])
    # A cross section says that it is simulation: data weights of 1 would ignore it.
    assert "genWeight" in massgap.refused(nano_files["data"], "--xsec", "5")


def test_loss_can_be_accepted(massgap, good, tmp_path) -> None:
    path = tmp_path / "fileset.json"
    write_fileset(
        path, tt={"files": {str(good): "Events"}, "metadata": {"xsec_fb": 1.0, "sum_weights": 9999.0}}
    )
    error = massgap.refused("--fileset", path)
    assert "sum_weights says 9999" in error
    assert "--accept-loss" in massgap("--fileset", path).stderr
    done = massgap("--fileset", path, "--accept-loss")
    assert done.exit_code == 0
    assert "Accepted loss: dataset 'tt'" in done.stderr
    assert massgap.ledger()["accepted_loss"]


# ---- options and folders


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--precuts", "met,foo"], "precuts: unknown 'foo'; known are z_window"),
        (["--without", "bar"], "without: unknown 'bar'; known are no_electron"),
        (["--variations", "jez"], "unknown variation 'jez'"),
        (["--set", "muon_ptt=3"], "has no option 'muon_ptt'; it has model"),
        (["--set", "muon_pt=many"], "an option has a value that it cannot take"),
        (["--set", 'taggers={"b_tager": "x"}'], "b_tager"),
        (["--set", 'taggers={"muon_id": "softId"}'], "lacks the branch Muon_softId"),
        (
            ["--variations", "mur"],
            "has the branch LHEScaleWeight. Leave out mur: call it without --variations",
        ),
        (["--model", "none.onnx"], "none.onnx"),
        (["--workers", "0"], "number of workers"),
    ],
)
def test_options(massgap, good, words, message) -> None:
    assert message in massgap.refused(good, *words)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("sleptom", "unknown analysis 'sleptom'; known are cascade, electroweakino, slepton"),
        ("./none.py:A", "no such file"),
        ("./none.py", "no such file"),
        ("nomodule:A", "cannot be imported"),
        ("massgap.processors.slepton:Slapton", "has no class 'Slapton'"),
    ],
)
def test_analyses(massgap, good, name, message) -> None:
    assert message in massgap.refused(good, analysis=name)


def test_own_file_that_fails(massgap, good, tmp_path) -> None:
    path = tmp_path / "mine.py"
    path.write_text("import nothing_like_this\n")
    assert "mine.py cannot be imported (ModuleNotFoundError" in massgap.refused(good, analysis=f"{path}:A")
    path.write_text(
        "class A:\n    def process(self, events):\n        return {'n': 1 / 0}\n    def postprocess(self, a):\n        pass\n"
    )
    assert "the processor failed (ZeroDivisionError" in massgap.refused(good, analysis=f"{path}:A")
    assert f"say which class it is, for instance {path}:A" in massgap.refused(good, analysis=str(path))


def test_output_folders_that_cannot_be_written(massgap, good, tmp_path) -> None:
    (tmp_path / "file").write_text("in the way")
    assert "below, a file" in massgap.refused(good, out=tmp_path / "file")
    assert "below, a file" in massgap.refused(good, out=tmp_path / "file" / "deeper")
    assert "cannot be written" in massgap.refused(good, out="/proc/massgap")
    (tmp_path / "taken").mkdir()
    (tmp_path / "taken" / "histograms.json").mkdir()
    assert "could not write the results" in massgap.refused(good, out=tmp_path / "taken")


def test_debug_shows_the_traceback(good, tmp_path) -> None:
    words = ["--debug", "run", "sleptom", str(good), "--out", str(tmp_path / "x")]
    done = CliRunner().invoke(main, words)
    assert "Traceback" in done.output
    assert done.exit_code == 1


def test_full_disk(massgap, good, tmp_path) -> None:
    """A file system of 64 kB, where that can be mounted."""
    import subprocess

    folder = tmp_path / "small"
    folder.mkdir()
    mount = shutil.which("mount")
    if mount is None or os.geteuid() != 0:
        pytest.skip("needs root to mount a small file system")
    made = subprocess.run(
        [mount, "-t", "tmpfs", "-o", "size=64k", "tmpfs", str(folder)], capture_output=True, check=False
    )
    if made.returncode:
        pytest.skip("no small file system can be mounted here")
    try:
        massgap.out = folder / "run"
        error = massgap.refused(good, "--chunksize", "20")
        assert "No space left on device" in error
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.parametrize(
    ("analysis", "folder"),
    [
        ("slepton", "runs/slepton"),
        ("./there/mine.py:A", "runs/mine"),
        ("processors.one:A", "runs/one"),
        ("processors.two:A", "runs/two"),
    ],
)
def test_the_run_folder_of_each_analysis_is_its_own(analysis, folder) -> None:
    assert str(run_folder_of(analysis)) == folder
