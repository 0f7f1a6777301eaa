from __future__ import annotations

import json
import re
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from massgap.contracts.description import Description, Region
from massgap.contracts.errors import FolderError, HistogramError, IncompleteRunError
from massgap.contracts.fit_folder import open_fit
from massgap.fits.counting.significance import binned_statistical
from massgap.fits.errors import BinningError, FitError, WorkspaceError
from massgap.fits.fit_run import FitOptions, FitPlan, fit_run
from massgap.fits.inference.toys import ToyOptions
from massgap.fits.workspaces.nuisances import NuisanceSet
from massgap.fits.workspaces.schema import validate_workspace
from massgap.fits.workspaces.workspace import WorkspaceOptions

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

QUICK = FitOptions(max_bins=4)


@pytest.fixture(scope="module")
def run(
    tmp_path_factory: pytest.TempPathFactory,
    make_run: Callable[..., Path],
    make_score: Callable[..., Any],
    make_feature: Callable[..., Any],
) -> Path:
    folder = tmp_path_factory.mktemp("fit") / "run"
    return make_run(folder, {"score": make_score(), "met": make_feature()})


def test_writes_the_fit_folder(run: Path, tmp_path: Path, signal: str, backgrounds: tuple[str, ...]) -> None:
    steps: list[str] = []
    result = fit_run(run, tmp_path / "a" / "fit", 300.0, options=QUICK, progress=steps.append)
    folder = tmp_path / "a" / "fit"
    assert sorted(p.name for p in folder.iterdir()) == ["results.json", "scan.json", "workspace.json"]
    results = json.loads((folder / "results.json").read_text(encoding="utf-8"))
    assert results == result.results
    assert json.loads((folder / "scan.json").read_text(encoding="utf-8")) == result.scan
    validate_workspace(json.loads((folder / "workspace.json").read_text(encoding="utf-8")))
    assert results["format"] == "massgap-fit/2"
    assert result.scan is not None
    assert result.scan["format"] == "massgap-scan/2"
    assert [(x["histogram"], x["region"]) for x in result.scan["scans"]] == [("score", "precuts")]
    assert results["signal"] == signal
    assert results["backgrounds"] == list(backgrounds)
    (part,) = results["parts"]
    assert (part["region"], part["histogram"], part["channel"]) == ("precuts", "score", "mumu1j")
    assert len(part["binning"]) - 1 == len(part["yields"]["tt"]) <= 4
    assert sum(part["yields"][signal]) == pytest.approx(414.0)
    assert results["discovery"]["observed_significance"] is None
    assert results["upper_limit"]["observed"] is None
    expected = results["upper_limit"]["expected"]
    assert expected == sorted(expected)
    assert results["signal_strength"]["value"] == pytest.approx(1.0, abs=1e-5)
    assert "norm_tt" in results["pulls"]
    assert steps[0] == "Reading the run"
    assert len(steps) >= 6
    rows = dict(result.summary())
    assert rows["signal"] == signal
    assert "sigma" in rows["expected significance"]
    assert rows["without a cut on score: S, S/(1+B), Asimov"].startswith("414, 0.0471, 4.38 +- 0.0")
    assert any(label.startswith("best cut, score >= 0.") for label in rows)


def test_the_same_run_gives_the_same_files(run: Path, tmp_path: Path) -> None:
    for name in ("a", "b"):
        fit_run(run, tmp_path / name, options=QUICK)
    for file in ("workspace.json", "results.json", "scan.json"):
        assert (tmp_path / "a" / file).read_bytes() == (tmp_path / "b" / file).read_bytes()


def test_expected_numbers_carry_the_uncertainty_of_the_simulation(run: Path, tmp_path: Path) -> None:
    found = fit_run(run, tmp_path / "a", options=replace(QUICK, replicas=20, replica_seed=3))
    spread = found.results["simulation"]
    assert (spread["replicas"], spread["seed"], spread["method"]) == (20, 3, "histogram")
    assert spread["why"] == ["the run has kept no feature tables"]
    entries = [
        spread["expected_significance"],
        *spread["upper_limit"]["expected"],
        *spread["cls"]["expected"],
    ]
    for entry in entries:
        assert entry["defined"] == 20
        assert entry["std"] > 0.0
        assert 0.0 < entry["interval"][0] < entry["interval"][1]
    significance = found.results["discovery"]["expected_significance"]
    rows = dict(found.summary())
    std = spread["expected_significance"]["std"]
    assert rows["expected significance"] == f"{significance:.2f} +- {std:.2f} sigma (simulation)"
    assert "(simulation; 68 %: " in rows["expected 95 % CLs limit on mu"]
    (best,) = (value for label, value in rows.items() if label.startswith("best cut"))
    assert re.search(r"\+- 0\.\d\d", best)
    assert found.scan is not None
    (scan,) = found.scan["scans"]
    assert scan["simulation"]["replicas"] == 20
    assert len(scan["combined"]["std"]["asimov"]) == len(scan["combined"]["threshold"])

    without = fit_run(run, tmp_path / "b", options=replace(QUICK, replicas=0))
    assert "simulation" not in without.results
    assert "+-" not in "".join(value for _, value in without.summary() if "sigma" in value)
    assert without.results["discovery"] == found.results["discovery"]
    with pytest.raises(FitError, match=r"two replicas at least, not 1.*--replicas"):
        fit_run(run, tmp_path / "c", options=replace(QUICK, replicas=1))


def test_more_luminosity_is_more_significance(run: Path, tmp_path: Path) -> None:
    bare = replace(
        QUICK, model=WorkspaceOptions(mc_statistics="off", default_normalisation=0.0, lumi_uncertainty=0.0)
    )
    bare = replace(bare, edges=(0.0, 0.5, 0.75, 1.0))
    once, four = (
        fit_run(run, tmp_path, lumi, options=bare).results["discovery"]["expected_significance"]
        for lumi in (100.0, 400.0)
    )
    assert four == pytest.approx(2.0 * once, rel=1e-6)


def test_another_histogram(run: Path, tmp_path: Path, signal: str) -> None:
    options = replace(QUICK, histogram="met", edges=(0.0, 200.0, 400.0))
    after = fit_run(run, tmp_path, 10.0, options=replace(options, region="precuts"))
    assert after.results["parts"][0]["yields"][signal] == [10.0, 10.0]
    before = fit_run(run, tmp_path, 10.0, options=replace(options, region="topology"))
    assert before.results["parts"][0]["yields"][signal] == [20.0, 20.0]
    with pytest.raises(HistogramError, match=r"in several regions: topology, precuts.*--region"):
        fit_run(run, tmp_path, 10.0, options=options)


def test_no_score_no_scan(
    tmp_path: Path, make_run: Callable[..., Path], make_feature: Callable[..., Any]
) -> None:
    run = make_run(tmp_path / "run", {"met": make_feature()})
    out = tmp_path / "fit"
    out.mkdir()
    (out / "scan.json").write_text("from an earlier fit", encoding="utf-8")
    result = fit_run(run, out, 10.0, options=replace(QUICK, histogram="met", region="precuts"))
    assert result.scan is None
    assert not (out / "scan.json").exists()
    with pytest.raises(HistogramError, match="no histogram 'score'"):
        fit_run(run, out)
    silent = make_run(tmp_path / "silent", {"met": make_feature()}, description=None)
    with pytest.raises(HistogramError, match=r"has no score; it has: met.*--histogram"):
        fit_run(silent, out, 10.0)


def test_data_are_observed(
    tmp_path: Path, make_run: Callable[..., Path], make_score: Callable[..., Any]
) -> None:
    run = make_run(tmp_path / "run", {"score": make_score(data_events=9200)}, data=True)
    result = fit_run(run, tmp_path / "fit", options=QUICK)
    assert sum(result.results["parts"][0]["observations"]) == 9200
    assert result.results["discovery"]["observed_significance"] is not None
    assert result.results["upper_limit"]["observed"] > 0.0
    assert result.results["signal_strength"]["on_data"] is True
    assert any(label.startswith("observed 95 % CLs") for label, _ in result.summary())
    # These data fall far below the expected background at high scores.
    assert result.results["discovery"]["observed_significance"] == 0.0
    assert result.results["signal_strength"]["value"] <= 0.0
    blind = fit_run(run, tmp_path / "fit", options=replace(QUICK, use_data=False))
    assert blind.results["upper_limit"]["observed"] is None


def test_weighted_data_are_refused(
    tmp_path: Path, make_run: Callable[..., Path], make_score: Callable[..., Any]
) -> None:
    score = make_score(data_events=50)
    score.fill(process="data", region="precuts", variation="nominal", fold=0, score=[0.5], weight=[0.3])
    run = make_run(tmp_path / "run", {"score": score}, data=True)
    with pytest.raises(HistogramError, match="are no counts"):
        fit_run(run, tmp_path / "fit", options=QUICK)


def test_incomplete_run(
    tmp_path: Path, make_run: Callable[..., Path], make_feature: Callable[..., Any]
) -> None:
    run = make_run(tmp_path / "run", {"met": make_feature()}, complete=False)
    options = replace(QUICK, histogram="met", region="precuts")
    with pytest.raises(IncompleteRunError, match="'tt_0' lost 40 of 100 events"):
        fit_run(run, tmp_path / "fit", options=options)
    assert not (tmp_path / "fit").exists()
    result = fit_run(run, tmp_path / "fit", options=options, accept_loss=True)
    assert "loss was accepted" in result.warnings[0]
    assert result.results["warnings"] == list(result.warnings)


def test_bad_requests(run: Path, tmp_path: Path, signal: str) -> None:
    with pytest.raises(FitError, match=f"no signal 'stau'; it has: {signal}"):
        fit_run(run, tmp_path / "fit", signal="stau")
    with pytest.raises(BinningError, match="No binning of 'score'"):
        fit_run(run, tmp_path / "fit", options=replace(QUICK, min_background=1e9))
    assert not (tmp_path / "fit").exists()
    blocked = tmp_path / "file"
    blocked.write_text("", encoding="utf-8")
    with pytest.raises(FolderError, match="cannot be written"):
        fit_run(run, blocked, options=QUICK)


def test_several_signals_must_be_chosen(run: Path, tmp_path: Path, signal: str) -> None:
    manifest = json.loads((run / "manifest.json").read_text(encoding="utf-8"))
    manifest["datasets"]["WZ_0"]["is_signal"] = True
    other = tmp_path / "run"
    other.mkdir()
    for file in run.iterdir():
        (other / file.name).write_bytes(file.read_bytes())
    (other / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    with pytest.raises(FitError, match=r"has these signals: WZ, slepton_110_80\. Choose one"):
        fit_run(other, tmp_path / "fit", options=QUICK)
    result = fit_run(other, tmp_path / "fit", signal=signal, options=QUICK)
    assert "WZ" not in result.results["backgrounds"]


def expected_significance(result: Any) -> float:
    return float(result.results["discovery"]["expected_significance"])


STATISTICS_ONLY = FitOptions(
    model=WorkspaceOptions(mc_statistics="off", default_normalisation=0.0, lumi_uncertainty=0.0)
)


def test_own_analysis_without_score(
    tmp_path: Path, make_run: Callable[..., Path], make_observable: Callable[..., Any], signal: str
) -> None:
    """A histogram of an analysis that says nothing of itself: no score, no description, no luminosity."""
    run = make_run(tmp_path / "run", {"met": make_observable()}, description=None)
    options = replace(STATISTICS_ONLY, histogram="met", edges=(0.0, 100.0, 200.0, 300.0, 400.0))
    result = fit_run(run, tmp_path / "fit", 10.0, options=options)
    (part,) = result.results["parts"]
    assert (part["region"], part["channel"], part["observable"]) == ("sr", "sr", "met")
    assert part["yields"] == {signal: [1.0, 2.0, 4.0, 8.0], "tt": [200.0, 100.0, 50.0, 20.0]}
    s, b = np.array([1.0, 2.0, 4.0, 8.0]), np.array([200.0, 100.0, 50.0, 20.0])
    assert expected_significance(result) == pytest.approx(float(binned_statistical(s, b)), rel=1e-5)
    assert result.scan is None
    assert any("WW, WZ, ZZ, mumu, tautau" in warning for warning in result.warnings)
    with pytest.raises(FitError, match=r"names no luminosity.*--lumi 300"):
        fit_run(run, tmp_path / "fit", options=options)


def test_two_channels_are_combined(
    tmp_path: Path, make_run: Callable[..., Path], make_observable: Callable[..., Any], signal: str
) -> None:
    described = Description(
        "pairs", regions=(Region("sr_2l", channel="2l"), Region("sr_3l", channel="3l")), luminosity=10.0
    )
    histograms = {"met": make_observable(("sr_2l", "sr_3l"), data=True), "pt": make_observable(("sr_3l",))}
    run = make_run(tmp_path / "run", histograms, data=True, description=described)
    options = replace(STATISTICS_ONLY, histogram="met", use_data=False)
    one = fit_run(run, tmp_path / "one", options=replace(options, region="sr_2l"))
    both = fit_run(run, tmp_path / "both", options=replace(options, region=("sr_2l", "sr_3l")))
    # Two independent channels of the same content.
    assert expected_significance(both) == pytest.approx(2.0**0.5 * expected_significance(one), rel=1e-5)
    assert [part["channel"] for part in both.results["parts"]] == ["2l", "3l"]
    assert [channel["name"] for channel in both.workspace["channels"]] == ["2l", "3l"]
    assert [row for row in both.summary() if row[0] == "bins"] == [
        ("bins", "4 of met in sr_2l"),
        ("bins", "4 of met in sr_3l"),
    ]
    # What is uncertain in common stays one parameter, and data are read for each.
    edges = (0.0, 200.0, 400.0)
    plan = FitPlan([("sr_2l", "met", edges), ("sr_3l", "met")], scans=[("sr_3l", "pt")])
    common = fit_run(run, tmp_path / "common", plan=plan)
    assert [name for name in common.results["pulls"] if name.startswith("norm")] == ["norm_tt"]
    assert [part["observations"] for part in common.results["parts"]] == [
        [300.0, 70.0],
        [200.0, 100.0, 50.0, 20.0],
    ]
    assert common.scan is not None
    assert [(scan["region"], scan["histogram"]) for scan in common.scan["scans"]] == [("sr_3l", "pt")]
    with pytest.raises(
        FitError, match=r"a plan \(plan=..., --part\) or the option histogram \(--histogram\), not both"
    ):
        fit_run(run, tmp_path / "fit", plan=plan, options=options)


def test_a_channel_without_signal_constrains_the_background(
    tmp_path: Path, make_run: Callable[..., Path], make_observable: Callable[..., Any]
) -> None:
    described = Description("pairs", regions=(Region("sr", channel="2l"), Region("cr", channel="1l")))
    histograms = {"met": make_observable(("sr",)), "control": make_observable(("cr",), signal=(0.0,) * 4)}
    run = make_run(tmp_path / "run", histograms, description=described)
    alone, both = (
        fit_run(run, tmp_path / "fit", 100.0, plan=FitPlan(parts))
        for parts in ([("sr", "met")], [("sr", "met"), ("cr", "control")])
    )
    errors = [result.results["pulls"]["norm_tt"]["error"] for result in (alone, both)]
    assert errors[1] < errors[0]
    with pytest.raises(FitError, match="has no events in channel '1l'"):
        fit_run(run, tmp_path / "fit", 100.0, plan=FitPlan([("cr", "control")]))


def test_alternatives_are_refused(run: Path, tmp_path: Path) -> None:
    with pytest.raises(
        FitError, match=r"may hold the same events.*channel 'mumu1j'.*choose one of them.*--region"
    ):
        fit_run(run, tmp_path / "fit", plan=FitPlan([("topology", "met"), ("precuts", "met")]))
    assert not (tmp_path / "fit").exists()


def test_luminosity_is_that_of_the_analysis(run: Path, tmp_path: Path, signal: str) -> None:
    results = fit_run(run, tmp_path / "fit", options=QUICK).results
    assert results["lumi_fb"] == 300.0
    assert sum(results["parts"][0]["yields"][signal]) == pytest.approx(414.0)
    with pytest.raises(FitError, match="luminosity must be positive"):
        fit_run(run, tmp_path / "fit", -1.0, options=replace(QUICK, edges=(0.0, 1.0)))


def test_several_luminosities(
    tmp_path: Path, make_run: Callable[..., Path], make_observable: Callable[..., Any]
) -> None:
    run = make_run(tmp_path / "run", {"met": make_observable()}, description=None)
    options = replace(STATISTICS_ONLY, histogram="met", edges=(0.0, 200.0, 400.0))
    out = tmp_path / "fit"
    first = fit_run(run, out, (10.0, 40.0, 90.0), options=options)
    # The folder is that of the first, as if it were the only one.
    alone = fit_run(run, tmp_path / "alone", 10.0, options=options)
    assert {k: v for k, v in first.results.items() if k != "luminosities"} == alone.results
    assert open_fit(out).results == first.results
    entries = first.results["luminosities"]
    assert [(e["lumi_fb"], e["folder"]) for e in entries] == [
        (10.0, "."),
        (40.0, "lumi_40"),
        (90.0, "lumi_90"),
    ]
    for entry, scale in zip(entries, (1.0, 2.0, 3.0), strict=True):
        found = open_fit(out / entry["folder"]).results
        assert found["lumi_fb"] == entry["lumi_fb"]
        assert found["discovery"]["expected_significance"] == entry["expected_significance"]
        assert entry["expected_significance"] == pytest.approx(scale * expected_significance(alone), rel=1e-5)
        assert found["upper_limit"]["expected"] == entry["expected_limit"]
    assert [other.results["lumi_fb"] for other in first.others] == [40.0, 90.0]
    rows = dict(first.summary())
    assert rows["at 40 fb-1"].startswith(f"expected {entries[1]['expected_significance']:.2f} sigma")
    # What an earlier fit left is gone, and what is no fit stays.
    (out / "lumi_notes").mkdir()
    fit_run(run, out, (10.0, 90.0), options=options)
    assert sorted(path.name for path in out.glob("lumi_*")) == ["lumi_90", "lumi_notes"]
    for wrong in ((10.0, 10.0), ()):
        with pytest.raises(FitError, match=r"several different numbers of fb-1.*--lumi"):
            fit_run(run, out, wrong, options=options)
    with pytest.raises(FitError, match=r"must be positive, not 0.0"):
        fit_run(run, out, (10.0, 0.0), options=options)


def test_nuisances_of_a_file_in_a_fit(
    tmp_path: Path, make_run: Callable[..., Path], make_score: Callable[..., Any], signal: str
) -> None:
    run = make_run(tmp_path / "run", {"score": make_score(variations=True)})
    chosen = {
        "drop": ["norm_*"],
        "nuisance": [
            {
                "name": "xsec",
                "kind": "lnN",
                "size": 0.1,
                "processes": ["W*", "ZZ"],
                "decorrelate": ["processes"],
            },
            {"name": "scale", "kind": "shape", "variation": "jes", "processes": ["backgrounds"]},
        ],
    }
    options = replace(QUICK, model=WorkspaceOptions(nuisances=NuisanceSet.from_dict(chosen)))
    result = fit_run(run, tmp_path / "fit", options=options)
    pulls = {name for name in result.results["pulls"] if not name.startswith("mcstat")}
    assert pulls == {"lumi", "scale", "xsec_WW", "xsec_WZ", "xsec_ZZ"}
    table = {entry["name"]: entry for entry in result.results["nuisances"]}
    assert table["xsec_WZ"]["processes"] == ["WZ"]
    assert signal not in table["scale"]["processes"]
    assert result.results["options"]["model"]["nuisances"]["drop"] == ["norm_*"]


def test_a_nuisance_of_a_process_without_events_is_left_out(
    tmp_path: Path, make_run: Callable[..., Path], make_observable: Callable[..., Any]
) -> None:
    """The run has WW, the histogram has none of it: a file for all histograms is not refused for this one."""
    run = make_run(tmp_path / "run", {"met": make_observable()}, description=None)
    entries = [
        {"name": name, "kind": "lnN", "size": 0.1, "processes": processes}
        for name, processes in (("both", ["tt", "WW"]), ("gone", ["WW"]))
    ]
    nuisances = NuisanceSet.from_dict({"drop": ["norm_WW"], "nuisance": entries})
    options = replace(QUICK, histogram="met", model=WorkspaceOptions(nuisances=nuisances))
    result = fit_run(run, tmp_path / "fit", 10.0, options=options)
    assert [entry["name"] for entry in result.results["nuisances"] if entry["name"] in ("both", "gone")] == [
        "both"
    ]
    assert any("'gone'" in warning for warning in result.warnings)


def test_one_sided_variations_of_a_run(
    tmp_path: Path, make_run: Callable[..., Path], make_score: Callable[..., Any]
) -> None:
    import hist

    h = make_score(variations=True)
    labels = ["nominal", "jes_up", "toppt"]
    one = hist.Hist(
        *[
            hist.axis.StrCategory(labels, name="variation") if axis.name == "variation" else axis
            for axis in h.axes
        ],
        storage=hist.storage.Weight(),
    )
    at = [list(h.axes["variation"]).index(label) for label in ("nominal", "jes_up", "jes_up")]
    axis = list(h.axes.name).index("variation")
    one.view(flow=True)[...] = np.take(h.view(flow=True), [*at, -1], axis=axis)
    run = make_run(tmp_path / "run", {"score": one})
    with pytest.raises(WorkspaceError, match=r"'jes_up' .*no partner.*--nuisances FILE.*name = \"jes\""):
        fit_run(run, tmp_path / "fit", options=QUICK)
    entries = [
        {"name": "jes", "kind": "shape", "one_sided": "mirror"},
        {"name": "toppt", "kind": "shape", "one_sided": "zero", "processes": ["tt"]},
    ]
    nuisances = NuisanceSet.from_dict({"nuisance": entries})
    options = replace(QUICK, model=WorkspaceOptions(nuisances=nuisances))
    result = fit_run(run, tmp_path / "fit", options=options)
    table = {entry["name"]: entry for entry in result.results["nuisances"]}
    assert table["toppt"]["processes"] == ["tt"]
    (effect,) = table["toppt"]["effects"]
    assert effect["down"] == 0.0
    for unwanted in ({"drop": ["jes", "toppt"]}, {"variations": "none"}):
        model = WorkspaceOptions(nuisances=NuisanceSet.from_dict(unwanted))
        without = fit_run(run, tmp_path / "fit", options=replace(QUICK, model=model))
        assert not {"jes", "toppt"} & {entry["name"] for entry in without.results["nuisances"]}
    jes = next(e for e in table["jes"]["effects"] if e["process"] == "tt")
    assert jes["up"] == pytest.approx(effect["up"]) == pytest.approx(-jes["down"])


def test_small_counts_are_told_and_toys_are_in_the_results(
    tmp_path: Path, make_run: Callable[..., Path], make_observable: Callable[..., Any]
) -> None:
    run = make_run(tmp_path / "run", {"met": make_observable()}, description=None)
    options = replace(STATISTICS_ONLY, histogram="met", edges=(0.0, 100.0, 200.0, 300.0, 400.0))
    told = fit_run(run, tmp_path / "fit", 0.5, options=options)
    (warning,) = [text for text in told.warnings if "asymptotic" in text]
    assert "bin 3 of channel 'sr' (1 events" in warning
    assert "toys" not in told.results
    assert not any(
        "asymptotic" in text for text in fit_run(run, tmp_path / "fit", 10.0, options=options).warnings
    )
    counted: list[int] = []
    with_toys = replace(options, toys=ToyOptions(1_800))
    found = fit_run(run, tmp_path / "fit", 0.5, options=with_toys, toys_done=counted.append)
    assert not any("asymptotic" in text for text in found.warnings)
    toys = json.loads((tmp_path / "fit" / "results.json").read_text())["toys"]
    assert sum(counted) == toys["certificate"]["toys"]
    assert toys["upper_limit"]["observed"] is None
    rows, median = dict(found.summary()), toys["upper_limit"]["expected"][2]
    assert rows["expected 95 % CLs limit on mu, toys"].startswith(f"{median:.4g} +- ")
    with pytest.raises(FitError, match=r"--engine massgap"):
        fit_run(run, tmp_path / "fit", 0.5, options=replace(with_toys, engine="pyhf"))
