"""The topology of the slepton analysis in three forms: in the language of massgap, fused by hand, and in plain Python."""

from __future__ import annotations

import importlib
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import pytest
import slepton_reference as reference

from massgap.processors import Slepton

if TYPE_CHECKING:
    from massgap.events.event import Event

FUSED = Path(__file__).parents[2] / "benchmarks" / "fused_topology.py"
SWITCHES = {
    "no_electron": "use_electrons",
    "no_b_jet": "use_b_jets",
    "no_tau": "use_taus",
    "met_30": "use_met",
}


class Found(NamedTuple):
    """Number of steps that each event reached, and momenta of those that pass: leptons, leading jet, and HT."""

    reached: np.ndarray
    events: np.ndarray
    l1: np.ndarray
    l2: np.ndarray
    jet: np.ndarray
    ht: np.ndarray


@cache
def _fused_topology() -> Any:
    if not FUSED.is_file():
        pytest.skip("there is no folder benchmarks beside the tests")
    # Under the name that the benchmarks know it by: the stored machine code, which is shared with them, asks for it.
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(FUSED.parents[1]))
        return importlib.import_module("benchmarks.fused_topology")


def fused(event: Any, **cuts: Any) -> Found:
    """What the loop of the benchmarks finds in the objects of an event, in whatever order they are.

    Parameters
    ----------
    event
        Anything with collections muons, electrons, jets and taus, and met.
    **cuts
        Thresholds and switches of ``benchmarks.fused_topology.Cuts``.
    """
    module = _fused_topology()

    def arrays(name: str, *fields: str) -> tuple[np.ndarray, ...]:
        objects = getattr(event, name)
        return (objects.offsets, *(objects[field] for field in ("pt", "eta", "phi", *fields)))

    n = len(event.met.pt)
    reached, indices, ht = np.zeros(n, np.int8), np.zeros((4, n), np.int64), np.zeros(n)
    *muons, charge = arrays("muons", "isolation", "identified", "charge")
    passed = module.fused_topology(
        (*muons, charge.astype(np.int64)),
        arrays("electrons", "isolation", "identified"),
        arrays("jets", "identified", "b_tagged"),
        arrays("taus", "identified"),
        event.met.pt,
        module.Cuts(**cuts),
        reached,
        indices,
        ht,
    )
    i, l1, l2, jet = indices[:, :passed]

    def momenta(name: str, index: np.ndarray) -> np.ndarray:
        return np.array([getattr(event, name)[field][index] for field in ("pt", "eta", "phi")])

    return Found(reached, i, momenta("muons", l1), momenta("muons", l2), momenta("jets", jet), ht[:passed])


class Passage:
    """Takes note of which events reach which step, and of what is recorded in the end."""

    name = ""

    def __init__(self, event: Event) -> None:
        self.rows = np.arange(len(event))
        self.reached = np.zeros(len(event), dtype=np.int8)
        self.steps: list[str] = []

    def keep(self, event: Event, step: str, mask: Any) -> Event:
        assert len(mask) == len(event) == len(self.rows)
        self.rows = self.rows[np.asarray(mask)]
        self.reached[self.rows] += 1
        self.steps.append(step)
        return event[mask]

    def record(self, event: Event, observables: dict[str, Any]) -> None:
        self.event, self.observables = event, observables


def passage(event: Event, **options: Any) -> Passage:
    out = Passage(event)
    Slepton(**options).select(event, out)
    return out


def slepton(event: Event, **options: Any) -> Found:
    """The steps as the analysis writes them down."""
    flow = passage(event, **options)
    muons, jets = flow.event.muons, flow.event.jets

    def momenta(x: Any) -> np.ndarray:
        return np.array([x.pt, x.eta, x.phi])

    l1, l2, jet = momenta(muons.at(0)), momenta(muons.at(1)), momenta(jets.at(0))
    for name, row in (("l1", l1), ("l2", l2), ("j", jet)):
        np.testing.assert_array_equal(flow.observables[f"pt_{name}"], row[0])
        np.testing.assert_array_equal(flow.observables[f"eta_{name}"], row[1])
    return Found(flow.reached, flow.rows, l1, l2, jet, flow.observables["ht"])


def same(found: Found, true: Found) -> None:
    for name in ("reached", "events", "l1", "l2", "jet"):
        np.testing.assert_array_equal(getattr(found, name), getattr(true, name), err_msg=name)
    # Summed by falling pT, or in the order of the file.
    np.testing.assert_allclose(found.ht, true.ht, rtol=1e-12)


def same_as_plain_python(found: Found, events: list[dict[str, Any]], **options: Any) -> None:
    true = reference.select(events, **options)
    reached = np.zeros(len(events), dtype=np.int8)
    for step, numbers in true.steps.items():
        if step not in ("all events", "z_window", "met", "cos_theta_star"):
            reached[np.array(numbers, dtype=int)] += 1
    assert found.reached.tolist() == reached.tolist()
    assert found.events.tolist() == [row["key"] for row in true.rows]
    for name, momentum in (("l1", found.l1), ("l2", found.l2), ("j", found.jet)):
        for k, key in enumerate(("pt", "eta")):
            assert momentum[k].tolist() == [row[f"{key}_{name}"] for row in true.rows]
    np.testing.assert_allclose(found.ht, [row["ht"] for row in true.rows], rtol=1e-12)
