"""What a run reads of its files: the steps of coffea's preprocessed filesets, files without events, trees by any name."""

from __future__ import annotations

import json
import shutil
from typing import TYPE_CHECKING, Any

import eventfiles
import numpy as np
import pytest
import uproot
from click.testing import CliRunner
from coffea.processor import ProcessorABC
from runs import bits, fileset_of

from massgap.cli import main
from massgap.contracts.errors import FilesetError
from massgap.contracts.run_writer import write_run_folder
from massgap.processors import Slepton
from massgap.runner import run
from massgap.runner.errors import RunnerError
from massgap.runner.slices.merge import merge_slices
from massgap.runner.slices.plan import write_slices
from massgap.runner.slices.work import work_slice

if TYPE_CHECKING:
    from pathlib import Path

EVENTS = eventfiles.make_events(900, seed=3)
STEPS = [[0, 100], [300, 417]]
CHOSEN = EVENTS[:100] + EVENTS[300:417]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    return tmp_path_factory.mktemp("planning")


@pytest.fixture(scope="module")
def sample(folder) -> Path:
    return eventfiles.write_nano(folder / "tt.root", EVENTS, baskets=4)


@pytest.fixture(scope="module")
def part(folder):
    """The run over a file that holds nothing but the chosen events."""
    return run(
        Slepton(features=True), fileset_of(eventfiles.write_nano(folder / "part.root", CHOSEN)), chunksize=50
    )


def uuid_of(path: Path) -> str:
    with uproot.open({path: None}) as file:
        return str(file.file.uuid)


def with_steps(
    path: Path, steps: Any = STEPS, metadata: dict[str, Any] | None = None, **about: Any
) -> dict[str, Any]:
    """As coffea's preprocess writes it."""
    facts = {"object_path": "Events", "steps": steps, "num_entries": 900, "uuid": uuid_of(path), **about}
    out = fileset_of(path, **(metadata or {}))
    out["tt"]["files"] = {str(path): facts}
    return out


def go(fileset, **options):
    return run(Slepton(features=True), fileset, chunksize=50, **options)


# ---- steps


def test_exactly_the_steps_are_read(sample, part, tmp_path) -> None:
    result = go(with_steps(sample))
    assert result.ledger.complete
    assert bits(result) == bits(part)
    assert result.cutflow == part.cutflow
    mine, other = (r.features["tt"].drop(columns="fold_key") for r in (result, part))
    assert mine.equals(other)
    # In fb: the cross section over the weights that were read, by a plain loop.
    total = result.cutflow["processes"]["tt"][0]
    assert total["raw"] == len(CHOSEN)
    assert total["weighted"] == pytest.approx(100.0, rel=1e-12)
    assert result.datasets["tt"]["sum_weights_processed"] == pytest.approx(
        float(sum(np.float32(e["weight"]).astype(np.float64) for e in CHOSEN)), rel=1e-12
    )
    covered = {entry for e in result.ledger.chunks for entry in range(e.chunk.start, e.chunk.stop)}
    assert covered == {*range(100), *range(300, 417)}
    assert max(e.chunk.stop - e.chunk.start for e in result.ledger.chunks) <= 60


def test_the_ledger_says_how_many_events_were_chosen(sample, tmp_path) -> None:
    result = go(with_steps(sample, metadata={"sum_weights": 1e6}))
    assert result.ledger.complete
    assert result.cutflow["processes"]["tt"][0]["weighted"] == pytest.approx(100.0)
    said = ["dataset 'tt': the fileset chooses 217 of the 900 events in its files (steps)"]
    said.append(
        "dataset 'tt': its events are normalised to the sum of weights of those that were chosen and read, instead of 1000000 of all"
    )
    assert result.notes == said
    out = write_run_folder(result, tmp_path / "run", analysis="slepton")
    ledger = json.loads((out / "ledger.json").read_text())
    assert ledger["remarks"] == said
    assert (ledger["files"][0]["entries"], ledger["files"][0]["entries_chosen"]) == (900, 217)
    assert ledger["files"][0]["steps"] == STEPS
    assert ledger["datasets"]["tt"]["events_in_files"] == 900
    assert ledger["datasets"]["tt"]["events_expected"] == ledger["datasets"]["tt"]["events_processed"] == 217
    # The fileset of the folder gives the same run again.
    again = go(json.loads((out / "fileset.json").read_text()))
    assert bits(again) == bits(result)


def test_other_steps_are_another_fileset_and_another_result(sample, tmp_path) -> None:
    hashes = set()
    for steps in (STEPS, [[0, 100]], [[0, 900]], [[100, 300]]):
        result = go(with_steps(sample, steps), checkpoints=tmp_path / "c")
        out = write_run_folder(result, tmp_path / "run", analysis="slepton")
        hashes.add(json.loads((out / "manifest.json").read_text())["fileset_hash"])
        expected = sum(stop - start for start, stop in steps)
        assert result.cutflow["processes"]["tt"][0]["raw"] == expected
    assert len(hashes) == 4


def test_steps_that_cover_the_file_are_no_steps(sample, tmp_path) -> None:
    whole = go(fileset_of(sample), checkpoints=tmp_path / "c")
    cut = [[a, min(a + 70, 900)] for a in range(0, 900, 70)]
    result = go(with_steps(sample, cut[::-1]), checkpoints=tmp_path / "c")
    assert all(entry.from_checkpoint for entry in result.ledger.chunks)
    assert bits(result) == bits(whole)
    assert result.notes == []


def test_coffeas_own_class_of_filesets(sample, part) -> None:
    from coffea.dataset_tools.filespec import DataGroupSpec

    assert bits(go(DataGroupSpec(with_steps(sample)))) == bits(part)


def test_the_command_and_jobs_read_steps_as_well(sample, part, tmp_path) -> None:
    path = tmp_path / "fileset.json"
    path.write_text(json.dumps(with_steps(sample)))
    words = [
        "run",
        "slepton",
        "--fileset",
        str(path),
        "--executor",
        "iterative",
        "--out",
        str(tmp_path / "run"),
    ]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert "note: dataset 'tt': the fileset chooses 217 of the 900 events" in done.stderr
    cutflow = json.loads((tmp_path / "run" / "cutflow.json").read_text())
    assert cutflow["processes"] == json.loads(json.dumps(part.cutflow["processes"]))
    made = write_slices("slepton", {}, with_steps(sample), tmp_path / "jobs", chunksize=50, jobs=1)
    for k, slice_file in enumerate(made.slices):
        assert work_slice(slice_file, made.folder / f"out-{k:04d}")["complete"]
    merged = merge_slices(tmp_path / "jobs")
    assert bits(merged) == bits(part)
    ledger = merged.ledger.as_dict()
    assert (ledger["complete"], ledger["files"][0]["entries_chosen"]) == (True, 217)
    assert ledger["remarks"] == merged.notes == made.notes


def test_no_entry_of_a_file_may_be_chosen(sample, part, folder) -> None:
    other = eventfiles.write_nano(folder / "other.root", EVENTS[:50])
    fileset = with_steps(sample)
    fileset["tt"]["files"][str(other)] = {"object_path": "Events", "steps": [[0, 0]]}
    result = go(fileset)
    assert result.ledger.complete
    assert bits(result) == bits(part)
    assert [(f["entries"], f["entries_chosen"]) for f in result.ledger.files] == [(50, 0), (900, 217)]


@pytest.mark.parametrize(
    ("about", "words"),
    [
        ({"uuid": "27919c7a-eb1a-11f1-8ea4-02fc00000001"}, "but the fileset means the file 27919c7a"),
        ({"num_entries": 901}, "has 900 entries, but the fileset says num_entries 901"),
        ({"num_entries": None, "steps": [[0, 901]]}, "ends beyond them"),
    ],
)
def test_a_file_that_is_not_the_one_that_was_meant(sample, folder, about, words) -> None:
    good = eventfiles.write_nano(folder / "good.root", EVENTS[:50])
    fileset = with_steps(sample, **about)
    fileset["tt"]["files"][str(good)] = "Events"
    result = go(fileset)
    (bad,) = result.ledger.bad_files
    assert bad.path == str(sample)
    assert bad.error.startswith(f"{sample}: ")
    assert words in bad.error
    assert 'take "uuid", "num_entries" and "steps" of this file out of it' in bad.error
    assert not result.ledger.complete
    assert result.ledger.count("processed") == 50


def test_a_uuid_that_is_none_is_told(sample, part) -> None:
    result = go(with_steps(sample, uuid="x"))
    assert result.ledger.complete
    assert bits(result) == bits(part)
    assert (
        result.notes[-1]
        == f"{sample}: the \"uuid\" in the fileset, 'x', is no UUID and was not compared with the file's"
    )


def test_steps_that_overlap_are_refused_by_the_runner_as_well(sample) -> None:
    with pytest.raises(FilesetError, match=rf"file {sample}: the steps \[0, 60\] and \[50, 80\] overlap"):
        go(with_steps(sample, [[0, 60], [50, 80]]))


def test_a_choice_of_a_skim_cannot_be_normalised(folder) -> None:
    runs = {"genEventSumw": [5000.0], "genEventCount": [4000]}
    skim = eventfiles.write_nano(folder / "skim.root", EVENTS, runs=runs)
    with pytest.raises(RunnerError, match=r'dataset .tt.: "steps" choose some of the events of a skim'):
        go(with_steps(skim))
    free = with_steps(skim)
    del free["tt"]["metadata"]["xsec_fb"]
    assert go(free).ledger.complete
    # What is no skim has as many events in Runs as in Events.
    runs = {"genEventSumw": [5000.0], "genEventCount": [900]}
    whole = eventfiles.write_nano(folder / "whole.root", EVENTS, runs=runs)
    result = go(with_steps(whole))
    assert result.ledger.complete
    assert result.cutflow["processes"]["tt"][0]["weighted"] == pytest.approx(100.0)
    assert "instead of 5000 of all" in result.notes[1]


def test_data_are_chosen_without_a_word_on_weights(folder) -> None:
    path = eventfiles.write_nano(folder / "data.root", EVENTS, "data")
    fileset = with_steps(path)
    fileset["tt"]["metadata"] = {"process": "data", "is_data": True}
    result = go(fileset)
    assert result.ledger.complete
    assert result.cutflow["processes"]["data"][0]["raw"] == 217
    assert len(result.notes) == 1


# ---- trees by any name


@pytest.mark.parametrize("tree", ["Events;1", "/Events", "Events;*"])
def test_the_tree_in_the_fileset_and_as_an_option(sample, tmp_path, tree) -> None:
    whole = run(Slepton(), fileset_of(sample))
    fileset = fileset_of(sample)
    fileset["tt"]["files"] = {str(sample): tree}
    assert bits(run(Slepton(), fileset)) == bits(whole)
    words = [
        "run",
        "slepton",
        str(sample),
        "--tree",
        tree,
        "--executor",
        "iterative",
        "--out",
        str(tmp_path / "run"),
    ]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output


def test_a_tree_in_a_folder_that_was_written_twice(tmp_path) -> None:
    arrays = eventfiles.columns(EVENTS, "v12")
    path = tmp_path / "cycles.root"
    with uproot.recreate(path) as file:
        for n in (40, 900):
            types = {k: v.type.content if hasattr(v, "type") else v.dtype for k, v in arrays.items()}
            file.mktree("dir/Events", types).extend({k: v[:n] for k, v in arrays.items()})
    for tree, n in (("dir/Events;1", 40), ("dir/Events;2", 900), ("/dir/Events", 900)):
        fileset = fileset_of(path)
        fileset["tt"]["files"] = {str(path): tree}
        for processor in (Slepton(), Count()):
            result = run(processor, fileset)
            assert result.ledger.complete, result.ledger.problems()
            assert result.ledger.count("processed") == n
        assert result.output["events"] == n


class Count(ProcessorABC):
    """A processor of somebody else."""

    def process(self, events):
        return {"events": len(events), "muons": int(np.sum([len(m) for m in events.Muon.pt.to_list()]))}

    def postprocess(self, accumulator):
        return None


# ---- odd names


@pytest.mark.parametrize("name", ["~x.root", "x.root:y.root", "a::b #?*[1].root", "new\nline Ψ.root"])
def test_files_with_odd_names(sample, tmp_path, name) -> None:
    path = tmp_path / name
    shutil.copy(sample, path)
    assert bits(run(Slepton(), fileset_of(path))) == bits(run(Slepton(), fileset_of(sample)))
    found, expected = (run(Count(), fileset_of(p)).output for p in (path, sample))
    assert found == expected
    assert found["muons"] == sum(len(e["muons"]) for e in EVENTS)


# ---- files without events


def emptied(path: Path, arrays: dict[str, Any], tree: str = "Events", **how: Any) -> Path:
    return eventfiles.write_columns(path, {k: v[:0] for k, v in arrays.items()}, tree=tree, **how)


NANO = eventfiles.columns(EVENTS[:3], "v12")
EMPTY = {
    "whole": NANO,
    "few branches": {k: NANO[k] for k in ("run", "MET_pt", "Muon")},
    "none of its branches": {"x": np.zeros(1)},
}


@pytest.mark.parametrize("kind", EMPTY)
def test_a_file_without_events_costs_nothing(sample, tmp_path, kind) -> None:
    empty = emptied(tmp_path / "empty.root", EMPTY[kind])
    processor = Slepton(features=True, variations=("jes", "isr", "mur")[:2])
    whole, result = (run(processor, fileset_of(*paths)) for paths in ((sample,), (sample, empty)))
    assert result.ledger.complete
    assert bits(result) == bits(whole)
    assert result.cutflow == whole.cutflow
    assert result.notes == [f"{empty}: has no events"]
    entry = next(f for f in result.ledger.as_dict()["files"] if f["path"] == str(empty))
    assert (entry["status"], entry["remark"], entry["entries"]) == ("read", "has no events", 0)
    # Alone, its process is there with nothing in it.
    alone = run(
        processor, {"WW": {"files": {str(empty): "Events"}, "metadata": {"process": "WW", "xsec_fb": 1.0}}}
    )
    assert alone.ledger.complete
    assert [row["raw"] for row in alone.cutflow["processes"]["WW"]] == [0] * len(alone.cutflow["steps"])
    assert list(alone.features["WW"].columns) == list(whole.features["tt"].columns)
    # And with a processor of somebody else.
    if kind == "none of its branches":
        assert run(Count(), fileset_of(sample, empty)).output == run(Count(), fileset_of(sample)).output


def test_files_without_events_of_other_kinds(tmp_path) -> None:
    delphes = emptied(
        tmp_path / "delphes.root", {"Jet.PT": np.zeros(0), "MissingET.MET": np.zeros(0)}, "Delphes"
    )
    lost = emptied(tmp_path / "lost.root", {"x": np.zeros(0)}, "Delphes")
    with uproot.recreate(tmp_path / "rntuple.root") as file:
        file.mkrntuple("Events", {"Muon_pt": "float32", "run": "uint32"})
    for path in (delphes, lost, tmp_path / "rntuple.root"):
        result = run(
            Slepton(), {"d": {"files": {str(path): None}, "metadata": {"process": "p", "xsec_fb": 1.0}}}
        )
        assert result.ledger.complete, result.ledger.problems()
        assert result.notes == [f"{path}: has no events"]


def test_what_a_skim_without_events_stands_for_counts(sample, tmp_path) -> None:
    """Events that were generated and not selected are in Runs, also in a file in which none is left."""
    good = eventfiles.write_nano(
        tmp_path / "good.root", EVENTS, runs={"genEventSumw": [900.0], "genEventCount": [900]}
    )
    runs = {"genEventSumw": [300.0], "genEventCount": [300]}
    empty = emptied(tmp_path / "empty.root", NANO, runs=runs)
    lost = emptied(tmp_path / "lost.root", {"x": np.zeros(1)})
    result = run(Slepton(), fileset_of(good, empty, lost))
    assert result.ledger.complete
    assert result.datasets["tt"]["scale"] == pytest.approx(100.0 / 1200.0)


def test_data_beside_an_empty_file_of_nothing(tmp_path) -> None:
    data = eventfiles.write_nano(tmp_path / "data.root", EVENTS, "data")
    empty = emptied(tmp_path / "empty.root", {"x": np.zeros(1)})
    fileset = {"d": {"files": {str(data): None, str(empty): None}, "metadata": {"process": "d"}}}
    result = run(Slepton(), fileset)
    assert result.ledger.complete
    assert result.datasets["d"]["is_data"] is True


# ---- the inputs that once failed


CUTFLOW = [751, 535, 535, 372, 337, 333, 333, 307, 219, 191]


def test_the_inputs_that_once_failed(faults, tmp_path) -> None:
    import pandas as pd

    def command(*words, code=0):
        given = [
            "run",
            "slepton",
            *map(str, words),
            "--executor",
            "iterative",
            "--out",
            str(tmp_path / "run"),
        ]
        done = CliRunner().invoke(main, given, catch_exceptions=False)
        assert done.exit_code == code, done.output
        if code:
            return done.stderr
        cutflow = json.loads((tmp_path / "run" / "cutflow.json").read_text())
        return [row["raw"] for row in cutflow["processes"]["s"]]

    assert command("--fileset", faults / "das_name.json") == CUTFLOW
    assert len(pd.read_parquet(tmp_path / "run" / "features")) == 333
    assert command("--fileset", faults / "tree_cycle.json") == CUTFLOW
    assert command("--fileset", faults / "steps.json")[0] == 100
    plain = ("--process", "s", "--xsec", 1)
    assert command(faults / "no_branches.root", faults / "events.root", *plain) == CUTFLOW
    assert command(faults / "no_branches.root", *plain) == [0] * 10
    said = command(faults / "stale_counter.root", *plain, code=1)
    assert "branch Jet_pt has 2191 values, but the events have 2519 objects by nJet" in said
    assert "the counter is stale" in said
    assert "damaged" not in said
