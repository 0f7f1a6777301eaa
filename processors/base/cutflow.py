"""The cutflow of a chunk in one channel: events and weights that reach each step."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from massgap.arrays.exact_sum import one_magnitude
from massgap.processors.base.tally import CutCount
from massgap.processors.errors import ProcessorError

__all__ = ["Cutflow"]

Floats = npt.NDArray[np.float64]


class Cutflow:
    """Steps in order, each with what reaches it.

    Parameters
    ----------
    weights
        Nominal weight of each event that enters, shape (n,).
    before
        Steps that were counted before.
    """

    def __init__(self, weights: Floats, before: list[tuple[str, CutCount]] | None = None) -> None:
        # Data, and most simulations: weights are equal but for their signs, and are counted.
        self._equal = one_magnitude(weights)
        self._steps: dict[str, CutCount] = dict(before or [])

    def count(self, step: str, weights: Floats) -> None:
        """Events with these weights, of those that entered, reach this step."""
        if self.has(step):
            msg = f"step {step!r} is counted twice: give each step of the cutflow a name of its own"
            raise ProcessorError(msg)
        self._steps[step] = count = CutCount()
        if self._equal:
            count.fill_equal(weights)
        else:
            count.fill(weights)

    def has(self, step: str) -> bool:
        """Whether the step was counted."""
        return step in self._steps

    def counts(self) -> list[tuple[str, CutCount]]:
        """Name and count of each step, in order."""
        return list(self._steps.items())
