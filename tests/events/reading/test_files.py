"""Looking into a file: which tree is meant, whether it has events, how much weight it stands for."""

from __future__ import annotations

import shutil

import eventfiles
import numpy as np
import pytest
import uproot

from massgap.events.columns import DELPHES, NANOAOD
from massgap.events.errors import FileProblem
from massgap.events.reading.files import inspect_file

EVENTS = eventfiles.make_events(30, seed=8)


@pytest.fixture(scope="module")
def cycles(tmp_path_factory):
    """Trees in a folder and at the top, one of them written twice; the first cycle has fewer events."""
    path = tmp_path_factory.mktemp("trees") / "cycles.root"
    arrays = eventfiles.columns(EVENTS, "v12")
    with uproot.recreate(path) as file:
        for name, n in (("Events", 10), ("Events", 30), ("dir/Events", 20), ("dir/sub/Nominal", 5)):
            part = {key: values[:n] for key, values in arrays.items()}
            types = {k: v.type.content if hasattr(v, "type") else v.dtype for k, v in part.items()}
            file.mktree(name, types).extend(part)
        file["Jet_pt"] = np.histogram(np.ones(3))
    return str(path)


@pytest.mark.parametrize(
    ("tree", "found", "entries"),
    [
        (None, "Events", 30),
        ("Events", "Events", 30),
        ("/Events", "Events", 30),
        ("//Events/", "Events", 30),
        ("./Events", "Events", 30),
        ("Events;2", "Events", 30),
        ("Events;*", "Events", 30),
        ("Events;9999", "Events", 30),
        ("Events;", "Events", 30),
        ("Events;1", "Events;1", 10),
        ("/Events;1", "Events;1", 10),
        ("dir/Events", "dir/Events", 20),
        ("/dir/Events;1", "dir/Events", 20),
        ("dir//sub/Nominal;1", "dir/sub/Nominal", 5),
    ],
)
def test_names_of_trees(cycles, tree, found, entries) -> None:
    info = inspect_file(cycles, tree)
    assert (info.tree, info.entries, info.format) == (found, entries, NANOAOD)


@pytest.mark.parametrize(
    ("tree", "words"),
    [
        ("Events;3", "has no tree 'Events;3'; it has Events;1, Events;2. Name the tree with --tree"),
        ("Other", "has no tree 'Other'; it has Events, dir/Events, dir/sub/Nominal"),
        ("Jet_pt", r"has no tree 'Jet_pt' \(Jet_pt is a TH1D\); it has Events"),
    ],
)
def test_trees_that_are_not_there(cycles, tree, words) -> None:
    with pytest.raises(FileProblem, match=rf"cycles\.root: {words}"):
        inspect_file(cycles, tree)


def test_a_tree_of_something_else_is_called_so(tmp_path) -> None:
    path = eventfiles.write_nano(tmp_path / "a.root", EVENTS, runs={"genEventSumw": [1.0], "run": [1]})
    with pytest.raises(FileProblem, match=r"tree Runs: .*neither NanoAOD nor Delphes.*--tree Events"):
        inspect_file(str(path), "Runs")


# ---- files without events


def emptied(path, tree="Events", arrays=None, runs=None):
    arrays = arrays or eventfiles.columns(EVENTS, "v12")
    return str(eventfiles.write_columns(path, {k: v[:0] for k, v in arrays.items()}, tree=tree, runs=runs))


def test_a_tree_without_entries_of_any_format(tmp_path) -> None:
    nano = inspect_file(emptied(tmp_path / "nano.root"))
    assert (nano.entries, nano.format, nano.simulated) == (0, NANOAOD, True)
    delphes = {"Jet.PT": np.zeros(0), "MissingET.MET": np.zeros(0)}
    found = inspect_file(emptied(tmp_path / "delphes.root", "Delphes", delphes))
    assert (found.entries, found.format) == (0, DELPHES)
    other = inspect_file(emptied(tmp_path / "other.root", arrays={"x": np.zeros(0)}))
    assert (other.entries, other.format, other.simulated) == (0, "", None)
    skim = inspect_file(
        emptied(
            tmp_path / "skim.root",
            arrays={"x": np.zeros(0)},
            runs={"genEventSumw": [7.5], "genEventCount": [9]},
        )
    )
    assert (skim.runs_sum_weights, skim.runs_events, skim.simulated) == (7.5, 9, True)


def test_an_rntuple_without_entries(tmp_path) -> None:
    path = tmp_path / "rntuple.root"
    with uproot.recreate(path) as file:
        file.mkrntuple("Events", {"Muon_pt": "float32", "run": "uint32"})
    found = inspect_file(str(path))
    assert (found.entries, found.format) == (0, NANOAOD)


def test_the_tree_without_branches_of_a_skim(faults) -> None:
    found = inspect_file(str(faults / "no_branches.root"))
    assert (found.entries, found.format, found.simulated) == (0, "", None)


# ---- weights


def test_events_that_a_skim_dropped_are_counted_in_runs(tmp_path) -> None:
    runs = {"genEventSumw": [100.0, 11.0], "genEventCount": [90, 10]}
    info = inspect_file(str(eventfiles.write_nano(tmp_path / "a.root", EVENTS, runs=runs)))
    assert (info.runs_sum_weights, info.runs_events, info.entries) == (111.0, 100, 30)


def test_the_same_file_under_odd_names(tmp_path) -> None:
    good = eventfiles.write_nano(tmp_path / "good.root", EVENTS)
    expected = inspect_file(str(good))
    for name in ("~x.root", "x.root:y.root", "a::b.root", "new\nline #1? *[2].root", "Ψ.root"):
        shutil.copy(good, tmp_path / name)
        info = inspect_file(str(tmp_path / name))
        assert (info.uuid, info.entries, info.clusters) == (expected.uuid, 30, expected.clusters)


def test_runs_stands_beside_the_events(tmp_path) -> None:
    arrays = eventfiles.columns(EVENTS, "v12")
    types = {k: v.type.content if hasattr(v, "type") else v.dtype for k, v in arrays.items()}
    path = str(tmp_path / "folders.root")
    with uproot.recreate(path) as file:
        for folder, total in (("", 1.0), ("skim/", 7.5)):
            file.mktree(f"{folder}Events", types).extend(arrays)
            sums = {"genEventSumw": np.array([total]), "genEventCount": np.array([900])}
            file.mktree(f"{folder}Runs", {k: v.dtype for k, v in sums.items()}).extend(sums)
    assert inspect_file(path, "skim/Events").runs_sum_weights == 7.5
    assert inspect_file(path).runs_sum_weights == 1.0
