"""Detector response: from generated particles to reconstructed ones, all events at once.

The numbers stand in a card (TOML, ``samples/cards``), each table with its source. A card describes tracking
efficiencies, momentum and energy resolutions, identification, isolation cones, jets, tagging and missing
momentum. Response follows the particle-flow idea: a charged particle with a track is measured by its track or its
calorimeter, whichever is better; without a track it is a neutral deposit; muons are seen by their track alone.
There are no towers and no magnetic field.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from massgap.samples.errors import CardError

CARD_FOLDER = Path(__file__).parent / "cards"
INVISIBLE = (12, 14, 16, 1000012, 1000014, 1000016, 1000022, 1000039)
_TABLES = ("tracking", "momentum", "calorimeter", "electron", "muon", "photon", "isolation", "jet", "btag")
_MUON_MASS = 0.10565837


def load_card(card: str | Path = "cms") -> dict[str, Any]:
    """Read a detector card.

    Parameters
    ----------
    card : str or path
        Name of a card of this package, or the path of a TOML file.

    Raises
    ------
    CardError
        If the card does not exist, is not TOML, or lacks a table.
    """
    path = Path(card)
    if path.suffix != ".toml":
        path = CARD_FOLDER / f"{card}.toml"
    try:
        content = tomllib.loads(path.read_text())
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in CARD_FOLDER.glob("*.toml")))
        msg = f"detector card {card} does not exist: give one of {known}, or a path to a .toml file"
        raise CardError(msg) from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        msg = f"detector card {path} cannot be read: {error}"
        raise CardError(msg) from None
    if missing := [table for table in (*_TABLES, "tautag", "met") if table not in content]:
        msg = f"detector card {path} lacks the table [{missing[0]}]"
        raise CardError(msg)
    for table in ("hadron", "electron", "muon"):
        for group in ("tracking", "momentum"):
            if table not in content[group]:
                msg = f"detector card {path} lacks the table [{group}.{table}]"
                raise CardError(msg)
        binned = content["tracking"][table]
        values = np.asarray(binned["values"], dtype=float)
        if values.shape != (len(binned["pt"]), len(binned["eta"]) - 1):
            msg = f"detector card {path}: [tracking.{table}] values do not fit its pt and eta edges"
            raise CardError(msg)
        if (values < 0).any() or (values > 1).any():
            msg = f"detector card {path}: [tracking.{table}] has an efficiency outside 0 to 1"
            raise CardError(msg)
    return content


def binned(table: dict[str, Any], pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Value of a card's binned table at pt (GeV) and eta; 0 outside."""
    values = np.asarray(table["values"], dtype=float)
    padded = np.zeros((values.shape[0] + 1, values.shape[1] + 1))
    padded[1:, :-1] = values
    i = np.searchsorted(table["pt"], pt, side="right")
    j = np.searchsorted(table["eta"][1:], np.abs(eta), side="right")
    found = padded[i, j]
    if "falloff_pt" in table:
        found = np.where(pt > table["falloff_pt"], found * np.exp(np.minimum(0.5 - 5e-4 * pt, 0.0)), found)
    return found


def by_eta(values: list[float], edges: list[float], eta: np.ndarray) -> np.ndarray:
    """Value of a list binned in absolute eta; 0 outside."""
    return np.append(np.asarray(values, dtype=float), 0.0)[
        np.searchsorted(edges[1:], np.abs(eta), side="right")
    ]


def momentum_resolution(table: dict[str, Any], pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Relative transverse-momentum resolution of tracks."""
    clipped = np.minimum(np.abs(eta), table["eta"][-1] - 1e-9)
    constant = by_eta(table["constant"], table["eta"], clipped)
    return np.hypot(constant, by_eta(table["slope"], table["eta"], clipped) * pt)


def energy_resolution(table: dict[str, Any], energy: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Absolute energy resolution of a calorimeter, in GeV."""
    edges = table["eta"]
    scale = np.asarray(table["scale"], dtype=float)
    a, b, c = (by_eta(list(column), edges, eta) for column in scale.T)
    variance = (
        (by_eta(table["constant"], edges, eta) * energy) ** 2
        + by_eta(table["stochastic"], edges, eta) ** 2 * energy
        + by_eta(table["noise"], edges, eta) ** 2
    )
    return (a + b * (np.abs(eta) - c) ** 2) * np.sqrt(variance)


def lognormal(mean: np.ndarray, sigma: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Positive random numbers of the given mean and standard deviation.

    A Gaussian cut at 0 would raise the mean of soft particles, whose resolution exceeds their energy.
    """
    width = np.sqrt(np.log1p((sigma / mean) ** 2))
    return mean * np.exp(width * rng.standard_normal(len(mean)) - 0.5 * width**2)


@dataclass
class Candidates:
    """Reconstructed particles of many events, flat arrays (GeV) sorted by event."""

    event: np.ndarray
    index: np.ndarray  # row in the generated record
    pdg: np.ndarray  # 11, 13 (signed), 22, 211 (signed) tracks, 130 neutral hadrons
    pt: np.ndarray
    eta: np.ndarray
    phi: np.ndarray
    mass: np.ndarray
    track: np.ndarray  # bool

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
    card: dict[str, Any],
    rng: np.random.Generator,
) -> Candidates:
    """Smear stable particles and drop the ones that leave nothing.

    Parameters
    ----------
    event, pdg, charge, px, py, pz, energy : arrays of one length
        Stable particles of all events, sorted by event; charge in units of e, momenta in GeV.
    card : dict
        Detector card of :func:`load_card`.
    rng : numpy Generator
        The only source of randomness.

    Returns
    -------
    Candidates
        In the order of the input; ``index`` points into it.
    """
    pt, kind = np.hypot(px, py), np.abs(pdg)
    with np.errstate(divide="ignore"):
        eta = np.arcsinh(pz / np.maximum(pt, 1e-9))
    visible = ~np.isin(kind, INVISIBLE) & (np.abs(eta) < card["met"]["eta_max"]) & (pt > 1e-3)
    rows = np.flatnonzero(visible)
    pt, eta, kind, pdg, charge, energy = (x[rows] for x in (pt, eta, kind, pdg, charge, energy))
    phi = np.arctan2(py[rows], px[rows])
    is_mu, is_e, is_gamma = kind == 13, kind == 11, kind == 22
    hadron = ~(is_mu | is_e | is_gamma)

    seen = np.zeros(len(rows), dtype=bool)
    sigma_track = np.full(len(rows), np.inf)
    chance = rng.random(len(rows))
    for name, mask in (("muon", is_mu), ("electron", is_e), ("hadron", hadron & (charge != 0))):
        seen[mask] = chance[mask] < binned(card["tracking"][name], pt[mask], eta[mask])
        sigma_track[mask] = momentum_resolution(card["momentum"][name], pt[mask], eta[mask])

    # relative calorimeter resolution of what the particle deposits
    cal = card["calorimeter"]
    ecal, hcal = energy_resolution(cal["ecal"], energy, eta), energy_resolution(cal["hcal"], energy, eta)
    share = cal["sharing"]["strange_ecal"]
    shared = np.hypot(
        energy_resolution(cal["ecal"], share * energy, eta),
        energy_resolution(cal["hcal"], (1 - share) * energy, eta),
    )
    strange = np.isin(kind, (310, 3122))
    sigma_cal = np.where(hadron, np.where(strange, shared, hcal), ecal) / energy

    # the better of track and calorimeter; a track in no calorimeter's reach or a muon has the track alone
    sigma = np.where(seen & ((sigma_track < sigma_cal) | is_mu), sigma_track, sigma_cal)
    factor = lognormal(np.ones(len(rows)), sigma, rng)
    threshold = np.where(hadron, cal["threshold"]["hcal"], cal["threshold"]["ecal"])
    kept = seen | (~is_mu & (energy * factor > threshold))
    # what is reconstructed: a lost track makes a photon out of an electron and a neutral out of a hadron
    identity = np.where(hadron, np.where(seen, 211 * np.sign(charge), 130), np.where(is_e & ~seen, 22, pdg))
    mass = np.where(is_mu, _MUON_MASS, np.where(hadron & seen, 0.13957, 0.0))
    columns = (event[rows], rows, identity, pt * factor, eta, phi, mass, seen)
    return Candidates(*(column[kept] for column in columns))


def relative_isolation(
    objects: Candidates, candidates: Candidates, n_events: int, cone: float, pt_min: float
) -> np.ndarray:
    """Sum of pt in a cone around each object, without the object itself, over its pt.

    Parameters
    ----------
    objects, candidates : Candidates
        Objects must be taken from the candidates (their ``index`` tells them apart).
    n_events : int
        Number of events.
    cone : float
        Radius in eta and phi.
    pt_min : float
        Candidates below this pt (GeV) are left out.
    """
    others = candidates.take(candidates.pt > pt_min)
    left, right = pairs(objects.event, others.event, n_events)
    dphi = np.remainder(objects.phi[left] - others.phi[right] + np.pi, 2 * np.pi) - np.pi
    near = np.hypot(objects.eta[left] - others.eta[right], dphi) < cone
    near &= objects.index[left] != others.index[right]
    total = np.bincount(left[near], weights=others.pt[right[near]], minlength=len(objects.pt))
    return total / objects.pt


def pairs(left: np.ndarray, right: np.ndarray, n_events: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs (row of left, row of right) within one event; both event columns sorted."""
    counts = np.bincount(right, minlength=n_events)
    starts = np.concatenate(([0], np.cumsum(counts)))[:-1]
    repeat = counts[left]
    i = np.repeat(np.arange(len(left)), repeat)
    within = np.arange(len(i)) - np.repeat(np.cumsum(repeat) - repeat, repeat)
    return i, starts[left[i]] + within


def nearest(
    event: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    other_event: np.ndarray,
    other_eta: np.ndarray,
    other_phi: np.ndarray,
    n_events: int,
) -> tuple[np.ndarray, np.ndarray]:
    """Row of the nearest other object of the same event and its distance (-1 and infinity without one)."""
    row, distance = np.full(len(event), -1), np.full(len(event), np.inf)
    i, j = pairs(event, other_event, n_events)
    if len(i):
        dphi = np.remainder(phi[i] - other_phi[j] + np.pi, 2 * np.pi) - np.pi
        dr = np.hypot(eta[i] - other_eta[j], dphi)
        order = np.lexsort((j, dr, i))
        first = order[np.unique(i[order], return_index=True)[1]]
        row[i[first]], distance[i[first]] = j[first], dr[first]
    return row, distance


def btag_efficiency(flavour: np.ndarray, pt: np.ndarray, eta: np.ndarray, card: dict[str, Any]) -> np.ndarray:
    """Probability that a jet of hadron flavour 5, 4 or 0 is b tagged."""
    table = card["btag"]

    def curve(a: float, b: float, c: float, d: float) -> np.ndarray:
        return a * np.tanh(b * pt) * c / (1 + d * pt)

    light = table["light"][0] + table["light"][1] * pt
    found = np.where(flavour == 5, curve(*table["b"]), np.where(flavour == 4, curve(*table["c"]), light))
    return np.where(np.abs(eta) < table["eta_max"], np.clip(found, 0.0, 1.0), 0.0)
