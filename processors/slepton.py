"""Slepton pairs with intermediate mass gaps: two muons, one hard jet and MET.

The analysis of B. Dutta et al., "Applying machine learning techniques to searches for
lepton-partner pair-production with intermediate mass gaps at the Large Hadron Collider" (the slepton-bdt
paper): section IV.A for the topology, Table II for the 27 observables, section IV.C for the
pre-cuts and the classifier.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from massgap.events.errors import MissingBranchError
from massgap.models.folds import fold_key, held_out_fold
from massgap.processors.base.analysis import Analysis
from massgap.processors.base.histograms import HistogramSpec
from massgap.processors.errors import ProcessorError
from massgap.selections.slepton.features import FEATURES, FlatMet, pick, slepton_features
from massgap.selections.slepton.precuts import (
    passes_cos_theta_star,
    passes_ditau_veto,
    passes_met,
    passes_met_veto,
    passes_mt2_100,
    passes_z_window,
)
from massgap.selections.slepton.topology import Cuts, slepton_topology

if TYPE_CHECKING:
    from massgap.events.event import Event
    from massgap.processors.base.flow import Flow

__all__ = ["Slepton"]


class Slepton(Analysis):
    """The slepton analysis as a coffea processor.

    The paper prints neither the thresholds of leptons and jets nor the MET requirement of the
    topology: they are those of the authors' public card (jets pT > 20 and abs(eta) < 4.5, exactly one
    above 30 and that one within 2.5, b and tau vetoes, MET > 30, muons within 2.5), with muons
    above 10 GeV as in the CMS card of Delphes that the paper used.

    Parameters
    ----------
    model
        Path of an ONNX model made by ``massgap train``; its score is then filled and kept, each
        event scored by the classifier that has not seen it.  Checked when the processor is made.
    precuts
        Names of the pre-cuts, in order: any of ``z_window`` (veto 81 <= m_ll <= 101), ``met`` (> 110),
        ``cos_theta_star`` (abs < 0.5), ``mt2_100`` (< 130, the paper's Table III), ``m_tautau`` (veto
        0 to 125) and ``met_125`` (> 125; both of the earlier cut-based study).
    without
        Names of topology steps to switch off: ``no_electron``, ``no_b_jet``, ``no_tau``, ``met_30``.
    muon_pt, jet_pt, hard_jet_pt, topology_met
        Thresholds in GeV.
    variations, features, taggers
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

    name: ClassVar[str] = "slepton"
    channel: ClassVar[str] = "mumu1j"
    units: ClassVar[dict[str, str]] = {feature.name: feature.unit for feature in FEATURES}
    PRECUTS: ClassVar[dict[str, tuple[str, Any]]] = {
        "z_window": ("m_ll", passes_z_window),
        "met": ("met", passes_met),
        "cos_theta_star": ("cos_theta_star", passes_cos_theta_star),
        "mt2_100": ("mt2_100", passes_mt2_100),
        "m_tautau": ("m_tautau", passes_ditau_veto),
        "met_125": ("met", passes_met_veto),
    }
    STEPS: ClassVar[tuple[str, ...]] = ("no_electron", "no_b_jet", "no_tau", "met_30")

    def __init__(
        self,
        model: str | None = None,
        *,
        precuts: tuple[str, ...] | list[str] | str = ("z_window", "met", "cos_theta_star"),
        without: tuple[str, ...] | list[str] | str = (),
        muon_pt: float = 10.0,
        jet_pt: float = 20.0,
        hard_jet_pt: float = 30.0,
        topology_met: float = 30.0,
        **options: Any,
    ) -> None:
        super().__init__(**options)
        precuts = (precuts,) if isinstance(precuts, str) else precuts
        without = (without,) if isinstance(without, str) else without
        for given, known, what in ((precuts, self.PRECUTS, "pre-cut"), (without, self.STEPS, "step")):
            unknown = sorted(set(given) - set(known))
            if unknown:
                msg = f"unknown {what} {', '.join(map(repr, unknown))}; known are {', '.join(known)}"
                raise ProcessorError(msg)
        self.precuts = tuple(dict.fromkeys(precuts))
        self.without = tuple(sorted(set(without)))
        self.muon_pt, self.jet_pt = float(muon_pt), float(jet_pt)
        self.hard_jet_pt, self.topology_met = float(hard_jet_pt), float(topology_met)
        for threshold in ("muon_pt", "jet_pt", "hard_jet_pt", "topology_met"):
            if not 0.0 <= getattr(self, threshold) < math.inf:
                msg = f"{threshold} is {getattr(self, threshold)}: a threshold in GeV, 0 or more, is needed"
                raise ProcessorError(msg)
        self.cuts = Cuts(
            muon_pt=self.muon_pt,
            jet_pt=self.jet_pt,
            hard_jet_pt=self.hard_jet_pt,
            met=self.topology_met,
            use_electrons="no_electron" not in self.without,
            use_b_jets="no_b_jet" not in self.without,
            use_taus="no_tau" not in self.without,
            use_met="met_30" not in self.without,
        )
        switched = {
            "no_electron": "no electron",
            "": "exactly one hard jet",
            "no_b_jet": "no b jet",
            "no_tau": "no hadronic tau",
            "met_30": f"MET > {self.topology_met:g}",
        }
        self.steps = (
            "two opposite-sign muons",
            *(text for name, text in switched.items() if name not in self.without),
        )
        self.scorer = None
        if model is not None:
            from massgap.models.scoring.scorer import OnnxScorer

            self.scorer = OnnxScorer(model, [feature.name for feature in FEATURES])

    def options(self) -> dict[str, Any]:
        """The options as plain data, for manifest and checkpoint keys."""
        return {
            **super().options(),
            "precuts": list(self.precuts),
            "without": list(self.without),
            "muon_pt": self.muon_pt,
            "jet_pt": self.jet_pt,
            "hard_jet_pt": self.hard_jet_pt,
            "topology_met": self.topology_met,
        }

    def histograms(self) -> tuple[HistogramSpec, ...]:
        """All observables before and after the pre-cuts, N-1 distributions, and the score."""
        specs = []
        for f in FEATURES:
            label = f.axis_label
            specs.append(
                HistogramSpec(
                    f.name, f.name, label, f.bins, f.low, f.high, ("topology", "precuts"), "selection"
                )
            )
            specs.extend(
                HistogramSpec(f"nminus1_{cut}", f.name, label, f.bins, f.low, f.high)
                for cut in self.precuts
                if self.PRECUTS[cut][0] == f.name
            )
        if self.scorer is not None:
            folds = tuple(range(self.scorer.n_folds))
            specs.append(HistogramSpec("score", "score", "BDT score", 400, 0.0, 1.0, folds, "fold"))
        return tuple(specs)

    def select(self, event: Event, flow: Flow) -> None:
        """The paper's topology, observables and pre-cuts."""
        try:
            found = slepton_topology(event, self.cuts)
        except MissingBranchError as error:
            if not error.branch.startswith("Tau_"):
                raise
            remedy = "To run without the tau veto: --without no_tau, or Slepton(without=['no_tau'])."
            raise MissingBranchError(error.branch, error.where, remedy) from error
        flow.reach(self.steps, found.reached)
        muons, jets = event.flat("muons"), event.flat("jets")
        met = FlatMet(*(values[found.events] for values in event.flat_met()))
        event = event[found.reached == len(self.steps)]

        x = slepton_features(
            pick(muons, found.l1), pick(muons, found.l2), pick(jets, found.jet), met, found.ht
        )
        passes = {cut: self.PRECUTS[cut][1](x[self.PRECUTS[cut][0]]) for cut in self.precuts}
        selected = np.ones(len(event), dtype=bool)
        for cut, mask in passes.items():
            selected &= mask
            flow.count(cut, selected)

        for feature in FEATURES:
            flow.fill(feature.name, x[feature.name], classes=0)
            flow.fill(feature.name, x[feature.name], mask=selected, classes=1)
        for cut in self.precuts:
            others = np.ones(len(event), dtype=bool)
            for name, mask in passes.items():
                if name != cut:
                    others &= mask
            flow.fill(f"nminus1_{cut}", x[self.PRECUTS[cut][0]], mask=others)

        if self.scorer is None and not self.features:
            return
        key = fold_key(*event.identifiers.T)
        rows = {**x, "fold_key": key, "precuts": selected}
        if self.scorer is not None:
            fold = held_out_fold(key, self.scorer.n_folds)
            rows["score"] = self.scorer.score(x, fold)
            flow.fill("score", rows["score"].astype(np.float64), mask=selected, classes=fold)
        if self.features:
            flow.write_rows(rows)
