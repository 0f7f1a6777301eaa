"""Lepton identification with 140 pile-up interactions, as the vbf-electroweakino paper assumes it.

The detector card ``hl-lhc`` of the samples holds the same curves as steps in eta.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.arrays.elementwise import elementwise
from massgap.models.folds import splitmix64

if TYPE_CHECKING:
    import numpy.typing as npt

    from massgap.arrays.jagged.collection import Collection

__all__ = ["identified_leptons", "lepton_efficiency", "lepton_misidentification"]


@compiled
def falling_kernel(pt: float, eta: float, central: float, edge: float) -> float:
    """central up to |eta| = 1.5, linear to edge at 2.5, 0 beyond or for pT <= 5 GeV."""
    if math.isnan(pt) or math.isnan(eta):
        return math.nan
    if pt <= 5.0 or abs(eta) > 2.5:
        return 0.0
    return central + (edge - central) * max(abs(eta) - 1.5, 0.0)


def lepton_efficiency(pt: Any, eta: Any) -> Any:
    """Probability that an electron or a muon is identified (vbf-electroweakino paper, section III).

    Parameters
    ----------
    pt, eta
        Transverse momentum (GeV) and pseudorapidity; they broadcast.

    Returns
    -------
    float or array
        0.95 for |eta| up to 1.5, falling linearly to 0.65 at 2.5; 0 beyond and for pT up to 5 GeV.  NaN
        only for NaN.

    Examples
    --------
    >>> lepton_efficiency(20.0, [0.0, -2.0, 2.5, 2.6]).round(6).tolist()
    [0.95, 0.8, 0.65, 0.0]
    """
    return elementwise(falling_kernel, pt, eta, 0.95, 0.65)


def lepton_misidentification(pt: Any, eta: Any) -> Any:
    """Probability that something else passes as an electron or a muon (vbf-electroweakino paper, section III).

    Parameters
    ----------
    pt, eta
        Transverse momentum (GeV) and pseudorapidity; they broadcast.

    Returns
    -------
    float or array
        0.003 for |eta| up to 1.5, rising linearly to 0.005 at 2.5; 0 beyond and for pT up to 5 GeV.  NaN
        only for NaN.

    Examples
    --------
    >>> lepton_misidentification([20.0, 20.0, 5.0], [0.0, 2.0, 0.0]).round(6).tolist()
    [0.003, 0.004, 0.0]
    """
    return elementwise(falling_kernel, pt, eta, 0.003, 0.005)


def identified_leptons(leptons: Collection, fold_key: npt.NDArray[np.uint64]) -> Collection:
    """The leptons that are identified with 140 pile-up interactions, each with :func:`lepton_efficiency` by chance.

    For samples of a detector that identifies them better, or perfectly.  The chance is a hash of the event and of the lepton's
    direction: the same lepton is found or lost whatever the chunks are, which cuts came before, and in every variation of its
    momentum.

    Parameters
    ----------
    leptons
        With pt, eta, phi.
    fold_key
        Hash of each event, :func:`massgap.models.folds.fold_key`.

    Returns
    -------
    Collection

    Examples
    --------
    >>> from massgap.arrays import Collection
    >>> soft = Collection.of([[{"pt": 4.0, "eta": 0.0, "phi": 0.0}]])
    >>> identified_leptons(soft, np.array([7], dtype=np.uint64)).size
    0
    """
    eta, phi = (np.asarray(leptons[name], np.float64) for name in ("eta", "phi"))
    lepton = splitmix64(eta.view(np.uint64)) ^ phi.view(np.uint64)
    chance = splitmix64(splitmix64(lepton) ^ leptons.per_event(fold_key)) >> np.uint64(11)
    return leptons.where(chance * 2.0**-53 < lepton_efficiency(leptons["pt"], eta))
