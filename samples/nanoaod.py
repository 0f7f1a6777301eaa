"""From generated records to NanoAOD: event content, branch names and types, and the file writer.

Names and types are those of CMS NanoAOD v12 (``Tau_idDeepTau2018v2p5VS*``, ``Jet_btagDeepFlavB``); a ``Photon`` has
no mass branch, as there. coffea's ``NanoAODSchema``, uproot and any NanoAOD tool read the files as they are.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, Self

import numpy as np

from massgap.samples.detector import (
    INVISIBLE,
    Candidates,
    btag_efficiency,
    by_eta,
    nearest,
    reconstruct,
    relative_isolation,
)
from massgap.samples.jets import cluster, hadron_flavour
from massgap.samples.record import Record, is_hadron, lepton_origin, nearest_ancestor, tau_decays

#: Key of the JSON text in each file that tells how it was made.
METADATA_KEY = "massgap"
_RUN = 1
_F, _I, _U8, _I16, _B = np.float32, np.int32, np.uint8, np.int16, np.bool_
_LEPTON: dict[str, Any] = {
    "pt": _F,
    "eta": _F,
    "phi": _F,
    "mass": _F,
    "charge": _I,
    "pdgId": _I,
    "dxy": _F,
    "dz": _F,
}
_MATCH: dict[str, Any] = {"genPartIdx": _I16, "genPartFlav": _U8, "jetIdx": _I16}
_JET: dict[str, Any] = {"pt": _F, "eta": _F, "phi": _F, "mass": _F}
_FLAVOUR: dict[str, Any] = {"hadronFlavour": _U8, "partonFlavour": _I16}
COLLECTIONS: dict[str, dict[str, Any]] = {
    "Muon": {
        **_LEPTON,
        **_MATCH,
        "pfRelIso03_all": _F,
        "pfRelIso04_all": _F,
        "looseId": _B,
        "mediumId": _B,
        "tightId": _B,
        "isPFcand": _B,
        "isGlobal": _B,
        "isTracker": _B,
        "pfIsoId": _U8,
        "fsrPhotonIdx": _I16,
    },
    "Electron": {
        **_LEPTON,
        **_MATCH,
        "pfRelIso03_all": _F,
        "cutBased": _U8,
        "mvaIso_WP80": _B,
        "mvaIso_WP90": _B,
        "deltaEtaSC": _F,
        "convVeto": _B,
        "lostHits": _U8,
        "photonIdx": _I16,
    },
    "Photon": {
        "pt": _F,
        "eta": _F,
        "phi": _F,
        **_MATCH,
        "pfRelIso03_all": _F,
        "cutBased": _U8,
        "mvaID_WP80": _B,
        "mvaID_WP90": _B,
        "electronVeto": _B,
        "pixelSeed": _B,
        "electronIdx": _I16,
    },
    "Tau": {
        **_LEPTON,
        **_MATCH,
        "decayMode": _U8,
        "idDecayModeNewDMs": _B,
        "idDeepTau2018v2p5VSjet": _U8,
        "idDeepTau2018v2p5VSe": _U8,
        "idDeepTau2018v2p5VSmu": _U8,
        "rawDeepTau2018v2p5VSjet": _F,
    },
    "Jet": {
        "pt": _F,
        "eta": _F,
        "phi": _F,
        "mass": _F,
        "rawFactor": _F,
        "area": _F,
        "jetId": _U8,
        "btagDeepFlavB": _F,
        "hadronFlavour": _U8,
        "partonFlavour": _I16,
        "genJetIdx": _I16,
        "nConstituents": _U8,
        "nMuons": _U8,
        "nElectrons": _U8,
        "muonIdx1": _I16,
        "muonIdx2": _I16,
        "electronIdx1": _I16,
        "electronIdx2": _I16,
        "chHEF": _F,
        "neHEF": _F,
        "chEmEF": _F,
        "neEmEF": _F,
        "muEF": _F,
    },
    "FatJet": {
        **_JET,
        "area": _F,
        "jetId": _U8,
        "nConstituents": _U8,
        "genJetAK8Idx": _I16,
        "subJetIdx1": _I16,
        "subJetIdx2": _I16,
    },
    "GenJet": {**_JET, **_FLAVOUR},
    "GenJetAK8": {**_JET, **_FLAVOUR},
    "GenVisTau": {**_JET, "charge": _I16, "status": _U8, "genPartIdxMother": _I16},
    "GenPart": {
        "pt": _F,
        "eta": _F,
        "phi": _F,
        "mass": _F,
        "pdgId": _I,
        "status": _I,
        "statusFlags": np.uint16,
        "genPartIdxMother": _I16,
    },
    # always empty: readers look for them because other collections may point there
    "SubJet": _JET,
    "FsrPhoton": {"pt": _F, "eta": _F, "phi": _F, "muonIdx": _I16},
    "LowPtElectron": {**_JET, "electronIdx": _I16, "photonIdx": _I16, "genPartIdx": _I16},
}
_EMPTY = ("SubJet", "FsrPhoton", "LowPtElectron")
SCALARS: dict[str, Any] = {
    "run": np.uint32,
    "luminosityBlock": np.uint32,
    "event": np.uint64,
    "genWeight": _F,
    "MET_pt": _F,
    "MET_phi": _F,
    "MET_sumEt": _F,
    "MET_significance": _F,
    "GenMET_pt": _F,
    "GenMET_phi": _F,
    "Generator_weight": _F,
    "Generator_id1": _I,
    "Generator_id2": _I,
    "Generator_x1": _F,
    "Generator_x2": _F,
    "Generator_xpdf1": _F,
    "Generator_xpdf2": _F,
    "Generator_scalePDF": _F,
    "Generator_binvar": _F,
    "Pileup_nPU": _I,
    "Pileup_nTrueInt": _F,
    "PV_npvs": _U8,
    "PV_npvsGood": _U8,
}
_RUNS: dict[str, Any] = {
    "run": np.uint32,
    "genEventCount": np.int64,
    "genEventSumw": np.float64,
    "genEventSumw2": np.float64,
}
# bits of GenPart_statusFlags in use
_PROMPT, _TAU_PRODUCT, _HARD, _FROM_HARD, _LAST = 1 << 0, 1 << 2, 1 << 7, 1 << 8, 1 << 13


def event_content(
    record: Record, card: dict[str, Any], rng: np.random.Generator, luminosity_block: int, first_event: int
) -> dict[str, Any]:
    """Simulate the detector for a batch and arrange the result as NanoAOD.

    Parameters
    ----------
    record : Record
        Generated events.
    card : dict
        Detector card.
    rng : numpy Generator
        Randomness of the response.
    luminosity_block, first_event : int
        Numbering; events count up from ``first_event``.

    Returns
    -------
    dict
        Flat collections ``{"Muon": {"_counts": ..., "pt": ...}, ...}`` and scalar branches by name.
    """
    n = record.n_events
    stable = np.flatnonzero(record.final)
    pick = {
        name: getattr(record, name)[stable] for name in ("event", "pdg", "charge", "px", "py", "pz", "energy")
    }
    seen = reconstruct(**pick, card=card, rng=rng)
    rows = stable[seen.index]  # rows of the record that the candidates come from
    px, py = seen.pt * np.cos(seen.phi), seen.pt * np.sin(seen.phi)
    pz = seen.pt * np.sinh(seen.eta)
    energy = np.sqrt(px**2 + py**2 + pz**2 + seen.mass**2)

    gen_rows, gen_part = _gen_particles(record)
    gen_index = np.full(len(record.pdg), -1)
    gen_index[gen_rows] = (
        np.arange(len(gen_rows)) - _starts(record.event[gen_rows], n)[record.event[gen_rows]]
    )

    jet_card = card["jet"]
    jets = cluster(
        seen.event, px, py, pz, energy, n, jet_card["radius"], jet_card["pt_min"], constituents=True
    )
    fat = cluster(seen.event, px, py, pz, energy, n, jet_card["fat_radius"], jet_card["fat_pt_min"])
    jet_local = np.append(_local(jets["event"], n), -1)
    jet_of = jets["member"]

    muons = _muons(record, seen, rows, card, rng, n)
    electrons = _electrons(record, seen, rows, card, rng, n)
    photons = _photons(record, seen, rows, card, rng, n)
    for objects in (muons, electrons, photons):
        objects["genPartIdx"] = gen_index[rows[objects["_candidate"]]]
        objects["jetIdx"] = jet_local[jet_of[objects["_candidate"]]]
    jet = _jets(record, seen, energy, jets, card, rng, muons, electrons)
    gen_jets = _gen_jets(record, card)
    match, distance = nearest(
        jets["event"], jets["eta"], jets["phi"], gen_jets["_event"], gen_jets["eta"], gen_jets["phi"], n
    )
    gen_local = np.append(_local(gen_jets["_event"], n), -1)
    jet["genJetIdx"] = np.where(distance < jet_card["radius"], gen_local[match], -1)
    decays = tau_decays(record)
    taus = _taus(decays, record, jets, jet, muons, electrons, card, rng, jet_local, gen_index)

    gen_fat = _gen_jets(record, card, fat=True)
    fat_match, fat_distance = nearest(
        fat["event"], fat["eta"], fat["phi"], gen_fat["_event"], gen_fat["eta"], gen_fat["phi"], n
    )
    fat_local = np.append(_local(gen_fat["_event"], n), -1)
    nothing = np.full(len(fat["pt"]), -1)

    content: dict[str, Any] = {
        "Muon": muons,
        "Electron": electrons,
        "Photon": photons,
        "Tau": taus,
        "Jet": jet,
        "GenJet": gen_jets,
        "GenPart": gen_part,
        "FatJet": {
            "_event": fat["event"],
            **{name: fat[name] for name in ("pt", "eta", "phi", "mass")},
            "area": np.full(len(fat["pt"]), np.pi * jet_card["fat_radius"] ** 2),
            "jetId": np.full(len(fat["pt"]), 6),
            "nConstituents": np.minimum(fat["n"], 255),
            "genJetAK8Idx": np.where(fat_distance < jet_card["fat_radius"], fat_local[fat_match], -1),
            "subJetIdx1": nothing,
            "subJetIdx2": nothing,
        },
        "GenJetAK8": gen_fat,
        "GenVisTau": _visible_taus(record, decays, gen_index),
        **{name: {"_event": np.zeros(0, np.int64)} for name in _EMPTY},
    }
    for name in _EMPTY:
        content[name] |= {column: np.zeros(0) for column in COLLECTIONS[name]}
    for objects in content.values():
        objects["_counts"] = np.bincount(objects["_event"], minlength=n)
    content |= _scalars(record, seen, px, py, card, rng)
    content["run"] = np.full(n, _RUN)
    content["luminosityBlock"] = np.full(n, luminosity_block)
    content["event"] = np.arange(first_event, first_event + n)
    return content


def _starts(event: np.ndarray, n: int) -> np.ndarray:
    return np.concatenate(([0], np.cumsum(np.bincount(event, minlength=n))))


def _local(event: np.ndarray, n: int) -> np.ndarray:
    """Index of each row within its event."""
    return np.arange(len(event)) - _starts(event, n)[event]


def _order(objects: dict[str, Any]) -> dict[str, Any]:
    """Sort a collection by event and falling pt."""
    order = np.lexsort((-objects["pt"], objects["_event"]))
    return {name: values[order] for name, values in objects.items()}


def _lepton(
    record: Record, seen: Candidates, rows: np.ndarray, which: np.ndarray, rng: np.random.Generator
) -> dict[str, Any]:
    """Columns that muons and electrons share; impact parameters are the resolution of a prompt track (cm)."""
    taken = seen.take(which)
    n = len(which)
    return {
        "_event": taken.event,
        "_candidate": which,
        **{name: getattr(taken, name) for name in ("pt", "eta", "phi", "mass")},
        "charge": -np.sign(taken.pdg),
        "pdgId": taken.pdg,
        "dxy": rng.normal(0.0, 0.002, n),
        "dz": rng.normal(0.0, 0.005, n),
        "genPartFlav": lepton_origin(record, rows[which]),
    }


def _muons(
    record: Record, seen: Candidates, rows: np.ndarray, card: dict[str, Any], rng: np.random.Generator, n: int
) -> dict[str, Any]:
    table, cones = card["muon"], card["isolation"]
    which = np.flatnonzero((np.abs(seen.pdg) == 13) & (seen.pt > table["pt_min"]))
    muons = _lepton(record, seen, rows, which, rng)
    good = rng.random(len(which)) < by_eta(table["efficiency"], table["eta"], muons["eta"])
    objects = seen.take(which)
    for name, cone in (("pfRelIso04_all", cones["muon_cone"]), ("pfRelIso03_all", cones["electron_cone"])):
        muons[name] = relative_isolation(objects, seen, n, cone, cones["pt_min"])
    always = np.ones(len(which), dtype=bool)
    muons |= dict.fromkeys(("looseId", "isPFcand", "isTracker"), always)
    muons |= dict.fromkeys(("mediumId", "tightId", "isGlobal"), good)
    muons["fsrPhotonIdx"] = np.full(len(which), -1)
    # PFIso working points: very loose 0.40, loose 0.25, medium 0.20, tight 0.15, very tight 0.10, 0.05
    points = (0.05, 0.10, 0.15, 0.20, 0.25, 0.40)
    muons["pfIsoId"] = sum((muons["pfRelIso04_all"] < point).astype(np.int64) for point in points)
    return _order(muons)


def _electrons(
    record: Record, seen: Candidates, rows: np.ndarray, card: dict[str, Any], rng: np.random.Generator, n: int
) -> dict[str, Any]:
    table, cones = card["electron"], card["isolation"]
    which = np.flatnonzero((np.abs(seen.pdg) == 11) & seen.track & (seen.pt > table["pt_min"]))
    electrons = _lepton(record, seen, rows, which, rng)
    good = rng.random(len(which)) < by_eta(table["efficiency"], table["eta"], electrons["eta"])
    electrons["pfRelIso03_all"] = relative_isolation(
        seen.take(which), seen, n, cones["electron_cone"], cones["pt_min"]
    )
    electrons["cutBased"] = np.where(good, 4, 1)
    electrons |= dict.fromkeys(("mvaIso_WP80", "mvaIso_WP90"), good)
    electrons |= {"deltaEtaSC": np.zeros(len(which)), "convVeto": np.ones(len(which), dtype=bool)}
    electrons["lostHits"] = np.zeros(len(which))
    electrons["photonIdx"] = np.full(len(which), -1)
    return _order(electrons)


def _photons(
    record: Record, seen: Candidates, rows: np.ndarray, card: dict[str, Any], rng: np.random.Generator, n: int
) -> dict[str, Any]:
    table, cones = card["photon"], card["isolation"]
    which = np.flatnonzero((seen.pdg == 22) | ((np.abs(seen.pdg) == 11) & ~seen.track))
    which = which[(seen.pt[which] > table["pt_min"]) & (np.abs(seen.eta[which]) < table["eta"][-1])]
    taken = seen.take(which)
    isolation = relative_isolation(taken, seen, n, cones["photon_cone"], cones["pt_min"])
    good = rng.random(len(which)) < by_eta(table["efficiency"], table["eta"], taken.eta)
    kind = np.abs(record.pdg[rows[which]])
    origin = np.where(lepton_origin(record, rows[which]) == 1, 1, 0)
    photons = {
        "_event": taken.event,
        "_candidate": which,
        **{name: getattr(taken, name) for name in ("pt", "eta", "phi")},
        "pfRelIso03_all": isolation,
        "cutBased": np.where(good, 3, 0),
        "mvaID_WP80": good,
        "mvaID_WP90": good,
        "electronVeto": np.ones(len(which), dtype=bool),
        "pixelSeed": kind == 11,
        "electronIdx": np.full(len(which), -1),
        "genPartFlav": np.where(kind == 11, 11, origin),
    }
    keep = isolation < 1.0
    return _order({name: values[keep] for name, values in photons.items()})


def _jets(
    record: Record,
    seen: Candidates,
    energy: np.ndarray,
    jets: dict[str, Any],
    card: dict[str, Any],
    rng: np.random.Generator,
    muons: dict[str, Any],
    electrons: dict[str, Any],
) -> dict[str, Any]:
    n = len(jets["pt"])
    member = jets["member"]
    inside = member >= 0
    kind = np.abs(seen.pdg)
    total = np.bincount(member[inside], weights=energy[inside], minlength=n)

    def fraction(mask: np.ndarray) -> np.ndarray:
        chosen = inside & mask
        return np.bincount(member[chosen], weights=energy[chosen], minlength=n) / np.maximum(total, 1e-9)

    flavour = hadron_flavour(record, jets, card["btag"]["match_radius"], card["btag"]["hadron_pt_min"])
    efficiency = btag_efficiency(flavour, jets["pt"], jets["eta"], card)
    tagged, fill = rng.random(n) < efficiency, rng.random(n)
    point = card["btag"]["working_point"]
    columns = {
        "_event": jets["event"],
        **{name: jets[name] for name in ("pt", "eta", "phi", "mass")},
        "rawFactor": np.zeros(n),
        "area": np.full(n, np.pi * card["jet"]["radius"] ** 2),
        "jetId": np.full(n, 6),
        # only the working point means something: flat above it for tagged jets, flat below for the others
        "btagDeepFlavB": np.where(tagged, point + (1.0 - point) * (1.0 - fill), point * fill),
        "hadronFlavour": flavour,
        "partonFlavour": flavour,
        "nConstituents": np.minimum(jets["n"], 255),
        "chHEF": fraction(kind == 211),
        "neHEF": fraction(kind == 130),
        "chEmEF": fraction(kind == 11),
        "neEmEF": fraction(kind == 22),
        "muEF": fraction(kind == 13),
    }
    for name, objects, label in (("muonIdx", muons, "nMuons"), ("electronIdx", electrons, "nElectrons")):
        owner = member[objects["_candidate"]]
        columns[label] = np.bincount(owner[owner >= 0], minlength=n)
        local = _local(objects["_event"], record.n_events)
        first, second = np.full(n, -1), np.full(n, -1)
        # rows are ordered in pt: write from the softest up, so that the hardest stays
        for row in np.flatnonzero(owner >= 0)[::-1]:
            second[owner[row]] = first[owner[row]]
            first[owner[row]] = local[row]
        columns |= {f"{name}1": first, f"{name}2": second}
    return columns


def _gen_jets(record: Record, card: dict[str, Any], *, fat: bool = False) -> dict[str, Any]:
    table = card["jet"]
    visible = record.final & ~np.isin(np.abs(record.pdg), INVISIBLE)
    radius, pt_min = (
        (table["fat_radius"], table["gen_fat_pt_min"]) if fat else (table["radius"], table["gen_pt_min"])
    )
    if fat:
        # most events hold no fat jet: skip those whose whole transverse momentum would not make one
        total = np.bincount(
            record.event, weights=np.where(visible, record.pt, 0.0), minlength=record.n_events
        )
        visible &= (total > pt_min)[record.event]
    rows = np.flatnonzero(visible)
    columns = {name: getattr(record, name)[rows] for name in ("event", "px", "py", "pz", "energy")}
    jets = cluster(**columns, n_events=record.n_events, radius=radius, pt_min=pt_min)
    flavour = hadron_flavour(record, jets, card["btag"]["match_radius"], card["btag"]["hadron_pt_min"])
    return {
        "_event": jets["event"],
        **{name: jets[name] for name in ("pt", "eta", "phi", "mass")},
        "hadronFlavour": flavour,
        "partonFlavour": flavour,
    }


def _visible_taus(record: Record, decays: dict[str, np.ndarray], gen_index: np.ndarray) -> dict[str, Any]:
    """Visible parts of hadronic tau decays; status is the decay mode."""
    real = np.flatnonzero(decays["hadronic"] & (decays["pt"] > 10.0))
    rows = decays["row"][real]
    return _order(
        {
            "_event": record.event[rows],
            **{name: decays[name][real] for name in ("pt", "eta", "phi", "mass")},
            "charge": -np.sign(record.pdg[rows]),
            "status": _decay_mode(decays, real),
            "genPartIdxMother": gen_index[rows],
        }
    )


def _decay_mode(decays: dict[str, np.ndarray], which: np.ndarray) -> np.ndarray:
    """NanoAOD's decay mode: 0, 1 (one prong without, with photons), 10, 11 (three prongs)."""
    return np.where(decays["prongs"][which] > 1, 10, 0) + (decays["neutral"][which] > 0)


def _taus(
    decays: dict[str, np.ndarray],
    record: Record,
    jets: dict[str, Any],
    jet: dict[str, Any],
    muons: dict[str, Any],
    electrons: dict[str, Any],
    card: dict[str, Any],
    rng: np.random.Generator,
    jet_local: np.ndarray,
    gen_index: np.ndarray,
) -> dict[str, Any]:
    """Jets that pass as hadronic taus: true ones with the efficiency, others with the misidentification."""
    table, n = card["tautag"], record.n_events
    real = np.flatnonzero(decays["hadronic"] & (decays["pt"] > table["visible_pt_min"]))
    match, distance = nearest(
        jets["event"],
        jets["eta"],
        jets["phi"],
        record.event[decays["row"][real]],
        decays["eta"][real],
        decays["phi"][real],
        n,
    )
    true = distance < table["match_radius"]
    usable = (jets["pt"] > table["pt_min"]) & (np.abs(jets["eta"]) < table["eta_max"])
    for leptons in (muons, electrons):
        if len(leptons["pt"]):
            _, near = nearest(
                jets["event"], jets["eta"], jets["phi"], leptons["_event"], leptons["eta"], leptons["phi"], n
            )
            # a jet around a lepton that carries most of it is that lepton
            usable &= ~((near < table["match_radius"]) & (jet["muEF"] + jet["chEmEF"] > 0.5))
    chance = np.where(true, table["efficiency"], table["misidentification"])
    tagged = np.flatnonzero(usable & (rng.random(len(chance)) < chance))
    truth, genuine = real[match[tagged]] if len(real) else np.zeros(len(tagged), np.int64), true[tagged]
    if not len(real):
        return _tau_columns(jets, tagged, genuine, rng, jet_local, None, None)
    rows = decays["row"][truth]
    return _tau_columns(
        jets, tagged, genuine, rng, jet_local, (decays, truth, record.pdg[rows]), gen_index[rows]
    )


def _tau_columns(
    jets: dict[str, Any],
    tagged: np.ndarray,
    genuine: np.ndarray,
    rng: np.random.Generator,
    jet_local: np.ndarray,
    truth: Any,
    gen_row: np.ndarray | None,
) -> dict[str, Any]:
    n = len(tagged)
    charge = rng.choice((-1, 1), n)
    mode, mass = np.zeros(n), np.full(n, 0.8)
    if truth is not None:
        decays, which, pdg = truth
        charge = np.where(genuine, -np.sign(pdg), charge)
        mode = np.where(genuine, _decay_mode(decays, which), 0)
        mass = np.where(genuine, decays["mass"][which], mass)
    full = np.ones(n)
    return {
        "_event": jets["event"][tagged],
        **{name: jets[name][tagged] for name in ("pt", "eta", "phi")},
        "mass": mass,
        "charge": charge,
        "pdgId": -15 * charge,
        "dxy": rng.normal(0.0, 0.01, n),
        "dz": rng.normal(0.0, 0.01, n),
        "jetIdx": jet_local[tagged],
        "genPartIdx": np.where(genuine, gen_row, -1) if gen_row is not None else np.full(n, -1),
        "genPartFlav": np.where(genuine, 5, 0),
        "decayMode": mode,
        "idDecayModeNewDMs": full > 0,
        # the working points count from 1 (loosest) to 8, 7 and 4 (tightest); 5 is Medium
        "idDeepTau2018v2p5VSjet": 5 * full,
        "idDeepTau2018v2p5VSe": 6 * full,
        "idDeepTau2018v2p5VSmu": 4 * full,
        "rawDeepTau2018v2p5VSjet": 0.95 * full,
    }


def _gen_particles(record: Record) -> tuple[np.ndarray, dict[str, Any]]:
    """Slim GenPart: the hard process, heavy particles, and leptons and photons outside hadrons."""
    kind = np.abs(record.pdg)
    hadron = is_hadron(record.pdg)
    hard = (np.abs(record.status) >= 21) & (np.abs(record.status) <= 29)
    heavy = (kind == 6) | ((kind >= 23) & (kind <= 37)) | (kind >= 1000000) & (kind < 9000000)
    lepton = np.isin(kind, (11, 12, 13, 14, 15, 16)) | ((kind == 22) & (record.pt > 10.0))
    lepton &= record.final | (kind == 15)
    rows = np.flatnonzero(lepton)
    lepton[rows[nearest_ancestor(record, rows, hadron) >= 0]] = False
    keep = hard | heavy | lepton
    rows = np.flatnonzero(keep)
    mother = nearest_ancestor(record, rows, keep)
    start = _starts(record.event[rows], record.n_events)[record.event[rows]]
    new_row = np.cumsum(keep) - 1
    from_tau = nearest_ancestor(record, rows, kind == 15) >= 0
    with_mother = mother >= 0
    copied = np.zeros(len(record.pdg), dtype=bool)
    alike = with_mother & (record.pdg[mother] == record.pdg[rows])
    copied[mother[alike]] = True
    flags = np.where(from_tau, _TAU_PRODUCT, _PROMPT) | _FROM_HARD
    flags = flags | np.where(hard[rows], _HARD, 0) | np.where(copied[rows], 0, _LAST)
    return rows, {
        "_event": record.event[rows],
        **{name: getattr(record, name)[rows] for name in ("pt", "eta", "phi", "mass")},
        "pdgId": record.pdg[rows],
        # NanoAOD follows CMS: 1 stable, 2 decayed, hard process kept
        "status": np.where(record.final[rows], 1, np.where(hard[rows], np.abs(record.status[rows]), 2)),
        "statusFlags": flags,
        "genPartIdxMother": np.where(with_mother, new_row[np.maximum(mother, 0)] - start, -1),
    }


def _scalars(
    record: Record,
    seen: Candidates,
    px: np.ndarray,
    py: np.ndarray,
    card: dict[str, Any],
    rng: np.random.Generator,
) -> dict[str, np.ndarray]:
    n, info = record.n_events, record.info

    def total(event: np.ndarray, values: np.ndarray) -> np.ndarray:
        return np.bincount(event, weights=values, minlength=n)

    mx, my = -total(seen.event, px), -total(seen.event, py)
    if card["met"]["soft_sigma"] > 0:
        mx, my = (
            mx + rng.normal(0, card["met"]["soft_sigma"], n),
            my + rng.normal(0, card["met"]["soft_sigma"], n),
        )
    escaped = np.flatnonzero(record.final & np.isin(np.abs(record.pdg), INVISIBLE))
    gx, gy = (total(record.event[escaped], values[escaped]) for values in (record.px, record.py))
    met, sum_et = np.hypot(mx, my), total(seen.event, seen.pt)
    return {
        "genWeight": info["weight"],
        "MET_pt": met,
        "MET_phi": np.arctan2(my, mx),
        "MET_sumEt": sum_et,
        "MET_significance": met / np.sqrt(np.maximum(sum_et, 1.0)),
        "GenMET_pt": np.hypot(gx, gy),
        "GenMET_phi": np.arctan2(gy, gx),
        "Generator_weight": info["weight"],
        "Generator_id1": info["id1"],
        "Generator_id2": info["id2"],
        "Generator_x1": info["x1"],
        "Generator_x2": info["x2"],
        "Generator_xpdf1": info["pdf1"],
        "Generator_xpdf2": info["pdf2"],
        "Generator_scalePDF": np.sqrt(info["Q2Fac"]),
        "Generator_binvar": np.sqrt(np.maximum(info["pT2Hat"], 0.0)),
        "Pileup_nPU": np.zeros(n),
        "Pileup_nTrueInt": np.zeros(n),
        "PV_npvs": np.ones(n),
        "PV_npvsGood": np.ones(n),
    }


class NanoWriter:
    """Write batches of :func:`event_content` into one ROOT file with ``Events`` and ``Runs`` trees.

    Use as a context manager; :meth:`finish` writes the Runs tree and the metadata text.
    """

    def __init__(self, path: str | Path) -> None:
        import uproot

        self.path = Path(path)
        self._file = uproot.recreate(self.path, compression=uproot.ZLIB(4))
        # ROOT TTrees by name: assigning arrays would write RNTuples
        types: dict[str, Any] = {name: np.dtype(kind) for name, kind in SCALARS.items()}
        for name, columns in COLLECTIONS.items():
            types[name] = _record_type(columns)
        self._file.mktree("Events", types, title="Events", counter_name=lambda name: f"n{name}")
        self.count, self.sum_weights, self.sum_weights2 = 0, 0.0, 0.0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def extend(self, content: dict[str, Any]) -> None:
        """Append one batch."""
        import awkward as ak

        branches: dict[str, Any] = {name: content[name].astype(kind) for name, kind in SCALARS.items()}
        for name, columns in COLLECTIONS.items():
            objects = content[name]
            layout = ak.zip({key: objects[key].astype(kind) for key, kind in columns.items()})
            branches[name] = ak.unflatten(layout, objects["_counts"])
        self._file["Events"].extend(branches)
        # what readers will sum: the weights as stored
        weights = branches["genWeight"].astype(np.float64)
        self.count += len(weights)
        self.sum_weights += float(weights.sum())
        self.sum_weights2 += float((weights**2).sum())

    def finish(self, metadata: str) -> None:
        """Write the Runs tree and the text that tells how the file was made."""
        self._file.mktree("Runs", {name: np.dtype(kind) for name, kind in _RUNS.items()}, title="Runs")
        values = (_RUN, self.count, self.sum_weights, self.sum_weights2)
        self._file["Runs"].extend(
            {
                name: np.array([value], dtype=kind)
                for (name, kind), value in zip(_RUNS.items(), values, strict=True)
            }
        )
        self._file[METADATA_KEY] = metadata


def _record_type(columns: dict[str, Any]) -> Any:
    import awkward as ak

    fields = {name: ak.types.NumpyType(np.dtype(kind).name) for name, kind in columns.items()}
    return ak.types.ListType(ak.types.RecordType(list(fields.values()), list(fields)))
