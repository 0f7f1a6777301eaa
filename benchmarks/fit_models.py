"""Workspaces that fits are timed on: the points of a mass plane, and the shape of a large published likelihood."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np

from massgap.fits.workspaces.patch_sets import Patch

__all__ = ["large", "patched_plane", "plane"]

Workspace = dict[str, Any]


def plane(points: int, *, channels: int, systematics: int, seed: int = 7) -> list[Workspace]:
    """Points of a mass plane: signals on the same four backgrounds, with 10 bins per channel.

    Each systematic uncertainty moves rates and shapes of all backgrounds, and the rate of the signal; one parameter per bin
    is for the statistics of the simulation. 21 parameters with one channel and 10 systematic uncertainties, 49 with three
    and 18.
    """
    rng = np.random.default_rng(seed)
    falling = np.exp(-0.25 * np.arange(10))
    built, observed = [], []
    for c in range(channels):
        samples, total = [], np.zeros(10)
        for b in range(4):
            contents = rng.uniform(30.0, 120.0) * falling
            modifiers: list[dict[str, Any]] = []
            for a in range(systematics):
                rates = {"hi": 1 + rng.uniform(0.02, 0.08), "lo": 1 - rng.uniform(0.02, 0.08)}
                modifiers.append({"name": f"syst{a}", "type": "normsys", "data": rates})
                tilt = rng.normal(0.0, 0.03) * np.linspace(-1.0, 1.0, 10)
                shapes = {
                    "hi_data": (contents * (1 + tilt)).tolist(),
                    "lo_data": (contents * (1 - tilt)).tolist(),
                }
                modifiers.append({"name": f"syst{a}", "type": "histosys", "data": shapes})
            errors = (0.06 * contents).tolist()
            modifiers.append({"name": f"mcstat_{c}", "type": "staterror", "data": errors})
            samples.append({"name": f"background{b}", "data": contents.tolist(), "modifiers": modifiers})
            total += contents
        built.append({"name": f"channel{c}", "samples": samples})
        observed.append({"name": f"channel{c}", "data": [float(n) for n in rng.poisson(total)]})
    return [_with_signal(built, observed, systematics, rng) for _ in range(points)]


def _with_signal(
    channels: list[dict[str, Any]],
    observed: list[dict[str, Any]],
    systematics: int,
    rng: np.random.Generator,
) -> Workspace:
    peak, width, size = rng.uniform(2.0, 9.0), rng.uniform(1.0, 3.0), rng.uniform(4.0, 20.0)
    with_signal = []
    for channel in channels:
        contents = 0.2 + size * np.exp(-0.5 * ((np.arange(10) - peak) / width) ** 2)
        modifiers: list[dict[str, Any]] = [{"name": "mu", "type": "normfactor", "data": None}]
        modifiers += [
            {"name": f"syst{a}", "type": "normsys", "data": {"hi": 1.03, "lo": 0.97}}
            for a in range(systematics)
        ]
        signal = {"name": "signal", "data": contents.tolist(), "modifiers": modifiers}
        with_signal.append({**channel, "samples": [signal, *channel["samples"]]})
    # pyhf looks for limits inside the bounds.
    settings = [{"name": "mu", "bounds": [[0.0, 10.0]], "inits": [1.0]}]
    return {
        "channels": with_signal,
        "observations": observed,
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": settings}}],
        "version": "1.0.0",
    }


def patched_plane(points: int, *, channels: int, systematics: int) -> tuple[Workspace, list[Patch]]:
    """The points of :func:`plane` as one workspace without signal and a patch per point."""
    workspaces = plane(points, channels=channels, systematics=systematics)
    patches = [
        Patch(
            f"point{i}",
            {"point": i},
            [
                {"op": "add", "path": f"/channels/{c}/samples/0", "value": channel["samples"][0]}
                for c, channel in enumerate(workspace["channels"])
            ],
        )
        for i, workspace in enumerate(workspaces)
    ]
    without = [{**channel, "samples": channel["samples"][1:]} for channel in workspaces[0]["channels"]]
    return {**workspaces[0], "channels": without}, patches


def large(channels: int) -> Workspace:
    """That of the tests: 38 channels have 95 bins and 190 parameters."""
    path = Path(__file__).resolve().parent.parent / "tests" / "fits" / "randomworkspaces.py"
    spec = importlib.util.spec_from_file_location("randomworkspaces", path)
    if spec is None or spec.loader is None:
        message = f"{path} cannot be read"
        raise RuntimeError(message)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    workspace: Workspace = module.large_workspace(channels)
    return workspace
