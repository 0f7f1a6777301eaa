"""The topology of the slepton analysis against a hand-fused loop, and against a loop in plain Python."""

from __future__ import annotations

import itertools
import math
from typing import Any

import awkward as ak
import numpy as np
import pytest
import slepton_reference as reference
from slepton_events import InFileOrder, N, as_double, nasty, plain_events, record_array
from slepton_forms import SWITCHES, Found, fused, same, same_as_plain_python, slepton

from massgap.events.errors import MissingBranchError
from massgap.events.event import Event
from massgap.events.variations import OBJECT_VARIATIONS
from massgap.processors import Slepton


@pytest.fixture(scope="module")
def columns() -> dict[str, Any]:
    return nasty(1)


@pytest.fixture(scope="module")
def plain(columns) -> list[dict[str, Any]]:
    return plain_events(columns)


@pytest.mark.parametrize("on", list(itertools.product([True, False], repeat=4)))
def test_every_combination_of_steps(columns, plain, on) -> None:
    without = [name for name, is_on in zip(SWITCHES, on, strict=True) if not is_on]
    found = slepton(Event(record_array(columns)), without=without)
    same(found, fused(InFileOrder(columns), **dict(zip(SWITCHES.values(), on, strict=True))))
    same_as_plain_python(found, plain, without=without)
    # Single precision turns into double without a loss: not one bit is different.
    double = slepton(Event(record_array(as_double(columns))), without=without)
    for a, b in zip(found, double, strict=True):
        assert a.tobytes() == b.tobytes()
    # The cutflow of the whole processor counts the same events.
    tally = Slepton(without=without).process(record_array(columns))["tally"]
    rows = tally.result()["cutflow"]["processes"]["events"][1 : 3 + sum(on)]
    assert [row["raw"] for row in rows] == [int((found.reached >= k + 1).sum()) for k in range(len(rows))]
    # The test is one only if all ways of failing occur.
    steps = 2 + sum(on)
    assert np.bincount(found.reached, minlength=steps + 1).min() > 40
    assert len(found.events) > 300


@pytest.mark.parametrize(
    "options",
    [
        {"muon_pt": 25.0, "jet_pt": 30.0, "hard_jet_pt": 50.0, "topology_met": 80.0},
        # A hard jet below the threshold of jets is none.
        {"jet_pt": 40.0, "hard_jet_pt": 30.0},
    ],
)
def test_other_thresholds(columns, plain, options) -> None:
    found = slepton(Event(record_array(columns)), **options)
    cuts = {name.replace("topology_met", "met"): value for name, value in options.items()}
    same(found, fused(InFileOrder(columns), **cuts))
    same_as_plain_python(found, plain, **options)
    assert len(found.events) > 15


def test_replaced_collections_and_cut_events(columns) -> None:
    event = Event(record_array(columns))
    whole = slepton(event)
    records = {name: getattr(event, name).awkward for name in ("muons", "jets", "electrons")}
    backwards = {name: x[:, ::-1] for name, x in records.items()}
    for replaced in (event.with_(jets=event.jets, muons=event.muons), event.with_(**records)):
        same(slepton(replaced), whole)
    # Objects of equal pT change places when the order is turned round, which the counts do not see.
    assert slepton(event.with_(**backwards)).reached.tolist() == whole.reached.tolist()
    mask = np.arange(N) % 3 == 0
    assert slepton(event[mask]).reached.tolist() == whole.reached[mask].tolist()


@pytest.mark.parametrize("variation", ["jes_up", "jes_down", "muon_scale_up", "muon_scale_down"])
def test_shifted_objects(columns, variation) -> None:
    event = Event(record_array(columns))
    shift = {**OBJECT_VARIATIONS["jes"], **OBJECT_VARIATIONS["muon_scale"]}[variation]
    found = slepton(shift(event))
    same(found, fused(shift(event)))
    assert 0 < (found.reached != slepton(event).reached).sum() < N / 2


def test_shifted_jets_against_plain_python(columns, plain) -> None:
    found = slepton(OBJECT_VARIATIONS["jes"]["jes_up"](Event(record_array(columns))))
    same_as_plain_python(found, [reference.scaled(e, 1.03) for e in plain])


def one(**change: Any) -> Found:
    """One event in double precision that passes everything, changed."""
    given: dict[str, Any] = {
        "Muon_pt": [50.0, 40.0],
        "Muon_eta": [0.0, 1.5],
        "Muon_phi": [0.0, 2.0],
        "Muon_charge": [1, -1],
        "Muon_pfRelIso04_all": [0.0, 0.0],
        "Muon_mediumId": [True, True],
        **{f"Electron_{f}": [] for f in ("pt", "eta", "phi", "charge", "pfRelIso03_all", "cutBased")},
        "Jet_pt": [60.0],
        "Jet_eta": [-1.0],
        "Jet_phi": [-2.0],
        "Jet_mass": [5.0],
        "Jet_btagDeepFlavB": [0.0],
        "Jet_jetId": [6],
        **{f"Tau_{f}": [] for f in ("pt", "eta", "phi", "idDeepTau2018v2p5VSjet")},
        "MET_pt": 31.0,
        "MET_phi": 0.0,
        "run": 1,
    } | change
    columns = {
        k: ak.values_astype(ak.Array([v]), np.float64 if not k.endswith("Id") else np.int64)
        for k, v in given.items()
    }
    return slepton(Event(record_array(columns)))


UP, DOWN = math.inf, -math.inf


@pytest.mark.parametrize(
    ("change", "steps"),
    [
        ({}, 6),
        ({"Muon_pt": [50.0, 10.0]}, 0),
        ({"Muon_pt": [50.0, math.nextafter(10.0, UP)]}, 6),
        ({"Muon_eta": [0.0, 2.5]}, 0),
        ({"Muon_eta": [0.0, -2.5]}, 0),
        ({"Muon_eta": [0.0, math.nextafter(-2.5, 0)]}, 6),
        ({"Muon_pfRelIso04_all": [0.0, 0.25]}, 0),
        ({"Muon_pfRelIso04_all": [0.0, math.nextafter(0.25, 0)]}, 6),
        ({"Muon_pfRelIso04_all": [0.0, math.inf]}, 0),
        ({"Muon_charge": [1, 1]}, 0),
        ({"Muon_mediumId": [True, False]}, 0),
        ({"Jet_pt": [30.0]}, 2),
        ({"Jet_pt": [math.nextafter(30.0, UP)]}, 6),
        ({"Jet_eta": [2.5]}, 2),
        ({"Jet_eta": [-2.5]}, 2),
        ({"Jet_eta": [math.nextafter(2.5, 0)]}, 6),
        ({"Jet_jetId": [4]}, 2),
        ({"Jet_btagDeepFlavB": [0.2783]}, 6),
        ({"Jet_btagDeepFlavB": [math.nextafter(0.2783, UP)]}, 3),
        ({"Jet_btagDeepFlavB": [math.nan]}, 6),
        ({"MET_pt": 30.0}, 5),
        ({"MET_pt": math.nextafter(30.0, UP)}, 6),
        # The jet at a distance of exactly 0.4 from a muon stays, and goes when it is closer.
        ({"Jet_eta": [0.4], "Jet_phi": [0.0]}, 6),
        ({"Jet_eta": [math.nextafter(0.4, 0)], "Jet_phi": [0.0]}, 2),
        ({"Jet_eta": [0.0], "Jet_phi": [-0.4]}, 6),
        ({"Jet_eta": [0.0], "Jet_phi": [-0.39999]}, 2),
        # Across the seam of phi.
        ({"Muon_phi": [math.pi, 2.0], "Jet_phi": [-math.pi], "Jet_eta": [0.1]}, 2),
        ({"Muon_phi": [3.1, 2.0], "Jet_phi": [-3.1], "Jet_eta": [0.0]}, 2),
        ({"Muon_phi": [6.2, 2.0], "Jet_phi": [0.1], "Jet_eta": [0.0]}, 2),
    ],
)
def test_thresholds_exactly_hit(change, steps) -> None:
    found = one(**change)
    assert found.reached.tolist() == [steps]
    assert found.events.tolist() == ([0] if steps == 6 else [])


@pytest.mark.parametrize(
    ("pt", "expected"), [([50.0, 50.0], (0, 1)), ([40.0, 50.0], (1, 0)), ([50.0, 40.0], (0, 1))]
)
def test_equal_muons_stay_in_the_order_of_the_file(pt, expected) -> None:
    found = one(Muon_pt=pt)
    # Their azimuths tell them apart.
    assert [found.l1[2, 0], found.l2[2, 0]] == [[0.0, 2.0][k] for k in expected]


def test_soft_jets_count_in_ht_and_for_the_b_veto_only() -> None:
    jets = {
        "Jet_pt": [25.0, 60.0, 22.0],
        "Jet_phi": [-2.0, -2.5, 1.0],
        "Jet_jetId": [6, 6, 6],
        "Jet_mass": [5.0] * 3,
    }
    found = one(**jets, Jet_eta=[-1.0, 1.0, 4.4], Jet_btagDeepFlavB=[0.0, 0.0, 0.9])
    assert (found.reached[0], found.jet[0, 0], found.ht[0]) == (6, 60.0, 107.0)
    assert one(**jets, Jet_eta=[-1.0, 1.0, 2.4], Jet_btagDeepFlavB=[0.0, 0.0, 0.9]).reached[0] == 3


def test_no_events(columns) -> None:
    found = slepton(Event(record_array({k: v[:0] for k, v in columns.items()})))
    assert [x.shape[-1] for x in found] == [0] * 6


def test_a_file_without_taus(columns) -> None:
    event = Event(record_array({k: v[:100] for k, v in columns.items() if not k.startswith("Tau_")}))
    assert len(slepton(event, without=["no_tau"]).reached) == 100
    with pytest.raises(MissingBranchError, match=r"Tau_pt.*--without no_tau"):
        slepton(event)
