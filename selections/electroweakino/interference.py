"""Relative kinematic interference of electroweak and QCD production, and the expected number of events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.arrays.errors import SelectionError

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["expected_events", "relative_kinematic_interference"]


def relative_kinematic_interference(inclusive: Any, electroweak: Any, qcd: Any, widths: Any) -> Floats:
    r"""How the inclusive spectrum differs from the sum of its electroweak and QCD parts.

    .. math::
        RKI[m_{jj}] = \frac{1}{\sigma_{incl}} \left[ \frac{d\sigma_{incl}}{dm_{jj}} -
        \left( \frac{d\sigma_{QCD=0}}{dm_{jj}} + \frac{d\sigma_{QCD=2,QED=2}}{dm_{jj}} \right) \right]

    vbf-electroweakino paper, equation (1); :math:`\sigma_{incl}` is the inclusive spectrum's integral.

    Parameters
    ----------
    inclusive, electroweak, qcd
        Differential cross sections, fb/GeV: the last axis runs over the bins.
    widths
        Widths of the bins, GeV.  All inputs broadcast.

    Returns
    -------
    numpy.ndarray
        1/GeV, one value per bin; NaN where the inclusive cross section is 0.

    Raises
    ------
    SelectionError
        If an input is not numeric, or the numbers of bins differ.

    Examples
    --------
    >>> relative_kinematic_interference([2.0, 1.0], [1.0, 1.0], [0.5, 0.5], [10.0, 20.0]).tolist()
    [0.0125, -0.0125]
    """
    try:
        incl, ew, strong, width = np.broadcast_arrays(
            *(np.asarray(values, dtype=np.float64) for values in (inclusive, electroweak, qcd, widths))
        )
    except (TypeError, ValueError) as error:
        msg = f"The spectra and the widths of their bins do not fit together ({error}). Give one number per bin each."
        raise SelectionError(msg) from error
    if incl.ndim == 0:
        msg = "A spectrum needs an axis of bins: give lists or arrays with one number per bin."
        raise SelectionError(msg)
    sigma = np.sum(incl * width, axis=-1, keepdims=True)
    result = np.full(incl.shape, np.nan)
    np.divide(incl - (ew + strong), sigma, out=result, where=sigma != 0.0)
    return result


@compiled
def expected_events_kernel(luminosity: float, xsec: float, efficiency: float) -> float:
    """L sigma epsilon."""
    return luminosity * xsec * efficiency


def expected_events(luminosity: Any, xsec: Any, efficiency: Any) -> Any:
    """Expected number of events, N = L sigma epsilon (vbf-electroweakino paper, section V).

    Parameters
    ----------
    luminosity
        Integrated luminosity, 1/fb.
    xsec
        Cross section, fb.
    efficiency
        Fraction of the events that are reconstructed and selected.  All inputs broadcast.

    Returns
    -------
    float or array
        Number of events.

    Examples
    --------
    >>> print(expected_events(300.0, 2.0, 0.25))
    150.0
    """
    return elementwise(expected_events_kernel, luminosity, xsec, efficiency)
