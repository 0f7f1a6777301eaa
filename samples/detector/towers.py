"""Hadrons in cells of the calorimeter: the fluctuation under tracks becomes neutral energy, or moves the tracks.

A cell measures the sum of what falls into it, and cannot tell how much of that the tracks have brought. What is left after
the tracks' energies are subtracted is taken for a neutral hadron if it is significant; if not, tracks and calorimeter
are combined by their errors, and neutral hadrons in the cell are lost. As in Delphes' SimpleCalorimeter (1307.6346); cells
without a track, muons, electrons and photons are not touched.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.detector.resolution import by_eta, energy_resolution, lognormal

if TYPE_CHECKING:
    from massgap.samples.detector.draws import Draws

__all__ = ["Cells", "hadron_cells"]


@dataclass(frozen=True)
class Cells:
    """What a calorimeter makes of the hadrons of cells that have tracks.

    Attributes
    ----------
    inside : array of bool
        Hadrons in such a cell.
    factor : array
        What the momentum of each of them is measured to be, over the true one: 0 for one that leaves nothing of its own.
    carrier : array
        Rows of tracks whose cells have an excess, one for each such cell.
    energy : array
        The excess (GeV), in the direction of that track.
    """

    inside: np.ndarray
    factor: np.ndarray
    carrier: np.ndarray
    energy: np.ndarray


def is_significant(card: dict[str, Any], calorimeter: str, energy: np.ndarray, eta: np.ndarray) -> np.ndarray:
    """Whether measured energies exceed the card's threshold and so many of their own errors.

    Parameters
    ----------
    card : dict
        Its ``[calorimeter]`` tables.
    calorimeter : {"ecal", "hcal"}
        Which.
    energy, eta : arrays
        Energies (GeV) and pseudorapidities.
    """
    least = card["towers"]["significance"][("ecal", "hcal").index(calorimeter)]
    sigma = energy_resolution(card[calorimeter], energy, eta)
    return np.asarray((energy > card["threshold"][calorimeter]) & (energy > least * sigma))


def hadron_cells(
    event: np.ndarray,
    energy: np.ndarray,
    eta: np.ndarray,
    phi: np.ndarray,
    hadron: np.ndarray,
    track: np.ndarray,
    track_sigma: np.ndarray,
    track_factor: np.ndarray,
    card: dict[str, Any],
    draws: Draws,
) -> Cells:
    """Measure all cells with tracks of hadrons.

    Parameters
    ----------
    event, energy, eta, phi : arrays
        Particles, sorted by event; GeV.
    hadron, track : arrays of bool
        Hadrons within the calorimeter, and which of all particles have a track.
    track_sigma, track_factor : arrays
        Relative resolution of the tracks, and measured over true momentum.
    card : dict
        Its ``[calorimeter]`` tables.
    draws : Draws
        Random numbers of the particles.
    """
    table = card["towers"]
    rows = np.flatnonzero(hadron)
    width = by_eta(table["cell"], table["eta"], eta[rows])
    rows, width = rows[width > 0], width[width > 0]
    # rings of one width each: cells are numbered within the event
    column = np.floor(eta[rows] / width).astype(np.int64) + 1024
    line = np.floor((phi[rows] + np.pi) / width).astype(np.int64)
    number = ((event[rows] * 2048 + column) * 4096) + line
    _, cell, size = np.unique(number, return_inverse=True, return_counts=True)

    def total(values: np.ndarray) -> np.ndarray:
        return np.bincount(cell, values, minlength=len(size))

    seen = track[rows]
    crossed = total(seen) > 0
    kept = crossed[cell]
    rows, cell, seen = rows[kept], cell[kept], seen[kept]
    tracks = np.where(seen, energy[rows] * track_factor[rows], 0.0)
    # the hardest track carries the cell: its direction, and its random numbers
    order = np.lexsort((-np.where(seen, energy[rows], -1.0), cell))
    first = order[np.unique(cell[order], return_index=True)[1]]
    lead = np.full(len(size), -1)
    lead[cell[first]] = rows[first]
    deposit, measured_tracks = total(energy[rows]), total(tracks)
    variance = total(np.where(seen, (energy[rows] * track_sigma[rows]) ** 2, 0.0))
    some = np.flatnonzero(crossed)
    carrier, deposit, measured_tracks, variance = (
        lead[some],
        deposit[some],
        measured_tracks[some],
        variance[some],
    )
    sigma = energy_resolution(card["hcal"], deposit, eta[carrier])
    measured = deposit * lognormal(sigma / deposit, draws.take(carrier).normal("tower"))
    # what is measured is all that is known of its error
    sigma = energy_resolution(card["hcal"], measured, eta[carrier])
    measured[~is_significant(card, "hcal", measured, eta[carrier])] = 0.0
    excess = measured - measured_tracks
    neutral = (excess > card["threshold"]["hcal"]) & (
        excess > table["significance"][1] * np.sqrt(sigma**2 + variance)
    )
    weights = 1.0 / np.maximum(variance, 1e-12), 1.0 / np.maximum(sigma**2, 1e-12)
    best = (weights[0] * measured_tracks + weights[1] * measured) / (weights[0] + weights[1])
    scale = np.ones(len(size))
    scale[some] = np.where(neutral, 1.0, best / measured_tracks)
    inside = np.zeros(len(energy), dtype=bool)
    inside[rows] = True
    factor = np.zeros(len(energy))
    factor[rows] = np.where(seen, track_factor[rows] * scale[cell], 0.0)
    return Cells(inside, factor, carrier[neutral], excess[neutral])
