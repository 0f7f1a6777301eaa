"""M_T2 with masses for blocks of events: the steps of :mod:`massgap.selections.observables.mt2.massive`, many at a time.

As in :mod:`massgap.selections.observables.mt2.massless` an event has the same result in every place of an array.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled, compiled_in_place, compiled_inline
from massgap.selections.observables.mt2.massive import (
    DOUBLE,
    MAX_STEPS,
    ONE,
    SINGLE,
    SINGLE_STEPS,
    TENTH,
    accepted_kernel,
    kind_kernel,
    light_start_kernel,
    limit_kernel,
    moved_kernel,
    newton_step_kernel,
    normalised_kernel,
    start_kernel,
    unit_kernel,
    value_kernel,
)
from massgap.selections.observables.mt2.massless import BLOCK, STRIDE, prepare_block, ratios_block

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats
    from massgap.selections.observables.mt2.massive import Legs

    #: Counts that begin at 0 are made np.int64: 0 as it stands is a type of its own for numba.
    Count = int | np.signedinteger[Any]

__all__ = ["MASSIVE_ROWS", "MASSIVE_SINGLE_ROWS", "massive_block"]

(_M1, _X1, _Y1, _C1, _M2, _X2, _Y2, _C2, _PX, _PY, _LOW, _NX, _NY, _DELTA) = range(14)
(_SCALE, _KIND, _LIMIT, _EXCESS, _STEP, _TURN, _PLACE) = range(14, 21)
MASSIVE_ROWS = 21
_SPARE = 14 * STRIDE
MASSIVE_SINGLE_ROWS = 28


@compiled
def _prepare_block(
    masses: Floats, x1: Floats, y1: Floats, x2: Floats, y2: Floats, px: Floats, py: Floats, first: int, size: int,
    work: Floats,
) -> None:  # fmt: skip
    """Fill the rows of the work array but for direction and Delta."""
    for i in range(size):
        j = first + i
        legs, scale = normalised_kernel(
            masses[i], x1[j], y1[j], masses[STRIDE + i], x2[j], y2[j], px[j], py[j],
            masses[2 * STRIDE + i], masses[3 * STRIDE + i],
        )  # fmt: skip
        work[_M1 * STRIDE + i], work[_X1 * STRIDE + i], work[_Y1 * STRIDE + i] = legs[0], legs[1], legs[2]
        work[_C1 * STRIDE + i], work[_M2 * STRIDE + i], work[_X2 * STRIDE + i] = legs[3], legs[4], legs[5]
        work[_Y2 * STRIDE + i], work[_C2 * STRIDE + i], work[_PX * STRIDE + i] = legs[6], legs[7], legs[8]
        work[_PY * STRIDE + i], work[_LOW * STRIDE + i] = legs[9], legs[10]
        work[_SCALE * STRIDE + i], work[_KIND * STRIDE + i] = scale, kind_kernel(legs)
        work[_LIMIT * STRIDE + i] = limit_kernel(legs)


@compiled_in_place
def _single_steps(
    kinds: Floats, n_general: int, n_light: int, n_zero: int, size: int, ratios: Any, single: Any
) -> None:
    """Start and steps in single precision of the events of a block, each by its kind."""
    # BLOCK as it stands is a type of its own for numba: loops are compiled once more for it, without the rest that a count
    # not known before would leave, and a tenth faster. A count that begins at 0 must not be such a type.
    if n_zero > 0:
        _light_block(ratios, single, single, True)
        _steps_block(single, BLOCK)
    if n_light > 0 and n_zero == 0:
        _light_block(ratios, single, single, False)
    elif n_light > 0:
        spare = single[_SPARE:]
        _light_block(ratios, single, spare, False)
        for i in range(size):
            if kinds[i] == 1.0:
                for row in range(_NX, _DELTA + 1):
                    single[row * STRIDE + i] = spare[row * STRIDE + i]
    if n_light + n_zero > 0:
        _steps_block(single, BLOCK)
    if n_general == size:
        _general_block(single, BLOCK)
    elif n_general > 0:
        _gathered_general_block(kinds, np.int64(n_general), size, single)


@compiled_in_place
def _gathered_general_block(kinds: Floats, n_general: Count, size: int, single: Any) -> None:
    """The same of a few events that are not light among many that are."""
    # Few events of another kind among many: gathered, so that the others do not wait for them.
    spare, k = single[_SPARE:], 0
    for i in range(size):
        if kinds[i] == 0.0:
            for row in range(_LOW + 1):
                spare[row * STRIDE + k] = single[row * STRIDE + i]
            k += 1
    _general_block(spare, n_general)
    k = 0
    for i in range(size):
        if kinds[i] == 0.0:
            for row in range(_NX, _DELTA + 1):
                single[row * STRIDE + i] = spare[row * STRIDE + k]
            k += 1


@compiled_in_place
def massive_block(
    masses: Floats,
    x1: Floats,
    y1: Floats,
    x2: Floats,
    y2: Floats,
    px: Floats,
    py: Floats,
    first: int,
    massless: Floats,
    ratios: Any,
    work: Floats,
    single: Any,
    out: Floats,
    prepared: bool,
) -> int:
    """M_T2 of the events of a block, NaN where the search must decide; how many these are.

    masses: rows of m1, m2, chi1, chi2; prepared: whether prepare_block has filled the rows of massless.
    """
    size = out.size
    _prepare_block(masses, x1, y1, x2, y2, px, py, first, size, work)
    kinds = work[_KIND * STRIDE : _KIND * STRIDE + BLOCK]
    n_general, n_light, n_zero = 0, 0, 0
    for i in range(size):
        n_general += kinds[i] == 0.0
        n_light += kinds[i] == 1.0
        n_zero += kinds[i] == 2.0
    if n_light + n_zero > 0:
        if not prepared:
            prepare_block(x1, y1, x2, y2, px, py, first, size, massless)
        ratios_block(massless, ratios, masses[2 * STRIDE : 3 * STRIDE])
    _single_block(work, single)
    _single_steps(kinds, n_general, n_light, n_zero, size, ratios, single)
    for i in range(BLOCK):
        nx, ny = unit_kernel(np.float64(single[_NX * STRIDE + i]), np.float64(single[_NY * STRIDE + i]))
        work[_NX * STRIDE + i], work[_NY * STRIDE + i] = nx, ny
        work[_DELTA * STRIDE + i] = single[_DELTA * STRIDE + i]
    _polish_block(work, BLOCK)
    missing = 0
    for i in range(size):
        excess = 0.0 if work[_LIMIT * STRIDE + i] <= 0.0 else work[_EXCESS * STRIDE + i]
        value = value_kernel(
            excess, work[_M1 * STRIDE + i] + work[_C1 * STRIDE + i], work[_SCALE * STRIDE + i],
            max(masses[i] + masses[2 * STRIDE + i], masses[STRIDE + i] + masses[3 * STRIDE + i]),
        )  # fmt: skip
        out[i] = value
        missing += not value >= 0.0
    return _continue_block(work, masses, out) if missing > 0 else 0


@compiled_in_place
def _continue_block(work: Floats, masses: Floats, out: Floats) -> int:
    """More steps for the events of which the first was not the last; how many are left to the search."""
    left = 0
    for i in range(out.size):
        if math.isnan(out[i]):
            work[_PLACE * STRIDE + i] = i
            _keep(work, i, np.int64(left))
            left += 1
    for _ in range(1, MAX_STEPS):
        if left == 0:
            break
        _polish_block(work, np.int64(left))
        count, left = left, 0
        for k in range(count):
            excess = work[_EXCESS * STRIDE + k]
            if math.isnan(excess):
                _keep(work, k, np.int64(left))
                left += 1
                continue
            i = int(work[_PLACE * STRIDE + k])
            out[i] = value_kernel(
                excess, work[_M1 * STRIDE + k] + work[_C1 * STRIDE + k], work[_SCALE * STRIDE + k],
                max(masses[i] + masses[2 * STRIDE + i], masses[STRIDE + i] + masses[3 * STRIDE + i]),
            )  # fmt: skip
    return left


@compiled
def _keep(work: Floats, i: Count, k: Count) -> None:
    """Move an event to an earlier place of the work array, with its direction and Delta after the last step."""
    for row in range(_LOW + 1):
        work[row * STRIDE + k] = work[row * STRIDE + i]
    work[_NX * STRIDE + k], work[_NY * STRIDE + k], work[_DELTA * STRIDE + k] = moved_kernel(
        work[_NX * STRIDE + i], work[_NY * STRIDE + i], work[_DELTA * STRIDE + i],
        work[_STEP * STRIDE + i], work[_TURN * STRIDE + i], 1.0, 0.1,
    )  # fmt: skip
    work[_SCALE * STRIDE + k], work[_PLACE * STRIDE + k] = (
        work[_SCALE * STRIDE + i],
        work[_PLACE * STRIDE + i],
    )


@compiled_inline
def _legs(rows: Any, i: int) -> Legs:
    """The legs of one event of a work array."""
    return (
        rows[_M1 * STRIDE + i], rows[_X1 * STRIDE + i], rows[_Y1 * STRIDE + i], rows[_C1 * STRIDE + i],
        rows[_M2 * STRIDE + i], rows[_X2 * STRIDE + i], rows[_Y2 * STRIDE + i], rows[_C2 * STRIDE + i],
        rows[_PX * STRIDE + i], rows[_PY * STRIDE + i], rows[_LOW * STRIDE + i],
    )  # fmt: skip


@compiled
def _single_block(work: Floats, single: Any) -> None:
    for k in range(_LOW + 1):
        for i in range(BLOCK):
            single[k * STRIDE + i] = np.float32(work[k * STRIDE + i])


@compiled
def _general_block(single: Any, size: Count) -> None:
    """Start and steps in single precision of events that are not light."""
    for i in range(size):
        single[_NX * STRIDE + i], single[_NY * STRIDE + i], single[_DELTA * STRIDE + i] = start_kernel(
            _legs(single, i), SINGLE,
        )  # fmt: skip
    for _ in range(SINGLE_STEPS[0]):
        _steps_block(single, size)


@compiled
def _steps_block(single: Any, size: Count) -> None:
    """One Newton step in single precision."""
    for i in range(size):
        nx, ny, delta = single[_NX * STRIDE + i], single[_NY * STRIDE + i], single[_DELTA * STRIDE + i]
        step, turn, _det, _fine, _bent = newton_step_kernel(
            nx, ny, delta,
            _legs(single, i), SINGLE, False,
        )  # fmt: skip
        nx, ny, delta = moved_kernel(nx, ny, delta, step, turn, ONE, TENTH)
        single[_NX * STRIDE + i], single[_NY * STRIDE + i], single[_DELTA * STRIDE + i] = nx, ny, delta


@compiled
def _light_block(ratios: Any, single: Any, target: Any, free: bool) -> None:
    """Start from the massless solution, in the rows of target; free: without trial masses."""
    for i in range(BLOCK):
        target[_NX * STRIDE + i], target[_NY * STRIDE + i], target[_DELTA * STRIDE + i] = light_start_kernel(
            _legs(single, i), SINGLE,
            ratios[i],
            free,
        )  # fmt: skip


@compiled
def _polish_block(work: Floats, size: Count) -> None:
    """One Newton step in double precision, not made yet, and Delta where it is the last one, else NaN."""
    for i in range(size):
        nx, ny, delta = work[_NX * STRIDE + i], work[_NY * STRIDE + i], work[_DELTA * STRIDE + i]
        step, turn, det, fine, bent = newton_step_kernel(
            nx, ny, delta,
            _legs(work, i), DOUBLE, True,
        )  # fmt: skip
        good = accepted_kernel(delta, step, det, fine)
        work[_EXCESS * STRIDE + i] = delta + (step - bent) if good else math.nan
        work[_STEP * STRIDE + i], work[_TURN * STRIDE + i] = step, turn
