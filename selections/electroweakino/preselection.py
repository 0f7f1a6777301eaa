"""Preselection of the vbf-electroweakino search (Table I): vetoes, two jets of vector boson fusion, channel."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from massgap.arrays.compiled import compiled
from massgap.arrays.flat import as_flat, same_events
from massgap.selections.observables.vbf_pair import JET_FIELDS, VBF, JetPair, JetPairCuts, jet_pair_kernel

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats
    from massgap.arrays.flat import Offsets

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


@compiled
def count_kernel(objects: Floats, start: int, stop: int, pt_min: float, abs_eta_max: float) -> int:
    """How many objects have pT above and |eta| below the limits."""
    n = 0
    for k in range(start, stop):
        if objects[0, k] > pt_min and abs(objects[1, k]) < abs_eta_max:
            n += 1
    return n


@compiled
def channel_kernel(n_b: int, n_tau: int, n_jets: int, n_candidates: int, n_leptons: int) -> tuple[bool, int]:
    """Whether vetoes and VBF are passed, and the channel: the number of leptons if that is 1, 2 or 3, else 0."""
    passes = n_b == 0 and n_tau == 0 and n_jets >= 2 and n_candidates > 0
    return passes, n_leptons if passes and n_leptons <= 3 else 0


@compiled
def _loop(
    jets: Floats,
    jet_offsets: Offsets,
    taus: Floats,
    tau_offsets: Offsets,
    leptons: Floats,
    lepton_offsets: Offsets,
    cuts: JetPairCuts,
    counts: Offsets,
    passes: npt.NDArray[np.bool_],
    values: Floats,
) -> None:
    for event in range(passes.size):
        start, stop = jet_offsets[event], jet_offsets[event + 1]
        n_b = 0
        for k in range(start, stop):
            if jets[4, k] > 0.5 and jets[0, k] > 30.0 and abs(jets[1, k]) < 2.5:
                n_b += 1
        n_tau = count_kernel(taus, tau_offsets[event], tau_offsets[event + 1], 20.0, 2.5)
        n_jets = count_kernel(jets, start, stop, 30.0, 5.0)
        n_leptons = count_kernel(leptons, lepton_offsets[event], lepton_offsets[event + 1], 5.0, 2.4)
        i, j, mass, deta, pt, n_candidates = jet_pair_kernel(jets, start, stop, cuts)
        passes[event], counts[4, event] = channel_kernel(n_b, n_tau, n_jets, n_candidates, n_leptons)
        counts[0, event], counts[1, event] = n_b, n_tau
        counts[2, event], counts[3, event] = n_jets, n_leptons
        counts[5, event] = i - start if i >= 0 else -1
        counts[6, event] = j - start if j >= 0 else -1
        counts[7, event] = n_candidates
        values[0, event], values[1, event], values[2, event] = mass, deta, pt


def electroweakino_preselection(jets: Any, taus: Any, leptons: Any) -> Preselection:
    """Table I of the vbf-electroweakino paper in one pass.

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
        Electrons and muons together, with the fields pt and eta.  All three are awkward arrays of records, or
        anything else that :func:`massgap.arrays.flat.as_flat` takes.

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
    flat_jets = as_flat("jets", jets, (*JET_FIELDS, "b_tagged"))
    flat_taus = as_flat("taus", taus, ("pt", "eta"))
    flat_leptons = as_flat("leptons", leptons, ("pt", "eta"))
    n_events = same_events(
        jets=len(flat_jets.offsets) - 1,
        taus=len(flat_taus.offsets) - 1,
        leptons=len(flat_leptons.offsets) - 1,
    )
    counts = np.empty((8, n_events), np.int64)
    passes = np.empty(n_events, bool)
    values = np.empty((3, n_events))
    _loop(*flat_jets, *flat_taus, *flat_leptons, VBF, counts, passes, values)
    n_b, n_tau, n_jets, n_leptons, channel, i, j, n_candidates = counts
    mass, deta, pt = values
    pair = JetPair(i, j, mass, deta, pt, n_candidates)
    return Preselection(n_b, n_tau, n_jets, n_leptons, pair, passes, channel)


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
