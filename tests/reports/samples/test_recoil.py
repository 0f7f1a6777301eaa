"""Recoil in Z -> ll on events of a known response and resolution, and copies that are one event."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from massgap.reports.samples.checks import FEW, LOOK, OK
from massgap.reports.samples.detector.recoil import Recoil
from massgap.reports.samples.inputs import Chunk, Dataset
from massgap.reports.samples.overview import Overview

SIGMA = 10.0


def chunk(
    n: int = 4000, *, response: float = 1.0, sigma: float = SIGMA, lean: float = 0.0, name: str = "Muon"
) -> Chunk:
    """Z bosons to two leptons, balanced by a recoil that is measured with some response and resolution."""
    rng = np.random.default_rng(5)
    q = rng.uniform(5, 200, n) * np.exp(1j * rng.uniform(-np.pi, np.pi, n))
    # two leptons of momentum q whose mass is 91: by their difference in eta
    half = q / 2 * (1 + 0.0j)
    gap = np.arccosh(1 + 91.0**2 / (2 * np.abs(half) ** 2))
    turn = q / np.abs(q)
    met = (1 - response) * -q + turn * (rng.normal(0, sigma, n) + 1j * (rng.normal(0, sigma, n) - lean))
    one = {"pt": np.abs(half), "phi": np.angle(half), "eta": gap / 2, "charge": np.ones(n, dtype=np.int32)}
    two = {**one, "eta": -gap / 2, "charge": -one["charge"]}
    columns = {f"{name}_{key}": ak.Array(np.stack([one[key], two[key]], axis=1)) for key in one}
    events = ak.zip(
        {
            **{key: ak.from_regular(value) for key, value in columns.items()},
            "MET_pt": np.abs(met),
            "MET_phi": np.angle(met),
            "GenMET_pt": np.zeros(n),
            "GenMET_phi": np.zeros(n),
        },
        depth_limit=1,
    )
    return Chunk(Dataset("dy", {}, {}), events)


def checks_of(*chunks: Chunk):
    recoil = Recoil()
    for one in chunks:
        recoil.fill(one)
    part = recoil.finish()
    return {check.name.removeprefix("Z -> ll: "): check for check in part.checks}, part


@pytest.mark.parametrize("name", ["Muon", "Electron"])
def test_a_good_detector_closes(name) -> None:
    checks, part = checks_of(chunk(name=name))
    spread, along, across = checks.values()
    assert [check.status for check in checks.values()] == [OK] * 3
    assert abs(spread.value - np.sqrt(2) * SIGMA) < 4 * spread.error
    assert abs(along.value - 1.0) < 4 * along.error
    assert abs(across.value) < 4 * across.error
    assert len(part.figures) == 2
    assert part.absent == []


def test_wrong_detectors_are_flagged() -> None:
    assert checks_of(chunk(response=0.5))[0]["recoil over pT of the leptons above 50 GeV"].status == LOOK
    assert checks_of(chunk(response=0.5))[0][
        "recoil over pT of the leptons above 50 GeV"
    ].value == pytest.approx(0.5, abs=0.02)
    assert checks_of(chunk(sigma=25.0))[0]["root mean square of missing momentum"].status == LOOK
    assert checks_of(chunk(lean=3.0))[0]["recoil across the leptons"].status == LOOK


def test_too_few_events_are_no_verdict() -> None:
    checks, part = checks_of(chunk(60))
    assert {check.status for check in checks.values()} == {FEW}
    _, part = checks_of(chunk(10))
    assert part.checks == []
    assert "massgap generate Zmumu" in part.absent[0]
    # three leptons, equal charges and another mass are no Z
    assert (
        checks_of(Chunk(Dataset("dy", {}, {}), ak.zip({"MET_pt": np.ones(3)}, depth_limit=1)))[1].checks == []
    )


def test_copies_of_a_hard_process_are_one_event() -> None:
    def effective(copies: int) -> str:
        data = Dataset("d", {"xsec_fb": 1.0, "sum_weights": 1.0, "n_copies": copies}, {})
        overview = Overview([data])
        numbers = np.repeat(np.arange(50), 4)
        for part in (slice(0, 90), slice(90, 200)):
            events = {
                "genWeight": np.full(200, 0.25)[part],
                "run": np.ones(200, dtype=int)[part],
                "luminosityBlock": np.ones(200, dtype=int)[part],
                "event": numbers[part],
            }
            overview.fill(Chunk(data, ak.zip(events, depth_limit=1)))
        overview.finish([])
        total, squares = overview.weights["d"][:2]
        return f"{total**2 / squares:.6g}"

    assert (effective(4), effective(1)) == ("50", "200")
