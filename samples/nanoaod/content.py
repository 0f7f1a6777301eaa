"""From generated records to the content of NanoAOD events: detector, jets, tags, truth."""

from __future__ import annotations

from typing import Any

import numpy as np

from massgap.samples.detector.cones import nearest
from massgap.samples.detector.draws import Draws, EventRandom
from massgap.samples.detector.jets import hadron_flavour, reconstructed_jets
from massgap.samples.detector.leptons import leptons_and_photons
from massgap.samples.detector.missing import missing_momentum
from massgap.samples.detector.response import Candidates, reconstruct
from massgap.samples.detector.tagging import btag_efficiency, btag_score, tau_tags
from massgap.samples.nanoaod.branches import COLLECTIONS, EMPTY, OPTIONAL, SCALARS, VARIATIONS
from massgap.samples.nanoaod.truth import Truth
from massgap.samples.record import Record, local_index

_RUN = 1
_JET = ("pt", "eta", "phi", "mass")


def event_content(
    record: Record,
    card: dict[str, Any],
    rng: np.random.Generator | EventRandom,
    luminosity_block: int,
    first_event: int,
    *,
    truth: Truth | None = None,
    clock: dict[str, float] | None = None,
) -> dict[str, Any]:
    """Simulate the detector for a batch and arrange the result as NanoAOD.

    Parameters
    ----------
    record : Record
        Generated events.
    card : dict
        Detector card.
    rng : numpy Generator or EventRandom
        Randomness of the response. Of a Generator only the seed matters: an event's numbers depend on that and on
        its own number, not on the batch it comes in.
    luminosity_block, first_event : int
        Numbering; events count up from ``first_event``.
    truth : Truth, optional
        What ``Truth.of`` has made of the same record and card, where there are several responses to them.
    clock : dict, optional
        CPU seconds in fastjet are added to its entry ``fastjet``.

    Returns
    -------
    dict
        Flat collections ``{"Muon": {"_counts": ..., "pt": ...}, ...}`` and scalar branches by name.
    """
    n = record.n_events
    random = rng if isinstance(rng, EventRandom) else EventRandom.from_generator(rng, first_event)
    truth = Truth.of(record, card, clock) if truth is None else truth
    seen, draws, rows = _seen(record, truth.flow, card, random)
    flow = _flow(seen, n)

    table = card["jet"]
    jets, fat, wide = (
        reconstructed_jets(
            flow, n, table[f"{prefix}radius"], table[f"{prefix}pt_min"], f"{prefix}jet", card, random, clock
        )
        for prefix in ("", "fat_", "wide_")
    )
    muons, electrons, photons = leptons_and_photons(record, seen, rows, card, draws)
    jet_local = np.append(local_index(jets["event"], n), -1)
    for objects in (muons, electrons, photons):
        objects["genPartIdx"] = truth.index[rows[objects["_candidate"]]]
        objects["jetIdx"] = jet_local[jets["member"][objects["_candidate"]]]

    jet_draws = random.objects("tag", jets["event"])
    jet = _jets(seen, flow["energy"], jets, table["radius"], n, muons, electrons)
    jet |= _flavours(record, jets, card, jet_draws)
    jet["genJetIdx"] = _match(jets, truth.jets, n, table["radius"])
    leptonic = _around_leptons(jets, jet, (muons, electrons), n, card["tautag"]["match_radius"])
    tags = tau_tags(record, truth.decays, jets, leptonic, seen, card, jet_draws)
    content: dict[str, Any] = {
        "Muon": muons,
        "Electron": electrons,
        "Photon": photons,
        "Tau": _taus(tags, truth.decays, jets, jet_draws.take(tags["jet"]), jet_local, truth.index),
        "Jet": jet,
        "GenJet": truth.jets,
        "GenPart": truth.particles,
        "FatJet": _fat_jets(fat, truth.fat_jets, n, table["fat_radius"]),
        "WideJet": _large(wide, table["wide_radius"]),
        "GenJetAK8": truth.fat_jets,
        "GenVisTau": truth.taus,
    }
    for name in EMPTY:
        content[name] = {"_event": np.zeros(0, np.int64)} | {key: np.zeros(0) for key in COLLECTIONS[name]}
    for objects in content.values():
        objects["_counts"] = np.bincount(objects["_event"], minlength=n)
    content |= missing_momentum(record, seen, flow, jets, card, random)
    content |= _generator(record)
    content |= {name: record.info[name] for name in (*VARIATIONS, *OPTIONAL) if name in record.info}
    return content | _numbers(n, luminosity_block, first_event)


def empty_content(n: int, luminosity_block: int, first_event: int) -> dict[str, Any]:
    """``n`` events without any object, weight or momentum, to be filled by who makes them without a generator's record.

    Parameters
    ----------
    n : int
        How many.
    luminosity_block, first_event : int
        Numbering, as for :func:`event_content`.
    """
    content: dict[str, Any] = {
        name: {"_counts": np.zeros(n, np.int64), **{key: np.zeros(0) for key in columns}}
        for name, columns in COLLECTIONS.items()
    }
    content |= {name: np.zeros(n) for name in SCALARS}
    return content | _numbers(n, luminosity_block, first_event)


def _seen(
    record: Record, gen_flow: dict[str, np.ndarray], card: dict[str, Any], random: EventRandom
) -> tuple[Candidates, Draws, np.ndarray]:
    """Reconstructed particles, their random numbers, and their rows in the record."""
    stable = record.visible
    draws = random.objects("particle", gen_flow["event"])
    seen = reconstruct(
        **{name: gen_flow[name] for name in ("event", "px", "py", "pz", "energy")},
        **{name: getattr(record, name)[stable] for name in ("pdg", "charge", "mass")},
        card=card,
        draws=draws,
    )
    return seen, draws.take(seen.index), stable[seen.index]


def _flavours(record: Record, jets: dict[str, Any], card: dict[str, Any], draws: Draws) -> dict[str, Any]:
    """Columns of the jets' flavours and of the b tag."""
    flavour = hadron_flavour(record, jets, card["btag"]["match_radius"], card["btag"]["hadron_pt_min"])
    efficiency = btag_efficiency(flavour, jets["pt"], jets["eta"], card)
    return {
        "hadronFlavour": flavour,
        "partonFlavour": flavour,
        "btagDeepFlavB": btag_score(efficiency, card, draws),
        "btagEff": efficiency,
    }


def _numbers(n: int, luminosity_block: int, first_event: int) -> dict[str, np.ndarray]:
    return {
        "run": np.full(n, _RUN),
        "luminosityBlock": np.full(n, luminosity_block),
        "event": np.arange(first_event, first_event + n),
    }


def _flow(seen: Candidates, n: int) -> dict[str, np.ndarray]:
    px, py, pz = seen.pt * np.cos(seen.phi), seen.pt * np.sin(seen.phi), seen.pt * np.sinh(seen.eta)
    energy = np.sqrt(px**2 + py**2 + pz**2 + seen.mass**2)
    flow = {"event": seen.event, "px": px, "py": py, "pz": pz, "energy": energy}
    return {**flow, "scalar_sum": np.bincount(seen.event, seen.pt, minlength=n)}


def _match(jets: dict[str, Any], gen: dict[str, Any], n: int, radius: float) -> np.ndarray:
    """Index within the event of the nearest generated jet within the radius, or -1."""
    row, distance = nearest(jets["event"], jets["eta"], jets["phi"], gen["_event"], gen["eta"], gen["phi"], n)
    return np.where(distance < radius, np.append(local_index(gen["_event"], n), -1)[row], -1)


def _large(jets: dict[str, Any], radius: float) -> dict[str, Any]:
    """Columns of all jets."""
    n = len(jets["pt"])
    return {
        "_event": jets["event"],
        **{name: jets[name] for name in _JET},
        "area": np.full(n, np.pi * radius**2),
        "jetId": np.full(n, 6),
        "nConstituents": np.minimum(jets["n"], 255),
    }


def _fat_jets(jets: dict[str, Any], gen: dict[str, Any], n: int, radius: float) -> dict[str, Any]:
    none = np.full(len(jets["pt"]), -1)
    return {
        **_large(jets, radius),
        "genJetAK8Idx": _match(jets, gen, n, radius),
        "subJetIdx1": none,
        "subJetIdx2": none,
    }


def _jets(
    seen: Candidates,
    energy: np.ndarray,
    jets: dict[str, Any],
    radius: float,
    n_events: int,
    muons: dict[str, Any],
    electrons: dict[str, Any],
) -> dict[str, Any]:
    """Columns of the jets that need no tag: energy fractions, leptons inside."""
    n, member = len(jets["pt"]), jets["member"]
    inside = np.flatnonzero(member >= 0)
    kinds = ((211, "chHEF"), (130, "neHEF"), (11, "chEmEF"), (22, "neEmEF"), (13, "muEF"))
    slot = np.zeros(212, dtype=np.intp)
    slot[[kind for kind, _ in kinds]] = range(len(kinds))
    cell = member[inside] * len(kinds) + slot[np.abs(seen.pdg[inside])]
    parts = np.bincount(cell, weights=energy[inside], minlength=n * len(kinds)).reshape(n, len(kinds))
    parts = parts / np.maximum(parts.sum(axis=1, keepdims=True), 1e-9)
    columns = {
        **_large(jets, radius),
        "rawFactor": 1.0 - jets["pt_sum"] / jets["pt"],
        **{name: parts[:, k] for k, (_, name) in enumerate(kinds)},
    }
    for name, objects, label in (("muonIdx", muons, "nMuons"), ("electronIdx", electrons, "nElectrons")):
        owner = member[objects["_candidate"]]
        rows = np.flatnonzero(owner >= 0)
        columns[label] = np.bincount(owner[rows], minlength=n)
        local = local_index(objects["_event"], n_events)
        # objects are ordered in pt: place of each among those of its jet
        rows = rows[np.argsort(owner[rows], kind="stable")]
        place = local_index(owner[rows], n)
        for k in (0, 1):
            index = np.full(n, -1)
            index[owner[rows[place == k]]] = local[rows[place == k]]
            columns[f"{name}{k + 1}"] = index
    return columns


def _around_leptons(
    jets: dict[str, Any], jet: dict[str, Any], leptons: tuple[dict[str, Any], ...], n: int, radius: float
) -> np.ndarray:
    """Jets around a lepton that carries most of their energy: they are that lepton."""
    found = np.zeros(len(jets["pt"]), dtype=bool)
    for objects in leptons:
        _, distance = nearest(
            jets["event"], jets["eta"], jets["phi"], objects["_event"], objects["eta"], objects["phi"], n
        )
        found |= (distance < radius) & (jet["muEF"] + jet["chEmEF"] > 0.5)
    return found


def _taus(
    tags: dict[str, np.ndarray],
    decays: dict[str, np.ndarray],
    jets: dict[str, Any],
    draws: Any,
    jet_local: np.ndarray,
    gen_index: np.ndarray,
) -> dict[str, Any]:
    rows, genuine, n = tags["jet"], tags["genuine"], len(tags["jet"])
    gen_row = np.append(gen_index[decays["row"]], -1)[tags["truth"]]
    return {
        "_event": jets["event"][rows],
        **{name: jets[name][rows] for name in ("pt", "eta", "phi")},
        "mass": tags["mass"],
        "charge": tags["charge"],
        "pdgId": -15 * tags["charge"],
        "dxy": 0.01 * draws.normal("tau dxy"),
        "dz": 0.01 * draws.normal("tau dz"),
        "jetIdx": jet_local[rows],
        "genPartIdx": gen_row,
        "genPartFlav": np.where(genuine, 5, 0),
        "decayMode": tags["mode"],
        "idDecayModeNewDMs": np.ones(n, dtype=bool),
        # the working points count from 1 (loosest) to 8, 7 and 4 (tightest); 5 is Medium
        "idDeepTau2018v2p5VSjet": np.full(n, 5),
        "idDeepTau2018v2p5VSe": np.full(n, 6),
        "idDeepTau2018v2p5VSmu": np.full(n, 4),
        "rawDeepTau2018v2p5VSjet": np.full(n, 0.95),
    }


def _generator(record: Record) -> dict[str, np.ndarray]:
    n, info = record.n_events, record.info
    return {
        "genWeight": info["weight"],
        "Generator_weight": info["weight"],
        "Generator_id1": info["id1"],
        "Generator_id2": info["id2"],
        "Generator_x1": info["x1"],
        "Generator_x2": info["x2"],
        "Generator_xpdf1": info["pdf1"],
        "Generator_xpdf2": info["pdf2"],
        "Generator_scalePDF": np.sqrt(info["Q2Fac"]),
        "Generator_binvar": info["binvar"] if "binvar" in info else np.sqrt(np.maximum(info["pT2Hat"], 0.0)),
        # placeholders: there is no pile-up
        "Pileup_nPU": np.zeros(n),
        "Pileup_nTrueInt": np.zeros(n),
        "PV_npvs": np.ones(n),
        "PV_npvsGood": np.ones(n),
    }
