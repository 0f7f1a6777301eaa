"""Systematics that some data sets, or some of their events, do not have: counted as nominal, and told."""

from __future__ import annotations

import json
import shlex
import warnings
from typing import TYPE_CHECKING, Any

import awkward as ak
import eventfiles
import numpy as np
import pytest
import uproot
from click.testing import CliRunner
from coffea.processor import IterativeExecutor, Runner

from massgap.cli.group import main
from massgap.contracts.run_folder import open_run
from massgap.events.reading.schemas import schema_for
from massgap.processors.slepton import Slepton
from massgap.runner.errors import RunnerError
from massgap.runner.runner import run

if TYPE_CHECKING:
    from pathlib import Path

FACTOR = 1.25
GRID = [1.0] * 7 + [FACTOR, 1.0]


@pytest.fixture(scope="module")
def files(tmp_path_factory) -> dict[str, Path]:
    """Files with nine, eight, no or sometimes no scale weights, of a dummy and of a length that nobody knows."""
    folder = tmp_path_factory.mktemp("weights")
    events = {
        name: eventfiles.make_events(120, seed=i, negative=False)
        for i, name in enumerate(("nine", "none", "some", "odd"))
    }

    def lists(given: list[list[float]]) -> ak.Array:
        return ak.values_astype(ak.Array(given), np.float32)

    columns = {name: eventfiles.columns(found) for name, found in events.items()}
    columns["nine"]["LHEScaleWeight"] = lists([GRID] * 120)
    columns["some"]["LHEScaleWeight"] = lists([[] if i % 3 == 0 else GRID for i in range(120)])
    columns["odd"]["LHEScaleWeight"] = lists([[*GRID, 1.0]] * 120)
    columns["odd"]["PSWeight"] = lists([[0.5]] * 120)
    return {name: eventfiles.write_columns(folder / f"{name}.root", of) for name, of in columns.items()}


def fileset_of(files: dict[str, Path], *names: str, **metadata: Any) -> dict[str, Any]:
    return {
        name: {
            "files": {str(files[name]): "Events"},
            "metadata": {"process": f"p_{name}", "xsec_fb": 100.0, "is_data": False, **metadata},
        }
        for name in names
    }


def yields(result: Any, variation: str, process: str) -> float:
    histogram = result.histograms["mt2_100"]
    return float(
        histogram[{"process": process, "variation": variation, "region": "precuts"}].sum(flow=True).value
    )


def test_a_data_set_without_a_variation_counts_as_nominal(files) -> None:
    result = run(Slepton(variations=["mur"]), fileset_of(files, "nine", "none", "some"))
    assert result.ledger.complete
    nominal = {name: yields(result, "nominal", f"p_{name}") for name in ("nine", "none", "some")}
    up = {name: yields(result, "mur_up", f"p_{name}") for name in ("nine", "none", "some")}
    assert up["nine"] == pytest.approx(FACTOR * nominal["nine"], rel=1e-6)
    assert up["none"] == nominal["none"] > 0
    assert nominal["some"] < up["some"] < FACTOR * nominal["some"]
    told = {name: entry["counted_as_nominal"] for name, entry in result.ledger.as_dict()["datasets"].items()}
    assert told == {
        "nine": {},
        "none": {"mur": {"events": 120, "nominal": 120, "why": {"the branch is not there": 120}}},
        "some": {"mur": {"events": 120, "nominal": 40, "why": {"the list of the event is empty": 40}}},
    }
    assert result.notes == [
        "dataset 'none': it counts as nominal in mur (LHEScaleWeight: the branch is not there)",
        "dataset 'some': 40 of 120 events count as nominal in mur (LHEScaleWeight: the list of the event is empty)",
    ]


def test_a_process_of_two_data_sets_of_which_one_has_it(files) -> None:
    fileset = {
        name: {**entry, "metadata": {**entry["metadata"], "process": "both"}}
        for name, entry in fileset_of(files, "nine", "none").items()
    }
    apart = run(Slepton(variations=["mur"]), fileset_of(files, "nine", "none"))
    for choice in (["mur"], {"nine": ["mur"]}):
        result = run(Slepton(variations=choice), fileset)
        right = sum(yields(apart, "mur_up", f"p_{name}") for name in ("nine", "none"))
        assert yields(result, "mur_up", "both") == pytest.approx(right, rel=1e-12)


@pytest.mark.parametrize("chunksize", [None, 17])
def test_choices_by_data_set(files, chunksize) -> None:
    fileset = fileset_of(files, "nine", "some")
    fileset["some"]["metadata"]["variations"] = ["isr"]
    result = run(Slepton(variations={"*": ["mur"]}), fileset, chunksize=chunksize)
    assert {name: list(found) for name, found in result.output["variations"].items()} == {
        "isr": ["nine", "some"],
        "mur": ["nine", "some"],
    }
    # 1.1 is the first entry of the files' PSWeight.
    assert yields(result, "isr_up", "p_some") == pytest.approx(
        1.1 * yields(result, "nominal", "p_some"), rel=1e-6
    )
    assert yields(result, "mur_up", "p_some") == yields(result, "nominal", "p_some")
    assert yields(result, "isr_up", "p_nine") == yields(result, "nominal", "p_nine")
    assert yields(result, "mur_up", "p_nine") == pytest.approx(
        FACTOR * yields(result, "nominal", "p_nine"), rel=1e-6
    )
    assert (
        result.notes[0] == "dataset 'nine': it counts as nominal in isr (it was not chosen for this data set)"
    )


def test_a_remedy_for_several_data_sets_can_be_followed(files, tmp_path) -> None:
    (tmp_path / "fileset.json").write_text(json.dumps(fileset_of(files, "nine", "odd")))
    command = ["run", "slepton", "--fileset", str(tmp_path / "fileset.json"), "--variations", "mur,muf,jes"]
    command += ["--out", str(tmp_path / "run"), "--executor", "iterative"]
    refused = CliRunner().invoke(main, command)
    assert refused.exit_code == 1
    assert f"{files['odd']} (entries" not in refused.output  # the file is named once, not each chunk
    (line,) = [line for line in refused.output.splitlines() if "LHEScaleWeight has 10 entries" in line]
    assert str(files["odd"]) in line
    remedy = line.partition("Leave them out for this data set: ")[2].partition(" [")[0]
    assert remedy == "--variations odd:jes"
    followed = CliRunner().invoke(main, [*command, *shlex.split(remedy)])
    assert followed.exit_code == 0, followed.output
    assert (
        "dataset 'odd': it counts as nominal in muf, mur (it was not chosen for this data set)"
        in followed.output
    )
    folder = open_run(tmp_path / "run")
    assert folder.manifest["options"]["variations"] == {"*": ["jes", "muf", "mur"], "odd": ["jes"]}
    assert folder.description.variations["mur"]["odd"]["nominal"] == 120
    assert folder.ledger["datasets"]["odd"]["counted_as_nominal"]["muf"]["events"] == 120


def test_what_no_data_set_has_is_refused_before_any_event_is_read(files) -> None:
    class Untouched(Slepton):
        def process(self, events):
            raise AssertionError

    for choice, remedy in (
        (["mur", "isr"], "Leave out mur: give --variations isr$"),
        ({"*": ["isr"], "no*": ["mur", "jes"]}, r"give --variations isr --variations 'no\*:jes'$"),
        (["mur"], "call it without --variations$"),
    ):
        with pytest.raises(
            RunnerError, match=rf"no file of the data set 'none' has the branch LHEScaleWeight.*{remedy}"
        ):
            run(Untouched(variations=choice), fileset_of(files, "none"))
    with pytest.raises(RunnerError, match=r"and take them out of the metadata of the data set 'none'"):
        run(Untouched(), fileset_of(files, "none", variations=["mur"]))
    with pytest.raises(RunnerError, match=r"there is no data set 'nin'; there are 'nine'"):
        run(Untouched(variations={"nin": ["mur"]}), fileset_of(files, "nine"))


def write_titled(path: Path, columns: dict[str, Any], branch: str, title: str) -> Path:
    """A file whose branch has a title of NanoAOD: uproot writes one of its own, which is made as long and replaced."""
    counter = "n" * (len(title) - len(f"{branch}[]/F"))
    with uproot.recreate(path, compression=None) as file:
        types = {name: a.type.content if isinstance(a, ak.Array) else a.dtype for name, a in columns.items()}
        tree = file.mktree(
            "Events", types, counter_name=lambda name: counter if name == branch else f"n{name}"
        )
        tree.extend(columns)
    content, written = path.read_bytes(), f"{branch}[{counter}]/F".encode()
    assert content.count(written) >= 1
    path.write_bytes(content.replace(written, title.encode()))
    with uproot.open(path) as file:
        assert file["Events"][branch].title == title
    return path


def test_titles_of_files_are_followed(tmp_path) -> None:
    """Those of NanoAOD up to version 8 begin with the factor 1/2; by coffea's own runner as well."""
    title = "PS weights (w_var / w_nominal); [0] is ISR=0.5 FSR=1; [1] is ISR=1 FSR=0.5; [2] is ISR=2 FSR=1; [3] is ISR=1 FSR=2 "
    columns = eventfiles.columns(eventfiles.make_events(60, negative=False))
    columns["PSWeight"] = ak.values_astype(ak.Array([[0.5, 0.25, 2.0, 4.0]] * 60), np.float32)
    path = write_titled(tmp_path / "old.root", columns, "PSWeight", title)
    fileset = fileset_of({"old": path}, "old")
    found = run(Slepton(variations=["isr", "fsr"]), fileset)
    with warnings.catch_warnings():
        # coffea's own schema warns of missing identifiers, which the analysis does not need.
        warnings.simplefilter("ignore")
        runner = Runner(IterativeExecutor(status=False), schema=schema_for("NanoAOD"))
        again = runner(fileset, processor_instance=Slepton(variations=["isr", "fsr"]))
    for histograms in (found.histograms, again["histograms"]):
        axis = histograms["met"][{"region": "topology", "process": "p_old"}]
        sums = {name: axis[{"variation": name}].sum(flow=True).value for name in axis.axes["variation"]}
        relative = {name: float(value / sums["nominal"]) for name, value in sums.items()}
        right = {"nominal": 1, "isr_up": 2, "isr_down": 0.5, "fsr_up": 4, "fsr_down": 0.25}
        assert relative == pytest.approx(right, rel=1e-6)


def test_a_dummy_is_no_variation_and_an_empty_list_in_all_events_is_refused(files, tmp_path) -> None:
    result = run(Slepton(variations=["isr"]), fileset_of(files, "odd"))
    assert result.ledger.complete
    assert (
        yields(result, "isr_up", "p_odd")
        == yields(result, "isr_down", "p_odd")
        == yields(result, "nominal", "p_odd")
    )
    assert result.notes == ["dataset 'odd': it counts as nominal in isr (PSWeight: the weights are dummies)"]
    columns = eventfiles.columns(eventfiles.make_events(40))
    columns["LHEScaleWeight"] = ak.values_astype(ak.Array([[1.0]])[[0] * 40][:, :0], np.float32)
    eventfiles.write_columns(tmp_path / "empty.root", columns)
    result = run(Slepton(variations=["mur"]), fileset_of({"e": tmp_path / "empty.root"}, "e"))
    assert result.ledger.problems() == [
        "no event of the data set 'e' has weights of mur (the list of the event is empty): leave mur out of --variations"
    ]
    assert not result.ledger.complete
