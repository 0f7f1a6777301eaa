"""Rows of samples in which one hard process is there several times (``massgap generate --repeat`` and ``--responses``)."""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.contracts.feature_table import selected_events

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from massgap.contracts.run_folder import RunFolder

__all__ = ["CopiedRows", "copied_rows"]

_KEPT = 4
"""A fit asks twice for a histogram, to merge its bins and to scan its thresholds."""


class CopiedRows(NamedTuple):
    """Selected events of a dataset, a row each.

    Attributes
    ----------
    process
        As in the run.
    values
        Of the histogram's observable, shape (n,); NaN where it is undefined.
    keys
        Copies of one event have the same, shape (n,).
    weights
        fb, shape (n,).
    """

    process: str
    values: NDArray[np.float64]
    keys: NDArray[np.uint64]
    weights: NDArray[np.float64]


def copied_rows(run: RunFolder, histogram: str, region: str) -> tuple[CopiedRows, ...]:
    """The selected events of a region of all datasets that have copies of events.

    Parameters
    ----------
    run
        The run.
    histogram, region
        What is wanted of each event, and which events.

    Returns
    -------
    tuple of CopiedRows
        Empty where no dataset has copies, or the run kept no rows of what the histogram is of.

    Raises
    ------
    TableError
        If a table is missing or damaged.
    """
    datasets = run.manifest.get("datasets", {})
    copied = {name: m for name, m in datasets.items() if int(m.get("n_copies") or 1) > 1}
    written = run.manifest.get("features") or {}
    files = tuple(
        (name, str(m.get("process", name)), written[name]) for name, m in copied.items() if name in written
    )
    if not files:
        return ()
    return _read(run.path, files, tuple(_state(run.path / file) for *_, file in files), histogram, region)


def _state(path: Path) -> tuple[int, int] | None:
    """Changes with the file."""
    try:
        found = path.stat()
    except OSError:  # told by who reads it
        return None
    return found.st_mtime_ns, found.st_size


@lru_cache(maxsize=_KEPT)
def _read(
    folder: Path,
    files: tuple[tuple[str, str, str], ...],
    states: tuple[tuple[int, int] | None, ...],  # noqa: ARG001  # of the key: files that have changed are read anew
    histogram: str,
    region: str,
) -> tuple[CopiedRows, ...]:
    manifest: dict[str, Any] = {
        "datasets": {name: {"process": process} for name, process, _ in files},
        "features": {name: file for name, _, file in files},
    }
    return tuple(_rows(folder, manifest, histogram, f"region_{region}"))


def _rows(folder: Path, manifest: dict[str, Any], histogram: str, region: str) -> Iterator[CopiedRows]:
    needed = ("fold_key", "weight", histogram, region)
    for found in selected_events(folder, manifest, needed):
        if set(needed) <= set(found.table):
            rows = found.table[found.table[region].to_numpy(bool)]
            yield CopiedRows(
                found.process,
                rows[histogram].to_numpy(np.float64),
                rows["fold_key"].to_numpy(np.uint64),
                rows["weight"].to_numpy(np.float64),
            )
