"""The vector-like-quark analysis in the usual columnar way: NanoEvents, vector behaviours, one awkward expression per step.

Names and binnings of the observables are massgap's, everything else is its own.
"""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from coffea import processor
from coffea.nanoevents.methods import vector

from massgap.selections.vlq.features import FEATURES

__all__ = ["PlainVlq"]

M_Z, M_W, M_TOP = 91.1880, 80.379, 172.5
STEPS = (
    "three leptons",
    "pT(Z) > 60",
    "fat jet away from the Z leptons",
    "third lepton in the fat jet",
    "slim jet",
    "dR(Z, J) >= 1",
)


class PlainVlq(processor.ProcessorABC):
    """``process`` returns ``{"counts": {step: events}, "histograms": {name: hist.Hist}}``, which coffea's runners add."""

    def process(self, events: Any) -> dict[str, Any]:
        """Process one chunk of NanoEvents."""
        import hist

        good = [
            _vectors(events.Electron[events.Electron.cutBased >= 2], 11),
            _vectors(events.Muon[events.Muon.mediumId], 13),
        ]
        leptons = ak.concatenate(good, axis=1)
        leptons = leptons[(leptons.pt >= 25) & (abs(leptons.eta) < 2.5)]
        leptons = leptons[ak.argsort(leptons.pt, ascending=False, stable=True)]
        keep = (ak.num(leptons) >= 3) & ak.fill_none(ak.max(leptons.pt, axis=1) > 40, False)
        counts = {STEPS[0]: int(ak.sum(keep))}
        events, leptons = events[keep], leptons[keep]

        leptons["place"] = ak.local_index(leptons)
        pairs = ak.combinations(leptons, 2, fields=["a", "b"])
        pairs = pairs[(pairs.a.charge * pairs.b.charge < 0) & (pairs.a.flavour == pairs.b.flavour)]
        best = ak.argmin(abs((pairs.a + pairs.b).mass - M_Z), axis=1, keepdims=True)
        pair = ak.firsts(pairs[best])
        z = pair.a + pair.b
        keep = ak.fill_none(z.pt > 60, False)
        counts[STEPS[1]] = int(ak.sum(keep))
        events, leptons, pair, z = events[keep], leptons[keep], pair[keep], z[keep]

        third = ak.firsts(leptons[(leptons.place != pair.a.place) & (leptons.place != pair.b.place)])
        fat = _vectors(events.FatJet)
        fat = fat[(fat.pt > 80) & (abs(fat.eta) < 2.5)]
        fat = fat[(fat.delta_r(pair.a) >= 0.8) & (fat.delta_r(pair.b) >= 0.8)]
        some = ak.num(fat) > 0
        counts[STEPS[2]] = int(ak.sum(some))
        rest = fat - third
        fat = fat[(fat.delta_r(third) < 0.8) & (rest.pt > 80) & (rest.delta_r(third) < 0.8)]
        keep = ak.num(fat) > 0
        counts[STEPS[3]] = int(ak.sum(keep))
        slim = _vectors(
            events.Jet[((events.Jet.jetId & 2) != 0) & ((events.Jet.pt > 50) | ((events.Jet.puId & 4) != 0))]
        )
        slim = slim[(slim.pt > 25) & (abs(slim.eta) < 5)]
        slim = slim[ak.all(slim.metric_table(leptons) >= 0.4, axis=2)]
        keep = keep & (ak.num(slim) > 0)
        counts[STEPS[4]] = int(ak.sum(keep))
        big = ak.firsts(fat[ak.argmax(fat.pt, axis=1, keepdims=True)])
        keep = keep & ak.fill_none(z.delta_r(big) >= 1, False)
        counts[STEPS[5]] = int(ak.sum(keep))

        x = observables(events[keep].MET, pair[keep], z[keep], third[keep], big[keep], slim[keep])
        weight = np.asarray(events[keep].genWeight, np.float64)
        filled = {}
        for feature in FEATURES:
            axis = hist.axis.Regular(feature.bins, feature.low, feature.high, name=feature.name)
            filled[feature.name] = hist.Hist(axis, storage="weight").fill(x[feature.name], weight=weight)
        return {"counts": counts, "histograms": filled}

    def postprocess(self, accumulator: dict[str, Any]) -> dict[str, Any]:
        """Nothing to do."""
        return accumulator


def _vectors(objects: Any, flavour: int | None = None) -> Any:
    fields = {name: ak.values_astype(objects[name], np.float64) for name in ("pt", "eta", "phi", "mass")}
    if flavour is not None:
        fields |= {"charge": objects.charge, "flavour": ak.full_like(objects.charge, flavour)}
    return ak.zip(fields, with_name="PtEtaPhiMLorentzVector", behavior=vector.behavior)


def observables(met: Any, pair: Any, z: Any, third: Any, big: Any, slim: Any) -> dict[str, np.ndarray]:
    """The six variables, with the neutrino's quadratic equation solved as arrays."""
    px = np.asarray(met.pt, np.float64) * np.cos(np.asarray(met.phi, np.float64))
    py = np.asarray(met.pt, np.float64) * np.sin(np.asarray(met.phi, np.float64))
    e, lx, ly, lz = (np.asarray(getattr(third, k)) for k in ("energy", "px", "py", "pz"))
    a = (M_W**2 - np.asarray(third.mass) ** 2) / 2 + lx * px + ly * py
    transverse = e**2 - lz**2
    under = e**2 * (a**2 - transverse * (px**2 + py**2))
    root = np.sqrt(np.maximum(under, 0.0))
    tops = []
    for sign in (1.0, -1.0):
        pz = (a * lz + sign * root) / transverse
        nu = ak.zip(
            {"x": px, "y": py, "z": pz, "t": np.sqrt(px**2 + py**2 + pz**2)},
            with_name="LorentzVector",
            behavior=vector.behavior,
        )
        tops.append(big + nu)
    first = abs(np.asarray(tops[0].mass) - M_TOP) <= abs(np.asarray(tops[1].mass) - M_TOP)
    masses = [(np.asarray(top.mass), np.asarray((top + z).mass)) for top in tops]
    return {
        "m_t_prime": np.where(first, masses[0][1], masses[1][1]),
        "pt_z_l1": np.asarray(pair.a.pt),
        "pt_z_l2": np.asarray(pair.b.pt),
        "m_top": np.where(first, masses[0][0], masses[1][0]),
        "dphi_z_l3": np.asarray(abs(z.delta_phi(third))),
        "n_forward": np.asarray(ak.sum(abs(slim.eta) >= 2.5, axis=1), np.float64),
    }
