"""Points that are finished, kept in the plane folder, so that a plane goes on where it was interrupted.

Each is kept under a digest of all that it was made of: workspace with signal, tests, code, versions of libraries. A point of
yesterday is therefore found only where it would come out the same today.
"""

from __future__ import annotations

import contextlib
import json
import os
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import FolderError
from massgap.contracts.writing import digest, versions, write_atomically
from massgap.source_code import package_digest

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence
    from pathlib import Path

    from massgap.fits.workspaces.patch_sets import Patch

__all__ = ["FINISHED", "FinishedPoints", "point_digests"]

FINISHED = "points.jsonl"
_LIBRARIES = ("massgap", "numpy", "scipy", "numba", "pyhf")
_CODE = ("fits", "arrays")


def point_digests(
    background: Mapping[str, Any], patches: Sequence[Patch], tests: Mapping[str, Any]
) -> list[str]:
    """What each point is made of: the background, its patch, what is asked of it, code and libraries."""
    shared = digest(
        {
            "background": background,
            "tests": dict(tests),
            "code": package_digest(only=_CODE),
            "versions": versions(_LIBRARIES),
        }
    )
    return [digest([shared, list(patch.operations)]) for patch in patches]


class FinishedPoints:
    """The file of finished points.

    Parameters
    ----------
    folder : path
        Plane folder.

    Raises
    ------
    FolderError
        If the file cannot be written.
    """

    def __init__(self, folder: Path) -> None:
        self.path = folder / FINISHED
        self.results: dict[str, dict[str, Any]] = {}
        with contextlib.suppress(FileNotFoundError, UnicodeDecodeError):
            for line in self.path.read_text(encoding="utf-8").splitlines():
                # The last line of a process that was killed may be half a line.
                with contextlib.suppress(ValueError, KeyError, TypeError):
                    entry = json.loads(line)
                    self.results[entry["digest"]] = entry["results"]
        # What is damaged goes, and a new line begins on a line of its own.
        self._write(self.results)

    def add(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        """Keep results by their digests; they are on the disk when this returns."""
        lines = "".join(_line(key, value) for key, value in results.items())
        try:
            with self.path.open("a", encoding="utf-8") as file:
                file.write(lines)
                file.flush()
                os.fsync(file.fileno())
        except OSError as error:
            raise self._error(error) from error
        self.results.update({key: dict(value) for key, value in results.items()})

    def keep_only(self, wanted: Iterable[str]) -> None:
        """Forget all other points: they were made of something else."""
        self._write({key: self.results[key] for key in dict.fromkeys(wanted) if key in self.results})

    def _write(self, results: Mapping[str, Mapping[str, Any]]) -> None:
        try:
            write_atomically(
                self.path,
                "".join(_line(key, value) for key, value in results.items()).encode(),
                durable=False,
            )
        except OSError as error:
            raise self._error(error) from error

    def _error(self, error: OSError) -> FolderError:
        message = f"{self.path} cannot be written ({error.strerror or error}). Choose another folder for the plane (--out)."
        return FolderError(message)


def _line(key: str, results: Mapping[str, Any]) -> str:
    return json.dumps({"digest": key, "results": results}, allow_nan=False) + "\n"
