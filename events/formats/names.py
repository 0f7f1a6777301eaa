"""How each format calls its branches, and how a format is told by them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.events.errors import UnknownFormatError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "DELPHES",
    "NANOAOD",
    "PHYSLITE",
    "SIMULATION_MARKS",
    "branch_name",
    "collection_names",
    "event_format",
    "flat_names",
    "record_names",
]

NANOAOD = "NanoAOD"
DELPHES = "Delphes"
PHYSLITE = "PHYSLITE"

SIMULATION_MARKS = (("EventInfo", "mcEventWeights"), ("TruthEvents", "crossSection"), ("MET_Truth", "mpx"))
"""Collections and fields of PHYSLITE that only simulation has."""

_DYNAMIC = ("AuxDyn.", "AuxDyn:", "AuxDyn_")
"""What is between a collection of PHYSLITE and its field: in a TTree, in an RNTuple (which knows no dots), in a skim
written without dots."""


def event_format(fields: Iterable[str]) -> str:
    """Tell the format of an event tree from its branch (or coffea field) names.

    Parameters
    ----------
    fields
        Names of the branches of the tree, or the fields of coffea's events.

    Returns
    -------
    str
        ``"NanoAOD"``, ``"PHYSLITE"`` or ``"Delphes"``.

    Raises
    ------
    UnknownFormatError
        If the names belong to none of them; other ATLAS formats are named as such.

    Examples
    --------
    >>> event_format(["nMuon", "Muon_pt", "MET_pt"])
    'NanoAOD'
    >>> event_format(["Event", "MissingET", "Muon"])
    'Delphes'
    >>> event_format(["EventInfoAuxDyn.runNumber", "AnalysisMuonsAuxDyn.pt"])
    'PHYSLITE'
    """
    fields = set(fields)
    names = {name.split("/")[0].split(".")[0].split(":")[0] for name in fields}
    atlas = any(mark in name for name in fields for mark in _DYNAMIC)
    # coffea's PHYSLITESchema calls the calibrated collections by their names without "Analysis".
    of_coffea = "EventInfo" in names and bool({"Electrons", "Muons", "Jets", "Photons", "TauJets"} & names)
    if of_coffea and not atlas and any(":" in name for name in fields):
        msg = (
            "coffea's PHYSLITESchema does not know the names that ATLAS gives the fields of RNTuples: open the file with its "
            "BaseSchema, or with massgap run."
        )
        raise UnknownFormatError(msg)
    if any(name.startswith("Analysis") for name in names if atlas) or of_coffea:
        return PHYSLITE
    if atlas:
        msg = (
            "This is an ATLAS xAOD file without the calibrated collections of PHYSLITE (AnalysisMuons, AnalysisJets ...): "
            "take the DAOD_PHYSLITE of the same events."
        )
        raise UnknownFormatError(msg)
    if any("MissingET" in name for name in fields) or _is_delphes(fields, names):
        return DELPHES
    known = {name.split("_")[0].removeprefix("n") for name in names} & {"Muon", "Electron", "Jet"}
    # A flat tree with other conventions (px, py, pz) also has a "Muon..." branch: ask for pt.
    has_pt = any(name.endswith("_pt") for name in names) or bool({"Muon", "Jet", "Electron"} & names)
    if has_pt and (known or {"run", "event"} & names):
        return NANOAOD
    shown = ", ".join(sorted(names)[:8]) or "none"
    msg = (
        f"The tree is neither NanoAOD nor Delphes nor PHYSLITE (its first branches: {shown}). massgap needs NanoAOD branches "
        "such as Muon_pt, Jet_pt, MET_pt, a Delphes tree with Muon, Jet and MissingET, or PHYSLITE branches such as "
        "AnalysisMuonsAuxDyn.pt."
    )
    raise UnknownFormatError(msg)


def _is_delphes(fields: set[str], names: set[str]) -> bool:
    """Delphes without any MET: each of its collections X has the branches X and X_size, and there is one called Event."""
    sized = any(f"{name}_size" in names for name in names)
    dotted = any(name.endswith(".PT") for name in fields)
    return sized or dotted or ("Event" in names and not {"event", "run"} & names)


def flat_names(kind: str, collection: str, field: str) -> tuple[str, ...]:
    """All names that a column can have in a tree, or in coffea's events with one field for each branch.

    Parameters
    ----------
    kind
        One of the three formats.
    collection, field
        As the file calls them; ``link.m_persIndex`` for the parts of a link of PHYSLITE.

    Examples
    --------
    >>> flat_names("NanoAOD", "Muon", "pt")[0], flat_names("PHYSLITE", "AnalysisMuons", "pt")[0]
    ('Muon_pt', 'AnalysisMuonsAuxDyn.pt')
    """
    if kind != PHYSLITE:
        # Collections of BaseSchema and skims of Delphes trees.
        return f"{collection}_{field}", f"{collection}/{collection}.{field}", f"{collection}.{field}"
    names = [f"{collection}{mark}{field}" for mark in _DYNAMIC]
    top = f"{collection}Aux."
    names += [f"{top}/{top}{field}", f"{top}{field}", f"{collection}Aux:{field}", f"{collection}Aux_{field}"]
    link, dot, _ = field.partition(".")
    if dot:
        names.append(f"{collection}AuxDyn.{link}/{collection}AuxDyn.{field}")
    return tuple(names)


def record_names(kind: str, collection: str) -> tuple[str, ...]:
    """All names that a collection can have in coffea's events."""
    if kind != PHYSLITE:
        return (collection,)
    # In an RNTuple the fields without decorations are those of one record.
    return collection, collection.replace("Analysis", ""), f"{collection}Aux:"


def branch_name(kind: str, collection: str, field: str) -> str:
    """The name of a branch as a user would look for it.

    Examples
    --------
    >>> branch_name("Delphes", "Jet", "PT"), branch_name("PHYSLITE", "AnalysisJets", "pt")
    ('Jet.PT', 'AnalysisJetsAuxDyn.pt')
    """
    if not collection:
        return field
    between = {DELPHES: ".", PHYSLITE: _DYNAMIC[0]}.get(kind, "_")
    return f"{collection}{between}{field}"


def collection_names(kind: str, fields: Iterable[str]) -> list[str]:
    """What may be the name of a collection, sorted.

    Examples
    --------
    >>> collection_names("NanoAOD", ["Jet_pt", "nJet", "FatJet_pt", "run"])
    ['FatJet', 'Jet']
    """
    found: set[str] = set()
    for name in fields:
        if kind == PHYSLITE:
            mark = next((mark for mark in (*_DYNAMIC, "Aux.", "Aux:", "Aux_") if mark in name), None)
            found.add(name.split(mark)[0] if mark else name)
        elif kind == DELPHES:
            found.add(name.split("/")[0].split(".")[0])
        else:
            # coffea's records have the bare name.
            found.add(name.rpartition("_")[0] or name)
    counters = {name for name in found if name[:1] == "n" and name[1:] in found}
    return sorted(found - counters - {"run", "event", "luminosityBlock"})
