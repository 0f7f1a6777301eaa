"""Several responses of the detector to each event: the same events, other measurements, and errors that know it."""

from __future__ import annotations

import json

import lhefiles
import numpy as np
import pytest
import uproot
from click.testing import CliRunner

pytest.importorskip("pythia8mc")
pytest.importorskip("fastjet")

from massgap.cli import main
from massgap.samples.errors import GenerationError
from massgap.samples.production.generate import generate
from massgap.samples.production.generate_lhe import generate_lhe

TRUTH = ("GenPart_pt", "GenJet_pt", "Generator_x1", "Generator_binvar", "LHEPdfWeight")
MEASURED = ("Jet_pt", "Jet_btagDeepFlavB", "Muon_pt", "MET_pt")
NUMBERS = ("genWeight", "event", "luminosityBlock")


def read(fileset):
    """Metadata and events of the only dataset."""
    ((_, entry),) = fileset.items()
    (path,) = entry["files"]
    with uproot.open(path) as file:
        events = file["Events"].arrays([*TRUTH, *MEASURED, *NUMBERS], library="np")
        runs = file["Runs"].arrays(library="np")
    return entry["metadata"], events, runs


@pytest.fixture(scope="module")
def made(tmp_path_factory):
    """Tops with one response and with three."""
    folder = tmp_path_factory.mktemp("responses")
    return {
        n: read(generate("ttbar", folder / str(n), events=120, seed=3, workers=1, responses=n))
        for n in (1, 3)
    }


def same(one, two):
    return all(np.array_equal(a, b) for a, b in zip(one, two, strict=True))


def test_each_event_is_there_as_often_and_weighs_less(made):
    (_, one, _), (metadata, three, _) = made[1], made[3]
    assert len(three["event"]) == 3 * len(one["event"]) > 0
    assert metadata["n_copies"] == 3
    assert metadata["n_events"] == len(three["event"])
    found, counts = np.unique(three["event"], return_counts=True)
    assert found.tolist() == sorted(one["event"].tolist())
    assert set(counts.tolist()) == {3}
    assert set(three["luminosityBlock"].tolist()) == {1}
    weight = dict(zip(one["event"].tolist(), one["genWeight"].tolist(), strict=True))
    expected = [weight[event] / 3 for event in three["event"].tolist()]
    assert three["genWeight"] == pytest.approx(expected, rel=1e-6)


def test_the_first_response_is_that_of_a_sample_with_one(made):
    (_, one, _), (_, three, _) = made[1], made[3]
    first = np.unique(three["event"], return_index=True)[1]
    order = np.argsort(one["event"])
    for name in (*TRUTH, *MEASURED):
        assert same(one[name][order], three[name][first]), name


def test_truth_is_shared_and_what_is_measured_is_not(made):
    _, three, _ = made[3]
    order = np.argsort(three["event"], kind="stable").reshape(-1, 3)
    for name in TRUTH:
        for copy in (1, 2):
            assert same(three[name][order[:, 0]], three[name][order[:, copy]]), name
    for name in ("Jet_pt", "MET_pt"):
        differ = [not np.array_equal(three[name][a], three[name][b]) for a, b, _ in order.tolist()]
        assert np.mean(differ) > 0.95, name
    # as likely in each response
    tags = [[int((three["Jet_btagDeepFlavB"][i] > 0.2783).sum()) for i in row] for row in order.tolist()]
    assert len({tuple(row) for row in tags}) > 5
    assert np.ptp(np.mean(tags, axis=0)) < 5 * np.sqrt(2 * np.var(tags) / len(tags))


def test_cross_section_and_its_error_are_those_of_the_events(made):
    (one, _, runs_of_one), (three, _, runs_of_three) = made[1], made[3]
    for name in ("xsec_fb", "sum_weights", "filter_efficiency", "filter_efficiency_error"):
        assert three[name] == pytest.approx(one[name], rel=1e-6), name
    assert three["n_generated"] == 3 * one["n_generated"]
    assert runs_of_three["genEventSumw"] == pytest.approx(runs_of_one["genEventSumw"])
    assert runs_of_three["genEventCount"].tolist() == (3 * runs_of_one["genEventCount"]).tolist()
    assert runs_of_three["genEventSumw2"] == pytest.approx(runs_of_one["genEventSumw2"] / 3)


def test_another_number_of_responses_is_another_sample(tmp_path):
    folder = tmp_path / "same"
    for n in (1, 2):
        metadata, events, _ = read(generate("Zmumu", folder, events=30, workers=1, responses=n))
        assert len(events["event"]) == n * len(set(events["event"].tolist()))
        assert metadata.get("n_copies", 1) == n


def test_events_of_a_file_that_are_showered_again(tmp_path):
    path = lhefiles.write(tmp_path / "zmumu.lhe", lhefiles.drell_yan(12))
    fileset = generate_lhe(path, tmp_path / "out", workers=1, repeat=2, responses=3)
    metadata = fileset["zmumu_all"]["metadata"]
    assert metadata["n_copies"] == 6
    assert metadata["n_events"] == metadata["n_generated"] == 72
    with uproot.open(next(iter(fileset["zmumu_all"]["files"]))) as file:
        events = file["Events"].arrays(["event", "genWeight", "GenPart_pt"], library="np")
    assert np.unique(events["event"], return_counts=True)[1].tolist() == [6] * 12
    assert events["genWeight"].sum() == pytest.approx(12.0)
    # two showers, each seen three times
    for number in range(1, 13):
        own = events["GenPart_pt"][events["event"] == number]
        assert len({each.tobytes() for each in own}) == 2
    assert metadata["xsec_fb"] == pytest.approx(1500.0)


@pytest.mark.parametrize("responses", [0, 1001, 2.5, True])
def test_responses_are_counted_in_whole_numbers(tmp_path, responses):
    with pytest.raises(
        GenerationError,
        match="responses must be a whole number from 1 to 1000, for instance --responses 4, not",
    ):
        generate("Zmumu", tmp_path / "out", events=10, workers=1, responses=responses)


def test_the_command(tmp_path):
    def run(*words):
        return CliRunner().invoke(main, ["generate", *words, "--out", str(tmp_path / "out")])

    refused = run("cascade_fDM_691_660_631_600", "--parton", "--responses", "2")
    assert refused.exit_code == 2
    assert "--responses does not go with --parton" in refused.output
    done = run("Zmumu", "--events", "12", "--responses", "2", "--workers", "1")
    assert done.exit_code == 0, done.output
    content = json.loads((tmp_path / "out" / "fileset.json").read_text())
    assert [entry["metadata"]["n_copies"] for entry in content.values()] == [2]
