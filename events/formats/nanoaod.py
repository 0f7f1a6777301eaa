"""What CMS NanoAOD holds, versions 5 to 15.

Source: CMS NanoAOD documentation of these versions.  The collection WideJet (R = 1.0) and the field btagEff of jets
(the probability of a b tag) are massgap's own additions in generated samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.per_event import PerEvent
from massgap.events.errors import MissingBranchError
from massgap.events.formats.fields import (
    POSSIBLE,
    Fields,
    Reader,
    all_true,
    at_least,
    charge,
    chosen,
    collection,
    event_numbers,
    first_branch,
    kinematics,
    per_event,
    plain,
    whole_numbers,
    with_bit,
    yes_or_no,
)
from massgap.events.formats.taggers import B_TAGGERS, TAU_IDENTIFICATIONS
from massgap.physical_constants import ELECTRON_MASS, MUON_MASS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy.typing as npt

    from massgap.arrays.jagged.collection import Collection
    from massgap.events.columns import Columns
    from massgap.events.formats.taggers import TaggerOptions

__all__ = ["READERS", "identifiers", "simulated", "weights"]

_LEPTON_ISOLATION = ("pfRelIso04_all", "pfRelIso03_all", "miniPFRelIso_all")
_PHOTON_ISOLATION = ("pfRelIso03_all", "pfRelIso03_all_quadratic", "pfRelIso03_all_Fall17V2")


def _isolation(columns: Columns, name: str, branches: tuple[str, ...]) -> Callable[[], npt.NDArray[Any]]:
    # An infinite isolation is legal: it marks an object without any estimate.
    return lambda: columns.flat_floats(name, first_branch(columns, name, branches), infinite=True)


def _muons(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "muons", "Muon")
    names = (taggers.muon_id,) if taggers.muon_id else ("mediumId", "tightId", "looseId")
    fields: Fields = {
        **kinematics(columns, name, MUON_MASS),
        "charge": charge(columns, name, 1),
        "isolation": _isolation(columns, name, _LEPTON_ISOLATION),
        # Medium identification (CMS MUO); the tight one where medium is not stored.
        "identified": lambda: _yes(columns, name, names),
    }
    return collection(columns, name, fields)


def _yes(columns: Columns, name: str, candidates: tuple[str, ...]) -> npt.NDArray[np.bool_]:
    """The first of the candidate fields that the file has, as yes or no."""
    return yes_or_no(columns, name, first_branch(columns, name, candidates))


def _electrons(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "electrons", "Electron")
    fields: Fields = {
        **kinematics(columns, name, ELECTRON_MASS),
        "charge": charge(columns, name, 1),
        "isolation": _isolation(columns, name, _LEPTON_ISOLATION),
        "identified": lambda: _electron_id(columns, name, taggers.electron_id),
    }
    return collection(columns, name, fields)


def _electron_id(columns: Columns, name: str, wanted: str | None) -> npt.NDArray[np.bool_]:
    """Veto-purpose identification: cut-based working point 2 (loose) or better, else the MVA's loose one."""
    if wanted:
        return _yes(columns, name, (wanted,))
    found = columns.first(name, ("cutBased", "cutBased_Fall17_V1", "cutBased_Sum16"))
    if found is not None:
        return at_least(whole_numbers(columns, name, found), 2)
    found = columns.first(
        name, ("mvaNoIso_WPL", "mvaFall17V2noIso_WPL", "mvaNoIso_WP90", "mvaFall17V2noIso_WP90")
    )
    if found is None:
        raise MissingBranchError(columns.branch_name(name, "cutBased"), columns.where)
    return yes_or_no(columns, name, found)


def _photons(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "photons", "Photon")
    fields: Fields = {
        **kinematics(columns, name, 0.0),
        "isolation": _isolation(columns, name, _PHOTON_ISOLATION),
        "identified": lambda: _photon_id(columns, name, taggers.photon_id),
    }
    return collection(columns, name, fields)


def _photon_id(columns: Columns, name: str, wanted: str | None) -> npt.NDArray[np.bool_]:
    """Cut-based working point 1 (loose) or better; a bit mask with the same bit up to NanoAOD version 6."""
    if wanted:
        return _yes(columns, name, (wanted,))
    found = columns.first(name, ("cutBased", "cutBased_Fall17V2", "cutBasedBitmap"))
    if found is not None:
        return at_least(whole_numbers(columns, name, found), 1)
    return _yes(columns, name, ("mvaID_WP90", "mvaID_WP80"))


def _taus(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "taus", "Tau")
    names = (taggers.tau_id,) if taggers.tau_id else TAU_IDENTIFICATIONS
    fields: Fields = {
        **kinematics(columns, name),
        "charge": charge(columns, name, 100),
        "identified": lambda: _tau_medium(columns, name, first_branch(columns, name, names)),
    }
    return collection(columns, name, fields)


def _tau_medium(columns: Columns, taus: str, name: str) -> npt.NDArray[np.bool_]:
    """The medium working point of a tau discriminator.

    NanoAOD up to version 9 stores a bit mask and says so in the branch title; later versions store
    the number of the tightest working point passed (1 = VVVLoose ... 5 = Medium ... 8 = VVTight).
    The older MVA discriminators are bit masks in every version, with "Medium" on the bit that the
    title gives.
    """
    stored = whole_numbers(columns, taus, name)
    if stored.dtype == bool:
        return stored
    values = stored.astype(np.int64)
    title = columns.title(taus, name)
    medium = next(
        (part.split("=")[0].split()[-1] for part in title.split(",") if part.strip().endswith("= Medium")),
        None,
    )
    if medium is not None:
        return (values & int(medium)) != 0 if "bitmask" in title else values >= int(medium)
    # Titles are lost in skims and RNTuples.  Files with the 2017 training alone are of version 9 or older.
    masks = {"idDeepTau2017v2p1VSjet": 16, "idMVAoldDM2017v2": 8, "idMVAoldDM": 4, "idMVAnewDM": 4}
    return (values & masks[name]) != 0 if name in masks else values >= 5


def _jets(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "jets", "Jet")
    fields: Fields = {
        **kinematics(columns, name),
        "b_tagged": lambda: _b_tagged(columns, name, taggers),
        "tau_tagged": lambda: ~all_true(columns, name),
        "identified": lambda: _jet_id(columns, name),
    }
    if columns.has(name, "btagEff") and columns.has(name, "hadronFlavour"):
        # massgap's own, in generated samples
        fields["flavour"] = lambda: columns.flat_integers(name, "hadronFlavour", 0, 5)
        fields["b_efficiency"] = lambda: columns.flat_floats(name, "btagEff", 0.0, 1.0)
    return collection(columns, name, fields)


def _b_tagged(columns: Columns, name: str, taggers: TaggerOptions) -> npt.NDArray[np.bool_]:
    tagger = taggers.b_tagger or first_branch(columns, name, tuple(B_TAGGERS))
    threshold = taggers.b_threshold if taggers.b_threshold is not None else B_TAGGERS.get(tagger)
    if threshold is None:
        typed = f'--taggers \'{{"b_tagger": "{tagger}", "b_threshold": 0.5}}\''
        branch = columns.branch_name(name, tagger)
        msg = (
            f"No working point is known for the b tagger {branch}: give b_threshold, for instance {typed}. "
            f"Known: {', '.join(B_TAGGERS)}."
        )
        raise SelectionError(msg)
    # A NaN or a negative value is the tagger's own mark for "no answer": not tagged.
    return columns.flat(name, tagger) > threshold


def _jet_id(columns: Columns, name: str) -> npt.NDArray[np.bool_]:
    # Bit 2 is the tight identification of all years; version 15 stores no jetId any more.
    tight = whole_numbers(columns, name, "jetId") if columns.has(name, "jetId") else None
    # Loose pile-up identification below 50 GeV, as recommended for Run 2 (bit 4).
    pile_up = whole_numbers(columns, name, "puId") if columns.has(name, "puId") else None
    if tight is not None and pile_up is not None and bool not in (tight.dtype, pile_up.dtype):
        return _both_ids(columns.flat(name, "pt"), tight, pile_up)
    identified = all_true(columns, name) if tight is None else with_bit(tight, 2)
    if pile_up is not None:
        identified = identified & (~(columns.flat(name, "pt") <= 50) | with_bit(pile_up, 4))
    return identified


@compiled
def _both_ids(
    pt: npt.NDArray[Any], tight: npt.NDArray[Any], pile_up: npt.NDArray[Any]
) -> npt.NDArray[np.bool_]:
    out = np.empty(pt.size, np.bool_)
    for i in range(pt.size):
        out[i] = ((tight[i] & 2) != 0) & ((not (pt[i] <= 50)) | ((pile_up[i] & 4) != 0))
    return out


def _particles(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "gen_particles", "GenPart")

    def whole(field: str) -> Callable[[], npt.NDArray[Any]]:
        return lambda: whole_numbers(columns, name, field).astype(np.int64)

    fields: Fields = {
        **kinematics(columns, name),
        "pdg_id": whole("pdgId"),
        "status": whole("status"),
        "status_flags": whole("statusFlags"),
        "mother": whole("genPartIdxMother"),
    }
    return collection(columns, name, fields)


def _met(columns: Columns, taggers: TaggerOptions) -> PerEvent:
    names = (taggers.met,) if taggers.met else ("MET", "PFMET", "PuppiMET")
    default = next((n for n in names if columns.has(n, "pt")), names[0])
    return _two_momentum(columns, chosen(columns, taggers, "met", default))


def _gen_met(columns: Columns, taggers: TaggerOptions) -> PerEvent:
    return _two_momentum(columns, chosen(columns, taggers, "gen_met", "GenMET"))


def _two_momentum(columns: Columns, name: str) -> PerEvent:
    def read(key: str) -> Callable[[], npt.NDArray[Any]]:
        return lambda: per_event(columns, name, key, *POSSIBLE[key])

    where = f"{columns.where or 'the events'}, {name}"
    return PerEvent({key: read(key) for key in ("pt", "phi")}, name=where)


def simulated(columns: Columns) -> bool:
    """Whether the file has generator weights or particles."""
    return any(columns.has(*mark) for mark in (("", "genWeight"), ("Generator", "weight"), ("GenPart", "pt")))


def weights(columns: Columns) -> npt.NDArray[np.float64]:
    """Generator weights, shape (n,)."""
    if not columns.has("", "genWeight"):
        msg = "genWeight"
        raise MissingBranchError(
            msg,
            columns.where,
            'Declare the dataset as collision data (--data, or "is_data": true in the fileset), or write the weights into the file.',
        )
    return per_event(columns, "", "genWeight").astype(np.float64)


def identifiers(columns: Columns) -> npt.NDArray[np.uint64]:
    """Run, luminosity block and event number, shape (n, 3)."""
    out = np.zeros((len(columns), 3), dtype=np.uint64)
    for i, name in enumerate(("run", "luminosityBlock", "event")):
        if not columns.has("", name):
            remedy = "Keep run, luminosityBlock and event when skimming: they tell the folds of classifiers."
            raise MissingBranchError(name, columns.where, remedy)
        out[:, i] = event_numbers(columns, "", name)
    return out


READERS: dict[str, Reader] = {
    "muons": _muons,
    "electrons": _electrons,
    "photons": _photons,
    "taus": _taus,
    "jets": _jets,
    "fat_jets": plain("fat_jets", "FatJet"),
    "wide_jets": plain("wide_jets", "WideJet"),
    "met": _met,
    "gen_particles": _particles,
    "gen_jets": plain("gen_jets", "GenJet"),
    "gen_met": _gen_met,
}
"""Name of a collection -> function that reads it."""
