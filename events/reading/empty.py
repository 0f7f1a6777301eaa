"""The columns of no events.

A skim may leave a tree without events, and then also without branches: the columns of such a file are all there, with nothing
in them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import awkward as ak
import numpy as np

from massgap.events.columns import NANOAOD, Columns

if TYPE_CHECKING:
    import numpy.typing as npt

__all__ = ["EmptyColumns"]


class EmptyColumns(Columns):
    """Columns of no events, whatever they are asked for.

    Parameters
    ----------
    metadata
        What a processor finds as ``events.metadata``: dataset, file name and the rest.
    event_format
        Of the file; NanoAOD where it does not tell.

    Examples
    --------
    >>> columns = EmptyColumns({"filename": "skim.root"})
    >>> len(columns), columns.has("Jet", "pt"), columns.flat_floats("Jet", "pt").tolist(), columns.offsets("Jet", "pt").tolist()
    (0, True, [], [0])
    """

    def __init__(self, metadata: dict[str, Any], event_format: str = "") -> None:
        self.metadata = dict(metadata)
        self.where = str(self.metadata.get("filename", ""))
        self.format = event_format or NANOAOD
        self._fields: set[str] = set()

    def __len__(self) -> int:
        return 0

    def _locate(self, collection: str, field: str) -> Any | None:
        content = ak.contents.NumpyArray(self.flat(collection, field))
        if not collection:
            return ak.Array(content)
        offsets = ak.index.Index64(self.offsets(collection, field))
        return ak.Array(ak.contents.ListOffsetArray(offsets, content))

    def has(self, collection: str, field: str) -> bool:  # noqa: ARG002 (as all columns)
        """Every column exists."""
        return True

    def has_lists(self, collection: str, field: str) -> bool:  # noqa: ARG002 (as all columns)
        """No event has a list."""
        return False

    def title(self, collection: str, field: str) -> str:  # noqa: ARG002 (as all columns)
        """No column has a title."""
        return ""

    def flat(self, collection: str, field: str) -> npt.NDArray[Any]:  # noqa: ARG002 (as all columns)
        """No values; integers, of which bits may be asked for."""
        return np.zeros(0, dtype=np.int64)

    def offsets(self, collection: str, field: str) -> npt.NDArray[np.int64]:  # noqa: ARG002 (as all columns)
        """The end of the last of no events."""
        return np.zeros(1, dtype=np.int64)
