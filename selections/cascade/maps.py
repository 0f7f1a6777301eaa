"""The 41 x 41 maps of Delta_4 under two assumed mass scales, from which a network reads the mass scale.

Source: the cascade-decays paper, section VII.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.double_double import two_product
from massgap.arrays.elementwise import elementwise
from massgap.arrays.errors import SelectionError

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["PIXELS", "delta4_map", "delta4_pixel"]

HALF = 20
PIXELS = 2 * HALF + 1
"""Pixels per axis."""


@compiled
def _is_less(a: float, b: float, c: float, d: float) -> bool:
    """Whether a b < c d, without rounding."""
    high, low = two_product(a, b)
    other_high, other_low = two_product(c, d)
    return high < other_high or (high == other_high and low < other_low)


@compiled
def delta4_pixel_kernel(delta4: float, delta4_max: float) -> float:
    """0 to 40: the multiple of delta4_max / 20 nearest to delta4, plus 20; NaN beyond +-delta4_max."""
    if not (0.0 < delta4_max < math.inf and abs(delta4) <= delta4_max):
        return math.nan
    k = math.floor(HALF * (delta4 / delta4_max) + 0.5)
    # That may be rounded across an edge: the edges are (2 k -+ 1) delta4_max / 40, compared exactly.
    if _is_less(2.0 * HALF, delta4, 2.0 * k - 1.0, delta4_max):
        k -= 1
    elif not _is_less(2.0 * HALF, delta4, 2.0 * k + 1.0, delta4_max):
        k += 1
    return float(k + HALF)


@compiled
def _map_loop(first: Floats, second: Floats, weight: Floats, delta4_max: float, out: Floats) -> None:
    for i in range(first.size):
        row, column = delta4_pixel_kernel(first[i], delta4_max), delta4_pixel_kernel(second[i], delta4_max)
        if row >= 0.0 and column >= 0.0:
            out[int(row), int(column)] += weight[i]


def delta4_pixel(delta4: Any, delta4_max: Any) -> Any:
    r"""Number of the pixel of one axis, :math:`\lfloor \Delta_4 / (\Delta_{4,\max}/20) + 1/2 \rfloor + 20`.

    The paper asks for bins of width :math:`\Delta_{4,\max}/20` between :math:`\pm\Delta_{4,\max}` and for 41 of
    them: so bin centres are the multiples of the width, and half of each outer bin lies outside the range.

    Parameters
    ----------
    delta4
        GeV^8 (any unit, the same for both).
    delta4_max
        Half the range of the map, positive.  They broadcast.

    Returns
    -------
    float or array
        0.0 to 40.0; a value between two bins counts in the upper one.  NaN for values beyond the range, whose
        events the paper discards, and where the range is not positive.

    Examples
    --------
    >>> delta4_pixel([-1.0, -0.026, 0.0, 0.025, 1.0, 1.01], 1.0).tolist()
    [0.0, 19.0, 20.0, 21.0, 40.0, nan]
    """
    return elementwise(delta4_pixel_kernel, delta4, delta4_max)


def delta4_map(first: Any, second: Any, delta4_max: float, weight: Any = None) -> Floats:
    """The map of a sample: each event at its Delta_4 for the first and the second mass scale (eq. 7.1).

    Parameters
    ----------
    first, second
        Delta_4 of each event for the two spectra, flat arrays of one length.
    delta4_max
        Half the range of both axes, in their unit.
    weight
        Weights of the events; 1 without.

    Returns
    -------
    numpy.ndarray
        Shape (41, 41); the first axis belongs to ``first``.  Events beyond the range on either axis, or with
        NaN or masked, are left out.

    Raises
    ------
    SelectionError
        If the inputs are not flat arrays of one length.

    Examples
    --------
    >>> pixels = delta4_map([0.0, 0.3, 2.0], [0.0, -0.3, 0.0], 1.0)
    >>> print(pixels.shape, pixels.sum(), pixels[26, 14])
    (41, 41) 2.0 1.0
    """
    columns = [np.ma.filled(np.ma.asarray(values, np.float64), np.nan) for values in (first, second)]
    columns.append(np.ones(columns[0].shape) if weight is None else np.asarray(weight, dtype=np.float64))
    shapes = [column.shape for column in columns]
    if len(set(shapes)) > 1 or columns[0].ndim != 1:
        msg = f"A map needs flat arrays of one length, but the shapes are {shapes}. Give one value per event each."
        raise SelectionError(msg)
    out = np.zeros((PIXELS, PIXELS))
    flat = [np.ascontiguousarray(column) for column in columns]
    _map_loop(flat[0], flat[1], flat[2], float(delta4_max), out)
    return out
