"""Z + jets with two muons: an analysis of one's own, to copy and to change.

massgap run ./examples/my_analysis.py:MyAnalysis events.root
"""

from __future__ import annotations

from typing import Any

import awkward as ak

from massgap.events.event import Event
from massgap.models.folds import fold_key
from massgap.processors.base.analysis import Analysis
from massgap.processors.base.flow import Flow
from massgap.processors.base.histograms import HistogramSpec
from massgap.selections.objects.definitions import away_from, select_jets, select_muons
from massgap.selections.objects.pairs import opposite_sign_pair
from massgap.selections.observables.four_vector_sum import four_vector_sum


class MyAnalysis(Analysis):
    """Opposite-sign muons within ``window`` GeV of the Z mass, and at least one jet."""

    name = "z_jets"
    channel = "mumu"

    def __init__(self, *, window: float = 10.0, jet_pt: float = 30.0, **options: Any) -> None:
        super().__init__(**options)
        self.window = float(window)
        self.jet_pt = float(jet_pt)

    def options(self) -> dict[str, Any]:
        """What can change a result: goes into the manifest and decides whether a finished chunk is used again."""
        return {**super().options(), "window": self.window, "jet_pt": self.jet_pt}

    def histograms(self) -> tuple[HistogramSpec, ...]:
        """Name, axis, label, bins and range of what ``select`` fills."""
        return (
            HistogramSpec("m_ll", "m_ll", r"$m_{\ell\ell}$ [GeV]", 40, 71.0, 111.0),
            HistogramSpec("pt_ll", "pt_ll", r"$p_T^{\ell\ell}$ [GeV]", 50, 0.0, 250.0),
            HistogramSpec("n_jets", "n_jets", "Jets", 8, 0.0, 8.0),
        )

    def select(self, event: Event, flow: Flow) -> None:
        """Objects, cuts, observables, histograms: GeV and radians, objects ordered by falling pT."""
        muons = select_muons(event.muons, pt=20.0)
        event = flow.keep(event.with_(muons=muons), "two muons", opposite_sign_pair(muons))

        jets = away_from(select_jets(event.jets, pt=self.jet_pt, eta=2.5), event.muons)
        event = flow.keep(event.with_(jets=jets), "a jet", ak.num(jets) >= 1)

        one, two = event.muons[:, 0], event.muons[:, 1]
        pair = four_vector_sum(one.pt, one.eta, one.phi, one.mass, two.pt, two.eta, two.phi, two.mass)
        on_z = abs(pair.mass - 91.19) < self.window
        flow.count("Z window", on_z)

        flow.fill("m_ll", pair.mass)
        flow.fill("pt_ll", pair.pt, mask=on_z)
        flow.fill("n_jets", ak.num(event.jets), mask=on_z)
        if self.features:  # a row per event, written with --set features=true
            key = fold_key(*event.identifiers.T)
            flow.write_rows(
                {"m_ll": pair.mass, "pt_ll": pair.pt, "met": event.met.pt, "fold_key": key, "precuts": on_z}
            )
