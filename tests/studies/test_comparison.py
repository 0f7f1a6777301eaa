"""Numbers beside those of a paper: verdicts and causes."""

from __future__ import annotations

import json
import math

import pytest

from massgap.studies.comparison import compare, compared_html, compared_text
from massgap.studies.tables import Cause, Paper, PaperTable

TABLE = {
    "name": "Table I",
    "rows": ["tt", "WW"],
    "columns": ["cross section", "efficiency"],
    "units": ["fb", ""],
    "values": [[100.0, 0.1], [10.0, None]],
    "kind": ["trend", "moderate"],
    "tolerance": [{"factor": 1.5}, {"relative": 0.2}],
}


def verdicts(ours, causes=(), **facts) -> dict[tuple[str, str], str]:
    rows = compare(PaperTable.from_dict(TABLE), ours, causes, facts)
    return {(row.row, row.column): row.verdict for row in rows}


def test_a_number_within_the_tolerance_agrees_and_one_outside_differs() -> None:
    found = verdicts({("tt", "cross section"): (149.0, 1.0), ("tt", "efficiency"): (0.13, 0.001)})
    assert found == {
        ("tt", "cross section"): "agrees",
        ("tt", "efficiency"): "differs",
        ("WW", "cross section"): "absent",
    }


def test_a_miss_within_two_standard_errors_is_unclear() -> None:
    assert verdicts({("tt", "efficiency"): (0.13, 0.005)})["tt", "efficiency"] == "unclear"
    assert verdicts({("tt", "efficiency"): (0.13, 0.004)})["tt", "efficiency"] == "differs"
    assert verdicts({("tt", "efficiency"): (0.13, None)})["tt", "efficiency"] == "differs"
    assert verdicts({("tt", "efficiency"): (math.nan, None)})["tt", "efficiency"] == "absent"


@pytest.mark.parametrize(
    ("cause", "verdict"),
    [
        (Cause("Table I", "why"), "explained"),
        (Cause("Table I", "why", rows=("tt",), columns=("efficiency",), side="above"), "explained"),
        (Cause("Table I", "why", side="below"), "differs"),
        (Cause("Table II", "why"), "differs"),
        (Cause("Table I", "why", rows=("WW",)), "differs"),
        (Cause("Table I", "why", columns=("cross section",)), "differs"),
        (Cause("Table I", "why", when={"met": "detector"}), "explained"),
        (Cause("Table I", "why", when={"met": "objects"}), "differs"),
    ],
)
def test_a_cause_explains_what_it_names(cause: Cause, verdict: str) -> None:
    ours = {("tt", "efficiency"): (0.2, 0.001)}
    assert verdicts(ours, [cause], met="detector")["tt", "efficiency"] == verdict


def test_a_cause_is_no_excuse_for_a_number_that_agrees() -> None:
    (row, *_) = compare(
        PaperTable.from_dict(TABLE), {("tt", "cross section"): (100.0, None)}, [Cause("Table I", "why")]
    )
    assert (row.verdict, row.causes) == ("agrees", ())


def test_rows_are_plain_data_and_text_and_html() -> None:
    ours = {("tt", "cross section"): (10.0, 1.0), ("tt", "efficiency"): (0.1, 0.01)}
    rows = compare(PaperTable.from_dict(TABLE), ours, [Cause("Table I", "A < B.", side="below")])
    plain = json.loads(json.dumps([row.as_dict() for row in rows]))
    assert plain[0] == {
        "table": "Table I",
        "row": "tt",
        "column": "cross section",
        "unit": "fb",
        "paper": 100.0,
        "ours": 10.0,
        "error": 1.0,
        "kind": "trend",
        "tolerance": {"factor": 1.5},
        "verdict": "explained",
        "causes": ["A < B."],
    }
    lines = compared_text(rows).splitlines()
    assert lines[0].split() == ["Table", "I", "paper", "here", "ratio", "tolerance", "kind", "verdict"]
    assert "tt: cross section [fb]" in lines[2]
    assert "10.0 ± 1.0   0.10" in lines[2]
    assert lines[-2:] == ["tt, cross section: A < B.", "no numbers here: WW"]
    page = compared_html(
        rows, Paper("somebody", 1.0, {"Table I": PaperTable.from_dict({**TABLE, "note": "One."})})
    )
    assert "A &lt; B." in page
    assert '<data value="100.0">100</data>' in page
