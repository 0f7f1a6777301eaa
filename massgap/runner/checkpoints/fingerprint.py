"""Digests that tell whether a stored result still belongs to today's code, options, model and file."""

from __future__ import annotations

import dataclasses
import hashlib
import os
import sys
import types
import uuid
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from massgap.contracts.writing import digest
from massgap.source_code import imported_files, is_own_file, package_digest

__all__ = ["code_hash", "processor_identity"]

_ABOVE = ("cli", "stages", "studies", "reports")
"""What only shows results.  All else is hashed, also a room that does not exist yet."""


@cache
def code_hash() -> str:
    """Digest of all that massgap's own code can do to a result: the whole package but for what stands above the runner.

    Read when this module is imported: a source that is edited later is not the code that runs.
    """
    return package_digest(without=_ABOVE)


def processor_identity(processor: Any) -> dict[str, Any]:
    """Class, source, options, state and model of a processor, as plain data.

    Parameters
    ----------
    processor
        An analysis of massgap, or any coffea processor.

    Returns
    -------
    dict
        ``options`` is what the processor says of itself, ``state`` a digest of all its attributes and of its
        class as loaded, so that a subclass with an attribute of its own is told apart too; ``source`` a digest
        of the files of the user's own modules.
    """
    cls = type(processor)
    attributes = vars(processor)
    shown = {key: repr(value) for key, value in sorted(attributes.items())}
    models = getattr(processor, "models", None)
    models = models if isinstance(models, dict) else {}
    bases = [base for base in cls.__mro__ if not _is_library(base.__module__)]
    return {
        "processor": f"{cls.__module__}:{cls.__qualname__}",
        "source": _own_source(bases),
        "code": code_hash(),
        "options": processor.options() if hasattr(processor, "options") else shown,
        "state": digest([_plain(attributes), [_plain_class(base) for base in bases]]),
        "models": {name: getattr(model, "sha256", None) for name, model in models.items()},
    }


def _is_library(module: str) -> bool:
    return module.split(".", maxsplit=1)[0] in ("builtins", "coffea", "abc", "typing")


def _own_source(bases: list[type]) -> str:
    """Digest of what the own classes import, and of all other modules that were loaded and are the user's."""
    out = hashlib.sha256()
    names = [base.__module__ for base in bases if not base.__module__.startswith("massgap.")]
    if not names:
        return out.hexdigest()
    loaded = [getattr(module, "__file__", None) for module in list(sys.modules.values())]
    files = {
        os.path.abspath(place)  # noqa: PTH100 (Path.resolve follows links)
        for place in loaded
        if place and place.endswith(".py") and is_own_file(place)
    }
    for name in names:
        place = getattr(sys.modules.get(name), "__file__", None)
        if place:
            files |= {str(path) for path in imported_files(place) if is_own_file(path)}
    for name in sorted(files, key=lambda name: (os.path.basename(name), name)):  # noqa: PTH119
        path = Path(name)
        if path.is_file():
            out.update(path.name.encode() + b"\0" + path.read_bytes() + b"\0")
    return out.hexdigest()


def _plain_class(cls: type) -> Any:
    # What ABCMeta keeps for itself changes from call to call.
    own = {k: v for k, v in vars(cls).items() if not k.startswith(("__", "_abc_"))}
    return [cls.__module__, cls.__qualname__, _plain({**own, "__init__": vars(cls).get("__init__")})]


def _plain(value: Any) -> Any:
    """Plain data that differs when the value does, and is the same in every process when it does not."""
    if value is None or isinstance(value, bool | int | float | str):
        return repr(value)
    if isinstance(value, np.ndarray) and value.dtype != object:
        raw = np.ascontiguousarray(value).tobytes()
        return ["array", str(value.dtype), list(value.shape), hashlib.sha256(raw).hexdigest()]
    if isinstance(value, dict):
        return ["dict", sorted(([_plain(k), _plain(v)] for k, v in value.items()), key=str)]
    if isinstance(value, set | frozenset):
        return ["set", sorted((_plain(item) for item in value), key=str)]
    if isinstance(value, list | tuple):
        return [type(value).__name__, *(_plain(item) for item in value)]
    if isinstance(value, types.CodeType):
        return [
            "code",
            value.co_code.hex(),
            _plain(value.co_consts),
            list(value.co_names),
            list(value.co_varnames),
        ]
    if isinstance(value, types.FunctionType):
        closure = [cell.cell_contents for cell in value.__closure__ or ()]
        return [
            "function",
            _plain(value.__code__),
            _plain(value.__defaults__),
            _plain(value.__kwdefaults__),
            _plain(closure),
        ]
    if isinstance(value, staticmethod | classmethod):
        return _plain(value.__func__)
    if isinstance(value, property):
        return _plain([value.fget, value.fset])
    if isinstance(value, type | types.ModuleType | types.BuiltinFunctionType):
        return ["name", getattr(value, "__module__", ""), getattr(value, "__qualname__", value.__name__)]
    if isinstance(getattr(value, "sha256", None), str):
        return ["sha256", value.sha256]
    if dataclasses.is_dataclass(value):
        return [
            type(value).__qualname__,
            _plain({f.name: getattr(value, f.name) for f in dataclasses.fields(value)}),
        ]
    import cloudpickle

    try:
        return ["pickle", hashlib.sha256(cloudpickle.dumps(value)).hexdigest()]
    except Exception:  # noqa: BLE001 - anything may refuse; then nothing stored is ever taken for it
        return ["unique", uuid.uuid4().hex]


_AT_IMPORT = code_hash()
