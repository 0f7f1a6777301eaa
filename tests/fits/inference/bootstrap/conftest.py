"""Runs with feature tables, whose events the tests choose."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import hist
import numpy as np
import pandas as pd
import pytest

from massgap.contracts.feature_table import write_feature_tables
from massgap.contracts.run_folder import RunFolder

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path


def sample(
    folder: Path,
    events: Mapping[str, tuple[Any, Any]],
    *,
    bins: int = 20,
    folds: int = 0,
    tables: bool = True,
    shift: Callable[[Any], Any] | None = None,
) -> RunFolder:
    """A run with a histogram ``x`` in the region ``sr``, and ``y``, twice x less 1, in ``tight``, where x is at least a half.

    Parameters
    ----------
    events
        Process -> (observable from 0 to 1, weight in fb) of its events; numbered from 0, as samples are.
    shift
        Factor of the weights of the variation ``tune_up``; ``tune_down`` divides by it.
    """
    variations = ["nominal", *(["tune_up", "tune_down"] if shift else [])]
    histograms, made = {}, {}
    for name, region in (("x", "sr"), ("y", "tight")):
        axes: list[Any] = [
            hist.axis.StrCategory(sorted(events), name="process"),
            hist.axis.StrCategory([region], name="region"),
            hist.axis.StrCategory(variations, name="variation"),
        ]
        if folds:
            axes.append(hist.axis.Integer(0, folds, name="fold"))
        histograms[name] = hist.Hist(
            *axes, hist.axis.Regular(bins, 0.0, 1.0, name=name), storage=hist.storage.Weight()
        )
    for process, (given, size) in events.items():
        x, weight = np.broadcast_arrays(np.asarray(given, float), np.asarray(size, float))
        keys = np.arange(len(x), dtype=np.uint64)
        table = {"x": x, "y": 2.0 * x - 1.0, "fold_key": keys, "weight": weight}
        in_region = {"sr": np.ones(len(x), bool), "tight": x >= 0.5}
        for (name, h), inside in zip(histograms.items(), in_region.values(), strict=True):
            where: dict[str, Any] = {"process": process, "region": str(h.axes["region"][0])}
            if folds:
                where["fold"] = (keys % np.uint64(folds)).astype(np.int64)[inside]
            for variation in variations:
                factor = 1.0 if shift is None or variation == "nominal" else shift(x)
                varied = weight / factor if variation == "tune_down" else weight * factor
                h.fill(**where, variation=variation, **{name: table[name][inside]}, weight=varied[inside])
        regions = {f"region_{name}": inside for name, inside in in_region.items()}
        made[f"{process}_0"] = pd.DataFrame({**table, **regions, "channel": ""})
    manifest: dict[str, Any] = {
        "datasets": {f"{name}_0": {"process": name, "is_data": False} for name in events}
    }
    if tables:
        folder.mkdir(parents=True, exist_ok=True)
        manifest["features"] = write_feature_tables(folder / "features", made, {})
    run = RunFolder(folder, manifest)
    run.__dict__["histograms"] = histograms  # as if they had been read
    return run


@pytest.fixture(scope="session")
def make_sample() -> Callable[..., RunFolder]:
    return sample
