"""Results of the parts of a long step, kept on disk until the whole is there."""

from __future__ import annotations

import shutil
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import ContractError
from massgap.contracts.writing import digest, prepare_folder, read_json, write_json

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["FinishedParts"]

_FORMAT = "massgap-part/1"


class FinishedParts:
    """Parts that an interrupted call has finished are not made again.

    Parameters
    ----------
    folder
        Where they are kept, one file each.
    key
        Plain data that decides what the parts are: those of another key are made anew.

    Examples
    --------
    >>> import tempfile, pathlib
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     part = FinishedParts(pathlib.Path(folder) / "parts", {"seed": 1})
    ...     part("first", lambda: {"value": (1, 2)}), part("first", lambda: {"value": "not made again"})
    ({'value': [1, 2]}, {'value': [1, 2]})
    """

    def __init__(self, folder: Path, key: Any) -> None:
        self.folder = folder
        self._key = digest(key)

    def __call__(self, name: str, make: Callable[[], Any]) -> Any:
        """A part as its file has it, so that it is the same whenever it was made.

        Parameters
        ----------
        name
            Its name, unique within the step.
        make
            Makes it, of plain data.
        """
        path = self.folder / f"{digest(name)[:20]}.json"
        kept = self._kept(path)
        if kept is None:
            prepare_folder(self.folder)
            write_json(path, {"format": _FORMAT, "key": self._key, "name": name, "value": make()})
            kept = read_json(path, _FORMAT, remedy="Call the command again.")
        return kept["value"]

    def _kept(self, path: Path) -> dict[str, Any] | None:
        try:
            found = read_json(path, _FORMAT, remedy="Call the command again.")
        except ContractError:
            return None
        return found if found.get("key") == self._key else None

    def remove(self) -> None:
        """Remove them all: the whole is there."""
        if self.folder.is_dir():
            shutil.rmtree(self.folder)
