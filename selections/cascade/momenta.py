"""The nine components of the visible momenta, by which a network sees an event without any guidance."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.description import Feature

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = ["DIRECTION_FEATURES", "MOMENTA", "ORIENTED", "directions", "oriented"]

_OBJECTS = (("plus", "+", "positive muon"), ("minus", "-", "negative muon"), ("gamma", r"\gamma", "photon"))

DIRECTION_FEATURES: tuple[Feature, ...] = tuple(
    Feature(
        f"{component}_{name}", rf"$\{component}^{{{sign}}}$", "", -most, most, 50, f"{word} of the {what}"
    )
    for name, sign, what in _OBJECTS
    for component, word, most in (("eta", "Pseudorapidity", 2.5), ("phi", "Azimuth", 3.2))
)
"""What the transverse momenta leave of the nine."""

MOMENTA: tuple[str, ...] = tuple(
    f"{component}_{name}" for name, _, _ in _OBJECTS for component in ("pt", "eta", "phi")
)
"""Names of the nine components, in the order of the paper's momenta p+, p-, p(photon)."""


ORIENTED: tuple[str, ...] = (
    *(f"pt_{name}" for name, _, _ in _OBJECTS),
    *(f"oriented_eta_{name}" for name, _, _ in _OBJECTS),
    "oriented_phi_plus",
    "oriented_phi_minus",
)
"""The nine components without what two unpolarised protons do not know: azimuth, and the signs of z and of y."""


def oriented(columns: dict[str, Floats]) -> dict[str, Floats]:
    """The momenta in a frame with the photon at azimuth 0, the positive muon above it, and the three together at positive eta.

    Rotations about the beam and reflections of z or y change no distribution, so nothing is lost, and a network need not learn it from
    many times as many events.

    Parameters
    ----------
    columns
        The nine components by the names of :data:`MOMENTA`, each of shape (n,).

    Returns
    -------
    dict of str to numpy.ndarray
        By the names of :data:`ORIENTED` that are not in ``columns``.

    Examples
    --------
    >>> names = ("plus", "minus", "gamma")
    >>> etas = {f"eta_{name}": np.array([-1.0]) for name in names}
    >>> phis = {f"phi_{name}": np.array([phi]) for name, phi in zip(names, (-3.0, 1.0, 3.0))}
    >>> {name: round(float(value[0]), 3) for name, value in oriented(etas | phis).items()}["oriented_phi_plus"]
    0.283
    """
    etas = [columns[f"eta_{name}"] for name, _, _ in _OBJECTS]
    side = np.where(sum(etas) < 0.0, -1.0, 1.0)
    turned = [
        np.remainder(columns[f"phi_{name}"] - columns["phi_gamma"] + np.pi, 2.0 * np.pi) - np.pi
        for name in ("plus", "minus")
    ]
    above = np.where(turned[0] < 0.0, -1.0, 1.0)
    found = {f"oriented_eta_{name}": side * eta for (name, _, _), eta in zip(_OBJECTS, etas, strict=True)}
    return found | {
        f"oriented_phi_{name}": above * phi for name, phi in zip(("plus", "minus"), turned, strict=True)
    }


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
