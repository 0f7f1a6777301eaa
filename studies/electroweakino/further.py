"""Tables of the study that the paper has not: which classifier wins, reaches with both normalisations, importances by seed."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.studies.markdown import FurtherTable

__all__ = ["further_tables"]


def further_tables(folder: Path) -> list[FurtherTable]:
    """The tables that a folder has numbers for."""
    return []
