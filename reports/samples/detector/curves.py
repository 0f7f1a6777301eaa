"""The curves of a detector card, evaluated from its plain numbers and its comments' formulas.

This does not use the simulation's code: a mistake there would cancel in a comparison with itself.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping


def in_bins(table: Mapping[str, Any], eta: np.ndarray, key: str = "efficiency") -> np.ndarray:
    """Return the value of a list in bins of absolute eta; 0 outside of them."""
    edges, values = np.asarray(table["eta"], dtype=float), np.asarray(table[key], dtype=float)
    place = np.digitize(np.abs(eta), edges) - 1
    inside = (place >= 0) & (place < len(values))
    return np.where(inside, values[np.clip(place, 0, len(values) - 1)], 0.0)


def in_pt_and_eta(table: Mapping[str, Any], pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return the value of a table with rows in pT (the last one open) and columns in absolute eta."""
    values = np.asarray(table["values"], dtype=float)
    row = np.digitize(pt, np.asarray(table["pt"], dtype=float)) - 1
    column = np.digitize(np.abs(eta), np.asarray(table["eta"], dtype=float)) - 1
    inside = (row >= 0) & (column >= 0) & (column < values.shape[1])
    found = np.where(
        inside, values[np.clip(row, 0, len(values) - 1), np.clip(column, 0, values.shape[1] - 1)], 0.0
    )
    start = table.get("falloff_pt")
    if start is not None:
        found = np.where(pt > start, found * np.exp(0.5 - 5e-4 * pt), found)
    return found


def efficiency(card: Mapping[str, Any], kind: str, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return the probability that a muon, electron or photon is found and identified.

    Raises
    ------
    KeyError
        If the card lacks one of the numbers.
    """
    table = card[kind]
    identified = in_pt_and_eta(table, pt, eta) if "values" in table else in_bins(table, eta)
    if kind == "photon":
        return identified
    return identified * in_pt_and_eta(card["tracking"][kind], pt, eta)


def track_resolution(card: Mapping[str, Any], kind: str, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return sigma(pT) / pT of tracks; beyond the last eta edge that of the last bin."""
    table = card["momentum"][kind]
    inside = np.minimum(np.abs(eta), table["eta"][-1] - 1e-9)
    constant, slope = in_bins(table, inside, "constant"), in_bins(table, inside, "slope")
    variance = constant**2 + (slope * pt) ** 2
    if "root" in table:
        variance += in_bins(table, inside, "root") ** 2 * pt * np.cosh(eta)
    return np.sqrt(variance)


def ecal_resolution(card: Mapping[str, Any], energy: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return sigma(E) / E of the electromagnetic calorimeter."""
    table = card["calorimeter"]["ecal"]
    terms = {key: in_bins(table, eta, key) for key in ("constant", "stochastic", "noise")}
    scale = np.asarray(table["scale"], dtype=float)
    place = np.clip(np.digitize(np.abs(eta), table["eta"]) - 1, 0, len(scale) - 1)
    a, b, c = scale[place].T
    factor = a + b * (np.abs(eta) - c) ** 2
    variance = (terms["constant"] * energy) ** 2 + terms["stochastic"] ** 2 * energy + terms["noise"] ** 2
    return factor * np.sqrt(variance) / energy


def resolution(card: Mapping[str, Any], kind: str, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return sigma(pT) / pT of muons (track), photons (calorimeter) and electrons (the better of both)."""
    if kind == "muon":
        return track_resolution(card, kind, pt, eta)
    calorimeter = ecal_resolution(card, pt * np.cosh(eta), eta)
    if kind == "photon":
        return calorimeter
    return np.minimum(calorimeter, track_resolution(card, kind, pt, eta))


def btag(card: Mapping[str, Any], flavour: int, pt: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Return the probability that a jet of hadron flavour 5, 4 or 0 is b tagged."""
    table = card["btag"]
    if flavour == 0:
        found = table["light"][0] + table["light"][1] * pt
    else:
        a, b, c, d = table["b" if flavour == 5 else "c"]
        found = a * np.tanh(b * pt) * c / (1 + d * pt)
    return np.where(np.abs(eta) < table["eta_max"], np.clip(found, 0.0, 1.0), 0.0)
