"""Slepton pairs with intermediate mass gaps: two muons, one hard jet and MET.

The analysis of B. Dutta et al., "Applying machine learning techniques to searches for
lepton-partner pair-production with intermediate mass gaps at the Large Hadron Collider" (the slepton-bdt
paper): section IV.A for the topology, Table II for the 27 observables, section IV.C for the
pre-cuts and the classifier.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

from massgap.arrays.jagged.collection import Collection
from massgap.contracts.description import Region, Score
from massgap.processors.base.analysis import Analysis
from massgap.processors.base.named_scores import named_scores
from massgap.processors.base.options import choice, names, threshold
from massgap.processors.errors import ProcessorError
from massgap.selections.objects.definitions import select_electrons, select_jets, select_muons
from massgap.selections.objects.pairs import opposite_sign_pair
from massgap.selections.objects.tau_veto import taus_of_veto
from massgap.selections.slepton.features import FEATURES, slepton_features
from massgap.selections.slepton.precuts import PRECUTS
from massgap.selections.slepton.processes import PROCESSES
from massgap.selections.slepton.regions import CONTROLS, SELECTIONS, further_regions

if TYPE_CHECKING:
    import numpy as np
    import numpy.typing as npt

    from massgap.events.event import Event
    from massgap.processors.base.flow import Flow

__all__ = ["Slepton"]

_EMU = "emu1j"


class Slepton(Analysis):
    """The slepton analysis as a coffea processor.

    The paper prints neither the thresholds of leptons and jets nor the MET requirement of the
    topology: they are those of the authors' public card (jets pT > 20 and abs(eta) < 4.5, exactly one
    above 30 and that one within 2.5, b and tau vetoes, MET > 30, muons within 2.5), with muons
    above 10 GeV as in the CMS card of Delphes that the paper used.

    Parameters
    ----------
    model
        Path of an ONNX model made by ``massgap train``, or name -> path: the score of each name is filled in the region that
        its model was trained on.
    precuts
        Names of the pre-cuts, in order: any of ``z_window`` (veto 81 <= m_ll <= 101), ``met`` (> 110),
        ``cos_theta_star`` (abs < 0.5), ``mt2_100`` (< 130, the paper's Table III), ``m_tautau`` (veto
        0 to 125) and ``met_125`` (> 125; both of the earlier cut-based study).
    without
        Names of topology steps to switch off: ``no_electron``, ``no_b_jet``, ``no_tau``, ``met_30``.
    selections
        Further selections beside the pre-cuts: ``low_mt2`` (pre-cuts and M_T2^100 < 130) and ``earlier`` (what is known of the
        cut-based study's), see :mod:`massgap.selections.slepton.regions`.
    controls
        Control regions: ``tt`` (one b jet, else as the pre-cuts), ``WW`` (abs(cos theta*) of 0.5 and more) and ``emu`` (an
        electron and a muon in place of two muons, both above ``muon_pt``, else as the pre-cuts, scores included). The paper
        has none of them.
    order
        Of the steps of the topology, which select the same events: ``paper``, or ``authors`` as the authors' tool counts them.
    muon_pt, jet_pt, hard_jet_pt, topology_met
        Thresholds in GeV.
    met, variations, features, taggers, collections
        See :class:`massgap.processors.base.analysis.Analysis`.

    Raises
    ------
    ProcessorError
        If a pre-cut or step is unknown.
    massgap.models.errors.ModelError
        If the model does not fit the 27 observables.

    Examples
    --------
    >>> Slepton().precuts
    ('z_window', 'met', 'cos_theta_star')
    """

    name = "slepton"
    title = "Slepton pairs in two muons, one jet and missing momentum"
    source = (
        "B. Dutta et al., Applying machine learning techniques to searches for lepton-partner pair-production"
    )
    channel = "mumu1j"
    observables = FEATURES
    scores: tuple[Score, ...] = (Score("score", "BDT score", regions=("precuts",)),)
    processes = PROCESSES
    luminosity = 300.0
    STEPS = ("no_electron", "no_b_jet", "no_tau", "met_30")

    def __init__(
        self,
        model: Any = None,
        *,
        precuts: tuple[str, ...] | list[str] | str = ("z_window", "met", "cos_theta_star"),
        without: tuple[str, ...] | list[str] | str = (),
        selections: tuple[str, ...] | list[str] | str = (),
        controls: tuple[str, ...] | list[str] | str = (),
        order: str = "paper",
        muon_pt: float = 10.0,
        jet_pt: float = 20.0,
        hard_jet_pt: float = 30.0,
        topology_met: float = 30.0,
        **options: Any,
    ) -> None:
        self.precuts = names("precuts", precuts, PRECUTS)
        self.without = tuple(sorted(names("without", without, self.STEPS)))
        self.selections = names("selections", selections, SELECTIONS)
        self.controls = names("controls", controls, CONTROLS)
        if "tt" in self.controls and "no_b_jet" in self.without:
            msg = "a control region of events with a b jet needs the b veto: leave out --controls tt, or --without no_b_jet"
            raise ProcessorError(msg)
        self.order = choice("order", order, ("paper", "authors"))
        self.muon_pt = threshold("muon_pt", muon_pt)
        self.jet_pt = threshold("jet_pt", jet_pt)
        self.hard_jet_pt = threshold("hard_jet_pt", hard_jet_pt)
        self.topology_met = threshold("topology_met", topology_met)
        cuts = tuple(PRECUTS[name] for name in self.precuts)
        self.regions = (
            Region("topology", "Topology"),
            Region("precuts", "Pre-cuts", within="topology", cuts=cuts),
            *further_regions(self.selections, self.controls, cuts),
        )
        self.scores = named_scores(model, type(self).scores)
        if "emu" in self.controls:
            self.scores = tuple(
                replace(score, controls=("cr_emu",)) if "precuts" in score.regions else score
                for score in self.scores
            )
        super().__init__(model, **options)

    def select(self, event: Event, flow: Flow) -> None:
        """The topology of section IV.A, then the observables of Table II and the pre-cuts."""
        if "emu" in self.controls:
            other = flow.channel(_EMU)
            self._without_b(self._of_emu(event, other), other)
        if {"emu", "tt"} & {*self.controls}:
            flow = flow.channel(self.channel)
        event = self._of_mumu(event, flow)
        if "tt" in self.controls:
            other = flow.channel("mumu1b")
            self._after_b(other.keep(event, "a b jet", self._has_b(event)), other)
        self._without_b(event, flow)

    def _of_mumu(self, event: Event, flow: Flow) -> Event:
        """Two muons, no electron, and one jet."""
        if self.order == "authors":
            event = self._tau_veto(event, flow)
        event = event.with_(muons=select_muons(event.muons, pt=self.muon_pt))
        event = flow.keep(event, "two opposite-sign muons", opposite_sign_pair(event.muons))
        event = event.with_(electrons=select_electrons(event.electrons))
        if "no_electron" not in self.without:
            event = flow.keep(event, "no electron", event.electrons.counts == 0)
        return self._one_jet(event, flow)

    def _of_emu(self, event: Event, flow: Flow) -> Event:
        """An electron and a muon, and one jet."""
        if self.order == "authors":
            event = self._tau_veto(event, flow)
        event = event.with_(
            muons=select_muons(event.muons, pt=self.muon_pt),
            electrons=select_electrons(event.electrons, pt=self.muon_pt),
        )
        found = (event.muons.counts == 1) & (event.electrons.counts == 1)
        event = flow.keep(event, "one electron and one muon", found)
        event = flow.keep(event, "of opposite charge", opposite_sign_pair(_leptons(event, flow)))
        return self._one_jet(event, flow)

    def _one_jet(self, event: Event, flow: Flow) -> Event:
        """Jets that are no lepton; exactly one hard jet, or what the authors' order asks of it here."""
        jets = select_jets(event.jets, pt=self.jet_pt).away_from(event.muons, 0.4)
        event = event.with_(jets=jets.away_from(event.electrons, 0.4))
        if self.order == "paper":
            return flow.keep(event, "exactly one hard jet", self._one_hard_jet(event.jets))
        event = flow.keep(event, "a hard jet", self._hard(event.jets).counts > 0)
        forward = self._hard(event.jets).filter(lambda eta: abs(eta) >= 2.5, "eta")
        return flow.keep(event, "no forward hard jet", forward.counts == 0)

    def _without_b(self, event: Event, flow: Flow) -> None:
        if "no_b_jet" not in self.without:
            event = flow.keep(event, "no b jet", ~self._has_b(event))
        self._after_b(event, flow)

    def _after_b(self, event: Event, flow: Flow) -> None:
        """Taus and missing momentum, and all that is computed."""
        if self.order == "paper":
            event = self._tau_veto(event, flow)
        if "met_30" not in self.without:
            event = flow.keep(event, f"MET > {self.topology_met:g}", event.met.pt > self.topology_met)
        if self.order == "authors":
            event = flow.keep(event, "exactly one hard jet", self._one_hard_jet(event.jets))
        for region in self.regions:
            # Without pre-cuts a region is the whole of the one that it lies within.
            if region.within and not region.cuts and (region.channel or self.channel) == flow.name:
                flow.region(region.name, flow.passes(region.within))
        leptons, jets = _leptons(event, flow), event.jets
        flow.record(
            event, slepton_features(leptons.at(0), leptons.at(1), jets.at(0), event.met, jets.sum("pt"))
        )

    def _tau_veto(self, event: Event, flow: Flow) -> Event:
        if "no_tau" in self.without:
            return event
        others = (event.electrons,) if flow.name == _EMU else ()
        taus = taus_of_veto(event, event.muons, *others, analysis=type(self).__name__)
        return flow.keep(event, "no hadronic tau", taus.counts == 0)

    def _has_b(self, event: Event) -> npt.NDArray[np.bool_]:
        b_jets = event.jets.filter(lambda eta, tagged: (abs(eta) < 2.5) & tagged, "eta", "b_tagged")
        return b_jets.counts > 0

    def _hard(self, jets: Collection) -> Collection:
        return jets.filter(lambda pt: pt > self.hard_jet_pt, "pt")

    def _one_hard_jet(self, jets: Collection) -> npt.NDArray[np.bool_]:
        """Exactly one, which is central."""
        hard = self._hard(jets)
        central = hard.filter(lambda eta: abs(eta) < 2.5, "eta")
        return (hard.counts == 1) & (central.counts == 1)


def _leptons(event: Event, flow: Flow) -> Collection:
    """The two leptons, the one with the larger pT first."""
    if flow.name == _EMU:
        return Collection.merged({13: event.muons, 11: event.electrons})
    return event.muons
