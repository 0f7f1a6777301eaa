"""Write NanoAOD files: the Events and Runs trees, and a text that tells how the file was made."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np

from massgap.samples.errors import GenerationError
from massgap.samples.nanoaod.branches import COLLECTIONS, OPTIONAL, RUNS, SCALARS, VARIATIONS

if TYPE_CHECKING:
    from pathlib import Path

#: Key of the JSON text in each file that tells how it was made.
METADATA_KEY = "massgap"
FORMS = ("ttree", "rntuple")
#: Events per cluster of baskets: fewer make files larger and slower, more take memory (about 10 kB per event).
_FLUSH = 4000
_RUN = 1


class NanoWriter:
    """Write batches of :func:`massgap.samples.nanoaod.content.event_content` to one file.

    Parameters
    ----------
    path : path
        File to write, or to write anew.
    form : str
        ``ttree``, which every reader knows, or ``rntuple``, ROOT's new format (smaller; uproot and coffea read it).
    variations : tuple of (str, int) pairs
        Weights of variations and how many of each, for files that may stay empty. By default what the first batch
        holds is what the file gets.
    flush_events : int
        Events per cluster of baskets.

    Raises
    ------
    GenerationError
        For an unknown form, or batches that do not hold the same weights.
    """

    def __init__(
        self,
        path: Path,
        *,
        form: str = "ttree",
        variations: tuple[tuple[str, int], ...] | None = None,
        flush_events: int = _FLUSH,
    ) -> None:
        import uproot

        if form not in FORMS:
            msg = f"event files can be written as {' or '.join(FORMS)}, not as {form!r}"
            raise GenerationError(msg)
        self.path, self.form, self._flush_events = path, form, flush_events
        # Zstandard: as small as zlib and several times faster, for writers and readers
        self._file = uproot.recreate(path, compression=uproot.ZSTD(3))
        self._variations = None if variations is None else dict(variations)
        self._optional: tuple[str, ...] = ()
        self._waiting: list[dict[str, Any]] = []
        self._events_waiting = 0
        self._open = False
        self.count, self.sum_weights, self.sum_weights2 = 0, 0.0, 0.0
        self._variation_sums: dict[str, np.ndarray] = {}

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exc: object) -> None:
        self._file.close()

    def extend(self, content: dict[str, Any]) -> None:
        """Append one batch; it reaches the file with later ones."""
        held = {name: content[name].shape[1] for name in VARIATIONS if name in content}
        if self._variations is None:
            self._variations = held
        if not self._waiting and not self._open:
            self._optional = tuple(name for name in OPTIONAL if name in content)
        if held != self._variations or self._optional != tuple(name for name in OPTIONAL if name in content):
            msg = f"{self.path}: all batches of a file must hold the same weights of variations ({self._variations})"
            raise GenerationError(msg)
        batch: dict[str, Any] = {
            name: {"_counts": content[name]["_counts"]}
            | {key: content[name][key].astype(kind) for key, kind in columns.items()}
            for name, columns in COLLECTIONS.items()
        }
        scalars = {**SCALARS, **{name: OPTIONAL[name] for name in self._optional}}
        batch |= {name: content[name].astype(kind) for name, kind in scalars.items()}
        batch |= {name: content[name].astype(np.float32) for name in held}
        self._count(batch)
        self._waiting.append(batch)
        self._events_waiting += len(batch["genWeight"])
        if self._events_waiting >= self._flush_events:
            self.flush()

    def _count(self, batch: dict[str, Any]) -> None:
        # what readers will sum: the weights as stored
        weights = batch["genWeight"].astype(np.float64)
        self.count += len(weights)
        self.sum_weights += float(weights.sum())
        self.sum_weights2 += float((weights**2).sum())
        for name in self._variations or ():
            added = weights @ batch[name].astype(np.float64)
            self._variation_sums[name] = self._variation_sums.get(name, 0.0) + added

    def _make(self) -> None:
        """Make the Events tree; assigning arrays would let uproot choose the format."""
        types: dict[str, Any] = {name: np.dtype(kind) for name, kind in SCALARS.items()}
        types |= {name: np.dtype(OPTIONAL[name]) for name in self._optional}
        lists = {name: {"": np.float32} for name in self._variations or {}}
        for name, columns in {**COLLECTIONS, **lists}.items():
            if self.form == "rntuple":
                types[f"n{name}"] = np.dtype(np.int32)
                types |= {_branch(name, key): _list_type(kind) for key, kind in columns.items()}
            elif name in lists:
                types[name] = _list_type(np.float32)
            else:
                types[name] = _record_type(columns)
        if self.form == "rntuple":
            self._file.mkrntuple("Events", types, description="Events")
        else:
            self._file.mktree("Events", types, title="Events", counter_name=lambda name: f"n{name}")
        self._open = True

    def flush(self) -> None:
        """Write what is waiting; :meth:`finish` does it, too."""
        import awkward as ak

        if not self._open:
            self._make()
        if not self._waiting:
            return
        batches, self._waiting, self._events_waiting = self._waiting, [], 0
        branches: dict[str, Any] = {
            name: np.concatenate([batch[name] for batch in batches]) for name in (*SCALARS, *self._optional)
        }
        for name, columns in COLLECTIONS.items():
            counts = np.concatenate([batch[name]["_counts"] for batch in batches])
            offsets = ak.index.Index64(np.concatenate(([0], np.cumsum(counts))))
            arrays = [
                ak.contents.NumpyArray(np.concatenate([batch[name][key] for batch in batches]))
                for key in columns
            ]
            if self.form == "rntuple":
                branches[f"n{name}"] = counts.astype(np.int32)
                for key, array in zip(columns, arrays, strict=True):
                    branches[f"{name}_{key}"] = ak.Array(ak.contents.ListOffsetArray(offsets, array))
            else:
                record = ak.contents.RecordArray(arrays, list(columns))
                branches[name] = ak.Array(ak.contents.ListOffsetArray(offsets, record))
        for name in self._variations or ():
            values = np.concatenate([batch[name] for batch in batches])
            offsets = ak.index.Index64(np.arange(len(values) + 1) * values.shape[1])
            if self.form == "rntuple":
                branches[f"n{name}"] = np.full(len(values), values.shape[1], dtype=np.int32)
            flat = ak.contents.NumpyArray(np.ascontiguousarray(values).reshape(-1))
            branches[name] = ak.Array(ak.contents.ListOffsetArray(offsets, flat))
        self._file["Events"].extend(branches)

    def finish(self, metadata: str) -> None:
        """Write what is left, the Runs tree, and the text that tells how the file was made.

        Sums of varied weights are ratios to ``genEventSumw``, as in NanoAOD.
        """
        import awkward as ak

        self.flush()
        values = (_RUN, self.count, self.sum_weights, self.sum_weights2)
        types: dict[str, Any] = {name: np.dtype(kind) for name, kind in RUNS.items()}
        row: dict[str, Any] = {
            name: np.array([value], dtype=kind)
            for (name, kind), value in zip(RUNS.items(), values, strict=True)
        }
        for name, number in (self._variations or {}).items():
            sums = self._variation_sums.get(name, np.zeros(number))
            types[VARIATIONS[name]] = _list_type(np.float64)
            row[VARIATIONS[name]] = ak.Array([sums / self.sum_weights if self.sum_weights else sums])
        self._file.mktree("Runs", types, title="Runs", counter_name=lambda name: f"n{name}")
        self._file["Runs"].extend(row)
        self._file[METADATA_KEY] = metadata


def _branch(name: str, key: str) -> str:
    return f"{name}_{key}" if key else name


def _list_type(kind: Any) -> Any:
    import awkward as ak

    return ak.types.ListType(ak.types.NumpyType(np.dtype(kind).name))


def _record_type(columns: dict[str, Any]) -> Any:
    import awkward as ak

    fields = {name: ak.types.NumpyType(np.dtype(kind).name) for name, kind in columns.items()}
    return ak.types.ListType(ak.types.RecordType(list(fields.values()), list(fields)))
