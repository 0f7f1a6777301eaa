"""An analysis of one's own, from files to a fit: two channels, three regions, two scores, its own labels everywhere."""

from __future__ import annotations

import copy
import json
import shutil
from pathlib import Path
from typing import Any

import eventfiles
import numpy as np
import pytest

from massgap import stages
from massgap.fits.plan import FitPart, FitPlan

ANALYSIS = f"{Path(__file__).parent.parent / 'examples' / 'my_analysis.py'}:MyAnalysis"
SCORES = {"pair": "off_z", "single": "one_muon"}


@pytest.fixture(scope="module")
def fileset(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """A signal with harder muons and more MET than its background."""
    folder = tmp_path_factory.mktemp("own")
    out = {}
    for name, seed, harder, xsec in (("signal", 1, 1.4, 50.0), ("background", 2, 1.0, 500.0)):
        events = eventfiles.make_events(3000, seed, first=10_000 * seed, negative=False)
        for i, event in enumerate(events):
            for muon in event["muons"]:
                muon["pt"] *= harder
            event["met"] = (event["met"][0] * harder, event["met"][1])
            if i % 3 == 0:
                del event["muons"][1:]
        path = eventfiles.write_nano(folder / f"{name}.root", events)
        metadata = {"process": name, "xsec_fb": xsec, "is_signal": name == "signal"}
        out[name] = {"files": {str(path): "Events"}, "metadata": metadata}
    return out


@pytest.fixture(scope="module")
def run_folder(fileset: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("own_run") / "run"
    stages.run(ANALYSIS, fileset=fileset, out=out, executor="iterative").require_complete()
    return out


@pytest.fixture(scope="module")
def scored(fileset: dict[str, Any], run_folder: Path) -> Path:
    """A run with both scores, each trained on the region where it is used."""
    models = {
        name: stages.train(run_folder, run_folder / "models" / name, name=name, region=region).model_file
        for name, region in SCORES.items()
    }
    out = run_folder.parent / "scored"
    stages.run(ANALYSIS, fileset=fileset, out=out, executor="iterative", model=models).require_complete()
    return out


def test_the_same_in_coffeas_runner(fileset: dict[str, Any], run_folder: Path) -> None:
    import warnings

    import uhi.io.json
    from coffea.nanoevents import NanoAODSchema
    from coffea.processor import IterativeExecutor, Runner
    from hist import Hist

    from massgap.processors.registry import find_processor

    runner = Runner(executor=IterativeExecutor(status=False), schema=NanoAODSchema, savemetrics=False)
    with warnings.catch_warnings():
        warnings.simplefilter(
            "ignore"
        )  # the schema misses indices and masses that the analysis does not need
        done = runner(copy.deepcopy(fileset), find_processor(ANALYSIS)())
    text = (run_folder / "histograms.json").read_text()
    stored = json.loads(text, object_hook=uhi.io.json.object_hook)["histograms"]
    for name, histogram in done["histograms"].items():
        assert Hist(stored[name]) == histogram, name


def test_on_delphes(run_folder: Path, tmp_path: Path) -> None:
    from coffea.nanoevents import BaseSchema, NanoEventsFactory

    from massgap.processors.registry import find_processor

    events = eventfiles.make_events(400, 5)
    path = eventfiles.write_columns(tmp_path / "d.root", eventfiles.delphes_columns(events), tree="Delphes")
    opened = NanoEventsFactory.from_root(
        {str(path): "Delphes"}, schemaclass=BaseSchema, metadata={"dataset": "d"}
    ).events()
    processor = find_processor(ANALYSIS)()
    out = processor.postprocess(processor.process(opened))
    raw = {(row["channel"], row["step"]): row["raw"] for row in out["cutflow"]["processes"]["d"]}
    # Delphes stores good objects only: counted by hand, without jets on top of muons.
    good = [
        [m for m in e["muons"] if m["good"] and m["pt"] > 10 and abs(m["eta"]) < 2.5 and m["iso"] < 0.25]
        for e in events
    ]
    assert raw["2mu", "all events"] == raw["1mu", "all events"] == 400
    assert 0 < raw["2mu", "z_veto"] <= raw["2mu", "muons: 2"] < sum(len(muons) == 2 for muons in good)
    assert 0 < raw["1mu", "muons: 1"] < sum(len(muons) == 1 for muons in good)


def test_each_score_is_in_its_region_alone(scored: Path) -> None:
    import pandas as pd
    import uhi.io.json
    from hist import Hist

    manifest = json.loads((scored / "manifest.json").read_text())
    assert set(manifest["models"]) == set(SCORES)
    stored = json.loads((scored / "histograms.json").read_text(), object_hook=uhi.io.json.object_hook)[
        "histograms"
    ]
    table = pd.read_parquet(scored / "features")
    for name, region in SCORES.items():
        histogram = Hist(stored[f"score_{name}"])
        assert list(histogram.axes["region"]) == [region]
        inside = table[table[f"region_{region}"]]
        assert inside[f"score_{name}"].notna().all()
        np.testing.assert_allclose(histogram.sum(flow=True).value, inside["weight"].sum(), rtol=1e-12)
    assert table["score_pair"].isna().any()


def test_the_scores_separate(scored: Path) -> None:
    import pandas as pd

    table = pd.read_parquet(scored / "features")
    for name, region in SCORES.items():
        inside = table[table[f"region_{region}"]]
        means = inside.groupby("process", observed=True)[f"score_{name}"].mean()
        assert means["signal"] > means["background"] + 0.01


def test_both_channels_are_fitted_together(scored: Path) -> None:
    both = stages.fit(scored, scored / "fit", lumi_fb=100.0)
    plan = FitPlan((FitPart("off_z", "score_pair"),))
    one = stages.fit(scored, scored / "one", lumi_fb=100.0, plan=plan)
    workspace = json.loads((scored / "fit" / "workspace.json").read_text())
    assert len(workspace["channels"]) == 2
    significance = [fit.results["discovery"]["expected_significance"] for fit in (both, one)]
    assert significance[0] > significance[1] > 0


def test_the_report_bears_its_own_labels(scored: Path) -> None:
    page = stages.report(scored, scored / "report.html")
    text = Path(page).read_text(encoding="utf-8")
    for words in (
        "Score of two muons",
        "Score of one muon",
        "Two muons off the Z",
        "my_analysis",
        "z_veto",
        "channel 1mu",
    ):
        assert words in text, words
    assert "slepton" not in text.lower()
    # each score with the training of its own model
    for name, label in (("pair", "Score of two muons"), ("single", "Score of one muon")):
        training = json.loads((scored.parent / "run" / "models" / name / "training.json").read_text())
        assert f"Training of {label}" in text
        assert f"Model folder of {name}: model hash (sha256)" in text
        assert training["model_sha256"] in text
        assert f"{training['folds'][0]['auc_eval']:.4f}" in text


def test_a_report_of_chosen_models_names_the_one_that_did_not_score(scored: Path, tmp_path: Path) -> None:
    folders = scored.parent / "run" / "models"
    chosen = {"pair": folders / "pair", "single": tmp_path / "single"}
    shutil.copytree(folders / "single", chosen["single"])
    path = chosen["single"] / "training.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "model_sha256": "0ther"}))
    text = stages.report(scored, tmp_path / "r.html", model_folder=chosen).read_text(encoding="utf-8")
    assert "The model of single shown here is not the one that scored this run." in text
    assert "The model of pair shown here" not in text
