"""Results of chunks on disk, without pickle.

A checkpoint is one ``.npz`` file: the arrays of a result, and a JSON description of how they belong
together.  Reading it can run no code.  Plain data, NumPy arrays, ``hist.Hist`` objects and tallies are
known; anything else cannot be stored, and the caller is told so.
"""

from __future__ import annotations

import io
import json
import os
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.exact_sum import ExactSum
from massgap.processors.base.histograms import HistogramSpec, Layout
from massgap.processors.base.sums import HistogramSums
from massgap.processors.base.tally import CutCount, DatasetTally, Tally

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["NotStorableError", "load", "save", "write_atomically"]


class NotStorableError(TypeError):
    """The result holds an object of a type that cannot be stored without pickle."""


def write_atomically(path: Path, content: bytes) -> None:
    """Write a file so that it is either complete or not there."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        temporary.write_bytes(content)
        temporary.replace(path)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise


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
    write_atomically(path, buffer.getvalue())


def load(path: Path) -> Any:
    """Read a stored result; None if there is none or it is damaged (it is then computed again)."""
    try:
        with path.open("rb") as stream, np.load(stream, allow_pickle=False) as stored:
            text = bytes(stored["description"]).decode()
            return _decode(json.loads(text), stored)
    except Exception:  # noqa: BLE001 - damaged bytes fail in many ways; each chunk of a zip file has a checksum
        return None


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
    if isinstance(value, HistogramSpec | CutCount | DatasetTally):
        return {
            type(value).__name__: _encode({k: getattr(value, k) for k in value.__dataclass_fields__}, arrays)
        }
    if isinstance(value, HistogramSums):
        return {"HistogramSums": _encode(value.state(), arrays)}
    if isinstance(value, Layout):
        return {"Layout": _encode(tuple(value.specs.values()), arrays)}
    if isinstance(value, Tally):
        return {"Tally": _encode((value.layout, value.channel, value.datasets), arrays)}
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
        return Layout(inner)
    if kind == "Tally":
        tally = Tally(inner[0], inner[1])
        tally.datasets = inner[2]
        return tally
    return {"HistogramSpec": HistogramSpec, "CutCount": CutCount, "DatasetTally": DatasetTally}[kind](**inner)
