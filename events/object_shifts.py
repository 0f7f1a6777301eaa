"""Shifted objects: energy scales, jet resolution, unclustered energy, each with MET shifted along."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.arrays.jagged.per_event import PerEvent
from massgap.events.object_met import object_met

if TYPE_CHECKING:
    from collections.abc import Callable

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


def _scaled(objects: Collection, factor: float, *fields: str) -> Collection:
    """Objects with some fields scaled; pT all alike, so that their order is as before."""
    found = objects.in_any_order()

    def times(field: str) -> Callable[[], npt.NDArray[np.float64]]:
        return lambda: found[field] * factor

    scaled: Collection = found.with_fields(**{field: times(field) for field in fields})
    return scaled if found is objects else scaled.by_pt()


# MET is computed when it is asked for, of the events that are left then: of one in ten after the cuts of a search.


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
    moved = event.with_later(met=lambda some: _met_with_scaled_jets(some, factor))
    return moved.with_(jets=_scaled(event.jets, factor, "pt", "mass"))


def _met_with_scaled_jets(event: Event, factor: float) -> PerEvent:
    jets = event.jets
    if event.met_definition == "objects":
        return object_met(event.muons, event.electrons, _scaled(jets, factor, "pt", "mass"))
    return _met_without(event, (jets.where(jets.pt > _JET_PT), factor - 1.0))


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
    moved = event.with_later(met=lambda some: _met_with_stretched_jets(some, factor))
    # each by its own factor: another one may be the leading jet now
    return moved.with_(jets=_stretched(event, factor)[0].by_pt())


def _met_with_stretched_jets(event: Event, factor: float) -> PerEvent:
    shifted, gain = _stretched(event, factor)
    if event.met_definition == "objects":
        return object_met(event.muons, event.electrons, shifted)
    return _met_without(event, (event.jets, np.where(event.jets.pt > _JET_PT, gain, 0.0)))


def _stretched(event: Event, factor: float) -> tuple[Collection, npt.NDArray[np.float64]]:
    """The jets, and what each has gained of its pT."""
    jets, truth = event.jets, event["gen_jets"]
    near = jets.closest_to(truth)
    matched = near.delta_r < _MATCH
    true_pt = jets.pt.astype(np.float64)
    true_pt[matched] = truth.pt[near.index[matched]]
    # a jet far below its generated one would end up below nothing
    pt = np.maximum(true_pt + factor * (jets.pt - true_pt), 1e-3)
    ratio = pt / jets.pt
    return jets.with_fields(pt=pt, mass=lambda: jets.mass * ratio), ratio - 1.0


def scale_leptons(
    event: Event,
    muon_factor: float = 1.0 + MUON_MOMENTUM_SCALE,
    electron_factor: float = 1.0 + ELECTRON_ENERGY_SCALE,
) -> Event:
    """All muons' and electrons' pT times their factors, MET shifted along by identified ones."""
    factors = {
        name: factor
        for name, factor in (("muons", muon_factor), ("electrons", electron_factor))
        if factor != 1.0
    }
    moved = event.with_later(met=lambda some: _met_with_leptons(some, factors))
    return moved.with_(**{name: _scaled(event[name], factor, "pt") for name, factor in factors.items()})


def _met_with_leptons(event: Event, factors: dict[str, float]) -> PerEvent:
    if event.met_definition == "objects":
        muons, electrons = (
            _scaled(event[name], factors[name], "pt") if name in factors else event[name]
            for name in ("muons", "electrons")
        )
        return object_met(muons, electrons, event.jets)
    identified = {name: event[name].where(event[name].identified) for name in factors}
    return _met_without(event, *((identified[name], factor - 1.0) for name, factor in factors.items()))


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
    return event.with_later(met=lambda some: _met_with_unclustered(some, factor))


def _met_with_unclustered(event: Event, factor: float) -> PerEvent:
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
    return PerEvent({"pt": np.hypot(px, py), "phi": np.arctan2(py, px)}, name="shifted MET")
