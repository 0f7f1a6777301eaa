"""The sum of generator weights in the cut bookkeepers of ATLAS files."""

from __future__ import annotations

import awkward as ak
import eventfiles
import physlitefiles
import pytest

from massgap.events.errors import FileProblem
from massgap.events.reading.files import inspect_file
from massgap.processors import Slepton
from massgap.runner import run


def metadata(*rows: list[tuple[str, str, int, float]]) -> dict:
    """The tree MetaData of a file that was merged from as many files as there are rows."""
    fields = ("name", "inputStream", "cycle", "sumOfEventWeights")
    return {
        f"CutBookkeepersAux:{field}": ak.Array([[entry[k] for entry in row] for row in rows])
        for k, field in enumerate(fields)
    }


ALL = "AllExecutedEvents"
ROW = [
    (ALL, "StreamAOD", 0, 700.0),
    (ALL, "StreamAOD", 1, 1000.0),
    (ALL, "StreamDAOD_PHYSLITE", 2, 300.0),
    ("PHYSLITEKernel", "StreamAOD", 1, 310.0),
]


@pytest.fixture
def columns():
    return physlitefiles.columns(eventfiles.make_events(50, seed=1))


def test_all_events_of_the_last_cycle_of_the_first_stream(columns, tmp_path) -> None:
    path = physlitefiles.write_tree(tmp_path / "a.root", columns, MetaData=metadata(ROW))
    assert inspect_file(str(path)).runs_sum_weights == 1000.0
    merged = physlitefiles.write_tree(
        tmp_path / "b.root", columns, MetaData=metadata(ROW, [(ALL, "StreamAOD", 3, 5.0)])
    )
    assert inspect_file(str(merged)).runs_sum_weights == 1005.0


def test_other_streams_where_there_is_none_of_aod(columns, tmp_path) -> None:
    rows = [(ALL, "StreamDAOD_PHYSLITE", 4, 1.0), (ALL, "StreamEVNT", 0, 2.0), (ALL, "unknownStream", 9, 3.0)]
    path = physlitefiles.write_tree(tmp_path / "a.root", columns, MetaData=metadata(rows))
    assert inspect_file(str(path)).runs_sum_weights == 2.0
    path = physlitefiles.write_tree(tmp_path / "b.root", columns, MetaData=metadata(rows[:1]))
    assert inspect_file(str(path)).runs_sum_weights == 1.0


def test_a_run_is_normalised_by_it(columns, tmp_path) -> None:
    path = physlitefiles.write_tree(tmp_path / "a.root", columns, MetaData=metadata(ROW))
    result = run(
        Slepton(), {"d": {"files": {str(path): None}, "metadata": {"process": "p", "xsec_fb": 20.0}}}
    )
    weights = sum(x[0] for x in columns["EventInfoAuxDyn.mcEventWeights"].tolist())
    assert result.cutflow["processes"]["p"][0]["weighted"] == pytest.approx(20.0 * weights / 1000.0)


def test_files_without_bookkeepers(columns, tmp_path) -> None:
    path = physlitefiles.write_tree(tmp_path / "a.root", columns)
    assert inspect_file(str(path)).runs_sum_weights is None
    other = physlitefiles.write_tree(
        tmp_path / "b.root", columns, MetaData=metadata([("Kernel", "StreamAOD", 0, 1.0)])
    )
    assert inspect_file(str(other)).runs_sum_weights is None


def test_a_sum_that_is_no_number(columns, tmp_path) -> None:
    row = [(ALL, "StreamAOD", 0, float("nan"))]
    path = physlitefiles.write_tree(tmp_path / "a.root", columns, MetaData=metadata(row))
    with pytest.raises(
        FileProblem, match=r"a.root: the sum of generator weights in its cut bookkeepers is nan"
    ):
        inspect_file(str(path))
