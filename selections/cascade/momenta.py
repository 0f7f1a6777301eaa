"""The nine components of the visible momenta, by which a network sees an event without any guidance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.description import Feature

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["DIRECTION_FEATURES", "MOMENTA", "directions"]

_OBJECTS = (("plus", "+", "positive muon"), ("minus", "-", "negative muon"), ("gamma", r"\gamma", "photon"))

DIRECTION_FEATURES: tuple[Feature, ...] = tuple(
    Feature(f"{component}_{name}", rf"$\{component}^{{{sign}}}$", "", -most, most, 50, f"{word} of the {what}")
    for name, sign, what in _OBJECTS
    for component, word, most in (("eta", "Pseudorapidity", 2.5), ("phi", "Azimuth", 3.2))
)
"""What the transverse momenta leave of the nine."""

MOMENTA: tuple[str, ...] = tuple(
    f"{component}_{name}" for name, _, _ in _OBJECTS for component in ("pt", "eta", "phi")
)
"""Names of the nine components, in the order of the paper's momenta p+, p-, p(photon)."""


def directions(mu_plus: Any, mu_minus: Any, photon: Any) -> dict[str, Floats]:
    """Pseudorapidity and azimuth of the three, by the names of :data:`DIRECTION_FEATURES`.

    Parameters
    ----------
    mu_plus, mu_minus, photon
        With flat arrays ``eta`` and ``phi``.

    Examples
    --------
    >>> from massgap.arrays import PerEvent
    >>> one = PerEvent({"eta": np.array([0.5]), "phi": np.array([1.0])})
    >>> list(directions(one, one, one))[:2]
    ['eta_plus', 'phi_plus']
    """
    return {
        f"{component}_{name}": np.asarray(getattr(item, component), dtype=np.float64)
        for (name, _, _), item in zip(_OBJECTS, (mu_plus, mu_minus, photon), strict=True)
        for component in ("eta", "phi")
    }
