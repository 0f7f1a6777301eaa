"""What a run reads: files or a fileset, said once for all stages."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import eventfiles
import pytest
from runs import fileset_of

from massgap import stages
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
