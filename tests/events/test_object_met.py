"""MET of objects against a plain loop, alone, in events, and under variations."""

from __future__ import annotations

import math
from typing import Any

import awkward as ak
import eventfiles
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.arrays import Collection
from massgap.events.event import Event
from massgap.events.object_met import object_met
from massgap.events.variations import OBJECT_VARIATIONS, scale_jets, scale_muons


def away(x: dict[str, Any], others: list[dict[str, Any]], radius: float) -> bool:
    return all(
        (x["eta"] - o["eta"]) ** 2 + math.remainder(x["phi"] - o["phi"], 2 * math.pi) ** 2 >= radius**2
        for o in others
    )


def true_met(muons, electrons, jets, jet_pt=20.0) -> complex:
    """Minus the sum of identified, isolated leptons and hard jets that do not overlap with one."""
    muons = [x for x in muons if x["identified"] and x["isolation"] < 0.25]
    electrons = [x for x in electrons if x["identified"] and x["isolation"] < 0.15]
    hard = [j for j in jets if j["pt"] > jet_pt and j["identified"] and away(j, muons + electrons, 0.4)]
    return -sum(x["pt"] * complex(math.cos(x["phi"]), math.sin(x["phi"])) for x in muons + electrons + hard)


def vectors(met) -> list[complex]:
    return [complex(p * math.cos(f), p * math.sin(f)) for p, f in zip(met.pt, met.phi, strict=True)]


angle = st.sampled_from([0.0, 0.35, 0.45, 1.0, 3.0, 3.1, -3.1, -2.0])
eta = st.sampled_from([0.0, 0.1, 0.5, -1.5, 3.0])
lepton = st.fixed_dictionaries(
    {
        "pt": st.sampled_from([0.5, 5.0, 12.0, 50.0]),
        "eta": eta,
        "phi": angle,
        "isolation": st.sampled_from([0.0, 0.149, 0.15, 0.2, 0.25, math.inf]),
        "identified": st.booleans(),
    }
)
jet = st.fixed_dictionaries(
    {"pt": st.sampled_from([19.0, 20.0, 20.1, 80.0]), "eta": eta, "phi": angle, "identified": st.booleans()}
)
chunk = st.lists(
    st.tuples(st.lists(lepton, max_size=2), st.lists(lepton, max_size=2), st.lists(jet, max_size=4)),
    max_size=6,
)


@given(chunk, st.sampled_from([20.0, 10.0]))
def test_against_a_plain_loop(events, jet_pt) -> None:
    collections = [Collection.of([event[k] for event in events]) for k in range(3)]
    found = object_met(*collections, jet_pt=jet_pt)
    assert len(found) == len(events)
    for mine, event in zip(vectors(found), events, strict=True):
        assert abs(mine - true_met(*event, jet_pt=jet_pt)) < 1e-9


def test_nothing_in_the_event_is_no_met() -> None:
    empty = Collection.of([[], []])
    found = object_met(empty, empty, empty)
    assert (found.pt.tolist(), abs(found.phi).tolist()) == ([0.0, 0.0], [0.0, 0.0])


@pytest.fixture(scope="module")
def plain():
    return eventfiles.make_events(150, seed=21)


def event_of(plain, met: str = "objects") -> Event:
    return Event(ak.zip(eventfiles.columns(plain, "v12"), depth_limit=1), met=met)


def in_file(plain, *, jets: float = 1.0, muons: float = 1.0) -> list[complex]:
    """The same from the events as they were made, with jets and muons scaled."""

    def objects(xs: list[dict[str, Any]], scale: float, good: str) -> list[dict[str, Any]]:
        single = [{key: float(np.float32(x[key])) for key in ("pt", "eta", "phi")} for x in xs]
        more = [{"isolation": float(np.float32(x.get("iso", 0.0))), "identified": x[good]} for x in xs]
        return [{**s, "pt": s["pt"] * scale, **m} for s, m in zip(single, more, strict=True)]

    return [
        true_met(
            objects(e["muons"], muons, "good"),
            objects(e["electrons"], 1.0, "good"),
            objects(e["jets"], jets, "tight"),
        )
        for e in plain
    ]


def close(found: Event, true: list[complex]) -> None:
    np.testing.assert_allclose(vectors(found.met), true, atol=1e-9)


def test_in_an_event(plain) -> None:
    event = event_of(plain)
    close(event, in_file(plain))
    assert not np.allclose(event.met.pt, event_of(plain, "detector").met.pt)
    # The events hold jets on top of muons, which are not counted twice.
    overlaps = [not away(j, e["muons"], 0.4) for e in plain for j in e["jets"] if j["pt"] > 20 and j["tight"]]
    assert any(overlaps)


def test_selected_objects_do_not_change_it(plain) -> None:
    """MET is of all objects in the file: those that an analysis selects are fewer."""
    true = np.array(in_file(plain))
    chosen = event_of(plain)
    chosen = chosen.with_(muons=chosen.muons.where(chosen.muons.pt > 30), jets=chosen.jets.leading(1))
    close(chosen, list(true))
    mask = np.arange(len(plain)) % 3 == 1
    close(chosen[mask], list(true[mask]))
    close(event_of(plain)[mask], list(true[mask]))
    read_before = event_of(plain)
    read_before.met.pt  # noqa: B018
    close(read_before[mask], list(true[mask]))


def test_scaled_objects_change_it(plain) -> None:
    event = event_of(plain)
    for name, factor in (("jes_up", 1.03), ("jes_down", 0.97)):
        close(OBJECT_VARIATIONS["jes"][name](event), in_file(plain, jets=factor))
    close(scale_muons(event, 1.1), in_file(plain, muons=1.1))
    # More jets are above the threshold: it is no shift of the nominal one along the jets.
    shifted, nominal = np.array(in_file(plain, jets=1.3)), np.array(in_file(plain))
    crossing = [
        any(
            20 / 1.3 < j["pt"] <= 20 and j["tight"] and away(j, e["muons"] + e["electrons"], 0.4)
            for j in e["jets"]
        )
        for e in plain
    ]
    assert np.abs(shifted - nominal)[crossing].max() > 15
    part = scale_jets(event, 1.3)[np.array(crossing)]
    close(part, list(shifted[crossing]))
