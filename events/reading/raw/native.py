"""Numbers from the byte order of a file into that of the processor."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt

from massgap.arrays.compiled import compiled
from massgap.arrays.jagged.columns import frozen

__all__ = ["all_within", "copy_native", "finite_limits"]


@compiled
def all_within(values: npt.NDArray[Any], low: float, high: float) -> bool:
    """Whether all values are within ``low`` to ``high``; NaN is not.  Limits in the precision of the values are fastest."""
    fine = True
    for i in range(values.size):
        # Without a way out: the loop is vectorised.
        fine &= (values[i] >= low) & (values[i] <= high)
    return fine


def finite_limits(dtype: np.dtype[Any], limits: tuple[float, float]) -> tuple[float, float]:
    """Limits that no infinite value is within.

    Parameters
    ----------
    dtype
        Floating-point type of the values.
    limits
        Smallest and largest value that is possible.

    Examples
    --------
    >>> finite_limits(np.dtype("f4"), (0.0, np.inf))
    (0.0, 3.4028234663852886e+38)
    """
    largest = float(np.finfo(dtype).max)
    return max(limits[0], -largest), min(limits[1], largest)


def copy_native(stored: npt.NDArray[Any], out: npt.NDArray[Any], limits: tuple[float, float] | None) -> bool:
    """Copy numbers as they are stored to their place.

    Parameters
    ----------
    stored
        The numbers, in the byte order of the file.
    out
        As many, in that of the processor.
    limits
        Smallest and largest value that is possible; None for any.

    Returns
    -------
    bool
        Whether all are within the limits; NaN is not.
    """
    out[:] = stored
    if limits is None:
        return True
    low, high = map(out.dtype.type, limits)
    # A basket is still in the processor's own memory.
    return bool(all_within(frozen(out), low, high))
