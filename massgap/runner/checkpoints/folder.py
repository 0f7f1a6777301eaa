"""Results of finished chunks on disk, under keys of everything that can change them.

A result is the sum of one chunk, or of a complete family of consecutive chunks (a node of the tree in
:mod:`massgap.runner.checkpoints.merge_tree`).  The key of a chunk covers the code, class, options, state and model of the processor, the
dataset's metadata, the content of the file (UUID, size, times of change) and the range of entries; that of a family covers the
keys of its chunks.  A changed cut or file finds nothing.
"""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.writing import digest
from massgap.runner.checkpoints.encoding import NotStorableError, load, save, set_rows_aside
from massgap.runner.checkpoints.merge_tree import FAN_IN, Node, leaves_of
from massgap.runner.errors import RunnerError

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massgap.events.reading.files import FileInfo
    from massgap.events.reading.open import Chunk

__all__ = ["CheckpointError", "Checkpoints", "chunk_keys"]


class CheckpointError(RunnerError):
    """The result of a finished chunk could not be written."""


def chunk_keys(
    identity: dict[str, Any],
    metadata: dict[str, dict[str, Any]],
    infos: dict[tuple[str, str], FileInfo],
    chunks: list[Chunk],
) -> list[str]:
    """Keys of chunks, in their order.

    Parameters
    ----------
    identity
        See :func:`massgap.runner.checkpoints.fingerprint.processor_identity`.
    metadata
        Dataset -> metadata that the processor sees.
    infos
        (dataset, path) -> file as it was when the run began: a file that changes during the run must not lend its new
        name to old results.
    chunks
        The chunks.
    """
    processor = digest(identity)
    datasets = {name: digest(content) for name, content in metadata.items()}
    files = {key: digest(info.as_dict()) for key, info in infos.items()}
    return [
        digest([processor, datasets[c.dataset], files[c.dataset, c.path], sorted(vars(c).items())])
        for c in chunks
    ]


class Checkpoints:
    """A folder of results.

    Parameters
    ----------
    folder
        Where; None to keep nothing.
    keys
        Key of each chunk of the run.
    """

    def __init__(self, folder: str | Path | None, keys: list[str]) -> None:
        self.folder = None if folder is None else Path(folder)
        self.keys = keys
        self.notes: list[str] = []
        self._there: set[str] = set()
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            self._there = {entry.name for entry in os.scandir(self.folder)}

    def name(self, node: Node) -> str:
        """Name of the file of a node."""
        level, number = node
        if level == 0:
            return f"{self.keys[number]}.npz"
        out = hashlib.sha256(f"level {level}".encode())
        for leaf in leaves_of(node, len(self.keys)):
            out.update(self.keys[leaf].encode())
        return f"{out.hexdigest()}.npz"

    def has(self, node: Node) -> bool:
        """Whether there is a result of a node (it may turn out to be damaged)."""
        return self.name(node) in self._there

    def stored(self, level: int) -> Iterator[tuple[Node, Any]]:
        """All nodes that are there, the highest first, so that no chunk comes twice.

        Parameters
        ----------
        level
            Highest level to look for.

        Yields
        ------
        node, result
            Damaged results are left out, and those below them looked for.
        """
        if self.folder is None or not self._there:
            return
        pending: list[Node] = [(level, k) for k in range(-(-len(self.keys) // FAN_IN**level))][::-1]
        while pending:
            node = pending.pop()
            name = self.name(node)
            value = load(self.folder / name) if name in self._there else None
            if value is not None:
                set_rows_aside(value, self.folder / name)
                yield node, value
            elif node[0]:
                pending += self._below(node)

    def cover(self, level: int) -> list[Node] | None:
        """The highest nodes that are there, so that each chunk is below one of them; None if some have no result.

        Parameters
        ----------
        level
            Highest level to look for.
        """
        found: list[Node] = []
        pending: list[Node] = [(level, k) for k in range(-(-len(self.keys) // FAN_IN**level))][::-1]
        while pending:
            node = pending.pop()
            if self.has(node):
                found.append(node)
            elif node[0] == 0:
                return None
            else:
                pending += self._below(node)
        return found

    def _below(self, node: Node) -> list[Node]:
        """The children of a node, the last first."""
        size = FAN_IN ** (node[0] - 1)
        first = node[1] * FAN_IN
        return [(node[0] - 1, k) for k in range(first, first + FAN_IN) if k * size < len(self.keys)][::-1]

    def save(self, node: Node, value: Any) -> None:
        """Keep a result; its feature rows stay there, and out of memory.

        Raises
        ------
        CheckpointError
            If it cannot be written.
        """
        if self.folder is None:
            return
        path = self.folder / self.name(node)
        try:
            save(path, value)
            set_rows_aside(value, path)
        except NotStorableError as error:
            self.folder = None
            self.notes.append(f"finished chunks are not kept for a restart: {error}")
        except OSError as error:
            # Going on would lose hours of work at the end, when there is no room for the result either.
            msg = (
                f"{self.folder}: the result of a chunk could not be written ({error.strerror or error}). Make room or "
                "choose another folder with --out; the same command goes on from the chunks that are kept"
            )
            raise CheckpointError(msg) from error
