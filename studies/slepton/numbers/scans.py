"""Threshold scans as the paper's tables tell them: averages, ranges and their standard errors, as they come or normalised."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.counting.significance import asimov, s_over_1pb
from massgap.fits.scans.shared_events import shared_variances
from massgap.fits.scans.threshold_scan import ScanOptions, ThresholdScan, scan_thresholds
from massgap.studies.slepton.places import BACKGROUNDS, MIN_RATIO

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.scans.rows import ScanRows

    Number = tuple[float, float | None]

__all__ = ["at_best", "at_precuts", "highest", "highest_at", "normalised_scan", "over_range"]


def normalised_scan(
    run: RunFolder, histogram: str, region: str, signal: str, factors: Mapping[str, float], luminosity: float
) -> ThresholdScan | None:
    """The scan of a score with each process scaled by a factor, None where the run has it not.

    Parameters
    ----------
    run
        With the histogram.
    histogram, region, signal
        Which.
    factors
        Process -> factor on its cross section; what is not named keeps its own.
    luminosity
        fb-1.
    """
    import hist

    found = run.histograms.get(histogram)
    processes = [] if found is None else [str(name) for name in found.axes["process"]]
    backgrounds = [name for name in BACKGROUNDS if name in processes]
    if found is None or signal not in processes or not backgrounds:
        return None
    if region not in {str(name) for name in found.axes["region"]}:
        return None
    scaled = hist.Hist(*found.axes, storage=hist.storage.Weight())
    content: Any = found.view(flow=True).copy()
    for i, name in enumerate(processes):
        factor = factors.get(name, 1.0)
        at = (slice(None),) * list(found.axes.name).index("process") + (i,)
        content["value"][at] *= factor
        content["variance"][at] *= factor**2
    scaled.view(flow=True)[...] = content
    shared = {
        name: factors.get(name, 1.0) ** 2 * extra
        for name, extra in shared_variances(run, histogram, region).items()
    }
    options = ScanOptions(lumi_fb=luminosity, min_ratio=MIN_RATIO)
    return scan_thresholds(
        scaled, signal, backgrounds, region=region, name=histogram, shared=shared, options=options
    )


def at_precuts(scan: ThresholdScan) -> dict[str, Number]:
    """S, S/(1+B) and significance without a cut on the score: averages over the folds."""
    folds = scan.folds or (scan.combined,)
    columns = {"S": "signal", "S/(1+B)": "ratio", "significance": "significance"}
    errors = _at(scan.combined, 0)
    return {
        name: (float(np.mean([getattr(fold, column)[0] for fold in folds])), errors[name][1])
        for name, column in columns.items()
    }


def over_range(scan: ThresholdScan) -> dict[str, Number]:
    """``lowest`` and ``highest`` ``threshold``, ``S``, ``S/(1+B)`` and ``significance`` of the quotable range that is broadest.

    Empty where no threshold is quotable.
    """
    ranges = scan.ranges(min_ratio=MIN_RATIO)
    if not ranges:
        return {}
    folds = scan.folds or (scan.combined,)
    names = {"threshold": "threshold", "S": "S", "S/(1+B)": "s_over_1pb", "significance": "asimov"}
    out: dict[str, Number] = {}
    for name, key in names.items():
        for which, number in zip(("lowest", "highest"), ranges[0][key], strict=True):
            error = _threshold_error(folds, number) if name == "threshold" else _error_of(folds, name, number)
            out[f"{which} {name}"] = (number, error)
    return out


def highest(scan: ThresholdScan, merit: str) -> Number | None:
    """The largest value of a figure of merit on all events, over thresholds with enough of them; None without any."""
    index = highest_at(scan.combined, merit)
    return None if index is None else _at(scan.combined, index)[merit]


def highest_at(rows: ScanRows, merit: str) -> int | None:
    """The position of the threshold where a figure of merit is largest, among those with enough events; None without any."""
    usable = rows.quotable()
    if not usable.any():
        return None
    return int(np.argmax(np.where(usable, getattr(rows, _SMOOTH[merit]), -np.inf)))


def at_best(scan: ThresholdScan) -> float | None:
    """The threshold of the largest significance that may be quoted."""
    index = scan.best_index
    return None if index is None else float(scan.combined.threshold[index])


_SMOOTH = {"S": "signal_smooth", "S/(1+B)": "ratio_smooth", "significance": "significance_smooth"}


def _error_of(folds: tuple[ScanRows, ...], name: str, number: float) -> float | None:
    """Standard error of a number of the smoothed curves, at the fold and threshold where it stands."""
    for scan in folds:
        found = np.flatnonzero(getattr(scan, _SMOOTH[name]) == number)
        if len(found):
            return _at(scan, int(found[0]))[name][1]
    return None


def _threshold_error(folds: tuple[ScanRows, ...], threshold: float) -> float:
    """How uncertain it is where S/(1+B) passes a value: its error over its slope there, on the worst of the folds."""
    errors = []
    for scan in folds:
        index = int(np.searchsorted(scan.threshold, threshold))
        ratio, around = scan.ratio_smooth, slice(max(0, index - 5), index + 6)
        slope = np.polyfit(scan.threshold[around], ratio[around], 1)[0]
        errors.append(_at(scan, index)["S/(1+B)"][1] / abs(slope) if slope else math.inf)
    return float(max(errors))


def _at(scan: ScanRows, index: int) -> dict[str, tuple[float, float]]:
    """Figures of merit at a threshold, with the error that the finite simulation gives them."""
    s, b = float(scan.signal_smooth[index]), float(scan.background_smooth[index])
    ds, db = (
        total / math.sqrt(n) if n > 0.0 else math.inf
        for total, n in ((s, scan.n_eff_signal[index]), (b, scan.n_eff_background[index]))
    )
    merits = {"S/(1+B)": s_over_1pb, "significance": asimov}
    out = {"S": (s, ds)}
    for name, merit in merits.items():
        middle = float(merit(s, b))
        steps = (
            (float(merit(s * 1.01, b)) - middle) / (0.01 * s),
            (float(merit(s, b * 1.01)) - middle) / (0.01 * b),
        )
        out[name] = (middle, math.hypot(steps[0] * ds, steps[1] * db))
    return out
