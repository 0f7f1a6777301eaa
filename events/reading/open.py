"""The events of a chunk, read lazily; files stay open between chunks of one worker."""

from __future__ import annotations

import contextlib
import os
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from massgap.contracts.filesets.paths import is_url
from massgap.events.errors import FileProblem
from massgap.events.reading.empty import EmptyColumns
from massgap.events.reading.ntuple.columns import NtupleColumns
from massgap.events.reading.ntuple.ntuple import LeanNtuple
from massgap.events.reading.raw.local import LocalBytes
from massgap.events.reading.schemas import schema_for
from massgap.events.reading.tree import LeanFile, LeanTree
from massgap.events.reading.tree_columns import TreeColumns

__all__ = ["Chunk", "close_files", "forget_file", "open_events"]

_MAX_OPEN = 4

_open_files: OrderedDict[tuple[str, str], Any] = OrderedDict()


@dataclass(frozen=True, order=True)
class Chunk:
    """A range of entries of one file.

    Attributes
    ----------
    dataset, path, start, stop
        What to process: entries ``start`` to ``stop`` (exclusive).
    tree, format, uuid
        How to open it, and the identity of the file.
    """

    dataset: str
    path: str
    start: int
    stop: int
    tree: str = "Events"
    format: str = "NanoAOD"
    uuid: str = ""

    def __str__(self) -> str:
        return f"{self.path} (entries {self.start} to {self.stop})"


def forget_file(chunk: Chunk) -> None:
    """Close a file, so that the next attempt opens it anew."""
    opened = _open_files.pop((chunk.path, chunk.uuid), None)
    if opened is not None:
        with contextlib.suppress(Exception):
            opened.close()


def open_events(chunk: Chunk, metadata: dict[str, Any], *, columns: bool = False) -> Any:
    """Open the events of a chunk.

    Parameters
    ----------
    chunk
        What to open.
    metadata
        What the processor finds as ``events.metadata``, besides the place of the chunk.
    columns
        Give bare columns, which is all that an analysis of massgap needs, instead of coffea's NanoEvents.
    """
    place = {
        **metadata,
        "dataset": chunk.dataset,
        "filename": chunk.path,
        "treename": chunk.tree,
        "entrystart": chunk.start,
        "entrystop": chunk.stop,
        "fileuuid": chunk.uuid,
    }
    if columns and chunk.stop == 0:  # of a file without events, mostly
        return EmptyColumns(place, chunk.format)
    key = (chunk.path, chunk.uuid)
    if key not in _open_files:
        _open_files[key] = _OpenFile(chunk)
        while len(_open_files) > _MAX_OPEN:
            _open_files.popitem(last=False)[1].close()
    else:
        _open_files.move_to_end(key)
    opened = _open_files[key]
    if columns:
        tree = opened.tree(chunk.tree)
        if isinstance(tree, LeanNtuple):
            return NtupleColumns(tree, chunk.start, chunk.stop, place)
        if tree is not None:  # an RNTuple that is not known well enough is left to coffea
            return TreeColumns(tree, chunk.start, chunk.stop, place, opened.read)
    with warnings.catch_warnings():
        # NanoAOD 12 and older store the photon's mass, which coffea replaces by zero and says so for every chunk.
        warnings.filterwarnings("ignore", message=r"Branch Photon_(mass|charge) already exists")
        # PHYSLITE has containers that hold nothing but a pointer to their columns, hundreds of them.
        warnings.filterwarnings("ignore", message=r"Skipping \S+ as it is ")
        # A missing identifier is an error of the selection, which names the file.
        warnings.filterwarnings("ignore", message=r"Missing event_ids")
        return _from_root(chunk, place, opened.file.whole, schema_for(chunk.format, bare=columns))


class _OpenFile:
    """A file that uproot has opened, and for a local one a second way to its bytes: without a memory map, which
    would kill the process where a file is cut short under it, and without the threads of uproot's own sources."""

    def __init__(self, chunk: Chunk) -> None:
        path = chunk.path
        self._trees: dict[str, LeanTree | LeanNtuple | None] = {}
        local = not is_url(path)
        try:
            self.handle = os.open(path, os.O_RDONLY) if local else None
        except OSError as error:
            msg = f"{path}: could be opened when the run began and cannot now ({error.strerror or error})"
            raise FileProblem(msg) from error
        try:
            self.file = LeanFile(path)
        except BaseException:
            self._close_handle()
            raise
        replaced = False
        if self.handle is not None:
            mine, now = os.fstat(self.handle), Path(path).stat()
            replaced = (mine.st_dev, mine.st_ino) != (now.st_dev, now.st_ino)
        if replaced or (chunk.uuid and str(self.file.file.file.uuid) != chunk.uuid):
            self.close()
            msg = f"{path}: was replaced by another file while the run was going on; run again"
            raise FileProblem(msg)

    def tree(self, name: str) -> LeanTree | LeanNtuple | None:
        """A tree or ntuple of the file; None where it must be read as a whole."""
        if name not in self._trees:
            self._trees[name] = self.file.tree(name) or self.file.ntuple(name, self.read)
        return self._trees[name]

    @property
    def read(self) -> Any:
        """Function of a position and a size, or None for a remote file."""
        return None if self.handle is None else LocalBytes(self.handle)

    def _close_handle(self) -> None:
        if self.handle is not None:
            os.close(self.handle)

    def close(self) -> None:
        self.file.close()
        self._close_handle()


def _from_root(chunk: Chunk, place: dict[str, Any], file: Any, schema: Any) -> Any:
    from coffea.nanoevents import NanoEventsFactory

    return NanoEventsFactory.from_root(
        file,
        treepath=chunk.tree,
        entry_start=chunk.start,
        entry_stop=chunk.stop,
        schemaclass=schema,
        metadata=place,
        mode="virtual",
    ).events()


def close_files() -> None:
    """Close the files that this process keeps open."""
    while _open_files:
        _open_files.popitem()[1].close()
