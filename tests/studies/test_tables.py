"""Tables of papers: tolerances, shapes, and the file they are read from."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import massgap.studies
from massgap.studies.errors import PaperError
from massgap.studies.tables import PaperTable, Tolerance, read_paper

PAPERS = sorted(Path(massgap.studies.__file__).parent.glob("*/paper_tables.json"))

TABLE = {
    "name": "Table I",
    "rows": ["tt", "WW"],
    "columns": ["cross section", "efficiency"],
    "units": ["fb", ""],
    "values": [[100.0, 0.1], [10.0, None]],
    "kind": ["trend", "moderate"],
    "tolerance": [{"factor": 1.5}, {"relative": 0.2}],
}


@given(st.floats(1e-6, 1e6), st.floats(1.0, 100.0), st.floats(0.0, 10.0))
def test_the_printed_number_agrees_with_itself(printed: float, factor: float, relative: float) -> None:
    for tolerance in (Tolerance(factor=factor), Tolerance(relative=relative), Tolerance(absolute=relative)):
        low, high = tolerance.allowed(printed)
        assert low <= printed <= high


def test_factors_hold_for_negative_numbers_too() -> None:
    assert Tolerance(factor=2.0).allowed(-10.0) == (-20.0, -5.0)


@pytest.mark.parametrize("bad", [{}, {"relative": 0.1, "factor": 2.0}, {"factor": 0.5}, {"relative": -0.1}])
def test_a_tolerance_is_one_of_three(bad: dict[str, float]) -> None:
    with pytest.raises(PaperError, match="one of relative, absolute"):
        Tolerance(**bad)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"values": [[1.0, 2.0]]}, "values are not 2 rows of 2 columns"),
        ({"kind": "soft"}, "'soft' is no kind; known are hard, moderate, trend"),
        ({"kind": ["hard"]}, r"kind is not one, one per column \(2\), or 2 rows"),
        ({"tolerance": [[{"factor": 2.0}] * 2]}, "tolerance is not one"),
    ],
)
def test_a_table_that_does_not_fit_together_is_named(change: dict[str, object], message: str) -> None:
    with pytest.raises(PaperError, match=f"Table I: .*{message}"):
        PaperTable.from_dict({**TABLE, **change})


def test_a_damaged_file_of_a_paper_is_named(tmp_path) -> None:
    path = tmp_path / "paper.json"
    path.write_text('{"format": "massgap-paper/1", ')
    with pytest.raises(PaperError, match=r"paper\.json is damaged"):
        read_paper(path)


@pytest.mark.parametrize("path", PAPERS, ids=lambda path: path.parent.name)
def test_a_data_file_names_what_it_explains(path: Path) -> None:
    printed = read_paper(path)
    for cause in printed.causes:
        table = printed.tables[cause.table]
        assert set(cause.rows) <= set(table.rows)
        assert set(cause.columns) <= set(table.columns)
        assert cause.side in {"", "below", "above"}


def test_every_study_has_a_data_file() -> None:
    assert len(PAPERS) == 5
