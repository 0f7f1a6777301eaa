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
    *(f"{way}_{name}" for name in ("plus", "minus") for way in ("along", "across", "eta_gap")),
    "oriented_eta_gamma",
)
"""The nine components without what two unpolarised protons do not know: azimuth, and the signs of z and of y.

Transverse momenta are Cartesian beside their lengths: sums of them, of which missing momentum is one, are then sums of inputs, and no azimuth
jumps from pi to -pi.  They follow from each other, so that nothing is in them that the nine have not.
"""


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
        By the names of :data:`ORIENTED` that are not in ``columns``: of both muons the transverse momentum along that of the photon and
        across it (GeV), and the pseudorapidity from the photon on; pseudorapidity of the photon.

    Examples
    --------
    >>> names = ("plus", "minus", "gamma")
    >>> events = {f"eta_{name}": np.array([-1.0]) for name in names} | {f"pt_{name}": np.array([10.0]) for name in names}
    >>> events |= {f"phi_{name}": np.array([phi]) for name, phi in zip(names, (-3.0, 1.0, 3.0))}
    >>> {name: round(float(value[0]), 3) for name, value in oriented(events).items()}["along_plus"]
    9.602
    """
    side = np.where(sum(columns[f"eta_{name}"] for name, _, _ in _OBJECTS) < 0.0, -1.0, 1.0)
    found = {"oriented_eta_gamma": side * columns["eta_gamma"]}
    above = np.where(np.sin(columns["phi_plus"] - columns["phi_gamma"]) < 0.0, -1.0, 1.0)
    for name in ("plus", "minus"):
        turned, pt = columns[f"phi_{name}"] - columns["phi_gamma"], columns[f"pt_{name}"]
        found |= {
            f"along_{name}": pt * np.cos(turned),
            f"across_{name}": above * pt * np.sin(turned),
            f"eta_gap_{name}": side * (columns[f"eta_{name}"] - columns["eta_gamma"]),
        }
    return found


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
