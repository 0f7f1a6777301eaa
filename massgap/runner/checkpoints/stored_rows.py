"""Feature rows that stay on disk: the driver of a long run keeps no table in memory.

When the result of some chunks is kept as a checkpoint, its rows are replaced by their place there, and read again when
the table of their dataset is made.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from massgap.processors.errors import ProcessorError

__all__ = ["LazyTables", "StoredRows", "set_rows_aside"]


@dataclass(frozen=True, slots=True)
class StoredRows:
    """The rows of one chunk in a checkpoint.

    Attributes
    ----------
    path
        The checkpoint.
    dataset, key
        Which rows in it.
    """

    path: str
    dataset: str
    key: tuple[str, int]

    def read(self) -> dict[str, Any]:
        """The columns.

        Raises
        ------
        ProcessorError
            If the checkpoint has gone or is damaged.
        """
        found = _rows_in(self.path).get((self.dataset, self.key))
        if found is None:
            msg = f"{self.path}: was removed or damaged while the run went on, and held feature rows; give the same command again"
            raise ProcessorError(msg)
        return found


# The chunks of one checkpoint follow each other in a table.
@functools.lru_cache(maxsize=1)
def _rows_in(path: str) -> dict[tuple[str, tuple[str, int]], dict[str, Any]]:
    from massgap.runner.checkpoints.encoding import load

    out = {}
    for tally in _tallies(load(Path(path))):
        for name, part in tally.datasets.items():
            for key, block in part.features.items():
                out[name, key] = block
    return out


def _tallies(value: Any) -> list[Any]:
    from massgap.processors.base.tally import Tally

    return [tally for tally in value.values() if isinstance(tally, Tally)] if isinstance(value, dict) else []


def set_rows_aside(value: Any, path: Path) -> None:
    """Replace the feature rows in a result by their place in its checkpoint.

    Parameters
    ----------
    value
        The result, changed in place; one of somebody else's processor is left alone.
    path
        Where it is stored.
    """
    for tally in _tallies(value):
        for name, part in tally.datasets.items():
            for key, block in part.features.items():
                if isinstance(block, dict) and any(len(column) for column in block.values()):
                    part.features[key] = StoredRows(str(path), name, key)


class LazyTables(Mapping[str, Any]):
    """Tables by dataset, each made when it is asked for.

    Parameters
    ----------
    names
        The datasets.
    make
        Gives the table of one.
    """

    def __init__(self, names: list[str], make: Callable[[str], Any]) -> None:
        self._names = names
        self._make = make

    def __getitem__(self, name: str) -> Any:
        if name not in self._names:
            raise KeyError(name)
        return self._make(name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)
