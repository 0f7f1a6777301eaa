"""Detector response: from generated particles to reconstructed ones, all events at once.

The numbers stand in a card (:mod:`massgap.samples.detector.card`). Response follows the particle-flow idea: a charged particle
with a track is measured by its track or its calorimeter, whichever is better; without a track it is a neutral
deposit; muons are seen by their track alone. There are no towers and no magnetic field.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.physical_constants import MUON_MASS_ROUNDED, PION_MASS
from massgap.samples.detector.card import CARD_FOLDER, load_card
from massgap.samples.record import invisible

if TYPE_CHECKING:
    from massgap.samples.detector.draws import Draws

__all__ = ["CARD_FOLDER", "Candidates", "load_card", "reconstruct"]

#: Softer particles (GeV) leave nothing.
_PT_MIN = 1e-3


def eta_bin(edges: list[float], eta: np.ndarray) -> np.ndarray:
    """Bin of absolute eta; the number of bins outside. Edges begin with 0."""
    distance = np.abs(eta)
    found = np.zeros(len(eta), dtype=np.intp)
    for edge in edges[1:]:
        found += distance >= edge
    return found


def by_eta(values: list[float], edges: list[float], eta: np.ndarray) -> np.ndarray:
    """Value of a list binned in absolute eta; 0 outside."""
    return np.append(np.asarray(values, dtype=float), 0.0)[eta_bin(edges, eta)]


def binned(table: dict[str, Any], pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Value of a card's binned table at pt (GeV) and eta; 0 outside."""
    values = np.asarray(table["values"], dtype=float)
    padded = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    padded[1:, :-1] = values
    i = np.zeros(len(pt), dtype=np.intp)
    for edge in table["pt"]:
        i += pt >= edge
    found = padded[i, eta_bin(table["eta"], eta)]
    if "falloff_pt" in table:
        found = np.where(pt > table["falloff_pt"], found * np.exp(np.minimum(0.5 - 5e-4 * pt, 0.0)), found)
    return found


def momentum_resolution(
    table: dict[str, Any], pt: np.ndarray, eta: np.ndarray, energy: np.ndarray
) -> np.ndarray:
    """Relative transverse-momentum resolution of tracks; beyond the last edge that of the last bin."""
    last = len(table["eta"]) - 2
    where = np.minimum(eta_bin(table["eta"], eta), last)
    squared = np.square(table["constant"])[where] + (np.asarray(table["slope"])[where] * pt) ** 2
    if "root" in table:
        squared += np.square(table["root"])[where] * energy
    return np.sqrt(squared)


def energy_resolution(table: dict[str, Any], energy: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Absolute energy resolution of a calorimeter, in GeV; 0 beyond its last edge."""
    where = eta_bin(table["eta"], eta)

    def at(values: Any) -> np.ndarray:
        return np.append(np.asarray(values, dtype=float), 0.0)[where]

    variance = (
        at(np.square(table["constant"])) * energy**2
        + at(np.square(table["stochastic"])) * energy
        + at(np.square(table["noise"]))
    )
    a, b, c = (at(column) for column in np.asarray(table["scale"], dtype=float).T)
    return (a + b * (np.abs(eta) - c) ** 2) * np.sqrt(variance)


def lognormal(sigma: np.ndarray, gauss: np.ndarray) -> np.ndarray:
    """Positive factors of mean 1 and standard deviation sigma, from Gaussian numbers.

    A Gaussian factor cut at 0 would raise the mean of soft particles, whose resolution exceeds their energy.
    """
    squared = np.log1p(sigma**2)
    return np.exp(np.sqrt(squared) * gauss - 0.5 * squared)


@dataclass
class Candidates:
    """Reconstructed particles of many events, flat arrays (GeV) sorted by event."""

    event: np.ndarray
    index: np.ndarray  # row in the particles that were put in
    pdg: np.ndarray  # 11, 13 (signed), 22, 211 (signed) tracks, 130 neutral hadrons: what they are taken for
    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    mass: np.ndarray
    track: np.ndarray  # bool
    fake: np.ndarray  # bool: taken for a lepton or photon by mistake

    def take(self, where: np.ndarray) -> Candidates:
        """Return the rows that a mask or index array selects."""
        return Candidates(*(getattr(self, name)[where] for name in self.__dataclass_fields__))


def reconstruct(
    event: np.ndarray,
    pdg: np.ndarray,
    charge: np.ndarray,
    px: np.ndarray,
    py: np.ndarray,
    pz: np.ndarray,
    energy: np.ndarray,
    mass: np.ndarray,
    card: dict[str, Any],
    draws: Draws,
) -> Candidates:
    """Smear stable particles and drop the ones that leave nothing.

    Parameters
    ----------
    event, pdg, charge, px, py, pz, energy, mass : arrays of one length
        Stable particles of all events, sorted by event; charge in units of e, momenta in GeV.
    card : dict
        Detector card of :func:`massgap.samples.detector.card.load_card`.
    draws : Draws
        Random numbers of the particles.

    Returns
    -------
    Candidates
        In the order of the input; ``index`` points into it.
    """
    pt = np.sqrt(px**2 + py**2)
    # |eta| < x is |pz| < pt sinh(x): the logarithm is for those that are seen
    reach = np.sinh(card["met"]["eta_max"])
    rows = np.flatnonzero((pt > _PT_MIN) & (np.abs(pz) < pt * reach) & ~invisible(pdg))
    event, pdg, charge, pt, energy = (x[rows] for x in (event, pdg, charge, pt, energy))
    eta, phi, draws = np.arcsinh(pz[rows] / pt), np.arctan2(py[rows], px[rows]), draws.take(rows)
    kind = np.abs(pdg)
    is_mu, is_e = kind == 13, kind == 11
    hadron = ~(is_mu | is_e | (kind == 22))

    seen = np.zeros(len(rows), dtype=bool)
    cal = card["calorimeter"]
    sigma = _calorimeter(cal, kind, hadron, energy, eta)
    covered = np.abs(eta) < np.where(hadron, cal["hcal"]["eta"][-1], cal["ecal"]["eta"][-1])
    sigma[~covered] = np.inf
    chance = draws.uniform("tracking")
    for name, mask in (("muon", is_mu), ("electron", is_e), ("hadron", hadron & (charge != 0))):
        some = np.flatnonzero(mask)
        found = chance[some] < binned(card["tracking"][name], pt[some], eta[some])
        some = some[found]
        seen[some] = True
        track = momentum_resolution(card["momentum"][name], pt[some], eta[some], energy[some])
        # the better of track and calorimeter; a muon has the track alone
        sigma[some] = track if name == "muon" else np.minimum(track, sigma[some])

    factor = lognormal(np.where(seen | covered, sigma, 0.0), draws.normal("response"))
    threshold = np.where(hadron, cal["threshold"]["hcal"], cal["threshold"]["ecal"])
    kept = np.flatnonzero(seen | (~is_mu & covered & (energy * factor > threshold)))
    # a lost track makes a photon out of an electron and a neutral deposit out of a hadron
    identity = np.where(hadron, np.where(seen, 211 * np.sign(charge).astype(np.int64), 130), pdg)
    identity[is_e & ~seen] = 22
    if card["flow"]["mass"] == "true":
        true_mass = mass[rows]
    else:
        true_mass = np.where(is_mu, MUON_MASS_ROUNDED, np.where(hadron & seen, PION_MASS, 0.0))
    columns = (event, rows, identity, pt * factor, eta, phi, true_mass, seen, np.zeros(len(rows), dtype=bool))
    candidates = Candidates(*(column[kept] for column in columns))
    misidentify(candidates, draws.take(kept), card)
    return candidates


def _calorimeter(
    table: dict[str, Any], kind: np.ndarray, hadron: np.ndarray, energy: np.ndarray, eta: np.ndarray
) -> np.ndarray:
    """Relative resolution of what each particle deposits."""
    sigma = np.empty(len(kind))
    strange = (kind == 310) | (kind == 3122)
    for calorimeter, mask in (("ecal", ~hadron), ("hcal", hadron & ~strange)):
        some = np.flatnonzero(mask)
        sigma[some] = energy_resolution(table[calorimeter], energy[some], eta[some])
    some, share = np.flatnonzero(strange), table["sharing"]["strange_ecal"]
    sigma[some] = np.hypot(
        energy_resolution(table["ecal"], share * energy[some], eta[some]),
        energy_resolution(table["hcal"], (1 - share) * energy[some], eta[some]),
    )
    sigma /= energy
    return sigma


def misidentify(candidates: Candidates, draws: Draws, card: dict[str, Any]) -> None:
    """Take some tracks of hadrons for electrons or muons and some neutral deposits for photons, in place.

    The probabilities of a card are per track or deposit above the object's ``pt_min``, and to pass the
    identification: isolation removes most of these, as they are in jets.
    """
    kind = np.abs(candidates.pdg)
    chance: np.ndarray | None = None
    for group, choices in ((211, (("electron", 11), ("muon", 13))), (130, (("photon", 22),))):
        if not any(max(card[name]["misidentification"]) > 0 for name, _ in choices):
            continue
        lowest = min(card[name]["pt_min"] for name, _ in choices)
        rows = np.flatnonzero((kind == group) & (candidates.pt > lowest))
        chance = draws.uniform("misidentification") if chance is None else chance
        low = np.zeros(len(rows))
        for name, number in choices:
            table = card[name]
            rate = by_eta(table["misidentification"], table["eta"], candidates.eta[rows])
            rate[candidates.pt[rows] <= table["pt_min"]] = 0.0
            taken = rows[(chance[rows] >= low) & (chance[rows] < low + rate)]
            low += rate
            sign = 1 if number == 22 else -np.sign(candidates.pdg[taken])
            candidates.pdg[taken] = number * sign
            candidates.fake[taken] = True
