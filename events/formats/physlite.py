"""What an ATLAS DAOD_PHYSLITE file holds: the calibrated collections, in MeV.

Sources: the list of PHYSLITE variables (atlas-physlite-content.web.cern.ch), ATLAS Open Data for Research, and, for what
the stored bits mean, athena's xAODMuon, xAODTau and METUtilities.  Which working points are taken:

=========  ========================================================================================================
muons      Medium: quality 0 (Tight) or 1 in the lowest two bits of ``quality``, and its bit 8, the cuts on the
           inner track.  Isolation: (ptvarcone30 of tracks above 500 MeV + 0.4 neflowisol20) / pT, on which the
           points PflowLoose (< 0.16) and PflowTight (< 0.045) cut (arXiv:2012.00578).
electrons  ``DFCommonElectronsLHMedium``.  Isolation: the larger of ptvarcone30 and topoetcone20, over pT; the point Tight asks
           for less than 0.06 of both, Loose for 0.15 and 0.2 (arXiv:1908.00005).
photons    ``DFCommonPhotonsIsEMTight`` and, where stored, ``DFCommonPhotonsCleaning``.  Isolation: the larger of ptcone20
           and topoetcone20, over pT (the point Loose: < 0.05 and < 0.065, same paper).
taus       Medium of the recurrent network against jets (bit 30 of ``isTauFlags``, or the newer GNTau), the loose point
           against electrons where it is stored, and charge +1 or -1.
jets       NNJvtPass (or Jvt > 0.5 below 60 GeV and abs(eta) 2.4); where neither is stored, all of them.  b tag: see
           :data:`massgap.events.formats.taggers.ATLAS_B_TAGGERS`.
=========  ========================================================================================================

Simulation has particles in collections of their own; ``gen_particles`` holds all of them, one collection after the other,
without mothers.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.errors import SelectionError
from massgap.events.errors import MissingBranchError
from massgap.events.formats.fields import (
    POSSIBLE,
    Fields,
    Reader,
    all_true,
    charge,
    chosen,
    collection,
    event_numbers,
    first_branch,
    whole_numbers,
)
from massgap.events.formats.names import SIMULATION_MARKS
from massgap.events.formats.physlite_links import linked, muon_charge
from massgap.events.formats.physlite_met import read_gen_met, read_met
from massgap.events.formats.physlite_truth import TRUTH_READERS
from massgap.events.formats.taggers import ATLAS_B_TAGGERS
from massgap.physical_constants import ELECTRON_MASS, MUON_MASS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy.typing as npt

    from massgap.arrays.jagged.collection import Collection
    from massgap.events.columns import Columns
    from massgap.events.formats.taggers import TaggerOptions

__all__ = ["READERS", "identifiers", "kinematics", "simulated", "weights"]

MEV = 1000.0
"""MeV in a GeV."""

_QUALITIES = ("Tight", "Medium", "Loose", "VeryLoose")
_JET_RNN_MEDIUM = 30  # xAOD::TauJetParameters::IsTauFlag
_TRACKS_OF_MUONS = (
    "ptvarcone30_Nonprompt_All_MaxWeightTTVA_pt500",
    "ptvarcone30_Nonprompt_All_MaxWeightTTVA_pt1000",
    "ptvarcone30_TightTTVA_pt500",
    "ptvarcone30_TightTTVA_pt1000",
    "ptvarcone30",
)
_TRACKS_OF_ELECTRONS = (
    "ptvarcone30_Nonprompt_All_MaxWeightTTVALooseCone_pt1000",
    "ptvarcone30_TightTTVALooseCone_pt1000",
    "ptvarcone20_Nonprompt_All_MaxWeightTTVA_pt1000",
    "ptvarcone20",
)


def kinematics(columns: Columns, name: str, mass: float | None = None) -> Fields:
    """Readers of pt, eta, phi and mass, in GeV and radians.

    Parameters
    ----------
    columns
        The columns of the file.
    name
        The collection as the file calls it.
    mass
        The mass of the particle in GeV, taken where the file stores none.
    """

    def momentum(field: str, key: str) -> Callable[[], npt.NDArray[Any]]:
        low, high = POSSIBLE[key]
        return lambda: _in_gev(columns.flat_floats(name, field, MEV * low, MEV * high))

    def angle(key: str) -> Callable[[], npt.NDArray[Any]]:
        return lambda: columns.flat_floats(name, key, *POSSIBLE[key])

    fields: Fields = {"pt": momentum("pt", "pt"), "eta": angle("eta"), "phi": angle("phi")}
    if mass is not None and not columns.has(name, "m"):
        fields["mass"] = lambda: np.full(len(columns.flat(name, "pt")), mass)
    else:
        fields["mass"] = momentum("m", "mass")
    return fields


def _in_gev(values: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    # In double precision: 30 GeV is 30,000 MeV exactly, and stays on its side of a cut.
    return values.astype(np.float64) / MEV


def _yes(columns: Columns, name: str, *candidates: str) -> npt.NDArray[np.bool_]:
    """The first of the candidate decisions that the file has."""
    return whole_numbers(columns, name, first_branch(columns, name, candidates)) > 0


def _relative(
    columns: Columns, name: str, *parts: tuple[str, ...], together: Callable[..., npt.NDArray[Any]]
) -> Callable[[], npt.NDArray[Any]]:
    """Reader of an isolation over pT; of each part the first branch that the file has."""

    def read() -> npt.NDArray[Any]:
        cones = [columns.flat_floats(name, first_branch(columns, name, part)) for part in parts]
        return np.asarray(
            together(*(cone.astype(np.float64) for cone in cones)) / columns.flat_floats(name, "pt")
        )

    return read


# ---- leptons and photons


def _muons(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "muons", "AnalysisMuons")
    neutral = columns.first(name, ("neflowisol20", "neflowisol20_CloseByCorr"))
    if neutral is not None:
        isolation = _relative(
            columns,
            name,
            _TRACKS_OF_MUONS,
            (neutral,),
            together=lambda tracks, neutrals: tracks + 0.4 * neutrals,
        )
    else:
        isolation = _relative(columns, name, _TRACKS_OF_MUONS, ("topoetcone20",), together=np.maximum)
    fields: Fields = {
        **kinematics(columns, name),
        # Newer files store none, and coffea puts a rounded one in its place.
        "mass": lambda: np.full(len(columns.flat(name, "pt")), MUON_MASS),
        "charge": charge(columns, name, 1)
        if columns.has(name, "charge")
        else lambda: muon_charge(columns, name),
        "isolation": isolation,
        "identified": lambda: _muon_id(columns, name, taggers.muon_id or "Medium"),
    }
    return collection(columns, name, fields)


def _muon_id(columns: Columns, name: str, wanted: str) -> npt.NDArray[np.bool_]:
    if wanted not in _QUALITIES:
        if columns.has(name, wanted):
            return _yes(columns, name, wanted)
        msg = (
            f"{columns.where or 'the events'}: muon_id={wanted!r} is neither one of {', '.join(_QUALITIES)} nor a field of "
            f'{name}, such as DFCommonMuonPassPreselection (--taggers \'{{"muon_id": "Tight"}}\').'
        )
        raise SelectionError(msg)
    quality = whole_numbers(columns, name, "quality")
    return np.asarray(((quality & 3) <= _QUALITIES.index(wanted)) & ((quality & 8) != 0))


def _electrons(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "electrons", "AnalysisElectrons")
    fields: Fields = {
        **kinematics(columns, name, ELECTRON_MASS),
        "charge": charge(columns, name, 1),
        "isolation": _relative(columns, name, _TRACKS_OF_ELECTRONS, ("topoetcone20",), together=np.maximum),
        "identified": lambda: _yes(columns, name, taggers.electron_id or "DFCommonElectronsLHMedium"),
    }
    return collection(columns, name, fields)


def _photons(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "photons", "AnalysisPhotons")

    def identified() -> npt.NDArray[np.bool_]:
        good = _yes(columns, name, taggers.photon_id or "DFCommonPhotonsIsEMTight")
        cleaning = "DFCommonPhotonsCleaning"
        return good & _yes(columns, name, cleaning) if columns.has(name, cleaning) else good

    fields: Fields = {
        **kinematics(columns, name, 0.0),
        "isolation": _relative(columns, name, ("ptcone20",), ("topoetcone20",), together=np.maximum),
        "identified": identified,
    }
    return collection(columns, name, fields)


# ---- taus and jets


def _taus(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "taus", "AnalysisTauJets")
    fields: Fields = {
        **kinematics(columns, name),
        "charge": charge(columns, name, 100),
        "identified": lambda: _tau_id(columns, name, taggers.tau_id),
    }
    return collection(columns, name, fields)


def _tau_id(columns: Columns, name: str, wanted: str | None) -> npt.NDArray[np.bool_]:
    new = wanted or columns.first(name, ("GNTauMedium_v0prune", "GNTauMedium_v0"))
    if new is not None:
        good = _yes(columns, name, new)
    elif columns.has(name, "isTauFlags"):
        good = (columns.flat(name, "isTauFlags").astype(np.uint64) >> np.uint64(_JET_RNN_MEDIUM)) & np.uint64(
            1
        ) > 0
    else:
        good = _yes(columns, name, "JetRNNSigMedium", "JetDeepSetMedium")
    electrons = columns.first(name, ("EleRNNLoose_v1", "EleRNNLoose"))
    if electrons is not None:
        good = good & _yes(columns, name, electrons)
    return np.asarray(good & (np.abs(columns.flat(name, "charge")) == 1))


def _jets(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "jets", "AnalysisJets")
    fields: Fields = {
        **kinematics(columns, name),
        "b_tagged": lambda: _b_tagged(columns, name, taggers),
        "tau_tagged": lambda: ~all_true(columns, name),
        "identified": lambda: _from_the_vertex(columns, name),
    }
    return collection(columns, name, fields)


def _from_the_vertex(columns: Columns, name: str) -> npt.NDArray[np.bool_]:
    """Jet vertex tagging: not of pile-up.  The stored decision of the network is true where it does not apply."""
    decision = columns.first(name, ("NNJvtPass", "JvtPass_NOSYS"))
    if decision is not None:
        return _yes(columns, name, decision)
    if not columns.has(name, "Jvt"):
        return all_true(columns, name)
    soft = columns.flat(name, "pt") < 60 * MEV
    central = np.abs(columns.flat(name, "eta")) < 2.4
    return np.asarray(~(soft & central) | (columns.flat(name, "Jvt") > 0.5))


def _b_tagged(columns: Columns, jets: str, taggers: TaggerOptions) -> npt.NDArray[np.bool_]:
    """Whether the discriminant is above its threshold; jets without an answer of the tagger are not tagged."""
    # The tagger's answers are in a container of their own, later in the jets themselves.
    places = (jets, "BTagging_AntiKt4EMPFlow", "BTagging_AntiKt4EMPFlow_201903")
    names = (taggers.b_tagger,) if taggers.b_tagger else tuple(ATLAS_B_TAGGERS)
    found = next(((t, p) for t in names for p in places if columns.has(p, f"{t}_pb")), None)
    if found is None:
        remedy = (
            'What asks for no b tag still runs on this file; name another tagger with --taggers \'{"b_tagger": "GN2v01", '
            '"b_threshold": 2.5, "b_charm_fraction": 0.2, "b_tau_fraction": 0.01}\' and numbers of your own.'
        )
        raise MissingBranchError(columns.branch_name(places[1], f"{names[0]}_pb"), columns.where, remedy)
    tagger, place = found
    known = ATLAS_B_TAGGERS.get(tagger)
    threshold = taggers.b_threshold if taggers.b_threshold is not None else known and known.threshold
    charm = taggers.b_charm_fraction if taggers.b_charm_fraction is not None else known and known.charm
    tau = taggers.b_tau_fraction if taggers.b_tau_fraction is not None else (known.tau if known else 0.0)
    if threshold is None or charm is None:
        msg = (
            f"No working point is known for the b tagger {tagger}: give b_threshold and b_charm_fraction, with --taggers "
            f'\'{{"b_tagger": "{tagger}", "b_threshold": ..., "b_charm_fraction": ...}}\'. Known: {", ".join(ATLAS_B_TAGGERS)}.'
        )
        raise SelectionError(msg)
    b, c, u = (columns.flat(place, f"{tagger}_{kind}").astype(np.float64) for kind in ("pb", "pc", "pu"))
    t = columns.flat(place, f"{tagger}_ptau").astype(np.float64) if tau else 0.0
    # Without the logarithm: jets without tracks have no probabilities (NaN or zeros) and are not tagged.
    tagged = b > np.exp(threshold) * (charm * c + tau * t + (1 - charm - tau) * u)
    if place == jets:
        return np.asarray(tagged)
    return linked(columns, jets, "btaggingLink", place, f"{tagger}_pb", tagged, otherwise=False)


# ---- the event


def simulated(columns: Columns) -> bool:
    """Whether the file has generator weights or true particles."""
    return any(columns.has(*mark) for mark in SIMULATION_MARKS)


def weights(columns: Columns) -> npt.NDArray[np.float64]:
    """The first of the generator weights, the nominal one, shape (n,)."""
    branch = columns.branch_name("EventInfo", "mcEventWeights")
    if not columns.has("EventInfo", "mcEventWeights"):
        remedy = 'Declare the dataset as collision data ("is_data": true), or keep this branch when skimming.'
        raise MissingBranchError(branch, columns.where, remedy)
    offsets = columns.offsets("EventInfo", "mcEventWeights")
    values = columns.flat_floats("EventInfo", "mcEventWeights")
    if (np.diff(offsets) < 1).any():
        msg = f"{columns.where or 'the events'}: {branch} has no entry in some events; the file is damaged or of data."
        raise SelectionError(msg)
    return values[offsets[:-1]].astype(np.float64)


def identifiers(columns: Columns) -> npt.NDArray[np.uint64]:
    """Run, luminosity block and event number, shape (n, 3)."""
    out = np.zeros((len(columns), 3), dtype=np.uint64)
    for i, field in enumerate(("runNumber", "lumiBlock", "eventNumber")):
        if not columns.has("EventInfo", field):
            remedy = (
                "Keep runNumber, lumiBlock and eventNumber when skimming: they tell the folds of classifiers."
            )
            raise MissingBranchError(columns.branch_name("EventInfo", field), columns.where, remedy)
        out[:, i] = event_numbers(columns, "EventInfo", field)
    return out


def _plain(name: str, default: str) -> Reader:
    def read(columns: Columns, taggers: TaggerOptions) -> Collection:
        stored = chosen(columns, taggers, name, default)
        return collection(columns, stored, kinematics(columns, stored))

    return read


_MET_OBJECTS: dict[str, Reader] = {
    "electrons": _electrons,
    "photons": _photons,
    "taus": _taus,
    "muons": _muons,
    "jets": _jets,
}
"""Of which MET is made, in this order."""


READERS: dict[str, Reader] = {
    **_MET_OBJECTS,
    "fat_jets": _plain("fat_jets", "AnalysisLargeRJets"),
    "wide_jets": _plain("wide_jets", "AnalysisLargeRJets"),
    "met": read_met(_MET_OBJECTS),
    "gen_jets": _plain("gen_jets", "AntiKt4TruthDressedWZJets"),
    "gen_met": read_gen_met,
    **TRUTH_READERS,
}
"""Name of a collection -> function that reads it."""
