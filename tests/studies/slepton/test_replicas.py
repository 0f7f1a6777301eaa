"""Errors of quotients of numbers that come from the same events, and what the study's numbers stand on."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import numpy as np
import pytest

from massgap.studies.slepton.numbers import resources as told
from massgap.studies.slepton.numbers.replicas import mean_error, paired, spread
from massgap.studies.slepton.numbers.resources import resources
from massgap.studies.slepton.numbers.systematics import systematics_table
from massgap.studies.slepton.numbers.tables import quotient

RANDOM = np.random.default_rng(1)
COMMON = 1.0 + 0.1 * RANDOM.standard_normal(4000)
OWN = 1.0 + 0.01 * RANDOM.standard_normal((2, 4000))


def test_what_fluctuates_together_cancels_in_a_quotient() -> None:
    """10 % that both have, and 1 % that each has of its own: the quotient is known to 1.4 %, not to 14 %."""
    above, below = 10.0 * COMMON * OWN[0], 8.0 * COMMON * OWN[1]
    number = quotient((10.0, spread(above)), (8.0, spread(below)))
    assert number[1] == pytest.approx(1.25 * 0.141, rel=0.05)
    ratio, error = paired(number, above, below)
    assert ratio == 1.25
    assert error == pytest.approx(1.25 * 0.0141, rel=0.05)
    assert paired(number, above, None) == number
    assert paired(None, above, below) is None


def test_quotients_with_one_denominator_in_common_do_not_average_out() -> None:
    draws = {i: (1.0, 1.0 + 0.01 * RANDOM.standard_normal(4000), COMMON) for i in range(12)}
    assert mean_error(draws) == pytest.approx(0.1, rel=0.1)
    assert mean_error({**draws, 12: (1.0, None, COMMON)}) is None


def test_a_numerator_of_zero_has_an_error() -> None:
    """One event may be left where none is: 0 +- 1 over 4 +- 1 is 0 +- 1/4."""
    assert quotient((0.0, 1.0), (4.0, 1.0)) == (0.0, 0.25)
    ratio, error = quotient((3.0, 0.3), (4.0, 0.2))
    assert error == pytest.approx(ratio * math.hypot(0.1, 0.05))


def chunk(start: int, seconds: float, status: str = "processed"):
    return {
        "dataset": "tt",
        "file": "a.root",
        "start": start,
        "stop": start + 10,
        "status": status,
        "seconds": seconds,
    }


def test_the_time_of_all_scores_is_that_of_chunks_that_both_runs_have_timed(monkeypatch, tmp_path) -> None:
    ledgers = {
        "scored": [chunk(0, 3.0), chunk(10, 5.0), chunk(20, 9.0), chunk(30, 9.0, "failed")],
        # The third was there from an earlier call.
        "run": [chunk(0, 2.0), chunk(10, 2.0), chunk(20, 0.0), chunk(30, 1.0)],
    }
    monkeypatch.setattr(told, "open_run", lambda path: SimpleNamespace(ledger={"chunks": ledgers[path.name]}))
    record = {"format": "massgap-study/1", "study": "slepton", "runs": {"run": {}, "scored": {}}}
    (tmp_path / "study.json").write_text(json.dumps(record))
    folders = SimpleNamespace(study=tmp_path, opened=SimpleNamespace(histograms={}), signal=lambda: None)
    ((name, number),) = resources(folders).items()
    assert name == ("time with all scores in one pass over that with none", "number")
    # 8 s over 4 s; residuals of 1 s each way.
    assert number == (pytest.approx(2.0), pytest.approx(math.sqrt(2.0 * 2.0) / 4.0))
    (tmp_path / "study.json").write_text(json.dumps({**record, "small": True}))
    assert resources(folders) == {}


def test_systematics_are_told_with_what_the_fit_learns_of_them() -> None:
    effects = [
        {"channel": "mumu1j", "process": "tt", "up": 0.031, "down": -0.02},
        {"channel": "mumu1b", "process": "tt", "up": 0.5, "down": -0.5},
    ]
    nuisances = [
        {"name": "jes", "kinds": ["shape"], "effects": effects},
        {"name": "norm_WW", "kinds": ["log-normal rate"], "effects": []},
    ]
    fit = {
        "signal": "slepton_110_80",
        "parts": [{"channel": "mumu1j"}],
        "nuisances": nuisances,
        "pulls": {"jes": {"value": 0.0, "error": 0.6}},
    }
    folders = SimpleNamespace(study=None, results={"fits/controls": fit}.get)
    table = systematics_table(folders)
    assert table.rows == (("jes", None, "+3.1 / -2.0 %", None, None, None, (0.6, None), None),)
    assert len(table.header) == len(table.rows[0])
    # Another fit calls the same region by another name, and has a parameter of its own.
    of_search = [{**effects[0], "channel": "precuts"}]
    more = [
        {"name": "jes", "kinds": ["shape"], "effects": of_search},
        {"name": "electron_scale", "kinds": ["shape"], "effects": of_search},
    ]
    emu = {**fit, "parts": [{"channel": "precuts"}], "nuisances": more, "pulls": {}}
    folders = SimpleNamespace(study=None, results={"fits/controls": fit, "fits/emu": emu}.get)
    told_first, told_second = sorted(systematics_table(folders).rows)
    assert (told_first[0], told_first[2]) == ("electron_scale", "+3.1 / -2.0 %")
    assert told_second == table.rows[0]
    assert systematics_table(SimpleNamespace(study=None, results=lambda _: None)) is None
