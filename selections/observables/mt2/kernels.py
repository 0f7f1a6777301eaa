"""M_T2 of one event and of flat arrays: which of the methods takes an event.

Events with massless visible systems and one trial mass for both legs go to
:mod:`massgap.selections.observables.mt2.massless`, all others to :mod:`massgap.selections.observables.mt2.massive`; the
few that do not settle there to :mod:`massgap.selections.observables.mt2.search`.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled, compiled_in_place, compiled_inline
from massgap.selections.observables.mt2.massive import massive_value
from massgap.selections.observables.mt2.massive_blocks import MASSIVE_ROWS, MASSIVE_SINGLE_ROWS, massive_block
from massgap.selections.observables.mt2.massless import (
    BLOCK,
    ROWS,
    SINGLE_ROWS,
    STRIDE,
    massless_excess,
    prepare_block,
    solve_block,
)
from massgap.selections.observables.mt2.search import excess_and_direction

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["general_kernel", "mt2_block", "mt2_kernel", "mt2_pair_block", "touching_kernel"]

# Masses below this fraction of the largest input are zero: their squares would underflow in ratios.
_TINY_MASS = 1e-30
# Trial masses below this fraction are zero, too: they move M_T2 by less than rounding does, but their squares are lost
# beside momenta, and with them the difference between a leg that can be balanced and one that cannot.
_TINY_TRIAL_MASS = 1e-13
# Fewer events are done one by one: a block takes as long as this many.
_FEW = 16


@compiled
def general_kernel(
    m1: float,
    px1: float,
    py1: float,
    m2: float,
    px2: float,
    py2: float,
    pxmiss: float,
    pymiss: float,
    chi1: float,
    chi2: float,
) -> float:
    """M_T2 of one event by the general method."""
    return touching_kernel(m1, px1, py1, m2, px2, py2, pxmiss, pymiss, chi1, chi2)[0]


@compiled
def touching_kernel(
    m1: float,
    px1: float,
    py1: float,
    m2: float,
    px2: float,
    py2: float,
    pxmiss: float,
    pymiss: float,
    chi1: float,
    chi2: float,
) -> tuple[float, float, float]:
    """The same, with the direction in which the two sets touch; (0, 0) where M_T2 is its least possible value."""
    inputs = m1 + px1 + py1 + m2 + px2 + py2 + pxmiss + pymiss + chi1 + chi2
    if not math.isfinite(inputs):
        return math.nan, 0.0, 0.0
    m1, m2, chi1, chi2 = max(m1, 0.0), max(m2, 0.0), max(chi1, 0.0), max(chi2, 0.0)
    bound = max(m1 + chi1, m2 + chi2)
    scale = max(m1, m2, chi1, chi2, abs(px1), abs(py1), abs(px2), abs(py2), abs(pxmiss), abs(pymiss))
    # A leg without energy has m_T = chi whatever it is given.
    empty = (m1 == 0.0 and px1 == 0.0 and py1 == 0.0) or (m2 == 0.0 and px2 == 0.0 and py2 == 0.0)
    if empty:
        return bound, 0.0, 0.0
    m1, px1, py1, chi1 = m1 / scale, px1 / scale, py1 / scale, chi1 / scale
    m2, px2, py2, chi2 = m2 / scale, px2 / scale, py2 / scale, chi2 / scale
    m1 = m1 if m1 > _TINY_MASS else 0.0
    m2 = m2 if m2 > _TINY_MASS else 0.0
    chi1 = chi1 if chi1 > _TINY_TRIAL_MASS else 0.0
    chi2 = chi2 if chi2 > _TINY_TRIAL_MASS else 0.0
    if (m1 == 0.0 and px1 == 0.0 and py1 == 0.0) or (m2 == 0.0 and px2 == 0.0 and py2 == 0.0):
        return bound, 0.0, 0.0
    if m1 + chi1 < m2 + chi2 or (m1 + chi1 == m2 + chi2 and m1 < m2):
        m1, px1, py1, chi1, m2, px2, py2, chi2 = m2, px2, py2, chi2, m1, px1, py1, chi1
    low, low2 = m1 + chi1, m2 + chi2
    leg1 = (m1, px1, py1, chi1, 0.0)
    leg2 = (m2, px2, py2, chi2, 0.5 * (low - low2) * (low + low2))
    gained, nx, ny = excess_and_direction(leg1, leg2, pxmiss / scale, pymiss / scale, low * low)
    return max(bound, math.sqrt(low * low + gained) * scale), nx, ny


@compiled
def mt2_kernel(
    m1: float,
    px1: float,
    py1: float,
    m2: float,
    px2: float,
    py2: float,
    pxmiss: float,
    pymiss: float,
    chi1: float,
    chi2: float,
) -> float:
    """M_T2 of one event: the same bits as in an array."""
    m1, m2 = (max(m1, 0.0)), (max(m2, 0.0))
    chi1, chi2 = (max(chi1, 0.0)), (max(chi2, 0.0))
    if _is_massless(m1, m2, chi1, chi2):
        gained = massless_excess(px1, py1, px2, py2, pxmiss, pymiss, chi1)
        if not math.isnan(gained):
            return _from_excess(chi1, gained)
    else:
        value = massive_value(m1, px1, py1, m2, px2, py2, pxmiss, pymiss, chi1, chi2)
        if not math.isnan(value):
            return value
    return general_kernel(m1, px1, py1, m2, px2, py2, pxmiss, pymiss, chi1, chi2)


def mt2_block(
    m1: Floats,
    px1: Floats,
    py1: Floats,
    m2: Floats,
    px2: Floats,
    py2: Floats,
    pxmiss: Floats,
    pymiss: Floats,
    chi1: Floats,
    chi2: Floats,
    out: Floats,
) -> None:
    """M_T2 of flat arrays.

    Parameters
    ----------
    m1, m2, chi1, chi2
        Masses and trial masses, GeV: contiguous float64 arrays with one value for each event, or with one
        value for all.
    px1, py1, px2, py2, pxmiss, pymiss
        Momenta, GeV: contiguous float64 arrays with one value for each event.
    out
        To be filled.
    """
    event = (m1, px1, py1, m2, px2, py2, pxmiss, pymiss, chi1, chi2)
    # Three functions, of which most runs need one: each is compiled when it is first called.
    if out.size < _FEW:
        _events_one_by_one(*event, out)
    elif _blocks(*event, out, *_space()) > 0:
        _search_events(*event, out)


@compiled
def _events_one_by_one(
    m1: Floats, px1: Floats, py1: Floats, m2: Floats, px2: Floats, py2: Floats, pxmiss: Floats, pymiss: Floats,
    chi1: Floats, chi2: Floats, out: Floats,
) -> None:  # fmt: skip
    for i in range(out.size):
        out[i] = mt2_kernel(
            m1[i * (m1.size > 1)], px1[i], py1[i], m2[i * (m2.size > 1)], px2[i], py2[i],
            pxmiss[i], pymiss[i], chi1[i * (chi1.size > 1)], chi2[i * (chi2.size > 1)],
        )  # fmt: skip


@compiled
def _search_events(
    m1: Floats, px1: Floats, py1: Floats, m2: Floats, px2: Floats, py2: Floats, pxmiss: Floats, pymiss: Floats,
    chi1: Floats, chi2: Floats, out: Floats,
) -> None:  # fmt: skip
    """M_T2 by the general method of those events where it is NaN."""
    for i in range(out.size):
        if math.isnan(out[i]):
            out[i] = general_kernel(
                max(m1[i * (m1.size > 1)], 0.0), px1[i], py1[i], max(m2[i * (m2.size > 1)], 0.0), px2[i], py2[i],
                pxmiss[i], pymiss[i], max(chi1[i * (chi1.size > 1)], 0.0), max(chi2[i * (chi2.size > 1)], 0.0),
            )  # fmt: skip


@compiled
def _blocks(
    m1: Floats, px1: Floats, py1: Floats, m2: Floats, px2: Floats, py2: Floats, pxmiss: Floats, pymiss: Floats,
    chi1: Floats, chi2: Floats, out: Floats, work: Floats, single: Any, heavy: Floats, heavy_single: Any, masses: Floats,
) -> int:  # fmt: skip
    """M_T2 block by block, NaN where the search must decide; how many events these are."""
    n, missing = out.size, 0
    for first in range(0, n, BLOCK):
        size = min(BLOCK, n - first)
        if first == 0 or m1.size > 1 or m2.size > 1 or chi1.size > 1 or chi2.size > 1:
            light = _masses(m1, m2, chi1, chi2, first, size, masses)
        momenta = (px1, py1, px2, py2, pxmiss, pymiss)
        missing += _one_block(
            masses, light, momenta, first, work, single, heavy, heavy_single, out[first : first + size], False
        )
    return missing


def _space() -> tuple[Floats, Any, Floats, Any, Floats]:
    """What a block of events needs: work arrays and the rows of masses.

    Made here: each way of making an array would be compiled.
    """
    return (
        np.ones(ROWS * STRIDE),
        np.ones(SINGLE_ROWS * STRIDE, np.float32),
        np.ones(MASSIVE_ROWS * STRIDE),
        np.ones(MASSIVE_SINGLE_ROWS * STRIDE, np.float32),
        np.zeros(4 * STRIDE),
    )


@compiled
def _masses(m1: Floats, m2: Floats, chi1: Floats, chi2: Floats, first: int, size: int, masses: Floats) -> int:
    """Fill the rows of masses; how many events are massless."""
    _spread(m1, first, size, masses[:size])
    _spread(m2, first, size, masses[STRIDE : STRIDE + size])
    _spread(chi1, first, size, masses[2 * STRIDE : 2 * STRIDE + size])
    _spread(chi2, first, size, masses[3 * STRIDE : 3 * STRIDE + size])
    light = 0
    for i in range(size):
        light += _is_massless(masses[i], masses[STRIDE + i], masses[2 * STRIDE + i], masses[3 * STRIDE + i])
    return light


@compiled_in_place
def _one_block(
    masses: Floats,
    light: int,
    momenta: tuple[Floats, ...],
    first: int,
    work: Floats,
    single: Any,
    heavy: Floats,
    heavy_single: Any,
    out: Floats,
    prepared: bool,
) -> int:
    """M_T2 of one block, of which light events are massless, NaN where the search must decide; how many these are.

    prepared: by prepare_block.
    """
    px1, py1, px2, py2, pxmiss, pymiss = momenta
    size, missing = out.size, 0
    chi = masses[2 * STRIDE : 3 * STRIDE]
    if light < size:
        missing = massive_block(
            masses,
            px1,
            py1,
            px2,
            py2,
            pxmiss,
            pymiss,
            first,
            work,
            single,
            heavy,
            heavy_single,
            out,
            prepared,
        )
    if light > 0:
        gained = heavy[:BLOCK]
        if not prepared:
            prepare_block(px1, py1, px2, py2, pxmiss, pymiss, first, size, work)
        missing += solve_block(work, single, chi, size, gained)
        if light == size:
            for i in range(size):
                out[i] = _from_excess(chi[i], gained[i])
        else:
            for i in range(size):
                if _is_massless(masses[i], masses[STRIDE + i], chi[i], masses[3 * STRIDE + i]):
                    out[i] = _from_excess(chi[i], gained[i])
    return missing


@compiled_inline
def _from_excess(chi: float, gained: float) -> float:
    """M_T2 of massless visible systems, NaN where the excess is."""
    value = math.sqrt(chi * chi + gained)
    return max(value, chi)


@compiled
def _is_massless(m1: float, m2: float, chi1: float, chi2: float) -> bool:
    return (m1 == 0.0) & (m2 == 0.0) & (chi1 == chi2)


@compiled
def _spread(values: Floats, first: int, size: int, row: Floats) -> None:
    """Fill a row with the values of a block; negative masses are zero."""
    for i in range(size):
        value = values[0] if values.size == 1 else values[first + i]
        row[i] = max(value, 0.0)


def mt2_pair_block(
    m1: Floats,
    px1: Floats,
    py1: Floats,
    m2: Floats,
    px2: Floats,
    py2: Floats,
    pxmiss: Floats,
    pymiss: Floats,
    chi_a: float,
    chi_b: float,
    out_a: Floats,
    out_b: Floats,
) -> None:
    """M_T2 of flat arrays with two trial masses, each of them equal for both legs, as by two calls of mt2_block.

    Parameters
    ----------
    m1, m2
        Masses, GeV: contiguous float64 arrays with one value for each event, or with one value for all.
    px1, py1, px2, py2, pxmiss, pymiss
        Momenta, GeV: contiguous float64 arrays with one value for each event.
    chi_a, chi_b
        Trial masses, GeV.
    out_a, out_b
        To be filled with the results for the one and the other.
    """
    event = (m1, px1, py1, m2, px2, py2, pxmiss, pymiss)
    trials = np.array([chi_a, chi_b], dtype=np.float64)
    missing = _pair_blocks(*event, trials, out_a, out_b, *_space())
    for k, out in enumerate((out_a, out_b)):
        if missing[k] > 0:
            _search_events(*event, trials[k : k + 1], trials[k : k + 1], out)


@compiled
def _pair_blocks(
    m1: Floats, px1: Floats, py1: Floats, m2: Floats, px2: Floats, py2: Floats, pxmiss: Floats, pymiss: Floats,
    trials: Floats, out_a: Floats, out_b: Floats, work: Floats, single: Any, heavy: Floats, heavy_single: Any, masses: Floats,
) -> tuple[int, int]:  # fmt: skip
    """The same, NaN where the search must decide; how many events these are."""
    n = out_a.size
    left_a, left_b = 0, 0
    for first in range(0, n, BLOCK):
        size = min(BLOCK, n - first)
        momenta = (px1, py1, px2, py2, pxmiss, pymiss)
        prepare_block(px1, py1, px2, py2, pxmiss, pymiss, first, size, work)
        for k in range(2):
            chi, out = trials[k : k + 1], out_a if k == 0 else out_b
            light = _masses(m1, m2, chi, chi, first, size, masses)
            left = _one_block(
                masses, light, momenta, first, work, single, heavy, heavy_single, out[first : first + size], True,
            )  # fmt: skip
            left_a, left_b = (left_a + left, left_b) if k == 0 else (left_a, left_b + left)
    return left_a, left_b
