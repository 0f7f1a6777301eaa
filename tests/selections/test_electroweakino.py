"""Preselection, features, identification curves and interference of the vbf-electroweakino search."""

from __future__ import annotations

import math

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.arrays.errors import SelectionError
from massgap.selections.electroweakino.features import (
    FEATURE_NAMES,
    FEATURES_OF_CHANNEL,
    electroweakino_features,
)
from massgap.selections.electroweakino.interference import expected_events, relative_kinematic_interference
from massgap.selections.electroweakino.lepton_identification import (
    lepton_efficiency,
    lepton_misidentification,
)
from massgap.selections.electroweakino.preselection import channel_names, electroweakino_preselection
from massgap.selections.observables.vbf_pair import largest_mass_pair, vbf_pair


def jet(pt, eta, phi=0.0, b_tagged=False):
    return {"pt": pt, "eta": eta, "phi": phi, "mass": 10.0, "b_tagged": b_tagged}


def soft(pt, eta=0.0):
    return {"pt": pt, "eta": eta}


VBF = [jet(80.0, 3.0), jet(70.0, -3.0, 3.0)]


def channel(jets=VBF, taus=(), leptons=None):
    leptons = [soft(10.0)] if leptons is None else leptons
    result = electroweakino_preselection([jets], [list(taus)], [list(leptons)])
    return channel_names(result.channel)[0]


def above(x):
    return math.nextafter(x, math.inf)


def below(x):
    return math.nextafter(x, -math.inf)


def test_channels_by_number_of_leptons():
    names = [channel(leptons=[soft(10.0)] * n) for n in range(6)]
    assert names == ["none", "1l", "2l", "3l", "none", "none"]


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"leptons": [soft(5.0)]}, "none"),
        ({"leptons": [soft(above(5.0))]}, "1l"),
        ({"leptons": [soft(10.0, 2.4)]}, "none"),
        ({"leptons": [soft(10.0, below(2.4)), soft(10.0, -2.4)]}, "1l"),
        ({"taus": [soft(20.0)]}, "1l"),
        ({"taus": [soft(above(20.0))]}, "none"),
        ({"taus": [soft(50.0, 2.5)]}, "1l"),
        ({"taus": [soft(50.0, -below(2.5))]}, "none"),
        ({"jets": [*VBF, jet(30.0, 0.0, b_tagged=True)]}, "1l"),
        ({"jets": [*VBF, jet(above(30.0), 0.0, b_tagged=True)]}, "none"),
        ({"jets": [*VBF, jet(50.0, 2.5, b_tagged=True)]}, "1l"),
        ({"jets": [*VBF, jet(50.0, below(2.5), b_tagged=True)]}, "none"),
        ({"jets": VBF[:1]}, "none"),
        ({"jets": [jet(80.0, 3.0), jet(70.0, 1.0)]}, "none"),
        ({"jets": [{**item, "b_tagged": True} for item in VBF]}, "1l"),
    ],
)
def test_thresholds_are_strict(changed, expected):
    assert channel(**changed) == expected


def test_counts_and_pair():
    jets = [*VBF, jet(25.0, 0.0), jet(40.0, 0.1, 1.0, True)]
    result = electroweakino_preselection(ak.Array([jets, jets[:2]]), [[], [soft(30.0)]], [[soft(7.0)], []])
    assert result.n_b.tolist() == [1, 0]
    assert result.n_tau.tolist() == [0, 1]
    assert result.n_jets.tolist() == [3, 2]
    assert result.n_leptons.tolist() == [1, 0]
    assert result.passes_vetoes_and_vbf.tolist() == [False, False]
    pair = vbf_pair([jets, jets[:2]])
    for got, expected in zip(result.vbf, pair, strict=True):
        np.testing.assert_array_equal(got, expected)
    assert channel_names(electroweakino_preselection([], [], []).channel).tolist() == []


def test_numbers_of_features():
    assert [len(features) for features in FEATURES_OF_CHANNEL.values()] == [10, 12, 14]
    for n, features in enumerate(FEATURES_OF_CHANNEL.values(), start=1):
        assert sum(feature.name.startswith("pt_l") for feature in features) == n


jets_of = st.lists(st.builds(jet, st.floats(15, 200), st.floats(-5.2, 5.2), st.floats(-3, 3)), max_size=5)
leptons_of = st.lists(st.builds(soft, st.floats(3, 60), st.floats(-2.6, 2.6)), max_size=5)


@settings(deadline=None, max_examples=60)
@given(jets_of, leptons_of, st.floats(0, 500))
def test_features_by_sorting(jets, leptons, met):
    got = {name: values[0] for name, values in electroweakino_features([jets], [leptons], [met]).items()}
    expected = dict.fromkeys(FEATURE_NAMES, math.nan)
    good = sorted((x for x in jets if x["pt"] > 30 and abs(x["eta"]) < 5), key=lambda x: -x["pt"])
    light = sorted((x for x in leptons if x["pt"] > 5 and abs(x["eta"]) < 2.4), key=lambda x: -x["pt"])
    for n, x in enumerate(good[:2], start=1):
        expected |= {f"pt_j{n}": x["pt"], f"eta_j{n}": x["eta"]}
    for n, x in enumerate(light[:3], start=1):
        expected |= {f"pt_l{n}": x["pt"], f"eta_l{n}": x["eta"]}
    pair = largest_mass_pair([jets])
    expected |= {"met": met, "m_jj": pair.m_jj[0], "pt_jj": pair.pt_jj[0], "abs_deta_jj": pair.abs_deta_jj[0]}
    np.testing.assert_equal(got, expected)


@pytest.mark.parametrize(
    ("curve", "central", "edge"), [(lepton_efficiency, 0.95, 0.65), (lepton_misidentification, 0.003, 0.005)]
)
def test_identification_curves(curve, central, edge):
    assert curve(20.0, [0.0, 1.5, -1.5]).tolist() == [central] * 3
    assert curve(20.0, [2.5, -2.5]) == pytest.approx(edge)
    assert curve(20.0, 2.0) == pytest.approx((central + edge) / 2)
    assert curve(20.0, above(2.5)) == 0.0
    assert curve([5.0, above(5.0), 0.0], 0.0).tolist() == [0.0, central, 0.0]
    assert np.isnan(curve([math.nan, 20.0], [0.0, math.nan])).all()
    jagged = curve(ak.Array([[20.0, 3.0], []]), ak.Array([[1.0, 1.0], []]))
    assert jagged.to_list() == [[central, 0.0], []]


def test_interference():
    widths = np.array([10.0, 20.0])
    got = relative_kinematic_interference([[2.0, 1.0], [0.0, 0.0]], [1.0, 1.0], 0.5, widths)
    np.testing.assert_allclose(got, [[0.0125, -0.0125], [np.nan, np.nan]])
    # Without interference it vanishes; its integral is the difference of the cross sections.
    np.testing.assert_array_equal(
        relative_kinematic_interference([3.0, 4.0], [1.0, 1.0], [2.0, 3.0], widths), 0.0
    )
    ew, qcd, incl = np.array([[0.2, 0.3], [0.1, 0.5], [0.4, 0.6]])
    total = ((incl - ew - qcd) * widths).sum() / (incl * widths).sum()
    assert (relative_kinematic_interference(incl, ew, qcd, widths) * widths).sum() == pytest.approx(total)
    with pytest.raises(SelectionError, match="do not fit together"):
        relative_kinematic_interference([1.0, 2.0], [1.0], [1.0, 2.0, 3.0], 1.0)
    with pytest.raises(SelectionError, match="axis of bins"):
        relative_kinematic_interference(1.0, 1.0, 1.0, 1.0)


def test_expected_events():
    assert expected_events(300.0, 2.0, 0.25) == 150.0
    np.testing.assert_allclose(expected_events([137.0, 300.0, 3000.0], 1.5, 0.1), [20.55, 45.0, 450.0])
