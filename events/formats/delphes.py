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
    chosen,
    collection,
    event_numbers,
    kinematics,
    per_event,
    plain,
    whole_numbers,
    with_bit,
)
from massgap.physical_constants import ELECTRON_MASS, MUON_MASS

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy.typing as npt

    from massgap.arrays.jagged.collection import Collection
    from massgap.events.columns import Columns
    from massgap.events.formats.taggers import TaggerOptions

__all__ = ["READERS", "identifiers", "simulated", "weights"]


def _isolation(columns: Columns, name: str) -> Callable[[], npt.NDArray[Any]]:
    def read() -> npt.NDArray[Any]:
        # IsolationVar came with version 3.1.  Infinite is legal: it marks an object without any estimate.
        if columns.has(name, "IsolationVar"):
            return columns.flat_floats(name, "IsolationVar", infinite=True)
        return np.zeros_like(columns.flat(name, "PT"))

    return read


def _lepton(collection_name: str, default: str, mass: float) -> Reader:
    def read(columns: Columns, taggers: TaggerOptions) -> Collection:
        name = chosen(columns, taggers, collection_name, default)
        fields: Fields = {
            **kinematics(columns, name, mass),
            "charge": charge(columns, name, 1),
            "isolation": _isolation(columns, name),
            "identified": lambda: all_true(columns, name),
        }
        return collection(columns, name, fields)

    return read


def _photons(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "photons", "Photon")
    fields: Fields = {
        **kinematics(columns, name, 0.0),
        "isolation": _isolation(columns, name),
        "identified": lambda: all_true(columns, name),
    }
    return collection(columns, name, fields)


def _taus(columns: Columns, taggers: TaggerOptions) -> Collection:
    """The jets with a tau tag: of the collection that is chosen for the jets, if none is for the taus."""
    name = chosen(columns, taggers, "taus", taggers.source("jets", "Jet"))
    fields: Fields = {
        **kinematics(columns, name),
        "charge": charge(columns, name, 100),
        "identified": lambda: all_true(columns, name),
    }
    return collection(columns, name, fields, lambda: whole_numbers(columns, name, "TauTag") > 0)


def _jets(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "jets", "Jet")
    fields: Fields = {
        **kinematics(columns, name),
        "b_tagged": lambda: with_bit(whole_numbers(columns, name, "BTag"), 1 << taggers.b_tag_bit),
        "tau_tagged": lambda: whole_numbers(columns, name, "TauTag") > 0,
        "identified": lambda: all_true(columns, name),
    }
    return collection(columns, name, fields)


def _particles(columns: Columns, taggers: TaggerOptions) -> Collection:
    name = chosen(columns, taggers, "gen_particles", "Particle")

    def whole(field: str) -> Callable[[], npt.NDArray[Any]]:
        return lambda: whole_numbers(columns, name, field).astype(np.int64)

    fields: Fields = {
        **kinematics(columns, name),
        "pdg_id": whole("PID"),
        "status": whole("Status"),
        "mother": whole("M1"),
    }
    return collection(columns, name, fields)


def _met(collection_name: str, default: str) -> Reader:
    def read(columns: Columns, taggers: TaggerOptions) -> PerEvent:
        name = chosen(columns, taggers, collection_name, default, "MET")
        return PerEvent(
            {
                "pt": per_event(columns, name, "MET", *POSSIBLE["pt"]),
                "phi": per_event(columns, name, "Phi", *POSSIBLE["phi"]),
            }
        )

    return read


def simulated(columns: Columns) -> bool:  # noqa: ARG001 (all formats are asked alike)
    """Delphes simulates: always."""
    return True


def weights(columns: Columns) -> npt.NDArray[np.float64]:
    """Generator weights, shape (n,); 1 where there are none."""
    if columns.has("Event", "Weight"):
        return per_event(columns, "Event", "Weight").astype(np.float64)
    return np.ones(len(columns))


def identifiers(columns: Columns) -> npt.NDArray[np.uint64]:
    """Zero, zero and the number of the event, shape (n, 3)."""
    out = np.zeros((len(columns), 3), dtype=np.uint64)
    out[:, 2] = event_numbers(columns, "Event", "Number")
    return out


READERS: dict[str, Reader] = {
    "muons": _lepton("muons", "Muon", MUON_MASS),
    "electrons": _lepton("electrons", "Electron", ELECTRON_MASS),
    "photons": _photons,
    "taus": _taus,
    "jets": _jets,
    "fat_jets": plain("fat_jets", "FatJet"),
    "wide_jets": plain("wide_jets", "WideJet"),
    "met": _met("met", "MissingET"),
    "gen_particles": _particles,
    "gen_jets": plain("gen_jets", "GenJet"),
    "gen_met": _met("gen_met", "GenMissingET"),
}
"""Name of a collection -> function that reads it."""
