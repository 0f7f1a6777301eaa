"""Where the work of a stage is done."""

from __future__ import annotations

from pathlib import Path

__all__ = ["folder_of"]


def folder_of(out: Path | None) -> Path:
    """Where logs and submit descriptions of a cluster go."""
    return Path("massgap-cluster") if out is None else out / "cluster"
