"""Generated particles, jets and taus as NanoAOD collections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from massgap.samples.detector.jets import cluster_where_possible, hadron_flavour
from massgap.samples.record import (
    Record,
    decay_mode,
    in_order,
    local_index,
    nearest_ancestor,
    starts,
    tau_decays,
)

# bits of GenPart_statusFlags in use
_PROMPT, _TAU_PRODUCT, _HARD, _FROM_HARD, _LAST = 1 << 0, 1 << 2, 1 << 7, 1 << 8, 1 << 13
_PHOTON_PT_MIN = 10.0


def gen_particles(record: Record, photon_pt_min: float = _PHOTON_PT_MIN) -> tuple[np.ndarray, dict[str, Any]]:
    """Slim GenPart: the hard process, heavy particles, and leptons and photons outside hadrons.

    Parameters
    ----------
    record : Record
        Generated events.
    photon_pt_min : float
        Softer photons (GeV) are left out.

    Returns
    -------
    rows, collection
        Rows of the record, and the collection in the same order.
    """
    kind = np.abs(record.pdg)
    status = np.abs(record.status)
    hard = (status >= 21) & (status <= 29)
    heavy = (kind == 6) | ((kind >= 23) & (kind <= 37)) | (kind >= 1000000) & (kind < 9000000)
    light = ((kind >= 11) & (kind <= 16)) | (kind == 22)
    rows = np.flatnonzero(light & (record.final | (kind == 15)))
    rows = rows[(kind[rows] != 22) | (record.pt[rows] > photon_pt_min)]
    keep = hard | heavy
    keep[rows[nearest_ancestor(record, rows, record.heaviest_quark > 0) < 0]] = True
    rows = np.flatnonzero(keep)
    mother = nearest_ancestor(record, rows, keep)
    start = starts(record.event[rows], record.n_events)[record.event[rows]]
    new_row = np.cumsum(keep) - 1
    from_tau = nearest_ancestor(record, rows, kind == 15) >= 0
    with_mother = mother >= 0
    copied = np.zeros(len(record.pdg), dtype=bool)
    alike = with_mother & (record.pdg[mother] == record.pdg[rows])
    copied[mother[alike]] = True
    flags = np.where(from_tau, _TAU_PRODUCT, _PROMPT) | _FROM_HARD
    flags = flags | np.where(hard[rows], _HARD, 0) | np.where(copied[rows], 0, _LAST)
    pt, eta, phi = record.pt_eta_phi(rows)
    return rows, {
        "_event": record.event[rows],
        "pt": pt,
        "eta": eta,
        "phi": phi,
        "mass": record.mass[rows],
        "pdgId": record.pdg[rows],
        # NanoAOD follows CMS: 1 stable, 2 decayed, hard process kept
        "status": np.where(record.status[rows] > 0, 1, np.where(hard[rows], status[rows], 2)),
        "statusFlags": flags,
        "genPartIdxMother": np.where(with_mother, new_row[np.maximum(mother, 0)] - start, -1),
    }


def visible_flow(record: Record) -> dict[str, np.ndarray]:
    """What generated jets are made of: momenta of all visible particles, and their sum of pt in each event."""
    rows = record.visible
    flow = {name: getattr(record, name)[rows] for name in ("event", "px", "py", "pz", "energy")}
    pt = np.sqrt(flow["px"] ** 2 + flow["py"] ** 2)
    return {**flow, "scalar_sum": np.bincount(flow["event"], pt, minlength=record.n_events)}


def gen_jets(
    record: Record,
    flow: dict[str, np.ndarray],
    card: dict[str, Any],
    *,
    fat: bool = False,
    clock: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Anti-kt jets of all visible particles: GenJet, or GenJetAK8 if ``fat``."""
    table = card["jet"]
    prefix = "fat_" if fat else ""
    jets = cluster_where_possible(
        flow,
        record.n_events,
        table[f"{prefix}radius"],
        table[f"gen_{prefix}pt_min"],
        constituents=False,
        clock=clock,
    )
    flavour = hadron_flavour(record, jets, card["btag"]["match_radius"], card["btag"]["hadron_pt_min"])
    return {
        "_event": jets["event"],
        **{name: jets[name] for name in ("pt", "eta", "phi", "mass")},
        "hadronFlavour": flavour,
        "partonFlavour": flavour,
    }


def visible_taus(record: Record, decays: dict[str, np.ndarray], gen_index: np.ndarray) -> dict[str, Any]:
    """Visible parts of hadronic tau decays; status is the decay mode."""
    real = np.flatnonzero(decays["hadronic"] & (decays["pt"] > 10.0))
    rows = decays["row"][real]
    return in_order(
        {
            "_event": record.event[rows],
            **{name: decays[name][real] for name in ("pt", "eta", "phi", "mass")},
            "charge": -np.sign(record.pdg[rows]),
            "status": decay_mode(decays, real),
            "genPartIdxMother": gen_index[rows],
        }
    )


@dataclass(frozen=True)
class Truth:
    """What no detector changes of a batch of events: made once for all responses to it.

    Attributes
    ----------
    flow : dict
        Visible particles, of :func:`visible_flow`.
    index : ndarray of int
        Place of each particle of the record in GenPart, -1 for those that are not there.
    particles, jets, fat_jets, taus : dict
        The collections GenPart, GenJet, GenJetAK8 and GenVisTau.
    decays : dict
        Decays of taus, of :func:`massgap.samples.record.tau_decays`.
    """

    flow: dict[str, np.ndarray]
    index: np.ndarray
    particles: dict[str, Any]
    jets: dict[str, Any]
    fat_jets: dict[str, Any]
    decays: dict[str, np.ndarray]
    taus: dict[str, Any]

    @classmethod
    def of(cls, record: Record, card: dict[str, Any], clock: dict[str, float] | None = None) -> Truth:
        """The generated jets, particles and taus of a record; thresholds and radii are the card's."""
        flow = visible_flow(record)
        rows, particles = gen_particles(record, min(card["photon"]["pt_min"], 10.0))
        index = np.full(len(record.pdg), -1)
        index[rows] = local_index(record.event[rows], record.n_events)
        decays = tau_decays(record)
        return cls(
            flow=flow,
            index=index,
            particles=particles,
            jets=gen_jets(record, flow, card, clock=clock),
            fat_jets=gen_jets(record, flow, card, fat=True, clock=clock),
            decays=decays,
            taus=visible_taus(record, decays, index),
        )
