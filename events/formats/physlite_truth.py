"""True particles of PHYSLITE, which simulation has in one collection for each kind, by momentum components in MeV."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.jagged.collection import Collection
from massgap.events.formats.fields import Fields, Reader, chosen, collection

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import Any

    import numpy.typing as npt

    from massgap.events.columns import Columns
    from massgap.events.formats.taggers import TaggerOptions

__all__ = ["TRUTH_READERS"]

_MEV = 1000.0
_KINDS = {
    "gen_electrons": "TruthElectrons",
    "gen_muons": "TruthMuons",
    "gen_taus": "TruthTaus",
    "gen_photons": "TruthPhotons",
    "gen_neutrinos": "TruthNeutrinos",
    "gen_bosons": "TruthBoson",
    "gen_tops": "TruthTop",
    "gen_bottoms": "TruthBottom",
    "gen_new_particles": "TruthBSM",
    "gen_boson_decays": "TruthBosonsWithDecayParticles",
}
_ALL = (
    "gen_bosons",
    "gen_tops",
    "gen_bottoms",
    "gen_new_particles",
    "gen_electrons",
    "gen_muons",
    "gen_taus",
    "gen_neutrinos",
    "gen_photons",
)
"""What ``gen_particles`` holds, without the decay products, which would be there twice."""


def _fields(columns: Columns, name: str) -> Fields:
    def component(key: str) -> npt.NDArray[np.float64]:
        return columns.flat_floats(name, key).astype(np.float64) / _MEV

    def eta() -> npt.NDArray[np.float64]:
        pz = component("pz")
        pt = np.hypot(component("px"), component("py"))
        with np.errstate(divide="ignore", invalid="ignore"):
            return np.where(pt > 0, np.arcsinh(pz / pt), np.copysign(np.inf, pz))

    def mass() -> npt.NDArray[np.float64]:
        if columns.has(name, "m"):
            return component("m")
        square = component("e") ** 2 - sum(component(key) ** 2 for key in ("px", "py", "pz"))
        return np.sqrt(np.maximum(square, 0.0))

    return {
        "pt": lambda: np.hypot(component("px"), component("py")),
        "eta": eta,
        "phi": lambda: np.arctan2(component("py"), component("px")),
        "mass": mass,
        "pdg_id": lambda: columns.flat(name, "pdgId").astype(np.int64),
        "status": lambda: columns.flat(name, "status").astype(np.int64),
    }


def _kind(name: str, default: str) -> Reader:
    def read(columns: Columns, taggers: TaggerOptions) -> Collection:
        stored = chosen(columns, taggers, name, default, "px")
        return collection(columns, stored, _fields(columns, stored), first="px")

    return read


def _particles(columns: Columns, taggers: TaggerOptions) -> Collection:
    """All true particles that the file has, one kind after the other, each as the file orders it."""
    kinds = [taggers.source(kind, _KINDS[kind]) for kind in _ALL]
    stored = [name for name in kinds if columns.has(name, "px")]
    if not stored:
        name = next((name for name in kinds if columns.is_always_empty(name, "px")), _KINDS["gen_electrons"])
        # Without particles, or the error that says what there is.
        found: Collection = _kind("gen_particles", name)(columns, taggers)
        return found
    parts = {name: columns.offsets(name, "px") for name in stored}
    n = len(columns)
    # Place of each particle among all of them: those of an event, one collection after the other.
    event = np.concatenate([np.repeat(np.arange(n), np.diff(offsets)) for offsets in parts.values()])
    order = np.argsort(event, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(sum(np.diff(o) for o in parts.values()))]).astype(np.int64)

    def together(key: str) -> Callable[[], npt.NDArray[Any]]:
        return lambda: np.concatenate([_fields(columns, name)[key]() for name in stored])[order]

    keys = ("pt", "eta", "phi", "mass", "pdg_id", "status")
    where = f"{columns.where or 'the events'}, true particles"
    return Collection(lambda: offsets, {key: together(key) for key in keys}, None, where)


TRUTH_READERS: dict[str, Reader] = {
    **{name: _kind(name, default) for name, default in _KINDS.items()},
    "gen_particles": _particles,
}
"""Name of a collection -> function that reads it."""
