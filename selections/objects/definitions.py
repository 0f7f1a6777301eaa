"""Object definitions: which muons, electrons, taus and jets an analysis counts.

Every function takes a collection (see :mod:`massgap.events.event`) and gives the selected part of it, in the same order.
Thresholds are in GeV; all comparisons are strict, and made in double precision whatever the file stores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.jagged.columns import frozen, in_one_precision

if TYPE_CHECKING:
    import numpy.typing as npt

    from massgap.arrays.jagged.collection import Collection

__all__ = [
    "select_electrons",
    "select_jets",
    "select_leptons",
    "select_muons",
    "select_photons",
    "select_taus",
    "select_wide_jets",
]


@compiled
def _good_leptons(
    pt: Any, eta: Any, isolation: Any, identified: Any, min_pt: float, max_eta: float, max_isolation: float
) -> npt.NDArray[np.bool_]:
    out = np.empty(pt.size, np.bool_)
    for i in range(pt.size):
        out[i] = pt[i] > min_pt and abs(eta[i]) < max_eta and isolation[i] < max_isolation and identified[i]
    return out


@compiled
def _good_jets(pt: Any, eta: Any, identified: Any, min_pt: float, max_eta: float) -> npt.NDArray[np.bool_]:
    out = np.empty(pt.size, np.bool_)
    for i in range(pt.size):
        out[i] = pt[i] > min_pt and abs(eta[i]) < max_eta and identified[i]
    return out


def _as_bool(values: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    return frozen(values.astype(bool, copy=False))


def select_leptons(leptons: Collection, *, pt: float, eta: float, isolation: float) -> Collection:
    """Identified leptons with pT > ``pt``, abs(eta) < ``eta`` and relative isolation < ``isolation``.

    Parameters
    ----------
    leptons
        With pt, eta, isolation, identified.
    pt, eta, isolation
        Thresholds.

    Returns
    -------
    Collection
        The leptons that pass, in the order of the input.

    Examples
    --------
    >>> from massgap.arrays import Collection
    >>> leptons = Collection.of([[dict(pt=25.0, eta=0.1, isolation=0.05, identified=True),
    ...                           dict(pt=8.0, eta=0.1, isolation=0.05, identified=True)]])
    >>> select_leptons(leptons, pt=10, eta=2.5, isolation=0.25).pt.tolist()
    [25.0]
    """

    def good(*fields: Any) -> npt.NDArray[np.bool_]:
        *kinematic, identified = fields
        pts, etas, isolations = in_one_precision(*kinematic)
        return _good_leptons(
            pts, etas, isolations, _as_bool(identified), float(pt), float(eta), float(isolation)
        )

    key = ("leptons", float(pt), float(eta), float(isolation))
    return leptons.filter(good, "pt", "eta", "isolation", "identified", stored=True, key=key)


def select_muons(
    muons: Collection, *, pt: float = 10.0, eta: float = 2.5, isolation: float = 0.25
) -> Collection:
    """Muons: by default pT > 10, abs(eta) < 2.5, isolation < 0.25 (Delphes' CMS card)."""
    return select_leptons(muons, pt=pt, eta=eta, isolation=isolation)


def select_electrons(
    electrons: Collection, *, pt: float = 10.0, eta: float = 2.5, isolation: float = 0.15
) -> Collection:
    """Electrons: by default pT > 10, abs(eta) < 2.5, isolation < 0.15."""
    return select_leptons(electrons, pt=pt, eta=eta, isolation=isolation)


def select_photons(
    photons: Collection, *, pt: float = 10.0, eta: float = 2.5, isolation: float = 0.15
) -> Collection:
    """Photons: by default pT > 10, abs(eta) < 2.5, isolation < 0.15."""
    return select_leptons(photons, pt=pt, eta=eta, isolation=isolation)


def select_taus(taus: Collection, *, pt: float = 20.0, eta: float = 2.5) -> Collection:
    """Identified hadronic taus with pT > ``pt`` and abs(eta) < ``eta``."""
    return select_jets(taus, pt=pt, eta=eta)


def select_jets(jets: Collection, *, pt: float = 20.0, eta: float = 4.5) -> Collection:
    """Identified jets with pT > ``pt`` and abs(eta) < ``eta``."""

    def good(*fields: Any) -> npt.NDArray[np.bool_]:
        *kinematic, identified = fields
        pts, etas = in_one_precision(*kinematic)
        return _good_jets(pts, etas, _as_bool(identified), float(pt), float(eta))

    key = ("jets", float(pt), float(eta))
    return jets.filter(good, "pt", "eta", "identified", stored=True, key=key)


def select_wide_jets(jets: Collection, *, pt: float = 15.0, eta: float = 2.8) -> Collection:
    """Jets of a large radius with pT > ``pt`` and abs(eta) < ``eta``; no format has an identification of them."""

    def good(*fields: Any) -> npt.NDArray[np.bool_]:
        pts, etas = in_one_precision(*fields)
        return _good_jets(pts, etas, frozen(np.ones(pts.size, np.bool_)), float(pt), float(eta))

    return jets.filter(good, "pt", "eta", stored=True)
