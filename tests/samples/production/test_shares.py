"""Shares of the events that datasets have, in place of those of the catalogue."""

from __future__ import annotations

from collections import Counter

import pytest

from massgap.samples.errors import GenerationError
from massgap.samples.processes.catalogue import processes_of
from massgap.samples.production.plan import Options, plan_tasks, with_shares
from massgap.studies.slepton.demo import SHARES


def events_of(chosen, tmp_path, events: int) -> Counter[str]:
    found: Counter[str] = Counter()
    for task in plan_tasks(
        chosen, tmp_path, events, 1, Options("cms", mpi=False, variations=False, form="ttree")
    ):
        found[f"{task.process.name}_{task.process.tranches[task.tranche].name}"] += task.events
    return found


def test_events_follow_the_shares(tmp_path) -> None:
    chosen = processes_of("WW")
    names = [f"WW_{tranche.name}" for tranche in chosen[0].tranches]
    found = events_of(
        with_shares(chosen, dict(zip(names, (1.0, 2.0, 3.0, 4.0), strict=True))), tmp_path, 1000
    )
    assert found == dict(zip(names, (100, 200, 300, 400), strict=True))


def test_datasets_that_are_not_named_keep_theirs(tmp_path) -> None:
    chosen = processes_of("WW")
    first, *others = (f"WW_{tranche.name}" for tranche in chosen[0].tranches)
    before = events_of(chosen, tmp_path, 1_000_000)
    after = events_of(with_shares(chosen, {first: 2.0 * chosen[0].tranches[0].share}), tmp_path, 1_000_000)
    assert after[first] / after[others[0]] == pytest.approx(2 * before[first] / before[others[0]], rel=2e-3)
    assert after[others[0]] / after[others[1]] == pytest.approx(
        before[others[0]] / before[others[1]], rel=2e-3
    )


def test_a_share_changes_no_event(tmp_path) -> None:
    """Blocks of an earlier call with other shares are good: their keys are the same."""
    chosen = processes_of("WW")
    options = Options("cms", mpi=False, variations=False, form="ttree")
    names = [f"WW_{tranche.name}" for tranche in chosen[0].tranches]
    keys = [
        {task.path: task.digest for task in plan_tasks(some, tmp_path, 30_000, 1, options)}
        for some in (chosen, with_shares(chosen, {names[2]: 50.0}))
    ]
    both = [path for path in keys[0].keys() & keys[1].keys() if names[2] in path]
    whole = [path for path in both if not path.endswith(max(both)[-9:])]
    assert whole
    assert all(keys[0][path] == keys[1][path] for path in whole)


@pytest.mark.parametrize(
    ("shares", "words"),
    [
        ({"WW_met7to8": 1.0}, "no dataset 'WW_met7to8' .*there are: WW_jets_met95toinf, WW_met0to40"),
        ({"WW_met0to40": 0.0}, "share of 'WW_met0to40' must be a positive number, not 0.0"),
        ({"WW_met0to40": float("nan")}, "must be a positive number, not nan"),
    ],
)
def test_shares_that_make_no_sense(shares, words) -> None:
    with pytest.raises(GenerationError, match=words):
        with_shares(processes_of("WW"), shares)


def test_the_demonstration_names_every_slice() -> None:
    datasets = {f"{process.name}_{t.name}" for process in processes_of("slepton") for t in process.tranches}
    assert set(SHARES) == datasets
