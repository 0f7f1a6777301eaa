"""Keep hard processes with two muons or taus of opposite charge that a detector could see, or an electron and a muon.

When exactly two such leptons exist, every tau among them must become a muon: the decay is forced, and the event is kept
with the probability of the branching ratio, so that weights stay equal. Where an electron and a muon are wanted, a tau beside
one of them must become the other, and two taus become electrons or muons as their branching ratios have it.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from massgap.samples.pythia.hooks import FIRST, Counters, EventFilter
from massgap.samples.pythia.kinematics import lies_in, momentum, pair_mass

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from massgap.samples.processes.filters import DimuonFilter

__all__ = ["Made", "MuonPairs", "leptons_of", "made_by"]

_E, _MU, _TAU = 11, 13, 15


class MuonPairs(EventFilter):
    """Decides after the hard process.

    Parameters
    ----------
    wanted : DimuonFilter
        Which events are wanted.
    tau_to : mapping
        PDG number of a lepton -> branching ratio of taus to it. Where the settings count taus as the leptons that they become
        (``taus_in_xsec``), or all of them are counted later (``ditau``), the ratios add up to 1.
    force_taus : callable
        Called with the PDG numbers of the leptons that taus must decay to, () where they are free, before an event for which
        that changes.
    uniform : callable
        Random numbers in [0, 1).
    """

    def __init__(
        self,
        wanted: DimuonFilter,
        *,
        tau_to: Mapping[int, float],
        force_taus: Callable[[tuple[int, ...]], None],
        uniform: Callable[[], float],
    ) -> None:
        self.wanted = wanted
        self.counters = Counters()
        self._tau_to = tau_to
        self._force_taus = force_taus
        self._uniform = uniform
        # what taus must decay to in this event, and what Pythia was told last
        self._forced: tuple[int, ...] = ()
        self._told: tuple[int, ...] = ()

    def drops_process(self, event: Any) -> bool:
        """Drop what has no pair."""
        self.counters.tried += 1
        if self.has_pair(event, leptons_of(event, self.wanted)):
            self.force_taus()
            self.counters.accepted += 1
            return False
        self.counters.dropped += 1
        return True

    def force_taus(self) -> None:
        """Tell Pythia how the taus of this event decay, before hadrons are made; it takes as long as a hard process."""
        if self._forced != self._told:
            self._force_taus(self._forced)
            self._told = self._forced

    def has_pair(self, event: Any, leptons: list[Made]) -> bool:
        """Whether the event is wanted; :meth:`force_taus` is to be called for one that stays.

        Parameters
        ----------
        event : Pythia's record
            What the hard process made.
        leptons : list of Made
            Of that the muons and taus, and the electrons where one is wanted.
        """
        if self.wanted.drop_leptonic and not any(abs(one.pdg) < 12 for one in made_by(event)):
            return False
        if len({one.pdg > 0 for one in leptons}) < 2:
            return False
        forced = self._decays_of_taus([abs(one.pdg) for one in leptons])
        if forced is None or not self._in_acceptance(leptons):
            return False
        self._forced = forced
        return True

    def _decays_of_taus(self, kinds: list[int]) -> tuple[int, ...] | None:
        """What taus must decay to, () if anything; None for an event that is dropped."""
        n_taus = kinds.count(_TAU)
        if not self.wanted.mixed:
            forced: tuple[int, ...] = (_MU,) if len(kinds) == 2 and n_taus else ()
        elif len(kinds) != 2 or kinds in ([_E, _E], [_MU, _MU]):
            return None
        elif n_taus == 2:
            forced = (_E, _MU)
        else:
            forced = tuple(other for kind, other in ((_E, _MU), (_MU, _E)) if n_taus and kind in kinds)
        if forced and self._uniform() >= sum(self._tau_to[kind] for kind in forced) ** n_taus:
            return None
        return forced

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


def leptons_of(event: Any, wanted: DimuonFilter) -> list[Made]:
    """Muons and taus that do not decay in the hard process, and electrons where one of the two may be one."""
    kinds = (_E, _MU, _TAU) if wanted.mixed else (_MU, _TAU)
    found = []
    for row in range(FIRST, event.size()):
        particle = event[row]
        if particle.idAbs() in kinds and particle.status() > 0:
            found.append(Made(row, particle.id(), particle))
    return found
