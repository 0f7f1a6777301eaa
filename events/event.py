"""A chunk of events as collections with the same fields for every format, read on first use.

============= ==================================================================
muons         pt, eta, phi, mass, charge, isolation (relative), identified (bool)
electrons     the same
leptons       electrons and muons together, and flavour (11, 13)
photons       pt, eta, phi, mass, isolation, identified
taus          pt, eta, phi, mass, charge, identified (hadronic decays)
jets          pt, eta, phi, mass, b_tagged, tau_tagged (bool), identified; in
              generated samples flavour (5, 4, 0) and b_efficiency
fat_jets      pt, eta, phi, mass (R = 0.8 in NanoAOD, 1.0 in PHYSLITE)
wide_jets     pt, eta, phi, mass (R = 1.0, in generated samples and PHYSLITE)
gen_particles pt, eta, phi, mass, pdg_id, status, in the order of the file; mother where the format tells it
gen_jets      pt, eta, phi, mass
met, gen_met  pt, phi (one per event)
============= ==================================================================

Collections are ordered by falling pT.  GeV and radians; floating-point numbers are in double precision.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.choice import Choice
from massgap.arrays.jagged.collection import Collection
from massgap.arrays.jagged.per_event import PerEvent
from massgap.events.columns import DELPHES, Columns
from massgap.events.formats.fields import event_lists, per_event
from massgap.events.formats.readers import EVENT_READERS, FORMATS, IN_FILE_ORDER
from massgap.events.formats.taggers import B_TAGGERS, TaggerOptions
from massgap.events.object_met import object_met

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import awkward as ak

__all__ = ["B_TAGGERS", "MET_DEFINITIONS", "Event", "TaggerOptions"]

MET_DEFINITIONS = ("detector", "objects")
"""MET as the detector gives it, or minus the vector sum of leptons and jets (:func:`massgap.events.object_met.object_met`)."""

Index = npt.NDArray[np.int64]


class _Read:
    """What was read from the file: shared by all cuts on the same chunk."""

    def __init__(self, columns: Columns, taggers: TaggerOptions) -> None:
        self.columns = columns
        self.taggers = taggers
        self.readers = FORMATS[columns.format]
        self.event = EVENT_READERS[columns.format]
        self._values: dict[str, Any] = {}
        self.remembers = False

    def get(self, name: str, read: Callable[[], Any]) -> Any:
        if name not in self._values:
            self._values[name] = read()
        return self._values[name]

    def collection(self, name: str) -> Any:
        """A collection in the order of the file, or a momentum per event."""

        def read() -> Any:
            found = self.readers[name](self.columns, self.taggers)
            return found.remembering() if self.remembers and isinstance(found, Collection) else found

        return self.get(name, read)


class _Later(NamedTuple):
    """What is made of the events that are left when somebody asks for it."""

    events: Event
    make: Callable[[Event], Any]

    def of(self, name: str, left: Choice) -> Collection | PerEvent:
        events = self.events.at(left.index) if left.index is not None else self.events
        return _of_as_many(events, name, self.make(events))


class Event:
    """A chunk of events as canonical objects, read on first use.

    Slicing with a boolean mask (``event[mask]``) keeps the events where it is true; collections
    can be replaced by selected or shifted ones, or added, with :meth:`with_`.

    Parameters
    ----------
    events
        coffea NanoEvents or an awkward record array of the same shape.
    is_data
        True for collision data, False for simulation, None to tell by the presence of weights.
    taggers
        Choice of taggers.
    met
        "detector", or "objects" for minus the vector sum of leptons and jets.
    collections
        Collection -> what it is read from instead of the format's own, as the file calls it; on top of those of
        ``taggers``.

    Raises
    ------
    SelectionError
        If ``met`` is neither.
    """

    def __init__(
        self,
        events: Any,
        *,
        is_data: bool | None = None,
        taggers: TaggerOptions | None = None,
        met: str = "detector",
        collections: Mapping[str, str] | None = None,
    ) -> None:
        if met not in MET_DEFINITIONS:
            msg = f"met={met!r}: MET is that of the {' or of the '.join(MET_DEFINITIONS)}, for instance --met objects"
            raise SelectionError(msg)
        columns = events if isinstance(events, Columns) else Columns(events)
        taggers = taggers or TaggerOptions()
        if collections:
            chosen = {**dict(taggers.collections), **collections}
            taggers = replace(taggers, collections=tuple(sorted(chosen.items())))
        self._read = _Read(columns, taggers)
        self._is_data = is_data
        self._met = met
        self._left = Choice()
        self._cache: dict[str, Any] = {}
        self._replaced: dict[str, tuple[Any, Choice]] = {}

    def for_several_passes(self) -> Event:
        """The same events, whose collections keep what object definitions select of them for the next pass.

        It takes memory and saves time where unshifted and shifted objects are selected one after the other.  To be called
        before any collection is read.
        """
        self._read.remembers = True
        return self

    @property
    def columns(self) -> Columns:
        """The columns of the file, for all events of the chunk."""
        return self._read.columns

    @property
    def taggers(self) -> TaggerOptions:
        """The choice of taggers."""
        return self._read.taggers

    @property
    def met_definition(self) -> str:
        """ "detector" or "objects"."""
        return self._met

    def __len__(self) -> int:
        return len(self._left) if self._left else len(self.columns)

    def _like(self, left: Choice, replaced: dict[str, tuple[Any, Choice]]) -> Event:
        out = Event.__new__(Event)
        out._read, out._is_data, out._met = self._read, self._is_data, self._met
        out._left, out._replaced, out._cache = left, replaced, {}
        return out

    def __getitem__(self, chosen: Any) -> Any:
        """A collection by its name, or the events where a mask (boolean, one per event) is true.

        Raises
        ------
        SelectionError
            If the format knows no such collection, or the mask has not one entry per event.
        """
        if isinstance(chosen, str):
            return self._collection(chosen)
        mask = np.asarray(chosen, dtype=bool)
        if mask.shape != (len(self),):
            msg = f"the mask has the shape {mask.shape}, but there are {len(self)} events: it needs one entry for each"
            raise SelectionError(msg)
        return self if mask.all() else self.at(np.flatnonzero(mask))

    def at(self, keep: Index) -> Event:
        """The events with these indices, rising.

        Parameters
        ----------
        keep
            int64.
        """
        replaced = {name: (value, left.then(keep)) for name, (value, left) in self._replaced.items()}
        return self._like(self._left.then(keep), replaced)

    def __getattr__(self, name: str) -> Any:
        # Also collections that were added with with_(): event.with_(good_jets=...).good_jets
        if not name.startswith("_") and (name in self._replaced or name in self._read.readers):
            return self._collection(name)
        if hasattr(type(self), name):
            # A property has met an AttributeError of its own, such as an unknown field: that is the message.
            return object.__getattribute__(self, name)
        msg = f"the events have no {name!r}; there are {', '.join(self.collections)}"
        raise AttributeError(msg)

    @property
    def collections(self) -> tuple[str, ...]:
        """Names of what can be asked for: what the format holds, and what was added."""
        return tuple(dict.fromkeys([*self._read.readers, "leptons", *self._replaced]))

    def with_(self, **collections: Any) -> Event:
        """The same events with some collections replaced or added, e.g. ``event.with_(jets=good_jets)``.

        Parameters
        ----------
        **collections
            Name -> a :class:`~massgap.arrays.Collection`, or jagged awkward records, which are ordered by falling pT;
            for ``met`` a :class:`~massgap.arrays.PerEvent` or flat records with pt and phi.

        Raises
        ------
        SelectionError
            If one has another number of events.
        """
        return self._with({name: _of_as_many(self, name, value) for name, value in collections.items()})

    def with_later(self, **functions: Callable[[Event], Any]) -> Event:
        """The same events with some collections that are made when they are asked for, of the events that are left then.

        Parameters
        ----------
        **functions
            Name -> function of these events, or of the part of them that is left, that gives what :meth:`with_` takes.
            What it gives for an event must not depend on others.

        Raises
        ------
        SelectionError
            When it is asked for, if it has another number of events.
        """
        return self._with({name: _Later(self, make) for name, make in functions.items()})

    def _with(self, new: Mapping[str, Any]) -> Event:
        return self._like(
            self._left, {**self._replaced, **{name: (value, Choice()) for name, value in new.items()}}
        )

    def _collection(self, name: str) -> Any:
        if name not in self._cache:
            self._cache[name] = self._make(name)
        return self._cache[name]

    def _make(self, name: str) -> Any:
        if name in self._replaced:
            value, left = self._replaced[name]
            if isinstance(value, _Later):
                value = value.of(name, left)
                self._replaced[name] = value, Choice()
            elif left:
                # From now on only what is left is kept.
                value = value[left.index]
                self._replaced[name] = value, Choice()
            return value
        if name == "leptons":
            return Collection.merged({11: self.electrons, 13: self.muons}, "leptons")
        if name == "met" and self._met == "objects":
            # Of all objects in the file: those that an analysis selects are fewer.
            return object_met(*(self._from_file(name) for name in ("muons", "electrons", "jets")))
        return self._from_file(name)

    def _from_file(self, name: str) -> Any:
        if name not in self._read.readers:
            msg = f"{self.columns.where or 'the events'}: there is no collection {name!r}; there are {', '.join(self.collections)}"
            raise SelectionError(msg)
        value = self._read.collection(name)
        value = value[self._left.index] if self._left else value
        return value.by_pt() if isinstance(value, Collection) and name not in IN_FILE_ORDER else value

    def _per_event(self, name: str, read: Callable[[], Any]) -> Any:
        value = self._read.get(name, read)
        return value[self._left.index] if self._left else value

    @property
    def is_data(self) -> bool:
        """Collision data: stated, or the file has neither generator weights nor particles."""
        if self._is_data is not None:
            return self._is_data
        return not self._read.event.simulated(self.columns)

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
        weights: npt.NDArray[np.float64] = self._per_event("the weights", self._read_weights)
        return weights

    def _read_weights(self) -> npt.NDArray[np.float64]:
        return np.ones(len(self.columns)) if self.is_data else self._read.event.weights(self.columns)

    @property
    def identifiers(self) -> npt.NDArray[np.uint64]:
        """Run, luminosity block and event number, shape (n, 3); Delphes trees have only the last."""
        identifiers: npt.NDArray[np.uint64] = self._per_event(
            "the identifiers", lambda: self._read.event.identifiers(self.columns)
        )
        return identifiers

    def number(self, collection: str, field: str) -> Any:
        """A number per event as the file calls it, for instance ``"MET", "sumEt"``; None where there is none."""
        name, there = f"{collection}_{field}", self.columns.has(collection, field)
        return self._per_event(name, lambda: self.columns.floats(collection, field)) if there else None

    def weight_vector(self, branch: str) -> ak.Array | None:
        """A per-event list of variation weights such as ``PSWeight``, or None where there is none."""
        if self.columns.format == DELPHES or not self.columns.has("", branch):
            return None
        return self._per_event(branch, lambda: event_lists(self.columns, "", branch))

    def numbers(self, branch: str) -> npt.NDArray[np.float64] | None:
        """A branch with one number per event, shape (n,), or None where there is none."""
        if self.columns.format == DELPHES or not self.columns.has("", branch):
            return None
        read = lambda: per_event(self.columns, "", branch)
        return np.asarray(self._per_event(branch, read), dtype=np.float64)

    # Named here for the sake of completion and types; any other collection is reached alike.
    @property
    def muons(self) -> Collection:
        """Muons; masses are the particle's own (0.10566 GeV) where the format stores none."""
        found: Collection = self._collection("muons")
        return found

    @property
    def electrons(self) -> Collection:
        """Electrons; masses are the particle's own (0.000511 GeV) where the format stores none."""
        found: Collection = self._collection("electrons")
        return found

    @property
    def leptons(self) -> Collection:
        """Electrons and muons together, by falling pT, with their ``flavour`` (11 or 13)."""
        found: Collection = self._collection("leptons")
        return found

    @property
    def photons(self) -> Collection:
        """Photons."""
        found: Collection = self._collection("photons")
        return found

    @property
    def taus(self) -> Collection:
        """Hadronic tau candidates (Delphes: the jets with a tau tag)."""
        found: Collection = self._collection("taus")
        return found

    @property
    def jets(self) -> Collection:
        """Jets with b tag; ``tau_tagged`` is Delphes' tag (NanoAOD has candidates in ``taus`` instead)."""
        found: Collection = self._collection("jets")
        return found

    @property
    def fat_jets(self) -> Collection:
        """Large-radius jets."""
        found: Collection = self._collection("fat_jets")
        return found

    @property
    def met(self) -> PerEvent:
        """Missing transverse momentum: pt, phi."""
        found: PerEvent = self._collection("met")
        return found


def _of_as_many(events: Event, name: str, given: Any) -> Collection | PerEvent:
    value = _as_collection(name, given)
    if len(value) != len(events):
        msg = f"the {name} are of {len(value)} events, but there are {len(events)}: select them from these events"
        raise SelectionError(msg)
    return value


def _as_collection(name: str, value: Any) -> Collection | PerEvent:
    if isinstance(value, Collection | PerEvent):
        return value
    if name.endswith("met"):
        return PerEvent({key: np.asarray(value[key], dtype=np.float64) for key in ("pt", "phi")}, name=name)
    found = Collection.of(value, name)
    return found.by_pt() if "pt" in found.fields else found
