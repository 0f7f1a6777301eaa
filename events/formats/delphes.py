"""What a tree of Delphes holds.

Source: Delphes ``modules/TreeWriter`` and its standard cards, which store isolated leptons and photons only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.jagged.per_event import PerEvent
from massgap.events.formats.fields import (
    POSSIBLE,
    Fields,
    Reader,
    all_true,
    charge,
    collection,
    kinematics,
    one_per_event,
    plain,
)
from massgap.physical_constants import ELECTRON_MASS, MUON_MASS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy.typing as npt

    from massgap.arrays.jagged.collection import Collection
    from massgap.events.columns import Columns
    from massgap.events.formats.taggers import TaggerOptions

__all__ = ["READERS"]


def _isolation(columns: Columns, name: str) -> Callable[[], npt.NDArray[Any]]:
    def read() -> npt.NDArray[Any]:
        # IsolationVar came with version 3.1.  Infinite is legal: it marks an object without any estimate.
        if columns.has(name, "IsolationVar"):
            return columns.flat_floats(name, "IsolationVar", infinite=True)
        return np.zeros_like(columns.flat(name, "PT"))

    return read


def _lepton(name: str, mass: float) -> Reader:
    def read(columns: Columns, taggers: TaggerOptions) -> Collection:  # noqa: ARG001 (readers are alike)
        fields: Fields = {
            **kinematics(columns, name, mass),
            "charge": charge(columns, name, 1),
            "isolation": _isolation(columns, name),
            "identified": lambda: all_true(columns, name),
        }
        return collection(columns, name, fields)

    return read


def _photons(columns: Columns, taggers: TaggerOptions) -> Collection:  # noqa: ARG001 (readers are alike)
    fields: Fields = {
        **kinematics(columns, "Photon", 0.0),
        "isolation": _isolation(columns, "Photon"),
        "identified": lambda: all_true(columns, "Photon"),
    }
    return collection(columns, "Photon", fields)


def _taus(columns: Columns, taggers: TaggerOptions) -> Collection:  # noqa: ARG001 (readers are alike)
    """The jets with a tau tag."""
    fields: Fields = {
        **kinematics(columns, "Jet"),
        "charge": charge(columns, "Jet", 100),
        "identified": lambda: all_true(columns, "Jet"),
    }
    return collection(columns, "Jet", fields, lambda: columns.flat("Jet", "TauTag") > 0)


def _jets(columns: Columns, taggers: TaggerOptions) -> Collection:
    fields: Fields = {
        **kinematics(columns, "Jet"),
        "b_tagged": lambda: (columns.flat("Jet", "BTag") & (1 << taggers.b_tag_bit)) != 0,
        "tau_tagged": lambda: columns.flat("Jet", "TauTag") > 0,
        "identified": lambda: all_true(columns, "Jet"),
    }
    return collection(columns, "Jet", fields)


def _particles(columns: Columns, taggers: TaggerOptions) -> Collection:  # noqa: ARG001 (readers are alike)
    fields: Fields = {
        **kinematics(columns, "Particle"),
        "pdg_id": lambda: columns.flat("Particle", "PID").astype(np.int64),
        "status": lambda: columns.flat("Particle", "Status").astype(np.int64),
        "mother": lambda: columns.flat("Particle", "M1").astype(np.int64),
    }
    return collection(columns, "Particle", fields)


def _met(name: str) -> Reader:
    def read(columns: Columns, taggers: TaggerOptions) -> PerEvent:  # noqa: ARG001 (readers are alike)
        return PerEvent(
            {
                "pt": one_per_event(columns, name, "MET", *POSSIBLE["pt"]),
                "phi": one_per_event(columns, name, "Phi", *POSSIBLE["phi"]),
            }
        )

    return read


READERS: dict[str, Reader] = {
    "muons": _lepton("Muon", MUON_MASS),
    "electrons": _lepton("Electron", ELECTRON_MASS),
    "photons": _photons,
    "taus": _taus,
    "jets": _jets,
    "fat_jets": plain("FatJet"),
    "wide_jets": plain("WideJet"),
    "met": _met("MissingET"),
    "gen_particles": _particles,
    "gen_jets": plain("GenJet"),
    "gen_met": _met("GenMissingET"),
}
"""Name of a collection -> function that reads it."""
