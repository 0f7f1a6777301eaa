"""The columnar analysis that benchmarks compare with gives the same numbers as massgap."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from massgap.events.reading.files import inspect_file
from massgap.events.reading.open import Chunk, close_files, open_events
from massgap.processors import Slepton
from massgap.runner import run


def _benchmark(name: str) -> Any:
    """A module of the folder benchmarks, which is no part of the package."""
    path = Path(__file__).parent.parent / "benchmarks" / f"{name}.py"
    spec = importlib.util.spec_from_file_location(f"_benchmarks_{name}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


N = 20_000
MT2 = ("mt2_0", "mt2_100", "ratio_mt2")


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> tuple[dict[str, Any], dict[str, Any]]:
    path = _benchmark("events").write_events(tmp_path_factory.mktemp("plain") / "a.root", N, triggers=3)
    info = inspect_file(str(path))
    total: dict[str, Any] = {}
    analysis = _benchmark("plain_coffea").PlainSlepton()
    for start in (0, N // 2):
        events = open_events(Chunk("d", str(path), start, start + N // 2, uuid=info.uuid), {})
        part = analysis.process(events)
        for kind, values in part.items():
            for name, value in values.items():
                known = total.setdefault(kind, {})
                known[name] = known[name] + value if name in known else value
    close_files()
    # Data sets without a cross section are not scaled: plain sums of generator weights.
    ours = run(Slepton(), {"d": {"files": {str(path): "Events"}, "metadata": {"process": "p"}}})
    ours.require_complete()
    return total, ours


def test_the_same_events_pass(results) -> None:
    plain, ours = results
    rows = {row["step"]: row["raw"] for row in ours.cutflow["processes"]["p"]}
    assert plain["counts"] == rows
    assert rows["all events"] == N
    assert rows["MET > 30"] > 500
    assert rows["cos_theta_star"] > 20


def test_the_same_histograms(results) -> None:
    plain, ours = results
    assert plain["histograms"].keys() == ours.histograms.keys()
    assert len(ours.histograms) == 30
    for name, histogram in plain["histograms"].items():
        true = ours.histograms[name][{"process": "p", "variation": "nominal"}]
        if name.startswith("nminus1_"):
            true = true[{"region": "precuts"}]
        assert [axis.name for axis in true.axes] == [axis.name for axis in histogram.axes]
        a, b = histogram.view(flow=True), true.view(flow=True)
        assert np.abs(b["value"]).sum() > 0
        if name not in MT2:
            np.testing.assert_allclose(a["value"], b["value"], rtol=1e-9, atol=1e-9, err_msg=name)
            np.testing.assert_allclose(a["variance"], b["variance"], rtol=1e-9, atol=1e-9, err_msg=name)
            continue
        # The package finds M_T2 by bisection, with an error of its own: one event, of weight 3 at most, may be
        # in another bin, none may be lost.  (Among 200,000 such events no one was.)
        selections = a["value"].reshape(-1, a["value"].shape[-1])
        for found, expected in zip(selections, b["value"].reshape(selections.shape), strict=True):
            assert found.sum() == pytest.approx(expected.sum(), rel=1e-9)
        moved = np.abs(a["variance"] - b["variance"]).sum() / 2
        assert moved <= 9.0, name
