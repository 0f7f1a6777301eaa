"""Where work is done: names of executors in one place, options that go with them."""

from __future__ import annotations

from pathlib import Path

import pytest
from click.testing import CliRunner

from massgap.cli import main
from massgap.condor.workers.clusters import CLUSTERS
from massgap.errors import MassgapError
from massgap.stages.execution import EXECUTORS, Execution, folder_of

ROOT = Path(__file__).parents[2]


def test_all_who_name_the_executors_name_the_same() -> None:
    assert ("iterative", "futures", "dask", *CLUSTERS) == EXECUTORS
    listed = ", ".join(EXECUTORS)
    with (
        pytest.raises(MassgapError, match=f"known are {listed}, and the address"),
        Execution("nonsense").open(),
    ):
        pass
    text = " ".join(CliRunner().invoke(main, ["run", "--help"], terminal_width=200).output.split())
    assert f"{listed}, or a scheduler's address" in text.replace("- ", "-")


def test_names_of_clusters_are_written_once() -> None:
    """Beside what opens them: a further one needs no other place."""
    found = [
        path.relative_to(ROOT).as_posix()
        for room in ("condor", "massgap/stages", "massgap/cli", "massgap/runner")
        for path in (ROOT / room).rglob("*.py")
        if '"coffea-casa"' in (text := path.read_text()) or "lxplus, coffea-casa" in text
    ]
    assert found == ["condor/workers/clusters.py"]


def test_an_executor_of_ones_own_is_taken_as_it_is() -> None:
    mine = object()
    with Execution(mine).open() as executor:
        assert executor is mine


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            {"executor": "futures", "cluster": {"submit_lines": {"a": "b"}}},
            "--submit-line goes with the executor htcondor",
        ),
        ({"executor": "futures", "adapt": (0, 3)}, "--adapt goes with a cluster"),
        ({"executor": "htcondor", "workers": 0}, "number of workers must be at least 1"),
        ({"workers": 0}, "number of workers must be at least 1"),
    ],
)
def test_what_does_not_go_together(options, message) -> None:
    with pytest.raises(MassgapError, match=message), Execution(**options).open():
        pass


def test_workers_that_stay() -> None:
    assert Execution(workers=5).fixed().workers == 5
    for adapt, workers in (((0, 9), 2), ((4, 9), 4), ((0, 1), 1)):
        fixed = Execution("htcondor", adapt=adapt).fixed()
        assert (fixed.workers, fixed.adapt) == (workers, None)


def test_keywords_of_a_notebook() -> None:
    words = {"workers": 3, "timeout": 5.0, "process": "tt"}
    assert Execution.of(words) == Execution(workers=3, timeout=5.0)
    assert words == {"process": "tt"}


def test_folder_of_a_cluster() -> None:
    assert folder_of(Path("runs/a")) == Path("runs/a/cluster")
    assert folder_of(None) == Path("massgap-cluster")
