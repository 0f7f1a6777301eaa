"""Runs of a processor over files: planning, executors, ledger, checkpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.runner.result import RunResult
    from massgap.runner.runner import run

__all__ = ["RunResult", "run"]

__getattr__, __dir__ = face(
    __name__,
    {"RunResult": "result", "run": "runner"},
)
