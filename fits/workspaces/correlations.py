"""What is correlated with what: which samples of a workspace each parameter moves, and by how much."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["correlations"]

_KINDS = {
    "normsys": "log-normal rate",
    "histosys": "shape",
    "normfactor": "free rate",
    "lumi": "luminosity",
    "staterror": "simulation, all samples of a bin",
    "shapesys": "simulation, one sample",
    "shapefactor": "free shape",
}
_CONSTRAINTS = {"normfactor": "free", "shapefactor": "free", "shapesys": "Poisson"}


def correlations(workspace: Mapping[str, Any]) -> list[dict[str, Any]]:
    """One entry per name of a parameter: everything that it moves is correlated by it.

    Parameters
    ----------
    workspace : mapping
        HistFactory workspace with one measurement, or more, of which the first is taken.

    Returns
    -------
    list of dict
        By name, the parameter of interest left out: ``name``, ``constraint`` ("Gaussian", "Poisson" or "free"), ``kinds``,
        ``processes`` and ``channels``, and in ``effects`` an entry for each sample that it moves: ``channel``, ``process``, and
        relative changes of the yield of the sample at +1 and -1 standard deviation, ``up`` and ``down``, None where the data
        or counts decide; of the statistics of the simulation, ``up`` and ``down`` are the relative error of the sum.

    Examples
    --------
    >>> rate = {"name": "xsec", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    >>> channel = {"name": "sr", "samples": [{"name": "tt", "data": [5.0], "modifiers": [rate]}]}
    >>> found = correlations({"channels": [channel], "measurements": [{"config": {"poi": "mu", "parameters": []}}]})
    >>> found[0]["name"], found[0]["processes"], round(found[0]["effects"][0]["up"], 3)
    ('xsec', ['tt'], 0.1)
    """
    config = workspace["measurements"][0]["config"]
    widths = {entry["name"]: entry.get("sigmas", [None])[0] for entry in config["parameters"]}
    found: dict[str, dict[str, Any]] = {}
    for channel in workspace["channels"]:
        for sample in channel["samples"]:
            for modifier in sample["modifiers"]:
                name, kind = modifier["name"], modifier["type"]
                if name == config["poi"]:
                    continue
                entry = found.setdefault(
                    name,
                    {
                        "name": name,
                        "constraint": _CONSTRAINTS.get(kind, "Gaussian"),
                        "kinds": [],
                        "processes": [],
                        "channels": [],
                        "effects": [],
                    },
                )
                _append(entry["kinds"], "linear rate" if _is_rate(sample, modifier) else _KINDS[kind])
                _append(entry["processes"], sample["name"])
                _append(entry["channels"], channel["name"])
                _merge(entry["effects"], channel["name"], sample, modifier, widths.get(name))
    return [found[name] for name in sorted(found)]


def _is_rate(sample: Mapping[str, Any], modifier: Mapping[str, Any]) -> bool:
    """Whether an interpolated shape moves all bins by the same factor."""
    if modifier["type"] != "histosys":
        return False
    nominal = np.asarray(sample["data"], dtype=np.float64)
    sides = [np.asarray(modifier["data"][key], dtype=np.float64) for key in ("hi_data", "lo_data")]
    total = float(nominal.sum())
    return total != 0.0 and all(np.allclose(side * total, nominal * side.sum(), rtol=1e-9) for side in sides)


def _append(known: list[str], new: str) -> None:
    if new not in known:
        known.append(new)


def _merge(
    effects: list[dict[str, Any]],
    channel: str,
    sample: Mapping[str, Any],
    modifier: Mapping[str, Any],
    width: float | None,
) -> None:
    up, down = _effect(sample, modifier, width)
    place = {"channel": channel, "process": sample["name"]}
    before = next((e for e in effects if e["channel"] == channel and e["process"] == sample["name"]), None)
    if before is None:
        effects.append({**place, "up": up, "down": down})
        return
    # A rate and a shape of one parameter: the rate is a factor, the shape moves the sum as well where it was not normalised.
    for key, value in (("up", up), ("down", down)):
        if before[key] is not None and value is not None:
            before[key] = (1.0 + before[key]) * (1.0 + value) - 1.0


def _effect(
    sample: Mapping[str, Any], modifier: Mapping[str, Any], width: float | None
) -> tuple[float | None, float | None]:
    kind, data = modifier["type"], modifier["data"]
    nominal = np.asarray(sample["data"], dtype=np.float64)
    total = float(nominal.sum())
    if kind == "normsys":
        return data["hi"] - 1.0, data["lo"] - 1.0
    if kind == "lumi":
        return (None, None) if width is None else (width, -width)
    if total == 0.0 or kind in ("normfactor", "shapefactor"):
        return None, None
    if kind == "histosys":
        return (float(np.sum(data["hi_data"])) / total - 1.0, float(np.sum(data["lo_data"])) / total - 1.0)
    error = float(np.sqrt(np.sum(np.square(data)))) / abs(total)
    return error, -error
