"""Which of many things are left after several choices, worked out when it is asked for."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from massgap.arrays.jagged.columns import frozen
from massgap.arrays.kernels.selecting import taken

__all__ = ["Choice"]

Index: TypeAlias = npt.NDArray[np.int64]


class Choice:
    """Indices of what is left: choices of choices are joined from the last one on, which is the smallest.

    Parameters
    ----------
    *parts
        Indices into all things, then indices into those, and so on; none for all things.

    Examples
    --------
    >>> left = Choice().then(np.array([1, 3, 5, 7])).then(np.array([0, 3]))
    >>> left.index.tolist(), Choice().index
    ([1, 7], None)
    """

    __slots__ = ("_parts",)

    def __init__(self, *parts: Index) -> None:
        self._parts = tuple(map(frozen, parts))

    def then(self, kept: Index) -> Choice:
        """What is left of these after another choice, indices into these."""
        return Choice(*self._parts, kept)

    @property
    def index(self) -> Index | None:
        """Indices into all things; None where all are left."""
        if len(self._parts) > 1:
            out = self._parts[-1]
            for part in reversed(self._parts[:-1]):
                out = taken(part, frozen(out))
            self._parts = (out,)
        return self._parts[0] if self._parts else None

    def among(self, n: int) -> Index:
        """Indices into all ``n`` things, also where all are left."""
        index = self.index
        return np.arange(n) if index is None else index

    def __len__(self) -> int:
        """Number of things left; 0 also where no choice was made."""
        return len(self._parts[-1]) if self._parts else 0

    def __bool__(self) -> bool:
        """Whether a choice was made."""
        return bool(self._parts)
