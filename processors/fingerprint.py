"""Digests that tell whether a stored result still belongs to today's code, options, model and file."""

from __future__ import annotations

import hashlib
import inspect
import json
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["code_hash", "digest", "processor_identity"]


def digest(value: Any) -> str:
    """SHA-256 of plain data, independent of the order of dictionary keys.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


@cache
def code_hash() -> str:
    """Digest of the source of all modules that can change a result: selections, models, processors."""
    import massgap

    root = Path(massgap.__file__).parent
    out = hashlib.sha256(massgap.__version__.encode())
    for room in ("selections", "models", "processors"):
        for path in sorted((root / room).rglob("*.py")):
            out.update(path.name.encode())
            out.update(path.read_bytes())
    return out.hexdigest()


def processor_identity(processor: Any) -> dict[str, Any]:
    """Class, source, options and model of a processor, as plain data.

    Parameters
    ----------
    processor
        An analysis of massgap, or any coffea processor: its attributes then count as options.
    """
    cls = type(processor)
    options = processor.options() if hasattr(processor, "options") else {
        key: repr(value) for key, value in sorted(vars(processor).items())
    }
    scorer = getattr(processor, "scorer", None)
    try:
        source = hashlib.sha256(Path(inspect.getfile(cls)).read_bytes()).hexdigest()
    except (OSError, TypeError):
        # A class defined in a notebook: its methods' source is what there is.
        try:
            source = hashlib.sha256(inspect.getsource(cls).encode()).hexdigest()
        except (OSError, TypeError):
            source = hashlib.sha256(repr(sorted((k, getattr(v, "__code__", v)) for k, v in vars(cls).items())).encode()).hexdigest()
    return {
        "processor": f"{cls.__module__}:{cls.__qualname__}",
        "source": source,
        "code": code_hash(),
        "options": options,
        "model": getattr(scorer, "sha256", None),
    }
