"""Missing transverse momentum from reconstructed objects instead of from the whole detector."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.jagged.per_event import PerEvent

if TYPE_CHECKING:
    from massgap.arrays.jagged.collection import Collection

__all__ = ["object_met"]


def object_met(
    muons: Collection,
    electrons: Collection,
    jets: Collection,
    *,
    jet_pt: float = 20.0,
    muon_isolation: float = 0.25,
    electron_isolation: float = 0.15,
    overlap: float = 0.4,
) -> PerEvent:
    """Minus the vector sum of muons, electrons and jets above a threshold in pT.

    So defines the tool of the slepton paper's authors its MET (their MET_000); in Z + jets it is the hadronic
    activity below the threshold that gives MET, not the detector's resolution.  Leptons are the identified,
    isolated ones of any pT: a soft lepton that was left out would itself become missing momentum.  Jets that overlap
    with one of them are the lepton itself and are left out.

    Parameters
    ----------
    muons, electrons
        With pt, eta, phi, isolation and identified.
    jets
        With pt, eta, phi and identified.
    jet_pt
        Threshold of the jets, GeV.
    muon_isolation, electron_isolation
        Largest relative isolation.
    overlap
        Distance within which a jet is taken for the lepton.

    Returns
    -------
    PerEvent
        pt (GeV) and phi (radians), one per event; phi is 0 where there are no objects.

    Examples
    --------
    >>> from massgap.arrays import Collection
    >>> muon = dict(pt=30.0, eta=0.0, phi=0.0, isolation=0.0, identified=True)
    >>> jets = Collection.of([[dict(pt=50.0, eta=1.0, phi=3.0, identified=True)], []])
    >>> met = object_met(Collection.of([[muon], [muon]]), Collection.of([[], []]), jets)
    >>> met.pt.round(2).tolist()
    [20.74, 30.0]
    """
    leptons = [
        found.where(found["identified"].astype(bool) & (found["isolation"] < most))
        for found, most in ((muons, muon_isolation), (electrons, electron_isolation))
    ]
    hard = jets.where((jets["pt"] > jet_pt) & jets["identified"].astype(bool))
    for found in leptons:
        hard = hard.away_from(found, overlap)
    px, py = np.zeros(len(jets)), np.zeros(len(jets))
    for found in (*leptons, hard):
        px -= found.sum(found["pt"] * np.cos(found["phi"]))
        py -= found.sum(found["pt"] * np.sin(found["phi"]))
    return PerEvent({"pt": np.hypot(px, py), "phi": np.arctan2(py, px)}, name="MET of objects")
