"""Drop events that an analysis cannot select, after the hard process and before hadronisation.

The hook counts what it saw: accepted over tried is the efficiency that multiplies the cross section.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.samples.extra import without_banner
from massgap.samples.pythia.dimuon_filter import Counters

if TYPE_CHECKING:
    from massgap.samples.processes.process import ObjectFilter

__all__ = ["make_object_hook"]

#: Rows of Pythia's event record before the first outgoing particle of the hard process.
_FIRST = 5


def make_object_hook(wanted: ObjectFilter | None) -> tuple[Any, Counters]:
    """Pythia user hook that keeps the events with the wanted objects.

    Parameters
    ----------
    wanted : ObjectFilter or None
        None keeps everything and only counts.

    Returns
    -------
    hook, counters
        Keep a reference to the hook as long as Pythia uses it.
    """
    import pythia8mc

    counters = Counters()
    late = wanted is not None and bool(wanted.photons or wanted.vbf)
    slow_jet = (
        pythia8mc.SlowJet(-1, 0.4, wanted.jet_pt, wanted.jet_eta, 2, 1)
        if wanted is not None and wanted.vbf
        else None
    )

    class Hook(pythia8mc.UserHooks):  # type: ignore[misc, name-defined, unused-ignore]
        def canVetoProcessLevel(self) -> bool:
            return True

        def canVetoPartonLevel(self) -> bool:
            return late

        def doVetoProcessLevel(self, event: Any) -> bool:
            counters.tried += 1
            if wanted is not None and wanted.leptons and not self._leptons(event):
                counters.dropped += 1
                return True
            if not late:
                counters.accepted += 1
            return False

        def doVetoPartonLevel(self, event: Any) -> bool:
            if wanted is not None and wanted.photons and not self._photons(event):
                return True
            if slow_jet is not None and not self._vbf(event):
                return True
            counters.accepted += 1
            return False

        def _leptons(self, event: Any) -> bool:
            assert wanted is not None
            found = 0
            charges = set()
            for i in range(_FIRST, event.size()):
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

        def _photons(self, event: Any) -> bool:
            assert wanted is not None
            found = 0
            for i in range(_FIRST, event.size()):
                particle = event[i]
                if (
                    particle.id() == 22
                    and particle.status() > 0
                    and particle.pT() > wanted.photon_pt
                    and abs(particle.eta()) < wanted.photon_eta
                ):
                    found += 1
            return found >= wanted.photons

        def _vbf(self, event: Any) -> bool:
            assert wanted is not None
            assert slow_jet is not None
            with without_banner("SlowJet"):
                if not slow_jet.analyze(event):
                    return False
            jets = [slow_jet.p(i) for i in range(slow_jet.sizeJet())]
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

    return Hook(), counters
