"""Run folders with a plane of signals whose yields the tests choose."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import hist
import numpy as np
import pytest
from uhi.io.json import default

from massgap.contracts.description import Description, Region
from massgap.fits.plan import FitOptions
from massgap.fits.workspaces.workspace import WorkspaceOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

EDGES = (0.0, 1.0, 2.0, 3.0)
BACKGROUND = (2.0, 1.0, 0.5)


def write_plane_run(
    folder: Path,
    signals: Mapping[str, Sequence[float]],
    masses: Mapping[str, Mapping[str, float]],
    *,
    background: Sequence[float] = BACKGROUND,
    relative_error: float = 0.02,
    data: Sequence[float] | None = None,
    variation: float = 0.0,
    metadata: Mapping[str, Any] | None = None,
) -> Path:
    """A run with the histogram "x" in the region "all": contents in fb per bin of each signal.

    ``variation`` moves the background of the last bin up and down by this share.
    """
    labels = ["nominal", "tilt_up", "tilt_down"] if variation else ["nominal"]
    contents = {**signals, "b": background}
    names = sorted([*contents, *(["data"] if data is not None else [])])
    histogram = hist.Hist(
        hist.axis.StrCategory(names, name="process"),
        hist.axis.StrCategory(["all"], name="region"),
        hist.axis.StrCategory(labels, name="variation"),
        hist.axis.Variable(EDGES, name="x"),
        storage=hist.storage.Weight(),
    )
    for name, values in contents.items():
        for label in labels:
            v = np.array(values, dtype=float)
            if name == "b" and label != "nominal":
                v[-1] *= 1.0 + (variation if label == "tilt_up" else -variation)
            histogram[name, "all", label, :] = np.stack([v, (relative_error * v) ** 2], axis=-1)
    if data is not None:
        counts = np.array(data, dtype=float)
        histogram["data", "all", "nominal", :] = np.stack([counts, counts], axis=-1)
    datasets: dict[str, Any] = {
        "b_0": {"process": "b", "xsec_fb": 10.0, "is_data": False, "is_signal": False}
    }
    for name in signals:
        datasets[f"{name}_0"] = {
            "process": name,
            "xsec_fb": 10.0,
            "is_data": False,
            "is_signal": True,
            "sqrt_s_tev": 13.0,
            "masses": dict(masses.get(name, {})),
            **(metadata or {}),
        }
    if data is not None:
        datasets["data_0"] = {"process": "data", "is_data": True, "is_signal": False}
    manifest = {
        "format": "massgap-run/1",
        "analysis": "mine",
        "code_hash": "c0de",
        "fileset_hash": "f11e",
        "models": {},
        "datasets": datasets,
        "description": Description(regions=(Region("all", channel="one"),), analysis="mine").as_dict(),
    }
    files: dict[str, Any] = {
        "manifest.json": manifest,
        "histograms.json": {"format": "massgap-histograms/1", "unit": "fb", "histograms": {"x": histogram}},
        "ledger.json": {"format": "massgap-ledger/1", "complete": True, "datasets": {}, "chunks": []},
    }
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(json.dumps(content, default=default), encoding="utf-8")
    return folder


def grid(
    m: Sequence[float] = (100.0, 200.0, 300.0), gaps: Sequence[float] = (20.0, 60.0, 100.0)
) -> tuple[dict[str, tuple[float, ...]], dict[str, dict[str, float]]]:
    """Signals on a grid of mass and gap, whose yields fall exponentially with both."""
    signals, masses = {}, {}
    for one in m:
        for gap in gaps:
            name = f"s_{one:g}_{one - gap:g}"
            total = 4.0 * np.exp(-one / 100.0) * np.exp(gap / 100.0)
            signals[name] = tuple(total * np.array([0.2, 0.3, 0.5]))
            masses[name] = {"m_parent": one, "m_child": one - gap}
    return signals, masses


@pytest.fixture(scope="session")
def plane_run() -> Callable[..., Path]:
    return write_plane_run


@pytest.fixture(scope="session")
def plane_grid() -> Callable[..., Any]:
    return grid


@pytest.fixture(scope="session")
def fit_options() -> Callable[..., FitOptions]:
    """Options of the histogram "x" in its own bins, without replicas of the simulation; keywords are those of the model."""

    def make(edges: Sequence[float] | None = EDGES, **model: Any) -> FitOptions:
        return FitOptions(histogram="x", edges=edges, replicas=0, model=WorkspaceOptions(**model))

    return make
