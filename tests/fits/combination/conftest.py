"""Runs with histograms and feature tables of the same events, so that what is fitted and what is compared belong together."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import hist
import numpy as np
import pandas as pd
import pytest

from massgap.contracts.description import Description, Region
from massgap.contracts.feature_table import write_feature_tables
from massgap.contracts.run_folder import RunFolder, open_run

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

REGIONS = (
    Region("sr_1l", channel="1l", disjoint=("declared_1l",)),
    Region("cr_1l", channel="1l"),
    Region("declared_1l", channel="1l"),
    Region("sr_2l", channel="2l"),
)
LUMI = 100.0


def events(
    n: int, *, first: int = 0, seed: int = 1, regions: Mapping[str, float] | None = None
) -> pd.DataFrame:
    """Selected events: keys that count from ``first``, MET, and regions that begin at a MET in GeV."""
    rng = np.random.default_rng(seed)
    met = rng.exponential(80.0, size=n)
    table = pd.DataFrame({"met": met, "n_jets": rng.integers(0, 4, size=n)})
    table["fold_key"] = np.arange(first, first + n, dtype=np.uint64)
    for name, low in (regions or {"sr_1l": 0.0}).items():
        table[f"region_{name}"] = met >= low
    return table


def write(
    folder: Path,
    samples: Mapping[str, pd.DataFrame],
    *,
    uuids: Mapping[str, str] | None = None,
    signal: str = "signal",
    analysis: str = "mine",
    xsec_fb: float = 10.0,
    regions: tuple[Region, ...] = REGIONS,
) -> RunFolder:
    """A run folder: a process and dataset for each sample, each with that cross section; "data" is recorded."""
    folder.mkdir(parents=True)
    datasets = {
        f"{name}_0": {"process": name, "is_data": name == "data", "is_signal": name == signal}
        for name in samples
    }
    names = [region.name for region in regions if any(f"region_{region.name}" in t for t in samples.values())]
    h = hist.Hist(
        hist.axis.StrCategory(sorted(samples), name="process"),
        hist.axis.StrCategory(names, name="region"),
        hist.axis.StrCategory(["nominal"], name="variation"),
        hist.axis.Regular(4, 0.0, 400.0, name="met"),
        storage=hist.storage.Weight(),
    )
    tables = {}
    for name, table in samples.items():
        weight = 1.0 if name == "data" else xsec_fb / max(len(table), 1)
        for region in names:
            if f"region_{region}" in table:
                chosen = table[table[f"region_{region}"]]
                h.fill(process=name, region=region, variation="nominal", met=chosen.met, weight=weight)
        tables[f"{name}_0"] = table.assign(weight=weight, process=name, dataset=f"{name}_0")
    from uhi.io.json import default

    contents: dict[str, Any] = {
        "manifest.json": {
            "format": "massgap-run/1",
            "analysis": analysis,
            "datasets": datasets,
            "features": write_feature_tables(folder / "features", tables, {}),
            "description": Description(analysis, regions=regions, luminosity=LUMI).as_dict(),
        },
        "histograms.json": {"format": "massgap-histograms/1", "unit": "fb", "histograms": {"met": h}},
        "ledger.json": {
            "format": "massgap-ledger/1",
            "complete": True,
            "files": [
                {"dataset": f"{name}_0", "path": f"{name}.root", "uuid": (uuids or {}).get(name, name)}
                for name in samples
            ],
        },
    }
    for name, content in contents.items():
        (folder / name).write_text(json.dumps(content, default=default), encoding="utf-8")
    return open_run(folder)


@pytest.fixture(scope="session")
def make_events() -> Callable[..., pd.DataFrame]:
    return events


@pytest.fixture(scope="session")
def write_events() -> Callable[..., RunFolder]:
    return write
