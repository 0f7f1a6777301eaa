"""Numbers of a run in replicas of its simulation: errors of quotients of numbers that come from the same events.

Two classifiers on the same events, or two thresholds, fluctuate together. Every event counts equally often in the n-th replica of all
of these numbers, in signal and background, so that the scatter of their quotient is that of a paired comparison.
"""

from __future__ import annotations

import math
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.contents import read_region
from massgap.fits.counting.significance import asimov, binned_statistical, s_over_1pb
from massgap.fits.inference.bootstrap.replicas import ReplicaSource

if TYPE_CHECKING:
    from collections.abc import Mapping

    from numpy.typing import NDArray

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.scans.threshold_scan import ThresholdScan

    Floats = NDArray[np.float64]
    Number = tuple[float, float | None]

__all__ = ["REPLICAS", "Replicas", "mean_error", "paired", "spread"]

REPLICAS = 100
"""A standard deviation is known to 7 % with them."""

_SAME = 1e-3
"""So far, relatively, the closed form may be from what a fit of statistics alone has found."""

_NOTHING = 1e-9
"""A relative error below this is rounding: the same events in both, of which replicas say nothing."""

MERITS = {"significance": asimov, "S/(1+B)": s_over_1pb}


class Replicas:
    """Replicas of the histograms of a run.

    Parameters
    ----------
    run
        With feature tables, otherwise its bins are resampled, each histogram for itself.
    """

    def __init__(self, run: RunFolder) -> None:
        self._run = run
        self._source = ReplicaSource(run, REPLICAS)

    def binned(self, results: Mapping[str, Any] | None) -> Floats | None:
        """Expected significance of a fit of one histogram, statistics alone, shape (replicas,).

        None where the fit is of another kind, or of another run than this one: what the closed form and the contents of this run give
        is compared with what the fit has found.
        """
        parts = [] if results is None else results.get("parts", [])
        if results is None or len(parts) != 1 or parts[0]["histogram"] not in self._run.histograms:
            return None
        part, lumi = parts[0], float(results["lumi_fb"])
        edges = np.asarray(part["binning"], dtype=np.float64)
        contents = read_region(self._run.histogram(part["histogram"]), part["region"])
        names = (str(results["signal"]), *map(str, results["backgrounds"]))
        nominal = [lumi * _merged(contents.with_outside(name)[0], contents.edges, edges) for name in names]
        found = float(results["discovery"]["expected_significance"])
        if not math.isclose(float(binned_statistical(nominal[0], sum(nominal[1:]))), found, rel_tol=_SAME):
            return None
        made = [self._source.of_run(part["histogram"], part["region"], name) for name in names]
        signal, *backgrounds = (lumi * entry.merged(edges)[0] for entry in made)
        return binned_statistical(signal.T, np.sum(backgrounds, axis=0).T)

    def threshold(
        self,
        scan: ThresholdScan,
        index: int,
        merit: str,
        *,
        fold: int | None = None,
        factors: Mapping[str, float] | None = None,
    ) -> Floats | None:
        """A figure of merit beyond a threshold, shape (replicas,), NaN where a replica has no background left.

        None where the run has not the histogram that was scanned.

        Parameters
        ----------
        scan
            Of a histogram of the run, of what is above thresholds.
        index
            Position of the threshold.
        merit
            ``significance`` or ``S/(1+B)``.
        fold
            Of its events alone, scaled to all; all events by default.
        factors
            Process -> factor on its cross section, as the scan was made with.
        """
        if scan.histogram not in self._run.histograms:
            return None
        sums = []
        for name in (scan.signal, *scan.backgrounds):
            contents = self._source.of_run(scan.histogram, scan.region, name).contents[:, index + 1 :]
            kept = contents.sum(axis=(0, 1)) if fold is None else len(contents) * contents[fold].sum(axis=0)
            sums.append((factors or {}).get(name, 1.0) * float(scan.options.lumi_fb or 0.0) * kept)
        return np.asarray(MERITS[merit](sums[0], np.sum(sums[1:], axis=0)), dtype=np.float64)


def _merged(values: Floats, fine: Floats, edges: Floats) -> Floats:
    """Nominal contents in coarser bins, what lies outside in the outermost ones."""
    starts = np.searchsorted(fine, edges[:-1] - 1e-9) + 1
    starts[0] = 0
    ends = [*(int(b) for _, b in pairwise(starts)), values.shape[1]]
    return np.array([values[:, a:b].sum() for a, b in zip(starts, ends, strict=True)])


def spread(draws: Floats | None) -> float | None:
    """Standard deviation over replicas; None of fewer than two."""
    defined = np.array([]) if draws is None else draws[np.isfinite(draws)]
    return float(defined.std(ddof=1)) if defined.size > 1 else None


def _ratio(above: Floats | None, below: Floats | None) -> Floats | None:
    """A quotient in each replica over its mean, NaN where it is not defined; None where it nowhere is."""
    if above is None or below is None:
        return None
    ratio = above / np.where(below > 0.0, below, np.nan)
    defined = ratio[np.isfinite(ratio)]
    return ratio / defined.mean() if defined.size and defined.mean() > 0.0 else None


def paired(number: Number | None, above: Floats | None, below: Floats | None) -> Number | None:
    """A quotient with the error that its replicas give it; as it was where there are none."""
    error = spread(_ratio(above, below))
    if number is None or error is None or error < _NOTHING:
        return number
    return number[0], abs(number[0]) * error


def mean_error(ratios: Mapping[Any, tuple[float, Floats | None, Floats | None]]) -> float | None:
    """Error of the mean of quotients that share events, as backgrounds of several signals do.

    Parameters
    ----------
    ratios
        Name -> the quotient, and numerator and denominator in the replicas.

    Returns
    -------
    float or None
        None where one of them has no replicas.
    """
    draws = [(value, _ratio(above, below)) for value, above, below in ratios.values()]
    if not draws or any(found is None for _, found in draws):
        return None
    return spread(np.mean([value * found for value, found in draws if found is not None], axis=0))
