"""Run folders as a run writes them, with contents that the tests choose."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import hist
import numpy as np
import pytest
from uhi.io.json import default

from massgap.contracts.description import Description, Region, Score

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIGNAL = "slepton_110_80"
BACKGROUNDS = ("WW", "WZ", "ZZ", "mumu", "tautau", "tt")
# Cross sections after the pre-cuts in fb: Table I of the slepton paper.
PRECUTS_FB = {
    SIGNAL: 1.38,
    "mumu": 3.19,
    "tautau": 14.6,
    "tt": 5.49,
    "ZZ": 0.234,
    "WZ": 0.355,
    "WW": 5.44,
}
# Score densities x^(p-1) (1-x)^(q-1).
SHAPES = {
    SIGNAL: (4.0, 1.5),
    "mumu": (1.0, 9.0),
    "tautau": (1.0, 8.0),
    "tt": (1.5, 2.5),
    "ZZ": (1.5, 2.5),
    "WZ": (1.5, 2.5),
    "WW": (1.5, 2.2),
}


def score_histogram(
    *, n_events: int = 6000, n_folds: int = 3, variations: bool = False, data_events: int = 0, seed: int = 1
) -> hist.Hist[Any]:
    """Score histogram with the yields of Table I, ``n_events`` simulated events per process."""
    rng = np.random.default_rng(seed)
    processes = sorted(PRECUTS_FB) + (["data"] if data_events else [])
    labels = ["nominal", "jes_down", "jes_up"] if variations else ["nominal"]
    h = hist.Hist(
        hist.axis.StrCategory(sorted(processes), name="process"),
        hist.axis.StrCategory(["precuts"], name="region"),
        hist.axis.StrCategory(labels, name="variation"),
        hist.axis.Integer(0, n_folds, name="fold"),
        hist.axis.Regular(400, 0.0, 1.0, name="score"),
        storage=hist.storage.Weight(),
    )
    for process, xsec in PRECUTS_FB.items():
        score = rng.beta(*SHAPES[process], size=n_events)
        fold = rng.integers(0, n_folds, size=n_events)
        weight = np.full(n_events, xsec / n_events)
        factors = {"nominal": 1.0, "jes_up": 1.05 + 0.1 * score, "jes_down": 0.97 - 0.08 * score}
        for label in labels:
            h.fill(
                process=process,
                region="precuts",
                variation=label,
                fold=fold,
                score=score,
                weight=weight * factors[label],
            )
    if data_events:
        h.fill(
            process="data",
            region="precuts",
            variation="nominal",
            fold=rng.integers(0, n_folds, size=data_events),
            score=rng.beta(1.2, 5.0, size=data_events),
        )
    return h


def feature_histogram() -> hist.Hist[Any]:
    """A feature in two regions; 1 fb per process and bin before, a half after the pre-cuts."""
    h = hist.Hist(
        hist.axis.StrCategory(sorted(PRECUTS_FB), name="process"),
        hist.axis.StrCategory(["topology", "precuts"], name="region"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Regular(4, 0.0, 400.0, name="met"),
        storage=hist.storage.Weight(),
    )
    h.view(flow=False)["value"][:, 0] = 1.0
    h.view(flow=False)["value"][:, 1] = 0.5
    h.view(flow=False)["variance"][...] = 1e-4
    return h


DESCRIPTION = Description(
    "slepton",
    regions=(Region("topology", channel="mumu1j"), Region("precuts", channel="mumu1j", within="topology")),
    scores=(Score("score", regions=("precuts",)),),
    luminosity=300.0,
)


def observable_histogram(
    regions: tuple[str, ...] = ("sr",),
    *,
    signal: tuple[float, ...] = (0.1, 0.2, 0.4, 0.8),
    data: bool = False,
) -> hist.Hist[Any]:
    """An observable of an analysis of one's own, the same in all regions, in fb; tt alone as background."""
    contents = {"tt": (20.0, 10.0, 5.0, 2.0), SIGNAL: signal}
    h = hist.Hist(
        hist.axis.StrCategory([*contents, *(["data"] if data else [])], name="process"),
        hist.axis.StrCategory(list(regions), name="region"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Regular(4, 0.0, 400.0, name="met"),
        storage=hist.storage.Weight(),
    )
    for region in regions:
        for process, values in contents.items():
            h[process, region, "nominal", :] = np.stack([values, np.square(values) * 1e-4], axis=-1)
        if data:
            h["data", region, "nominal", :] = np.stack([(200.0, 100.0, 50.0, 20.0)] * 2, axis=-1)
    return h


def write_run(
    folder: Path,
    histograms: dict[str, hist.Hist[Any]],
    *,
    complete: bool = True,
    data: bool = False,
    description: Description | None = DESCRIPTION,
) -> Path:
    """Write a run folder; without description as of an analysis that says nothing of itself."""
    folder.mkdir(parents=True, exist_ok=True)
    datasets: dict[str, dict[str, Any]] = {
        f"{name}_0": {"process": name, "xsec_fb": 1.0, "is_data": False, "is_signal": name == SIGNAL}
        for name in PRECUTS_FB
    }
    if data:
        datasets["data_0"] = {"process": "data", "is_data": True, "is_signal": False}
    manifest: dict[str, Any] = {
        "format": "massgap-run/1",
        "code_hash": "c0de",
        "datasets": datasets,
        "models": {},
    }
    if description is not None:
        manifest["description"] = description.as_dict()
    entry = {"events_expected": 100, "events_processed": 100, "events_failed": 0, "events_missing": 0}
    entries = {name: dict(entry) for name in datasets}
    chunks = []
    if not complete:
        entries["tt_0"].update(events_processed=60, events_failed=30, events_missing=10)
        chunks.append({"dataset": "tt_0", "status": "failed", "error": "OSError: truncated"})
    files: dict[str, Any] = {
        "manifest.json": manifest,
        "histograms.json": {"format": "massgap-histograms/1", "unit": "fb", "histograms": histograms},
        "cutflow.json": {
            "format": "massgap-cutflow/1",
            "unit": "fb",
            "channels": [],
            "steps": [],
            "processes": {},
        },
        "ledger.json": {
            "format": "massgap-ledger/1",
            "complete": complete,
            "accepted_loss": False,
            "datasets": entries,
            "chunks": chunks,
        },
    }
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, default=default), encoding="utf-8")
    return folder


@pytest.fixture(scope="session")
def make_score() -> Callable[..., hist.Hist[Any]]:
    return score_histogram


@pytest.fixture(scope="session")
def make_run() -> Callable[..., Path]:
    return write_run


@pytest.fixture(scope="session")
def make_feature() -> Callable[..., hist.Hist[Any]]:
    return feature_histogram


@pytest.fixture(scope="session")
def make_observable() -> Callable[..., hist.Hist[Any]]:
    return observable_histogram


@pytest.fixture(scope="session")
def signal() -> str:
    return SIGNAL


@pytest.fixture(scope="session")
def backgrounds() -> tuple[str, ...]:
    return BACKGROUNDS


@pytest.fixture(scope="session")
def precuts_fb() -> dict[str, float]:
    return PRECUTS_FB
