r"""Stransverse mass M_T2 of two visible systems and missing transverse momentum.

.. math:: M_{T2} = \min_{\vec q_1 + \vec q_2 = \vec p_T^{miss}} \max\{m_T(\vec p_1, \vec q_1), m_T(\vec p_2, \vec q_2)\}

Lester and Summers, hep-ph/9906349; with two different trial masses, Barr, Gripaios and Lester,
arXiv:0908.3779.

How it is computed.  Massless visible systems with one trial mass for both legs have a function of one
variable to maximise (:mod:`massgap.selections.observables.mt2.massless`).  With masses, or two trial masses, Newton
steps find the direction in which two ellipses touch (:mod:`massgap.selections.observables.mt2.massive`).  Both are done
by vector instructions for a block of events at once.  The few events of either kind that do not settle go to the
general method (:mod:`massgap.selections.observables.mt2.search`), whose search cannot fail.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.elementwise import broadcast
from massgap.arrays.errors import SelectionError
from massgap.selections.observables.mt2.kernels import mt2_block, mt2_kernel

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["mt2", "refuse_negative_masses"]

_NUMBERS = (float, int, np.float64)
_MASSES = ("m_vis_1", "m_vis_2", "m_invis_1", "m_invis_2")


def refuse_negative_masses(m_vis_1: Any, m_vis_2: Any, m_invis_1: Any, m_invis_2: Any) -> None:
    """Look at the masses of M_T2 before anything is computed.

    Raises
    ------
    SelectionError
        If one holds a negative mass that no mask hides.
    """
    for name, mass in zip(_MASSES, (m_vis_1, m_vis_2, m_invis_1, m_invis_2), strict=True):
        _refuse_negative(name, mass)


def _refuse_negative(name: str, mass: Any) -> None:
    """Raise where an argument holds a negative mass that no mask hides."""
    if type(mass) in _NUMBERS:
        lowest = mass
    elif type(mass) is np.ndarray and mass.dtype.kind in "fiu":
        # The least number without a pass that allocates; NaN are left to the kernels.
        lowest = np.fmin.reduce(mass, axis=None) if mass.size else 0.0
    else:
        flat = _numbers_of(mass)
        lowest = np.fmin.reduce(flat) if flat.size else 0.0
    if lowest < 0:
        msg = f"mt2 takes masses of 0 GeV or more, but {name} is {lowest:g} GeV. Clip it at 0 if that is rounding: numpy.maximum({name}, 0)."
        raise SelectionError(msg)


def _numbers_of(values: Any) -> Floats:
    """All numbers of an array-like or awkward array that are not missing; none of what is not numeric."""
    if any(cls.__module__.startswith("awkward.") for cls in type(values).__mro__):
        import awkward as ak

        values = ak.to_numpy(ak.drop_none(ak.flatten(values, axis=None)), allow_missing=False)
    if isinstance(values, np.ma.MaskedArray):
        values = values.compressed()
    try:
        array = np.asarray(values).reshape(-1)
    except ValueError:
        return np.empty(0)
    return array.astype(np.float64) if array.dtype.kind in "fiu" else np.empty(0)


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
        Trial masses of the invisible particles, GeV.  All inputs broadcast; what is masked in one is masked in the result.
    desired_precision_on_mt2
        Ignored: the result has full precision (about 1e-12 relative) at all times.
    out
        NumPy array of the resulting shape to write to; what is masked is written as NaN if it has no mask.

    Returns
    -------
    float or array
        GeV.  At least max(m_vis_1 + m_invis_1, m_vis_2 + m_invis_2), and exactly this in unbalanced
        configurations; always defined for finite input, NaN if any input is NaN or infinite.

    Raises
    ------
    SelectionError
        If an input is not numeric, a mass is negative, or the shapes do not broadcast.

    Examples
    --------
    >>> print(round(mt2(100, 410, 20, 150, -210, -300, -200, 280, 100, 100), 6))
    412.627668
    >>> mt2(0.0, 10.0, 0.0, 0.0, [20.0, -20.0], 0.0, -5.0, 3.0, 0.0, 0.0).round(6).tolist()
    [12.017183, 0.0]
    """
    momenta = (px_vis_1, py_vis_1, px_vis_2, py_vis_2, px_miss, py_miss)
    event = (m_vis_1, px_vis_1, py_vis_1, m_vis_2, px_vis_2, py_vis_2, px_miss, py_miss, m_invis_1, m_invis_2)
    masses = (m_vis_1, m_vis_2, m_invis_1, m_invis_2)
    refuse_negative_masses(*masses)
    if out is None and all(type(value) in _NUMBERS for value in event):
        return np.float64(mt2_kernel(*map(float, event)))
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
    hidden = isinstance(result, np.ma.MaskedArray) and not isinstance(out, np.ma.MaskedArray)
    out[...] = np.ma.filled(result, np.nan) if hidden else result
    return out
