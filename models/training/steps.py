"""What is done of a training: told while it goes on, and kept so that an interrupted one goes on where it was."""

from __future__ import annotations

import shutil
import zipfile
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import FolderError
from massgap.contracts.writing import write_atomically

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Steps"]


class Steps:
    """Finished networks of one training, in a folder of its own beside the model.

    Parameters
    ----------
    folder
        Where; None keeps nothing.  The name must change with all that decides the result.
    tell
        Called with fold, seed, epoch and the most epochs there may be, after each epoch.
    """

    def __init__(self, folder: Path | None, tell: Callable[[int, int, int, int], None] | None = None) -> None:
        self.folder, self.epoch = folder, tell or _say_nothing
        self.found = 0

    def kept(self, fold: int, seed: int) -> Any:
        """The network of this fold and seed if it was finished before, else None."""
        from massgap.models.networks.saved import from_bytes

        if self.folder is None:
            return None
        try:
            network = from_bytes(self._file(fold, seed).read_bytes())
        except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
            return None  # not there, or cut off: trained anew
        self.found += 1
        return network

    def keep(self, fold: int, seed: int, network: Any) -> None:
        """Write a finished network.

        Raises
        ------
        FolderError
            If it cannot be written.
        """
        from massgap.models.networks.saved import to_bytes

        if self.folder is None or (file := self._file(fold, seed)).exists():
            return
        try:
            self.folder.mkdir(parents=True, exist_ok=True)
            write_atomically(file, to_bytes(network))
        except OSError as error:
            msg = f"Cannot keep a finished network in {self.folder}: {error.strerror or error}; choose another folder with --out."
            raise FolderError(msg) from error

    def clear(self) -> None:
        """Delete what was kept: the model is written."""
        if self.folder is not None:
            shutil.rmtree(self.folder, ignore_errors=True)

    def _file(self, fold: int, seed: int) -> Path:
        assert self.folder is not None
        return self.folder / f"fold_{fold}_seed_{seed}.npz"


def _say_nothing(fold: int, seed: int, epoch: int, most: int) -> None:
    """Nobody listens."""
