from __future__ import annotations

import math

import awkward as ak
import numpy as np
import pytest
import vector
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.arrays import PerEvent
from massgap.arrays.errors import SelectionError
from massgap.selections.observables.mt2.mt2 import mt2
from massgap.selections.smuon.cuts import CUTFLOW, VETOES
from massgap.selections.smuon.features import (
    FEATURE_NAMES,
    FEATURES,
    LOW_LEVEL,
    NULL,
    fill_undefined,
    smuon_features,
)

MUON = 0.1056583755


def item(pt, eta, phi, mass=0.0, charge=1):
    return {"pt": pt, "eta": eta, "phi": phi, "mass": mass, "charge": charge}


def muon(pt, eta, phi, charge):
    return item(pt, eta, phi, MUON, charge)


def one(electrons, muons, jets, met=130.0, phi_met=-1.2):
    """One event: features, cutflow, vetoes as plain numbers."""
    events = smuon_features([electrons], [muons], [jets], PerEvent({"pt": [met], "phi": [phi_met]}))
    return tuple({name: values[0] for name, values in part.items()} for part in events)


PAIR = [muon(80.0, 0.5, 0.3, 1), muon(60.0, -0.5, 2.9, -1)]


def test_table_ii_has_21_6_and_10_features():
    assert len(FEATURES) == len(set(FEATURE_NAMES)) == 37
    assert len(LOW_LEVEL) == 21
    assert FEATURE_NAMES[21:27] == ("m_mumu", "m_ct", "m_t2", "met", "phi_met", "ht")
    assert FEATURE_NAMES[-1] == "pt_mu2_over_ht"
    for feature in FEATURES:
        assert feature.low < feature.high
        assert feature.bins > 0
        assert feature.unit in ("", "GeV", "rad")


objects = st.lists(
    st.builds(
        item,
        st.floats(8, 400),
        st.floats(-2.4, 2.4),
        st.floats(-3.1, 3.1),
        st.floats(0, 20),
        st.sampled_from([-1, 1]),
    ),
    max_size=4,
)


@settings(deadline=None, max_examples=60)
@given(objects, objects, objects, st.floats(1, 500), st.floats(-3.1, 3.1))
def test_against_vector(electrons, muons, jets, met, phi_met):
    got, cutflow, vetoes = one(electrons, muons, jets, met, phi_met)
    kinematics = ("pt", "eta", "phi", "mass")
    leading = {}
    for name, given_as in (("e", electrons), ("mu", muons), ("j", jets)):
        ordered = sorted(given_as, key=lambda entry: -entry["pt"])
        assert got[f"n_{name}"] == len(given_as)
        for k in (1, 2):
            entry = ordered[k - 1] if len(ordered) >= k else dict.fromkeys(kinematics, math.nan)
            leading[f"{name}{k}"] = entry
            for quantity in ("pt", "eta", "phi"):
                assert got[f"{quantity}_{name}{k}"] == pytest.approx(entry[quantity], nan_ok=True)
    ht = sum(entry["pt"] for entry in jets)
    assert got["ht"] == pytest.approx(ht)
    one_mu, two_mu = leading["mu1"], leading["mu2"]
    st_sum = one_mu["pt"] + two_mu["pt"]
    values = {"pt_mu1": one_mu["pt"], "pt_mu2": two_mu["pt"], "st": st_sum}
    for name, value in values.items():
        for to, hadrons in (("ht", ht or math.nan), ("pt_j1", leading["j1"]["pt"])):
            assert got[f"{name}_over_{to}"] == pytest.approx(value / hadrons, nan_ok=True)
    if len(muons) < 2:
        pair = ("m_mumu", "m_ct", "m_t2", "st", "abs_deta_mumu", "abs_dphi_mumu", "pt_mu1_over_pt_mu2")
        assert all(math.isnan(got[name]) for name in pair)
        assert not cutflow["two_muons"]
        return
    a, b = (vector.obj(**{k: entry[k] for k in kinematics}) for entry in (one_mu, two_mu))
    miss = vector.obj(pt=met, phi=phi_met)
    size = 1e-7 * (a.E + b.E)
    assert got["m_mumu"] == pytest.approx((a + b).mass, abs=size + 1e-3)
    ct2 = (transverse(a) + transverse(b)) ** 2 - (a.px - b.px) ** 2 - (a.py - b.py) ** 2
    assert got["m_ct"] == pytest.approx(math.sqrt(max(ct2, 0.0)), abs=size + 1e-3)
    expected = mt2(a.mass, a.px, a.py, b.mass, b.px, b.py, miss.px, miss.py, 0.0, 0.0)
    assert got["m_t2"] == pytest.approx(float(expected), rel=1e-6, abs=1e-4)
    assert got["abs_dphi_mumu"] == pytest.approx(abs(a.deltaphi(b)), abs=1e-12)
    assert got["abs_deta_mumu"] == pytest.approx(abs(a.eta - b.eta), abs=1e-12)
    cuts = (
        met > 100,
        True,
        one_mu["charge"] * two_mu["charge"] < 0,
        got["m_mumu"] > 20 and abs(got["m_mumu"] - 91.1876) > 15,
        got["m_t2"] > 90,
        a.pt > 50 and b.pt > 20,
    )
    assert [bool(cutflow[name]) for name in CUTFLOW] == [all(cuts[: k + 1]) for k in range(6)]
    jet_pt = leading["j1"]["pt"] if jets else 0.0
    kept = (
        jet_pt <= 25,
        jet_pt <= a.pt,
        ht <= a.pt,
        jet_pt <= st_sum,
        ht <= st_sum,
        jet_pt <= b.pt,
        ht <= b.pt,
    )
    assert [bool(vetoes[name]) for name in VETOES] == list(kept)


def transverse(x):
    return math.hypot(x.mass, x.pt)


@settings(deadline=None, max_examples=40)
@given(objects, objects, st.randoms(use_true_random=False))
def test_order_does_not_matter(muons, jets, random):
    before = one([], muons, jets)
    random.shuffle(muons)
    random.shuffle(jets)
    after = one([], muons, jets)
    if len({entry["pt"] for entry in muons + jets}) == len(muons + jets):
        for a, b in zip(before, after, strict=True):
            np.testing.assert_allclose(list(a.values()), list(b.values()), rtol=1e-13)


@settings(deadline=None, max_examples=40)
@given(objects, objects, st.floats(-3, 3), st.floats(-2, 2))
def test_rotations_and_boosts_along_the_beam(muons, jets, turn, shift):
    muons, jets = [[{**entry, "mass": 0.0} for entry in given_as] for given_as in (muons, jets)]
    moved = [
        [{**entry, "phi": entry["phi"] + turn, "eta": entry["eta"] + shift} for entry in given_as]
        for given_as in (muons, jets)
    ]
    before, after = one([], muons, jets)[0], one([], *moved, phi_met=-1.2 + turn)[0]
    for name in FEATURE_NAMES[21:]:
        if name != "phi_met":
            assert after[name] == pytest.approx(before[name], rel=1e-6, abs=1e-4, nan_ok=True), name


def test_undefined_and_filled():
    features, _, vetoes = one([], PAIR, [])
    undefined = {name for name, value in features.items() if math.isnan(value)}
    jets = {name for name in FEATURE_NAMES if "j1" in name or "j2" in name or name.endswith("_over_ht")}
    electrons = {name for name in FEATURE_NAMES if name.endswith(("_e1", "_e2"))}
    assert undefined == jets | electrons
    assert all(vetoes.values())
    filled = fill_undefined({name: np.array([value]) for name, value in features.items()}, names=LOW_LEVEL)
    assert filled["pt_j1"][0] == filled["phi_e2"][0] == NULL == -10000.0
    assert math.isnan(filled["st_over_ht"][0])
    assert math.isnan(features["pt_j1"])
    everything = fill_undefined({name: np.array([value]) for name, value in features.items()}, -1.0)
    assert not any(np.isnan(values).any() for values in everything.values())
    with pytest.raises(SelectionError, match="no feature pt_x"):
        fill_undefined({"pt": np.zeros(1)}, names=("pt_x",))


def test_met_without_direction():
    features, cutflow, _ = one([], PAIR, [], 0.0, 1.0)
    assert math.isnan(features["phi_met"])
    assert features["m_t2"] >= 0.0
    assert not cutflow["basic"]
    assert one([], PAIR, [], 100.0)[1]["basic"] == np.False_
    assert one([], PAIR, [], 10.0, -math.pi)[0]["phi_met"] == math.pi
    assert one([], PAIR, [], 10.0, 4.0)[0]["phi_met"] == pytest.approx(4.0 - 2 * math.pi)


def test_equal_pt_keep_their_order():
    muons = [muon(50.0, 1.0, 0.0, 1), muon(50.0, 2.0, 1.0, -1), muon(50.0, 3.0, 2.0, -1)]
    features = one([], muons, [])[0]
    assert (features["eta_mu1"], features["eta_mu2"]) == (1.0, 2.0)


def test_events_of_different_sizes_and_no_events():
    muons = ak.Array([PAIR, [], PAIR[:1], PAIR])
    nothing = ak.Array([[], [], [], []])
    events = smuon_features(
        nothing, muons, nothing, PerEvent({"pt": np.full(4, 130.0), "phi": np.full(4, -1.2)})
    )
    np.testing.assert_allclose(
        events.features["m_t2"], [67.48963778145736, np.nan, np.nan, 67.48963778145736]
    )
    assert events.cutflow["two_muons"].tolist() == [True, False, False, True]
    assert len(smuon_features([], [], [], PerEvent({"pt": [], "phi": []})).features["met"]) == 0
    with pytest.raises(SelectionError, match="numbers of events differ"):
        smuon_features(nothing, muons, nothing, PerEvent({"pt": [1.0], "phi": [1.0]}))
