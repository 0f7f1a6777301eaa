"""Our numbers for Tables I, III and IV."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from massgap.fits.counting.significance import asimov, s_over_1pb
from massgap.studies.slepton.numbers.folders import paper, printed_precuts
from massgap.studies.slepton.numbers.replicas import paired
from massgap.studies.slepton.numbers.scans import (
    at_precuts,
    highest,
    highest_at,
    normalised_scan,
    over_range,
)
from massgap.studies.slepton.numbers.sums import fraction, shared_by_regions, sum_of
from massgap.studies.slepton.places import BACKGROUNDS, SPECTRA, VARIANTS, retrained_score

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from massgap.fits.scans.threshold_scan import ThresholdScan
    from massgap.studies.slepton.numbers.folders import Folders
    from massgap.studies.tables import Paper

    Floats = NDArray[np.float64]
    Number = tuple[float, float | None]
    Numbers = dict[tuple[str, str], Number | None]

__all__ = ["arithmetic", "factors_of", "table_four", "table_one", "table_three"]

CUTS = {
    frozenset({"z_window", "met", "cos_theta_star"}): "this work",
    frozenset({"z_window", "met", "cos_theta_star", "mt2_100"}): "this work + MT2_100<130",
    frozenset({"z_window", "met", "cos_theta_star", "m_tautau", "met_125"}): "cuts of [3]",
}
"""Pre-cuts of a single run -> the row of Table III that it can be compared with."""


def table_one(folders: Folders) -> Numbers:
    """Cross sections after topology and pre-cuts: m_ll is defined for every event, so its bins hold all of them."""
    histogram = folders.opened.histograms.get("m_ll")
    if histogram is None or not {"topology", "precuts"} <= {str(r) for r in histogram.axes["region"]}:
        return {}
    numbers: Numbers = {}
    names = {"signal": folders.signal(), **{name: name for name in paper().tables["Table I"].rows[1:]}}
    for row, process in names.items():
        if process not in {str(p) for p in histogram.axes["process"]}:
            continue
        before, after = (
            sum_of(histogram, process, region, shared=folders.shared("m_ll", region))
            for region in ("topology", "precuts")
        )
        numbers[row, "topology"] = (before[0], math.sqrt(before[1]))
        if after[1] == 0.0 and before[0] > 0.0:
            # Not one event is left: what is not known is as large as one of those before.
            after = (0.0, (before[1] / before[0]) ** 2)
        numbers[row, "pre-cuts"] = (after[0], math.sqrt(after[1]))
        shared = shared_by_regions(folders.opened, "m_ll", "precuts", "topology", process)
        numbers[row, "efficiency"] = fraction(after, before, shared)
    return numbers


def arithmetic(printed: Paper) -> Numbers:
    """Our formulas on the paper's cross sections: Table III must follow from Table I."""
    rows = printed.tables["Table I"].rows
    signal = printed.luminosity * printed_precuts(printed, "signal")
    background = printed.luminosity * sum(printed_precuts(printed, name) for name in rows[1:])
    return {
        ("this work", "S"): (signal, None),
        ("this work", "S/(1+B)"): (float(s_over_1pb(signal, background)), None),
        ("this work", "significance"): (float(asimov(signal, background)), None),
    }


NEEDED = frozenset({"tautau", "tt", "WW"})
"""Backgrounds without which nothing can be normalised; of the others a small sample may have no event left, and goes without."""


def factors_of(folders: Folders) -> dict[str, float]:
    """Process -> printed cross section after the pre-cuts over ours; other spectra have the factor of the benchmark."""
    printed, ours = paper(), table_one(folders)
    found: dict[str, float] = {}
    for name in ("signal", *BACKGROUNDS):
        number = ours.get((name, "pre-cuts"))
        if number is not None and number[0] > 0.0:
            found[name] = printed_precuts(printed, name) / number[0]
    of_signal = found.pop("signal", None)
    if of_signal is not None:
        names = {folders.process(*spectrum) for spectrum in SPECTRA} - {None}
        found.update(dict.fromkeys((str(name) for name in names), of_signal))
    return found


def table_three(folders: Folders) -> tuple[Numbers, Numbers]:
    """Table III as our events give it, and with each process scaled to the printed cross section after the pre-cuts."""
    raw: Numbers = {}
    scaled: Numbers = {}
    factors = factors_of(folders)
    for row, scan in _variants(folders).items():
        raw.update({(row, f"pre-cuts: {name}"): number for name, number in at_precuts(scan).items()})
        raw.update({(row, f"BDT: {name}"): number for name, number in over_range(scan).items()})
        other = normalised_scan(
            folders.opened, scan.histogram, scan.region, scan.signal, factors, paper().luminosity
        )
        if other is not None and factors.keys() >= NEEDED:
            scaled.update({(row, f"BDT: {name}"): number for name, number in over_range(other).items()})
    return raw, scaled


def _variants(folders: Folders) -> dict[str, ThresholdScan]:
    """Row of Table III -> its scan, those that there are."""
    signal = folders.signal()
    found = {}
    if signal is not None:
        for row, (region, histogram, _) in list(VARIANTS.items())[1:3]:
            scan = normalised_scan(folders.opened, histogram, region, signal, {}, paper().luminosity)
            if scan is not None:
                found[row] = scan
    scan, cuts = folders.scan, folders.opened.description.region("precuts").cuts
    own = CUTS.get(frozenset(cut.name for cut in cuts))
    if own is not None and scan is not None and scan.signal == signal:
        found[own] = scan
    return found


def table_four(folders: Folders) -> tuple[Numbers, Numbers]:
    """Table IV, normalised as Table III, and the orderings that it holds."""
    factors = factors_of(folders)
    numbers: Numbers = {}
    best: dict[tuple[int, int, str], tuple[Number, Floats | None]] = {}
    if not factors.keys() >= NEEDED:
        return {}, {}
    for m, gap in SPECTRA:
        signal = folders.process(m, gap)
        own = retrained_score(m, gap)
        for which, score in (
            ("benchmark", "score"),
            ("retrained", own if own == "score" else f"score_{own}"),
        ):
            if signal is None:
                continue
            scan = normalised_scan(folders.opened, score, "precuts", signal, factors, paper().luminosity)
            if scan is None:
                continue
            row = f"{m}/{m - gap} {which}"
            numbers.update({(row, name): number for name, number in over_range(scan).items()})
            largest = highest(scan, "S/(1+B)")
            numbers.setdefault((row, "highest S/(1+B)"), largest)
            number, index = highest(scan, "significance"), highest_at(scan.combined, "significance")
            if number is not None and index is not None:
                draws = folders.replicas.threshold(scan, index, "significance", factors=factors)
                best[m, gap, which] = (number, draws)
    return numbers, _orderings(best)


def _orderings(best: dict[tuple[int, int, str], tuple[Number, Floats | None]]) -> Numbers:
    """Quotients of largest significances, of the same events."""
    out: Numbers = {}

    def over(above: tuple[int, int, str], below: tuple[int, int, str]) -> Number | None:
        if above not in best or below not in best:
            return None
        (one, draws), (other, draws_below) = best[above], best[below]
        return paired(quotient(one, other), draws, draws_below)

    for m, gap in SPECTRA[1:]:
        of = over((m, gap, "retrained"), (m, gap, "benchmark"))
        out[f"retrained over benchmark, {m}/{m - gap}", "number"] = of
    for m, gap in ((110, 40), (110, 50), (110, 60), (160, 50), (160, 60)):
        of = over((m, gap, "retrained"), (m, gap - 10, "retrained"))
        out[f"{m}/{m - gap} over {m}/{m - gap + 10}, retrained", "number"] = of
    heavy = [number for (m, _, _), (number, _) in best.items() if m == 300]
    out["largest significance at 300 GeV", "number"] = max(heavy, default=None)
    return out


def quotient(above: Number | None, below: Number | None) -> Number | None:
    """Of two numbers with independent errors."""
    if above is None or below is None or not below[0]:
        return None
    ratio = above[0] / below[0]
    # Not by relative errors: a numerator of 0 has an error all the same.
    return ratio, math.hypot(above[1] or 0.0, ratio * (below[1] or 0.0)) / abs(below[0])
