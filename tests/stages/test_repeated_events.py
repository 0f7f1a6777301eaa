"""Events that were selected more than once: counted and told, without false alarms."""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING, Any

import eventfiles
import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from runs import fileset_of

from massgap import stages
from massgap.cli.group import main
from massgap.contracts.run_folder import open_run
from massgap.models.folds import fold_key
from massgap.stages.repeated_events import RepeatedEvents

if TYPE_CHECKING:
    from pathlib import Path


def table(numbers: list[int], x: list[float], channels: list[str] | None = None) -> pd.DataFrame:
    key = fold_key(1, 1, np.array(numbers, dtype=np.uint64))
    columns: dict[str, Any] = {"x": x, "n": [2] * len(x), "fold_key": key, "weight": 0.5, "process": "p"}
    return pd.DataFrame({**columns, "channel": channels or ["all"] * len(x)})


def count(tables: dict[str, pd.DataFrame], **metadata: Any) -> tuple[dict[str, Any], list[str]]:
    watch = RepeatedEvents({name: {"process": "p", **metadata} for name in tables})
    for name, rows in tables.items():
        watch.see(name, rows)
    found = watch.found()
    return found["p"], [*(f"warning: {text}" for text in watch.warnings()), *watch.notes()]


def test_simulation() -> None:
    one = table([1, 2, 3, 3, 4], [10.0, 11, 12, 12, 13])  # the event 3 twice
    found, (note,) = count({"a": one})
    assert found == {"events": 5, "repeated": 1, "identical": 1, "datasets": ["a"]}
    assert "warning: process 'p': 1 of its 5 selected events are there more than once" in note
    assert "(data set 'a')" in note
    # Another sample begins its numbers anew: no matter.
    other = table([1, 2, 4], [20.0, 21, 22])
    found, notes = count({"a": table([1, 2, 3], [10.0, 11, 12]), "b": other})
    assert (found, notes) == ({"events": 6, "repeated": 0, "identical": 0, "datasets": []}, [])
    # But not if it holds events of the first.
    found, (note,) = count({"a": table([1, 2, 3], [10.0, 11, 12]), "b": other, "c": table([9, 2], [1.0, 11])})
    assert found == {"events": 8, "repeated": 0, "identical": 1, "datasets": ["a", "c"]}
    # Numbers that begin anew within one sample are told.
    found, (note,) = count({"a": table([1, 2, 1, 2], [10.0, 11, 12, 13])})
    assert found == {"events": 4, "repeated": 2, "identical": 0, "datasets": ["a"]}
    assert (
        "2 of its 4 selected events share run, luminosity block and event number with another one, but not"
        in note
    )


def test_copies_of_a_hard_process_are_called_so() -> None:
    watch = RepeatedEvents({"a": {"process": "p", "n_copies": 2}})
    watch.see("a", table([1, 2, 1, 2], [10.0, 11, 12, 13]))
    (note,) = watch.notes()
    assert "they are copies of it (massgap generate --repeat or --responses)" in note
    assert "begin anew" not in note
    assert watch.warnings() == []


def test_data() -> None:
    """The same number is the same event, also in another stream, and where it was reconstructed again."""
    tables = {"muons": table([1, 2, 3], [10.0, 11, 12]), "jets": table([3, 4], [12.5, 13])}
    found, (note,) = count(tables, is_data=True)
    assert found == {"events": 5, "repeated": 1, "identical": 0, "datasets": ["muons", "jets"]}
    assert "1 of its 5 selected events are there more than once" in note
    assert "observables" not in note


def test_an_event_in_two_channels_is_one() -> None:
    both = table([1, 1, 2], [10.0, 10, 11], ["mu", "el", "mu"])
    assert count({"a": both})[1] == []
    again = table([1, 1, 2, 2], [10.0, 10, 11, 11], ["mu", "el", "mu", "mu"])
    assert count({"a": again})[0]["identical"] == 1


def test_undefined_values_are_equal() -> None:
    assert count({"a": table([1, 1], [np.nan, np.nan])})[0]["identical"] == 1


def test_tables_without_keys_and_without_rows() -> None:
    watch = RepeatedEvents({"a": {}})
    watch.see("a", pd.DataFrame({"x": [1.0, 1.0]}))
    assert (watch.found(), watch.notes(), watch.warnings()) == ({}, [], [])
    assert count({"a": table([], [])})[0]["events"] == 0


def by_hand(events: list[dict[str, Any]]) -> int:
    """How many have the numbers of an earlier one."""
    counts = Counter((event["run"], event["lumi"], event["number"]) for event in events)
    return sum(n - 1 for n in counts.values())


@pytest.mark.parametrize("chunksize", [None, "50"])
def test_a_run_tells(tmp_path: Path, chunksize) -> None:
    """Files that overlap, as a skim that was merged twice: other files, the same events."""
    events = eventfiles.make_events(300, negative=False)
    first = eventfiles.write_nano(tmp_path / "a.root", events[:200])
    second = eventfiles.write_nano(tmp_path / "b.root", events[120:])
    command = ["run", "slepton", str(first), str(second), "--process", "tt", "--xsec", "100"]
    command += [
        "--executor",
        "iterative",
        "--out",
        str(tmp_path / "run"),
        *(["--chunksize", chunksize] if chunksize else []),
    ]
    done = CliRunner().invoke(main, command)
    assert done.exit_code == 0, done.output
    run = open_run(tmp_path / "run")
    (counted,) = run.ledger["repeated_events"].values()
    rows = pd.read_parquet(tmp_path / "run" / "features")
    selected = set(rows["fold_key"])
    right = [
        e for e in events[:200] + events[120:] if int(fold_key(e["run"], e["lumi"], e["number"])) in selected
    ]
    assert counted == {
        "events": len(rows),
        "repeated": by_hand(right),
        "identical": by_hand(right),
        "datasets": ["tt"],
    }
    assert counted["identical"] > 5
    note = f"process 'tt': {counted['identical']} of its {len(rows)} selected events are there more than once"
    assert f"warning: {note}" in done.output
    assert any(note in said for said in run.manifest["notes"])


def test_no_false_alarm(tmp_path: Path) -> None:
    """Samples of one process that all begin with event 1."""
    fileset = {}
    for seed in (1, 2, 3):
        path = eventfiles.write_nano(
            tmp_path / f"{seed}.root", eventfiles.make_events(200, seed=seed, negative=False)
        )
        fileset[f"tt_{seed}"] = fileset_of(path)["tt"]
    result = stages.run("slepton", fileset=fileset, out=tmp_path / "run", executor="iterative")
    assert result.notes == result.warnings == []
    (counted,) = open_run(tmp_path / "run").ledger["repeated_events"].values()
    assert (counted["repeated"], counted["identical"]) == (0, 0)


def test_generated_samples_number_their_events(tmp_path: Path) -> None:
    """Blocks and tranches of a process share no number, so that nothing is told of samples of massgap."""
    from massgap.samples.production.generate import processes_of
    from massgap.samples.production.plan import Options, plan_tasks

    pytest.importorskip("pythia8mc")
    tasks = plan_tasks(processes_of("slepton"), tmp_path, 2_000_000, 1, Options("cms", False, False, "ttree"))
    blocks = Counter((task.process.name, 10_000 * task.tranche + task.block + 1) for task in tasks)
    assert len(tasks) > 20
    assert set(blocks.values()) == {1}
