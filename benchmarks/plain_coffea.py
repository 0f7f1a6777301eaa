"""The slepton analysis in the usual columnar way: the thing to beat.

A coffea processor over NanoEvents, written as a user of awkward, vector, hist and the package ``mt2`` would: one
expression for whole arrays per cut and per observable.  Objects, steps, observables and histograms are those of
:class:`massgap.processors.slepton.Slepton` for NanoAOD of version 12; sums are plain doubles of generator weights.
Names and binnings of the observables are massgap's, everything else is its own.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np
from coffea import processor
from coffea.nanoevents.methods import vector

from massgap.selections.slepton.features import FEATURES

if TYPE_CHECKING:
    import hist

__all__ = ["PlainSlepton", "double", "vectors_of"]


class PlainSlepton(processor.ProcessorABC):
    """Two opposite-sign muons, one hard jet, MET; 27 observables before and after the pre-cuts, and N-1.

    ``process`` returns ``{"counts": {step: events}, "histograms": {name: hist.Hist}}``, which coffea's runners add.
    """

    def process(self, events: Any) -> dict[str, Any]:
        """Process one chunk of NanoEvents."""
        counts = {"all events": len(events)}
        weight = np.asarray(events.genWeight, dtype=np.float64)

        muons = events.Muon
        muons = muons[
            (muons.pt > 10) & (abs(muons.eta) < 2.5) & (muons.pfRelIso04_all < 0.25) & muons.mediumId
        ]
        electrons = events.Electron
        electrons = electrons[
            (electrons.pt > 10)
            & (abs(electrons.eta) < 2.5)
            & (electrons.pfRelIso03_all < 0.15)
            & (electrons.cutBased >= 2)
        ]
        keep = (ak.num(muons) == 2) & (ak.sum(muons.charge, axis=1) == 0)
        counts["two opposite-sign muons"] = int(ak.sum(keep))
        keep = keep & (ak.num(electrons) == 0)
        counts["no electron"] = int(ak.sum(keep))

        # What follows is done for the events that are left, which have no electrons to clean jets from.
        muons, jets, taus, met = muons[keep], events.Jet[keep], events.Tau[keep], events.MET[keep]
        weight = weight[keep]
        jets = jets[
            (jets.pt > 20)
            & (abs(jets.eta) < 4.5)
            & ((jets.jetId & 2) != 0)
            & ((jets.pt > 50) | ((jets.puId & 4) != 0))
        ]
        jets = jets[ak.all(jets.metric_table(muons) >= 0.4, axis=2)]
        taus = taus[(taus.pt > 20) & (abs(taus.eta) < 2.5) & (taus.idDeepTau2018v2p5VSjet >= 5)]
        taus = taus[ak.all(taus.metric_table(muons) >= 0.4, axis=2)]
        hard = jets.pt > 30
        central = abs(jets.eta) < 2.5
        steps = {
            "exactly one hard jet": (ak.sum(hard, axis=1) == 1) & ak.all(central | ~hard, axis=1),
            "no b jet": ~ak.any(central & (jets.btagDeepFlavB > 0.2783), axis=1),
            "no hadronic tau": ak.num(taus) == 0,
            "MET > 30": met.pt > 30,
        }
        keep = np.ones(len(weight), dtype=bool)
        for step, mask in steps.items():
            keep = keep & np.asarray(mask)
            counts[step] = int(keep.sum())

        muons, jets, met, weight = muons[keep], jets[keep], met[keep], weight[keep]
        muons = muons[ak.argsort(muons.pt, ascending=False, stable=True)]
        jets = jets[ak.argsort(jets.pt, ascending=False, stable=True)]
        x = observables(
            vectors_of(muons[:, 0]),
            vectors_of(muons[:, 1]),
            vectors_of(jets[:, 0]),
            met,
            ak.sum(double(jets.pt), axis=1),
        )
        cuts = {
            "z_window": (x["m_ll"] < 81) | (x["m_ll"] > 101),
            "met": x["met"] > 110,
            "cos_theta_star": x["cos_theta_star"] < 0.5,
        }
        selected = np.ones(len(weight), dtype=bool)
        for name, mask in cuts.items():
            selected = selected & mask
            counts[name] = int(selected.sum())
        return {"counts": counts, "histograms": _histograms(x, cuts, selected, weight)}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Nothing to do."""
        return accumulator


def double(array: Any) -> Any:
    """The numbers in double precision."""
    return ak.values_astype(array, np.float64)


def vectors_of(objects: Any) -> Any:
    """Four-vectors of objects, in double precision."""
    return ak.zip(
        {name: double(objects[name]) for name in ("pt", "eta", "phi", "mass")},
        with_name="PtEtaPhiMLorentzVector",
        behavior=vector.behavior,
    )


def observables(l1: Any, l2: Any, jet: Any, met: Any, ht: Any) -> dict[str, np.ndarray]:
    """Table II of the slepton paper, one array expression each.

    Parameters
    ----------
    l1, l2, jet
        Lorentz vectors, one per event.
    met
        Records with pt and phi, one per event.
    ht
        Scalar sum of the jets' transverse momenta, GeV.
    """
    from mt2 import mt2

    pt, phi = np.asarray(double(met.pt)), np.asarray(double(met.phi))
    missing = ak.zip({"pt": pt, "phi": phi}, with_name="PolarTwoVector", behavior=vector.behavior)
    legs = [np.asarray(v) for v in (l1.mass, l1.px, l1.py, l2.mass, l2.px, l2.py)]
    momentum = pt * np.cos(phi), pt * np.sin(phi)
    m_ll = (l1 + l2).mass
    mt2_0, mt2_100 = (mt2(*legs, *momentum, chi, chi) for chi in (0.0, 100.0))
    # The lepton pair and the neutrinos along its leptons balance the jet: equation (1).
    cross = l1.px * l2.py - l1.py * l2.px
    share1 = -(jet.px * l2.py - jet.py * l2.px) / cross
    share2 = -(l1.px * jet.py - l1.py * jet.px) / cross
    m2_tautau = m_ll**2 * share1 * share2
    out = {
        "m_ll": m_ll,
        "m_j": jet.mass,
        "mt2_0": mt2_0,
        "mt2_100": mt2_100,
        "m_tautau": np.sign(m2_tautau) * np.sqrt(abs(m2_tautau)),
        "met": pt,
        "ht": ht,
        "meff": pt + ht,
        "pt_l1": l1.pt,
        "pt_l2": l2.pt,
        "pt_j": jet.pt,
        "ratio_mt2": (mt2_100 - 100) / mt2_0,
        "pt_l1_over_met": l1.pt / pt,
        "pt_l2_over_met": l2.pt / pt,
        "pt_j_over_met": jet.pt / pt,
        "dphi_l1_met": abs(l1.delta_phi(missing)),
        "dphi_l2_met": abs(l2.delta_phi(missing)),
        "dphi_j_met": abs(jet.delta_phi(missing)),
        "dphi_l1_l2": abs(l1.delta_phi(l2)),
        "dphi_l1_j": abs(l1.delta_phi(jet)),
        "dphi_l2_j": abs(l2.delta_phi(jet)),
        "cos_theta_star": np.tanh(abs(l1.eta - l2.eta) / 2),
        "tanh_deta_l1_j": np.tanh(abs(l1.eta - jet.eta)),
        "tanh_deta_l2_j": np.tanh(abs(l2.eta - jet.eta)),
        "eta_l1": l1.eta,
        "eta_l2": l2.eta,
        "eta_j": jet.eta,
    }
    return {name: np.asarray(values) for name, values in out.items()}


def _histograms(
    x: dict[str, np.ndarray], cuts: dict[str, np.ndarray], selected: np.ndarray, weight: np.ndarray
) -> dict[str, hist.Hist[Any]]:
    import hist

    out: dict[str, Any] = {}
    region = hist.axis.StrCategory(["topology", "precuts"], name="region", overflow=False)
    for feature in FEATURES:
        axis = hist.axis.Regular(feature.bins, feature.low, feature.high, name=feature.name)
        values = x[feature.name]
        out[feature.name] = hist.Hist(region, axis, storage="weight")
        out[feature.name].fill(region="topology", **{feature.name: values}, weight=weight)
        out[feature.name].fill(region="precuts", **{feature.name: values[selected]}, weight=weight[selected])
        if feature.name in ("m_ll", "met", "cos_theta_star"):
            cut = "z_window" if feature.name == "m_ll" else feature.name
            others = np.logical_and.reduce([mask for name, mask in cuts.items() if name != cut])
            out[f"nminus1_{cut}"] = hist.Hist(axis, storage="weight")
            out[f"nminus1_{cut}"].fill(values[others], weight=weight[others])
    return out
