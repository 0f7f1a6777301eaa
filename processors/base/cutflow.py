"""The cutflow of a chunk in one channel: events and weights that reach each step, summed once at the end."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from massgap.arrays.compiled import compiled
from massgap.arrays.exact_sum import ExactSum, one_magnitude
from massgap.processors.base.tally import CutCount
from massgap.processors.errors import ProcessorError

__all__ = ["Cutflow"]

Floats = npt.NDArray[np.float64]


@compiled
def _count_survived(bits, starts, survived):
    """How many cuts each event survives; the bits of a cut are those of the events that survive the cuts before it."""
    cuts = len(starts) - 1
    at = np.zeros(cuts, dtype=np.int64)
    for i in range(len(survived)):
        survived[i] = cuts
        for cut in range(cuts):
            k = at[cut]
            at[cut] += 1
            if not (bits[starts[cut] + (k >> 3)] >> (7 - (k & 7))) & 1:
                survived[i] = cut
                break


class Cutflow:
    """Steps in order, each with what reaches it.

    Cuts one after the other keep fewer and fewer events.  So that weights are added once and not at every step, each
    event only remembers how many cuts it survives.

    Parameters
    ----------
    weights
        Nominal weight of each event that enters, shape (n,).
    before
        Steps that were counted before.
    """

    def __init__(self, weights: Floats, before: list[tuple[str, CutCount]] | None = None) -> None:
        self._weights = weights
        self._equal = one_magnitude(weights)
        # Packed, one bit per event: they are kept until the end.
        self._cuts: list[npt.NDArray[np.uint8]] = []
        self._steps: list[tuple[str, CutCount | int]] = list(before or [])

    def keep(self, mask: npt.NDArray[np.bool_]) -> None:
        """Only the events where ``mask`` is true are left, of those that were left before."""
        if not self._equal:
            self._cuts.append(np.packbits(mask))

    def count(self, step: str, weights: Floats) -> None:
        """All events that are left reach this step; ``weights`` are theirs."""
        if self._equal:
            # Data, and most simulations: weights are equal but for their signs, and are counted at once.
            self.count_some(step, weights)
        else:
            self._add(step, len(self._cuts))

    def count_some(self, step: str, weights: Floats) -> None:
        """Some of the events that are left reach this step, those with these weights."""
        count = CutCount()
        if self._equal:
            count.fill_equal(weights)
        else:
            count.fill(weights)
        self._add(step, count)

    def has(self, step: str) -> bool:
        """Whether the step was counted."""
        return any(name == step for name, _ in self._steps)

    def _add(self, step: str, count: CutCount | int) -> None:
        if self.has(step):
            msg = f"step {step!r} is counted twice: give each step of the cutflow a name of its own"
            raise ProcessorError(msg)
        self._steps.append((step, count))

    def counts(self) -> list[tuple[str, CutCount]]:
        """Name and count of each step, in order."""
        levels = [] if self._equal else self._levels()
        return [(step, levels[count] if isinstance(count, int) else count) for step, count in self._steps]

    def _levels(self) -> list[CutCount]:
        """What survives at least 0, 1, 2 ... cuts."""
        levels = len(self._cuts) + 1
        starts = np.cumsum([0, *(len(bits) for bits in self._cuts)])
        bits = np.concatenate([np.zeros(0, np.uint8), *self._cuts])
        survived = np.empty(len(self._weights), dtype=np.int32)
        _count_survived(bits, starts, survived)
        sums = ExactSum(2 * levels)  # of weights, then of their squares
        sums.fill_with_squares(survived, self._weights)
        raw = np.bincount(survived, minlength=levels)
        every = np.arange(2 * levels).reshape(2, levels)
        return [CutCount(int(raw[k:].sum()), sums.regrouped(every[:, k:])) for k in range(levels)]
