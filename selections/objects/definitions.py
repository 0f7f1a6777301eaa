"""Object definitions and overlap removal: which muons, electrons, taus and jets an analysis counts.

Every function takes a jagged collection of canonical objects (see :mod:`massgap.events.event`) and
returns the selected part of it, in the same order.  Thresholds are in GeV.
"""

from __future__ import annotations

import awkward as ak
import numpy as np

__all__ = ["away_from", "select_electrons", "select_jets", "select_leptons", "select_muons", "select_taus"]


def select_leptons(leptons: ak.Array, *, pt: float, eta: float, isolation: float) -> ak.Array:
    """Identified leptons with pT > ``pt``, abs(eta) < ``eta`` and relative isolation < ``isolation``.

    Parameters
    ----------
    leptons
        Jagged records with pt, eta, isolation, identified.
    pt, eta, isolation
        Thresholds; all comparisons are strict.

    Returns
    -------
    awkward.Array
        The leptons that pass, in the order of the input.

    Examples
    --------
    >>> leptons = ak.Array([[dict(pt=25.0, eta=0.1, isolation=0.05, identified=True),
    ...                      dict(pt=8.0, eta=0.1, isolation=0.05, identified=True)]])
    >>> select_leptons(leptons, pt=10, eta=2.5, isolation=0.25).pt.tolist()
    [[25.0]]
    """
    keep = (leptons.pt > pt) & (abs(leptons.eta) < eta) & (leptons.isolation < isolation) & leptons.identified
    return leptons[keep]


def select_muons(muons: ak.Array, *, pt: float = 10.0, eta: float = 2.5, isolation: float = 0.25) -> ak.Array:
    """Muons: by default pT > 10, abs(eta) < 2.5 (the slepton paper's public card), isolation < 0.25 (Delphes' CMS card)."""
    return select_leptons(muons, pt=pt, eta=eta, isolation=isolation)


def select_electrons(
    electrons: ak.Array, *, pt: float = 10.0, eta: float = 2.5, isolation: float = 0.15
) -> ak.Array:
    """Electrons: by default pT > 10, abs(eta) < 2.5, isolation < 0.15."""
    return select_leptons(electrons, pt=pt, eta=eta, isolation=isolation)


def select_taus(taus: ak.Array, *, pt: float = 20.0, eta: float = 2.5) -> ak.Array:
    """Identified hadronic taus with pT > ``pt`` and abs(eta) < ``eta``."""
    return taus[(taus.pt > pt) & (abs(taus.eta) < eta) & taus.identified]


def select_jets(jets: ak.Array, *, pt: float = 20.0, eta: float = 4.5) -> ak.Array:
    """Identified jets with pT > ``pt`` and abs(eta) < ``eta``."""
    return jets[(jets.pt > pt) & (abs(jets.eta) < eta) & jets.identified]


def away_from(objects: ak.Array, others: ak.Array, delta_r: float = 0.4) -> ak.Array:
    """The objects farther than ``delta_r`` from each of the others (overlap removal).

    Parameters
    ----------
    objects, others
        Jagged records with eta and phi, the same number of events.
    delta_r
        Distance sqrt(d eta^2 + d phi^2); an object at exactly this distance stays.

    Returns
    -------
    awkward.Array
        ``objects`` without those that overlap.

    Examples
    --------
    >>> jets = ak.Array([[dict(eta=0.0, phi=3.1), dict(eta=2.0, phi=0.0)]])
    >>> muons = ak.Array([[dict(eta=0.1, phi=-3.1)]])
    >>> away_from(jets, muons).eta.tolist()
    [[2.0]]
    """
    left, right = ak.unzip(
        ak.cartesian(
            [
                ak.zip({"eta": objects.eta, "phi": objects.phi}),
                ak.zip({"eta": others.eta, "phi": others.phi}),
            ],
            nested=True,
        )
    )
    dphi = (left.phi - right.phi + np.pi) % (2 * np.pi) - np.pi
    near = (left.eta - right.eta) ** 2 + dphi**2 < delta_r**2
    return objects[~ak.any(near, axis=-1)]
