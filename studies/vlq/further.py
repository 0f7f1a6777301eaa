"""Tables of a study folder that the paper has not: each statement with its numbers, shapes, limits, calibration, counts."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

from massgap.studies.markdown import FurtherTable
from massgap.studies.vlq.numbers.bins import bin_counts, counts_table
from massgap.studies.vlq.numbers.calibrated import calibration_table
from massgap.studies.vlq.numbers.claims import claims_at
from massgap.studies.vlq.numbers.limits import limits_of, limits_table
from massgap.studies.vlq.numbers.measured import MASSES, edge_jumps, keeps_shape, shapes
from massgap.studies.vlq.numbers.performance import performance_of

if TYPE_CHECKING:
    from massgap.studies.vlq.numbers.claims import Claim
    from massgap.studies.vlq.numbers.edges import Jumps
    from massgap.studies.vlq.numbers.performance import Performance, Shape

__all__ = ["LOOSE", "claims_table", "further_tables", "shapes_table"]

LOOSE = 0.1
"""A looser background efficiency, at which a small simulation tells more of shapes."""


def further_tables(folder: str | Path) -> list[FurtherTable]:
    """The tables of a folder; those that it has no events or classifiers for are left out."""
    folder = Path(folder)
    performance = performance_of(folder)
    if performance is None:
        return []
    points = [performance.at(mass) for mass in MASSES if mass in performance.masses]
    tables = [claims_table(claims_at(points))]
    if performance.has_flat:
        tables += [shapes_table(performance), edges_table(edge_jumps(performance))]
    tables.append(calibration_table(performance))
    if limits := limits_of(folder):
        tables.append(limits_table(limits))
    tables.append(counts_table(bin_counts(performance.table, performance.is_background(performance.table))))
    return [table for table in tables if table.rows]


def claims_table(claims: list[Claim]) -> FurtherTable:
    """Each statement at each mass with its number and verdict."""
    rows = tuple(
        (
            claim.words,
            f"{claim.mass / 1000:g}",
            (claim.value, claim.error),
            f"{(claim.value - (claim.kind == 'as good')) / claim.error:+.1f}" if claim.error > 0 else "-",
            claim.verdict,
        )
        for claim in claims
    )
    return FurtherTable(
        "What the text says of the classifiers",
        ("statement", "m_T [TeV]", "number", "sigma", "verdict"),
        rows,
        "Number: difference of the areas under the ROC curves, in the window of 0.1 TeV around the mass; where one is as good "
        "as another, the quotient of 1 - AUC, which is to be 1.1 or less. Errors: bootstrap replicas of the events, the same for "
        "both. Not worse: not by more than two of them; better: by more than two.",
    )


def shapes_table(performance: Performance) -> FurtherTable:
    """How the shape of the background is kept by the flat score and by a fixed threshold."""
    rows = []
    for share in (performance.background_efficiency, LOOSE):
        found = shapes(performance, share)
        cuts = {"flat score, muBDT": found.flat, "fixed threshold, muNN": found.fixed}
        rows += [_shape_row(name, share, shape) for name, shape in cuts.items() if shape is not None]
    return FurtherTable(
        "The background's shape in the reconstructed mass",
        ("cut", "background kept", "chi2 / ndf", "KS p", "verdict"),
        tuple(rows),
        "Shares of the held-out background that are kept in bins of the reconstructed mass, against their mean; bins count "
        "alike. Kept: chi2 / ndf < 1.5 and p > 0.05.",
    )


def _shape_row(name: str, share: float, shape: Shape) -> tuple[str, ...]:
    told = shape.ndf > 0 and math.isfinite(shape.p_value)
    quotient = f"{shape.chi2:.1f} / {shape.ndf}"
    verdict = ("kept" if keeps_shape(shape) else "not kept") if told else "too few events"
    return name, f"{100 * share:g} %", quotient, f"{shape.p_value:.2g}", verdict


def edges_table(jumps: Jumps) -> FurtherTable:
    """Steps of the score of background where bins of the training meet."""
    rows: tuple[tuple[str, ...], ...] = ()
    if jumps.ndf:
        verdict = "no jump" if jumps.none else "a jump"
        rows = (
            (str(jumps.ndf), f"{jumps.largest:.1f}", f"{jumps.p_value:.2g}", f"{jumps.chi2:.1f}", verdict),
        )
    return FurtherTable(
        "Steps of the score at the edges of the bins",
        ("edges", "largest [sigma]", "p of the largest", "chi2 of all", "verdict"),
        rows,
        "Mean flat score of the background on either side of an edge, a straight line taken out. Of so many edges the largest "
        "is above 2 sigma by chance more often than not: a jump is one that is as rare as 2 sigma among all of them.",
    )
