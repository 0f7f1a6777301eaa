"""Look into an event file before it is processed: is it whole, which tree, which format, how much weight."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from typing import Any

from massgap.arrays.errors import SelectionError
from massgap.contracts.filesets.paths import is_url
from massgap.events.columns import DELPHES, PHYSLITE, event_format
from massgap.events.errors import FileProblem
from massgap.events.formats.names import SIMULATION_MARKS, flat_names
from massgap.events.reading.bookkeeping import sum_of_weights
from massgap.events.reading.diagnosis import check_local, what_is_wrong
from massgap.events.reading.evidence import damage
from massgap.events.reading.ntuple.ntuple import LeanNtuple
from massgap.events.reading.tree import LeanFile, LeanTree
from massgap.events.weight_places import WEIGHT_VARIATIONS

__all__ = ["FileInfo", "inspect_file"]

_KNOWN_TREES = ("Events", "Delphes", "CollectionTree", "EventData", "RNT:CollectionTree")
_TREE_CLASSES = ("TTree", "TNtuple", "ROOT::RNTuple", "ROOT::Experimental::RNTuple")


@dataclass(frozen=True)
class FileInfo:
    """What is known of a file before its events are read.

    Attributes
    ----------
    path, tree
        Where the events are.
    entries
        Number of events.
    format
        ``NanoAOD``, ``PHYSLITE`` or ``Delphes``; empty if a tree without events does not tell.
    uuid, size, changed
        Identity of the content: ROOT's UUID of the file, its size in bytes (-1 for remote files), and the
        times of its last change (of content and of inode, in ns; a copy that keeps the first has another second).
    simulated
        Whether the tree has generator weights or particles; None if a tree without events does not tell.
    runs_sum_weights
        Sum of generator weights in the tree ``Runs``, or in the cut bookkeepers of PHYSLITE, which covers events that a skim
        removed; None if absent.
    clusters
        Entries at which the baskets of the most important branches end together: a chunk that begins there decompresses
        nothing that belongs to its neighbour.
    runs_events
        Number of events in the tree ``Runs``, None if absent: another one than ``entries`` in a skim.
    weights
        Which of the branches with weights of variations there are.
    """

    path: str
    tree: str
    entries: int
    format: str
    uuid: str
    size: int
    changed: tuple[int, int]
    simulated: bool | None
    runs_sum_weights: float | None
    clusters: tuple[int, ...] = ()
    runs_events: int | None = None
    weights: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data for the ledger: all but the clusters, which follow from the rest."""
        out = asdict(self)
        del out["clusters"]
        return out


def inspect_file(path: str, tree: str | None = None) -> FileInfo:
    """Open a file and find its events.

    Parameters
    ----------
    path
        Local path or URL.
    tree
        Name of the tree, also with its cycle (``Events;1``) and slashes (``/Events``); None, or "Events" where the file has
        only one of Delphes or ATLAS, finds it.

    Returns
    -------
    FileInfo

    Raises
    ------
    FileProblem
        If the file is missing, is a folder, is not ROOT, is truncated or damaged, or has no such tree or
        no known format, or what is needed to read it is not here.  The message names the file and what to do.
    """
    size, changed = -1, (0, 0)
    if not is_url(path):
        status = check_local(path)
        size, changed = status.st_size, (status.st_mtime_ns, status.st_ctime_ns)
    try:
        with LeanFile(path) as file:
            end = file.file.file.fEND
            size_there = _size_of_remote(file) if size < 0 else size
            if not 0 <= size_there < end:
                return replace(_inspect_open(path, tree, file), size=size, changed=changed)
    except (FileProblem, SelectionError):
        raise
    except Exception as error:
        # uproot raises many types on damaged bytes (struct.error, zlib.error, DeserializationError, ...).
        msg = f"{path}: {what_is_wrong(path, error)}"
        raise FileProblem(msg) from error
    msg = f"{path}: is truncated ({size_there} of {end} bytes); copy it again"
    raise FileProblem(msg)


def _size_of_remote(file: LeanFile) -> int:
    """Bytes that a server says a file has; -1 if it does not say."""
    try:
        return int(file.file.file.source.num_bytes)
    except Exception:  # noqa: BLE001 - of any client library
        return -1


def _tree_names(file: LeanFile) -> dict[str, str]:
    """Name of an event tree -> its class; of several cycles the latest has the plain name, and all have that with the cycle."""
    kinds: dict[str, str] = {}
    latest: dict[str, int] = {}
    for name, kind in file.file.classnames(recursive=True).items():
        plain, _, cycle = name.partition(";")
        if kind.startswith(_TREE_CLASSES):
            kinds[name] = kind
            if int(cycle or 0) >= latest.get(plain, -1):
                kinds[plain], latest[plain] = kind, int(cycle or 0)
    return kinds


def _find_tree(wanted: str, trees: dict[str, str]) -> str | None:
    """The name of a tree as it is given, with any slashes at its ends and ROOT's way of naming a cycle; None if it is not there.

    The latest cycle has its plain name, so that it is the same tree however it was asked for.
    """
    plain, _, cycle = wanted.partition(";")
    plain = "/".join(part for part in plain.split("/") if part not in ("", "."))
    if cycle in ("", "*", "9999"):  # ROOT's own words for the latest
        return plain if plain in trees else None
    name = f"{plain};{cycle}"
    others = [int(other.rpartition(";")[2]) for other in trees if other.startswith(f"{plain};")]
    if name not in trees:
        return None
    return plain if cycle == str(max(others)) else name


def _inspect_open(path: str, tree: str | None, file: LeanFile) -> FileInfo:
    trees = _tree_names(file)
    if not trees:
        wrong = None if is_url(path) else damage(path)
        what = (
            f"cannot be opened, the file is damaged or truncated: {wrong}"
            if wrong
            else "holds no event tree (it is empty or was not closed when written)"
        )
        msg = f"{path}: {what}; make or copy it again"
        raise FileProblem(msg)
    name = _find_tree(tree, trees) if tree else None
    if name is None and tree in (None, "Events"):
        name = next((known for known in _KNOWN_TREES if known in trees), None)
    if name is None:
        raise FileProblem(_no_such_tree(path, tree, trees, file))
    events = _lean(file, name)
    lean = events is not None
    events = events if lean else file.whole[name]
    branches = sorted(events.names) if lean else list(events.keys(recursive=False))
    entries = int(events.num_entries)
    kind = _format_of(path, name, branches, entries, trees)
    # Beside the tree of the events, where both were put into a folder of the file.
    beside = f"{name.rpartition('/')[0]}/Runs".lstrip("/")
    summed = next((tree for tree in (beside, "Runs") if tree in trees), None)
    runs, runs_events = _sums_of_runs(path, file, summed) if summed else (None, None)
    if kind == PHYSLITE:
        runs = sum_of_weights(path, file, trees)
    simulated: bool | None = kind == DELPHES or bool(_MARKS & set(branches))
    if not entries and not simulated:
        simulated = (
            True if runs is not None else None
        )  # a skim that left nothing, and none of the branches, says nothing
    return FileInfo(
        path,
        name,
        entries,
        kind,
        str(file.file.file.uuid),
        -1,
        (0, 0),
        simulated,
        runs,
        _clusters(events, set(branches)),
        runs_events,
        tuple(sorted({branch for branch, _ in WEIGHT_VARIATIONS.values()} & set(branches))),
    )


def _lean(file: LeanFile, name: str) -> Any:
    """The tree or ntuple where it can be read without the description of every branch, else None."""
    tree = file.tree(name)
    return file.ntuple(name) if tree is None else tree


def _no_such_tree(path: str, tree: str | None, trees: dict[str, str], file: LeanFile) -> str:
    wanted = f"tree {tree!r}" if tree else "tree named Events, Delphes or CollectionTree"
    plain = (tree or "Events").partition(";")[0].strip("/")
    cycles = sorted(name for name in trees if name.startswith(f"{plain};"))
    other = {name.partition(";")[0]: kind for name, kind in file.file.classnames(recursive=True).items()}
    text = f"{path}: has no {wanted}"
    if plain in other and not cycles:
        text += f" ({plain} is a {other[plain]})"
    has = cycles or sorted(name for name in trees if ";" not in name)
    return f"{text}; it has {', '.join(has)}. Name the tree with --tree or in the fileset"


def _format_of(path: str, name: str, branches: list[str], entries: int, trees: dict[str, str]) -> str:
    """The format of a tree; of one without events that has lost its branches what its name tells, or nothing."""
    try:
        return event_format(branches)
    except SelectionError as error:
        if not entries:
            known = {"Delphes": DELPHES, "CollectionTree": PHYSLITE}
            return known.get(name.rpartition("/")[2], "")
        better = [known for known in _KNOWN_TREES if known in trees and known != name]
        hint = f" The file has also a tree {better[0]}: --tree {better[0]}" if better else ""
        msg = f"{path}, tree {name}: {error}{hint}"
        raise FileProblem(msg) from error


def _sums_of_runs(path: str, file: LeanFile, name: str) -> tuple[float | None, int | None]:
    """Sum of generator weights and number of events in the tree Runs, which count also what a skim removed."""
    lean = _lean(file, name)
    table: Any = file.whole[name] if lean is None else lean
    keys = set(table.keys()) if lean is None else table.names

    def total(*names: str) -> Any:
        found = next((name for name in names if name in keys), None)
        return None if found is None else table[found].array(library="np").sum()

    weight, count = total("genEventSumw", "genEventSumw_"), total("genEventCount", "genEventCount_")
    if weight is not None and not table.num_entries:
        count = 0  # of no event, whatever else is there
    if weight is not None and not math.isfinite(weight):
        msg = (
            f"{path}: the sum of generator weights in the tree Runs is {weight}; make or copy the file again"
        )
        raise FileProblem(msg)
    return None if weight is None else float(weight), None if count is None else int(count)


_MARKS = {"genWeight", "Generator_weight", "nGenPart", "GenPart_pt"}.union(
    *(flat_names(PHYSLITE, *mark) for mark in SIMULATION_MARKS)
)
"""Branches that only simulation has."""


_LEADING = (
    "Muon_pt",
    "Jet_pt",
    "MET_pt",
    "PFMET_pt",
    "Muon/Muon.PT",
    "Jet/Jet.PT",
    "MissingET/MissingET.MET",
    "AnalysisMuonsAuxDyn.pt",
    "AnalysisJetsAuxDyn.pt",
)


def _clusters(tree: Any, branches: set[str]) -> tuple[int, ...]:
    """Entries at which baskets end together, or clusters of an RNTuple."""
    if isinstance(tree, LeanNtuple):
        return tree.cluster_edges
    if not isinstance(tree, LeanTree):
        return ()
    ends = [set(tree[path].entry_offsets) for path in _LEADING if path.split("/")[0] in branches]
    return tuple(int(edge) for edge in sorted(set.intersection(*ends))) if ends else ()
