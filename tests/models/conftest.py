"""A synthetic feature table like the slepton analysis writes it, and folds trained on it."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

FEATURES = [
    "m_ll",
    "m_j",
    "mt2_0",
    "mt2_100",
    "m_tautau",
    "met",
    "ht",
    "meff",
    "pt_l1",
    "pt_l2",
    "pt_j",
    "ratio_mt2",
    "pt_l1_over_met",
    "pt_l2_over_met",
    "pt_j_over_met",
    "dphi_l1_met",
    "dphi_l2_met",
    "dphi_j_met",
    "dphi_l1_l2",
    "dphi_l1_j",
    "dphi_l2_j",
    "cos_theta_star",
    "tanh_deta_l1_j",
    "tanh_deta_l2_j",
    "eta_l1",
    "eta_l2",
    "eta_j",
]
SIGNAL = ["slepton_110_80"]
BACKGROUNDS = ["mumu", "tautau", "tt", "WW", "ZZ", "WZ"]
SIZES = {"slepton_110_80": 3000, "mumu": 500, "tautau": 1200, "tt": 1500, "WW": 1500, "ZZ": 300, "WZ": 400}
XSEC = {"slepton_110_80": 1.4, "mumu": 3.2, "tautau": 14.6, "tt": 5.5, "WW": 5.4, "ZZ": 0.23, "WZ": 0.36}


def make_table(scale: float = 1.0, seed: int = 5) -> pd.DataFrame:
    from massgap.models.folds import fold_key

    rng = np.random.default_rng(seed)
    frames = []
    for index, (process, size) in enumerate(SIZES.items()):
        n = int(size * scale)
        signal = process == "slepton_110_80"
        met = 110 + rng.exponential(40 + 10 * signal, n)
        pt1, pt2, ptj = (s + rng.exponential(s, n) for s in (30, 15, 80))
        mt2_0 = np.where(rng.random(n) < 0.25, 0.0, rng.exponential(30, n))
        endpoint = 129.2 if signal else 150.0 if process in ("tt", "WW") else 115.0
        mt2_100 = 100 + (endpoint - 100) * rng.beta(2, 2, n)
        c = {
            "m_ll": rng.gamma(3, 25, n),
            "m_j": 5 + rng.exponential(8, n),
            "mt2_0": mt2_0,
            "mt2_100": mt2_100,
            "m_tautau": rng.normal(90 if process == "tautau" else 0, 30 if process == "tautau" else 200, n),
            "met": met,
            "ht": ptj,
            "meff": met + ptj,
            "pt_l1": pt1,
            "pt_l2": pt2,
            "pt_j": ptj,
            "ratio_mt2": np.divide(mt2_100 - 100, mt2_0, out=np.full(n, np.nan), where=mt2_0 > 0),
            "pt_l1_over_met": pt1 / met,
            "pt_l2_over_met": pt2 / met,
            "pt_j_over_met": ptj / met,
        }
        c |= {name: rng.uniform(0, np.pi, n) for name in FEATURES if name.startswith("dphi")}
        c["cos_theta_star"] = rng.normal(0, 0.25 if signal else 0.4, n).clip(-0.9, 0.9)
        c |= {name: np.tanh(rng.normal(0, 1.5, n)) for name in ("tanh_deta_l1_j", "tanh_deta_l2_j")}
        c |= {name: rng.normal(0, 1.2, n).clip(-2.5, 2.5) for name in ("eta_l1", "eta_l2", "eta_j")}
        frame = pd.DataFrame({name: np.asarray(c[name], dtype=np.float64) for name in FEATURES})
        frame.loc[rng.random(n) < 0.05, "m_tautau"] = np.nan
        w = 10.0 ** rng.uniform(-4, 0, n)
        frame["weight"] = w * XSEC[process] / w.sum()
        frame["process"] = process
        frame["dataset"] = [f"{process}_{i % 2}" for i in range(n)]
        frame["channel"] = "mumu1j"
        frame["fold_key"] = fold_key(1, index + 1, np.arange(n))
        frame["region_precuts"] = rng.random(n) < 0.8
        frames.append(frame)
    return pd.concat(frames, ignore_index=True)


@pytest.fixture(scope="session")
def features() -> list[str]:
    return list(FEATURES)


@pytest.fixture(scope="session")
def signal() -> list[str]:
    return list(SIGNAL)


@pytest.fixture(scope="session")
def backgrounds() -> list[str]:
    return list(BACKGROUNDS)


@pytest.fixture(scope="session")
def full_table() -> pd.DataFrame:
    return make_table()


@pytest.fixture
def table(full_table) -> pd.DataFrame:
    """A copy that a test may spoil."""
    return full_table.copy()


@pytest.fixture(scope="session")
def recipe():
    from massgap.models.recipes.registry import find_recipe

    return find_recipe("slepton").changed(signal=SIGNAL, backgrounds=BACKGROUNDS, features=FEATURES)


@pytest.fixture(scope="session")
def trained(full_table, recipe):
    from massgap.models.training.trained_folds import train

    units = {name: "GeV" for name in FEATURES if name.startswith(("m", "pt", "ht")) and "over" not in name}
    return train(full_table, recipe, units=units)


@pytest.fixture(scope="session")
def model_bytes(trained) -> bytes:
    from massgap.models.training.export import to_bytes, to_onnx

    return to_bytes(to_onnx(trained))


@pytest.fixture
def model_file(tmp_path, model_bytes):
    path = tmp_path / "slepton.onnx"
    path.write_bytes(model_bytes)
    return path
