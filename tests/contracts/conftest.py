"""Run folders as a run writes them, with contents that the tests choose."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import hist
import pytest
from uhi.io.json import default

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

SIGNAL = "slepton_110_80"
BACKGROUNDS = ("WW", "WZ", "ZZ", "mumu", "tautau", "tt")


def feature_histogram() -> hist.Hist[Any]:
    """A feature in two regions of one channel; 1 fb per process and bin in the wider, a half in the other."""
    h = hist.Hist(
        hist.axis.StrCategory([*BACKGROUNDS, SIGNAL], name="process"),
        hist.axis.StrCategory(["topology", "precuts"], name="region"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Regular(4, 0.0, 400.0, name="met"),
        storage=hist.storage.Weight(),
    )
    h.view(flow=False)["value"][:, 0] = 1.0
    h.view(flow=False)["value"][:, 1] = 0.5
    h.view(flow=False)["variance"][...] = 1e-4
    return h


def write_run(
    folder: Path, histograms: dict[str, hist.Hist[Any]], *, complete: bool = True, data: bool = False
) -> Path:
    """Write a run folder, without the writer of the package."""
    folder.mkdir(parents=True, exist_ok=True)
    datasets: dict[str, dict[str, Any]] = {
        f"{name}_0": {"process": name, "xsec_fb": 1.0, "is_data": False, "is_signal": name == SIGNAL}
        for name in (*BACKGROUNDS, SIGNAL)
    }
    if data:
        datasets["data_0"] = {"process": "data", "is_data": True, "is_signal": False}
    entry = {"events_expected": 100, "events_processed": 100, "events_failed": 0, "events_missing": 0}
    entries = {name: dict(entry) for name in datasets}
    chunks = []
    if not complete:
        entries["tt_0"].update(events_processed=60, events_failed=30, events_missing=10)
        chunks.append({"dataset": "tt_0", "status": "failed", "error": "OSError: truncated"})
    files: dict[str, Any] = {
        "manifest.json": {"format": "massgap-run/1", "code_hash": "c0de", "datasets": datasets},
        "histograms.json": {"format": "massgap-histograms/1", "unit": "fb", "histograms": histograms},
        "cutflow.json": {"format": "massgap-cutflow/1", "steps": [], "processes": {}},
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
def make_run() -> Callable[..., Path]:
    return write_run


@pytest.fixture(scope="session")
def make_feature() -> Callable[..., hist.Hist[Any]]:
    return feature_histogram


@pytest.fixture(scope="session")
def signal() -> str:
    return SIGNAL


@pytest.fixture(scope="session")
def backgrounds() -> tuple[str, ...]:
    return BACKGROUNDS
