"""The toy of three channels in examples/: a TabNet for each, flat scores, one fit; on events whose densities are known."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import awkward as ak
import eventfiles
import numpy as np
import pandas as pd
import pytest

pytest.importorskip("jax")
pytest.importorskip("optax")

EXAMPLE = Path(__file__).parent.parent / "examples" / "three_channels.py"
N = {"signal": 6000, "background": 15000}


@pytest.fixture(scope="module")
def example() -> Any:
    spec = importlib.util.spec_from_file_location("three_channels", EXAMPLE)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def columns(process: str) -> dict[str, Any]:
    """Events of all channels in turn: signal has more MET, and in the background MET grows with the jet."""
    n, rng = N[process], np.random.default_rng(len(process))
    channel = np.arange(n) % 3
    jet = rng.uniform(35, 200, n)
    met = rng.exponential(40, n) + 0.3 * jet + (60 if process == "signal" else 0)
    muons, electrons = np.array([1, 2, 1])[channel], np.array([0, 0, 1])[channel]

    def objects(counts: np.ndarray, pt: np.ndarray, **more: Any) -> ak.Array:
        m = int(counts.sum())
        flat = {
            "pt": pt.astype("f4"),
            "eta": rng.uniform(-2, 2, m).astype("f4"),
            "phi": rng.uniform(-3.1, 3.1, m).astype("f4"),
            "mass": np.full(m, 0.1, "f4"),
            **{name: np.full(m, value) for name, value in more.items()},
        }
        return ak.zip({name: ak.unflatten(values, counts) for name, values in flat.items()})

    charge = {"charge": np.int32(1)}
    return {
        "run": np.ones(n, np.uint32),
        "luminosityBlock": np.full(n, 1 + (process == "signal"), np.uint32),
        "event": np.arange(n, dtype=np.uint64),
        "genWeight": np.ones(n, np.float32),
        "Muon": objects(
            muons,
            12 + rng.exponential(30, muons.sum()),
            pfRelIso04_all=np.float32(0),
            mediumId=True,
            **charge,
        ),
        "Electron": objects(
            electrons,
            12 + rng.exponential(30, electrons.sum()),
            pfRelIso03_all=np.float32(0),
            cutBased=np.int32(4),
            **charge,
        ),
        "Jet": objects(np.ones(n, int), jet, btagDeepFlavB=np.float32(0), jetId=np.uint8(6)),
        "MET_pt": met.astype("f4"),
        "MET_phi": rng.uniform(-3.1, 3.1, n).astype("f4"),
    }


@pytest.fixture(scope="module")
def done(example: Any, tmp_path_factory: pytest.TempPathFactory) -> Any:
    folder = tmp_path_factory.mktemp("three")
    fileset = {}
    for process, xsec in (("signal", 2.0), ("background", 50.0)):
        path = eventfiles.write_columns(folder / f"{process}.root", columns(process))
        metadata = {"process": process, "xsec_fb": xsec, "is_signal": process == "signal"}
        fileset[process] = {"files": {str(path): "Events"}, "metadata": metadata}
    (folder / "fileset.json").write_text(json.dumps(fileset))
    fit, page = example.analyse(folder / "fileset.json", folder / "out")
    return folder / "out", fit, page


def test_it_is_short() -> None:
    assert len(EXAMPLE.read_text().splitlines()) <= 80


def test_each_channel_is_scored_by_its_own_network(example: Any, done: Any) -> None:
    out, _, _ = done
    manifest = json.loads((out / "scored" / "manifest.json").read_text())
    assert set(manifest["models"]) == set(example.CHANNELS)
    assert len({model["sha256"] for model in manifest["models"].values()}) == 3
    table = pd.read_parquet(out / "scored" / "features")
    for name in example.CHANNELS:
        inside = table[f"region_sr_{name}"].to_numpy()
        assert inside.sum() > 5000
        assert (table[f"score_{name}"].notna().to_numpy() == inside).all()
        training = json.loads((out / "run" / "models" / name / "training.json").read_text())
        assert training["recipe"]["kind"] == "tabnet"
        assert training["region"] == f"sr_{name}"
        assert training["features"] == list(example.INPUTS)
        assert sum(training["importance"]["all"].values()) == pytest.approx(1)
        assert min(fold["auc_eval"] for fold in training["folds"]) > 0.75


def test_a_threshold_keeps_the_background_in_ht(example: Any, done: Any) -> None:
    """MET grows with H_T in the background; the flat score must not care, a cut on MET itself does."""
    out, _, _ = done
    table = pd.read_parquet(out / "scored" / "features")
    background = table[table["process"] == "background"]
    for name in example.CHANNELS:
        mine = background[background[f"region_sr_{name}"]]
        low = mine["ht"] < mine["ht"].median()
        for level in (0.5, 0.8):
            above = mine[f"score_{name}"] > level
            shares = np.array([above[low].mean(), above[~low].mean()])
            by_met = mine["met"] > mine["met"].quantile(level)
            slope = by_met[~low].mean() - by_met[low].mean()
            # all of it: two folds of tables of about 500 events each, and 5000 events that are scored
            error = np.sqrt(level * (1 - level) * (1 / 1000 + 1 / 5000))
            assert above.mean() == pytest.approx(1 - level, abs=4 * error)
            # so few events make a table of four rows, flat up to what each of them knows
            half = np.sqrt(level * (1 - level) * (1 / 500 + 2 / 5000))
            assert shares == pytest.approx(1 - level, abs=4 * half)
            assert abs(shares[1] - shares[0]) < 0.5 * slope


def test_the_three_channels_are_fitted_together(example: Any, done: Any) -> None:
    out, fit, _ = done
    workspace = json.loads((out / "scored" / "fit" / "workspace.json").read_text())
    assert sorted(channel["name"] for channel in workspace["channels"]) == sorted(example.CHANNELS)
    # Of counting alone, without any score: S / sqrt(S + B), less than that of the scores.
    counted = 200 / np.sqrt(5000)
    assert counted < fit.results["discovery"]["expected_significance"] < 4 * counted


def test_the_page_shows_each_training(example: Any, done: Any) -> None:
    text = done[2].read_text(encoding="utf-8")
    for name in example.CHANNELS:
        assert f"Training of Score of {name}" in text
    assert text.count("Flat in ht") == text.count("Attention masks") == 3
