"""Which generated events of a process are wanted: plain numbers that the process declares and a filter reads.

The thresholds lie below those of the analyses. Leptons of the hard process that recoil against the shower may move across
a threshold: hence the margins. What acts on them is in :mod:`massgap.samples.pythia`, not here: numbers are part of the key
of a block (:mod:`massgap.samples.production.plan`), the code of this folder is not.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

from massgap.physical_constants import Z_MASS_ROUNDED

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = [
    "FILTERS",
    "DimuonAcceptance",
    "DimuonFilter",
    "MassWindow",
    "ObjectFilter",
    "OneJet",
    "tighter_cuts",
]

_MUONS = "muons of both charges, pT > {:g} GeV, abs(eta) < 2.5"
_MIXED = "an electron and a muon of opposite charge, pT > {:g} GeV, abs(eta) < 2.5"


@dataclass(frozen=True)
class MassWindow:
    """Masses that are closer to ``centre`` than ``half_width`` (GeV); by default around the Z."""

    half_width: float
    centre: float = Z_MASS_ROUNDED


@dataclass(frozen=True)
class OneJet:
    """One hard jet is asked for, as far as partons tell (GeV)."""

    #: The hardest parton must exceed this.
    pt: float
    #: The second hardest must not exceed this, or met_hard counts negative.
    second_pt: float = math.inf
    #: The same where two jets of partons are above this pt, within this abs(eta). Where such events have no slice of their own
    #: it has to be far above the search's 30 GeV: a jet that loses as much makes an event of the lowest slice pass, which weighs
    #: as much as hundreds of others.
    several_pt: float = 60.0
    several_eta: float = 4.4


@dataclass(frozen=True)
class DimuonAcceptance:
    """What a search with two muons can see of an event, as far as leptons and partons tell.

    What it cannot see goes into the slice that holds 0, whatever its missing momentum. The bounds are wider than the search's
    own, so that few selected events come from a slice with large weights.
    """

    #: Both muons (or taus) have at least this pt (GeV) and at most this abs(eta).
    pt: float
    eta: float
    #: The pair may not be further apart in eta, after the shower's hardest emission and in the hard process.
    delta_eta: float = math.inf
    hard_delta_eta: float = math.inf
    #: Pairs of muons in here are not seen. A width of 0 switches that off: where they have two parents, or tops radiate
    #: before they decay, their mass is not final yet.
    veto: MassWindow = MassWindow(0.0)
    #: A third muon above this pt (GeV) and within this abs(eta) would be seen, and the event refused; None: it may stay.
    third_muon: tuple[float, float] | None = None
    #: The search asks for one hard jet; None: for any number of jets.
    jet: OneJet | None = None


@dataclass(frozen=True)
class DimuonFilter:
    """Events with two muons or taus of opposite charge, in slices of the missing momentum that they head for.

    Or with an electron in place of one of the muons (``mixed``), as control regions of the other flavour need them.
    See :mod:`massgap.samples.pythia.muon_pairs` and :mod:`massgap.samples.pythia.met_slices`.
    """

    #: Written events hold muons of both charges (``mixed``: an electron and a muon) above this pt (GeV), abs(eta) < 2.5.
    muon_pt: float
    #: Lower edges of slices in met_hard, one per tranche; None where tranches are slices of phase space.
    edges: tuple[float, ...] | None = None
    #: What reaches the upper slices.
    acceptance: DimuonAcceptance | None = None
    #: Partons of the hard process, by absolute PDG number, that become jets.
    jets_from: tuple[int, ...] = ()
    #: Without slices: leptons of the hard process are above this pt (GeV) and within this abs(eta).
    lepton_pt: float = 4.0
    lepton_eta: float = 3.0
    #: Every event has exactly two taus: both are made to decay to muons (``mixed``: to electrons or muons), with the
    #: branching ratio in the weight.
    ditau: bool = False
    #: The settings and xsec_fb count taus as the leptons they are made to decay to.
    taus_in_xsec: bool = False
    #: One of the two leptons is an electron.
    mixed: bool = False
    #: Keep dimuons inside of a window in mass (``inside``) or outside of it only, where also taus and a third muon are.
    mass: MassWindow | None = None
    inside: bool = True
    #: Leave out events that hold nothing but muons, taus and neutrinos: another part of the process has them.
    drop_leptonic: bool = False

    def describe(self) -> str:
        """The filter in words."""
        return (_MIXED if self.mixed else _MUONS).format(self.muon_pt)


@dataclass(frozen=True)
class ObjectFilter:
    """Events with enough leptons after the hard process, and photons and jets after the shower.

    See :mod:`massgap.samples.pythia.object_filter`.
    """

    #: Electrons, muons and taus in the acceptance; a tau counts whatever its momentum.
    leptons: int = 0
    #: Two muons (or taus) of opposite charge among them.
    muon_pair: bool = False
    lepton_pt: float = 3.0
    lepton_eta: float = 2.8
    photons: int = 0
    photon_pt: float = 3.5
    photon_eta: float = 2.7
    #: Every event has exactly two taus: both are made to decay to muons, with the branching ratio in the weight.
    ditau: bool = False
    #: Written events hold muons of both charges above this pt (GeV), abs(eta) < 2.5; 0 for no such condition.
    muon_pt: float = 0.0
    #: Two jets in opposite hemispheres, far apart in pseudorapidity, with a large mass.
    vbf: bool = False
    jet_pt: float = 20.0
    jet_eta: float = 5.2
    delta_eta: float = 2.2
    m_jj: float = 140.0
    #: Around one of the leptons, closer than ``beside_radius``, partons with this sum of pT (GeV); 0 for no such condition.
    beside_pt: float = 0.0
    beside_radius: float = 1.2
    #: That lepton is none of the pair of opposite charge and same flavour whose mass is nearest to the Z's.
    beside_third: bool = False

    def describe(self) -> str:
        """The filter in words."""
        parts = []
        if self.leptons:
            kind = "leptons with two muons or taus of opposite charge" if self.muon_pair else "leptons"
            parts.append(
                f"{self.leptons} {kind}, pT > {self.lepton_pt:g} GeV, abs(eta) < {self.lepton_eta:g}"
            )
        if self.photons:
            parts.append(
                f"{self.photons} photon, pT > {self.photon_pt:g} GeV, abs(eta) < {self.photon_eta:g}"
            )
        if self.vbf:
            parts.append(
                f"two parton-level jets, pT > {self.jet_pt:g} GeV, eta1 eta2 < 0, abs(delta eta) > "
                f"{self.delta_eta:g}, m > {self.m_jj:g} GeV"
            )
        if self.beside_pt:
            parts.append(
                f"partons with pT > {self.beside_pt:g} GeV together within {self.beside_radius:g} of a lepton"
                + (" that is not of the Z" if self.beside_third else "")
            )
        if self.muon_pt:
            parts.append(_MUONS.format(self.muon_pt))
        return "; ".join(parts)


#: What the search selects behind the filter ``vbf``, by the names of MadGraph's run card: jets above this pT (GeV), farther
#: apart in eta, with a larger mass (GeV).
VBF_SELECTION = {"ptj": 30.0, "deltaeta": 2.5, "mmjj": 200.0}


def tighter_cuts(run_card: Mapping[str, str], selection: Mapping[str, float] = VBF_SELECTION) -> list[str]:
    """Cuts of a run card behind which events are missing that a selection would take, in sentences.

    Parameters
    ----------
    run_card
        Entries of MadGraph's run card by name.
    selection
        Thresholds by the same names.

    Examples
    --------
    >>> tighter_cuts({"mmjj": "300.0", "ptj": "20.0"})
    ['the file was made with mmjj > 300, tighter than the selection (200): events between are missing']
    """
    found = []
    for name, threshold in selection.items():
        try:
            cut = float(run_card.get(name, "0").lower().replace("d", "e"))
        except ValueError:
            continue
        if cut > threshold:
            found.append(
                f"the file was made with {name} > {cut:g}, tighter than the selection ({threshold:g}): events between are missing"
            )
    return found


#: Filters by name, for events from files.
FILTERS: dict[str, ObjectFilter | None] = {
    "none": None,
    "lepton": ObjectFilter(leptons=1),
    "dimuon": ObjectFilter(leptons=2, muon_pair=True, muon_pt=5.5),
    "3l": ObjectFilter(leptons=3),
    "dimuon-photon": ObjectFilter(leptons=2, muon_pair=True, photons=1, muon_pt=7.0),
    "vbf": ObjectFilter(leptons=1, vbf=True),
}
