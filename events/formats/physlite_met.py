"""Missing transverse momentum of PHYSLITE, which stores what it is to be made of, and mostly not itself.

``MET_Core_AnalysisMET`` has one entry for each term, with ``mpx`` and ``mpy`` in MeV and the opposite of the momentum of
what it is made of.  What is taken, the first of these that the file has:

1. The term ``Final`` of a MET that somebody has finished.
2. All terms of one that has terms of objects (``RefEle``, ``RefJet`` ...) and a soft one.
3. The tracks' core of the soft term, ``PVSoftTrkCore``, and the calibrated objects, each constituent counted once, as the
   association map ``METAssoc_AnalysisMET`` tells (:mod:`massgap.events.formats.met_association`).
4. The same without the map, which skims lose: jets within 0.4 of a selected object are left out, and the soft term is its
   core alone.

Objects are those of arXiv:1802.08168, section 4: electrons and muons above 10 GeV, photons above 25 (tight), taus above
20, all identified (:mod:`massgap.events.formats.physlite`), and jets of the Tight selection: pT > 20 GeV, 30 beyond
abs(eta) 2.5, within 4.5, of the primary vertex.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.per_event import PerEvent
from massgap.events.errors import MissingBranchError
from massgap.events.formats.fields import chosen
from massgap.events.formats.met_association import Associations, Jets, Objects, momentum_of_objects
from massgap.events.formats.taggers import TaggerOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    import numpy.typing as npt

    from massgap.arrays.jagged.collection import Collection
    from massgap.events.columns import Columns
    from massgap.events.formats.fields import Reader

__all__ = ["read_gen_met", "read_met"]

_MEV = 1000.0
_CORE = "MET_Core_AnalysisMET"
_MAP = "METAssoc_AnalysisMET"
_SOFT = "PVSoftTrkCore"
_TRACK_SOURCE = 0x4020  # MissingETBase::Source: soft event, from tracks
_CALORIMETER_SOFT = ("SoftClus", "SoftClusCore")
_REMEDY = "MET of leptons and jets alone needs none of this: --met objects."

_KINDS = ("electrons", "photons", "taus", "muons")
_LEAST_PT = {"electrons": 10.0, "photons": 25.0, "taus": 20.0, "muons": 10.0}
_LARGEST_ETA = {"electrons": 2.47, "photons": 2.37, "taus": 2.5, "muons": 2.7}
_KEYS = {956497600: 0, 902907695: 1, 518718875: 2, 980095599: 3}
"""Keys by which links name the containers AnalysisElectrons, AnalysisPhotons, AnalysisTauJets and AnalysisMuons: hashes of
name and class, the same in all PHYSLITE files of ATLAS Open Data."""

Momenta = tuple["npt.NDArray[np.float64]", "npt.NDArray[np.float64]"]


def read_met(objects: Mapping[str, Reader]) -> Reader:
    """The reader of MET.

    Parameters
    ----------
    objects
        Readers of electrons, photons, taus, muons and jets.
    """

    def read(columns: Columns, taggers: TaggerOptions) -> PerEvent:
        name = chosen(columns, taggers, "met", _CORE, "mpx")
        # The identification and the jets that an analysis chooses for itself do not change MET.
        default = TaggerOptions()
        return _per_event(
            columns,
            name,
            lambda: _built(columns, name, lambda: {key: r(columns, default) for key, r in objects.items()}),
        )

    return read


def read_gen_met(columns: Columns, taggers: TaggerOptions) -> PerEvent:
    """Momentum of the particles that do not interact: the term NonInt of MET_Truth."""
    name = chosen(columns, taggers, "gen_met", "MET_Truth", "mpx")

    def read() -> Momenta:
        terms = _Terms(columns, name)
        return terms.of("NonInt") if "NonInt" in terms.names else terms.everything()

    return _per_event(columns, name, read)


def _per_event(columns: Columns, name: str, read: Callable[[], Momenta]) -> PerEvent:
    both = functools.cache(read)
    return PerEvent(
        {"pt": lambda: np.hypot(*both()), "phi": lambda: np.arctan2(*reversed(both()))},
        name=f"{columns.where or 'the events'}, {name}",
    )


class _Terms:
    """The terms of a container of MET.

    Parameters
    ----------
    columns, container
        Where they are.

    Attributes
    ----------
    names
        Names of the terms; of two without names, the one from tracks is PVSoftTrkCore, a single one is Final.
    """

    def __init__(self, columns: Columns, container: str) -> None:
        self.columns, self.container = columns, container
        self.offsets = columns.offsets(container, "mpx")
        self._x = columns.flat_floats(container, "mpx").astype(np.float64) / _MEV
        self._y = columns.flat_floats(container, "mpy").astype(np.float64) / _MEV
        if columns.has(container, "name"):
            self._names = np.asarray(ak.to_list(ak.flatten(columns.strings(container, "name"))), dtype=str)
        elif columns.has(container, "source"):
            tracks = (columns.flat(container, "source").astype(np.int64) & _TRACK_SOURCE) == _TRACK_SOURCE
            self._names = np.where(tracks, _SOFT, "SoftClusCore")
        elif (np.diff(self.offsets) == 1).all():
            self._names = np.full(len(self._x), "Final")
        else:
            raise MissingBranchError(columns.branch_name(container, "name"), columns.where, _REMEDY)
        self.names = set(np.unique(self._names).tolist())

    def _sum(self, mask: npt.NDArray[np.bool_]) -> Momenta:
        event = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))[mask]
        n = len(self.offsets) - 1
        x, y = (np.bincount(event, values[mask], n).astype(np.float64) for values in (self._x, self._y))
        return x, y

    def of(self, name: str) -> Momenta:
        """px and py of one term, GeV.

        Raises
        ------
        SelectionError
            If an event has not exactly one such term.
        """
        mask = self._names == name
        event = np.repeat(np.arange(len(self.offsets) - 1), np.diff(self.offsets))[mask]
        if (np.bincount(event, minlength=len(self.offsets) - 1) != 1).any():
            msg = (
                f"{self.columns.where or 'the events'}: {self.container} has not one term {name} in every event; it has "
                f"{', '.join(sorted(self.names)) or 'no terms'}. {_REMEDY}"
            )
            raise SelectionError(msg)
        return self._sum(mask)

    def everything(self) -> Momenta:
        """Sum of all terms but the soft one of the calorimeter, of which there is another one from tracks."""
        return self._sum(~np.isin(self._names, _CALORIMETER_SOFT))


def _built(columns: Columns, name: str, objects: Callable[[], dict[str, Collection]]) -> Momenta:
    if not len(columns):  # no terms, by whose names to choose
        return np.empty(0), np.empty(0)
    terms = _Terms(columns, name)
    if "Final" in terms.names:
        return terms.of("Final")
    if any(term.startswith("Ref") for term in terms.names):
        return terms.everything()
    soft_x, soft_y = terms.of(_SOFT)
    found = objects()
    jets = _jets(columns, found["jets"])
    if columns.has(_MAP, "calkey"):
        px, py = momentum_of_objects(_objects(columns, found), jets, _associations(columns, jets), 20.0)
    else:
        px, py = _without_map(found, jets)
    return soft_x - px, soft_y - py


def _central(name: str, found: Collection) -> npt.NDArray[np.bool_]:
    """Whether objects count for MET; all but muons need the calorimeter, and not the gap between its parts."""
    eta = np.abs(found.eta)
    gap = (eta > 1.37) & (eta < 1.52) & (name != "muons")
    return np.asarray((found.pt > _LEAST_PT[name]) & (eta < _LARGEST_ETA[name]) & found.identified & ~gap)


def _objects(columns: Columns, found: dict[str, Collection]) -> Objects:
    parts = [found[name] for name in _KINDS]
    starts = np.cumsum([0, *(part.size for part in parts)])
    pt = np.concatenate([part.pt for part in parts])
    phi = np.concatenate([part.phi for part in parts])
    inner = np.zeros(len(pt))
    muons = columns.has("AnalysisMuons", "InnerDetectorPt")
    if muons:
        inner[starts[3] :] = columns.flat_floats("AnalysisMuons", "InnerDetectorPt") / _MEV
    return Objects(
        np.stack([part.offsets + start for part, start in zip(parts, starts, strict=False)]).astype(np.int64),
        pt * np.cos(phi),
        pt * np.sin(phi),
        np.concatenate([_central(name, found[name]) for name in _KINDS]),
        inner,
    )


def _jets(columns: Columns, jets: Collection) -> Jets:
    pt, eta = jets.pt, jets.eta
    hard = (pt > np.where(np.abs(eta) < 2.5, 20.0, 30.0)) & (np.abs(eta) < 4.5) & jets.identified
    raw = "JetConstitScaleMomentum"
    raw_pt, raw_phi, raw_eta, raw_m = jets.pt, jets.phi, jets.eta, jets.mass
    if columns.has("AnalysisJets", f"{raw}_pt"):
        raw_pt, raw_m = (columns.flat_floats("AnalysisJets", f"{raw}_{k}") / _MEV for k in ("pt", "m"))
        raw_phi, raw_eta = (columns.flat_floats("AnalysisJets", f"{raw}_{k}") for k in ("phi", "eta"))
    raw_pt = np.asarray(raw_pt, np.float64)
    track_pt = tracks = np.full(len(pt), -1.0)
    if columns.has("AnalysisJets", "SumPtTrkPt500") and columns.has("AnalysisJets", "NumTrkPt500"):
        track_pt = _of_first_vertex(columns, "SumPtTrkPt500") / _MEV
        tracks = _of_first_vertex(columns, "NumTrkPt500")
    return Jets(
        jets.offsets,
        pt * np.cos(jets.phi),
        pt * np.sin(jets.phi),
        np.asarray(eta, np.float64),
        hard,
        raw_pt * np.cos(raw_phi),
        raw_pt * np.sin(raw_phi),
        np.sqrt(np.maximum((raw_pt * np.cosh(raw_eta)) ** 2 + np.asarray(raw_m, np.float64) ** 2, 0.0)),
        track_pt,
        tracks,
    )


def _of_first_vertex(columns: Columns, field: str) -> npt.NDArray[np.float64]:
    """Of a number for each jet and vertex, that of the primary vertex, which is the first."""
    values = ak.flatten(columns.read("AnalysisJets", field), axis=1)
    first = ak.fill_none(ak.firsts(values, axis=1), 0)
    return np.asarray(ak.to_numpy(first), dtype=np.float64)


def _levels(array: Any, depth: int) -> tuple[list[npt.NDArray[np.int64]], npt.NDArray[Any]]:
    """Offsets of the levels of nested lists, and the flat values."""
    layout: Any = ak.to_layout(ak.to_packed(array))
    offsets = []
    for _ in range(depth):
        layout = layout.to_ListOffsetArray64(True)
        offsets.append(np.asarray(layout.offsets.data, np.int64))
        layout = layout.content[: offsets[-1][-1]]
    return offsets, np.asarray(ak.to_numpy(ak.Array(layout)))


def _associations(columns: Columns, jets: Jets) -> Associations:
    links = columns.read(_MAP, "objectLinks")
    if ":_0" in links.fields:  # in an RNTuple, of the base class of a link
        links = links[":_0"]
    (offsets, link_offsets), keys = _levels(links["m_persKey"], 2)
    _, places = _levels(links["m_persIndex"], 2)
    _check(columns, offsets, jets, keys)
    kinds = np.full(len(keys), -1, np.int64)
    for key, kind in _KEYS.items():
        kinds[keys == key] = kind

    def doubles(field: str) -> npt.NDArray[np.float64]:
        return _levels(columns.read(_MAP, field), 2)[1].astype(np.float64) / _MEV

    def one_each(field: str) -> npt.NDArray[np.float64]:
        return columns.flat_floats(_MAP, field).astype(np.float64) / _MEV

    (_, _, overlap_offsets), overlaps = _levels(columns.read(_MAP, "overlapIndices"), 3)
    _, types = _levels(columns.read(_MAP, "overlapTypes"), 3)
    (_, cal_offsets), cal_keys = _levels(columns.read(_MAP, "calkey"), 2)
    (_, trk_offsets), trk_keys = _levels(columns.read(_MAP, "trkkey"), 2)
    return Associations(
        offsets,
        one_each("jettrkpx"),
        one_each("jettrkpy"),
        one_each("jettrke"),
        link_offsets,
        kinds,
        places.astype(np.int64),
        overlap_offsets,
        overlaps.astype(np.int64),
        types.astype(np.int64),
        cal_offsets,
        cal_keys.astype(np.int64),
        doubles("calpx"),
        doubles("calpy"),
        doubles("cale"),
        trk_offsets,
        trk_keys.astype(np.int64),
        doubles("trkpx"),
        doubles("trkpy"),
    )


def _check(columns: Columns, offsets: npt.NDArray[np.int64], jets: Jets, keys: npt.NDArray[Any]) -> None:
    """Refuse a map of other jets or objects: MET would count constituents twice."""
    counts = np.diff(offsets)
    if ((counts != 0) & (counts != np.diff(jets.offsets) + 1)).any():
        msg = (
            f"{columns.where or 'the events'}: {_MAP} has not one association for each of AnalysisJets and one for the rest; "
            f"jets were removed from the file, and MET cannot be made. {_REMEDY}"
        )
        raise SelectionError(msg)
    unknown = sorted(set(np.unique(keys).tolist()) - set(_KEYS) - {0})
    if unknown:
        msg = (
            f"{columns.where or 'the events'}: {_MAP} links with containers of the keys {', '.join(map(str, unknown))}, which are "
            f"neither AnalysisElectrons, AnalysisPhotons, AnalysisTauJets nor AnalysisMuons. {_REMEDY}"
        )
        raise SelectionError(msg)


def _without_map(found: dict[str, Collection], jets: Jets) -> Momenta:
    kept = {name: found[name].where(_central(name, found[name])) for name in _KINDS}
    hard = found["jets"].where(jets.selected)
    taken: list[Collection] = []
    for name in _KINDS:
        objects = kept[name]
        # A tau or photon on top of an electron is the electron.
        for before in taken if name != "muons" else ():
            objects = objects.away_from(before, 0.2)
        taken.append(objects)
        hard = hard.away_from(objects, 0.4)
    px, py = np.zeros(len(hard)), np.zeros(len(hard))
    for one in (*taken, hard):
        px += one.sum(one.pt * np.cos(one.phi))
        py += one.sum(one.pt * np.sin(one.phi))
    return px, py
