"""The slepton paper's figure of merit against the threshold on the classifier score.

For every fold and for all folds together: cross section above the threshold per process, signal
events S, S/(1+B) and the Asimov significance at a luminosity, as they come and smoothed, and the
quantities of the paper's Table III.

Each fold holds the events that its classifier has not seen, a third of the sample for three folds,
and is scaled up by the number of folds. All folds together need no factor: every event is scored
once, by the classifier that did not see it (cross-fitting).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.errors import HistogramError
from massgap.fits.counting.significance import asimov, s_over_1pb
from massgap.fits.errors import FitError
from massgap.fits.scans.smoothing import smooth_cumulative

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from hist import Hist
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["FoldScan", "ScanOptions", "ThresholdScan", "scan_thresholds"]


@dataclass(frozen=True)
class ScanOptions:
    """How a scan is made.

    Attributes
    ----------
    lumi_fb : float
        Luminosity in fb-1.
    min_ratio : float
        Smallest S/(1+B) of the quoted thresholds; the paper's 0.15.
    min_events : float
        Smallest effective number of simulated events, (sum w)^2 / sum w^2, that signal and background
        above a threshold must have for it to be quoted. Sharp features beyond come from small
        numbers of events.
    bandwidth : float
        Width of the smoothing kernel in units of the score.
    """

    lumi_fb: float = 300.0
    min_ratio: float = 0.15
    min_events: float = 10.0
    bandwidth: float = 0.02


@dataclass(frozen=True)
class FoldScan:
    """Everything against threshold for one fold, or for all (``fold`` is None).

    Arrays have one entry per threshold: the left edges of the score bins. ``xsec_fb`` is the cross
    section above the threshold per process; ``n_eff_signal`` and ``n_eff_background`` are effective
    numbers of simulated events; ``reliable`` marks where both are large enough to be quoted.
    """

    fold: int | None
    threshold: Floats
    signal: Floats
    background: Floats
    signal_smooth: Floats
    background_smooth: Floats
    xsec_fb: dict[str, Floats]
    n_eff_signal: Floats
    n_eff_background: Floats
    reliable: NDArray[np.bool_]

    @property
    def ratio(self) -> Floats:
        """S/(1+B) of the raw curves."""
        return s_over_1pb(self.signal, self.background)

    @property
    def ratio_smooth(self) -> Floats:
        """S/(1+B) of the smoothed curves."""
        return s_over_1pb(self.signal_smooth, self.background_smooth)

    @property
    def significance(self) -> Floats:
        """Asimov significance of the raw curves, NaN without background."""
        return asimov(self.signal, self.background)

    @property
    def significance_smooth(self) -> Floats:
        """Asimov significance of the smoothed curves."""
        return asimov(self.signal_smooth, self.background_smooth)

    def as_dict(self) -> dict[str, Any]:
        """Form of ``scan.json``; undefined numbers are null."""
        out: dict[str, Any] = {
            "threshold": self.threshold.tolist(),
            "S": _numbers(self.signal),
            "B": _numbers(self.background),
            "s_over_1pb": _numbers(self.ratio),
            "asimov": _numbers(self.significance),
            "S_smooth": _numbers(self.signal_smooth),
            "B_smooth": _numbers(self.background_smooth),
            "s_over_1pb_smooth": _numbers(self.ratio_smooth),
            "asimov_smooth": _numbers(self.significance_smooth),
            "xsec_fb": {name: _numbers(x) for name, x in self.xsec_fb.items()},
            "n_eff_signal": _numbers(self.n_eff_signal),
            "n_eff_background": _numbers(self.n_eff_background),
            "reliable": self.reliable.tolist(),
        }
        return out if self.fold is None else {"fold": self.fold, **out}


@dataclass(frozen=True)
class ThresholdScan:
    """Scan of all folds and of their sum."""

    signal: str
    backgrounds: tuple[str, ...]
    options: ScanOptions
    folds: tuple[FoldScan, ...]
    combined: FoldScan

    def ranges(self, scans: Sequence[FoldScan] | None = None) -> list[dict[str, list[float]]]:
        """Threshold ranges that may be quoted, the broadest in significance first.

        A threshold may be quoted where the smoothed S/(1+B) is at least ``min_ratio`` and the numbers
        of simulated events suffice, on all of ``scans`` (default: all folds). For each range of
        neighbouring thresholds the smallest and largest value on any fold are given.
        """
        scans = self.folds if scans is None else scans
        fits = np.ones(self.combined.threshold.size, dtype=bool)
        for scan in scans:
            with np.errstate(invalid="ignore"):
                fits &= scan.reliable & (scan.ratio_smooth >= self.options.min_ratio)
                fits &= np.isfinite(scan.significance_smooth)
        steps = np.diff(np.concatenate([[0], fits.astype(int), [0]]))
        out = []
        for start, stop in zip(np.flatnonzero(steps == 1), np.flatnonzero(steps == -1), strict=True):
            part = slice(int(start), int(stop))
            threshold = self.combined.threshold[part]
            out.append(
                {
                    "threshold": [float(threshold[0]), float(threshold[-1])],
                    "S": _span(scan.signal_smooth[part] for scan in scans),
                    "s_over_1pb": _span(scan.ratio_smooth[part] for scan in scans),
                    "asimov": _span(scan.significance_smooth[part] for scan in scans),
                }
            )
        return sorted(out, key=lambda r: r["asimov"][0] - r["asimov"][1])

    def table_iii(self) -> dict[str, Any]:
        """Rows of the paper's Table III.

        Pre-cuts: averages over the folds at threshold 0. BDT: the quotable range that is broadest in
        significance, None if S/(1+B) never reaches its minimum on all folds.
        """

        def mean(values: Iterable[float]) -> float | None:
            average = float(np.mean(list(values)))
            return average if np.isfinite(average) else None

        ranges = self.ranges()
        combined = self.ranges([self.combined])
        return {
            "precuts": {
                "S": mean(scan.signal[0] for scan in self.folds),
                "s_over_1pb": mean(scan.ratio[0] for scan in self.folds),
                "asimov": mean(scan.significance[0] for scan in self.folds),
            },
            "bdt": ranges[0] if ranges else None,
            "bdt_combined": combined[0] if combined else None,
            "all_ranges": ranges,
            "min_s_over_1pb": self.options.min_ratio,
        }

    def as_dict(self) -> dict[str, Any]:
        """Content of ``scan.json``."""
        return {
            "format": "massgap-scan/1",
            "lumi_fb": self.options.lumi_fb,
            "signal": self.signal,
            "backgrounds": list(self.backgrounds),
            "options": {
                "min_s_over_1pb": self.options.min_ratio,
                "min_effective_events": self.options.min_events,
                "smoothing": "local linear fit to the logarithm of the cumulative cross section, Gaussian kernel, made monotone",
                "bandwidth": self.options.bandwidth,
            },
            "folds": [scan.as_dict() for scan in self.folds],
            "combined": self.combined.as_dict(),
            "table_iii": self.table_iii(),
        }


def scan_thresholds(
    histogram: Hist[Any],
    signal: str,
    backgrounds: Iterable[str],
    *,
    channel: str | None = None,
    options: ScanOptions | None = None,
) -> ThresholdScan:
    """Scan the threshold on the score.

    Parameters
    ----------
    histogram : hist.Hist
        The ``score`` histogram of a run: axes process, channel, variation, fold, score; in fb.
    signal : str
        Signal process.
    backgrounds : iterable of str
        Background processes.
    channel : str, optional
        Channel; may be left out if there is only one.
    options : ScanOptions, optional
        Luminosity, smallest ratio, smoothing.

    Returns
    -------
    ThresholdScan

    Raises
    ------
    HistogramError
        If the histogram has no fold axis or lacks a process or channel.
    FitError
        If an option makes no sense.
    """
    options = options or ScanOptions()
    for name, number in (("luminosity", options.lumi_fb), ("bandwidth", options.bandwidth)):
        if not (np.isfinite(number) and number > 0.0):
            message = f"The {name} of a threshold scan must be positive, not {number}."
            raise FitError(message)
    backgrounds = tuple(sorted(set(backgrounds)))
    values, variances = _per_fold(histogram, (signal, *backgrounds), channel)
    thresholds = np.asarray(histogram.axes[-1].edges[:-1], dtype=np.float64)
    n_folds = values.shape[1]
    folds = tuple(
        _scan_one(
            i, thresholds, n_folds * values[:, i], n_folds**2 * variances[:, i], signal, backgrounds, options
        )
        for i in range(n_folds)
    )
    combined = _scan_one(
        None, thresholds, values.sum(axis=1), variances.sum(axis=1), signal, backgrounds, options
    )
    return ThresholdScan(signal, backgrounds, options, folds, combined)


def _per_fold(histogram: Hist[Any], processes: tuple[str, ...], channel: str | None) -> tuple[Floats, Floats]:
    """Contents and variances [process, fold, score bin], scores of exactly 1 in the last bin."""
    names = [str(axis.name) for axis in histogram.axes]
    if names != ["process", "channel", "variation", "fold", "score"]:
        message = (
            "A threshold scan needs a histogram with the axes process, channel, variation, fold, score; this one "
            f"has {', '.join(names)}."
        )
        raise HistogramError(message)
    channels = [str(x) for x in histogram.axes["channel"]]
    if channel is None and len(channels) == 1:
        channel = channels[0]
    if channel not in channels:
        message = f"The score histogram has the channels {', '.join(channels)}; choose one of them, not {channel!r}."
        raise HistogramError(message)
    present = [str(x) for x in histogram.axes["process"]]
    for name in processes:
        if name not in present:
            message = f"The score histogram has no process '{name}'; it has: {', '.join(present)}."
            raise HistogramError(message)
    variation = [str(x) for x in histogram.axes["variation"]].index("nominal")
    n_folds = len(histogram.axes["fold"])
    fold_flow = int(bool(histogram.axes["fold"].traits.underflow))
    score_flow = int(bool(histogram.axes["score"].traits.underflow))
    n_bins = len(histogram.axes["score"])
    out = []
    for content in (histogram.values(flow=True), histogram.variances(flow=True)):
        if content is None:
            message = "The score histogram holds no variances: use Weight storage."
            raise HistogramError(message)
        array = np.asarray(content, dtype=np.float64)
        array = array[[present.index(name) for name in processes], channels.index(channel), variation]
        array = array[:, fold_flow : fold_flow + n_folds]
        inner = np.array(array[..., score_flow : score_flow + n_bins])
        inner[..., -1] += array[..., score_flow + n_bins :].sum(axis=-1)
        out.append(inner)
    return out[0], out[1]


def _scan_one(
    fold: int | None,
    thresholds: Floats,
    values: Floats,
    variances: Floats,
    signal: str,
    backgrounds: tuple[str, ...],
    options: ScanOptions,
) -> FoldScan:
    above = np.cumsum(values[:, ::-1], axis=1)[:, ::-1]
    above_variance = np.cumsum(variances[:, ::-1], axis=1)[:, ::-1]
    sums = (above[0], above[1:].sum(axis=0))
    n_effs = []
    smooths = []
    for total, variance in zip(sums, (above_variance[0], above_variance[1:].sum(axis=0)), strict=True):
        n_eff = np.where(variance > 0.0, total**2 / np.where(variance > 0.0, variance, 1.0), 0.0)
        n_effs.append(n_eff)
        smooths.append(smooth_cumulative(thresholds, total, n_eff, options.bandwidth))
    reliable = (n_effs[0] >= options.min_events) & (n_effs[1] >= options.min_events)
    return FoldScan(
        fold=fold,
        threshold=thresholds,
        signal=sums[0] * options.lumi_fb,
        background=sums[1] * options.lumi_fb,
        signal_smooth=smooths[0] * options.lumi_fb,
        background_smooth=smooths[1] * options.lumi_fb,
        xsec_fb=dict(zip((signal, *backgrounds), above, strict=True)),
        n_eff_signal=n_effs[0],
        n_eff_background=n_effs[1],
        reliable=reliable,
    )


def _span(parts: Iterable[Floats]) -> list[float]:
    values = np.concatenate(list(parts))
    return [float(values.min()), float(values.max())]


def _numbers(values: Floats) -> list[float | None]:
    return [float(x) if np.isfinite(x) else None for x in values]
