"""Detector response: from generated particles to reconstructed ones, all events at once.

The numbers stand in a card (:mod:`massgap.samples.detector.card`). Response follows the particle-flow idea: a charged particle
with a track is measured by its track or its calorimeter, whichever is better; without a track it is a neutral
deposit; muons are seen by their track alone. Hadrons share cells of the calorimeter where the card has ``[calorimeter.towers]``
(:mod:`massgap.samples.detector.towers`), and charged particles are where a magnetic field brings them where it has ``[field]``
(:mod:`massgap.samples.detector.field`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.physical_constants import MUON_MASS_ROUNDED, PION_MASS
from massgap.samples.detector.card import CARD_FOLDER, load_card
from massgap.samples.detector.field import at_calorimeter
from massgap.samples.detector.resolution import (
    binned,
    by_eta,
    energy_resolution,
    lognormal,
    momentum_resolution,
)
from massgap.samples.detector.towers import hadron_cells, is_significant
from massgap.samples.record import invisible

if TYPE_CHECKING:
    from massgap.samples.detector.draws import Draws

__all__ = ["CARD_FOLDER", "Candidates", "load_card", "reconstruct"]

#: Softer particles (GeV) leave nothing.
_PT_MIN = 1e-3


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
    # where the calorimeter sees them, which with a magnetic field is not where they were made for
    there, turn = at_calorimeter(card["field"], pt, eta, phi, charge) if "field" in card else (eta, phi)
    sigma = _calorimeter(cal, kind, hadron, energy, there)
    towers = "towers" in cal
    covered = np.abs(there) < np.where(hadron, cal["hcal"]["eta"][-1], cal["ecal"]["eta"][-1])
    sigma[~covered] = np.inf
    chance = draws.uniform("tracking")
    for name, mask in (("muon", is_mu), ("electron", is_e), ("hadron", hadron & (charge != 0))):
        some = np.flatnonzero(mask)
        found = chance[some] < binned(card["tracking"][name], pt[some], eta[some])
        some = some[found]
        seen[some] = True
        track = momentum_resolution(card["momentum"][name], pt[some], eta[some], energy[some])
        # the better of track and calorimeter; a muon has the track alone
        alone = name == "muon" or (name == "hadron" and towers)
        sigma[some] = track if alone else np.minimum(track, sigma[some])

    factor = lognormal(np.where(seen | covered, sigma, 0.0), draws.normal("response"))
    threshold = np.where(hadron, cal["threshold"]["hcal"], cal["threshold"]["ecal"])
    kept_too = ~is_mu & covered & (energy * factor > threshold)
    excess = (np.zeros(0, dtype=np.intp), np.zeros(0))
    if towers:
        for name, mask in (("ecal", ~hadron), ("hcal", hadron)):
            some = np.flatnonzero(mask & kept_too)
            kept_too[some] = is_significant(cal, name, energy[some] * factor[some], there[some])
        cells = hadron_cells(
            event, energy, there, turn, hadron & covered, seen & hadron, sigma, factor, cal, draws
        )
        factor = np.where(cells.inside, cells.factor, factor)
        kept_too &= ~cells.inside
        excess = (cells.carrier, cells.energy)
    kept = np.flatnonzero(seen | kept_too)
    # a lost track makes a photon out of an electron and a neutral deposit out of a hadron
    identity = np.where(hadron, np.where(seen, 211 * np.sign(charge).astype(np.int64), 130), pdg)
    identity[is_e & ~seen] = 22
    if card["flow"]["mass"] == "true":
        true_mass = mass[rows]
    else:
        true_mass = np.where(is_mu, MUON_MASS_ROUNDED, np.where(hadron & seen, PION_MASS, 0.0))
    if "field" in card:
        pt, eta, phi = _where_seen((pt, eta, phi), (there, turn), seen)
    columns = (event, rows, identity, pt * factor, eta, phi, true_mass, seen, np.zeros(len(rows), dtype=bool))
    candidates = Candidates(*(column[kept] for column in columns))
    if len(excess[0]):
        candidates, kept = _with_excess(candidates, kept, (event, rows, there, turn), excess)
    misidentify(candidates, draws.take(kept), card)
    return candidates


def _where_seen(
    own: tuple[np.ndarray, ...], there: tuple[np.ndarray, np.ndarray], seen: np.ndarray
) -> tuple[np.ndarray, ...]:
    """Transverse momenta and directions: of tracks their own, of deposits those of a straight flight to where they are."""
    pt, eta, phi = own
    straight = pt * np.cosh(eta) / np.cosh(there[0])
    return np.where(seen, pt, straight), np.where(seen, eta, there[0]), np.where(seen, phi, there[1])


def _with_excess(
    candidates: Candidates,
    kept: np.ndarray,
    where: tuple[np.ndarray, ...],
    excess: tuple[np.ndarray, np.ndarray],
) -> tuple[Candidates, np.ndarray]:
    """The candidates with a neutral hadron for each excess of a cell, beside the track that carries it."""
    carrier, energy = excess
    event, index, eta, phi = (column[carrier] for column in where)
    n = len(carrier)
    nothing = np.zeros(n, dtype=bool)
    added = (event, index, np.full(n, 130), energy / np.cosh(eta), eta, phi, np.zeros(n), nothing, nothing)
    rows = np.concatenate((kept, carrier))
    # by event and particle; the track comes before its excess
    order = np.argsort(rows, kind="stable")
    names = Candidates.__dataclass_fields__
    both = (np.concatenate((getattr(candidates, name), new)) for name, new in zip(names, added, strict=True))
    return Candidates(*(column[order] for column in both)), rows[order]


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
