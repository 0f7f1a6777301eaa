"""Shifted objects: energy scales, jet resolution, unclustered energy, each with MET shifted along."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.jagged.per_event import PerEvent
from massgap.events.object_met import object_met

if TYPE_CHECKING:
    import numpy.typing as npt

    from massgap.arrays.jagged.collection import Collection
    from massgap.events.event import Event

__all__ = [
    "ELECTRON_ENERGY_SCALE",
    "JET_ENERGY_SCALE",
    "JET_RESOLUTION",
    "MUON_MOMENTUM_SCALE",
    "UNCLUSTERED_ENERGY",
    "scale_electrons",
    "scale_jets",
    "scale_leptons",
    "scale_muons",
    "scale_unclustered",
    "stretch_jets",
]

JET_ENERGY_SCALE = 0.03
"""Relative uncertainty of the jet energy scale where no calibration is given: 3 %, the size that ATLAS and CMS
quote for jets of 30 to 100 GeV with pile-up (CMS JME-13-004, ATLAS 2007.02645)."""

MUON_MOMENTUM_SCALE = 0.002
"""Relative uncertainty of the muon momentum scale: 0.2 % (CMS MUO-16-001)."""

ELECTRON_ENERGY_SCALE = 0.003
"""Relative uncertainty of the electron energy scale: 0.3 %, the larger of what CMS quotes for barrel and endcaps (2012.06888)."""

JET_RESOLUTION = 0.10
"""Relative uncertainty of the jet resolution: 10 %, the size that CMS quotes up to abs(eta) 2.5 (1607.03663)."""

UNCLUSTERED_ENERGY = 0.10
"""Relative uncertainty of what is in no lepton and no jet above 15 GeV: 10 % (CMS 1411.0511)."""

_JET_PT = 15.0
#: Distances within which a generated jet is that of a jet, and a jet is the lepton itself.
_MATCH, _OVERLAP = 0.2, 0.4


def _components(
    pt: npt.NDArray[np.float64], phi: npt.NDArray[np.float64]
) -> tuple[npt.NDArray[np.float64], ...]:
    return pt * np.cos(phi), pt * np.sin(phi)


def _met_without(event: Event, *gains: tuple[Collection, npt.NDArray[np.float64] | float]) -> PerEvent:
    """MET after some objects have gained these parts of their pT: what they gain, MET loses."""
    px, py = _components(event.met.pt, event.met.phi)
    for objects, gain in gains:
        x, y = _components(objects.pt, objects.phi)
        px, py = px - objects.sum(gain * x), py - objects.sum(gain * y)
    return PerEvent({"pt": np.hypot(px, py), "phi": np.arctan2(py, px)}, name="shifted MET")


def _with_jets(event: Event, shifted: Collection, gain: npt.NDArray[np.float64]) -> Event:
    """The events with other jets, MET shifted along; ``gain`` is what each has gained of its pT."""
    if event.met_definition == "objects":
        return event.with_(jets=shifted, met=object_met(event.muons, event.electrons, shifted))
    hard = np.where(event.jets.pt > _JET_PT, gain, 0.0)
    return event.with_(jets=shifted, met=_met_without(event, (event.jets, hard)))


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
    return event.with_(jets=shifted, met=_met_without(event, (jets.where(jets.pt > _JET_PT), factor - 1.0)))


def stretch_jets(event: Event, factor: float) -> Event:
    """The difference between each jet's pT and that of its generated jet times ``factor``: a better or worse resolution.

    A jet without a generated one within 0.2 stays as it is. MET takes up the difference of jets above 15 GeV.

    Parameters
    ----------
    event
        The events; they need ``gen_jets``.
    factor
        For instance 1.1.
    """
    jets, truth = event.jets, event["gen_jets"]
    near = jets.closest_to(truth)
    matched = near.delta_r < _MATCH
    true_pt = jets.pt.astype(np.float64)
    true_pt[matched] = truth.pt[near.index[matched]]
    # a jet far below its generated one would end up below nothing
    pt = np.maximum(true_pt + factor * (jets.pt - true_pt), 1e-3)
    ratio = pt / jets.pt
    return _with_jets(event, jets.with_fields(pt=pt, mass=lambda: jets.mass * ratio), ratio - 1.0)


def scale_leptons(
    event: Event,
    muon_factor: float = 1.0 + MUON_MOMENTUM_SCALE,
    electron_factor: float = 1.0 + ELECTRON_ENERGY_SCALE,
) -> Event:
    """All muons' and electrons' pT times their factors, MET shifted along by identified ones."""
    muons, electrons = event.muons, event.electrons
    found = {}
    for name, objects, factor in (("muons", muons, muon_factor), ("electrons", electrons, electron_factor)):
        if factor != 1.0:
            found[name] = objects.with_fields(pt=lambda objects=objects, factor=factor: objects.pt * factor)
    if event.met_definition == "objects":
        met = object_met(found.get("muons", muons), found.get("electrons", electrons), event.jets)
    else:
        met = _met_without(
            event,
            *(
                (objects.where(objects.identified), factor - 1.0)
                for objects, factor in ((muons, muon_factor), (electrons, electron_factor))
                if factor != 1.0
            ),
        )
    return event.with_(met=met, **found)


def scale_muons(event: Event, factor: float) -> Event:
    """All muons' pT times ``factor``, MET shifted along."""
    return scale_leptons(event, factor, 1.0)


def scale_electrons(event: Event, factor: float) -> Event:
    """All electrons' pT times ``factor``, MET shifted along."""
    return scale_leptons(event, 1.0, factor)


def scale_unclustered(event: Event, factor: float) -> Event:
    """What is in no identified lepton and no jet above 15 GeV times ``factor``, which only MET sees.

    A jet within 0.4 of an identified lepton is that lepton. A MET of objects has no such part and stays as it is.
    """
    if event.met_definition == "objects":
        return event
    leptons = [objects.where(objects.identified) for objects in (event.muons, event.electrons)]
    jets = event.jets.where(event.jets.pt > _JET_PT)
    for objects in leptons:
        jets = jets.away_from(objects, _OVERLAP)
    # MET = -(objects + rest): the gain of the rest is (factor - 1) of -(MET + objects)
    px, py = _components(event.met.pt, event.met.phi)
    rest_x, rest_y = -px, -py
    for objects in (*leptons, jets):
        x, y = _components(objects.pt, objects.phi)
        rest_x, rest_y = rest_x - objects.sum(x), rest_y - objects.sum(y)
    px, py = px - (factor - 1.0) * rest_x, py - (factor - 1.0) * rest_y
    met = PerEvent({"pt": np.hypot(px, py), "phi": np.arctan2(py, px)}, name="shifted MET")
    return event.with_(met=met)
