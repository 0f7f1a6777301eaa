from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import hist
import numpy as np
import pytest

from massgap.contracts.errors import HistogramError
from massgap.fits.counting.significance import asimov, asimov_with_uncertainty, s_over_1pb
from massgap.fits.errors import FitError
from massgap.fits.scans.threshold_scan import ScanOptions, ThresholdScan, scan_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable

PAPER_TABLES = Path(__file__).parents[4] / "shared" / "physics" / "paper_tables.json"


AT_300 = ScanOptions(lumi_fb=300.0)


@pytest.fixture(scope="module")
def score(make_score: Callable[..., Any]) -> Any:
    return make_score()


def test_table_iii_follows_from_table_i(precuts_fb: dict[str, float], signal: str) -> None:
    """Tables I and III of the slepton paper: the pre-cut column at 300 fb-1 is 413, 0.05 and 4.4."""
    s = 300.0 * precuts_fb[signal]
    b = 300.0 * sum(x for name, x in precuts_fb.items() if name != signal)
    assert s == pytest.approx(413, rel=0.005)
    assert round(float(s_over_1pb(s, b)), 2) == 0.05
    assert round(float(asimov(s, b)), 1) == 4.4


def test_the_headline_of_the_paper_does_not_close() -> None:
    """S = 100 at S/(1+B) = 0.3 is 5.2 sigma, not the 6 of the text; 8.5 sigma is S/sqrt(B)."""
    assert float(asimov(100.0, 100.0 / 0.3 - 1.0)) == pytest.approx(5.24, abs=0.01)


def test_table_i_of_the_tests_is_that_of_the_paper(precuts_fb: dict[str, float], signal: str) -> None:
    if not PAPER_TABLES.exists():
        pytest.skip(f"{PAPER_TABLES.name} is not beside the repository")
    table = json.loads(PAPER_TABLES.read_text(encoding="utf-8"))["slepton_bdt"]
    rows = {name: row[1] for name, row in table["table_I"]["rows"].items()}
    short = {"mumujjj": "mumu", "tautaujjj": "tautau", "ttjj": "tt", "ZZjj": "ZZ", "ZWjj": "WZ", "WWjj": "WW"}
    assert {short.get(name, signal): x for name, x in rows.items()} == precuts_fb
    printed = table["table_III"]["rows"]["this work"]["precuts"]
    s, b = 300 * rows.pop("signal"), 300 * sum(rows.values())
    assert s == pytest.approx(printed["S"], rel=0.02)
    assert round(float(s_over_1pb(s, b)), 2) == printed["S/(1+B)"]
    assert float(asimov(s, b)) == pytest.approx(printed["sigma_A"], rel=0.02)


def test_cumulative_sums_and_scaling(
    score: Any, signal: str, backgrounds: tuple[str, ...], precuts_fb: dict[str, float]
) -> None:
    scan = scan_thresholds(score, signal, backgrounds, options=replace(AT_300, lumi_fb=100.0))
    assert len(scan.folds) == 3
    combined = scan.combined
    assert combined.threshold[0] == 0.0
    assert combined.threshold.size == 400
    for name, xsec in precuts_fb.items():
        assert combined.xsec_fb[name][0] == pytest.approx(xsec)
        # A third of the events, scaled by three: the mean of the folds is all of them.
        folds = np.mean([f.xsec_fb[name] for f in scan.folds], axis=0)
        assert folds == pytest.approx(combined.xsec_fb[name], abs=1e-12)
    assert combined.signal == pytest.approx(100.0 * combined.xsec_fb[signal])
    assert combined.n_eff_signal[0] == pytest.approx(6000.0)
    assert sum(f.n_eff_signal[0] for f in scan.folds) == pytest.approx(6000.0)
    assert np.all(np.diff(combined.background) <= 0.0)
    # By hand at 0.5: every event counted one by one.
    at = 200
    values = score[signal, "precuts", "nominal", sum, :].values()
    assert combined.xsec_fb[signal][at] == pytest.approx(values[at:].sum())


def test_score_of_exactly_one_is_counted(make_score: Callable[..., Any], signal: str) -> None:
    h = make_score(n_events=10)
    h.fill(process=signal, region="precuts", variation="nominal", fold=1, score=[1.0], weight=[2.0])
    scan = scan_thresholds(h, signal, ["tt"], options=AT_300)
    assert scan.combined.xsec_fb[signal][-1] >= 2.0
    assert scan.folds[1].xsec_fb[signal][-1] >= 6.0


def test_ranges_keep_their_promise(score: Any, signal: str, backgrounds: tuple[str, ...]) -> None:
    scan = scan_thresholds(score, signal, backgrounds, options=replace(AT_300, min_ratio=0.15))
    # The pre-cuts of the paper's Table III: averages over the folds without a threshold.
    before = [fold.row(0) for fold in scan.folds]
    assert np.mean([row["S"] for row in before]) == pytest.approx(414.0)
    significance = np.mean([row["asimov"] for row in before])
    assert significance == pytest.approx(4.38, abs=0.05)
    best = scan.ranges()[0]
    low, high = best["threshold"]
    inside = (scan.combined.threshold >= low) & (scan.combined.threshold <= high)
    for fold in scan.folds:
        assert np.all(fold.ratio_smooth[inside] >= 0.15)
        assert np.all(fold.reliable[inside])
        assert (
            best["S"][0]
            <= fold.signal_smooth[inside].min()
            <= fold.signal_smooth[inside].max()
            <= best["S"][1]
        )
    assert best["asimov"][1] > significance
    assert scan.ranges(min_ratio=0.0)[0]["threshold"][0] == 0.0
    assert scan.ranges(min_ratio=0.0) == scan_thresholds(score, signal, backgrounds, options=AT_300).ranges()
    assert scan_thresholds(score, signal, backgrounds, options=replace(AT_300, min_ratio=1e3)).ranges() == []


def test_best_threshold_is_the_largest_quotable_one(
    score: Any, signal: str, backgrounds: tuple[str, ...]
) -> None:
    scan = scan_thresholds(score, signal, backgrounds, options=AT_300)
    best = scan.best
    assert best is not None
    usable = scan.combined.reliable & np.isfinite(scan.combined.significance_smooth)
    assert best["asimov"] == pytest.approx(scan.combined.significance_smooth[usable].max())
    at = scan.combined.threshold == best["threshold"]
    s, b = float(scan.combined.signal_smooth[at][0]), float(scan.combined.background_smooth[at][0])
    assert (best["S"], best["B"]) == (s, b)
    assert best["asimov_uncertain"] == pytest.approx(float(asimov_with_uncertainty(s, b, 0.2 * b)))
    assert scan.all_events["S"] == pytest.approx(414.0)
    none = scan_thresholds(score, signal, backgrounds, options=replace(AT_300, min_events=1e9))
    assert none.best is None
    assert none.all_events == scan.all_events


def test_an_uncertain_background_costs_significance(
    score: Any, signal: str, backgrounds: tuple[str, ...]
) -> None:
    known, loose = (
        scan_thresholds(score, signal, backgrounds, options=replace(AT_300, background_uncertainty=size))
        for size in (0.0, 0.5)
    )
    z = known.combined.significance
    some = np.isfinite(z) & (z > 0.0)
    assert some.sum() > 100
    assert known.combined.significance_uncertain[some] == pytest.approx(z[some])
    assert np.all(loose.combined.significance_uncertain[some] < z[some])


def observable(
    x: list[float], weight: list[float], regions: tuple[str, ...] = ("sr",), process: str = "sig"
) -> hist.Hist[Any]:
    """An observable of an analysis of one's own, without folds, and one background event per bin."""
    h = hist.Hist(
        hist.axis.StrCategory(["sig", "bkg"], name="process"),
        hist.axis.StrCategory(list(regions), name="region"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Variable([0.0, 10.0, 30.0, 100.0], name="met"),
        storage=hist.storage.Weight(),
    )
    h.fill(process=process, region=regions[0], variation="nominal", met=x, weight=weight)
    h.fill(process="bkg", region=regions[0], variation="nominal", met=[5.0, 20.0, 50.0])
    return h


def test_any_observable_above_or_below() -> None:
    h = observable([-1.0, 5.0, 20.0, 50.0, 500.0], [1.0, 2.0, 4.0, 8.0, 16.0])
    options = ScanOptions(lumi_fb=2.0, min_events=0.0)
    above = scan_thresholds(h, "sig", ["bkg"], options=options, name="missing")
    assert above.folds == ()
    assert (above.histogram, above.observable, above.region) == ("missing", "met", "sr")
    assert above.combined.threshold.tolist() == [0.0, 10.0, 30.0]
    assert above.combined.signal.tolist() == [60.0, 56.0, 48.0]
    assert above.combined.background.tolist() == [6.0, 4.0, 2.0]
    assert above.all_events["S"] == 60.0
    below = scan_thresholds(h, "sig", ["bkg"], options=replace(options, keep="below"))
    assert below.combined.threshold.tolist() == [10.0, 30.0, 100.0]
    assert below.combined.signal.tolist() == [6.0, 14.0, 30.0]
    assert below.combined.background.tolist() == [2.0, 4.0, 6.0]
    assert below.all_events["S"] == 30.0
    assert np.all(np.diff(below.combined.signal_smooth) >= 0.0)
    assert below.ranges()[0]["threshold"] == [10.0, 100.0]


def test_below_is_above_of_the_mirror_image(score: Any, signal: str, backgrounds: tuple[str, ...]) -> None:
    mirrored = score.copy()
    for view, of in ((mirrored.view(flow=False), score.view(flow=False)),):
        view[...] = of[..., ::-1]
    above = scan_thresholds(score, signal, backgrounds, options=AT_300).combined
    below = scan_thresholds(mirrored, signal, backgrounds, options=replace(AT_300, keep="below")).combined
    assert below.threshold == pytest.approx(1.0 - above.threshold[::-1])
    assert below.signal == pytest.approx(above.signal[::-1])
    assert below.background_smooth == pytest.approx(above.background_smooth[::-1], nan_ok=True)


def test_few_events_are_not_quoted(score: Any, signal: str, backgrounds: tuple[str, ...]) -> None:
    scan = scan_thresholds(score, signal, backgrounds, options=replace(AT_300, min_events=50.0))
    for fold in (*scan.folds, scan.combined):
        few = (fold.n_eff_background < 50.0) | (fold.n_eff_signal < 50.0)
        assert few.any()
        assert not fold.reliable[few].any()
    strict = scan_thresholds(score, signal, backgrounds, options=replace(AT_300, min_events=1e9))
    assert strict.ranges() == []


def test_smooth_curves_follow_the_raw_ones(score: Any, signal: str, backgrounds: tuple[str, ...]) -> None:
    combined = scan_thresholds(score, signal, backgrounds, options=AT_300).combined
    many = (combined.n_eff_background > 200.0) & (combined.n_eff_signal > 200.0)
    assert combined.significance_smooth[many] == pytest.approx(combined.significance[many], rel=0.1)
    assert combined.signal_smooth[many] == pytest.approx(combined.signal[many], rel=0.03)


def test_json_has_no_nan(score: Any, signal: str, backgrounds: tuple[str, ...]) -> None:
    scan = scan_thresholds(score, signal, backgrounds, options=AT_300)
    content = scan.as_dict()
    text = json.dumps(content, allow_nan=False)
    assert [f["fold"] for f in content["folds"]] == [0, 1, 2]
    assert {len(x) for x in content["combined"]["xsec_fb"].values()} == {400}
    again = ThresholdScan.from_dict(json.loads(text))
    assert again.as_dict() == content
    assert again.options == scan.options
    assert again.ranges(min_ratio=0.15) == scan.ranges(min_ratio=0.15)


def test_bad_requests(score: Any, make_feature: Callable[..., Any], signal: str) -> None:
    with pytest.raises(HistogramError, match=r"has several regions; it has: topology, precuts"):
        scan_thresholds(make_feature(), signal, ["tt"], options=AT_300)
    with pytest.raises(HistogramError, match="no process 'ttbar'; it has"):
        scan_thresholds(score, signal, ["ttbar"], options=AT_300)
    with pytest.raises(HistogramError, match=r"no region 'ee'; it has: precuts"):
        scan_thresholds(score, signal, ["tt"], region="ee", options=AT_300)
    with pytest.raises(HistogramError, match="has no axis 'region'"):
        scan_thresholds(score[:, sum, ...], signal, ["tt"], options=AT_300)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"lumi_fb": -1.0}, "luminosity of a threshold scan must be positive"),
        ({"lumi_fb": None}, r"needs a luminosity in fb-1: ScanOptions\(lumi_fb"),
        ({"bandwidth": 0.0}, "bandwidth of a threshold scan must be positive"),
        ({"background_uncertainty": -0.1}, "background_uncertainty of a threshold scan must be 0 or"),
        ({"keep": "left"}, "above or below a threshold, not 'left'"),
    ],
)
def test_bad_options(score: Any, signal: str, options: dict[str, Any], text: str) -> None:
    with pytest.raises(FitError, match=text):
        scan_thresholds(score, signal, ["tt"], options=replace(AT_300, **options))
