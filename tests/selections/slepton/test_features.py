from __future__ import annotations

import mt2 as package
import numpy as np
import pytest
import vector

from massgap.arrays import PerEvent
from massgap.arrays.errors import SelectionError
from massgap.selections.slepton.features import FEATURE_NAMES, FEATURES, slepton_features

TABLE_II = """
m_ll, m_j, mt2_0, mt2_100, m_tautau, met, ht, meff, pt_l1, pt_l2, pt_j, ratio_mt2, pt_l1_over_met,
pt_l2_over_met, pt_j_over_met, dphi_l1_met, dphi_l2_met, dphi_j_met, dphi_l1_l2, dphi_l1_j, dphi_l2_j,
cos_theta_star, tanh_deta_l1_j, tanh_deta_l2_j, eta_l1, eta_l2, eta_j
"""
JET_FEATURES = {
    "m_j", "m_tautau", "pt_j", "pt_j_over_met", "dphi_j_met", "dphi_l1_j", "dphi_l2_j", "tanh_deta_l1_j",
    "tanh_deta_l2_j", "eta_j",
}  # fmt: skip
MET_DIRECTION_FEATURES = {
    "pt_l1_over_met", "pt_l2_over_met", "pt_j_over_met", "dphi_l1_met", "dphi_l2_met", "dphi_j_met",
}  # fmt: skip


def sample(size: int, seed: int = 1) -> dict[str, object]:
    rng = np.random.default_rng(seed)

    def make(low: float, high: float, mass: np.ndarray) -> PerEvent:
        return PerEvent(
            {
                "pt": rng.uniform(low, high, size),
                "eta": rng.uniform(-2.5, 2.5, size),
                "phi": rng.uniform(-np.pi, np.pi, size),
                "mass": mass,
            }
        )

    jet = make(30, 400, rng.uniform(1, 50, size))
    return {
        "l1": make(60, 200, np.full(size, 0.1056583755)),
        "l2": make(10, 60, np.full(size, 0.1056583755)),
        "jet": jet,
        "met": PerEvent({"pt": rng.uniform(20, 400, size), "phi": rng.uniform(-np.pi, np.pi, size)}),
        "ht": jet.pt + 25.0,
    }


def test_names_and_order_of_the_table():
    assert tuple(TABLE_II.replace("\n", " ").replace(" ", "").split(",")) == FEATURE_NAMES
    assert tuple(slepton_features(**sample(2))) == FEATURE_NAMES


@pytest.mark.parametrize("feature", FEATURES, ids=FEATURE_NAMES)
def test_features_can_be_plotted(feature):
    assert feature.low < feature.high
    assert feature.bins > 0
    assert feature.unit in {"GeV", "rad", ""}
    assert feature.label.count("$") == 2
    assert feature.axis_label.endswith(f"[{feature.unit}]") == bool(feature.unit)


def test_plain_columnar_form():
    """Every feature again, with vector and the package mt2."""
    given = sample(3000)
    l1, l2, jet = (
        vector.array({field: given[name][field] for field in ("pt", "eta", "phi", "mass")})
        for name in ("l1", "l2", "jet")
    )
    met, ht = given["met"], given["ht"]
    missing = vector.array({"pt": met.pt, "phi": met.phi})

    def mt2(chi: float) -> np.ndarray:
        return package.mt2(l1.mass, l1.px, l1.py, l2.mass, l2.px, l2.py, missing.px, missing.py, chi, chi)

    def cross(a: np.ndarray, b: np.ndarray) -> np.ndarray:
        return a.px * b.py - a.py * b.px

    m_ll = (l1 + l2).mass
    m2_tautau = -(m_ll**2) * cross(l1, jet) * cross(l2, jet) / cross(l1, l2) ** 2
    expected = {
        "m_ll": m_ll,
        "m_j": jet.mass,
        "mt2_0": mt2(0.0),
        "mt2_100": mt2(100.0),
        "m_tautau": np.sign(m2_tautau) * np.sqrt(np.abs(m2_tautau)),
        "met": met.pt,
        "ht": ht,
        "meff": met.pt + ht,
        "pt_l1": l1.pt,
        "pt_l2": l2.pt,
        "pt_j": jet.pt,
        "ratio_mt2": (mt2(100.0) - 100.0) / mt2(0.0),
        "pt_l1_over_met": l1.pt / met.pt,
        "pt_l2_over_met": l2.pt / met.pt,
        "pt_j_over_met": jet.pt / met.pt,
        "dphi_l1_met": np.abs(l1.deltaphi(missing)),
        "dphi_l2_met": np.abs(l2.deltaphi(missing)),
        "dphi_j_met": np.abs(jet.deltaphi(missing)),
        "dphi_l1_l2": np.abs(l1.deltaphi(l2)),
        "dphi_l1_j": np.abs(l1.deltaphi(jet)),
        "dphi_l2_j": np.abs(l2.deltaphi(jet)),
        "cos_theta_star": np.abs(np.tanh((l1.eta - l2.eta) / 2)),
        "tanh_deta_l1_j": np.tanh(np.abs(l1.eta - jet.eta)),
        "tanh_deta_l2_j": np.tanh(np.abs(l2.eta - jet.eta)),
        "eta_l1": l1.eta,
        "eta_l2": l2.eta,
        "eta_j": jet.eta,
    }
    got = slepton_features(**given)
    # Bisection loses digits of a massless trial: 1e-4 is enough to catch a wrong formula.
    loose = {"mt2_0": 1e-4, "ratio_mt2": 1e-4, "mt2_100": 1e-7, "m_tautau": 1e-6}
    for name, values in expected.items():
        np.testing.assert_allclose(got[name], values, rtol=loose.get(name, 1e-9), atol=1e-12, err_msg=name)


def test_events_without_a_jet():
    given = sample(4)
    marked = slepton_features(**given, has_jet=np.array([True, False, True, False]))
    pt = np.where([True, False, True, False], given["jet"].pt, np.nan)
    by_nan = slepton_features(**{**given, "jet": given["jet"].with_fields(pt=pt)})
    for name in FEATURE_NAMES:
        undefined = [False, name in JET_FEATURES, False, name in JET_FEATURES]
        np.testing.assert_array_equal(np.isnan(marked[name]), undefined, err_msg=name)
        np.testing.assert_array_equal(marked[name], by_nan[name], err_msg=name)
    # The caller's arrays are left alone.
    assert not np.isnan(given["jet"].pt).any()


def test_zero_missing_momentum():
    given = sample(2)
    got = slepton_features(
        **{**given, "met": PerEvent({"pt": np.array([0.0, 50.0]), "phi": np.array([1.0, 1.0])})}
    )
    for name in FEATURE_NAMES:
        np.testing.assert_array_equal(
            np.isnan(got[name]), [name in MET_DIRECTION_FEATURES, False], err_msg=name
        )


def test_parallel_massless_leptons():
    def one(*values: float) -> PerEvent:
        return PerEvent(
            dict(zip(("pt", "eta", "phi", "mass"), (np.array([value]) for value in values), strict=True))
        )

    # Missing momentum along both: M_T2^0 = 0, whatever cos and sin round to, and the ratio is undefined.
    for phi in (0.0, 0.5, -2.3, 3.0):
        met = PerEvent({"pt": np.array([10.0]), "phi": np.array([phi])})
        leptons = one(40, 0.5, phi, 0), one(30, -0.5, phi, 0)
        got = slepton_features(*leptons, one(150, 1, -2, 12), met, np.array([150.0]))
        assert np.isnan(got["m_tautau"])[0]
        assert got["mt2_0"][0] == 0.0
        assert np.isnan(got["ratio_mt2"])[0]


def test_no_events_and_single_precision():
    empty = np.array([], dtype=np.float32)
    got = slepton_features(
        *[PerEvent({"pt": empty, "eta": empty, "phi": empty, "mass": empty})] * 3,
        PerEvent({"pt": empty, "phi": empty}),
        empty,
    )
    assert all(values.shape == (0,) and values.dtype == np.float64 for values in got.values())
    given = sample(50)
    single = {
        name: value.astype(np.float32)
        if isinstance(value, np.ndarray)
        else PerEvent({field: value[field].astype(np.float32) for field in value.fields})
        for name, value in given.items()
    }
    double = slepton_features(**given)
    for name, values in slepton_features(**single).items():
        assert values.dtype == np.float64
        np.testing.assert_allclose(values, double[name], rtol=2e-2, atol=1e-4, err_msg=name)


def test_events_do_not_influence_each_other():
    given = sample(40)
    together = slepton_features(**given)

    alone = slepton_features(**{name: value[17:23] for name, value in given.items()})
    for name in FEATURE_NAMES:
        np.testing.assert_array_equal(alone[name], together[name][17:23], err_msg=name)


def test_wrong_input_is_named():
    given = sample(3)
    with pytest.raises(SelectionError, match=r"numbers of events differ.*'ht': 2"):
        slepton_features(**{**given, "ht": np.ones(2)})
    with pytest.raises(SelectionError, match="ht: ht has 0 dimensions"):
        slepton_features(**{**given, "ht": 3.0})
    with pytest.raises(SelectionError, match="met: the field pt is not numeric"):
        slepton_features(**{**given, "met": PerEvent({"pt": np.array(["a", "b", "c"]), "phi": np.ones(3)})})
