"""The contents of all histograms of a dataset, for all variations, in one flat array of exact sums.

Adding the results of two chunks is then one addition of two arrays, however many histograms and variations
there are.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Self

import numpy as np
import numpy.typing as npt

from massgap.arrays.exact_sum import ExactSum
from massgap.events.pdf_members import is_member
from massgap.processors.errors import ProcessorError

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["HistogramSums"]

Fills = list[tuple[npt.NDArray[np.int32], npt.NDArray[np.int64] | None]]


class HistogramSums:
    """Sums of weights and of squared weights in each bin, for each variation.

    Parameters
    ----------
    variations
        Names of the variations.
    bins
        Number of bins of all histograms together.

    Examples
    --------
    >>> sums = HistogramSums(("nominal",), 2)
    >>> sums.fill("nominal", [(np.array([0, 1, 1], dtype=np.int32), None)], np.array([1.0, 2.0, 3.0]))
    >>> [values.tolist() for values in sums.values("nominal")]
    [[1.0, 5.0], [1.0, 13.0]]
    """

    def __init__(self, variations: tuple[str, ...] = (), bins: int = 0) -> None:
        self.variations = tuple(variations)
        self.bins = bins
        self.sums = ExactSum(2 * len(self.variations) * bins)
        # How many terms meet in one sum at most is known for each part, and far fewer than in all parts together.
        self._terms = [0] * (2 * len(self.variations))

    def __contains__(self, variation: object) -> bool:
        return variation in self.variations

    def __iter__(self) -> Iterator[str]:
        return iter(self.variations)

    def fill(self, variation: str, fills: Fills, weights: npt.NDArray[np.float64]) -> None:
        """Fill events into the histograms of one variation.

        Parameters
        ----------
        variation
            Its name.
        fills
            Pairs of bins and rows, see :meth:`massgap.arrays.exact_sum.ExactSum.fill_each`.
        weights
            Weight of each event under this variation.
        """
        first = 2 * self.variations.index(variation)
        self.sums.terms = before = self._terms[first]
        self.sums.fill_with_squares(fills, weights, first * self.bins, self.bins)
        if self.sums.terms < before:  # carried: all parts begin anew
            self._terms = [1] * len(self._terms)
        self._terms[first] = self._terms[first + 1] = self.sums.terms
        self.sums.terms = max(self._terms)

    def finish(self) -> None:
        """Leave out what is not needed to hold the sums, so that they are sent and added faster."""
        self.sums.trim()
        self._terms = [self.sums.terms] * len(self._terms)

    def values(self, variation: str) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
        """Sums of weights and of squared weights of one variation, each rounded once, shape (bins,)."""
        start = 2 * self.variations.index(variation) * self.bins
        both = self.sums.part(slice(start, start + 2 * self.bins)).values()
        return both[: self.bins], both[self.bins :]

    def matches(self, other: HistogramSums) -> bool:
        """Whether both hold the same histograms and variations, but for members of sets of parton densities.

        Files differ in these: events without them count as nominal.
        """
        one, two = ([name for name in sums.variations if not is_member(name)] for sums in (self, other))
        return one == two and self.bins == other.bins

    def with_variations(self, variations: tuple[str, ...]) -> HistogramSums:
        """The same sums with further variations, in which all events count as nominal."""
        out = HistogramSums(variations, 0)
        out.bins, size = self.bins, 2 * self.bins
        taken = [self.variations.index(name if name in self.variations else "nominal") for name in variations]
        out.sums = self.sums.parts([slice(k * size, (k + 1) * size) for k in taken])
        out._terms = [out.sums.terms] * len(out._terms)
        return out

    def __iadd__(self, other: HistogramSums) -> Self:
        if not self.matches(other):
            msg = "histograms with different variations or bins cannot be added"
            raise ProcessorError(msg)
        if self.variations != other.variations:
            every = tuple(dict.fromkeys((*self.variations, *other.variations)))
            wide, other = self.with_variations(every), other.with_variations(every)
            self.variations, self.sums, self._terms = every, wide.sums, wide._terms
        self.sums += other.sums
        self._terms = [self.sums.terms] * (2 * len(self.variations))
        return self

    def copy(self) -> HistogramSums:
        """An independent copy."""
        out = HistogramSums(self.variations, 0)
        out.bins, out.sums = self.bins, self.sums.copy()
        return out

    def state(self) -> tuple[Any, ...]:
        """What a checkpoint stores."""
        return self.variations, self.bins, self.sums

    @classmethod
    def of_state(cls, variations: tuple[str, ...], bins: int, sums: ExactSum) -> HistogramSums:
        """The inverse of :meth:`state`."""
        out = cls(tuple(variations), 0)
        out.bins, out.sums = bins, sums
        return out
