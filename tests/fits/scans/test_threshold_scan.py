from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from massgap.contracts.errors import HistogramError
from massgap.fits.counting.significance import asimov, s_over_1pb
from massgap.fits.errors import FitError
from massgap.fits.scans.threshold_scan import ScanOptions, scan_thresholds

if TYPE_CHECKING:
    from collections.abc import Callable

PAPER_TABLES = Path(__file__).parents[4] / "shared" / "physics" / "paper_tables.json"


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
    scan = scan_thresholds(score, signal, backgrounds, options=ScanOptions(lumi_fb=100.0))
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
    values = score[signal, "mumu1j", "nominal", sum, :].values()
    assert combined.xsec_fb[signal][at] == pytest.approx(values[at:].sum())


def test_score_of_exactly_one_is_counted(make_score: Callable[..., Any], signal: str) -> None:
    h = make_score(n_events=10)
    h.fill(process=signal, channel="mumu1j", variation="nominal", fold=1, score=[1.0], weight=[2.0])
    scan = scan_thresholds(h, signal, ["tt"])
    assert scan.combined.xsec_fb[signal][-1] >= 2.0
    assert scan.folds[1].xsec_fb[signal][-1] >= 6.0


def test_ranges_keep_their_promise(score: Any, signal: str, backgrounds: tuple[str, ...]) -> None:
    scan = scan_thresholds(score, signal, backgrounds)
    table = scan.table_iii()
    assert table["precuts"]["S"] == pytest.approx(414.0)
    assert table["precuts"]["asimov"] == pytest.approx(4.38, abs=0.05)
    best = table["bdt"]
    assert best is not None
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
    assert best["asimov"][1] > table["precuts"]["asimov"]
    everywhere = scan_thresholds(score, signal, backgrounds, options=ScanOptions(min_ratio=0.0)).ranges()
    assert everywhere[0]["threshold"][0] == 0.0
    assert (
        scan_thresholds(score, signal, backgrounds, options=ScanOptions(min_ratio=1e3)).table_iii()["bdt"]
        is None
    )


def test_few_events_are_not_quoted(score: Any, signal: str, backgrounds: tuple[str, ...]) -> None:
    scan = scan_thresholds(score, signal, backgrounds, options=ScanOptions(min_events=50.0))
    for fold in (*scan.folds, scan.combined):
        few = (fold.n_eff_background < 50.0) | (fold.n_eff_signal < 50.0)
        assert few.any()
        assert not fold.reliable[few].any()
    strict = scan_thresholds(score, signal, backgrounds, options=ScanOptions(min_events=1e9))
    assert strict.ranges() == []


def test_smooth_curves_follow_the_raw_ones(score: Any, signal: str, backgrounds: tuple[str, ...]) -> None:
    combined = scan_thresholds(score, signal, backgrounds).combined
    many = (combined.n_eff_background > 200.0) & (combined.n_eff_signal > 200.0)
    assert combined.significance_smooth[many] == pytest.approx(combined.significance[many], rel=0.1)
    assert combined.signal_smooth[many] == pytest.approx(combined.signal[many], rel=0.03)


def test_json_has_no_nan(score: Any, signal: str, backgrounds: tuple[str, ...]) -> None:
    content = scan_thresholds(score, signal, backgrounds).as_dict()
    json.dumps(content, allow_nan=False)
    assert content["format"] == "massgap-scan/1"
    assert [f["fold"] for f in content["folds"]] == [0, 1, 2]
    assert {len(x) for x in content["combined"]["xsec_fb"].values()} == {400}


def test_bad_requests(score: Any, make_feature: Callable[..., Any], signal: str) -> None:
    with pytest.raises(
        HistogramError, match="needs a histogram with the axes process, channel, variation, fold"
    ):
        scan_thresholds(make_feature(), signal, ["tt"])
    with pytest.raises(HistogramError, match="no process 'ttbar'; it has"):
        scan_thresholds(score, signal, ["ttbar"])
    with pytest.raises(HistogramError, match="has the channels mumu1j"):
        scan_thresholds(score, signal, ["tt"], channel="ee")
    with pytest.raises(FitError, match="luminosity of a threshold scan must be positive"):
        scan_thresholds(score, signal, ["tt"], options=ScanOptions(lumi_fb=-1.0))
