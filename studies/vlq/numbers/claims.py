"""What the text says of the classifiers, each statement as a difference with its error, and whether it is confirmed."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from massgap.studies.vlq.classifiers import FLAT, MASS_UNSPECIFIC, OTHERS, label_of, of_mass

if TYPE_CHECKING:
    from collections.abc import Iterable

    from massgap.studies.vlq.numbers.performance import AtMass

__all__ = ["AS_GOOD", "SIGMAS", "Claim", "claims_at", "verdict_on_better", "verdict_on_not_worse"]

SIGMAS = 2.0
"""A difference by more than so many of its standard errors is one."""
AS_GOOD = 1.1
"""A classifier is as good as another if its 1 - AUC is at most so many times as large."""

Verdict = Literal["confirmed", "not confirmed", "contradicted"]


class Claim(NamedTuple):
    """A statement at one mass.

    ``one`` and ``other`` are places of classifiers; ``value`` and ``error`` those of the difference of the areas, or of the
    quotient of 1 - AUC; ``mass`` in GeV.
    """

    kind: Literal["not worse", "better", "as good"]
    one: str
    other: str
    mass: float
    value: float
    error: float
    verdict: Verdict

    @property
    def words(self) -> str:
        """The statement.

        >>> Claim("better", "models/pnn_b", "models/pnn", 6000.0, 0.02, 0.004, "confirmed").words
        'pNN_B is better than pNN'
        """
        form = {"not worse": "{} is not worse than {}", "better": "{} is better than {}"}
        return form.get(self.kind, "{} is as good as {}").format(label_of(self.one), label_of(self.other))


def verdict_on_better(difference: float, error: float) -> Verdict:
    """Whether one is better, given by how much with which error.

    >>> verdict_on_better(0.03, 0.01), verdict_on_better(0.01, 0.01), verdict_on_better(-0.03, 0.01)
    ('confirmed', 'not confirmed', 'contradicted')
    """
    if difference > SIGMAS * error:
        return "confirmed"
    return "contradicted" if difference < -SIGMAS * error else "not confirmed"


def verdict_on_not_worse(difference: float, error: float) -> Verdict:
    """Whether one is as good or better: contradicted only if it is clearly worse.

    >>> verdict_on_not_worse(-0.01, 0.01), verdict_on_not_worse(-0.03, 0.01)
    ('confirmed', 'contradicted')
    """
    return "contradicted" if difference < -SIGMAS * error else "confirmed"


def claims_at(points: Iterable[AtMass]) -> list[Claim]:
    """All statements for which there are classifiers and events, mass by mass."""
    return [claim for point in points if point.found for claim in _claims(point)]


def _claims(point: AtMass) -> list[Claim]:
    found = point.found
    claims = []
    for one in MASS_UNSPECIFIC:
        for other in OTHERS:
            if {one, other} <= set(found):
                difference, error = found[other].worse_than(found[one])
                verdict = verdict_on_not_worse(difference, error)
                claims.append(Claim("not worse", one, other, point.mass, difference, error, verdict))
    for better, worse in (("models/pnn_b", "models/pnn"), ("models/mubdt", "models/pnn_b")):
        if point.mass == 6000.0 and {better, worse} <= set(found):
            difference, error = found[worse].worse_than(found[better])
            verdict = verdict_on_better(difference, error)
            claims.append(Claim("better", better, worse, point.mass, difference, error, verdict))
    own = of_mass(point.mass)
    if own is not None and {own, FLAT} <= set(found):
        claims.append(_as_good(point, own))
    return claims


def _as_good(point: AtMass, own: str) -> Claim:
    """The classifier of all masses beside that of one."""
    a, b = point.found[FLAT], point.found[own]
    missed = 1 - b.auc
    quotient = (1 - a.auc) / missed if missed > 0 else math.inf
    # Where one of the replicas is told perfectly, its quotient is none.
    with np.errstate(divide="ignore", invalid="ignore"):
        replicas = (1 - a.auc_replicas) / (1 - b.auc_replicas)
    replicas = replicas[np.isfinite(replicas)]
    error = float(np.std(replicas)) if len(replicas) else math.nan
    verdict: Verdict = "confirmed"
    if not quotient <= AS_GOOD:
        verdict = "contradicted" if quotient - AS_GOOD > SIGMAS * error else "not confirmed"
    return Claim("as good", FLAT, own, point.mass, quotient, error, verdict)
