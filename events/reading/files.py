"""Look into an event file before it is processed: is it whole, which tree, which format, how much weight."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from massgap.arrays.errors import SelectionError
from massgap.events.columns import DELPHES, PHYSLITE, event_format
from massgap.events.errors import FileProblem
from massgap.events.formats.names import SIMULATION_MARKS, flat_names
from massgap.events.reading.bookkeeping import sum_of_weights
from massgap.events.reading.faults import AUTHENTICATION, PERMANENT, TRANSIENT, kind_of_fault
from massgap.events.reading.tree import LeanFile, LeanTree

__all__ = ["FileInfo", "inspect_file"]

_KNOWN_TREES = ("Events", "Delphes", "CollectionTree", "EventData", "RNT:CollectionTree")


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
        ``NanoAOD``, ``PHYSLITE`` or ``Delphes``.
    uuid, size, changed
        Identity of the content: ROOT's UUID of the file, its size in bytes (-1 for remote files), and the
        times of its last change (of content and of inode, in ns; a copy that keeps the first has another second).
    simulated
        Whether the tree has generator weights or particles.
    runs_sum_weights
        Sum of generator weights in the tree ``Runs``, or in the cut bookkeepers of PHYSLITE, which covers events that a skim
        removed; None if absent.
    clusters
        Entries at which the baskets of the most important branches end together: a chunk that begins there decompresses
        nothing that belongs to its neighbour.
    """

    path: str
    tree: str
    entries: int
    format: str
    uuid: str
    size: int
    changed: tuple[int, int]
    simulated: bool
    runs_sum_weights: float | None
    clusters: tuple[int, ...] = ()

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
        Name of the tree; None, or "Events" where the file has only one of Delphes or ATLAS, finds it.

    Returns
    -------
    FileInfo

    Raises
    ------
    FileProblem
        If the file is missing, is a folder, is not ROOT, is truncated or damaged, or has no such tree or
        no known format.  The message names the file and what to do.
    """
    remote = "://" in path
    size, changed = -1, (0, 0)
    if not remote:
        if not Path(path).exists():
            msg = f"{path}: no such file"
            raise FileProblem(msg)
        if Path(path).is_dir():
            msg = f"{path}: is a folder, not a file; give the files in it ({Path(path) / '*.root'})"
            raise FileProblem(msg)
        status = Path(path).stat()
        size, changed = status.st_size, (status.st_mtime_ns, status.st_ctime_ns)
        try:
            with Path(path).open("rb") as stream:
                magic = stream.read(4)
        except OSError as error:
            msg = f"{path}: cannot be read ({error.strerror})"
            raise FileProblem(msg) from error
        if size == 0:
            msg = f"{path}: is empty (0 bytes); copy or make it again"
            raise FileProblem(msg)
        if magic != b"root":
            msg = f"{path}: is not a ROOT file (it starts with {magic!r}); massgap reads NanoAOD, PHYSLITE and Delphes ROOT files"
            raise FileProblem(msg)
    try:
        with LeanFile(path) as file:
            end = file.file.file.fEND
            if not 0 <= size < end:
                return replace(_inspect_open(path, tree, file), size=size, changed=changed)
    except (FileProblem, SelectionError):
        raise
    except Exception as error:
        # uproot raises many types on damaged bytes (struct.error, zlib.error, DeserializationError, ...).
        lines = str(error).strip().splitlines()
        first = lines[0] if lines else ""
        what = {
            PERMANENT: "cannot be opened, the file is damaged or truncated",
            TRANSIENT: "could not be opened for the moment",
            AUTHENTICATION: "cannot be opened, access was refused",
        }[kind_of_fault(error, remote=remote)]
        msg = f"{path}: {what} ({type(error).__name__}: {first})"
        raise FileProblem(msg) from error
    msg = f"{path}: is truncated ({size} of {end} bytes); copy it again"
    raise FileProblem(msg)


def _inspect_open(path: str, tree: str | None, file: LeanFile) -> FileInfo:
    trees = {
        name.split(";")[0]: kind
        for name, kind in file.file.classnames(recursive=True).items()
        if kind.startswith(("TTree", "TNtuple", "ROOT::RNTuple", "ROOT::Experimental::RNTuple"))
    }
    if not trees:
        msg = f"{path}: holds no event tree (it is empty or was not closed when written)"
        raise FileProblem(msg)
    name = tree if tree in trees else None
    if name is None and tree in (None, "Events"):
        name = next((known for known in _KNOWN_TREES if known in trees), None)
    if name is None:
        wanted = f"tree {tree!r}" if tree else f"tree named {' or '.join(_KNOWN_TREES)}"
        msg = f"{path}: has no {wanted}; it has {', '.join(sorted(trees))}. Name the tree with --tree or in the fileset"
        raise FileProblem(msg)
    events = file.tree(name)
    if events is None:
        events = file.whole[name]
        branches = list(events.keys(recursive=False))
    else:
        branches = sorted(events.names)
    try:
        kind = event_format(branches)
    except SelectionError as error:
        msg = f"{path}: {error}"
        raise FileProblem(msg) from error
    runs = None
    if "Runs" in trees:
        table = file.tree("Runs")
        keys = file.whole["Runs"].keys() if table is None else table.names
        for branch in ("genEventSumw", "genEventSumw_"):
            if branch in keys:
                runs = float((table or file.whole["Runs"])[branch].array(library="np").sum())
                if not math.isfinite(runs):
                    msg = f"{path}: the sum of generator weights in the tree Runs is {runs}; make or copy the file again"
                    raise FileProblem(msg)
    if kind == PHYSLITE:
        runs = sum_of_weights(path, file, trees)
    simulated = kind == DELPHES or bool(_MARKS & set(branches))
    return FileInfo(
        path,
        name,
        int(events.num_entries),
        kind,
        str(file.file.file.uuid),
        -1,
        (0, 0),
        simulated,
        runs,
        _clusters(events, set(branches)),
    )


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
    """Entries at which baskets end together; none for an RNTuple."""
    if not isinstance(tree, LeanTree):
        return ()
    ends = [set(tree[path].entry_offsets) for path in _LEADING if path.split("/")[0] in branches]
    return tuple(int(edge) for edge in sorted(set.intersection(*ends))) if ends else ()
