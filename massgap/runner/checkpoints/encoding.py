"""Results of chunks on disk, without pickle.

A checkpoint is one ``.npz`` file: the arrays of a result, and a JSON description of how they belong
together.  Reading it can run no code.  Plain data, NumPy arrays, ``hist.Hist`` objects and tallies are
known; anything else cannot be stored, and the caller is told so.

The driver of a long run keeps no table in memory: when the result of some chunks is stored, its feature rows are replaced
by their place in the checkpoint (:func:`set_rows_aside`), and read again when the table of their dataset is made.
"""

from __future__ import annotations

import functools
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from massgap.arrays.exact_sum import ExactSum
from massgap.contracts.writing import write_atomically
from massgap.processors.base.axes import Integer, Regular, Variable
from massgap.processors.base.histograms import HistogramSpec, Layout
from massgap.processors.base.sums import HistogramSums
from massgap.processors.base.tally import CutCount, DatasetTally, Tally
from massgap.runner.errors import RunnerError

__all__ = ["NotStorableError", "StoredRows", "load", "same_bits", "save", "set_rows_aside"]


_RECORDS = (CutCount, DatasetTally, Regular, Variable, Integer)


class NotStorableError(TypeError):
    """The result holds an object of a type that cannot be stored without pickle."""


def save(path: Path, result: Any) -> None:
    """Store a result.

    Raises
    ------
    NotStorableError
        If a part of it is of an unknown type.
    OSError
        If the disk is full or the folder cannot be written.
    """
    arrays: list[np.ndarray] = []
    text = json.dumps(_encode(result, arrays))
    buffer = io.BytesIO()
    named: dict[str, Any] = {f"a{i}": a for i, a in enumerate(arrays)}
    np.savez(buffer, description=np.frombuffer(text.encode(), dtype=np.uint8), **named)
    # What a crash of the machine damages is computed again.
    write_atomically(path, buffer.getvalue(), durable=False)


def load(path: Path) -> Any:
    """Read a stored result; None if there is none or it is damaged (it is then computed again)."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            text = bytes(stored["description"]).decode()
            return _decode(json.loads(text), stored)
    except Exception:  # noqa: BLE001 - damaged bytes fail in many ways; each chunk of a zip file has a checksum
        return None


def same_bits(a: Any, b: Any) -> bool:
    """Whether two results are stored as the same: structure, numbers, and every bit of every array.

    Raises
    ------
    NotStorableError
        If a part of one is of an unknown type.

    Examples
    --------
    >>> same_bits({"a": np.array([0.0])}, {"a": np.array([-0.0])}), same_bits([1, float("nan")], [1, float("nan")])
    (False, True)
    """
    ours: list[np.ndarray] = []
    theirs: list[np.ndarray] = []
    if json.dumps(_encode(a, ours)) != json.dumps(_encode(b, theirs)):
        return False
    return all(
        x.dtype == y.dtype and x.shape == y.shape and x.tobytes() == y.tobytes()
        for x, y in zip(ours, theirs, strict=True)
    )


def _encode(value: Any, arrays: list[np.ndarray]) -> Any:
    if value is None or isinstance(value, bool | int | float | str):
        return {"v": value}
    if isinstance(value, np.generic):
        return {"v": value.item()}
    if isinstance(value, np.ndarray) and value.dtype != object:
        arrays.append(value)
        return {"array": len(arrays) - 1}
    if isinstance(value, dict):
        return {"dict": [[_encode(k, arrays), _encode(v, arrays)] for k, v in value.items()]}
    if isinstance(value, list | tuple | set | frozenset):
        kind = type(value).__name__
        if kind in ("list", "tuple", "set", "frozenset"):
            return {kind: [_encode(item, arrays) for item in value]}
    if isinstance(value, ExactSum):
        return {"ExactSum": _encode((value.size, value.lowest, value.limbs, value.terms), arrays)}
    if isinstance(value, HistogramSpec):
        return {"HistogramSpec": _encode((value.name, value.axes, value.regions, value.folds), arrays)}
    if isinstance(value, _RECORDS):
        return {
            type(value).__name__: _encode({k: getattr(value, k) for k in value.__dataclass_fields__}, arrays)
        }
    if isinstance(value, HistogramSums):
        return {"HistogramSums": _encode(value.state(), arrays)}
    if isinstance(value, Layout):
        return {"Layout": _encode((tuple(value.specs.values()), value.all_regions), arrays)}
    if isinstance(value, Tally):
        return {"Tally": _encode((value.layout, value.channels, value.datasets), arrays)}
    if hasattr(value, "axes") and hasattr(value, "storage_type"):
        import uhi.io.json

        return {"hist": json.dumps(value, default=uhi.io.json.default)}
    msg = f"a result of type {type(value).__module__}.{type(value).__name__} cannot be stored"
    raise NotStorableError(msg)


def _decode(node: Any, arrays: Any) -> Any:
    ((kind, content),) = node.items()
    if kind == "v":
        return content
    if kind == "array":
        return arrays[f"a{content}"]
    if kind == "dict":
        return {_decode(k, arrays): _decode(v, arrays) for k, v in content}
    if kind in ("list", "tuple", "set", "frozenset"):
        items = [_decode(item, arrays) for item in content]
        return {"list": list, "tuple": tuple, "set": set, "frozenset": frozenset}[kind](items)
    if kind == "hist":
        import hist
        import uhi.io.json

        return hist.Hist(json.loads(content, object_hook=uhi.io.json.object_hook))
    inner = _decode(content, arrays)
    if kind == "ExactSum":
        out = ExactSum(inner[0])
        out.lowest, out.limbs, out.terms = inner[1:]
        return out
    if kind == "HistogramSums":
        return HistogramSums.of_state(*inner)
    if kind == "Layout":
        return Layout(*inner)
    if kind == "HistogramSpec":
        name, axes, regions, folds = inner
        return HistogramSpec(name, *axes, regions=regions, folds=folds)
    if kind == "Tally":
        tally = Tally(inner[0], inner[1])
        tally.datasets = inner[2]
        return tally
    return {record.__name__: record for record in _RECORDS}[kind](**inner)


@dataclass(frozen=True, slots=True)
class StoredRows:
    """The rows of one chunk in a checkpoint.

    Attributes
    ----------
    path
        The checkpoint.
    dataset, key
        Which rows in it.
    """

    path: str
    dataset: str
    key: tuple[str, int]

    def read(self) -> dict[str, Any]:
        """The columns.

        Raises
        ------
        RunnerError
            If the checkpoint has gone or is damaged.
        """
        found = _rows_in(self.path).get((self.dataset, self.key))
        if found is None:
            msg = f"{self.path}: was removed or damaged while the run went on, and held feature rows; give the same command again"
            raise RunnerError(msg)
        return found


# The chunks of one checkpoint follow each other in a table.
@functools.lru_cache(maxsize=1)
def _rows_in(path: str) -> dict[tuple[str, tuple[str, int]], dict[str, Any]]:
    out = {}
    for tally in _tallies(load(Path(path))):
        for name, part in tally.datasets.items():
            for key, block in part.features.items():
                out[name, key] = block
    return out


def _tallies(value: Any) -> list[Any]:
    return [tally for tally in value.values() if isinstance(tally, Tally)] if isinstance(value, dict) else []


def set_rows_aside(value: Any, path: Path) -> None:
    """Replace the feature rows in a result by their place in its checkpoint.

    Parameters
    ----------
    value
        The result, changed in place; one of somebody else's processor is left alone.
    path
        Where it is stored.
    """
    for tally in _tallies(value):
        for name, part in tally.datasets.items():
            for key, block in part.features.items():
                if isinstance(block, dict) and any(len(column) for column in block.values()):
                    part.features[key] = StoredRows(str(path), name, key)
