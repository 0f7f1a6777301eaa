"""massgap recast with real files: NanoAOD, PHYSLITE and Delphes are counted as uproot alone counts them; what cannot work says so."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import awkward as ak
import eventfiles
import numpy as np
import pytest
import uproot
from click.testing import CliRunner

from massgap import stages
from massgap.cli import main
from massgap.contracts.errors import BundleError
from massgap.fits.plan import FitOptions
from massgap.stages.publishing.signal_events import EventOptions

if TYPE_CHECKING:
    from pathlib import Path

COUNTED = """
from massgap.contracts.description import Feature, Region
from massgap.processors import Analysis


class Counted(Analysis):
    name = "counted"
    observables = (Feature("n_jets", "jets", "", 0.0, 60.0, 60),)
    regions = (Region("jets", channel="all"),)
    scores = ()

    def select(self, event, flow):
        left = flow.keep(event, "a jet above 150 GeV", event.jets.any(event.jets.pt > 150.0))
        flow.record(left, {"n_jets": left.jets.counts.astype(float)})
"""


@pytest.fixture(scope="module")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of an analysis that asks for jets alone, as every format has them."""
    folder = tmp_path_factory.mktemp("counted")
    (folder / "counted.py").write_text(COUNTED)
    fileset = {}
    for seed, (name, xsec) in enumerate({"tt": 100.0, "mine": 20.0}.items(), 1):
        events = eventfiles.make_events(200, seed=seed, first=10_000 * seed, negative=False)
        file = eventfiles.write_nano(folder / f"{name}.root", events)
        about = {"process": name, "xsec_fb": xsec, "is_signal": name == "mine"}
        fileset[name] = {"files": {str(file): "Events"}, "metadata": about}
    run = folder / "run"
    made = stages.run(f"{folder}/counted.py:Counted", fileset=fileset, out=run, executor="iterative")
    made.require_complete()
    options = FitOptions(histogram="n_jets", region="jets", replicas=0, edges=(0.0, 60.0))
    stages.fit(run, lumi_fb=10.0, options=options)
    return stages.publish(run, folder / "bundle").path


def counted(path: Path, tree: str, pt: str, weight: str, unit: float) -> float:
    """The weighted share of events with a jet above 150 GeV, by uproot alone."""
    with uproot.open(path) as file:
        jets, weights = file[tree][pt].array(), file[tree][weight].array()
    if weights.ndim > 1:
        weights = weights[:, 0]
    weights = ak.to_numpy(weights).astype(float)
    hard = ak.to_numpy(ak.any(jets * unit > 150.0, axis=1))
    assert 0 < np.count_nonzero(hard) < len(hard)
    return float(weights[hard].sum() / weights.sum())


@pytest.mark.parametrize(
    ("name", "tree", "pt", "weight", "unit"),
    [
        ("nano_tt_v15.root", "Events", "Jet_pt", "genWeight", 1.0),
        (
            "PHYSLITE_example.root",
            "CollectionTree",
            "AnalysisJetsAuxDyn.pt",
            "EventInfoAuxDyn.mcEventWeights",
            1e-3,
        ),
        ("delphes_seungjin.root", "Delphes", "Jet/Jet.PT", "Event/Event.Weight", 1.0),
    ],
)
def test_a_real_file_is_counted_as_uproot_counts_it(bundle, real_files, name, tree, pt, weight, unit) -> None:
    path = real_files / name
    found = stages.recast(bundle, [path], events=EventOptions(xsec_fb=5.0), trust_code=True).results
    (row,) = found["channels"]
    assert row["efficiency"] == pytest.approx(counted(path, tree, pt, weight, unit), rel=1e-6)
    assert row["signal"] == pytest.approx(5.0 * 10.0 * row["efficiency"])
    assert found["as_published"]["limit_fb"]["expected"][2] > 0.0


def test_of_files_that_cannot_be_tested_one_sentence_says_why(bundle: Path, tmp_path: Path) -> None:
    events = eventfiles.make_events(20, negative=False)
    blind = eventfiles.write_nano(tmp_path / "blind.root", events, drop=("Jet_pt",))
    columns = eventfiles.columns(events, "v12")
    empty = eventfiles.write_columns(tmp_path / "empty.root", {name: of[:0] for name, of in columns.items()})
    words = ["recast", str(bundle), str(blind), "--xsec", "1", "--trust-code", "--json"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    said = json.loads(done.stdout)
    assert said["type"] == "BundleError"
    assert "lacks the branch Jet_pt" in said["error"]
    assert "runs the analysis as it was published, and changes none of its options" in said["error"]
    with pytest.raises(BundleError, match=r"of empty hold no events.*massgap recast .* my\.root --xsec"):
        stages.recast(bundle, [empty], events=EventOptions(xsec_fb=1.0), trust_code=True)


def test_a_part_of_a_sample_is_told_from_the_whole(bundle: Path, tmp_path: Path) -> None:
    files = {}
    for number in (1, 2):
        events = eventfiles.make_events(30, seed=number, negative=False)
        files[str(eventfiles.write_nano(tmp_path / f"part_{number}.root", events))] = "Events"
    about = {"process": "mine", "xsec_fb": 20.0, "is_signal": True}
    (tmp_path / "fileset.json").write_text(json.dumps({"mine": {"files": files, "metadata": about}}))
    part, *_ = files
    with pytest.raises(BundleError, match=r"is a part of the sample of mine.*fileset\.json --name mine"):
        stages.recast(bundle, [part], trust_code=True)
    whole = stages.recast(bundle, list(files), trust_code=True).results
    assert (whole["events"], whole["cross_section_fb"]) == (60, 20.0)


def test_how_small_an_efficiency_is_that_no_event_shows(bundle: Path, tmp_path: Path) -> None:
    soft = {"Jet_pt": lambda pt: 0.01 * pt}
    file = eventfiles.write_nano(
        tmp_path / "soft.root", eventfiles.make_events(50, negative=False), change=soft
    )
    found = stages.recast(bundle, [file], events=EventOptions(xsec_fb=1.0), trust_code=True).results
    # The Poisson probability of none of 50 events is 5 % where 0.0599 of them are selected.
    assert np.exp(-50 * 0.0599) == pytest.approx(0.05, rel=1e-3)
    assert any("efficiency above 0.06, one of 50 events" in note for note in found["notes"])
