from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from massgap.contracts.errors import HistogramError
from massgap.fits.combination import combine, planned_runs, require_disjoint
from massgap.fits.errors import FitError
from massgap.fits.fit_run import fit_run
from massgap.fits.plan import FitOptions, FitPlan, PlannedRun, make_plan
from massgap.fits.workspaces.workspace import WorkspaceOptions

if TYPE_CHECKING:
    from pathlib import Path

MET = FitOptions(histogram="met", edges=(0.0, 100.0, 400.0))
STATISTICS_ONLY = WorkspaceOptions(mc_statistics="off", default_normalisation=0.0, lumi_uncertainty=0.0)


def sample(make_events: Any, region: str, *, first: int = 0, seed: int = 1, n: int = 400) -> dict[str, Any]:
    """Signal and background in one region."""
    return {
        name: make_events(n, first=first, seed=seed + i, regions={region: 0.0})
        for i, name in enumerate(("signal", "tt"))
    }


def joined(one: dict[str, Any], two: dict[str, Any]) -> dict[str, Any]:
    import pandas as pd

    out = {}
    for name, table in one.items():
        out[name] = pd.concat([table, two[name]], ignore_index=True)
        for region in ("region_sr_1l", "region_sr_2l"):
            out[name][region] = out[name][region].eq(other=True)
    return out


def test_two_runs_are_what_one_run_of_both_is(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    one = sample(make_events, "sr_1l")
    two = sample(make_events, "sr_2l", first=400, seed=5)
    both = joined(one, two)
    a = write_events(tmp_path / "a", one)
    b = write_events(tmp_path / "b", two)
    c = write_events(tmp_path / "c", both, xsec_fb=20.0)
    apart = fit_run([a.path, b.path], tmp_path / "ab", options=MET)
    together = fit_run(
        c.path,
        tmp_path / "c" / "fit",
        plan=FitPlan([("sr_1l", "met", (0, 100, 400)), ("sr_2l", "met", (0, 100, 400))]),
    )
    assert apart.workspace == together.workspace
    for what in ("discovery", "upper_limit", "signal_strength", "pulls"):
        assert apart.results[what] == together.results[what]
    assert [part["run"] for part in apart.results["parts"]] == ["a", "b"]
    assert [run["label"] for run in apart.results["runs"]] == ["a", "b"]
    (reason,) = apart.results["disjoint"]
    assert "The runs a and b share none of their 800 and 800 selected events" in reason
    assert "2 files that both have read" in reason


def test_shared_events_are_refused_and_named(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    a = write_events(tmp_path / "a", sample(make_events, "sr_1l"))
    b = write_events(tmp_path / "b", sample(make_events, "sr_2l", first=390))
    with pytest.raises(
        FitError,
        match=r"a and b share 20 .* 10 of 'signal' \(in sr_1l and sr_2l; dataset 'signal_0'\), 10 of 'tt'.*--allow-overlap",
    ):
        fit_run([a.path, b.path], tmp_path / "fit", options=MET)
    assert not (tmp_path / "fit").exists()
    accepted = fit_run([a.path, b.path], tmp_path / "fit", options=MET, allow_overlap=True)
    assert any("share 20 selected events" in note and "accepted" in note for note in accepted.warnings)
    c = write_events(tmp_path / "x" / "a" / "run", sample(make_events, "sr_1l"))
    d = write_events(tmp_path / "x" / "b" / "run", sample(make_events, "sr_1l"))
    with pytest.raises(FitError, match="a_run and b_run share 800"):
        require_disjoint(planned_runs([c, d], MET))


def test_two_periods_of_one_selection(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    """Samples of their own: twice the data, channels called after their runs, one normalisation of the background."""
    a = write_events(tmp_path / "a", sample(make_events, "sr_1l"), uuids={"tt": "1", "signal": "2"})
    b = write_events(tmp_path / "b", sample(make_events, "sr_1l", seed=7), uuids={"tt": "3", "signal": "4"})
    options = FitOptions(histogram="met", edges=(0.0, 400.0), model=STATISTICS_ONLY)
    alone = fit_run(a.path, tmp_path / "alone", options=options)
    both = fit_run([a.path, b.path], tmp_path / "both", options=options)
    assert [channel["name"] for channel in both.workspace["channels"]] == ["a_1l", "b_1l"]
    ratio = (
        both.results["discovery"]["expected_significance"]
        / alone.results["discovery"]["expected_significance"]
    )
    assert ratio == pytest.approx(2.0**0.5, rel=1e-5)
    assert any("count as two periods" in note for note in both.warnings)
    assert "no file that both have read" in both.results["disjoint"][0]


def test_processes_are_renamed(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    a = write_events(tmp_path / "a", sample(make_events, "sr_1l"))
    other = {
        {"signal": "sleptons", "tt": "ttbar"}[name]: table
        for name, table in sample(make_events, "sr_2l", first=400).items()
    }
    b = write_events(tmp_path / "b", other, signal="sleptons")
    with pytest.raises(FitError, match=r"these signals: signal, sleptons.*call it alike.*--rename"):
        fit_run([a.path, b.path], tmp_path / "fit", options=MET)
    renamed = {"sleptons": "signal", "b:ttbar": "tt"}
    fitted = fit_run([a.path, b.path], tmp_path / "fit", options=MET, renamed=renamed)
    assert fitted.results["signal"] == "signal"
    assert fitted.results["backgrounds"] == ["tt"]
    assert all(part["yields"]["signal"][0] > 0.0 for part in fitted.results["parts"])
    assert fitted.results["runs"][1]["renamed"] == {"sleptons": "signal", "ttbar": "tt"}
    # Two names are two normalisations.
    two = fit_run([a.path, b.path], tmp_path / "fit", options=MET, renamed={"sleptons": "signal"})
    assert {"norm_tt", "norm_ttbar"} <= set(two.results["pulls"])
    with pytest.raises(
        FitError, match=r"'WW' that is to be renamed.*--rename.*are: signal, sleptons, tt, ttbar"
    ):
        planned_runs([a, b], MET, renamed={"WW": "VV"})
    with pytest.raises(FitError, match=r"would be called 'signal' \(--rename\)"):
        combine([PlannedRun(a, make_plan(a, MET), "a", {"tt": "signal"})], "signal", ["tt"], MET, 100.0)
    with pytest.raises(FitError, match="'tt' is a signal in one run and a background in another"):
        fit_run([a.path, b.path], tmp_path / "fit", options=MET, renamed={"sleptons": "tt"})


def test_each_run_takes_the_parts_that_it_has(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    a = write_events(tmp_path / "a", sample(make_events, "sr_1l"))
    b = write_events(tmp_path / "b", sample(make_events, "sr_2l", first=400))
    plan = FitPlan([("sr_1l", "met"), ("sr_2l", "met")])
    parts = [[part.region for part in each.plan.parts] for each in planned_runs([a, b], FitOptions(), plan)]
    assert parts == [["sr_1l"], ["sr_2l"]]
    named = FitOptions(histogram="met", region=("sr_1l", "sr_2l"))
    assert [[part.region for part in each.plan.parts] for each in planned_runs([a, b], named)] == parts
    with pytest.raises(FitError, match=r"b has none of the parts sr_1l:met .*--part"):
        planned_runs([a, b], FitOptions(), FitPlan([("sr_1l", "met")]))
    with pytest.raises(FitError, match=r"No run has the region 'sr_3l'.*--region"):
        planned_runs([a, b], FitOptions(histogram="met", region=("sr_1l", "sr_3l")))


def test_a_region_of_one_run_alone(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    """Two runs of the same events, of which each is to give another region."""
    samples = region_sample(make_events)
    a, b = (write_events(tmp_path / name, samples) for name in "ab")
    both = FitOptions(histogram="met", region=("sr_1l", "cr_1l"), edges=(0.0, 400.0))
    with pytest.raises(FitError, match="The runs a and b share"):
        require_disjoint(planned_runs([a, b], both))
    each = FitOptions(histogram="met", region=("a:sr_1l", "b:cr_1l"))
    planned = planned_runs([a, b], each)
    assert [part.region for run in planned for part in run.plan.parts] == ["sr_1l", "cr_1l"]
    reasons, _ = require_disjoint(planned)
    assert "share none of their" in reasons[0]
    with pytest.raises(FitError, match=r"no region 'sr_1l' in a run 'c' .*--region RUN:NAME.*are: a, b"):
        planned_runs([a, b], FitOptions(histogram="met", region=("c:sr_1l", "b:cr_1l")))


def test_data_everywhere_or_nowhere(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    data = {"data": make_events(30, first=5000, seed=3)}
    a = write_events(tmp_path / "a", {**sample(make_events, "sr_1l"), **data})
    b = write_events(tmp_path / "b", sample(make_events, "sr_2l", first=400))
    with pytest.raises(HistogramError, match=r"b has no recorded data, but another run has.*--no-data"):
        fit_run([a.path, b.path], tmp_path / "fit", options=MET)
    blind = fit_run(
        [a.path, b.path],
        tmp_path / "fit",
        options=FitOptions(histogram="met", edges=(0.0, 400.0), use_data=False),
    )
    assert blind.results["upper_limit"]["observed"] is None


def test_luminosities_of_runs_must_agree(tmp_path: Path, make_events: Any, write_events: Any) -> None:
    a = write_events(tmp_path / "a", sample(make_events, "sr_1l"))
    b = write_events(tmp_path / "b", sample(make_events, "sr_2l", first=400))
    b.manifest["description"]["luminosity"] = 300.0
    import json

    (b.path / "manifest.json").write_text(json.dumps(b.manifest), encoding="utf-8")
    with pytest.raises(FitError, match=r"different luminosities \(100.0, 300.0\).*--lumi"):
        fit_run([a.path, b.path], tmp_path / "fit", options=MET)


def region_sample(make_events: Any) -> dict[str, Any]:
    out = {}
    for i, name in enumerate(("signal", "tt")):
        table = make_events(2000, seed=i, regions={"sr_1l": 150.0, "sr_2l": 1e9})
        table["region_cr_1l"] = table.met < 100.0
        table["region_declared_1l"] = table.met < 50.0
        out[name] = table
    return out


def test_regions_of_one_channel_that_share_no_event(
    tmp_path: Path, make_events: Any, write_events: Any
) -> None:
    run = write_events(tmp_path / "run", region_sample(make_events))
    plan = FitPlan([("sr_1l", "met", (0, 400)), ("cr_1l", "met", (0, 400))])
    reasons, warnings = require_disjoint([PlannedRun(run, plan)])
    assert "'sr_1l' and 'cr_1l' share none of the" in reasons[0]
    assert warnings == []
    declared = FitPlan([("declared_1l", "met"), ("sr_1l", "met")])
    assert "as the analysis says" in require_disjoint([PlannedRun(run, declared)])[0][0]
    overlapping = PlannedRun(run, FitPlan([("cr_1l", "met"), ("declared_1l", "met")]))
    with pytest.raises(
        FitError, match=r"share \d+,?\d* selected events: \d+ of 'signal' .*channel '1l'.*--region"
    ):
        require_disjoint([overlapping])
    assert require_disjoint([overlapping], allow_overlap=True)[1][0].endswith("It was accepted.")
    filled = combine([PlannedRun(run, plan)], "signal", None, MET, 100.0)
    assert [part.templates.channel for part in filled.parts] == ["sr_1l", "cr_1l"]
    assert filled.disjoint == tuple(reasons)


def test_a_control_region_knows_the_background_to_its_statistics(
    tmp_path: Path, make_events: Any, write_events: Any
) -> None:
    """A signal region and a control region of one bin each, the background free: with the control region of n events, and
    Asimov data, the normalisation is known to 1 / sqrt(n_cr) where the strength of the signal takes what the signal
    region says."""
    samples = region_sample(make_events)
    samples["signal"]["region_cr_1l"] = False
    run = write_events(tmp_path / "run", samples, xsec_fb=50.0)
    options = FitOptions(
        histogram="met",
        region="sr_1l",
        edges=(0.0, 400.0),
        controls=[("cr_1l", "")],
        model=WorkspaceOptions(mc_statistics="off", default_normalisation="free", lumi_uncertainty=0.0),
    )
    result = fit_run(run.path, tmp_path / "fit", options=options)
    cr, sr = result.results["parts"][1]["yields"]["tt"][0], result.results["parts"][0]["yields"]["tt"][0]
    assert result.results["parts"][1]["binning"] == [0.0, 400.0]
    assert result.results["pulls"]["norm_tt"]["error"] == pytest.approx(cr**-0.5, rel=1e-4)
    # Discovery with one signal region and one control region: eq. 25 of Cousins, Linnemann, Tucker (2008), with Asimov data.
    s = result.results["parts"][0]["yields"]["signal"][0]
    tau = cr / sr
    n_on, n_off = s + sr, cr
    z = np.sqrt(
        2.0
        * (
            n_on * np.log(n_on / (n_on + n_off) * (1.0 + tau))
            + n_off * np.log(n_off / (n_on + n_off) * (1.0 + tau) / tau)
        )
    )
    assert result.results["discovery"]["expected_significance"] == pytest.approx(float(z), rel=1e-5)
