"""Samples that take away (interference), from files to a fit, against plain sums and against the merged process."""

from __future__ import annotations

import json

import numpy as np
import pytest
from click.testing import CliRunner

from massgap import stages
from massgap.cli import main
from massgap.contracts.errors import FilesetError
from massgap.fits.errors import WorkspaceError
from massgap.fits.fit_run import FitOptions
from massgap.fits.workspaces.workspace import WorkspaceOptions
from tests import eventfiles

ANALYSIS = '''
"""MET of events with a muon."""

from massgap.contracts.description import Feature, Region
from massgap.processors import Analysis


class Mine(Analysis):
    """MET of events with a muon."""

    name = "mine"
    observables = (Feature("met", "MET", "GeV", 0, 300, 30, "Missing transverse momentum"),)
    regions = (Region("all", "All"),)

    def select(self, event, flow):
        event = flow.keep(event, "a muon", event.muons.counts > 0)
        flow.record(event, {"met": event.met.pt})
'''
XSEC = {"sig": 20.0, "bkg": 500.0, "int": -60.0, "unit": -20.0}


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("negative")
    (folder / "mine.py").write_text(ANALYSIS)
    for seed, name in enumerate(XSEC):
        change = {"genWeight": lambda w: -abs(w)} if name == "int" else None
        events = eventfiles.make_events(600, seed=seed, negative=name == "bkg")
        eventfiles.write_nano(folder / f"{name}.root", events, change=change)
    return folder


def fileset_of(folder, processes):
    return {
        name: {
            "files": {str(folder / f"{name}.root"): "Events"},
            "metadata": {"process": process, "xsec_fb": XSEC[name], "is_signal": process == "sig"},
        }
        for name, process in processes.items()
    }


def run(folder, out, **processes):
    return stages.run(f"{folder / 'mine.py'}:Mine", fileset=fileset_of(folder, processes), out=out, workers=1)


@pytest.fixture(scope="module")
def apart(folder):
    result = run(folder, folder / "apart", sig="sig", bkg="WW", int="interference", unit="unit")
    return folder / "apart", result


def test_yields_are_those_of_a_plain_sum(folder, apart):
    out, result = apart
    histogram = result.histograms["met"][{"region": "all", "variation": "nominal"}]
    for seed, (name, process) in enumerate(
        {"sig": "sig", "bkg": "WW", "int": "interference", "unit": "unit"}.items()
    ):
        events = eventfiles.make_events(600, seed=seed, negative=name == "bkg")
        columns = eventfiles.columns(events)
        weight = np.asarray(columns["genWeight"], dtype=float)
        if name == "int":
            weight = -abs(weight)
        kept = np.array([len(pts) > 0 for pts in columns["Muon"].pt])
        right = XSEC[name] * weight[kept].sum() / weight.sum()
        assert histogram[{"process": process}].sum(flow=True).value == pytest.approx(right, rel=1e-6)
    notes = [note for note in result.notes if "negative cross section" in note]
    assert [note.split()[1] for note in notes] == ["'int'", "'unit'"]
    assert stages.report(out).is_file()


def test_a_fit_with_a_negative_background_is_that_of_the_sum(folder, apart, tmp_path):
    """Without uncertainties of single normalisations, whether samples are named apart makes no difference."""
    run(folder, tmp_path / "merged", sig="sig", bkg="WW", int="WW", unit="WW")
    options = FitOptions(
        histogram="met", edges=(0, 50, 100, 300), model=WorkspaceOptions(default_normalisation=0.0)
    )
    one = stages.fit(apart[0], tmp_path / "a", lumi_fb=100.0, options=options)
    other = stages.fit(tmp_path / "merged", tmp_path / "b", lumi_fb=100.0, options=options)
    assert any(np.sum(s["data"]) < 0 for s in one.workspace["channels"][0]["samples"])
    assert not any(np.sum(s["data"]) < 0 for s in other.workspace["channels"][0]["samples"])
    for test, number in (
        ("discovery", "expected_significance"),
        ("upper_limit", "expected"),
        ("signal_strength", "error_up"),
    ):
        assert one.results[test][number] == pytest.approx(other.results[test][number], rel=1e-5)


def test_poisson_parameters_of_a_negative_sample_are_refused_with_the_option(apart, tmp_path):
    options = FitOptions(histogram="met", model=WorkspaceOptions(mc_statistics="full"))
    with pytest.raises(WorkspaceError, match=r"'interference' expects -.*--mc-statistics lite"):
        stages.fit(apart[0], tmp_path / "fit", lumi_fb=100.0, options=options)


def test_too_few_events_for_a_bin_is_mended_by_the_options_that_the_message_names(apart, tmp_path):
    words = ["fit", str(apart[0]), "--out", str(tmp_path / "fit"), "--histogram", "met", "--lumi", "0.001"]
    done = CliRunner().invoke(main, words)
    assert done.exit_code == 1
    assert "--min-background" in done.output
    assert "--max-relative-error" in done.output
    done = CliRunner().invoke(main, [*words, "--min-background", "0.01", "--max-relative-error", "0.9"])
    assert done.exit_code == 0, done.output
    results = json.loads((tmp_path / "fit" / "results.json").read_text())
    assert (results["options"]["min_background"], results["options"]["max_relative_error"]) == (0.01, 0.9)


def test_a_negative_signal_is_refused_and_merged_by_its_process(folder, tmp_path):
    fileset = fileset_of(folder, {"bkg": "WW", "int": "minus"})
    fileset["int"]["metadata"]["is_signal"] = True
    stages.run(f"{folder / 'mine.py'}:Mine", fileset=fileset, out=tmp_path / "run", workers=1)
    options = FitOptions(histogram="met")
    with pytest.raises(WorkspaceError, match=r"'minus' adds up to -.* the same \"process\" in the fileset"):
        stages.fit(tmp_path / "run", tmp_path / "fit", lumi_fb=100.0, options=options)


def test_a_positive_cross_section_beside_a_negative_sum_is_refused_before_the_run(folder, tmp_path):
    events = eventfiles.make_events(50, seed=3, negative=False)
    total = -float(np.abs(np.asarray(eventfiles.columns(events)["genWeight"], dtype=float)).sum())
    runs = {"run": [1], "genEventCount": [50], "genEventSumw": [total]}
    path = eventfiles.write_nano(
        tmp_path / "i.root", events, change={"genWeight": lambda w: -abs(w)}, runs=runs
    )
    words = ["run", f"{folder / 'mine.py'}:Mine", str(path), "--process", "i", "--out", str(tmp_path / "out")]
    done = CliRunner().invoke(main, [*words, "--xsec", "6"])
    assert done.exit_code == 1
    assert "dataset 'i'" in done.output
    assert "--xsec=-6" in done.output
    done = CliRunner().invoke(main, [*words, "--xsec=-6"])
    assert done.exit_code == 0, done.output
    cutflow = json.loads((tmp_path / "out" / "cutflow.json").read_text())
    assert cutflow["processes"]["i"][0]["weighted"] == pytest.approx(-6.0, rel=1e-6)


def test_a_fileset_without_any_cross_section_left(folder):
    fileset = fileset_of(folder, {"bkg": "WW"})
    fileset["bkg"]["metadata"]["xsec_fb"] = 0.0
    with pytest.raises(FilesetError, match="none of its events would count"):
        stages.run(f"{folder / 'mine.py'}:Mine", fileset=fileset, out=folder / "none", workers=1)
