"""Muons, electrons and photons: from reconstructed particles to NanoAOD collections."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.detector.cones import cone_sums
from massgap.samples.detector.resolution import by_eta
from massgap.samples.record import in_order, lepton_origin

if TYPE_CHECKING:
    from massgap.samples.detector.draws import Draws
    from massgap.samples.detector.response import Candidates
    from massgap.samples.record import Record

# PFIso working points of muons: very loose 0.40, loose 0.25, medium 0.20, tight 0.15, very tight 0.10, 0.05
_PF_ISO = (0.05, 0.10, 0.15, 0.20, 0.25, 0.40)


def leptons_and_photons(
    record: Record, seen: Candidates, rows: np.ndarray, card: dict[str, Any], draws: Draws
) -> tuple[dict[str, Any], dict[str, Any], dict[str, Any]]:
    """Muons, electrons and photons above their thresholds, with identification and isolation.

    Parameters
    ----------
    record : Record
        Generated events.
    seen : Candidates
        All reconstructed particles.
    rows : array
        Row of the record that each of them comes from.
    card : dict
        Detector card.
    draws : Draws
        Random numbers of the reconstructed particles.

    Returns
    -------
    muons, electrons, photons : dict
        Flat columns, ordered in pt within each event; ``_candidate`` is the row in ``seen``.
    """
    kind = np.abs(seen.pdg)
    chosen = {
        name: np.flatnonzero(
            (kind == number) & (seen.pt > card[name]["pt_min"]) & (np.abs(seen.eta) < card[name]["eta"][-1])
            if name == "photon"
            else (kind == number) & (seen.pt > card[name]["pt_min"])
        )
        for name, number in (("muon", 13), ("electron", 11), ("photon", 22))
    }
    # all kinds at once, in the order of the candidates
    which = np.sort(np.concatenate(list(chosen.values())))
    isolation = _isolation(which, seen, record.n_events, card["isolation"])
    origin = lepton_origin(record, rows[which])
    common: dict[str, dict[str, Any]] = {}
    for name, where in chosen.items():
        taken, own, place = seen.take(where), draws.take(where), np.searchsorted(which, where)
        efficiency = by_eta(card[name]["efficiency"], card[name]["eta"], taken.eta)
        common[name] = {
            "_event": taken.event,
            "_candidate": where,
            "_good": taken.fake | (own.uniform("identification") < efficiency),
            "_fake": taken.fake,
            **{key: getattr(taken, key) for key in ("pt", "eta", "phi", "mass")},
            "charge": -np.sign(taken.pdg),
            "pdgId": taken.pdg,
            "genPartFlav": np.where(taken.fake, 0, origin[place]),
            **{key: sums[place] / taken.pt for key, sums in isolation.items()},
        }
        if name != "photon":
            # impact parameters are the resolution of a prompt track (cm)
            common[name] |= {"dxy": 0.002 * own.normal("dxy"), "dz": 0.005 * own.normal("dz")}
    return (
        _muons(common["muon"]),
        _electrons(common["electron"]),
        _photons(common["photon"], record, rows, card),
    )


def _isolation(
    which: np.ndarray, seen: Candidates, n_events: int, table: dict[str, Any]
) -> dict[str, np.ndarray]:
    """Sums of pt in the cones around some candidates."""
    cones = {
        "_muon": table["muon_cone"],
        "_electron": table["electron_cone"],
        "_photon": table["photon_cone"],
    }
    others = np.flatnonzero(seen.pt > table["pt_min"])
    radii = sorted(set(cones.values()))
    sums = cone_sums(
        seen.event[which],
        seen.eta[which],
        seen.phi[which],
        which,
        (seen.event[others], seen.eta[others], seen.phi[others], others, seen.pt[others]),
        n_events,
        tuple(radii),
    )
    return {name: sums[radii.index(cone)] for name, cone in cones.items()}


def _muons(muons: dict[str, Any]) -> dict[str, Any]:
    good, n = muons["_good"], len(muons["pt"])
    muons |= {"pfRelIso04_all": muons["_muon"], "pfRelIso03_all": muons["_electron"]}
    muons |= dict.fromkeys(("looseId", "isPFcand", "isTracker"), np.ones(n, dtype=bool))
    muons |= dict.fromkeys(("mediumId", "tightId", "isGlobal"), good)
    muons["fsrPhotonIdx"] = np.full(n, -1)
    muons["pfIsoId"] = sum((muons["pfRelIso04_all"] < point).astype(np.int64) for point in _PF_ISO)
    return in_order(muons)


def _electrons(electrons: dict[str, Any]) -> dict[str, Any]:
    good, n = electrons["_good"], len(electrons["pt"])
    electrons["pfRelIso03_all"] = electrons["_electron"]
    electrons["cutBased"] = np.where(good, 4, 1)
    electrons |= dict.fromkeys(("mvaIso_WP80", "mvaIso_WP90"), good)
    electrons |= {"deltaEtaSC": np.zeros(n), "convVeto": np.ones(n, dtype=bool)}
    electrons |= {"lostHits": np.zeros(n), "photonIdx": np.full(n, -1)}
    return in_order(electrons)


def _photons(
    photons: dict[str, Any], record: Record, rows: np.ndarray, card: dict[str, Any]
) -> dict[str, Any]:
    good, n = photons["_good"], len(photons["pt"])
    from_electron = (np.abs(record.pdg[rows[photons["_candidate"]]]) == 11) & ~photons["_fake"]
    photons["pfRelIso03_all"] = photons["_photon"]
    photons["cutBased"] = np.where(good, 3, 0)
    photons |= dict.fromkeys(("mvaID_WP80", "mvaID_WP90"), good)
    photons |= {"electronVeto": np.ones(n, dtype=bool), "pixelSeed": from_electron}
    photons["electronIdx"] = np.full(n, -1)
    # 1 prompt photon, 11 prompt or other electron, 0 the rest
    photons["genPartFlav"] = np.where(from_electron, 11, np.where(photons["genPartFlav"] == 1, 1, 0))
    keep = photons["pfRelIso03_all"] < card["photon"]["isolation_max"]
    return in_order({name: values[keep] for name, values in photons.items()})
