"""What a worker does with one chunk: open, process, and report success or the reason of failure."""

from __future__ import annotations

import os
import time
import traceback
import warnings
from collections import OrderedDict
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from massgap.processors.analysis import Analysis
from massgap.processors.errors import FileProblem, ProcessorError
from massgap.processors.files import inspect_file
from massgap.processors.lean_tree import LeanFile, LeanTree
from massgap.processors.schemas import schema_for
from massgap.processors.tree_columns import TreeColumns
from massgap.selections.errors import SelectionError

__all__ = ["Chunk", "Outcome", "inspect_work", "process_work"]

_MAX_OPEN = 4
_READERS = {"massgap.processors.baskets", "massgap.processors.lean_tree"}
_open_files: OrderedDict[tuple[str, str], Any] = OrderedDict()
_processors: OrderedDict[str, Any] = OrderedDict()


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


@dataclass
class Outcome:
    """What became of a chunk or an inspection: a value, or an error with its traceback."""

    value: Any = None
    error: str | None = None
    traceback: str = ""
    seconds: float = 0.0


def inspect_work(item: tuple[str, str | None]) -> Outcome:
    """Inspect a file on a worker."""
    path, tree = item
    try:
        return Outcome(inspect_file(path, tree))
    except ProcessorError as error:
        return Outcome(error=str(error), traceback=traceback.format_exc())


def process_work(item: tuple[str, bytes, Chunk, dict[str, Any]]) -> Outcome:
    """Process a chunk on a worker; never raises, so that one bad chunk cannot end a run."""
    key, pickled, chunk, metadata = item
    start = time.perf_counter()
    try:
        processor = _processor(key, pickled)
        events = open_events(chunk, metadata, columns=isinstance(processor, Analysis))
    except (ProcessorError, SelectionError) as error:
        return Outcome(error=str(error), traceback=traceback.format_exc())
    except Exception as error:  # noqa: BLE001 - one bad chunk must not end a run
        return Outcome(error=_explain(chunk, error), traceback=traceback.format_exc())
    try:
        value = processor.process(events)
    except (ProcessorError, SelectionError) as error:
        return Outcome(error=str(error), traceback=traceback.format_exc())
    except Exception as error:  # noqa: BLE001 - one bad chunk must not end a run
        return Outcome(error=_explain(chunk, error), traceback=traceback.format_exc())
    if value is None:
        return Outcome(
            error=f"{type(processor).__name__}.process returned None; it must return an accumulator"
        )
    return Outcome(value, seconds=time.perf_counter() - start)


def _explain(chunk: Chunk, error: Exception) -> str:
    lines = str(error).strip().splitlines()
    first = lines[0] if lines else ""
    origin = set()
    trace = error.__traceback__
    while trace is not None:
        origin.add(trace.tb_frame.f_globals.get("__name__", ""))
        trace = trace.tb_next
    # All bytes of a file come through uproot or the modules beside it here.  They raise many types on damaged ones,
    # also KeyError and AssertionError.  An error that did not pass through them is the processor's own.
    if origin & _READERS or any(name.split(".")[0] == "uproot" for name in origin):
        return f"{chunk}: cannot be read, the file is damaged or truncated ({type(error).__name__}: {first})"
    return f"{chunk}: the processor failed ({type(error).__name__}: {first})"


def _processor(key: str, pickled: bytes) -> Any:
    if key not in _processors:
        import cloudpickle

        _processors[key] = cloudpickle.loads(pickled)
        while len(_processors) > 2:
            _processors.popitem(last=False)
    return _processors[key]


def open_events(chunk: Chunk, metadata: dict[str, Any], *, columns: bool = False) -> Any:
    """The events of a chunk, read lazily; files stay open between chunks of one worker.

    Parameters
    ----------
    chunk
        What to open.
    metadata
        What the processor finds as ``events.metadata``, besides the place of the chunk.
    columns
        Give bare columns, which is all that an analysis of massgap needs, instead of coffea's NanoEvents.
    """
    key = (chunk.path, chunk.uuid)
    if key not in _open_files:
        _open_files[key] = _OpenFile(chunk)
        while len(_open_files) > _MAX_OPEN:
            _open_files.popitem(last=False)[1].close()
    else:
        _open_files.move_to_end(key)
    place = {
        **metadata,
        "dataset": chunk.dataset,
        "filename": chunk.path,
        "treename": chunk.tree,
        "entrystart": chunk.start,
        "entrystop": chunk.stop,
        "fileuuid": chunk.uuid,
    }
    opened = _open_files[key]
    if columns:
        tree = opened.tree(chunk.tree)
        if tree is not None:  # an RNTuple is left to coffea
            return TreeColumns(tree, chunk.start, chunk.stop, place, opened.read)
    with warnings.catch_warnings():
        # NanoAOD 12 and older store the photon's mass, which coffea replaces by zero and says so for every chunk.
        warnings.filterwarnings("ignore", message=r"Branch Photon_(mass|charge) already exists")
        # A missing identifier is an error of the selection, which names the file.
        warnings.filterwarnings("ignore", message=r"Missing event_ids")
        return _from_root(chunk, place, opened.file.whole)


class _OpenFile:
    """A file that uproot has opened, and for a local one a second way to its bytes: without a memory map, which
    would kill the process where a file is cut short under it, and without the threads of uproot's own sources."""

    def __init__(self, chunk: Chunk) -> None:
        path = chunk.path
        self._trees: dict[str, LeanTree | None] = {}
        local = "://" not in path
        self.handle = os.open(path, os.O_RDONLY) if local else None
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

    def tree(self, name: str) -> LeanTree | None:
        """A tree of the file; None for an RNTuple."""
        if name not in self._trees:
            self._trees[name] = self.file.tree(name)
        return self._trees[name]

    @property
    def read(self) -> Any:
        """Function of a position and a size, or None for a remote file."""
        if self.handle is None:
            return None
        return lambda begin, size: os.pread(self.handle, size, begin)

    def _close_handle(self) -> None:
        if self.handle is not None:
            os.close(self.handle)

    def close(self) -> None:
        self.file.close()
        self._close_handle()


def _from_root(chunk: Chunk, place: dict[str, Any], file: Any) -> Any:
    from coffea.nanoevents import NanoEventsFactory

    return NanoEventsFactory.from_root(
        file,
        treepath=chunk.tree,
        entry_start=chunk.start,
        entry_stop=chunk.stop,
        schemaclass=schema_for(chunk.format),
        metadata=place,
        mode="virtual",
    ).events()


def close_files() -> None:
    """Close the files that this process keeps open."""
    while _open_files:
        _open_files.popitem()[1].close()
