"""Preselection of the vbf-electroweakino search (Table I): vetoes, two jets of vector boson fusion, channel."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from massgap.arrays.jagged.collection import Collection
from massgap.arrays.jagged.columns import same_events
from massgap.selections.observables.vbf_pair import JetPair, vbf_pair

__all__ = ["CHANNELS", "Preselection", "channel_names", "electroweakino_preselection"]

CHANNELS = ("none", "1l", "2l", "3l")
"""Names of the channels by number: exactly one, two, three light leptons; 0 is no channel."""


class Preselection(NamedTuple):
    """Counts, pair of jets and channel of each event (NumPy arrays)."""

    n_b: npt.NDArray[np.int64]
    n_tau: npt.NDArray[np.int64]
    n_jets: npt.NDArray[np.int64]
    n_leptons: npt.NDArray[np.int64]
    vbf: JetPair
    passes_vetoes_and_vbf: npt.NDArray[np.bool_]
    channel: npt.NDArray[np.int64]


def electroweakino_preselection(jets: Any, taus: Any, leptons: Any) -> Preselection:
    """Table I of the vbf-electroweakino paper.

    0 b jets with pT > 30 GeV and |eta| < 2.5; 0 hadronic taus with pT > 20 GeV and |eta| < 2.5; >= 2 jets
    with pT > 30 GeV and |eta| < 5, and among them two as in :func:`massgap.selections.observables.vbf_pair.vbf_pair`;
    exactly 1, 2 or 3 electrons and muons with pT > 5 GeV and |eta| < 2.4.  All limits are strict: Table I has
    "eta1 eta2 <= 0" and "|eta| <= 2.4" in places where the text has "<", which is taken here.

    Parameters
    ----------
    jets
        Jets of each event with the fields pt, eta, phi, mass (GeV, radians) and b_tagged (true or false).
    taus
        Hadronic taus with the fields pt and eta.  Whether a tau is among the jets, too, is up to the caller.
    leptons
        Electrons and muons together, with the fields pt and eta.  All three are collections, or anything
        else that :meth:`massgap.arrays.Collection.of` takes.

    Returns
    -------
    Preselection
        n_b, n_tau, n_jets, n_leptons; the pair ``vbf``; whether vetoes and VBF are passed; and the channel,
        which is the number of leptons for events that pass with 1 to 3 of them, else 0
        (:func:`channel_names`).

    Raises
    ------
    SelectionError
        If a field is missing or is not one number per object, or the numbers of events differ.

    Examples
    --------
    >>> def jet(eta): return {"pt": 80.0, "eta": eta, "phi": eta, "mass": 10.0, "b_tagged": False}
    >>> result = electroweakino_preselection([[jet(3.0), jet(-3.0)]], [[]], [[{"pt": 10.0, "eta": 0.3}]])
    >>> bool(result.passes_vetoes_and_vbf[0]), channel_names(result.channel).tolist()
    (True, ['1l'])
    """
    jets, taus = Collection.of(jets, "jets"), Collection.of(taus, "taus")
    leptons = Collection.of(leptons, "leptons")
    same_events(jets=jets, taus=taus, leptons=leptons)
    n_b = jets.count((jets.b_tagged > 0.5) & (jets.pt > 30.0) & (abs(jets.eta) < 2.5))
    n_tau = taus.count((taus.pt > 20.0) & (abs(taus.eta) < 2.5))
    n_jets = jets.count((jets.pt > 30.0) & (abs(jets.eta) < 5.0))
    n_leptons = leptons.count((leptons.pt > 5.0) & (abs(leptons.eta) < 2.4))
    vbf = vbf_pair(jets)
    passes = (n_b == 0) & (n_tau == 0) & (n_jets >= 2) & (vbf.n_candidates > 0)
    channel = np.where(passes & (n_leptons <= 3), n_leptons, 0)
    return Preselection(n_b, n_tau, n_jets, n_leptons, vbf, passes, channel)


def channel_names(channel: npt.NDArray[np.int64]) -> npt.NDArray[np.str_]:
    """The names of channels given by number.

    Parameters
    ----------
    channel
        Numbers as in :class:`Preselection`.

    Returns
    -------
    numpy.ndarray
        "none", "1l", "2l" or "3l".

    Examples
    --------
    >>> channel_names(np.array([2, 0])).tolist()
    ['2l', 'none']
    """
    return np.array(CHANNELS)[channel]
