"""Weights of the b tag: events reweighted to another efficiency, jet by jet.

Each jet of efficiency e that is tagged counts e'/e, each that is not (1 - e')/(1 - e), where e' is the varied efficiency, and
an event counts the product: method 1a of CMS (BTV), with scale factors of 1. The sum over tagged and untagged is 1 for each
jet, so that the rate of all events stays and that of any number of tags becomes what it is with e'. It works for weights
alone, whatever the analysis does with the tags, but only for the working point that the efficiency is of.

Jets are those of the file with abs(eta) below 2.5 and pT above 20 GeV, where scale factors are measured. The efficiency must
come with each jet: generated samples have it (``Jet_btagEff``), others count as nominal.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError
from massgap.events.formats.taggers import B_TAGGERS

if TYPE_CHECKING:
    from massgap.events.event import Event

__all__ = [
    "BTAG_UNCERTAINTY",
    "BTAG_UNCERTAINTY_HARD",
    "BTAG_VARIATIONS",
    "B_EFFICIENCY",
    "C_FACTOR",
    "MISTAG_UNCERTAINTY",
    "btag_weights",
    "relative_uncertainty",
]

B_EFFICIENCY = "Jet_btagEff"
"""Branch with the probability that each jet is tagged."""

BTAG_UNCERTAINTY, BTAG_UNCERTAINTY_HARD = 0.03, 0.05
"""Relative uncertainty of the efficiency for b jets below 300 GeV and above 500 GeV, linear in between: "a few per cent" from
30 to 300 GeV and "about 5 %" from 500 to 1000 GeV (CMS BTV-16-002, 1712.07158); twice that below 30 and above 1000 GeV, where
it is not measured."""

C_FACTOR = 2.0
"""The uncertainty of c jets over that of b jets of the same pT, with which it is correlated: chosen, as CMS analyses do that have no
scale factor of their own for c jets."""

MISTAG_UNCERTAINTY = 0.10
"""Relative uncertainty of the probability that a light jet is tagged: chosen, of the size that CMS finds for medium working
points (1712.07158)."""

BTAG_VARIATIONS: dict[str, tuple[int, ...]] = {"btag": (5, 4), "mistag": (0,)}
"""Systematic -> hadron flavours of the jets that it varies."""

_PT, _ETA = 20.0, 2.5


def relative_uncertainty(
    flavour: npt.NDArray[np.integer], pt: npt.NDArray[np.floating]
) -> npt.NDArray[np.float64]:
    """Relative uncertainty of the tagging probability of jets of hadron flavour 5, 4 or another.

    Examples
    --------
    >>> import numpy as np
    >>> relative_uncertainty(np.array([5, 5, 5, 4, 0]), np.array([100.0, 400.0, 25.0, 100.0, 100.0])).tolist()
    [0.03, 0.04, 0.06, 0.06, 0.1]
    """
    b = np.interp(pt, (300.0, 500.0), (BTAG_UNCERTAINTY, BTAG_UNCERTAINTY_HARD))
    b = np.where((pt < 30.0) | (pt > 1000.0), 2.0 * b, b)
    return np.where(flavour == 5, b, np.where(flavour == 4, C_FACTOR * b, MISTAG_UNCERTAINTY))


def btag_weights(event: Event, name: str, remedy: str = "") -> dict[str, npt.NDArray[np.float64]] | None:
    """Event weights with the tagging probability of some flavours up and down by its uncertainty.

    Parameters
    ----------
    event
        The events.
    name
        A key of :data:`BTAG_VARIATIONS`.
    remedy
        What to do where the tags are of another working point; a sentence.

    Returns
    -------
    dict or None
        ``NAME_up`` and ``NAME_down``, shape (n,); None where jets have no efficiency.

    Raises
    ------
    SelectionError
        If another tagger or threshold was chosen than the efficiency is of.
    """
    jets = event.jets
    if not {"b_efficiency", "flavour"} <= set(jets.fields):
        return None
    _require_working_point(event, remedy)
    flavour, pt = jets.flavour, jets.pt
    varied = np.isin(flavour, BTAG_VARIATIONS[name]) if name == "btag" else ~np.isin(flavour, (4, 5))
    rows = np.flatnonzero(varied & (pt > _PT) & (np.abs(jets.eta) < _ETA))
    owner = np.repeat(np.arange(len(jets)), jets.counts)[rows]
    efficiency, tagged = jets.b_efficiency[rows].astype(np.float64), jets.b_tagged[rows]
    size = relative_uncertainty(flavour[rows], pt[rows].astype(np.float64))
    out = {}
    for side, sign in (("up", 1.0), ("down", -1.0)):
        changed = np.clip(efficiency * (1.0 + sign * size), 0.0, 1.0)
        new, old = (np.where(tagged, p, 1.0 - p) for p in (changed, efficiency))
        product = np.ones(len(jets))
        # What cannot be has no weight of its own: a tag where the probability is 0.
        np.multiply.at(product, owner, np.where(old > 0.0, new / np.where(old > 0.0, old, 1.0), 1.0))
        out[f"{name}_{side}"] = event.weights * product
    return out


def _require_working_point(event: Event, remedy: str) -> None:
    taggers = event.taggers
    tagger = next(iter(B_TAGGERS))
    other = taggers.b_tagger not in (None, tagger)
    if other or taggers.b_threshold not in (None, B_TAGGERS[tagger]):
        msg = (
            f"{event.columns.where or 'the events'}: {B_EFFICIENCY} is the efficiency of {tagger} above {B_TAGGERS[tagger]}, and another tagger "
            f"or threshold was chosen (--taggers). {remedy}"
        )
        raise SelectionError(msg.strip())
