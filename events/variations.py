"""Systematic variations: shifted objects with MET shifted along, and alternative event weights.

An object variation is a function of an :class:`~massgap.events.event.Event` that returns a shifted one;
the selection then runs again on it.  A weight variation changes only the weight, so that the
selection runs once for all of them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import awkward as ak
import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError
from massgap.arrays.jagged.per_event import PerEvent
from massgap.events.errors import MissingBranchError
from massgap.events.object_met import object_met

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.arrays.jagged.collection import Collection
    from massgap.events.event import Event

__all__ = [
    "OBJECT_VARIATIONS",
    "WEIGHT_VARIATIONS",
    "known_variations",
    "scale_jets",
    "scale_muons",
    "weight_variation",
]

JET_ENERGY_SCALE = 0.03
"""Relative uncertainty of the jet energy scale where no calibration is given: 3 %, the size that ATLAS and CMS
quote for jets of 30 to 100 GeV with pile-up (CMS JME-13-004, ATLAS 2007.02645)."""

MUON_MOMENTUM_SCALE = 0.002
"""Relative uncertainty of the muon momentum scale: 0.2 % (CMS MUO-16-001)."""


def _shift_met(event: Event, objects: Collection, factor: float) -> PerEvent:
    """MET after all ``objects`` were scaled by ``factor``: what they gain, MET loses."""
    gain = factor - 1.0
    met = event.met
    px = met.pt * np.cos(met.phi) - gain * objects.sum(objects.pt * np.cos(objects.phi))
    py = met.pt * np.sin(met.phi) - gain * objects.sum(objects.pt * np.sin(objects.phi))
    return PerEvent({"pt": np.hypot(px, py), "phi": np.arctan2(py, px)}, name="shifted MET")


def scale_jets(event: Event, factor: float) -> Event:
    """All jets' pT and mass times ``factor``; MET takes up the difference of jets above 15 GeV.

    Parameters
    ----------
    event
        The events.
    factor
        For instance 1.03.

    Returns
    -------
    Event
        New events; the input is unchanged.
    """
    jets = event.jets
    shifted = jets.with_fields(pt=lambda: jets.pt * factor, mass=lambda: jets.mass * factor)
    if event.met_definition == "objects":
        return event.with_(jets=shifted, met=object_met(event.muons, event.electrons, shifted))
    return event.with_(jets=shifted, met=_shift_met(event, jets.where(jets.pt > 15.0), factor))


def scale_muons(event: Event, factor: float) -> Event:
    """All muons' pT times ``factor``, MET shifted along."""
    muons = event.muons
    shifted = muons.with_fields(pt=lambda: muons.pt * factor)
    if event.met_definition == "objects":
        return event.with_(muons=shifted, met=object_met(shifted, event.electrons, event.jets))
    return event.with_(
        muons=shifted,
        met=_shift_met(event, muons.where(muons.identified), factor),
    )


OBJECT_VARIATIONS: dict[str, dict[str, Callable[[Event], Event]]] = {
    "jes": {
        "jes_down": lambda event: scale_jets(event, 1.0 - JET_ENERGY_SCALE),
        "jes_up": lambda event: scale_jets(event, 1.0 + JET_ENERGY_SCALE),
    },
    "muon_scale": {
        "muon_scale_down": lambda event: scale_muons(event, 1.0 - MUON_MOMENTUM_SCALE),
        "muon_scale_up": lambda event: scale_muons(event, 1.0 + MUON_MOMENTUM_SCALE),
    },
}
"""Name of a systematic -> its variations, each a function of events."""

WEIGHT_VARIATIONS: dict[str, tuple[str, dict[str, int]]] = {
    "isr": ("PSWeight", {"isr_up": 0, "isr_down": 2}),
    "fsr": ("PSWeight", {"fsr_up": 1, "fsr_down": 3}),
    "mur": ("LHEScaleWeight", {"mur_up": 7, "mur_down": 1}),
    "muf": ("LHEScaleWeight", {"muf_up": 5, "muf_down": 3}),
}
"""Name of a systematic -> branch and the places of its variations in it.  PSWeight: NanoAOD 7 and later
store ISR x2, FSR x2, ISR x1/2, FSR x1/2.  LHEScaleWeight: nine entries (muR, muF) with muF fastest,
the nominal in the middle."""


def known_variations() -> tuple[str, ...]:
    """Names of all systematics that can be asked for.

    Examples
    --------
    >>> known_variations()
    ('fsr', 'isr', 'jes', 'muf', 'muon_scale', 'mur')
    """
    return tuple(sorted({*OBJECT_VARIATIONS, *WEIGHT_VARIATIONS}))


def weight_variation(event: Event, name: str) -> dict[str, npt.NDArray[np.float64]]:
    """The event weights under the variations of a weight systematic.

    Parameters
    ----------
    event
        The events.
    name
        A key of :data:`WEIGHT_VARIATIONS`.

    Returns
    -------
    dict
        Variation name -> weights, shape (n,).

    Raises
    ------
    MissingBranchError
        If the file has no such weights.
    SelectionError
        If they have another number of entries than NanoAOD's.
    """
    branch, places = WEIGHT_VARIATIONS[name]
    if len(event) == 0:  # a file without events need not say how it would vary them
        return dict.fromkeys(places, event.weights)
    vector = event.weight_vector(branch)
    remedy = f"Leave {name!r} out of the variations for this file."
    if vector is None:
        raise MissingBranchError(branch, event.columns.where, remedy)
    needed = {"PSWeight": (4, 46), "LHEScaleWeight": (9,)}[branch]
    if len(vector) and not ak.all(np.isin(np.asarray(ak.num(vector)), needed)):
        msg = f"{event.columns.where}: {branch} has not {needed[0]} entries in every event. {remedy}"
        raise SelectionError(msg)
    nominal = event.weights
    return {key: nominal * np.asarray(vector[:, i]) for key, i in places.items()}
