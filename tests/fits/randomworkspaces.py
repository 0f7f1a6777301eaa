"""Random HistFactory workspaces with all modifiers, and a large one, for tests and benchmarks of fits."""

from __future__ import annotations

from typing import Any

import numpy as np

__all__ = ["large_workspace", "random_workspace"]

LUMI = {"name": "lumi", "auxdata": [1.0], "sigmas": [0.03], "bounds": [[0.5, 1.5]], "inits": [1.0]}


def random_workspace(seed: int, *, few_events: bool = False, channels: int | None = None) -> dict[str, Any]:
    """One to three channels of up to six bins; names of channels and samples in no alphabetical order."""
    rng = np.random.default_rng(seed)
    systematics = [f"a{i}" for i in range(int(rng.integers(1, 5)))]
    with_lumi, with_free = rng.random() < 0.5, rng.random() < 0.4
    built, observed = [], []
    number = channels or int(rng.integers(1, 4))
    for c in rng.permutation(number):
        bins, name = int(rng.integers(1, 7)), f"ch{c}"
        statistics = rng.random() < 0.7
        samples, total = [], np.zeros(bins)
        for s in rng.permutation(int(rng.integers(2, 6))):
            signal = s == 0
            contents = rng.uniform(0.3, 8, bins) if signal else rng.uniform(3, 90, bins)
            contents = contents / 5 if few_events and not signal else contents
            if signal and c > 0 and rng.random() < 0.3:
                contents = 0.0 * contents
            modifiers = _shared(rng, contents, systematics, with_lumi=with_lumi)
            if signal:
                modifiers.append({"name": "mu", "type": "normfactor", "data": None})
            else:
                total += contents
                modifiers += _of_background(rng, contents, name, int(s), statistics=statistics)
                if with_free and s == 1:
                    modifiers.append({"name": "free", "type": "normfactor", "data": None})
            samples.append({"name": f"s{s}", "data": contents.tolist(), "modifiers": modifiers})
        built.append({"name": name, "samples": samples})
        observed.append({"name": name, "data": [float(x) for x in rng.poisson(total)]})
    if not any(m["name"] == "mu" for ch in built for sa in ch["samples"] for m in sa["modifiers"]):
        built[0]["samples"][0]["modifiers"].append({"name": "mu", "type": "normfactor", "data": None})
    return _workspace(built, observed, [LUMI] if with_lumi else [])


def _shared(
    rng: np.random.Generator, contents: np.ndarray, systematics: list[str], *, with_lumi: bool
) -> list[dict[str, Any]]:
    modifiers: list[dict[str, Any]] = []
    if with_lumi and rng.random() < 0.8:
        modifiers.append({"name": "lumi", "type": "lumi", "data": None})
    for name in systematics:
        chance = rng.random()
        if chance < 0.35:
            data = {"hi": float(np.exp(rng.normal(0.1, 0.12))), "lo": float(np.exp(rng.normal(-0.1, 0.12)))}
            modifiers.append({"name": name, "type": "normsys", "data": data})
        if 0.2 < chance < 0.6:
            shift = rng.normal(0, 0.12, len(contents))
            up, down = contents * (1 + shift), contents * (1 - shift * rng.uniform(0.3, 1.3))
            data = {"hi_data": up.tolist(), "lo_data": down.tolist()}
            modifiers.append({"name": name, "type": "histosys", "data": data})
    return modifiers


def _of_background(
    rng: np.random.Generator, contents: np.ndarray, channel: str, sample: int, *, statistics: bool
) -> list[dict[str, Any]]:
    modifiers: list[dict[str, Any]] = []
    if statistics and rng.random() < 0.8:
        errors = contents * rng.uniform(0.02, 0.3, len(contents))
        modifiers.append({"name": f"st_{channel}", "type": "staterror", "data": errors.tolist()})
    if rng.random() < 0.25:
        errors = contents * rng.uniform(0.03, 0.3, len(contents))
        if rng.random() < 0.3:
            errors[0] = 0.0
        modifiers.append({"name": f"ss_{channel}_{sample}", "type": "shapesys", "data": errors.tolist()})
    if rng.random() < 0.05:
        modifiers.append({"name": f"sf_{channel}_{sample}", "type": "shapefactor", "data": None})
    return modifiers


def large_workspace(channels: int = 38, systematics: int = 90, seed: int = 0) -> dict[str, Any]:
    """The shape of a large published likelihood: 38 channels, 95 bins and 190 parameters by default."""
    rng = np.random.default_rng(seed)
    built, observed = [], []
    for c in range(channels):
        bins = 3 if c % 2 else 2
        samples, total = [], np.zeros(bins)
        for s in range(7):
            contents = rng.uniform(0.2, 3, bins) if s == 0 else rng.uniform(2, 40, bins)
            modifiers: list[dict[str, Any]] = [{"name": "lumi", "type": "lumi", "data": None}]
            if s == 0:
                modifiers.append({"name": "mu", "type": "normfactor", "data": None})
            else:
                errors = (0.08 * contents).tolist()
                modifiers.append({"name": f"staterror_{c}", "type": "staterror", "data": errors})
                total += contents
            if 0 < s < 4:
                modifiers.append({"name": f"norm{s}", "type": "normfactor", "data": None})
            for a in range(systematics):
                if rng.random() < 0.5:
                    data: dict[str, Any] = {x: 1 + float(rng.normal(0, 0.04)) for x in ("hi", "lo")}
                    modifiers.append({"name": f"syst{a}", "type": "normsys", "data": data})
                if rng.random() < 0.5:
                    shift = rng.normal(0, 0.04, bins)
                    data = {"hi_data": (contents * (1 + shift)).tolist()}
                    data["lo_data"] = (contents * (1 - shift)).tolist()
                    modifiers.append({"name": f"syst{a}", "type": "histosys", "data": data})
            samples.append({"name": f"s{s}", "data": contents.tolist(), "modifiers": modifiers})
        built.append({"name": f"ch{c:02d}", "samples": samples})
        observed.append({"name": f"ch{c:02d}", "data": [float(x) for x in rng.poisson(total)]})
    return _workspace(built, observed, [{**LUMI, "sigmas": [0.02]}])


def _workspace(
    channels: list[dict[str, Any]], observed: list[dict[str, Any]], parameters: list[dict[str, Any]]
) -> dict[str, Any]:
    measurement = {"name": "m", "config": {"poi": "mu", "parameters": parameters}}
    return {"channels": channels, "observations": observed, "measurements": [measurement], "version": "1.0.0"}
