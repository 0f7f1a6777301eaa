"""Tags of jets: b jets and hadronic taus."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.detector.cones import delta_phi, nearest
from massgap.samples.record import decay_mode

if TYPE_CHECKING:
    from massgap.samples.detector.draws import Draws
    from massgap.samples.detector.response import Candidates
    from massgap.samples.record import Record


def btag_efficiency(flavour: np.ndarray, pt: np.ndarray, eta: np.ndarray, card: dict[str, Any]) -> np.ndarray:
    """Probability that a jet of hadron flavour 5, 4 or 0 is b tagged."""
    table = card["btag"]

    def curve(a: float, b: float, c: float, d: float) -> np.ndarray:
        return a * np.tanh(b * pt) * c / (1 + d * pt)

    light = table["light"][0] + table["light"][1] * pt
    found = np.where(flavour == 5, curve(*table["b"]), np.where(flavour == 4, curve(*table["c"]), light))
    return np.where(np.abs(eta) < table["eta_max"], np.clip(found, 0.0, 1.0), 0.0)


def btag_score(efficiency: np.ndarray, card: dict[str, Any], draws: Draws) -> np.ndarray:
    """A discriminant in 0 to 1 that means something at the card's working point only.

    It is flat above the working point for tagged jets and flat below it for the others.
    """
    tagged = draws.uniform("b tag") < efficiency
    fill, point = draws.uniform("b score"), card["btag"]["working_point"]
    return np.where(tagged, point + (1.0 - point) * fill, point * fill)


def count_tracks(
    jets: dict[str, Any], seen: Candidates, cone: float, pt_min: float
) -> tuple[np.ndarray, np.ndarray]:
    """Number and summed charge of the tracks of each jet near its axis."""
    rows = np.flatnonzero(seen.track & (jets["member"] >= 0) & (seen.pt > pt_min))
    owner = jets["member"][rows]
    distance = np.hypot(seen.eta[rows] - jets["eta"][owner], delta_phi(seen.phi[rows], jets["phi"][owner]))
    rows, owner = rows[distance < cone], owner[distance < cone]
    kind = seen.pdg[rows]
    # PDG numbers of leptons have the sign opposite to their charge
    charge = np.where(np.abs(kind) < 20, -1.0, 1.0) * np.sign(kind)
    n = len(jets["pt"])
    return np.bincount(owner, minlength=n), np.bincount(owner, weights=charge, minlength=n)


def tau_tags(
    record: Record,
    decays: dict[str, np.ndarray],
    jets: dict[str, Any],
    is_lepton: np.ndarray,
    seen: Candidates,
    card: dict[str, Any],
    draws: Draws,
) -> dict[str, np.ndarray]:
    """Jets that pass as hadronic taus: true ones by the prongs of the decay, others by their number of tracks.

    Parameters
    ----------
    record, decays
        Generated events and their tau decays (:func:`massgap.samples.record.tau_decays`).
    jets : dict
        Jets of :func:`massgap.samples.detector.jets.reconstructed_jets`.
    is_lepton : array of bool
        Jets that are an electron or muon in fact; they are not tagged.
    seen : Candidates
        What the jets were made of.
    card : dict
        Detector card; efficiencies are for 1 and 3 prongs, misidentification for 1, for 2 or 3, and for any other
        number of tracks.
    draws : Draws
        Random numbers of the jets.

    Returns
    -------
    dict
        ``jet``, the rows of tagged jets; ``genuine``; ``truth``, the row of the tau in ``decays`` (or -1);
        ``charge``, ``mode`` and ``mass``.
    """
    table = card["tautag"]
    real = np.flatnonzero(decays["hadronic"] & (decays["pt"] > table["visible_pt_min"]))
    match, distance = nearest(
        jets["event"],
        jets["eta"],
        jets["phi"],
        record.event[decays["row"][real]],
        decays["eta"][real],
        decays["phi"][real],
        record.n_events,
    )
    genuine = distance < table["match_radius"]
    truth = np.where(genuine, np.append(real, -1)[match], -1)
    tracks, charge = count_tracks(jets, seen, table["track_cone"], table["track_pt_min"])
    fake_rate = np.asarray(table["misidentification"])[
        np.where(tracks == 1, 0, np.where((tracks == 2) | (tracks == 3), 1, 2))
    ]
    prongs = np.append(decays["prongs"], 0)[truth]
    chance = np.where(genuine, np.asarray(table["efficiency"])[(prongs > 1).astype(np.intp)], fake_rate)
    usable = (jets["pt"] > table["pt_min"]) & (np.abs(jets["eta"]) < table["eta_max"]) & ~is_lepton
    tagged = np.flatnonzero(usable & (draws.uniform("tau tag") < chance))
    genuine, truth, charge = genuine[tagged], truth[tagged], np.sign(charge[tagged])
    coin = np.where(draws.take(tagged).uniform("tau charge") < 0.5, -1.0, 1.0)
    true_charge = -np.sign(np.append(record.pdg[decays["row"]], 0)[truth])
    return {
        "jet": tagged,
        "genuine": genuine,
        "truth": truth,
        "charge": np.where(genuine, true_charge, np.where(charge == 0, coin, charge)).astype(np.int64),
        "mode": np.where(
            genuine,
            np.append(decay_mode(decays, np.arange(len(decays["row"]))), 0)[truth],
            np.where(tracks[tagged] > 1, 10, 0),
        ),
        "mass": np.where(genuine, np.append(decays["mass"], 0.0)[truth], 0.8),
    }
