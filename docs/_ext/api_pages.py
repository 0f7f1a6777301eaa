"""Pages of the API: what each room offers by its face, the observables, and the readers and writers of files."""

from __future__ import annotations

import importlib
import inspect
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

FACES = (
    "massgap.stages",
    "massgap.processors",
    "massgap.events",
    "massgap.arrays",
    "massgap.models",
    "massgap.fits",
    "massgap.runner",
)
"""Rooms with a light face: ``__all__`` of the package is what is public."""
MODULES = {
    "massgap.contracts": (
        "massgap.contracts.description",
        "massgap.contracts.filesets.fileset",
        "massgap.contracts.run_folder",
        "massgap.contracts.feature_table",
        "massgap.contracts.model_folder",
        "massgap.contracts.fit_folder",
        "massgap.contracts.plane_folder",
        "massgap.contracts.study_folder",
    ),
    "massgap.selections.objects": ("massgap.selections.objects.definitions",),
    "massgap.fits.inference.toys": ("massgap.fits.inference.toys",),
    "massgap.errors": ("massgap.errors", "massgap.extras"),
}
"""Page -> modules that it shows whole."""


def observables(root: Path) -> tuple[str, ...]:
    """Modules of the observables, one quantity per file."""
    folder = root / "selections" / "observables"
    found = sorted(path for path in folder.rglob("*.py") if not path.name.startswith("_"))
    names = [".".join(("massgap", *path.relative_to(root).with_suffix("").parts)) for path in found]
    return tuple(name for name in names if getattr(importlib.import_module(name), "__all__", None))


def _title(text: str, line: str = "=") -> str:
    return f"{text}\n{line * len(text)}\n"


def _entry(module: str, name: str) -> str:
    value = getattr(importlib.import_module(module), name)
    if inspect.isclass(value):
        bases = "" if value.__bases__ == (object,) else "   :show-inheritance:\n"
        return f".. autoclass:: {module}.{name}\n   :members:\n{bases}"
    if callable(value):
        return f".. autofunction:: {module}.{name}\n"
    return f".. autodata:: {module}.{name}\n   :no-value:\n"


def _first_line(module: str) -> str:
    return (inspect.getdoc(importlib.import_module(module)) or "").partition("\n\n")[0]


def face(module: str) -> str:
    """The page of a room by its face."""
    names = sorted(importlib.import_module(module).__all__, key=lambda name: (name.lower(), name))
    return "\n".join([_title(module), _first_line(module), "", *(_entry(module, name) for name in names)])


def whole(title: str, modules: tuple[str, ...]) -> str:
    """A page with all public names of some modules."""
    parts = [_title(title)]
    for module in modules:
        named = importlib.import_module(module)
        names = getattr(named, "__all__", None) or [
            name
            for name, value in vars(named).items()
            if not name.startswith("_") and getattr(value, "__module__", "") == module
        ]
        if len(modules) > 1:
            parts.append(_title(module, "-"))
        parts += [_first_line(module), "", *(_entry(module, name) for name in names)]
    return "\n".join(parts)


def pages(root: Path) -> dict[str, str]:
    """File name -> reStructuredText of all pages of the API."""
    made = {f"{name.removeprefix('massgap.')}.rst": face(name) for name in FACES}
    made |= {
        f"{name.removeprefix('massgap.')}.rst": whole(name, modules) for name, modules in MODULES.items()
    }
    made["selections.observables.rst"] = whole("massgap.selections.observables", observables(root))
    return made
