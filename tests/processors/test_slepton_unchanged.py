"""The slepton analysis gives bit for bit the numbers that it gave before the house was rebuilt.

The checksums were written by ``python tests/processors/test_slepton_unchanged.py`` from the code of commit acc9e72, in which the
topology was one hand-written loop.  Machine code differs between types of processor, and with it the last bit of a
cosine or a root: on another one than that of the checksums, sums are compared to nine digits instead.
"""

from __future__ import annotations

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

import llvmlite.binding as llvm
import numpy as np
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent))
import eventfiles

from massgap.processors import Slepton
from massgap.runner import run

STORED = Path(__file__).parent / "data" / "slepton_checksums.json"
OPTIONS: dict[str, dict[str, Any]] = {
    "v9": {"variations": ["jes", "muon_scale", "isr"]},
    "v12": {"variations": ["isr"], "precuts": ["z_window", "met", "cos_theta_star", "mt2_100", "m_tautau"]},
    "v15": {"without": ["no_electron", "no_b_jet", "no_tau", "met_30"], "muon_pt": 12.0, "hard_jet_pt": 35.0},
    "data": {},
    "delphes": {"variations": ["jes"]},
}


def arrays(result: dict[str, Any]) -> dict[str, np.ndarray]:
    """Every number of a result by name, free of how axes and columns are called."""
    out = {}
    for name, histogram in result["histograms"].items():
        for part in ("value", "variance"):
            # One process and one channel; classes or regions, variations and bins in this order.
            full = np.asarray(histogram.view(flow=True)[part])
            out[f"{name}/{part}"] = full.reshape([n for n in full.shape if n > 1] or [1])
    rows = [row for rows in result["cutflow"]["processes"].values() for row in rows]
    for key in ("raw", "weighted", "variance"):
        out[f"cutflow/{key}"] = np.array([row[key] for row in rows], dtype=np.float64)
    table = result["features"]["d"]
    for name in (*(f.name for f in Slepton.observables), "weight", "fold_key"):
        out[f"rows/{name}"] = table[name].to_numpy()
    out["rows/selected"] = table["region_precuts"].to_numpy()
    return out


def nanoaod(folder: Path, version: str) -> dict[str, Any]:
    path = eventfiles.write_nano(folder / f"{version}.root", eventfiles.make_events(3000, 23), version)
    metadata = {"process": "p"} | ({"is_data": True} if version == "data" else {"xsec_fb": 250.0})
    fileset = {"d": {"files": {str(path): None}, "metadata": metadata}}
    result = run(Slepton(features=True, **OPTIONS[version]), fileset)
    result.require_complete()
    return {"histograms": result.histograms, "cutflow": result.cutflow, "features": result.features}


def delphes(folder: Path) -> dict[str, Any]:
    from coffea.nanoevents import BaseSchema, NanoEventsFactory

    columns = eventfiles.delphes_columns(eventfiles.make_events(3000, 23))
    path = eventfiles.write_columns(folder / "delphes.root", columns, tree="Delphes")
    events = NanoEventsFactory.from_root(
        {str(path): "Delphes"},
        schemaclass=BaseSchema,
        metadata={"dataset": "d", "xsec_fb": 250.0, "process": "p"},
    ).events()
    processor = Slepton(features=True, **OPTIONS["delphes"])
    return processor.postprocess(processor.process(events))


def numbers(folder: Path, version: str) -> dict[str, dict[str, Any]]:
    result = delphes(folder) if version == "delphes" else nanoaod(folder, version)
    out = {}
    for name, values in arrays(result).items():
        flat = np.ascontiguousarray(values).ravel()
        finite = np.where(np.isfinite(flat.astype(np.float64)), flat, 0.0)
        # Moments: a number that moves to another bin or row changes the second one.
        moments = [float(finite.sum()), float(finite @ np.arange(1, len(flat) + 1))]
        out[name] = {
            "sha256": hashlib.sha256(flat.tobytes()).hexdigest(),
            "size": len(flat),
            "moments": moments,
        }
    return out


@pytest.mark.parametrize("version", OPTIONS)
def test_same_numbers_as_before(version: str, tmp_path: Path) -> None:
    stored = json.loads(STORED.read_text())
    found, wanted = numbers(tmp_path, version), stored["numbers"][version]
    assert sorted(found) == sorted(wanted)
    assert {name: entry["size"] for name, entry in found.items()} == {
        name: entry["size"] for name, entry in wanted.items()
    }
    if llvm.get_host_cpu_name() == stored["processor"]:
        assert {name for name in wanted if found[name]["sha256"] != wanted[name]["sha256"]} == set()
    for name in wanted:
        scale = abs(wanted[name]["moments"][1]) + 1e-300
        np.testing.assert_allclose(
            found[name]["moments"], wanted[name]["moments"], rtol=1e-9, atol=1e-9 * scale, err_msg=name
        )


if __name__ == "__main__":
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        content = {version: numbers(Path(folder), version) for version in OPTIONS}
    STORED.write_text(
        json.dumps({"processor": llvm.get_host_cpu_name(), "numbers": content}, indent=0) + "\n"
    )
