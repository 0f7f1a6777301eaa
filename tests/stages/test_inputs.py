"""What a run reads: files or a fileset, said once for all stages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import eventfiles
import pytest
from click.testing import CliRunner
from runs import fileset_of

from massgap import stages
from massgap.cli import main
from massgap.contracts.errors import FilesetError
from massgap.stages.inputs import Inputs

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    return eventfiles.write_nano(
        tmp_path_factory.mktemp("inputs") / "a.root", eventfiles.make_events(20, seed=1)
    )


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({}, "no input: give event files, or --fileset FILE"),
        ({"files": ("a.root",), "fileset": "f.json"}, "not both"),
        ({"fileset": "f.json", "process": "tt"}, "--process belongs to plain files"),
        ({"fileset": "f.json", "xsec_fb": 1.0}, "--xsec belongs to plain files"),
        ({"fileset": "f.json", "is_data": False}, "--data belongs to plain files"),
    ],
)
def test_what_does_not_go_together(given, message) -> None:
    with pytest.raises(FilesetError, match=message):
        Inputs(**given)


def test_keywords_of_a_notebook(sample) -> None:
    words = {"process": "tt", "xsec_fb": 5.0, "workers": 3}
    inputs = Inputs.of([sample], words)
    assert inputs == Inputs((str(sample),), process="tt", xsec_fb=5.0)
    assert words == {"workers": 3}
    assert Inputs.of(str(sample), {}) == Inputs.of(sample, {}) == Inputs((str(sample),))
    assert Inputs.of(inputs, {}) is inputs
    with pytest.raises(TypeError, match="tree: Inputs say that already"):
        Inputs.of(inputs, {"tree": "Events"})


def test_plain_files_become_a_fileset(sample) -> None:
    (entry,) = Inputs((str(sample),), process="tt", xsec_fb=5.0, tree="Nominal").load().values()
    assert list(entry["files"].values()) == ["Nominal"]
    assert entry["metadata"]["process"] == "tt"
    assert entry["metadata"]["xsec_fb"] == 5.0
    assert entry["metadata"]["is_data"] is False
    # Neither data nor simulation is said: the content tells.
    (entry,) = Inputs((str(sample),)).load().values()
    assert "is_data" not in entry["metadata"]


def test_a_fileset_as_dict_and_as_file_is_the_same(sample, tmp_path) -> None:
    fileset = fileset_of(sample)
    (tmp_path / "f.json").write_text(json.dumps(fileset))
    one, other = Inputs(fileset=fileset).load(), Inputs(fileset=tmp_path / "f.json").load()
    assert one == other
    assert list(Inputs(fileset=fileset, tree="Nominal").load()["tt"]["files"].values()) == ["Nominal"]


def test_several_filesets_are_one(sample, tmp_path) -> None:
    """And the last of them is not the only one that counts."""
    others = [
        eventfiles.write_nano(tmp_path / f"{k}.root", eventfiles.make_events(20, seed=k)) for k in (2, 3)
    ]
    for name, path, energy in (("tt", sample, 13.0), ("WW", others[0], 13.0), ("ZZ", others[1], 14.0)):
        metadata = {"process": name, "xsec_fb": 1.0, "is_data": False, "sqrt_s_tev": energy}
        (tmp_path / f"{name}.json").write_text(
            json.dumps({name: {"files": {str(path): "Events"}, "metadata": metadata}})
        )
    files = [tmp_path / f"{name}.json" for name in ("tt", "WW")]
    one, other = (Inputs(fileset=path).load() for path in files)
    assert Inputs(fileset=files).load() == {**one, **other}
    assert Inputs(fileset=files[:1]) == Inputs(fileset=files[0])
    out = tmp_path / "run"
    words = [word for path in files for word in ("--fileset", str(path))]
    done = CliRunner().invoke(main, ["run", "slepton", *words, "--out", str(out), "--executor", "iterative"])
    assert done.exit_code == 0, done.output
    assert set(json.loads((out / "ledger.json").read_text())["datasets"]) == {"tt", "WW"}
    with pytest.raises(
        FilesetError, match=r"the dataset 'tt' is in .*tt\.json and in .*tt\.json: run over one of"
    ):
        Inputs(fileset=[files[0], files[0]]).load()
    with pytest.raises(FilesetError, match=r"different energies.*tt\.json: 13 TeV, .*ZZ\.json: 14 TeV"):
        Inputs(fileset=[files[0], tmp_path / "ZZ.json"]).load()


@pytest.mark.parametrize(
    "stage", [stages.run, stages.preflight, lambda *a, **k: stages.submit(*a, out="x", **k)]
)
def test_a_keyword_that_no_stage_has(stage, sample) -> None:
    with pytest.raises(TypeError, match=r"no argument 'muon_pt'; options of the analysis go into options=\{"):
        stage("slepton", [sample], muon_pt=5)


def test_the_same_run_by_keywords_and_by_inputs(sample) -> None:
    one = stages.run("slepton", [sample], process="tt", xsec_fb=5.0, executor="iterative")
    other = stages.run("slepton", Inputs((str(sample),), process="tt", xsec_fb=5.0), executor="iterative")
    assert one.cutflow == other.cutflow
    assert one.cutflow["processes"]["tt"][0]["raw"] == 20
