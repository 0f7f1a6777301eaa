"""The observables of mu+ mu- photon + MET of the cascade-decays paper, in one compiled pass over flat arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.columns import same_events
from massgap.arrays.jagged.per_event import PerEvent
from massgap.arrays.kernels.formulas import delta_r_kernel
from massgap.contracts.description import Feature
from massgap.selections.cascade.spectrum import TESTING_SPECTRUM
from massgap.selections.observables.cascades.delta4 import (
    ACCEPTED,
    delta4_bound_kernel,
    exact_delta4_kernel,
    exact_excesses_kernel,
    excesses_kernel,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massgap.arrays.elementwise import Floats

__all__ = ["CASCADE_FEATURES", "CASCADE_FEATURE_NAMES", "cascade_features"]

CASCADE_FEATURES: tuple[Feature, ...] = (
    Feature("pt_plus", r"$p_{T}^{+}$", "GeV", 0, 150, 50, "Transverse momentum of the positive muon"),
    Feature("pt_minus", r"$p_{T}^{-}$", "GeV", 0, 150, 50, "Transverse momentum of the negative muon"),
    Feature("pt_gamma", r"$p_{T}^{\gamma}$", "GeV", 0, 150, 50, "Transverse momentum of the photon"),
    Feature("met", r"$E_{T}^{miss}$", "GeV", 0, 300, 60, "Transverse momentum of the three together"),
    Feature("m_mumu", r"$m_{+-}$", "GeV", 15, 65, 50, "Invariant mass of the muons"),
    Feature("dr_mumu", r"$\Delta R_{+-}$", "", 0, 5, 50, "Distance of the muons in eta and phi"),
    Feature("m_plus_gamma", r"$m_{+\gamma}$", "GeV", 0, 150, 50, "Invariant mass of positive muon and photon"),
    Feature("dr_plus_gamma", r"$\Delta R_{+\gamma}$", "", 0, 5, 50, "Distance of positive muon and photon"),
    Feature("m_minus_gamma", r"$m_{-\gamma}$", "GeV", 0, 150, 50, "Invariant mass of negative muon and photon"),
    Feature("dr_minus_gamma", r"$\Delta R_{-\gamma}$", "", 0, 5, 50, "Distance of negative muon and photon"),
    Feature("m_mumugamma", r"$m_{+-\gamma}$", "GeV", 0, 200, 50, "Invariant mass of all three"),
    Feature("delta4_pm", r"$\Delta_{4}^{+-}$", "GeV$^8$", -1e15, 1e15, 50, "Delta_4 if X emits the positive muon"),
    Feature("delta4_mp", r"$\Delta_{4}^{-+}$", "GeV$^8$", -1e15, 1e15, 50, "Delta_4 if X emits the negative muon"),
)  # fmt: skip
"""The observables of sections II and V, in the order of the columns."""

CASCADE_FEATURE_NAMES: tuple[str, ...] = tuple(feature.name for feature in CASCADE_FEATURES)


@compiled
def cascade_features_kernel(
    plus: tuple[float, float, float, float],
    minus: tuple[float, float, float, float],
    photon: tuple[float, float, float, float],
    spectrum: tuple[float, float, float, float],
) -> tuple[float, ...]:
    """All observables from (pt, eta, phi, mass) of the three and (M_X, M_Y, M_Z, M_chi)."""
    pt1, eta1, phi1, m1 = plus
    pt2, eta2, phi2, m2 = minus
    pt3, eta3, phi3, m3 = photon
    m1, m2, m3 = max(m1, 0.0), max(m2, 0.0), max(m3, 0.0)
    px = pt1 * math.cos(phi1) + pt2 * math.cos(phi2) + pt3 * math.cos(phi3)
    py = pt1 * math.sin(phi1) + pt2 * math.sin(phi2) + pt3 * math.sin(phi3)
    d12, d13, d23 = excesses_kernel(plus, minus, photon)
    # The muons in both orders: the chain does not say which one X emits.
    first, first_bound = delta4_bound_kernel((m1, m2, m3), d12, d13, d23, spectrum)
    second, second_bound = delta4_bound_kernel((m2, m1, m3), d12, d23, d13, spectrum)
    if not (first_bound <= ACCEPTED * abs(first) and second_bound <= ACCEPTED * abs(second)):
        e12, e13, e23 = exact_excesses_kernel(plus, minus, photon)
        first = exact_delta4_kernel((m1, m2, m3), e12, e13, e23, spectrum)
        second = exact_delta4_kernel((m2, m1, m3), e12, e23, e13, spectrum)
    return (
        pt1,
        pt2,
        pt3,
        math.sqrt(px * px + py * py),
        math.sqrt((m1 + m2) ** 2 + 2.0 * d12[0]),
        delta_r_kernel(eta1, phi1, eta2, phi2),
        math.sqrt((m1 + m3) ** 2 + 2.0 * d13[0]),
        delta_r_kernel(eta1, phi1, eta3, phi3),
        math.sqrt((m2 + m3) ** 2 + 2.0 * d23[0]),
        delta_r_kernel(eta2, phi2, eta3, phi3),
        math.sqrt((m1 + m2 + m3) ** 2 + 2.0 * (d12[0] + d13[0] + d23[0])),
        first,
        second,
    )


@compiled
def _loop(plus: Floats, minus: Floats, photon: Floats, spectrum: Floats, out: Floats) -> None:
    for i in range(out.shape[1]):
        row = cascade_features_kernel(
            (plus[0, i], plus[1, i], plus[2, i], plus[3, i]),
            (minus[0, i], minus[1, i], minus[2, i], minus[3, i]),
            (photon[0, i], photon[1, i], photon[2, i], photon[3, i]),
            (spectrum[0], spectrum[1], spectrum[2], spectrum[3]),
        )
        for k in range(out.shape[0]):
            out[k, i] = row[k]


def cascade_features(
    mu_plus: Any, mu_minus: Any, photon: Any, spectrum: Sequence[float] = TESTING_SPECTRUM
) -> dict[str, Floats]:
    """All observables of the paper's sections II and V, each computed once per event.

    Parameters
    ----------
    mu_plus, mu_minus, photon
        The positive muon, the negative muon and the photon: anything with flat arrays ``pt``, ``eta``, ``phi``,
        ``mass`` of one length, such as :class:`~massgap.arrays.PerEvent`.  GeV, radians.
        Negative masses count as zero.
    spectrum
        M_X, M_Y, M_Z, M_chi that Delta_4 assumes, GeV.

    Returns
    -------
    dict of str to numpy.ndarray
        The features in the order of :data:`CASCADE_FEATURES`, float64, always defined for finite input.  MET is
        the length of the summed transverse momenta of the three: with hadronic activity vetoed it holds nothing
        else.  The paper does not say in which order the muons enter Delta_4: both are given.

    Raises
    ------
    SelectionError
        If an input is not a flat array of numbers, the lengths differ, or the spectrum is not four numbers.

    Examples
    --------
    >>> from massgap.arrays import PerEvent
    >>> def one(pt, eta, phi, mass): return PerEvent({"pt": [pt], "eta": [eta], "phi": [phi], "mass": [mass]})
    >>> plus, minus, photon = one(30.0, 0.5, 1.0, 0.106), one(20.0, -0.5, 0.0, 0.106), one(10.0, 0.5, -1.0, 0.0)
    >>> features = cascade_features(plus, minus, photon)
    >>> print(len(features), round(features["met"][0], 6))
    13 44.886474
    """
    masses = np.asarray(spectrum, dtype=np.float64)
    if masses.shape != (4,):
        msg = f"A spectrum is four masses, of X, Y, Z and chi, but its shape is {masses.shape}."
        raise SelectionError(msg)
    legs = [
        PerEvent.of(item, ("pt", "eta", "phi", "mass"), name)
        for name, item in (("mu_plus", mu_plus), ("mu_minus", mu_minus), ("photon", photon))
    ]
    n_events = same_events(mu_plus=legs[0], mu_minus=legs[1], photon=legs[2])
    out = np.empty((len(CASCADE_FEATURES), n_events))
    plus, minus, gamma = (leg.columns("pt", "eta", "phi", "mass") for leg in legs)
    _loop(plus, minus, gamma, masses, out)
    return dict(zip(CASCADE_FEATURE_NAMES, out, strict=True))
