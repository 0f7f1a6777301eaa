"""Drop events that an analysis cannot select, after the hard process and before hadronisation.

The filter counts what it saw: accepted over tried is the efficiency that multiplies the cross section.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.samples.extra import without_banner
from massgap.samples.pythia.hooks import FIRST, Counters, EventFilter
from massgap.samples.pythia.lepton_in_jet import LeptonsBesidePartons

if TYPE_CHECKING:
    from massgap.samples.processes.filters import ObjectFilter

__all__ = ["WantedObjects"]


class WantedObjects(EventFilter):
    """Keeps the events with the wanted leptons, photons and jets.

    Parameters
    ----------
    wanted : ObjectFilter or None
        None keeps everything and only counts.
    """

    def __init__(self, wanted: ObjectFilter | None) -> None:
        self.counters = Counters()
        self._wanted = wanted
        self.late = wanted is not None and bool(wanted.photons or wanted.vbf or wanted.beside_pt)
        self._jets: Any = None
        self._leptons: LeptonsBesidePartons | None = None
        if wanted is not None and wanted.beside_pt:
            self._leptons = LeptonsBesidePartons(wanted)
            self.scale = self._leptons.scale
        if wanted is not None and wanted.vbf:
            import pythia8mc

            self._jets = pythia8mc.SlowJet(-1, 0.4, wanted.jet_pt, wanted.jet_eta, 2, 1)

    def drops_process(self, event: Any) -> bool:
        """Drop what has too few leptons."""
        self.counters.tried += 1
        if self._wanted is not None and self._wanted.leptons and not _has_leptons(event, self._wanted):
            self.counters.dropped += 1
            return True
        if self._leptons is not None:
            self._leptons.begin(event)
        if not self.late:
            self.counters.accepted += 1
        return False

    def drops_at_scale(self, position: int, event: Any) -> bool:  # noqa: ARG002
        """Drop what has no hard parton where a lepton will be: what is emitted later is softer."""
        return self._leptons is not None and not self._leptons.may_be_in(event)

    def drops_partons(self, event: Any) -> bool:
        """Drop what has too few photons, no two jets far apart, or no lepton among hard partons."""
        wanted = self._wanted
        if wanted is not None and wanted.photons and not _has_photons(event, wanted):
            return True
        if wanted is not None and wanted.vbf and not self._has_two_jets(event, wanted):
            return True
        if self._leptons is not None and not self._leptons.are_in(event):
            return True
        self.counters.accepted += 1
        return False

    def _has_two_jets(self, event: Any, wanted: ObjectFilter) -> bool:
        with without_banner("SlowJet"):
            if not self._jets.analyze(event):
                return False
        jets = [self._jets.p(i) for i in range(self._jets.sizeJet())]
        for k, a in enumerate(jets):
            for b in jets[:k]:
                eta_a, eta_b = a.eta(), b.eta()
                if (
                    eta_a * eta_b < 0
                    and abs(eta_a - eta_b) > wanted.delta_eta
                    and (a + b).mCalc() > wanted.m_jj
                ):
                    return True
        return False


def _has_leptons(event: Any, wanted: ObjectFilter) -> bool:
    found = 0
    charges = set()
    for i in range(FIRST, event.size()):
        particle = event[i]
        kind = particle.id()
        if abs(kind) not in (11, 13, 15) or particle.status() < 0:
            continue
        if abs(kind) != 15 and not (
            particle.pT() > wanted.lepton_pt and abs(particle.eta()) < wanted.lepton_eta
        ):
            continue
        found += 1
        if abs(kind) != 11:
            charges.add(kind > 0)
    return found >= wanted.leptons and (not wanted.muon_pair or len(charges) == 2)


def _has_photons(event: Any, wanted: ObjectFilter) -> bool:
    found = 0
    for i in range(FIRST, event.size()):
        particle = event[i]
        if (
            particle.id() == 22
            and particle.status() > 0
            and particle.pT() > wanted.photon_pt
            and abs(particle.eta()) < wanted.photon_eta
        ):
            found += 1
    return found >= wanted.photons
