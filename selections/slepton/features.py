"""The 27 observables of Table II of the slepton paper, in one compiled pass over flat arrays."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.jagged.columns import same_events
from massgap.arrays.jagged.per_event import PerEvent
from massgap.arrays.kernels.formulas import invariant_mass_squared_kernel
from massgap.selections.observables.angles import abs_delta_phi_kernel, tanh_abs_delta_eta_kernel
from massgap.selections.observables.cos_theta_star import cos_theta_star_kernel
from massgap.selections.observables.ditau import ditau_mass_squared_kernel, signed_sqrt_kernel
from massgap.selections.observables.mt2.kernels import mt2_pair_block
from massgap.selections.observables.ratios import over_met_kernel, ratio_mt2_kernel
from massgap.selections.observables.transverse_sums import effective_mass_kernel
from massgap.selections.slepton.observables import FEATURE_NAMES, FEATURES

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["FEATURES", "FEATURE_NAMES", "slepton_features"]
MT2_0, MT2_100 = FEATURE_NAMES.index("mt2_0"), FEATURE_NAMES.index("mt2_100")


@compiled
def slepton_features_kernel(
    l1: tuple[float, float, float, float],
    l2: tuple[float, float, float, float],
    jet: tuple[float, float, float, float],
    met: float,
    phi_met: float,
    ht: float,
    mt2_0: float,
    mt2_100: float,
) -> tuple[float, ...]:
    """Table II from (pt, eta, phi, mass) of the leptons and the jet, and M_T2; a jet with NaN as pt is no jet."""
    pt1, eta1, phi1, m1 = l1
    pt2, eta2, phi2, m2 = l2
    ptj, etaj, phij, mj = jet
    if math.isnan(ptj):
        etaj, phij, mj = math.nan, math.nan, math.nan
    # Missing transverse momentum of zero length has no direction.
    phim = phi_met if met != 0.0 else math.nan

    m2_ll = invariant_mass_squared_kernel(pt1, eta1, phi1, m1, pt2, eta2, phi2, m2)
    m2_tautau = ditau_mass_squared_kernel(m2_ll, pt1, phi1, pt2, phi2, ptj, phij)
    return (
        math.sqrt(m2_ll),
        mj,
        mt2_0,
        mt2_100,
        signed_sqrt_kernel(m2_tautau),
        met,
        ht,
        effective_mass_kernel(met, ht),
        pt1,
        pt2,
        ptj,
        ratio_mt2_kernel(mt2_100, mt2_0, 100.0),
        over_met_kernel(pt1, met),
        over_met_kernel(pt2, met),
        over_met_kernel(ptj, met),
        abs_delta_phi_kernel(phi1, phim),
        abs_delta_phi_kernel(phi2, phim),
        abs_delta_phi_kernel(phij, phim),
        abs_delta_phi_kernel(phi1, phi2),
        abs_delta_phi_kernel(phi1, phij),
        abs_delta_phi_kernel(phi2, phij),
        abs(cos_theta_star_kernel(eta1, eta2)),
        tanh_abs_delta_eta_kernel(eta1, etaj),
        tanh_abs_delta_eta_kernel(eta2, etaj),
        eta1,
        eta2,
        etaj,
    )


def _loop(l1: Floats, l2: Floats, jet: Floats, met: Floats, ht: Floats, out: Floats) -> None:
    # M_T2 works on blocks of events, faster than event by event.  It is called from here: compiled code that called it
    # would have all of its machine code made once more.
    xy = np.empty((6, out.shape[1]))
    _momenta(l1, l2, met, xy)
    mt2_pair_block(
        l1[3], xy[0], xy[1], l2[3], xy[2], xy[3], xy[4], xy[5], 0.0, 100.0, out[MT2_0], out[MT2_100]
    )
    _observables(l1, l2, jet, met, ht, out)


@compiled
def _momenta(l1: Floats, l2: Floats, met: Floats, xy: Floats) -> None:
    """px and py of the two leptons and of the missing momentum, in the rows of xy."""
    for i in range(xy.shape[1]):
        xy[0, i], xy[1, i] = l1[0, i] * math.cos(l1[2, i]), l1[0, i] * math.sin(l1[2, i])
        xy[2, i], xy[3, i] = l2[0, i] * math.cos(l2[2, i]), l2[0, i] * math.sin(l2[2, i])
        xy[4, i], xy[5, i] = met[0, i] * math.cos(met[1, i]), met[0, i] * math.sin(met[1, i])


@compiled
def _observables(l1: Floats, l2: Floats, jet: Floats, met: Floats, ht: Floats, out: Floats) -> None:
    """Fill the rows of out, in which M_T2 stands already."""
    for i in range(out.shape[1]):
        row = slepton_features_kernel(
            (l1[0, i], l1[1, i], l1[2, i], l1[3, i]),
            (l2[0, i], l2[1, i], l2[2, i], l2[3, i]),
            (jet[0, i], jet[1, i], jet[2, i], jet[3, i]),
            met[0, i],
            met[1, i],
            ht[i],
            out[MT2_0, i],
            out[MT2_100, i],
        )
        for k in range(out.shape[0]):
            out[k, i] = row[k]


def slepton_features(l1: Any, l2: Any, jet: Any, met: Any, ht: Any, has_jet: Any = None) -> dict[str, Floats]:
    """All 27 observables of Table II, each computed once per event.

    Parameters
    ----------
    l1, l2, jet
        Leading lepton, second lepton and leading jet, as :class:`~massgap.arrays.PerEvent` or anything else with flat
        arrays ``pt``, ``eta``, ``phi``, ``mass`` of one length.  GeV, radians.
    met
        Missing transverse momentum, as :class:`~massgap.arrays.PerEvent` or anything else with flat ``pt`` and ``phi``.
    ht
        Scalar sum of the jets' transverse momenta, GeV, one per event.
    has_jet
        Whether the event has a jet at all.  Without this argument, an event has none where ``jet.pt``
        is NaN.

    Returns
    -------
    dict of str to numpy.ndarray
        The features in the order of :data:`FEATURES`, float64.  NaN means undefined: the features of the
        jet without one; ratios to MET and angles to MET for MET = 0; m_tautau for parallel leptons;
        ratio_mt2 where M_T2^0 = 0 (massless leptons only).

    Raises
    ------
    SelectionError
        If the arrays are not flat or differ in length.

    Examples
    --------
    >>> from massgap.arrays import PerEvent
    >>> def event(**values): return PerEvent({name: np.array([value]) for name, value in values.items()})
    >>> features = slepton_features(
    ...     event(pt=60.0, eta=0.3, phi=0.2, mass=0.1057), event(pt=40.0, eta=-0.4, phi=1.2, mass=0.1057),
    ...     event(pt=150.0, eta=1.0, phi=-2.4, mass=12.0), event(pt=130.0, phi=1.5), np.array([150.0]))
    >>> len(features), round(float(features["m_ll"][0]), 3)
    (27, 58.578)
    """
    legs = [
        PerEvent.of(leg, ("pt", "eta", "phi", "mass"), name)
        for name, leg in (("l1", l1), ("l2", l2), ("jet", jet))
    ]
    met, ht = PerEvent.of(met, ("pt", "phi"), "met"), PerEvent.of(ht, ("ht",), "ht")
    n_events = same_events(l1=legs[0], l2=legs[1], jet=legs[2], met=met, ht=ht)
    l1_rows, l2_rows, jet_rows = (leg.columns("pt", "eta", "phi", "mass") for leg in legs)
    if has_jet is not None:
        jet_rows[:, ~np.asarray(has_jet, dtype=bool)] = np.nan
    out = np.empty((len(FEATURES), n_events))
    _loop(l1_rows, l2_rows, jet_rows, met.columns("pt", "phi"), ht.columns("ht")[0], out)
    return dict(zip(FEATURE_NAMES, out, strict=True))
