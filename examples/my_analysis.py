"""Muons, jets and MET: an analysis of one's own, to copy and to change.

massgap run ./examples/my_analysis.py:MyAnalysis events.root
"""

from __future__ import annotations

from typing import Any

from massgap.contracts.description import Cut, Feature, Region, Score
from massgap.events import Event
from massgap.processors import Analysis, Flow
from massgap.selections.objects.definitions import select_jets, select_muons

PT_MU = Feature("pt_mu", r"$p_T^{\mu}$", "GeV", 0, 200, 40, "Transverse momentum of the leading muon")
MET = Feature("met", r"$E_T^{miss}$", "GeV", 0, 300, 30, "Missing transverse momentum")
HT = Feature("ht", r"$H_T$", "GeV", 0, 500, 25, "Scalar sum of the jets' transverse momenta")
M_MUMU = Feature("m_mumu", r"$m_{\mu\mu}$", "GeV", 0, 200, 40, "Invariant mass of the two muons")


class MyAnalysis(Analysis):
    """One or two muons and a jet with more than ``jet_pt`` GeV; with two muons also outside of the Z window."""

    name = "my_analysis"
    observables = (PT_MU, MET, HT, M_MUMU)
    regions = (
        Region("two_muons", "Two muons", channel="2mu"),
        Region(
            "off_z",
            "Two muons off the Z",
            channel="2mu",
            within="two_muons",
            cuts=(Cut("z_veto", "m_mumu", lambda m: abs(m - 91.19) > 10.0, edges=(81.19, 101.19)),),
        ),
        Region("one_muon", "One muon", channel="1mu"),
    )
    scores = (
        Score("pair", "Score of two muons", regions=("off_z",)),
        Score("single", "Score of one muon", regions=("one_muon",), features=("pt_mu", "met", "ht")),
    )

    def __init__(self, model: Any = None, *, jet_pt: float = 30.0, **options: Any) -> None:
        super().__init__(model, **options)
        self.jet_pt = float(jet_pt)

    def select(self, event: Event, flow: Flow) -> None:
        """Objects, cuts, channels, observables: GeV and radians, objects ordered by falling pT."""
        muons = select_muons(event.muons, pt=10.0)
        jets = select_jets(event.jets, pt=self.jet_pt, eta=2.5).away_from(muons, 0.4)
        event = flow.keep(event.with_(muons=muons, jets=jets), "a jet", jets.counts > 0)
        for name, n in (("2mu", 2), ("1mu", 1)):
            channel = flow.channel(name)
            chosen = channel.keep(event, f"muons: {n}", event.muons.counts == n)
            x = {"pt_mu": chosen.muons.at(0).pt, "met": chosen.met.pt, "ht": chosen.jets.sum("pt")}
            if n == 2:
                x["m_mumu"] = (chosen.muons.at(0).awkward + chosen.muons.at(1).awkward).mass
            channel.record(chosen, x)
