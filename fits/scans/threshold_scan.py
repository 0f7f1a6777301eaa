"""Figures of merit against a threshold on an observable: a score, or anything else that a run has a histogram of.

For every fold and for all folds together: cross section beyond the threshold per process, expected events S and B,
S/(1+B) and the Asimov significance without and with an uncertainty of the background, as they come and smoothed.

A fold holds the events that its classifier has not seen, a third of the sample for three folds, and is scaled up by
the number of folds. All folds together need no factor: every event is scored once, by the classifier that did not see
it (cross-fitting). A histogram without folds has the scan of all its events alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from massgap.fits.contents import read_region
from massgap.fits.errors import FitError
from massgap.fits.scans.rows import ScanRows
from massgap.fits.scans.smoothing import smooth_cumulative

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from hist import Hist
    from numpy.typing import NDArray

    from massgap.fits.contents import RegionContents

    Floats = NDArray[np.float64]

__all__ = ["ScanOptions", "ThresholdScan", "rows_beyond", "scan_thresholds"]


@dataclass(frozen=True)
class ScanOptions:
    """How a scan is made, and which of its thresholds may be quoted.

    Attributes
    ----------
    lumi_fb : float
        Luminosity in fb-1; that of the fit in a fit.
    keep : {"above", "below"}
        Whether events above or below a threshold are kept.
    background_uncertainty : float
        Relative uncertainty of the background in the second Asimov significance.
    min_ratio : float
        Smallest S/(1+B) of thresholds that are quoted.
    min_events : float
        Smallest effective number of simulated events, (sum w)^2 / sum w^2, that signal and background
        beyond a threshold must have for it to be quoted. Sharp features further on come from small
        numbers of events.
    bandwidth : float
        Width of the smoothing kernel, in units of the histogram's range.
    """

    lumi_fb: float | None = None
    keep: Literal["above", "below"] = "above"
    background_uncertainty: float = 0.2
    min_ratio: float = 0.0
    min_events: float = 10.0
    bandwidth: float = 0.02

    def check(self) -> float:
        """The luminosity, if all options make sense.

        Raises
        ------
        FitError
            If one does not.
        """
        if self.lumi_fb is None:
            message = "A threshold scan needs a luminosity in fb-1: ScanOptions(lumi_fb=...)."
            raise FitError(message)
        for name, number in (("luminosity", self.lumi_fb), ("bandwidth", self.bandwidth)):
            if not (np.isfinite(number) and number > 0.0):
                message = f"The {name} of a threshold scan must be positive, not {number}."
                raise FitError(message)
        if not (np.isfinite(self.background_uncertainty) and self.background_uncertainty >= 0.0):
            message = (
                "The background_uncertainty of a threshold scan must be 0 or a positive relative uncertainty, "
                f"not {self.background_uncertainty}."
            )
            raise FitError(message)
        if self.keep not in ("above", "below"):
            message = f"A threshold scan keeps events above or below a threshold, not {self.keep!r}."
            raise FitError(message)
        return self.lumi_fb

    def as_dict(self) -> dict[str, Any]:
        """The options as ``scan.json`` has them."""
        return {
            "keep": self.keep,
            "background_uncertainty": self.background_uncertainty,
            "min_s_over_1pb": self.min_ratio,
            "min_effective_events": self.min_events,
            "smoothing": "local linear fit to the logarithm of the cumulative cross section, Gaussian kernel, made monotone",
            "bandwidth": self.bandwidth,
        }


@dataclass(frozen=True)
class ThresholdScan:
    """Scan of all folds and of their sum.

    Attributes
    ----------
    histogram, region, observable : str
        What was scanned; ``observable`` is the name of the axis.
    signal : str
        Signal process.
    backgrounds : tuple of str
        Background processes.
    options : ScanOptions
        How it was made.
    folds : tuple of ScanRows
        One entry per fold, scaled to all events; empty where the histogram has no folds.
    combined : ScanRows
        All events.
    """

    histogram: str
    region: str
    observable: str
    signal: str
    backgrounds: tuple[str, ...]
    options: ScanOptions
    folds: tuple[ScanRows, ...]
    combined: ScanRows

    def ranges(
        self, scans: Sequence[ScanRows] | None = None, *, min_ratio: float | None = None
    ) -> list[dict[str, list[float]]]:
        """Threshold ranges that may be quoted, the broadest in significance first.

        A threshold may be quoted where the smoothed S/(1+B) is at least ``min_ratio`` and the numbers
        of simulated events suffice, on all of ``scans``. For each range of neighbouring thresholds the
        smallest and largest value on any of them are given.

        Parameters
        ----------
        scans : sequence of ScanRows, optional
            Default all folds, or all events where there are no folds.
        min_ratio : float, optional
            Default that of the options.

        Returns
        -------
        list of dict
            ``threshold``, ``S``, ``s_over_1pb``, ``asimov``: the two ends of each.
        """
        scans = (self.folds or (self.combined,)) if scans is None else scans
        least = self.options.min_ratio if min_ratio is None else min_ratio
        quotable = np.ones(self.combined.threshold.size, dtype=bool)
        for scan in scans:
            quotable &= scan.quotable(least)
        steps = np.diff(np.concatenate([[0], quotable.astype(int), [0]]))
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

    @property
    def all_events(self) -> dict[str, Any]:
        """The raw figures of merit at the loosest threshold, which keeps all inside the axis, of all folds together."""
        return self.combined.row(0 if self.options.keep == "above" else -1)

    @property
    def best(self) -> dict[str, Any] | None:
        """The smoothed figures of merit at the quotable threshold of the largest significance; None if there is none."""
        index = self.best_index
        return None if index is None else self.combined.row(index, smooth=True)

    @property
    def best_index(self) -> int | None:
        """Position of that threshold."""
        usable = self.combined.quotable(self.options.min_ratio)
        if not usable.any():
            return None
        return int(np.argmax(np.where(usable, self.combined.significance_smooth, -np.inf)))

    def as_dict(self) -> dict[str, Any]:
        """One entry of ``scan.json``."""
        return {
            "histogram": self.histogram,
            "region": self.region,
            "observable": self.observable,
            "lumi_fb": self.options.lumi_fb,
            "signal": self.signal,
            "backgrounds": list(self.backgrounds),
            "options": self.options.as_dict(),
            "folds": [scan.as_dict() for scan in self.folds],
            "combined": self.combined.as_dict(),
            "all_events": self.all_events,
            "best": self.best,
            "ranges": self.ranges(),
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> ThresholdScan:
        """A scan as ``scan.json`` has it, the inverse of :meth:`as_dict`."""
        lumi_fb, options = float(data["lumi_fb"]), data["options"]
        made = ScanOptions(
            lumi_fb=lumi_fb,
            keep=options["keep"],
            background_uncertainty=options["background_uncertainty"],
            min_ratio=options["min_s_over_1pb"],
            min_events=options["min_effective_events"],
            bandwidth=options["bandwidth"],
        )
        rows = [
            ScanRows.from_dict(entry, background_uncertainty=made.background_uncertainty)
            for entry in (*data["folds"], data["combined"])
        ]
        return cls(
            data["histogram"],
            data["region"],
            data["observable"],
            data["signal"],
            tuple(data["backgrounds"]),
            made,
            tuple(rows[:-1]),
            rows[-1],
        )


def scan_thresholds(
    histogram: Hist[Any],
    signal: str,
    backgrounds: Iterable[str],
    *,
    region: str | None = None,
    name: str | None = None,
    shared: Mapping[str, Floats] | None = None,
    options: ScanOptions,
) -> ThresholdScan:
    """Scan the threshold on the observable of a histogram.

    Parameters
    ----------
    histogram : hist.Hist
        A histogram of a run: axes process, region, variation, fold if it has one, observable; in fb.
    signal : str
        Signal process.
    backgrounds : iterable of str
        Background processes.
    region : str, optional
        Region; may be left out if there is only one.
    name : str, optional
        Name of the histogram, for the record; default that of its observable.
    shared : mapping, optional
        Process -> what its bins share where one hard process is in several of them, of
        :func:`massgap.fits.scans.shared_events.shared_variances`.
    options : ScanOptions
        Luminosity, side that is kept, smoothing, what may be quoted.

    Returns
    -------
    ThresholdScan

    Raises
    ------
    HistogramError
        If the histogram lacks an axis, a process or the region.
    FitError
        If an option makes no sense.
    """
    options.check()
    contents = read_region(histogram, region)
    backgrounds = tuple(sorted(set(backgrounds)))
    processes = (signal, *backgrounds)
    values, variances = _per_fold(contents, processes, options)
    for i, process in enumerate(processes):
        if shared and process in shared:
            variances[i] = variances[i] + shared[process]
    n = values.shape[1]
    folds = tuple(
        rows_beyond(contents.edges, n * values[:, i], n**2 * variances[:, i], processes, options, fold=i)
        for i in range(contents.folds or 0)
    )
    combined = rows_beyond(
        contents.edges, values.sum(axis=1), variances.sum(axis=1), processes, options, fold=None
    )
    return ThresholdScan(
        name or contents.observable,
        contents.region,
        contents.observable,
        signal,
        backgrounds,
        options,
        folds,
        combined,
    )


def _per_fold(
    contents: RegionContents, processes: tuple[str, ...], options: ScanOptions
) -> tuple[Floats, Floats]:
    """Contents and variances [process, fold, bin]; what passes every threshold is in the outermost bin."""
    above = options.keep == "above"
    values, variances = contents.with_flow(below=not above, above=above)
    at = contents.positions(processes)
    return values[at, contents.nominal], variances[at, contents.nominal]


def rows_beyond(
    edges: Floats,
    values: Floats,
    variances: Floats,
    processes: Sequence[str],
    options: ScanOptions,
    *,
    fold: int | None,
) -> ScanRows:
    """The scan of some contents.

    Parameters
    ----------
    edges : ndarray of shape (bins + 1,)
    values, variances : ndarray of shape (processes, bins) or (processes, bins, replicas)
        In fb; the first process is the signal. What passes every threshold is in the outermost bin.
    processes : sequence of str
    options : ScanOptions
    fold : int or None
        The fold that the contents are of.

    Returns
    -------
    ScanRows
        With a second axis of replicas in all arrays but that of the thresholds where the contents have them.
    """
    lumi_fb = options.check()
    # Below a threshold is above its negative: the sums always run from the right, and are turned round at the end.
    turn = slice(None) if options.keep == "above" else slice(None, None, -1)
    x = edges[:-1] if options.keep == "above" else -edges[:0:-1]
    beyond = np.cumsum(values[:, turn][:, ::-1], axis=1)[:, ::-1]
    beyond_variance = np.cumsum(variances[:, turn][:, ::-1], axis=1)[:, ::-1]
    bandwidth = options.bandwidth * float(edges[-1] - edges[0])
    sums = (beyond[0], beyond[1:].sum(axis=0))
    n_effs, smooths = [], []
    for total, variance in zip(sums, (beyond_variance[0], beyond_variance[1:].sum(axis=0)), strict=True):
        n_eff = np.where(variance > 0.0, total**2 / np.where(variance > 0.0, variance, 1.0), 0.0)
        n_effs.append(n_eff)
        smooths.append(smooth_cumulative(x, total, n_eff, bandwidth))
    reliable = (n_effs[0] >= options.min_events) & (n_effs[1] >= options.min_events)
    return ScanRows(
        fold=fold,
        threshold=(x if options.keep == "above" else -x)[turn],
        signal=(sums[0] * lumi_fb)[turn],
        background=(sums[1] * lumi_fb)[turn],
        signal_smooth=(smooths[0] * lumi_fb)[turn],
        background_smooth=(smooths[1] * lumi_fb)[turn],
        xsec_fb={name: row[turn] for name, row in zip(processes, beyond, strict=True)},
        n_eff_signal=n_effs[0][turn],
        n_eff_background=n_effs[1][turn],
        reliable=reliable[turn],
        background_uncertainty=options.background_uncertainty,
    )


def _span(parts: Iterable[Floats]) -> list[float]:
    values = np.concatenate(list(parts))
    return [float(values.min()), float(values.max())]
