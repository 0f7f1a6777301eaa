r"""Stransverse mass M_T2 of two visible systems and missing transverse momentum.

.. math:: M_{T2} = \min_{\vec q_1 + \vec q_2 = \vec p_T^{miss}} \max\{m_T(\vec p_1, \vec q_1), m_T(\vec p_2, \vec q_2)\}

Lester and Summers, hep-ph/9906349; with two different trial masses, Barr, Gripaios and Lester,
arXiv:0908.3779.

How it is computed.  Massless visible systems with one trial mass for both legs have a function of one
variable to maximise (:mod:`massgap.selections.observables.mt2.massless`), which vector instructions do for a block of
events at once.  All others, and the few of these that do not settle, go to the general method
(:mod:`massgap.selections.observables.mt2.search`).
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled, compiled_inline
from massgap.arrays.elementwise import broadcast
from massgap.arrays.errors import SelectionError
from massgap.selections.observables.mt2.massive import (
    MASSIVE_ROWS,
    MASSIVE_SINGLE_ROWS,
    massive_block,
    massive_value,
)
from massgap.selections.observables.mt2.massless import (
    BLOCK,
    ROWS,
    SINGLE_ROWS,
    STRIDE,
    massless_excess,
    prepare_block,
    solve_block,
)
from massgap.selections.observables.mt2.search import excess

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["mt2", "mt2_block", "mt2_kernel", "mt2_pair_block"]

# Masses below this fraction of the largest input are zero: their squares would underflow in ratios.
_TINY_MASS = 1e-30
# Trial masses below this fraction are zero, too: they move M_T2 by less than rounding does, but their squares are lost
# beside momenta, and with them the difference between a leg that can be balanced and one that cannot.
_TINY_TRIAL_MASS = 1e-13
# Fewer events are done one by one: a block takes as long as this many.
_FEW = 16
_NUMBERS = (float, int, np.float64)


@compiled
def _general(
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
    inputs = m1 + px1 + py1 + m2 + px2 + py2 + pxmiss + pymiss + chi1 + chi2
    if not math.isfinite(inputs):
        return math.nan
    m1, m2, chi1, chi2 = max(m1, 0.0), max(m2, 0.0), max(chi1, 0.0), max(chi2, 0.0)
    bound = max(m1 + chi1, m2 + chi2)
    scale = max(m1, m2, chi1, chi2, abs(px1), abs(py1), abs(px2), abs(py2), abs(pxmiss), abs(pymiss))
    # A leg without energy has m_T = chi whatever it is given.
    empty = (m1 == 0.0 and px1 == 0.0 and py1 == 0.0) or (m2 == 0.0 and px2 == 0.0 and py2 == 0.0)
    if empty:
        return bound
    m1, px1, py1, chi1 = m1 / scale, px1 / scale, py1 / scale, chi1 / scale
    m2, px2, py2, chi2 = m2 / scale, px2 / scale, py2 / scale, chi2 / scale
    m1 = m1 if m1 > _TINY_MASS else 0.0
    m2 = m2 if m2 > _TINY_MASS else 0.0
    chi1 = chi1 if chi1 > _TINY_TRIAL_MASS else 0.0
    chi2 = chi2 if chi2 > _TINY_TRIAL_MASS else 0.0
    if (m1 == 0.0 and px1 == 0.0 and py1 == 0.0) or (m2 == 0.0 and px2 == 0.0 and py2 == 0.0):
        return bound
    if m1 + chi1 < m2 + chi2 or (m1 + chi1 == m2 + chi2 and m1 < m2):
        m1, px1, py1, chi1, m2, px2, py2, chi2 = m2, px2, py2, chi2, m1, px1, py1, chi1
    low, low2 = m1 + chi1, m2 + chi2
    leg1 = (m1, px1, py1, chi1, 0.0)
    leg2 = (m2, px2, py2, chi2, 0.5 * (low - low2) * (low + low2))
    gained = excess(leg1, leg2, pxmiss / scale, pymiss / scale, low * low)
    return max(bound, math.sqrt(low * low + gained) * scale)


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
    return _general(m1, px1, py1, m2, px2, py2, pxmiss, pymiss, chi1, chi2)


@compiled
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
    n = out.size
    if n < _FEW:
        for i in range(n):
            out[i] = mt2_kernel(
                m1[i * (m1.size > 1)], px1[i], py1[i], m2[i * (m2.size > 1)], px2[i], py2[i],
                pxmiss[i], pymiss[i], chi1[i * (chi1.size > 1)], chi2[i * (chi2.size > 1)],
            )  # fmt: skip
        return
    work, single, heavy, heavy_single, masses = _space()
    for first in range(0, n, BLOCK):
        size = min(BLOCK, n - first)
        if first == 0 or m1.size > 1 or m2.size > 1 or chi1.size > 1 or chi2.size > 1:
            light = _masses(m1, m2, chi1, chi2, first, size, masses)
        momenta = (px1, py1, px2, py2, pxmiss, pymiss)
        _one_block(
            masses, light, momenta, first, work, single, heavy, heavy_single, out[first : first + size], False
        )


@compiled
def _space() -> tuple[Floats, Any, Floats, Any, Floats]:
    """What a block of events needs: work arrays and the rows of masses."""
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


@compiled
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
) -> None:
    """M_T2 of one block, of which light events are massless; prepared: by prepare_block."""
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
    if missing > 0:
        for i in range(size):
            if math.isnan(out[i]):
                j = first + i
                out[i] = _general(
                    masses[i], px1[j], py1[j], masses[STRIDE + i], px2[j], py2[j],
                    pxmiss[j], pymiss[j], chi[i], masses[3 * STRIDE + i],
                )  # fmt: skip


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


@compiled
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
    n = out_a.size
    chi = np.empty(1)
    work, single, heavy, heavy_single, masses = _space()
    for first in range(0, n, BLOCK):
        size = min(BLOCK, n - first)
        momenta = (px1, py1, px2, py2, pxmiss, pymiss)
        prepare_block(px1, py1, px2, py2, pxmiss, pymiss, first, size, work)
        for one, out in ((chi_a, out_a), (chi_b, out_b)):
            chi[0] = one
            light = _masses(m1, m2, chi, chi, first, size, masses)
            _one_block(
                masses,
                light,
                momenta,
                first,
                work,
                single,
                heavy,
                heavy_single,
                out[first : first + size],
                True,
            )


def _is_flat(value: Any, like: Any) -> bool:
    return (
        type(value) is np.ndarray
        and value.dtype == np.float64
        and value.ndim == 1
        and value.shape == np.shape(like)
        and value.flags.c_contiguous
    )


def mt2(
    m_vis_1: Any,
    px_vis_1: Any,
    py_vis_1: Any,
    m_vis_2: Any,
    px_vis_2: Any,
    py_vis_2: Any,
    px_miss: Any,
    py_miss: Any,
    m_invis_1: Any,
    m_invis_2: Any,
    desired_precision_on_mt2: Any = 0.0,  # noqa: ARG001 (kept so that calls to the package mt2 work unchanged)
    *,
    out: Floats | None = None,
) -> Any:
    r"""Stransverse mass of two visible systems and missing transverse momentum.

    .. math::
        M_{T2} = \min_{\vec q_1 + \vec q_2 = \vec p_T^{miss}}
        \max\{m_T(\vec p_1, \vec q_1; \chi_1), m_T(\vec p_2, \vec q_2; \chi_2)\}, \quad
        m_T^2 = m^2 + \chi^2 + 2 (E_T e_T - \vec p \cdot \vec q)

    Lester and Summers, hep-ph/9906349; M_T2^0 and M_T2^100 of Table II of the slepton paper have trial
    masses of 0 and 100 GeV.  Takes the arguments of the function of this name in the package ``mt2``, so
    that it replaces it.  The minimum is an infimum: for exactly antiparallel massless visible systems it is
    approached at infinity.

    Parameters
    ----------
    m_vis_1, px_vis_1, py_vis_1
        Mass and transverse momentum of the first visible system, GeV.
    m_vis_2, px_vis_2, py_vis_2
        Those of the second.
    px_miss, py_miss
        Missing transverse momentum, GeV.
    m_invis_1, m_invis_2
        Trial masses of the invisible particles, GeV.  All inputs broadcast; negative masses count as zero.
    desired_precision_on_mt2
        Ignored: the result has full precision (about 1e-12 relative) at all times.
    out
        NumPy array of the resulting shape to write to.

    Returns
    -------
    float or array
        GeV.  At least max(m_vis_1 + m_invis_1, m_vis_2 + m_invis_2), and exactly this in unbalanced
        configurations; always defined for finite input, NaN if any input is NaN or infinite.

    Raises
    ------
    SelectionError
        If an input is not numeric, or the shapes do not broadcast.

    Examples
    --------
    >>> print(round(mt2(100, 410, 20, 150, -210, -300, -200, 280, 100, 100), 6))
    412.627668
    >>> mt2(0.0, 10.0, 0.0, 0.0, [20.0, -20.0], 0.0, -5.0, 3.0, 0.0, 0.0).round(6).tolist()
    [12.017183, 0.0]
    """
    momenta = (px_vis_1, py_vis_1, px_vis_2, py_vis_2, px_miss, py_miss)
    event = (m_vis_1, px_vis_1, py_vis_1, m_vis_2, px_vis_2, py_vis_2, px_miss, py_miss, m_invis_1, m_invis_2)
    if out is None and all(type(value) in _NUMBERS for value in event):
        return np.float64(mt2_kernel(*map(float, event)))
    masses = (m_vis_1, m_vis_2, m_invis_1, m_invis_2)
    # A mass that is one number stays one number: repeated for each event it would be another array to read.
    fixed = [
        np.array([value], dtype=np.float64) if isinstance(value, (int, float)) else None for value in masses
    ]

    def loop(*arrays: Floats) -> None:
        # Arrays that must not be written to would be compiled for once more, which takes longer than a copy.
        arrays = tuple(np.require(array, requirements="W") for array in arrays)
        px1, py1, px2, py2, pxmiss, pymiss = arrays[:6]
        rest = iter(arrays[6:])
        m1, m2, chi1, chi2 = (next(rest) if value is None else value for value in fixed)
        mt2_block(m1, px1, py1, m2, px2, py2, pxmiss, pymiss, chi1, chi2, next(rest))

    varying = [value for value, one in zip(masses, fixed, strict=True) if one is None]
    if all(_is_flat(value, momenta[0]) for value in (*momenta, *varying)):
        # What a compiled pass has anyway needs no broadcasting, which takes as long as thousands of events.
        result = np.empty(momenta[0].size)
        loop(*momenta, *varying, result)
    else:
        result = broadcast(loop, *momenta, *varying)
    if out is None:
        return result
    if np.shape(out) != np.shape(result):
        msg = f"The array for the results has the shape {np.shape(out)}, but the results have {np.shape(result)}."
        raise SelectionError(msg)
    out[...] = result
    return out
