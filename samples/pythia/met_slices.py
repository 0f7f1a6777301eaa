"""Keep the events of one slice in the missing momentum that they head for, with two muons or taus.

Two decisions are taken long before the costly parts of an event (the full shower, hadrons, the detector):

* after the hard process: does the event hold a pair of muons (:mod:`massgap.samples.pythia.muon_pairs`)?
* after the hardest emission of the shower (and again when all partons are there): which missing momentum is the
  event heading for? The leptons and what escapes (:mod:`massgap.samples.pythia.met_hard`) are carried along with the
  recoil against that emission. Where the search that the process is made for cannot see the event, it is 0; where
  partons make more hard jets than the search asks for, it counts negative, so that such events may have a slice of
  their own: few of them are seen, but with the weights of the lowest slice these few would rule all sums.

Slices in met_hard (tranches) do not overlap and add up to the process, whatever the variable does: an event belongs
to exactly one slice. Its margins are wide against the cuts of an analysis, so that few selected events come from a
slice with large weights.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from massgap.samples.errors import GenerationError
from massgap.samples.extra import without_banner
from massgap.samples.pythia.hooks import COMPLETE, FIRST
from massgap.samples.pythia.kinematics import (
    Frame,
    Momentum,
    boost,
    frame_of,
    lies_in,
    momentum,
    pair_mass,
    pt_eta,
)
from massgap.samples.pythia.met_hard import HardLepton, is_third_muon, met_hard
from massgap.samples.pythia.muon_pairs import Made, MuonPairs, leptons_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from massgap.samples.processes.filters import DimuonAcceptance, DimuonFilter, OneJet

__all__ = ["MetSlices"]

_INVISIBLE = frozenset({12, 14, 16, 1000022, 1000023, 1000039})
#: Quarks, gluons and photons: what may become a jet.
_PARTONS = frozenset({*range(6), 21, 22})
#: Pairs whose pseudorapidities add up to more than this cannot be recoiled into the detector.
_SUM_ETA = 8.0
#: By so much (GeV) a third muon of the hard process must exceed what would be seen, for the recoil changes it.
_RECOIL = 6.0
#: Radius of jets, and distance within which one is a lepton.
_RADIUS = 0.4


class MetSlices(MuonPairs):
    """Decides after the hard process, after the first emission, and when all partons are there.

    Parameters
    ----------
    wanted : DimuonFilter
        Which events are wanted, the edges of the slices in met_hard, and what the search can see.
    slice_ : int
        The slice to keep.
    tau_to, force_taus, uniform
        As for :class:`~massgap.samples.pythia.muon_pairs.MuonPairs`.

    Attributes
    ----------
    values : list of float
        met_hard of the events that came out, in their order.
    """

    steps = 3
    early = True
    late = True

    def __init__(
        self,
        wanted: DimuonFilter,
        slice_: int,
        *,
        tau_to: Mapping[int, float],
        force_taus: Callable[[tuple[int, ...]], None],
        uniform: Callable[[], float],
    ) -> None:
        super().__init__(wanted, tau_to=tau_to, force_taus=force_taus, uniform=uniform)
        if wanted.edges is None or wanted.acceptance is None:
            msg = "slices in met_hard need edges, and the acceptance of the search: give DimuonFilter both"
            raise GenerationError(msg)
        self.values: list[float] = []
        self._edges, self._acceptance, self._slice = wanted.edges, wanted.acceptance, slice_
        self._unseen = self._slice_of(0.0)
        self.value, self.index = 0.0, self._unseen
        # the record after the hard process, and the rows of its leptons: most events are decided without the momenta in it
        self._process: Any = None
        self._leptons: tuple[int, ...] = ()
        self._jets = _SeveralJets(wanted.acceptance.jet) if wanted.acceptance.jet is not None else None
        # whether the slice is open until the shower, and whether it is yet to be decided in this attempt
        self._sliceable = self._pending = False
        # emissions seen in this attempt at a shower, and whether it has ended
        self._steps, self._closed = 0, False

    def _slice_of(self, value: float) -> int:
        return max((k for k, edge in enumerate(self._edges) if value >= edge), default=0)

    def drops_process(self, event: Any) -> bool:
        """Drop what has no pair, and from the other slices what cannot be seen."""
        self.counters.tried += 1
        self._pending = self._sliceable = False
        self.value, self.index = 0.0, self._unseen
        leptons = leptons_of(event, self.wanted)
        if not self.has_pair(event, leptons):
            self.counters.dropped += 1
            return True
        may_rise = may_be_seen(leptons, self._acceptance)
        if not may_rise and self._slice != self._unseen:
            return True
        self._process, self._leptons = event, tuple([one.row for one in leptons])
        self._sliceable = self._pending = may_rise
        self._steps, self._closed = 0, False
        return False

    def drops_step(self, position: int, n_isr: int, n_fsr: int, event: Any) -> bool:
        """Classify after the first emission off the beams."""
        if position < 4:  # not in the showers of decays, which come later
            self._note_attempt(n_isr + n_fsr)
        # a photon off a lepton may come first: wait for the first emission off the beams
        return n_isr > 0 and self._classify(event)

    def _note_attempt(self, steps: int) -> None:
        """Classify anew when Pythia, after a failure, showers the same hard process again."""
        if self._closed or steps <= self._steps:
            self._pending, self.index = self._sliceable, self._unseen
        self._steps, self._closed = steps, False

    def drops_partons_early(self, event: Any) -> bool:
        """Classify what had no emission off the beams."""
        if self._closed:
            self._note_attempt(0)
        self._closed = True
        return self._classify(event)

    def _classify(self, event: Any) -> bool:
        if not self._pending:
            return False
        self._pending = False
        self.value = self._heading_for(event)
        self.index = self._slice_of(self.value)
        # an event changes its slice yet if it turns out to hold several jets
        return self._slice not in (self.index, self._slice_of(-abs(self.value)))

    def _heading_for(self, event: Any) -> float:
        """met_hard of the event, where the shower's first emission has put it."""
        emitted = _hardest_parton(event)
        jet, jets_from = self._acceptance.jet, self.wanted.jets_from
        if jet is not None and not jets_from and emitted < jet.pt:
            return 0.0  # as met_hard has it, whatever the momenta: the hard process need not be read
        hard = _HardProcess.read(self._process, self._leptons, jets_from)
        leptons, invisible, jets = hard.after_emission(event)
        return met_hard(leptons, invisible, [*jets, emitted], self._acceptance)

    def drops_partons(self, event: Any) -> bool:
        """Keep the events of the slice."""
        # in every slice alike, also where it changes no decision: the recorded value would have a step at an edge
        if self._jets is not None and self.value > 0.0 and self._jets.are_in(event):
            self.value = -self.value
            self.index = self._slice_of(self.value)
        if self.index == self._slice:
            self.force_taus()
            self.counters.accepted += 1
            return False
        return True

    def end(self, status: str) -> None:
        """Keep the value of an event that came out: it may have failed after its last decision."""
        if status == COMPLETE:
            self.values.append(self.value)


def may_be_seen(leptons: list[Made], acceptance: DimuonAcceptance) -> bool:
    """Whether a pair of the hard process may still satisfy met_hard's conditions after the recoil."""
    for p in leptons:
        for q in leptons:
            if p.pdg > 0 or q.pdg < 0 or not _pair_may_be_seen(p, q, acceptance):
                continue
            others = [r for r in leptons if r is not p and r is not q and abs(r.pdg) == 13]
            if not any(is_third_muon(momentum(r.particle), acceptance, _RECOIL) for r in others):
                return True
    return False


def _pair_may_be_seen(p: Made, q: Made, acceptance: DimuonAcceptance) -> bool:
    eta_p, eta_q = p.particle.eta(), q.particle.eta()
    if abs(eta_p - eta_q) > acceptance.hard_delta_eta or abs(eta_p + eta_q) > _SUM_ETA:
        return False
    # The recoil carries each resonance's products along with it: only those of one resonance keep their mass.
    if abs(p.pdg) != 13 or abs(q.pdg) != 13 or p.particle.mother1() != q.particle.mother1():
        return True
    return not lies_in(acceptance.veto, pair_mass(momentum(p.particle), momentum(q.particle)))


def _hardest_parton(event: Any) -> float:
    """Largest pT (GeV) of what may become a jet, apart from decays: emissions, and partons that the hard process has made."""
    hardest = 0.0
    for row in range(FIRST, event.size()):
        particle = event[row]
        if particle.idAbs() in _PARTONS and particle.status() > 0:
            hardest = max(hardest, particle.pT())
    return hardest


class _Outgoing(NamedTuple):
    """A particle of the hard process: what it is, its momentum, and the row of what it descends from."""

    pdg: int
    momentum: Momentum
    ancestor: int


class _HardProcess(NamedTuple):
    """What the hard process made, and the momenta (by row) of what all that descends from."""

    old: dict[int, Momentum]
    leptons: list[_Outgoing]
    invisible: list[_Outgoing]
    jets: list[_Outgoing]

    @classmethod
    def read(cls, event: Any, leptons: tuple[int, ...], jets_from: tuple[int, ...]) -> _HardProcess:
        """Read the record after the hard process; ``leptons`` are rows."""
        # what each row descends from: particles that the hard process itself made have mothers up to row 4
        size = event.size()
        first = [0] * size
        groups: tuple[list[_Outgoing], ...] = ([], [], [])
        for row in range(FIRST, size):
            particle = event[row]
            mother, kind = particle.mother1(), particle.idAbs()
            first[row] = ancestor = row if mother < FIRST else first[mother]
            if row in leptons:
                groups[0].append(_Outgoing(particle.id(), momentum(particle), ancestor))
            elif kind in _INVISIBLE:
                groups[1].append(_Outgoing(kind, momentum(particle), ancestor))
            elif kind in jets_from:
                groups[2].append(_Outgoing(kind, momentum(particle), ancestor))
        rows = {found.ancestor for group in groups for found in group}
        return cls({row: momentum(event[row]) for row in rows}, *groups)

    def after_emission(self, event: Any) -> tuple[list[HardLepton], list[Momentum], list[float]]:
        """Leptons, momenta of what escapes, and pt of the jets, where the shower has put them."""
        new = {row: momentum(event[event[row].iBotCopyId()]) for row in self.old if row < event.size()}
        frames: dict[int, tuple[Frame, Frame]] = {}

        def now(found: _Outgoing) -> Momentum:
            row = found.ancestor
            if row not in new:
                return found.momentum
            if found.momentum == self.old[row]:
                return new[row]
            # a decay product is carried from its ancestor's old momentum to the new one
            if row not in frames:
                frames[row] = frame_of(self.old[row], -1.0), frame_of(new[row], 1.0)
            into, out = frames[row]
            return boost(boost(found.momentum, into), out)

        return (
            [HardLepton(found.pdg, now(found)) for found in self.leptons],
            [now(found) for found in self.invisible],
            [pt_eta(now(found))[0] for found in self.jets],
        )


class _SeveralJets:
    """Whether the partons make two jets or more, where one is asked for."""

    def __init__(self, limits: OneJet) -> None:
        import pythia8mc

        # 2: visible particles only; hadron-level jets end up softer than parton-level ones, rarely harder
        self._finder = pythia8mc.SlowJet(-1, _RADIUS, limits.several_pt, limits.several_eta, 2, 1)

    def are_in(self, event: Any) -> bool:
        with without_banner("SlowJet"):
            if not self._finder.analyze(event) or self._finder.sizeJet() < 2:
                return False  # most events: the particles need not be looked at
        # the leptons as they are now: where the first emission put them may be far away
        leptons = [
            (particle.eta(), particle.phi())
            for particle in (event[i] for i in range(FIRST, event.size()))
            if abs(particle.id()) in (11, 13, 15) and particle.status() > 0
        ]
        found = 0
        for i in range(self._finder.sizeJet()):
            eta, phi = self._finder.p(i).eta(), self._finder.phi(i)
            found += all(
                math.hypot(eta - other, math.remainder(phi - angle, 2 * math.pi)) > _RADIUS
                for other, angle in leptons
            )
        return found > 1
