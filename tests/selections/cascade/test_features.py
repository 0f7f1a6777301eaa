from __future__ import annotations

import numpy as np
import pytest
import vector

from massgap.arrays import PerEvent
from massgap.arrays.errors import SelectionError
from massgap.selections.cascade.features import CASCADE_FEATURE_NAMES, CASCADE_FEATURES, cascade_features
from massgap.selections.observables.cascades.delta4 import delta4

TRUTH = (390.0, 360.0, 330.0, 300.0)
MUON = 0.1056583755


def objects(rows):
    return [
        PerEvent(dict(zip(("pt", "eta", "phi", "mass"), leg, strict=True)))
        for leg in np.asarray(rows).reshape(3, 4, -1)
    ]


def test_against_vector(cascade_decays):
    rows = cascade_decays(500, TRUTH, 1, MUON)
    features = cascade_features(*objects(rows), TRUTH)
    plus, minus, photon = (
        vector.array({"pt": leg.pt, "eta": leg.eta, "phi": leg.phi, "mass": leg.mass})
        for leg in objects(rows)
    )
    expected = {
        "pt_plus": plus.pt,
        "pt_minus": minus.pt,
        "pt_gamma": photon.pt,
        "met": (plus + minus + photon).pt,
        "m_mumu": (plus + minus).mass,
        "dr_mumu": plus.deltaR(minus),
        "m_plus_gamma": (plus + photon).mass,
        "dr_plus_gamma": plus.deltaR(photon),
        "m_minus_gamma": (minus + photon).mass,
        "dr_minus_gamma": minus.deltaR(photon),
        "m_mumugamma": (plus + minus + photon).mass,
        "delta4_pm": delta4(*rows[:4], *rows[4:8], *rows[8:], *TRUTH),
        "delta4_mp": delta4(*rows[4:8], *rows[:4], *rows[8:], *TRUTH),
    }
    assert list(features) == list(expected) == list(CASCADE_FEATURE_NAMES)
    for name, values in expected.items():
        np.testing.assert_allclose(features[name], values, rtol=1e-7, err_msg=name)
    # the same formula, but both orders may be done with twice the digits where one needs it
    np.testing.assert_allclose(features["delta4_pm"], expected["delta4_pm"], rtol=2e-11)


def test_exchange_of_the_muons():
    plus, minus, photon = (
        PerEvent({"pt": [30.0], "eta": [0.5], "phi": [1.0], "mass": [MUON]}),
        PerEvent({"pt": [20.0], "eta": [-0.5], "phi": [0.0], "mass": [MUON]}),
        PerEvent({"pt": [10.0], "eta": [0.1], "phi": [-1.0], "mass": [0.0]}),
    )
    one, other = cascade_features(plus, minus, photon), cascade_features(minus, plus, photon)
    assert one["delta4_pm"] == pytest.approx(other["delta4_mp"], rel=1e-10)
    assert one["delta4_pm"] != pytest.approx(one["delta4_mp"], rel=1e-3)
    assert one["m_plus_gamma"] == other["m_minus_gamma"]
    assert one["m_mumugamma"] == pytest.approx(other["m_mumugamma"])


def test_identical_momenta():
    """Everything parallel: the masses stay exact, and so does a Delta_4 that is 1e-14 of its terms."""
    leg = PerEvent({"pt": [20.0], "eta": [0.0], "phi": [0.0], "mass": [MUON]})
    features = cascade_features(
        leg,
        leg,
        PerEvent({"pt": [20.0], "eta": [0.0], "phi": [0.0], "mass": [0.0]}),
        (691.0, 660.0, 631.0, 600.0),
    )
    assert features["m_mumu"] == pytest.approx(2 * MUON, rel=1e-15)
    assert features["dr_mumu"] == 0.0
    assert features["met"] == 60.0
    # 50 digits: -det of the products
    assert features["delta4_pm"] == features["delta4_mp"] == pytest.approx(-153.6888694755995, rel=1e-12)


def test_balanced_event_has_no_met():
    legs = [
        PerEvent({"pt": [20.0], "eta": [0.0], "phi": [phi], "mass": [0.0]})
        for phi in (0.0, 2 * np.pi / 3, -2 * np.pi / 3)
    ]
    assert cascade_features(*legs)["met"] == pytest.approx(0.0, abs=1e-13)


def test_no_events_and_single_precision():
    nothing = PerEvent({"pt": [], "eta": [], "phi": [], "mass": []})
    assert {name: values.shape for name, values in cascade_features(nothing, nothing, nothing).items()} == {
        feature.name: (0,) for feature in CASCADE_FEATURES
    }
    leg = PerEvent(
        dict(zip(("pt", "eta", "phi", "mass"), np.float32([[20.0], [0.1], [0.2], [0.1]]), strict=True))
    )
    assert all(values.dtype == np.float64 for values in cascade_features(leg, leg, leg).values())


def test_undefined_input_stays_in_its_event():
    legs = [
        PerEvent({"pt": [20.0, 30.0], "eta": [0.1 * k, 0.3], "phi": [np.nan, 1.0 + k], "mass": [0.0, 0.0]})
        for k in range(3)
    ]
    features = cascade_features(*legs)
    assert np.isnan(features["delta4_pm"][0])
    assert all(np.isfinite(values[1]) for values in features.values())


def test_wrong_input_is_refused():
    leg, pair = (
        PerEvent({"pt": [20.0], "eta": [0.1], "phi": [0.2], "mass": [0.1]}),
        PerEvent({"pt": [20.0] * 2, "eta": [0.1] * 2, "phi": [0.2] * 2, "mass": [0.1] * 2}),
    )
    with pytest.raises(
        SelectionError, match=r"numbers of events differ: .*'mu_plus': 1, 'mu_minus': 2, 'photon': 1"
    ):
        cascade_features(leg, pair, leg)
    with pytest.raises(SelectionError, match="mu_minus"):
        cascade_features(leg, {"pt": [20.0], "eta": [0.1, 0.2], "phi": [0.2], "mass": [0.1]}, leg)
    with pytest.raises(SelectionError, match="photon"):
        cascade_features(leg, leg, PerEvent({"pt": ["a"], "eta": [0.1], "phi": [0.2], "mass": [0.1]}))
    with pytest.raises(SelectionError, match="four masses"):
        cascade_features(leg, leg, leg, (1.0, 2.0, 3.0))
