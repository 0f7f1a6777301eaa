"""Analyses as coffea processors, and the runner that keeps account of their work.

``from massgap.processors import Slepton`` gives an ordinary coffea processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from massgap.processors.analysis import Analysis
    from massgap.processors.runner import run
    from massgap.processors.slepton import Slepton

__all__ = ["Analysis", "Slepton", "run"]

_PLACES = {
    "Analysis": "massgap.processors.analysis",
    "Slepton": "massgap.processors.slepton",
    "run": "massgap.processors.runner",
}


def __getattr__(name: str) -> Any:
    # Loaded on first use: coffea alone costs seconds to import.
    if name in _PLACES:
        import importlib

        return getattr(importlib.import_module(_PLACES[name]), name)
    msg = f"module {__name__!r} has no attribute {name!r}"
    raise AttributeError(msg)
