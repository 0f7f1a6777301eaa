"""Slices below zero: events that head for the search behind several hard jets."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from massgap.reports.samples.inputs import Dataset
from massgap.reports.samples.slices import Slices

N = 20_000


def slices_of(step: float, *, stray: int = 0) -> Any:
    """A spectrum falling with the absolute value, on both sides of zero, cut at -95 and 40."""
    rng = np.random.default_rng(5)
    value = rng.exponential(60.0, N) * rng.choice([-1.0, 1.0], N)
    edges = (-1e5, -95.0, 40.0, None)
    datasets, chunks = [], []
    for name, low, high in zip(("jets", "low", "high"), edges[:-1], edges[1:], strict=True):
        mine = value[(value >= low) & (value < (np.inf if high is None else high))].astype(np.float32)
        if name == "low":
            mine[:stray] = -120.0
        weight = np.full(len(mine), step if name == "jets" else 1.0)
        tranche = {"name": name, "group": "tt", "variable": "met_hard", "min": low, "max": high}
        dataset = Dataset(name, {"process": "tt", "xsec_fb": 1.0, "tranche": tranche}, {})
        datasets.append(dataset)
        chunks.append(
            SimpleNamespace(
                dataset=dataset,
                n=len(mine),
                weight=weight,
                has=lambda *branches: branches == ("Generator_binvar",),
                values=lambda _, mine=mine: mine,
            )
        )
    found = Slices(datasets)
    for chunk in chunks:
        found.fill(chunk)
    return found


@pytest.mark.parametrize("step", [1.0, 1.5])
def test_steps_are_seen_on_both_sides_of_zero(step: float) -> None:
    """The edge at -95 once had no bins, and values that rounding put onto it counted as strays."""
    part = slices_of(step).finish()
    checks = {check.name: check for check in part.checks}
    below, above = checks["tt: step at -95 GeV"], checks["tt: step at 40 GeV"]
    assert above.value == pytest.approx(1.0, abs=3 * above.error)
    assert below.value == pytest.approx(1 / step, abs=3 * below.error)
    assert below.error < 0.15
    assert below.status == ("ok" if step == 1.0 else "look")
    assert checks["tt: events outside their slice"].value == 0
    (spectrum,) = [drawn for drawn in part.figures if "Dotted" in drawn.caption]
    assert "Values below zero are not drawn." in spectrum.caption


def test_strays_below_zero_are_counted() -> None:
    checks = {check.name: check for check in slices_of(1.0, stray=7).finish().checks}
    assert checks["tt: events outside their slice"].value == 7


def test_what_rounding_puts_beyond_an_edge_is_no_stray() -> None:
    found = slices_of(1.0)
    low = found.groups["tt"][1]
    chunk = SimpleNamespace(
        dataset=low,
        n=2,
        weight=np.ones(2),
        has=lambda *branches: branches == ("Generator_binvar",),
        values=lambda _: np.array([-95.1, -94.9]),
    )
    found.fill(chunk)
    assert found.outside["low"] == 0
