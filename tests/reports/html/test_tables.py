"""The text cutflow and the numbers in it."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from massgap.reports.errors import UnreadableInput
from massgap.reports.html.numbers import measured, number
from massgap.reports.html.tables import cutflow_rows, cutflow_text

CUTFLOW = {
    "unit": "fb",
    "channels": ["c"],
    "steps": ["all", "met", "none"],
    "processes": {
        "tt": [
            {"channel": "c", "step": "all", "raw": 1000, "weighted": 50.0, "variance": 4.0},
            {"channel": "c", "step": "met", "raw": 10, "weighted": 12.5, "variance": 0.25},
            {"channel": "c", "step": "none", "raw": 0, "weighted": 0.0, "variance": 0.0},
        ],
        "empty": [
            {"channel": "c", "step": step, "raw": 0, "weighted": 0.0, "variance": 0.0}
            for step in ("all", "met", "none")
        ],
    },
}


def test_rows_hold_efficiencies_of_the_step_before_and_of_all() -> None:
    rows = cutflow_rows(CUTFLOW)["c"]["tt"]
    assert [row.error for row in rows] == [2.0, 0.5, 0.0]
    assert [row.efficiency for row in rows] == [None, 0.25, 0.0]
    assert [row.cumulative for row in rows] == [None, 0.25, 0.0]


def test_a_process_without_events_has_no_efficiency() -> None:
    assert [row.efficiency for row in cutflow_rows(CUTFLOW)["c"]["empty"]] == [None, None, None]


def test_a_further_selection_has_no_efficiency_where_it_begins() -> None:
    """It read 275,000 % of a step of another region; so do samples that happen to have none or one event there."""
    steps = ("all", "met", "all (control)", "wide")

    def entries(*raw: int) -> list[dict[str, object]]:
        each = zip(steps, raw, strict=True)
        return [{"channel": "c", "step": s, "raw": n, "weighted": 0.1 * n, "variance": 1.0} for s, n in each]

    cutflow = {
        **CUTFLOW,
        "steps": list(steps),
        "processes": {"tt": entries(100, 5, 80, 8), "ZZ": entries(4, 2, 2, 1)},
    }
    found = cutflow_rows(cutflow)["c"]
    assert [row.efficiency for row in found["tt"]] == pytest.approx([None, 0.05, None, 0.1])
    assert [row.efficiency for row in found["ZZ"]] == pytest.approx([None, 0.5, None, 0.5])
    assert [row.cumulative for row in found["tt"]] == pytest.approx([None, 0.05, 0.8, 0.08])


def test_a_negative_sample_has_efficiencies_and_a_sum_that_turns_round_has_none() -> None:
    rows = [("all", -50.0), ("met", -12.5), ("turned", 1.0), ("more", 0.5)]
    entries = [{"channel": "c", "step": s, "raw": 9, "weighted": w, "variance": 1.0} for s, w in rows]
    cutflow = {**CUTFLOW, "steps": [s for s, _ in rows], "processes": {"interference": entries}}
    found = cutflow_rows(cutflow)["c"]["interference"]
    assert [row.efficiency for row in found] == [None, 0.25, -0.08, None]
    assert [row.cumulative for row in found] == [None, 0.25, -0.02, -0.01]


def test_text_shows_raw_weighted_and_efficiency_in_line() -> None:
    block = cutflow_text(CUTFLOW).split("\n\n")[1].splitlines()
    assert block[0].split() == [
        "tt",
        "raw",
        "weighted",
        "[fb]",
        "of",
        "step",
        "before",
        "of",
        "first",
        "step",
    ]
    assert block[2].split() == ["all", "1,000", "50.0", "±", "2.0", "-", "-"]
    assert block[3].split() == ["met", "10", "12.50", "±", "0.50", "25.0", "%", "25.0", "%"]
    ends = {line.index("±") for line in block[2:]}
    assert len(block) == 5
    assert max(ends) - min(ends) <= 3


def test_channels_have_blocks_of_their_own() -> None:
    """Each starts with all events, so its efficiencies know nothing of the other channel."""
    rows = [("one", "all", 50.0), ("one", "met", 10.0), ("two", "all", 50.0), ("two", "jets", 5.0)]
    entries = [{"channel": c, "step": s, "raw": 1, "weighted": w, "variance": 0.0} for c, s, w in rows]
    cutflow = {"channels": ["one", "two"], "steps": ["all", "met", "jets"], "processes": {"tt": entries}}
    table = cutflow_rows(cutflow)
    assert [(row.step, row.efficiency) for row in table["two"]["tt"]] == [("all", None), ("jets", 0.1)]
    blocks = cutflow_text(cutflow).split("\n\n")
    assert [block.split("  ")[0] for block in blocks] == ["tt, one", "tt, two"]


def test_a_lacking_step_is_named() -> None:
    broken = {**CUTFLOW, "processes": {"tt": CUTFLOW["processes"]["tt"][:2]}}
    with pytest.raises(UnreadableInput, match="tt lacks the step 'none'"):
        cutflow_rows(broken)


@given(st.floats(1e-300, 1e300), st.integers(2, 6))
def test_numbers_keep_their_digits(value: float, digits: int) -> None:
    written = float(number(value, digits).replace(",", ""))
    assert math.isclose(written, value, rel_tol=0.51 * 10 ** (1 - digits))


@given(st.floats(1e-3, 1e7), st.floats(1e-3, 1.0))
def test_uncertainties_are_written_to_their_second_digit(value: float, relative: float) -> None:
    error = value * relative
    shown, uncertainty = measured(value, error).replace(",", "").split(" ± ")
    # Half a unit of the second digit of the uncertainty is at most a twentieth of it.
    assert abs(float(shown) - value) <= 0.051 * error
    assert abs(float(uncertainty) - error) <= 0.051 * error
