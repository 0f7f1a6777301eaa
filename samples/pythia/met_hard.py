"""The missing momentum that an event is heading for, long before there are hadrons or a detector.

``met_hard`` is the vector sum of what will escape. It is 0 where the event cannot reach a search with two muons anyway,
and negative where more hard partons than one are in the way of a search with one jet: few such events are seen, but some.
What the search can see is declared by the process (:class:`~massgap.samples.processes.filters.DimuonAcceptance`).
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from massgap.samples.pythia.kinematics import Momentum, lies_in, pair_mass, pt_eta

if TYPE_CHECKING:
    from massgap.samples.processes.filters import DimuonAcceptance

__all__ = ["HardLepton", "is_third_muon", "met_hard"]

#: Shares of a tau's momentum that its neutrinos may take with them.
_TAU_SHARES = (0.7, 0.3, 0.0)
#: How much nearer (in eta) a third muon must be for each GeV of margin.
_ETA_PER_GEV = 1.0 / 20.0


@dataclass(frozen=True)
class HardLepton:
    """A muon or tau of the hard process."""

    pdg: int
    momentum: Momentum

    @property
    def is_tau(self) -> bool:
        """Whether it is a tau."""
        return abs(self.pdg) == 15


def met_hard(
    leptons: list[HardLepton], invisible: list[Momentum], jets: list[float], acceptance: DimuonAcceptance
) -> float:
    """Missing pt that the event is heading for, in GeV; 0 where the search cannot see it, its negative behind a second hard jet.

    Parameters
    ----------
    leptons : list
        Muons and taus. A pair of opposite charge is searched for among them; what is left over may get lost.
    invisible : list
        Momenta of neutrinos and other invisible particles.
    jets : list
        pt of the partons that may become hard jets.
    acceptance : DimuonAcceptance
        What the search can see.
    """
    ordered = sorted(jets, reverse=True)
    if acceptance.jet is not None and (not ordered or ordered[0] < acceptance.jet.pt):
        return 0.0
    sx, sy = sum(p[0] for p in invisible), sum(p[1] for p in invisible)
    best = 0.0
    for i, j in itertools.combinations(range(len(leptons)), 2):
        others = [leptons[k] for k in range(len(leptons)) if k not in (i, j)]
        if not _pair_fits(leptons[i], leptons[j], acceptance):
            continue
        if any(abs(other.pdg) == 13 and is_third_muon(other.momentum, acceptance) for other in others):
            continue
        best = max(best, _largest(leptons[i], leptons[j], others, sx, sy))
    if acceptance.jet is not None and len(ordered) > 1 and ordered[1] > acceptance.jet.second_pt:
        return -best
    return best


def _pair_fits(a: HardLepton, b: HardLepton, acceptance: DimuonAcceptance) -> bool:
    if a.pdg * b.pdg > 0:
        return False
    (pt_a, eta_a), (pt_b, eta_b) = pt_eta(a.momentum), pt_eta(b.momentum)
    if min(pt_a, pt_b) < acceptance.pt or max(abs(eta_a), abs(eta_b)) > acceptance.eta:
        return False
    if abs(eta_a - eta_b) > acceptance.delta_eta:
        return False
    return a.is_tau or b.is_tau or not lies_in(acceptance.veto, pair_mass(a.momentum, b.momentum))


def is_third_muon(p: Momentum, acceptance: DimuonAcceptance, margin: float = 0.0) -> bool:
    """Whether a muon beside the pair would certainly be seen, and the event refused; margin in GeV."""
    if acceptance.third_muon is None:
        return False
    pt, eta = pt_eta(p)
    pt_min, eta_max = acceptance.third_muon
    return pt > pt_min + margin and abs(eta) < eta_max - margin * _ETA_PER_GEV


def _largest(a: HardLepton, b: HardLepton, others: list[HardLepton], sx: float, sy: float) -> float:
    """Largest missing pt with this pair; sx, sy is what escapes in any case."""
    # leptons beside the pair may be lost or, as taus, seen: take what gives more missing momentum
    rest = [lepton.momentum for lepton in others]
    lost: list[tuple[float, float]] = [(0.0, 0.0)]
    if rest:
        lost.append((sum(p[0] for p in rest), sum(p[1] for p in rest)))
    # a tau's muon carries an unknown share of it
    shares = [_TAU_SHARES if lepton.is_tau else (0.0,) for lepton in (a, b)]
    best = 0.0
    for (lx, ly), fa, fb in itertools.product(lost, shares[0], shares[1]):
        x = sx + lx + fa * a.momentum[0] + fb * b.momentum[0]
        y = sy + ly + fa * a.momentum[1] + fb * b.momentum[1]
        best = max(best, math.hypot(x, y))
    return best
