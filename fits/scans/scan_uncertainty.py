"""What the finite simulation does to a threshold scan: the uncertainty of every row, and the optimism of the best one.

The best threshold is chosen on the events that give its figure of merit, which is therefore too large: a threshold behind a
lucky gap of the background is preferred. How much too large is measured with the replicas of the simulation: each chooses its own
best threshold, and the figure that it sees there is compared with that of the sample itself at the same threshold, as the sample
is to a replica what nature is to the sample (B. Efron, J. Am. Stat. Assoc. 78 (1983) 316: the optimism of an apparent error).
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.inference.bootstrap.replicas import how_made
from massgap.fits.inference.bootstrap.spread import spread_of
from massgap.fits.scans.rows import MERITS
from massgap.fits.scans.threshold_scan import rows_beyond

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from massgap.fits.inference.bootstrap.replicas import ProcessReplicas, ReplicaSource
    from massgap.fits.scans.rows import ScanRows
    from massgap.fits.scans.threshold_scan import ThresholdScan

    Floats = NDArray[np.float64]

__all__ = ["ScanUncertainty", "scan_uncertainty"]


@dataclass(frozen=True)
class ScanUncertainty:
    """Spread of a scan over replicas of the simulation.

    Attributes
    ----------
    scan : ThresholdScan
    summary : dict
        ``replicas``, ``seed``, ``method``, ``why``; ``all_events``, spreads of the raw figures at the loosest threshold;
        ``best``, None where no threshold is quotable: spreads of the smoothed figures at the best threshold, and

        - ``threshold``: spread of the best thresholds of the replicas;
        - ``maximum``: spread of the largest significances of the replicas;
        - ``optimism``: by how much the best Asimov significance is too large because its threshold was chosen on the same events.
    columns : tuple of dict
        For each fold and then for all of them together: name of a column -> standard deviation per threshold, NaN where the
        column or nearly all of its replicas are undefined; ``defined``, the number of replicas with a raw Asimov significance.
    """

    scan: ThresholdScan
    summary: dict[str, Any]
    columns: tuple[dict[str, Floats], ...] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """The entry of ``scan.json`` with ``std`` in all rows, and ``simulation``."""
        out = self.scan.as_dict()
        for rows, columns in zip([*out["folds"], out["combined"]], self.columns, strict=True):
            rows["std"] = {
                # Three digits are more than replicas can tell.
                name: [None if np.isnan(x) else float(f"{x:.3g}") for x in column.tolist()]
                for name, column in columns.items()
            }
        return {**out, "simulation": self.summary}


def scan_uncertainty(scan: ThresholdScan, source: ReplicaSource, *, run: str = "") -> ScanUncertainty:
    """Find how a scan scatters over replicas of the simulation.

    Parameters
    ----------
    scan : ThresholdScan
        Of a histogram of the run of ``source``.
    source : ReplicaSource
    run : str
        Label of the run where there are several.

    Returns
    -------
    ScanUncertainty

    Raises
    ------
    HistogramError
        If the run has no such histogram or region.
    """
    processes = (scan.signal, *scan.backgrounds)
    made = [source.of_run(scan.histogram, scan.region, process, run) for process in processes]
    above = scan.options.keep == "above"
    values, variances = _inner(made, "contents", above=above), _inner(made, "variances", above=above)
    edges, n = made[0].edges, len(scan.folds)
    pieces = [(i, n * values[:, i], n**2 * variances[:, i]) for i in range(n)]
    replicas = [
        rows_beyond(edges, one, two, processes, scan.options, fold=fold)
        for fold, one, two in (*pieces, (None, values.sum(axis=1), variances.sum(axis=1)))
    ]
    columns = tuple(
        _deviations(rows, of_rows)
        for rows, of_rows in zip((*scan.folds, scan.combined), replicas, strict=True)
    )
    summary = {
        "replicas": source.replicas,
        "seed": source.seed,
        **how_made(made),
        "all_events": _spreads(replicas[-1], 0 if above else -1, ""),
        "best": _best(scan, replicas[-1]),
    }
    return ScanUncertainty(scan, summary, columns)


def _inner(made: list[ProcessReplicas], name: str, *, above: bool) -> Floats:
    """Contents or variances, shape (process, fold, bin, replica); what passes every threshold is in the outermost bin."""
    arrays = np.stack([getattr(entry, name) for entry in made])
    inner = arrays[:, :, 1:-1].copy()
    inner[:, :, -1 if above else 0] += arrays[:, :, -1 if above else 0]
    return inner


def _deviations(rows: ScanRows, replicas: ScanRows) -> dict[str, Floats]:
    of_rows, out = rows.columns(), {}
    for name, values in replicas.columns().items():
        defined = np.isfinite(values)
        n = defined.sum(axis=1)
        mean = np.where(defined, values, 0.0).sum(axis=1) / np.maximum(n, 1)
        squares = np.where(defined, (values - mean[:, np.newaxis]) ** 2, 0.0).sum(axis=1)
        usable = (n > 1) & np.isfinite(of_rows[name])
        out[name] = np.where(usable, np.sqrt(squares / np.maximum(n - 1, 1)), np.nan)
        if name == "asimov":
            out["defined"] = n.astype(np.float64)
    return out


def _spreads(replicas: ScanRows, at: int, end: str) -> dict[str, Any]:
    columns = replicas.columns()
    return {name: spread_of(columns[name + end][at]).as_dict() for name in MERITS}


def _best(scan: ThresholdScan, replicas: ScanRows) -> dict[str, Any] | None:
    at = scan.best_index
    if at is None:
        return None
    usable = replicas.quotable(scan.options.min_ratio)
    seen = np.where(usable, replicas.significance_smooth, -np.inf)
    chosen = np.argmax(seen, axis=0)
    largest = np.take_along_axis(seen, chosen[np.newaxis], axis=0)[0]
    largest = np.where(np.isfinite(largest), largest, np.nan)
    optimism = spread_of(largest - scan.combined.significance_smooth[chosen])
    return {
        **_spreads(replicas, at, "_smooth"),
        "threshold": spread_of(
            np.where(np.isfinite(largest), scan.combined.threshold[chosen], np.nan)
        ).as_dict(),
        "maximum": spread_of(largest).as_dict(),
        "optimism": optimism.mean,
    }
