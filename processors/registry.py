"""Analyses by name: the shipped ones, and classes in a user's own file."""

from __future__ import annotations

import importlib
import importlib.machinery
import importlib.util
import inspect
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.errors import MassgapError
from massgap.processors.constructors import options_of
from massgap.processors.errors import ProcessorError

if TYPE_CHECKING:
    from types import CodeType

__all__ = ["ANALYSES", "find_processor", "make_processor"]

ANALYSES = {
    "slepton": (
        "massgap.processors.slepton:Slepton",
        "two muons, one hard jet and MET: slepton pairs, small gaps",
    ),
    "smuon": (
        "massgap.processors.smuon:Smuon",
        "two muons and MET, wide jets: smuons by networks, trees and jet vetoes",
    ),
    "vlq": (
        "massgap.processors.vlq:Vlq",
        "three leptons, one of them in a fat jet: T -> t Z, one classifier for all masses",
    ),
    "cascade": (
        "massgap.processors.cascade:Cascade",
        "two muons, a photon and MET: X -> mu Y -> mu mu Z -> mu mu photon chi, small gaps",
    ),
    "electroweakino": (
        "massgap.processors.electroweakino:Electroweakino",
        "two jets of vector boson fusion, one to three soft leptons: electroweakinos, small gaps",
    ),
}
"""Name -> (module:class, one line for the help)."""


def find_processor(name: str) -> type:
    """The class of an analysis.

    Parameters
    ----------
    name
        A name in :data:`ANALYSES`, ``package.module:Class``, or ``path/to/file.py:Class``.

    Returns
    -------
    type

    Raises
    ------
    ProcessorError
        If there is no such analysis, file or class, or the file cannot be imported.

    Examples
    --------
    >>> find_processor("slepton").__name__
    'Slepton'
    """
    target = ANALYSES[name][0] if name in ANALYSES else name
    module_name, _, class_name = target.rpartition(":")
    if name.endswith(".py"):
        classes = _classes(_load_file(Path(name)))
        msg = f"{name}: say which class it is, for instance {name}:{classes[0] if classes else 'ClassName'}"
        raise ProcessorError(msg)
    if not module_name:
        msg = (
            f"unknown analysis {name!r}; known are {', '.join(sorted(ANALYSES))}. "
            "For your own processor give path/to/file.py:ClassName"
        )
        raise ProcessorError(msg)
    module = _load_file(Path(module_name)) if module_name.endswith(".py") else _load_module(module_name)
    found = getattr(module, class_name, None)
    if not inspect.isclass(found):
        msg = f"{module_name} has no class {class_name!r}; it has {', '.join(_classes(module)) or 'none'}"
        raise ProcessorError(msg)
    return found


def _classes(module: Any) -> list[str]:
    return [k for k, v in vars(module).items() if inspect.isclass(v) and v.__module__ == module.__name__]


class _FromSource(importlib.machinery.SourceFileLoader):
    # Compiled code beside a file is taken for fresh when time and size agree, which an edit within the same second can
    # leave as they were: it is neither read nor written.

    def get_code(self, fullname: str) -> CodeType:
        path = self.get_filename(fullname)
        return self.source_to_code(self.get_data(path), path)


def _load_file(path: Path) -> Any:
    if not path.is_file():
        msg = f"{path}: no such file"
        raise ProcessorError(msg)
    name = f"massgap_user_{path.stem}"
    spec = importlib.util.spec_from_file_location(name, path, loader=_FromSource(name, str(path)))
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except Exception as error:
        del sys.modules[name]
        msg = f"{path} cannot be imported ({type(error).__name__}: {error})"
        raise ProcessorError(msg) from error
    # Workers do not have the file: the class travels with its code.
    import cloudpickle

    cloudpickle.register_pickle_by_value(module)
    return module


def _load_module(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as error:
        msg = f"{name} cannot be imported ({error})"
        raise ProcessorError(msg) from error


def make_processor(name: str, **options: Any) -> Any:
    """An instance of an analysis with options, which are checked against what it accepts.

    Raises
    ------
    ProcessorError
        If an option is unknown or its value is refused.
    """
    cls = find_processor(name)
    accepted = [option.name for option in options_of(cls)]
    unknown = sorted(set(options) - set(accepted))
    if unknown:
        msg = f"{name} has no option {', '.join(map(repr, unknown))}; it has {', '.join(accepted) or 'none'}"
        raise ProcessorError(msg)
    try:
        return cls(**options)
    except MassgapError:
        raise
    except (TypeError, ValueError) as error:
        msg = f"{name}: an option has a value that it cannot take ({error})"
        raise ProcessorError(msg) from error
