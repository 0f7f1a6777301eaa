"""Where an increasing function reaches given values, with as few calls as can be: each call is a fit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.fits.errors import InferenceError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["IncreasingFunction"]

_LARGEST = 1e9
_MOST_CALLS = 200
_NODES = 4
_CLOSE, _NOISE = 1e-9, 1e-5


class IncreasingFunction:
    """A function of the signal strength that rises from its value at 0, and all that is known of it.

    Parameters
    ----------
    function : callable
    at_zero : float
        Its value at 0.
    precision : float
        How exactly a value is to be reached, in its unit.
    """

    def __init__(self, function: Callable[[float], float], at_zero: float, precision: float) -> None:
        self.function = function
        self.known: dict[float, float] = {0.0: at_zero}
        self.precision = precision

    def __call__(self, x: float) -> float:
        """Its value."""
        if x not in self.known:
            self.known[x] = self.function(x)
        return self.known[x]

    def reaches(self, target: float, guess: float) -> float:
        """Where it reaches a value that is above the one at 0.

        Raises
        ------
        InferenceError
            If it does not, or jumps over the value.
        """
        trial = guess if np.isfinite(guess) and guess > 0.0 else 1.0
        widths: list[float] = []
        for _ in range(_MOST_CALLS):
            low, high = self._bracket(target)
            if high is not None:
                widths.append(high - low)
                # What is foretold may creep along on one side.
                slow = len(widths) > 3 and widths[-1] > 0.5 * widths[-4]
                trial = 0.5 * (low + high) if slow else self._foretold(target, low, high)
            elif trial <= low:
                # The known values foretell a root better than the guess, once there are some.
                trial = min(max(self._foretold(target, low, None), 1.05 * low), 4.0 * low)
            if trial > _LARGEST:
                message = (
                    f"No signal strength up to {_LARGEST:g} is excluded: the signal hardly changes the expectation. "
                    "Check its cross section and the binning."
                )
                raise InferenceError(message)
            if abs(self(trial) - target) <= self.precision:
                return trial
            if high is not None and high - low <= _CLOSE * high:
                if self(high) - self(low) < _NOISE:
                    return trial  # as exactly as fits with a large minimum can tell
                if high - low <= 1e-13 * high:
                    break
        message = f"The test statistic jumps near the signal strength {trial:g}: a limit cannot be told."
        raise InferenceError(message)

    def _bracket(self, target: float) -> tuple[float, float | None]:
        above = [x for x, value in self.known.items() if value > target]
        high = min(above) if above else None
        below = [x for x, value in self.known.items() if value <= target and (high is None or x < high)]
        return max(below), high

    def _foretold(self, target: float, low: float, high: float | None) -> float:
        """Root of the inverse's interpolation through the nearest known values, kept inside the bracket."""
        nearest = sorted(self.known.items(), key=lambda item: abs(item[1] - target))
        chosen = sorted(nearest[:_NODES])
        if high is None:
            chosen = chosen[-2:]
        xs, values = [np.array(column) for column in zip(*chosen, strict=True)]
        found = float("nan")
        if len(xs) > 1 and (np.diff(values) > 0.0).all():
            found = _neville(values, xs, target)
        if high is None:
            return found if np.isfinite(found) else 1.6 * low
        if low < found < high:
            return found
        # Straight through the bracket; its middle, where that has been tried.
        a, b = self.known[low], self.known[high]
        straight = low + (high - low) * (target - a) / (b - a)
        return straight if low < straight < high and straight not in self.known else 0.5 * (low + high)


def _neville(nodes: np.ndarray, values: np.ndarray, at: float) -> float:
    """Value of the polynomial through some points."""
    table = values.astype(float).copy()
    for k in range(1, len(table)):
        for i in range(len(table) - k):
            table[i] = ((at - nodes[i + k]) * table[i] + (nodes[i] - at) * table[i + 1]) / (
                nodes[i] - nodes[i + k]
            )
    return float(table[0])
