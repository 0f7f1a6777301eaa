"""What CMS NanoAOD holds, versions 5 to 15.

Source: CMS NanoAOD documentation of these versions.  The collection WideJet (R = 1.0) is massgap's own addition in
generated samples.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.per_event import PerEvent
from massgap.events.errors import MissingBranchError
from massgap.events.formats.fields import (
    POSSIBLE,
    Fields,
    Reader,
    all_true,
    charge,
    collection,
    first_branch,
    kinematics,
    plain,
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

__all__ = ["READERS"]

_LEPTON_ISOLATION = ("pfRelIso04_all", "pfRelIso03_all", "miniPFRelIso_all")
_PHOTON_ISOLATION = ("pfRelIso03_all", "pfRelIso03_all_quadratic", "pfRelIso03_all_Fall17V2")


def _isolation(columns: Columns, name: str, branches: tuple[str, ...]) -> Callable[[], npt.NDArray[Any]]:
    # An infinite isolation is legal: it marks an object without any estimate.
    return lambda: columns.flat_floats(name, first_branch(columns, name, branches), infinite=True)


def _muons(columns: Columns, taggers: TaggerOptions) -> Collection:
    fields: Fields = {
        **kinematics(columns, "Muon", MUON_MASS),
        "charge": charge(columns, "Muon", 1),
        "isolation": _isolation(columns, "Muon", _LEPTON_ISOLATION),
        "identified": lambda: _muon_id(columns, taggers.muon_id),
    }
    return collection(columns, "Muon", fields)


def _muon_id(columns: Columns, wanted: str | None) -> npt.NDArray[np.bool_]:
    """Medium identification (CMS MUO); the tight one where medium is not stored."""
    names = (wanted,) if wanted else ("mediumId", "tightId", "looseId")
    return columns.flat("Muon", first_branch(columns, "Muon", names)).astype(bool)


def _electrons(columns: Columns, taggers: TaggerOptions) -> Collection:  # noqa: ARG001 (readers are alike)
    fields: Fields = {
        **kinematics(columns, "Electron", ELECTRON_MASS),
        "charge": charge(columns, "Electron", 1),
        "isolation": _isolation(columns, "Electron", _LEPTON_ISOLATION),
        "identified": lambda: _electron_id(columns),
    }
    return collection(columns, "Electron", fields)


def _electron_id(columns: Columns) -> npt.NDArray[np.bool_]:
    """Veto-purpose identification: cut-based working point 2 (loose) or better, else the MVA's loose one."""
    name = columns.first("Electron", ("cutBased", "cutBased_Fall17_V1", "cutBased_Sum16"))
    if name is not None:
        return columns.flat("Electron", name) >= 2
    name = columns.first(
        "Electron", ("mvaNoIso_WPL", "mvaFall17V2noIso_WPL", "mvaNoIso_WP90", "mvaFall17V2noIso_WP90")
    )
    if name is None:
        msg = "Electron_cutBased"
        raise MissingBranchError(msg, columns.where)
    return columns.flat("Electron", name).astype(bool)


def _photons(columns: Columns, taggers: TaggerOptions) -> Collection:  # noqa: ARG001 (readers are alike)
    fields: Fields = {
        **kinematics(columns, "Photon", 0.0),
        "isolation": _isolation(columns, "Photon", _PHOTON_ISOLATION),
        "identified": lambda: _photon_id(columns),
    }
    return collection(columns, "Photon", fields)


def _photon_id(columns: Columns) -> npt.NDArray[np.bool_]:
    """Cut-based working point 1 (loose) or better; a bit mask with the same bit up to NanoAOD version 6."""
    name = columns.first("Photon", ("cutBased", "cutBased_Fall17V2", "cutBasedBitmap"))
    if name is not None:
        return columns.flat("Photon", name) >= 1
    return columns.flat("Photon", first_branch(columns, "Photon", ("mvaID_WP90", "mvaID_WP80"))).astype(bool)


def _taus(columns: Columns, taggers: TaggerOptions) -> Collection:  # noqa: ARG001 (readers are alike)
    fields: Fields = {
        **kinematics(columns, "Tau"),
        "charge": charge(columns, "Tau", 100),
        "identified": lambda: _tau_medium(columns, first_branch(columns, "Tau", TAU_IDENTIFICATIONS)),
    }
    return collection(columns, "Tau", fields)


def _tau_medium(columns: Columns, name: str) -> npt.NDArray[np.bool_]:
    """The medium working point of a tau discriminator.

    NanoAOD up to version 9 stores a bit mask and says so in the branch title; later versions store
    the number of the tightest working point passed (1 = VVVLoose ... 5 = Medium ... 8 = VVTight).
    The older MVA discriminators are bit masks in every version, with "Medium" on the bit that the
    title gives.
    """
    values = columns.flat("Tau", name).astype(np.int64)
    title = columns.title("Tau", name)
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
    fields: Fields = {
        **kinematics(columns, "Jet"),
        "b_tagged": lambda: _b_tagged(columns, taggers),
        "tau_tagged": lambda: ~all_true(columns, "Jet"),
        "identified": lambda: _jet_id(columns),
    }
    return collection(columns, "Jet", fields)


def _b_tagged(columns: Columns, taggers: TaggerOptions) -> npt.NDArray[np.bool_]:
    tagger = taggers.b_tagger or first_branch(columns, "Jet", tuple(B_TAGGERS))
    threshold = taggers.b_threshold if taggers.b_threshold is not None else B_TAGGERS.get(tagger)
    if threshold is None:
        typed = f'--taggers \'{{"b_tagger": "{tagger}", "b_threshold": 0.5}}\''
        msg = (
            f"No working point is known for the b tagger Jet_{tagger}: give b_threshold, for instance {typed}. "
            f"Known: {', '.join(B_TAGGERS)}."
        )
        raise SelectionError(msg)
    # A NaN or a negative value is the tagger's own mark for "no answer": not tagged.
    return columns.flat("Jet", tagger) > threshold


def _jet_id(columns: Columns) -> npt.NDArray[np.bool_]:
    identified = all_true(columns, "Jet")
    if columns.has("Jet", "jetId"):
        # Bit 2 is the tight identification of all years; version 15 stores no jetId any more.
        identified = (columns.flat("Jet", "jetId") & 2) != 0
    if columns.has("Jet", "puId"):
        # Loose pile-up identification below 50 GeV, as recommended for Run 2 (bit 4).
        soft = columns.flat("Jet", "pt") <= 50
        identified = identified & (~soft | ((columns.flat("Jet", "puId") & 4) != 0))
    return identified


def _particles(columns: Columns, taggers: TaggerOptions) -> Collection:  # noqa: ARG001 (readers are alike)
    fields: Fields = {
        **kinematics(columns, "GenPart"),
        "pdg_id": lambda: columns.flat("GenPart", "pdgId").astype(np.int64),
        "status": lambda: columns.flat("GenPart", "status").astype(np.int64),
        "status_flags": lambda: columns.flat("GenPart", "statusFlags").astype(np.int64),
        "mother": lambda: columns.flat("GenPart", "genPartIdxMother").astype(np.int64),
    }
    return collection(columns, "GenPart", fields)


def _met(columns: Columns, taggers: TaggerOptions) -> PerEvent:
    names = (taggers.met,) if taggers.met else ("MET", "PFMET", "PuppiMET")
    name = next((n for n in names if columns.has(n, "pt")), None)
    if name is None:
        msg = f"{names[0]}_pt"
        raise MissingBranchError(msg, columns.where)
    return _two_momentum(columns, name)


def _gen_met(columns: Columns, taggers: TaggerOptions) -> PerEvent:  # noqa: ARG001 (readers are alike)
    return _two_momentum(columns, "GenMET")


def _two_momentum(columns: Columns, name: str) -> PerEvent:
    def read(key: str) -> Callable[[], npt.NDArray[Any]]:
        return lambda: columns.flat_floats(name, key, *POSSIBLE[key])

    where = f"{columns.where or 'the events'}, {name}"
    return PerEvent({key: read(key) for key in ("pt", "phi")}, name=where)


READERS: dict[str, Reader] = {
    "muons": _muons,
    "electrons": _electrons,
    "photons": _photons,
    "taus": _taus,
    "jets": _jets,
    "fat_jets": plain("FatJet"),
    "wide_jets": plain("WideJet"),
    "met": _met,
    "gen_particles": _particles,
    "gen_jets": plain("GenJet"),
    "gen_met": _gen_met,
}
"""Name of a collection -> function that reads it."""
