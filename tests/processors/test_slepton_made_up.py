"""The topology of made-up events at every threshold, in any order: three forms of it agree."""

from __future__ import annotations

import math
from typing import Any

import awkward as ak
import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from slepton_events import InFileOrder, plain_events, record_array
from slepton_forms import SWITCHES, fused, same, same_as_plain_python, slepton

from massgap.events.event import Event


def number(*xs: float) -> st.SearchStrategy[float]:
    return st.sampled_from([y for x in xs for y in (x, math.nextafter(x, math.inf), math.nextafter(x, 0.0))])


def objects(pt: Any, eta: Any, most: int, **more: Any) -> st.SearchStrategy[list[dict[str, Any]]]:
    phi = st.sampled_from([0.0, 0.3, 1.0, 2.0, 3.1, math.pi, -3.1, -math.pi, -2.0])
    return st.lists(st.fixed_dictionaries({"pt": pt, "eta": eta, "phi": phi, **more}), max_size=most)


lepton_eta = st.sampled_from([0.0, 0.5, -1.0, 2.4, 2.5, -2.5])
sign = st.sampled_from([1, -1])
chunk = st.lists(
    st.fixed_dictionaries(
        {
            "Muon": objects(
                st.one_of(number(10.0), st.sampled_from([20.0, 40.0])),
                lepton_eta,
                4,
                charge=sign,
                pfRelIso04_all=st.one_of(st.just(0.1), number(0.25)),
                mediumId=st.sampled_from([1, 1, 1, 0]),
            ),
            "Electron": objects(
                number(10.0),
                lepton_eta,
                1,
                charge=sign,
                pfRelIso03_all=number(0.15),
                cutBased=st.integers(1, 3),
            ),
            "Jet": objects(
                st.one_of(number(20.0, 30.0), st.sampled_from([35.0, 50.0])),
                st.one_of(lepton_eta, number(2.5, 4.5)),
                4,
                mass=st.just(1.0),
                btagDeepFlavB=number(0.2783),
                jetId=st.sampled_from([6, 6, 6, 4]),
            ),
            "Tau": objects(
                number(20.0), lepton_eta, 1, mass=st.just(1.0), idDeepTau2018v2p5VSjet=st.integers(4, 6)
            ),
            "MET": st.tuples(number(30.0), st.sampled_from([0.0, 3.0])),
        }
    ),
    min_size=1,
    max_size=8,
)
FIELDS = {
    "Muon": ("charge", "pfRelIso04_all", "mediumId"),
    "Electron": ("charge", "pfRelIso03_all", "cutBased"),
    "Jet": ("mass", "btagDeepFlavB", "jetId"),
    "Tau": ("mass", "idDeepTau2018v2p5VSjet"),
}


@settings(max_examples=150)
@given(chunk, st.sets(st.sampled_from(list(SWITCHES))), st.booleans())
def test_made_up_events(events, without, passing) -> None:
    if passing:  # a pair and a jet that pass, so that the later steps are reached as well
        good = {"pfRelIso04_all": 0.0, "mediumId": 1, "eta": 1.0}
        pair = [
            {**good, "pt": 15.0, "phi": 1.5, "charge": 1},
            {**good, "pt": 15.0, "phi": -1.0, "charge": -1},
        ]
        jet = {"pt": 31.0, "eta": -1.0, "phi": 0.0, "mass": 1.0, "btagDeepFlavB": 0.0, "jetId": 6}
        events = [{**e, "Muon": pair, "Jet": [*(j for j in e["Jet"] if j["pt"] < 30), jet]} for e in events]
    columns: dict[str, Any] = {}
    for name, more in FIELDS.items():
        counts = [len(e[name]) for e in events]
        for field in ("pt", "eta", "phi", *more):
            kind = np.int64 if field.endswith(("Id", "charge", "cutBased", "VSjet")) else np.float64
            flat = np.array([x[field] for e in events for x in e[name]], dtype=kind)
            columns[f"{name}_{field}"] = ak.unflatten(flat, counts)
    for k, key in enumerate(("pt", "phi")):
        columns[f"MET_{key}"] = np.array([e["MET"][k] for e in events])
    found = slepton(Event(record_array(columns)), without=sorted(without))
    same(found, fused(InFileOrder(columns), **{SWITCHES[name]: False for name in without}))
    same_as_plain_python(found, plain_events(columns), without=sorted(without))
