from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from scipy.stats import beta
from simulatedruns import LUMI, sample

from massgap.fits.counting.significance import asimov
from massgap.fits.inference.bootstrap.replicas import ReplicaSource
from massgap.fits.scans.scan_uncertainty import scan_uncertainty
from massgap.fits.scans.threshold_scan import ScanOptions, scan_thresholds

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.contracts.run_folder import RunFolder


def scanned(run: RunFolder, n: int, **options: Any) -> Any:
    scan = scan_thresholds(run.histogram("x"), "signal", ["tt"], options=ScanOptions(lumi_fb=LUMI, **options))
    return scan_uncertainty(scan, ReplicaSource(run, n))


@pytest.mark.parametrize("keep", ["above", "below"])
@pytest.mark.parametrize("tables", [True, False])
def test_rows_scatter_by_error_propagation(tmp_path: Path, keep: str, tables: bool) -> None:
    random, n = np.random.default_rng(2), 600
    x, y = random.uniform(0.0, 1.0, 600), random.uniform(-0.1, 1.1, 900)
    weight = random.uniform(0.01, 0.03, 900)
    run = sample(tmp_path, {"signal": (x, 0.002), "tt": (y, weight)}, tables=tables, folds=3)
    found = scanned(run, n, keep=keep)
    rows, std = found.scan.combined, found.columns[-1]
    for i in (2, 10, 16):
        beyond = y >= rows.threshold[i] if keep == "above" else y < rows.threshold[i]
        passed = x >= rows.threshold[i] if keep == "above" else x < rows.threshold[i]
        sigma_b, sigma_s = LUMI * np.sqrt((weight[beyond] ** 2).sum()), LUMI * 0.002 * np.sqrt(passed.sum())
        assert std["B"][i] == pytest.approx(sigma_b, rel=4.0 / np.sqrt(2 * n))
        assert std["S"][i] == pytest.approx(sigma_s, rel=4.0 / np.sqrt(2 * n))
        s, b, z = rows.signal[i], rows.background[i], rows.significance[i]
        log = np.log1p(s / b)
        sigma = np.hypot(log / z * sigma_s, (log - s / b) / z * sigma_b)
        assert std["asimov"][i] == pytest.approx(sigma, rel=4.0 / np.sqrt(2 * n) + 0.02)
    # A fold has a third of the events, and counts three times.
    loosest = 0 if keep == "above" else -1
    for fold in found.columns[:-1]:
        assert fold["S"][loosest] == pytest.approx(np.sqrt(3.0) * std["S"][loosest], rel=0.15)
    assert found.summary["all_events"]["S"]["std"] == pytest.approx(std["S"][loosest])
    assert found.summary["method"] == ("events" if tables else "histogram")


def test_the_best_threshold_is_as_optimistic_as_told(tmp_path: Path) -> None:
    """Fifty samples of which the truth is known: their best significance is too large by what the bootstrap says."""
    random = np.random.default_rng(5)
    too_large, optimism, best, spread = [], [], [], []
    for i in range(50):
        drawn = {
            "signal": (random.beta(4.0, 1.5, random.poisson(400)), 1.4 / 400),
            "tt": (random.beta(1.5, 2.5, random.poisson(800)), 30.0 / 800),
        }
        found = scanned(sample(tmp_path / str(i), drawn, bins=100), 25)
        at = found.scan.best
        truth = asimov(
            LUMI * 1.4 * beta.sf(at["threshold"], 4.0, 1.5), LUMI * 30.0 * beta.sf(at["threshold"], 1.5, 2.5)
        )
        too_large.append(at["asimov"] - truth)
        optimism.append(found.summary["best"]["optimism"])
        best.append(at["asimov"])
        spread.append(found.summary["best"]["maximum"]["std"])
    error = np.hypot(np.std(too_large), np.std(optimism)) / np.sqrt(50)
    assert np.mean(optimism) > 3.0 * np.std(optimism) / np.sqrt(50)
    assert np.mean(too_large) == pytest.approx(np.mean(optimism), abs=2.5 * error)
    assert 0.8 < np.std(best, ddof=1) / np.mean(spread) < 1.25


def test_the_file_has_a_deviation_for_every_number(tmp_path: Path) -> None:
    random = np.random.default_rng(3)
    run = sample(
        tmp_path,
        {"signal": (random.uniform(0.3, 0.9, 100), 0.01), "tt": (random.uniform(0.0, 0.6, 100), 0.1)},
    )
    found = scanned(run, 10).as_dict()
    assert json.loads(json.dumps(found, allow_nan=False)) == found
    rows = found["combined"]
    for name, column in rows["std"].items():
        assert len(column) == len(rows["threshold"])
        if name != "defined":
            for number, std in zip(rows[name], column, strict=True):
                assert number is not None or std is None
    # Beyond 0.6 there is no background, and no significance in any replica.
    assert rows["std"]["asimov"][-1] is None
    assert rows["std"]["defined"][0] == 10
    assert rows["std"]["defined"][-1] == 0
    assert rows["std"]["S"][-1] == 0.0


def test_no_quotable_threshold_has_no_best(tmp_path: Path) -> None:
    run = sample(tmp_path, {"signal": ([0.5, 0.7], 0.01), "tt": ([0.2, 0.6, 0.9], 0.1)})
    found = scanned(run, 10)
    assert found.summary["best"] is None
    assert found.scan.best is None
