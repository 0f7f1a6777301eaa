"""Numbers beside those of a paper: verdicts and causes."""

from __future__ import annotations

import json
import math

import pytest

from massgap.studies.comparison import compare, compared_html, compared_text
from massgap.studies.errors import PaperError
from massgap.studies.markdown import FurtherTable, markdown_page
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
        # 0.12 is allowed: without a cause of 1.5 there would still be 0.133.
        (Cause("Table I", "why", size=1.5), "differs"),
        (Cause("Table I", "why", size=1.7), "explained"),
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


def test_causes_act_together_and_no_further() -> None:
    small = Cause("Table I", "why", side="above", size=1.3)
    ours = {("tt", "efficiency"): (0.2, 0.001)}
    assert verdicts(ours, [small])["tt", "efficiency"] == "differs"
    assert verdicts(ours, [small, small])["tt", "efficiency"] == "explained"
    below = {("tt", "efficiency"): (0.05, 0.001)}
    assert verdicts(below, [Cause("Table I", "why", size=1.7)])["tt", "efficiency"] == "explained"
    assert verdicts(below, [Cause("Table I", "why", size=1.5)])["tt", "efficiency"] == "differs"
    with pytest.raises(PaperError, match="Table I: the size of a cause is a factor of 1 or more"):
        Cause("Table I", "why", size=0.5)


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


def test_an_error_larger_than_the_tolerance_tells_nothing_unless_the_number_is_far_away() -> None:
    assert verdicts({("tt", "efficiency"): (0.1, 0.03)})["tt", "efficiency"] == "few events"
    assert verdicts({("tt", "efficiency"): (0.15, 0.03)})["tt", "efficiency"] == "few events"
    assert verdicts({("tt", "efficiency"): (0.19, 0.03)})["tt", "efficiency"] == "differs"
    assert verdicts({("tt", "efficiency"): (0.1, 0.019)})["tt", "efficiency"] == "agrees"
    unknown = compare(PaperTable.from_dict(TABLE), {("tt", "efficiency"): (0.5, math.inf)})
    assert [(row.verdict, row.error) for row in unknown if row.column == "efficiency"] == [
        ("few events", None)
    ]


def test_a_bound_has_one_side() -> None:
    table = PaperTable.from_dict(
        {
            **TABLE,
            "tolerance": [{"at_least": True}, {"at_most": True}],
            "values": [[100.0, 0.1], [10.0, None]],
        }
    )
    found = {
        number: [
            row.verdict
            for row in compare(table, {("tt", "cross section"): (number, 1.0)})
            if row.ours is not None
        ]
        for number in (100.0, 1e6, 98.5, 97.0)
    }
    assert found == {100.0: ["agrees"], 1e6: ["agrees"], 98.5: ["unclear"], 97.0: ["differs"]}
    assert verdict_of(table, 0.05) == verdict_of(table, 0.1) == "agrees"
    assert verdict_of(table, 0.2) == "differs"


def verdict_of(table: PaperTable, efficiency: float) -> str:
    rows = compare(table, {("tt", "efficiency"): (efficiency, None)})
    return next(row.verdict for row in rows if row.ours is not None)


def test_a_cause_is_told_with_what_shows_it() -> None:
    cause = Cause.from_dict({"table": "Table I", "text": "Why.", "evidence": "A measurement."})
    rows = compare(PaperTable.from_dict(TABLE), {("tt", "efficiency"): (0.5, 0.001)}, [cause])
    assert "Why. Evidence: A measurement." in compared_text(rows)


def test_a_page_of_markdown_has_all_that_was_compared() -> None:
    ours = {("tt", "cross section"): (10.0, 1.0), ("tt", "efficiency"): (0.1, 0.001)}
    rows = compare(PaperTable.from_dict(TABLE), ours, [Cause("Table I", "A | B.", side="below")])
    further = FurtherTable("More", ("what", "number"), (("a|b", (2.0, 0.1)), ("c", None)), "Of ours.")
    page = markdown_page("A study", {"written": "today"}, rows, {"Table I": "A note."}, [further])
    assert page.startswith("# A study\n\n- written: today\n\n3 numbers: 1 explained, 1 agrees, 1 absent.")
    assert "| tt: cross section [fb] | 100 | 10.0 ± 1.0 | 0.10 | factor 1.5 | trend | explained |" in page
    assert "- tt, cross section: A | B." in page
    assert "1 printed numbers have none here." in page
    assert "| a\\|b | 2.00 ± 0.10 |" in page
    assert "| c | - |" in page
    widths = {line.count("|") - line.count("\\|") for line in page.splitlines() if line.startswith("|")}
    assert widths == {3, 8}
