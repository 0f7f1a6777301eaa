"""Systematic variations: shifted objects with MET shifted along, and alternative event weights.

An object variation is a function of an :class:`~massgap.events.event.Event` that returns a shifted one;
the selection then runs again on it.  A weight variation changes only the weight, so that the
selection runs once for all of them.
"""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import awkward as ak
import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError
from massgap.events.btag_weights import BTAG_VARIATIONS, btag_weights
from massgap.events.object_shifts import (
    ELECTRON_ENERGY_SCALE,
    JET_ENERGY_SCALE,
    JET_RESOLUTION,
    MUON_MOMENTUM_SCALE,
    UNCLUSTERED_ENERGY,
    scale_electrons,
    scale_jets,
    scale_leptons,
    scale_muons,
    scale_unclustered,
    stretch_jets,
)
from massgap.events.pdf_members import PDF_WEIGHTS, pdf_weights
from massgap.events.weight_places import SHOWER_WEIGHTS, WEIGHT_VARIATIONS, known_lengths, places_of

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.events.event import Event

__all__ = [
    "ABSENT",
    "DUMMY",
    "EMPTY",
    "OBJECT_VARIATIONS",
    "UNTOLD",
    "WEIGHT_VARIATIONS",
    "VariedWeights",
    "known_variations",
    "scale_electrons",
    "scale_jets",
    "scale_leptons",
    "scale_muons",
    "scale_unclustered",
    "stretch_jets",
    "variations_of",
    "varied_weights",
]

_SHIFTS: dict[str, tuple[Callable[[Event, float], Event], float]] = {
    "electron_scale": (scale_electrons, ELECTRON_ENERGY_SCALE),
    "jer": (stretch_jets, JET_RESOLUTION),
    "jes": (scale_jets, JET_ENERGY_SCALE),
    "muon_scale": (scale_muons, MUON_MOMENTUM_SCALE),
    "unclustered": (scale_unclustered, UNCLUSTERED_ENERGY),
}
#: Muons and electrons together, by their own uncertainties.
_LEPTON_SCALE = (MUON_MOMENTUM_SCALE, ELECTRON_ENERGY_SCALE)


def _up_and_down(
    name: str, shift: Callable[[Event, float], Event], size: float
) -> dict[str, Callable[[Event], Event]]:
    return {
        f"{name}_down": lambda event: shift(event, 1.0 - size),
        f"{name}_up": lambda event: shift(event, 1.0 + size),
    }


OBJECT_VARIATIONS: dict[str, dict[str, Callable[[Event], Event]]] = {
    **{name: _up_and_down(name, *shift) for name, shift in _SHIFTS.items()},
    "lepton_scale": {
        "lepton_scale_down": lambda event: scale_leptons(event, *(1.0 - size for size in _LEPTON_SCALE)),
        "lepton_scale_up": lambda event: scale_leptons(event, *(1.0 + size for size in _LEPTON_SCALE)),
    },
}
"""Name of a systematic -> its variations, each a function of events."""

ABSENT = "the branch is not there"
EMPTY = "the list of the event is empty"
DUMMY = "the weights are dummies"
UNTOLD = "the title of the branch names no such weight"


def known_variations() -> tuple[str, ...]:
    """Names of all systematics that can be asked for.

    Examples
    --------
    >>> known_variations()
    ('btag', 'electron_scale', 'fsr', 'isr', 'jer', 'jes', 'lepton_scale', 'mistag', 'muf', 'muon_scale', 'mur', 'pdf', 'unclustered')
    """
    return tuple(sorted({*OBJECT_VARIATIONS, *WEIGHT_VARIATIONS}))


def variations_of(systematic: str) -> tuple[str, ...]:
    """Names of the variations of a systematic.

    Examples
    --------
    >>> variations_of("isr"), variations_of("jes")
    (('isr_up', 'isr_down'), ('jes_down', 'jes_up'))
    """
    if systematic in WEIGHT_VARIATIONS:
        return WEIGHT_VARIATIONS[systematic][1]
    return tuple(OBJECT_VARIATIONS[systematic])


@dataclass(frozen=True)
class VariedWeights:
    """Event weights under the variations of one systematic.

    Attributes
    ----------
    weights
        Variation -> weights, shape (n,).
    nominal
        Why events have no such weights and count as nominal -> how many.
    """

    weights: dict[str, npt.NDArray[np.float64]]
    nominal: dict[str, int] = field(default_factory=dict)


def varied_weights(
    event: Event, name: str, remedy: str = "", pdf_members: str | None = None
) -> VariedWeights:
    """The event weights under the variations of a weight systematic.

    An event without such weights counts as nominal: there is no branch, its list is empty, or holds the dummy that
    NanoAOD writes for samples without them.

    Parameters
    ----------
    event
        The events.
    name
        A key of :data:`WEIGHT_VARIATIONS`.
    remedy
        What to do where the weights cannot be used; a sentence.
    pdf_members
        For ``pdf``, what the metadata of the data set say the members are.

    Raises
    ------
    SelectionError
        If a list has a length that neither NanoAOD nor the title of the branch knows, the weights are not relative to the
        nominal one, or b tags are of another working point than their efficiency.

    Notes
    -----
    See :mod:`massgap.events.weight_places` for what is known of the lists.
    """
    branch, variations = WEIGHT_VARIATIONS[name]
    if len(event) == 0:  # a file without events need not say how it would vary them
        return VariedWeights({} if branch == PDF_WEIGHTS else dict.fromkeys(variations, event.weights), {})
    if branch == PDF_WEIGHTS:
        members = pdf_weights(event, remedy, pdf_members)
        found, without = members if members is not None else ({}, 0)
        why = {ABSENT: len(event)} if members is None else {EMPTY: without} if without else {}
        return VariedWeights(found, why)
    if name in BTAG_VARIATIONS:
        tags = btag_weights(event, name, remedy)
        alike = VariedWeights(dict.fromkeys(variations, event.weights), {ABSENT: len(event)})
        return alike if tags is None else VariedWeights(tags)
    vector = event.weight_vector(branch)
    nominal = event.weights
    if vector is None:
        return VariedWeights(dict.fromkeys(variations, nominal), {ABSENT: len(event)} if len(event) else {})
    told = places_of(branch, event.columns.title("", branch))
    counts = np.asarray(ak.num(vector), dtype=np.int64)
    flat = np.asarray(ak.flatten(vector), dtype=np.float64)
    starts = np.cumsum(counts) - counts
    out = {variation: nominal.copy() for variation in variations}
    lacking: Counter[str] = Counter()
    for length in np.unique(counts).tolist():
        places = told.of(branch, length)
        if places is None:
            raise SelectionError(_unknown(event, branch, length, remedy))
        rows = np.flatnonzero(counts == length)
        if branch == SHOWER_WEIGHTS and told.old and places:
            _require_relative(event, branch, rows, flat[starts[rows, None] + np.arange(length)], remedy)
        if not all(variation in places for variation in variations):
            dummy = told.dummy or (branch == SHOWER_WEIGHTS and length == 1)
            lacking[EMPTY if length == 0 else DUMMY if dummy else UNTOLD] += len(rows)
            continue
        for variation in variations:
            out[variation][rows] = nominal[rows] * flat[starts[rows] + places[variation]]
    return VariedWeights(out, dict(lacking))


def _unknown(event: Event, branch: str, length: int, remedy: str) -> str:
    known = ", ".join(map(str, known_lengths(branch)))
    return (
        f"{event.columns.where or 'the events'}: {branch} has {length} entries, and neither the title of the branch nor NanoAOD says "
        f"which of them is which (known without a title are lists of {known}). {remedy}"
    ).strip()


def _require_relative(
    event: Event, branch: str, rows: npt.NDArray[np.int64], weights: npt.NDArray[np.float64], remedy: str
) -> None:
    """Refuse weights that are relative to another weight than the nominal one.

    NanoAOD up to version 6 divided them by the weight of the matrix element alone (``LHEWeight_originalXWGTUP``): where
    that is another one than the event's, all four are off by the ratio of both.
    """
    original = event.numbers("LHEWeight_originalXWGTUP")
    if original is None:
        return
    with np.errstate(divide="ignore", invalid="ignore"):
        off = np.log(np.abs(event.weights[rows] / original[rows]))
        size = np.mean(np.log(np.abs(weights)), axis=1)
    usable = np.isfinite(off) & np.isfinite(size)
    if not usable.any():
        return
    typical, found = float(np.median(off[usable])), float(np.median(size[usable]))
    if abs(typical) > 0.1 and abs(found - typical) < abs(found):
        msg = (
            f"{event.columns.where or 'the events'}: {branch} is relative to the weight of the matrix element "
            f"(LHEWeight_originalXWGTUP), not to genWeight, as NanoAOD up to version 6 wrote it: all of them are near "
            f"{math.exp(typical):.3g}. {remedy}"
        )
        raise SelectionError(msg.strip())
