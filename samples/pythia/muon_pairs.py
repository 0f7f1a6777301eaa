"""Keep hard processes with two muons or taus of opposite charge that a detector could see.

When exactly two such leptons exist, every tau among them must become a muon: the decay is forced, and the event is kept
with the probability of the branching ratio, so that weights stay equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.samples.pythia.hooks import FIRST, Counters, EventFilter
from massgap.samples.pythia.kinematics import lies_in, momentum, pair_mass

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.samples.processes.filters import DimuonFilter

__all__ = ["MuonPairs"]


class MuonPairs(EventFilter):
    """Decides after the hard process.

    Parameters
    ----------
    wanted : DimuonFilter
        Which events are wanted.
    tau_to_mu : float
        Branching ratio.
    force_taus : callable
        Called with True or False before an event whose taus must, or need not, decay to muons.
    uniform : callable
        Random numbers in [0, 1).
    """

    def __init__(
        self,
        wanted: DimuonFilter,
        *,
        tau_to_mu: float,
        force_taus: Callable[[bool], None],
        uniform: Callable[[], float],
    ) -> None:
        self.wanted = wanted
        self.counters = Counters()
        self._tau_to_mu = tau_to_mu
        self._force_taus = force_taus
        self._uniform = uniform
        self._forced = False

    def drops_process(self, event: Any) -> bool:
        """Drop what has no pair."""
        self.counters.tried += 1
        if self.has_pair(event):
            self.counters.accepted += 1
            return False
        self.counters.dropped += 1
        return True

    def has_pair(self, event: Any) -> bool:
        """Whether the event is wanted; tells Pythia how its taus decay."""
        particles = [event[i] for i in range(FIRST, event.size())]
        if self.wanted.drop_leptonic and not any(abs(particle.id()) < 12 for particle in particles):
            return False
        plus, minus = muons_and_taus(particles)
        if not plus or not minus:
            return False
        n_leptons = len(plus) + len(minus)
        n_taus = sum(abs(particle.id()) == 15 for particle in (*plus, *minus))
        forced = n_leptons == 2 and n_taus > 0
        if forced and self._uniform() >= self._tau_to_mu**n_taus:
            return False
        if not self._in_acceptance(plus, minus):
            return False
        if forced != self._forced:
            self._force_taus(forced)
            self._forced = forced
        return True

    def _in_acceptance(self, plus: list[Any], minus: list[Any]) -> bool:
        wanted = self.wanted
        if wanted.edges is None:
            plus, minus = (
                [p for p in side if p.pT() > wanted.lepton_pt and abs(p.eta()) < wanted.lepton_eta]
                for side in (plus, minus)
            )
            if not plus or not minus:
                return False
        if wanted.mass is None:
            return True
        return lies_in(wanted.mass, pair_mass(momentum(plus[0]), momentum(minus[0]))) == wanted.inside


def muons_and_taus(particles: list[Any]) -> tuple[list[Any], list[Any]]:
    """Positive and negative muons and taus that the hard process made and that do not decay in it."""
    leptons = [particle for particle in particles if abs(particle.id()) in (13, 15) and particle.status() > 0]
    return [p for p in leptons if p.id() < 0], [p for p in leptons if p.id() > 0]
