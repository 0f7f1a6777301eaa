"""Keep hard processes with two muons or taus of opposite charge that a detector could see.

When exactly two such leptons exist, every tau among them must become a muon: the decay is forced, and the event is kept
with the probability of the branching ratio, so that weights stay equal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from massgap.samples.pythia.hooks import FIRST, Counters, EventFilter
from massgap.samples.pythia.kinematics import lies_in, momentum, pair_mass

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.samples.processes.filters import DimuonFilter

__all__ = ["Made", "MuonPairs", "made_by", "muons_and_taus"]


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
        made = made_by(event)
        if self.has_pair(made, muons_and_taus(made)):
            self.counters.accepted += 1
            return False
        self.counters.dropped += 1
        return True

    def has_pair(self, made: list[Made], leptons: list[Made]) -> bool:
        """Whether the event is wanted; tells Pythia how its taus decay.

        Parameters
        ----------
        made : list of Made
            What the hard process made.
        leptons : list of Made
            Of that the muons and taus.
        """
        if self.wanted.drop_leptonic and not any(abs(one.pdg) < 12 for one in made):
            return False
        if len({one.pdg > 0 for one in leptons}) < 2:
            return False
        n_taus = sum(abs(one.pdg) == 15 for one in leptons)
        forced = len(leptons) == 2 and n_taus > 0
        if forced and self._uniform() >= self._tau_to_mu**n_taus:
            return False
        if not self._in_acceptance(leptons):
            return False
        if forced != self._forced:
            self._force_taus(forced)
            self._forced = forced
        return True

    def _in_acceptance(self, leptons: list[Made]) -> bool:
        wanted = self.wanted
        if wanted.edges is None:
            leptons = [
                one
                for one in leptons
                if one.particle.pT() > wanted.lepton_pt and abs(one.particle.eta()) < wanted.lepton_eta
            ]
        plus = [one.particle for one in leptons if one.pdg < 0]
        minus = [one.particle for one in leptons if one.pdg > 0]
        if not plus or not minus:
            return False
        if wanted.mass is None:
            return True
        if len(plus) + len(minus) > 2 or any(abs(one.pdg) == 15 for one in leptons):
            # The two that are measured may be others, or of another mass.
            return not wanted.inside
        return lies_in(wanted.mass, pair_mass(momentum(plus[0]), momentum(minus[0]))) == wanted.inside


class Made(NamedTuple):
    """A particle that the hard process made: its row, PDG number, and itself. Asking Pythia once saves time."""

    row: int
    pdg: int
    particle: Any


def made_by(event: Any) -> list[Made]:
    """All that the hard process made."""
    return [Made(i, particle.id(), particle) for i in range(FIRST, event.size()) for particle in (event[i],)]


def muons_and_taus(made: list[Made]) -> list[Made]:
    """Muons and taus that do not decay in the hard process."""
    return [one for one in made if abs(one.pdg) in (13, 15) and one.particle.status() > 0]
