"""Canonical physics objects from NanoAOD and Delphes: the one place where formats differ.

An :class:`Event` holds a chunk of events.  Its collections (``muons``, ``electrons``, ``taus``, ``jets``,
``fat_jets``, ``met``) are read on first use, in double precision, in GeV and radians, ordered by
falling pT, with the same fields for every format:

========== ==================================================================
muons      pt, eta, phi, mass, charge, isolation (relative), identified (bool)
electrons  pt, eta, phi, mass, charge, isolation, identified
taus       pt, eta, phi, mass, charge, identified (hadronic decays)
jets       pt, eta, phi, mass, b_tagged, tau_tagged (bool), identified
fat_jets   pt, eta, phi, mass
met        pt, phi (one per event)
========== ==================================================================

Sources: CMS NanoAOD documentation of versions 5 to 15; Delphes ``modules/TreeWriter``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeAlias

import awkward as ak
import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError
from massgap.arrays.flat_collection import FlatCollection
from massgap.events.columns import DELPHES, Columns
from massgap.events.errors import MissingBranchError
from massgap.physical_constants import ELECTRON_MASS, MUON_MASS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["B_TAGGERS", "Event", "TaggerOptions"]

B_TAGGERS: dict[str, float] = {
    "btagDeepFlavB": 0.2783,
    "btagPNetB": 0.245,
    "btagUParTAK4B": 0.1272,
    "btagDeepB": 0.4168,
    "btagCSVV2": 0.8484,
}
"""Medium working points of the CMS b taggers, in the order of preference (CMS BTV recommendations of
2016 to 2024; DeepFlavB and DeepB as for 2018 UL).  Pass your own with :class:`TaggerOptions`."""

_POSSIBLE = {"pt": (0.0, 2e5), "eta": (-20.0, 20.0), "phi": (-6.3, 6.3), "mass": (-2e5, 2e5)}
"""What a detector can measure, with a wide margin (100 TeV colliders; azimuths from -pi or from 0; the small
negative masses of cleaned jets).  Flipped bits in a basket mostly end far outside."""

_TAU_IDS = (
    "idDeepTau2018v2p5VSjet",
    "idDeepTau2017v2p1VSjet",
    "idMVAoldDM2017v2",
    "idMVAoldDM",
    "idMVAnewDM",
)


@dataclass(frozen=True)
class TaggerOptions:
    """Which tagger and MET to read where a format offers several.

    Attributes
    ----------
    b_tagger
        NanoAOD jet branch without ``Jet_``, or None for the first of :data:`B_TAGGERS` in the file.
    b_threshold
        Its threshold; None for the medium working point in :data:`B_TAGGERS`.
    met
        NanoAOD MET collection, or None for the first of MET, PFMET, PuppiMET in the file.
    muon_id
        NanoAOD muon identification without ``Muon_``, or None for mediumId (tightId, looseId where a
        file has no mediumId).  Some open-data samples store mediumId as false throughout: use isPFcand there.
    b_tag_bit
        Bit of ``Jet.BTag`` in Delphes.
    """

    b_tagger: str | None = None
    b_threshold: float | None = None
    met: str | None = None
    muon_id: str | None = None
    b_tag_bit: int = 0


class Event:
    """A chunk of events as canonical objects, read on first use.

    Slicing with a boolean mask (``event[mask]``) keeps the events where it is true; collections
    can be replaced by selected or shifted ones with :meth:`with_`.

    Parameters
    ----------
    events
        coffea NanoEvents or an awkward record array of the same shape.
    is_data
        True for collision data, False for simulation, None to tell by the presence of weights.
    taggers
        Choice of taggers.
    """

    def __init__(
        self, events: Any, *, is_data: bool | None = None, taggers: TaggerOptions | None = None
    ) -> None:
        self.columns = events if isinstance(events, Columns) else Columns(events)
        self.taggers = taggers or TaggerOptions()
        self._is_data = is_data
        self._index: npt.NDArray[np.int64] | None = None
        self._cache: dict[str, Any] = {}
        self._flat: dict[str, FlatCollection] = {}
        self._flat_met: dict[str, tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]] = {}

    def __len__(self) -> int:
        return len(self.columns) if self._index is None else len(self._index)

    def _like(self, index: npt.NDArray[np.int64] | None, cache: dict[str, Any]) -> Event:
        out = Event.__new__(Event)
        out.columns, out.taggers, out._is_data = self.columns, self.taggers, self._is_data
        out._flat, out._flat_met = self._flat, self._flat_met
        out._index, out._cache = index, cache
        return out

    def __getitem__(self, mask: Any) -> Event:
        """The events where ``mask`` (boolean, one per event) is true."""
        keep = np.flatnonzero(np.asarray(mask, dtype=bool))
        index = keep if self._index is None else self._index[keep]
        return self._like(index, {name: value[keep] for name, value in self._cache.items()})

    def with_(self, **collections: Any) -> Event:
        """The same events with some collections replaced, e.g. ``event.with_(jets=good_jets)``."""
        return self._like(self._index, {**self._cache, **collections})

    def flat(self, collection: str) -> FlatCollection:
        """The objects of a collection (``"muons"``, ``"jets"`` ...) as flat arrays, for a compiled pass.

        In the order of the file, and in the precision in which they are stored; after a cut or a
        replacement as jagged records have them: by falling pT, in double precision.

        Parameters
        ----------
        collection
            One of muons, electrons, taus, jets, fat_jets.
        """
        if self._index is not None or collection in self._cache:
            return FlatCollection.of(getattr(self, collection))
        return self._read_flat(collection)

    def _read_flat(self, collection: str) -> FlatCollection:
        if collection not in self._flat:
            self._flat[collection] = _READERS[collection](self.columns, self.taggers)
        return self._flat[collection]

    def _jagged(self, collection: str) -> ak.Array:
        return self._get(collection, lambda: _by_pt(self._read_flat(collection).jagged()))

    def _get(self, name: str, build: Callable[[], Any]) -> Any:
        if name not in self._cache:
            value = build()
            self._cache[name] = value if self._index is None else value[self._index]
        return self._cache[name]

    @property
    def is_data(self) -> bool:
        """Collision data: stated, or the file has neither generator weights nor particles."""
        if self._is_data is not None:
            return self._is_data
        columns = self.columns
        marks = (("", "genWeight"), ("Generator", "weight"), ("GenPart", "pt"))
        return columns.format != DELPHES and not any(columns.has(*mark) for mark in marks)

    @property
    def weights(self) -> npt.NDArray[np.float64]:
        """Generator weight of each event (1 for data), shape (n,).

        Raises
        ------
        MissingBranchError
            If simulation has no weight branch.
        NonFiniteError
            If a weight is NaN or infinite.
        """
        weights: npt.NDArray[np.float64] = self._get("weights", self._read_weights)
        return weights

    def _read_weights(self) -> npt.NDArray[np.float64]:
        columns = self.columns
        if self.is_data:
            return np.ones(len(columns))
        if columns.format == DELPHES:
            if columns.has("Event", "Weight"):
                return np.asarray(_one_per_event(columns, "Event", "Weight"), dtype=np.float64)
            return np.ones(len(columns))
        if not columns.has("", "genWeight"):
            msg = "genWeight"
            raise MissingBranchError(
                msg,
                columns.where,
                'Declare the dataset as collision data ("is_data": true), or write the weights into the file.',
            )
        return columns.flat_floats("", "genWeight").astype(np.float64)

    @property
    def identifiers(self) -> npt.NDArray[np.uint64]:
        """Run, luminosity block and event number, shape (n, 3); Delphes trees have only the last."""
        identifiers: npt.NDArray[np.uint64] = self._get("identifiers", self._read_identifiers)
        return identifiers

    def _read_identifiers(self) -> npt.NDArray[np.uint64]:
        columns = self.columns
        out = np.zeros((len(columns), 3), dtype=np.uint64)
        if columns.format == DELPHES:
            out[:, 2] = np.asarray(_one_per_event(columns, "Event", "Number")).astype(np.uint64)
            return out
        for i, name in enumerate(("run", "luminosityBlock", "event")):
            out[:, i] = np.asarray(columns.read("", name)).astype(np.uint64)
        return out

    def weight_vector(self, branch: str) -> ak.Array | None:
        """A per-event list of variation weights such as ``PSWeight``, or None where there is none."""
        if self.columns.format == DELPHES or not self.columns.has("", branch):
            return None
        return self._get(branch, lambda: self.columns.floats("", branch))

    @property
    def muons(self) -> ak.Array:
        """Muons; masses are the particle's own (0.10566 GeV) where the format stores none."""
        return self._jagged("muons")

    @property
    def electrons(self) -> ak.Array:
        """Electrons; masses are the particle's own (0.000511 GeV) where the format stores none."""
        return self._jagged("electrons")

    @property
    def taus(self) -> ak.Array:
        """Hadronic tau candidates (Delphes: the jets with a tau tag)."""
        return self._jagged("taus")

    @property
    def jets(self) -> ak.Array:
        """Jets with b tag; ``tau_tagged`` is Delphes' tag (NanoAOD has candidates in ``taus`` instead)."""
        return self._jagged("jets")

    @property
    def fat_jets(self) -> ak.Array:
        """Large-radius jets."""
        return self._jagged("fat_jets")

    def flat_met(self) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Missing transverse momentum and its azimuth as flat arrays, shape (n,), GeV and radians."""
        if self._index is not None or "met" in self._cache:
            return np.asarray(self.met.pt, dtype=np.float64), np.asarray(self.met.phi, dtype=np.float64)
        if "met" not in self._flat_met:
            self._flat_met["met"] = _flat_met(self.columns, self.taggers)
        return self._flat_met["met"]

    @property
    def met(self) -> ak.Array:
        """Missing transverse momentum: pt, phi."""
        return self._get("met", lambda: _met(self.columns, self.taggers))


def _one_per_event(
    columns: Columns, collection: str, field: str, low: float = -np.inf, high: float = np.inf
) -> npt.NDArray[np.float64]:
    """A Delphes column that has exactly one entry per event, stored as lists of length one."""
    exact = field == "Number"  # 64 bits do not fit into a double
    values = columns.read(collection, field) if exact else columns.floats(collection, field, low, high)
    if values.ndim == 1:
        return np.asarray(values)
    if len(values) and not ak.all(ak.num(values) == 1):
        msg = f"{columns.where}: {columns.branch_name(collection, field)} has not exactly one entry in every event; the file is damaged."
        raise SelectionError(msg)
    return np.asarray(ak.flatten(values))


def _by_pt(objects: ak.Array) -> ak.Array:
    """Falling pT, equal ones in the order of the file."""
    return objects[ak.argsort(objects.pt, ascending=False, stable=True)]


_Fields: TypeAlias = "dict[str, Callable[[], npt.NDArray[Any]]]"


def _kinematics(columns: Columns, collection: str, mass: float | None = None) -> _Fields:
    delphes = columns.format == DELPHES

    def field(key: str) -> Callable[[], npt.NDArray[Any]]:
        name = {"pt": "PT", "eta": "Eta", "phi": "Phi", "mass": "Mass"}[key] if delphes else key
        if key == "mass" and mass is not None and not columns.has(collection, name):
            return lambda: np.full(len(columns.flat(collection, "PT" if delphes else "pt")), mass)
        return lambda: columns.flat_floats(collection, name, *_POSSIBLE[key])

    return {key: field(key) for key in ("pt", "eta", "phi", "mass")}


def _objects(
    columns: Columns,
    collection: str,
    fields: _Fields,
    keep: Callable[[], npt.NDArray[np.bool_]] | None = None,
) -> FlatCollection:
    first = "PT" if columns.format == DELPHES else "pt"
    where = f"{columns.where or 'the events'}, {collection}"
    return FlatCollection(lambda: columns.offsets(collection, first), fields, keep, where)


def _all_true(columns: Columns, collection: str) -> npt.NDArray[np.bool_]:
    first = "PT" if columns.format == DELPHES else "pt"
    return np.ones(len(columns.flat(collection, first)), dtype=bool)


def _charge(columns: Columns, collection: str, largest: int) -> Callable[[], npt.NDArray[np.int64]]:
    name = "Charge" if columns.format == DELPHES else "charge"
    return lambda: columns.flat_floats(collection, name, -largest, largest).astype(np.int64)


def _leptons(
    columns: Columns, collection: str, mass: float, identify: Callable[[], npt.NDArray[np.bool_]]
) -> FlatCollection:
    delphes = columns.format == DELPHES
    # Delphes' standard cards store isolated leptons only; IsolationVar came with version 3.1.
    names = ("IsolationVar",) if delphes else ("pfRelIso04_all", "pfRelIso03_all", "miniPFRelIso_all")

    def isolation() -> npt.NDArray[Any]:
        name = columns.first(collection, names)
        if name is not None:
            # An infinite isolation is legal: it marks a lepton without any estimate.
            return columns.flat_floats(collection, name, infinite=True)
        if delphes:
            return np.zeros_like(columns.flat(collection, "PT"))
        msg = f"{collection}_{names[0]}"
        raise MissingBranchError(msg, columns.where)

    fields: _Fields = {
        **_kinematics(columns, collection, mass),
        "charge": _charge(columns, collection, 1),
        "isolation": isolation,
        "identified": (lambda: _all_true(columns, collection)) if delphes else identify,
    }
    return _objects(columns, collection, fields)


def _muons(columns: Columns, taggers: TaggerOptions) -> FlatCollection:
    return _leptons(columns, "Muon", MUON_MASS, lambda: _muon_id(columns, taggers.muon_id))


def _electrons(columns: Columns, taggers: TaggerOptions) -> FlatCollection:  # noqa: ARG001 (readers are alike)
    return _leptons(columns, "Electron", ELECTRON_MASS, lambda: _electron_id(columns))


def _muon_id(columns: Columns, wanted: str | None) -> npt.NDArray[np.bool_]:
    """Medium identification (CMS MUO); the tight one where medium is not stored."""
    names = (wanted,) if wanted else ("mediumId", "tightId", "looseId")
    name = columns.first("Muon", names)
    if name is None:
        msg = f"Muon_{names[0]}"
        raise MissingBranchError(msg, columns.where)
    return columns.flat("Muon", name).astype(bool)


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


def _taus(columns: Columns, taggers: TaggerOptions) -> FlatCollection:  # noqa: ARG001 (readers are alike)
    delphes = columns.format == DELPHES
    collection = "Jet" if delphes else "Tau"
    fields = {**_kinematics(columns, collection), "charge": _charge(columns, collection, 100)}
    if delphes:
        fields["identified"] = lambda: _all_true(columns, "Jet")
        return _objects(columns, "Jet", fields, lambda: columns.flat("Jet", "TauTag") > 0)

    def identified() -> npt.NDArray[np.bool_]:
        name = columns.first("Tau", _TAU_IDS)
        if name is None:
            msg = "Tau_idDeepTau2018v2p5VSjet"
            raise MissingBranchError(msg, columns.where)
        return _tau_medium(columns, name)

    fields["identified"] = identified
    return _objects(columns, "Tau", fields)


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


def _jets(columns: Columns, taggers: TaggerOptions) -> FlatCollection:
    fields = _kinematics(columns, "Jet")
    if columns.format == DELPHES:
        fields["b_tagged"] = lambda: (columns.flat("Jet", "BTag") & (1 << taggers.b_tag_bit)) != 0
        fields["tau_tagged"] = lambda: columns.flat("Jet", "TauTag") > 0
        fields["identified"] = lambda: _all_true(columns, "Jet")
    else:
        fields["b_tagged"] = lambda: _b_tagged(columns, taggers)
        fields["tau_tagged"] = lambda: ~_all_true(columns, "Jet")
        fields["identified"] = lambda: _jet_id(columns)
    return _objects(columns, "Jet", fields)


def _b_tagged(columns: Columns, taggers: TaggerOptions) -> npt.NDArray[np.bool_]:
    tagger = taggers.b_tagger or columns.first("Jet", tuple(B_TAGGERS))
    if tagger is None:
        msg = "Jet_btagDeepFlavB"
        raise MissingBranchError(msg, columns.where)
    threshold = taggers.b_threshold if taggers.b_threshold is not None else B_TAGGERS.get(tagger)
    if threshold is None:
        msg = f"No working point is known for the b tagger Jet_{tagger}: give b_threshold. Known: {', '.join(B_TAGGERS)}."
        raise SelectionError(msg)
    # A NaN or a negative value is the tagger's own mark for "no answer": not tagged.
    return columns.flat("Jet", tagger) > threshold


def _jet_id(columns: Columns) -> npt.NDArray[np.bool_]:
    identified = _all_true(columns, "Jet")
    if columns.has("Jet", "jetId"):
        # Bit 2 is the tight identification of all years; version 15 stores no jetId any more.
        identified = (columns.flat("Jet", "jetId") & 2) != 0
    if columns.has("Jet", "puId"):
        # Loose pile-up identification below 50 GeV, as recommended for Run 2 (bit 4).
        soft = columns.flat("Jet", "pt") <= 50
        identified = identified & (~soft | ((columns.flat("Jet", "puId") & 4) != 0))
    return identified


def _fat_jets(columns: Columns, taggers: TaggerOptions) -> FlatCollection:  # noqa: ARG001 (readers are alike)
    return _objects(columns, "FatJet", _kinematics(columns, "FatJet"))


_READERS: dict[str, Callable[[Columns, TaggerOptions], FlatCollection]] = {
    "muons": _muons,
    "electrons": _electrons,
    "taus": _taus,
    "jets": _jets,
    "fat_jets": _fat_jets,
}


def _flat_met(
    columns: Columns, taggers: TaggerOptions
) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    if columns.format == DELPHES:
        return (
            _one_per_event(columns, "MissingET", "MET", *_POSSIBLE["pt"]),
            _one_per_event(columns, "MissingET", "Phi", *_POSSIBLE["phi"]),
        )
    names = (taggers.met,) if taggers.met else ("MET", "PFMET", "PuppiMET")
    name = next((n for n in names if columns.has(n, "pt")), None)
    if name is None:
        msg = f"{names[0]}_pt"
        raise MissingBranchError(msg, columns.where)
    pt, phi = (columns.flat_floats(name, key, *_POSSIBLE[key]).astype(np.float64) for key in ("pt", "phi"))
    return pt, phi


def _met(columns: Columns, taggers: TaggerOptions) -> ak.Array:
    return ak.zip(dict(zip(("pt", "phi"), _flat_met(columns, taggers), strict=True)))
