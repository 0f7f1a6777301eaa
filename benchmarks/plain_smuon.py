"""The smuon analysis in the usual columnar way: the thing to beat.

A coffea processor over NanoEvents, written as a user of awkward, vector, hist and the package ``mt2`` would: one
expression for whole arrays per cut and per observable.  Names and binnings of the observables are massgap's, everything
else is its own.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from coffea import processor

from benchmarks.plain_coffea import double, vectors_of
from massgap.selections.smuon.features import FEATURES

__all__ = ["PlainSmuon"]


class PlainSmuon(processor.ProcessorABC):
    """Table I, Table II, and the vetoes; ``process`` gives ``{"counts": {step: events}, "histograms": {name: hist.Hist}}``."""

    def process(self, events: Any) -> dict[str, Any]:
        """Process one chunk of NanoEvents."""
        counts = {}
        events = events[events.MET.pt > 100]
        counts["MET > 100"] = len(events)
        muons = events.Muon
        muons = muons[(muons.pt > 7) & (abs(muons.eta) < 2.5) & (muons.pfRelIso04_all < 0.2) & muons.mediumId]
        keep = ak.num(muons) >= 2
        events, muons = events[keep], muons[keep]
        counts["two muons"] = len(events)
        muons = muons[ak.argsort(muons.pt, ascending=False, stable=True)]
        keep = muons.charge[:, 0] * muons.charge[:, 1] < 0
        events, muons = events[keep], muons[keep]
        counts["opposite charge"] = len(events)
        m_mumu = (vectors_of(muons[:, 0]) + vectors_of(muons[:, 1])).mass
        keep = (m_mumu > 20) & (abs(m_mumu - 91.1876) > 15)
        events, muons = events[keep], muons[keep]
        counts["m_mumu"] = len(events)

        jets, electrons = objects(events, muons)
        x = observables(electrons, muons, jets, events.MET)
        heavy = x["m_t2"] > 90
        x = {name: values[heavy] for name, values in x.items()}
        weight = np.asarray(events.genWeight, dtype=np.float64)[heavy]
        counts["M_T2 > 90"] = len(weight)
        hard = (x["pt_mu1"] > 50) & (x["pt_mu2"] > 20)
        counts["muons above 50, 20"] = int(hard.sum())
        regions = {
            "preselection": np.ones(len(weight), dtype=bool),
            "static_veto": hard & ~(x["pt_j1"] > 25),
            "veto_a": ~(x["pt_j1"] > x["pt_mu1"]),
            "veto_b": ~(x["ht"] > x["pt_mu1"]),
            "veto_c": ~(x["pt_j1"] > x["st"]),
            "veto_d": ~(x["ht"] > x["st"]),
            "veto_e": ~(x["pt_j1"] > x["pt_mu2"]),
            "veto_f": ~(x["ht"] > x["pt_mu2"]),
        }
        return {"counts": counts, "histograms": _histograms(x, regions, weight)}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Nothing to do."""
        return accumulator


def objects(events: Any, muons: Any) -> tuple[Any, Any]:
    """Jets and electrons after the removal of overlap."""
    electrons, photons, taus, jets = events.Electron, events.Photon, events.Tau, events.WideJet
    electrons = electrons[
        (electrons.pt > 7)
        & (abs(electrons.eta) < 2.47)
        & (electrons.pfRelIso03_all < 0.2)
        & (electrons.cutBased >= 2)
    ]
    photons = photons[
        (photons.pt > 10)
        & (abs(photons.eta) < 2.37)
        & (photons.pfRelIso03_all < 0.2)
        & (photons.cutBased >= 1)
    ]
    taus = taus[(taus.pt > 20) & (abs(taus.eta) < 2.5) & (taus.idDeepTau2018v2p5VSjet >= 5)]
    jets = jets[(jets.pt > 15) & (abs(jets.eta) < 2.8)]
    for others, least in ((muons, 0.4), (photons, 0.4), (electrons, 0.2), (taus, 0.2)):
        jets = jets[ak.all(_distances(jets, others) >= least, axis=2)]
    electrons = electrons[ak.all(_distances(electrons, jets) >= 0.4, axis=2)]
    return (
        jets[ak.argsort(jets.pt, ascending=False, stable=True)],
        electrons[ak.argsort(electrons.pt, ascending=False, stable=True)],
    )


def _distances(one: Any, others: Any) -> Any:
    """Distance of each object to each of the others, shape (events, objects, others)."""
    a, b = ak.unzip(ak.cartesian([one[["eta", "phi"]], others[["eta", "phi"]]], nested=True))
    dphi = (double(a.phi) - double(b.phi) + np.pi) % (2 * np.pi) - np.pi
    return np.hypot(double(a.eta) - double(b.eta), dphi)


def observables(electrons: Any, muons: Any, jets: Any, met: Any) -> dict[str, np.ndarray]:
    """Table II of the smuon paper, one array expression each."""
    from mt2 import mt2

    def leading(found: Any, k: int, key: str) -> np.ndarray:
        padded = ak.pad_none(double(found[key]), k + 1, clip=True)[:, k]
        return np.asarray(ak.fill_none(padded, np.nan))

    x = {"n_e": ak.num(electrons), "n_mu": ak.num(muons), "n_j": ak.num(jets)}
    for key in ("pt", "eta", "phi"):
        for name, found in (("e", electrons), ("mu", muons), ("j", jets)):
            for k in (0, 1):
                x[f"{key}_{name}{k + 1}"] = leading(found, k, key)
    one, two = vectors_of(muons[:, 0]), vectors_of(muons[:, 1])
    pt, phi = np.asarray(double(met.pt)), np.asarray(double(met.phi))
    legs = [np.asarray(v) for v in (one.mass, one.px, one.py, two.mass, two.px, two.py)]
    dphi = abs((x["phi_mu1"] - x["phi_mu2"] + np.pi) % (2 * np.pi) - np.pi)
    energies = np.hypot(one.pt, one.mass) * np.hypot(two.pt, two.mass)
    st, ht, j1 = x["pt_mu1"] + x["pt_mu2"], ak.sum(double(jets.pt), axis=1), x["pt_j1"]
    ht = np.asarray(ht)
    over = np.where(ht > 0, ht, np.nan)
    x |= {
        "m_mumu": (one + two).mass,
        "m_ct": np.sqrt(one.mass**2 + two.mass**2 + 2 * (energies + one.pt * two.pt * np.cos(dphi))),
        "m_t2": mt2(*legs, pt * np.cos(phi), pt * np.sin(phi), 0.0, 0.0),
        "met": pt,
        "phi_met": phi,
        "ht": ht,
        "st": st,
        "abs_deta_mumu": abs(x["eta_mu1"] - x["eta_mu2"]),
        "abs_dphi_mumu": dphi,
        "pt_mu1_over_pt_mu2": x["pt_mu1"] / x["pt_mu2"],
        "pt_mu1_over_pt_j1": x["pt_mu1"] / j1,
        "pt_mu1_over_ht": x["pt_mu1"] / over,
        "st_over_ht": st / over,
        "pt_mu2_over_pt_j1": x["pt_mu2"] / j1,
        "st_over_pt_j1": st / j1,
        "pt_mu2_over_ht": x["pt_mu2"] / over,
    }
    return {name: np.asarray(values, dtype=np.float64) for name, values in x.items()}


def _histograms(
    x: dict[str, np.ndarray], regions: dict[str, np.ndarray], weight: np.ndarray
) -> dict[str, Any]:
    import hist

    out: dict[str, Any] = {}
    for feature in FEATURES:
        axis = hist.axis.Regular(feature.bins, feature.low, feature.high, name=feature.name)
        filled = regions if feature.name == "met" else {"preselection": regions["preselection"]}
        region = hist.axis.StrCategory(list(filled), name="region", overflow=False)
        out[feature.name] = hist.Hist(region, axis, storage="weight")
        defined = ~np.isnan(x[feature.name])
        for name, mask in filled.items():
            use = mask & defined
            out[feature.name].fill(region=name, **{feature.name: x[feature.name][use]}, weight=weight[use])
    return out
