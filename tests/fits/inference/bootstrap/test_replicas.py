from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from simulatedruns import sample

from massgap.contracts.feature_table import write_feature_tables
from massgap.fits.errors import FitError
from massgap.fits.inference.bootstrap import replicas as module
from massgap.fits.inference.bootstrap.replicas import ReplicaSource, how_made
from massgap.fits.plan import FitPlan, PlannedRun

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from massgap.contracts.run_folder import RunFolder

RANDOM = np.random.default_rng(7)
EVENTS = {
    "signal": (RANDOM.beta(4.0, 1.5, 500), 0.01),
    "tt": (RANDOM.beta(1.5, 2.5, 800), RANDOM.normal(0.02, 0.01, 800)),
}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RunFolder:
    return sample(tmp_path_factory.mktemp("sample"), EVENTS, folds=3)


def test_events_and_bins_scatter_alike(run: RunFolder, tmp_path: Path) -> None:
    n = 2000
    bare = sample(tmp_path, EVENTS, folds=3, tables=False)
    edges = np.linspace(0.0, 1.0, 5)
    for process, (x, weight) in EVENTS.items():
        contents, _ = np.histogram(x, edges, weights=np.broadcast_to(weight, x.shape))
        variances, _ = np.histogram(x, edges, weights=np.broadcast_to(weight, x.shape) ** 2)
        made = [ReplicaSource(of, n).of("x", "sr", process) for of in (run, bare)]
        assert [entry.method for entry in made] == ["events", "histogram"]
        assert made[1].reason == "the run has kept no feature tables"
        assert how_made(made)["method"] == "mixed"
        for entry in made:
            values, squares = entry.merged(edges)
            assert values.shape == (4, n)
            assert np.abs(values.mean(axis=1) - contents).max() < 4.0 * np.sqrt(variances.max() / n)
            assert values.var(axis=1) == pytest.approx(variances, rel=5.0 / np.sqrt(n / 2))
            assert squares.mean(axis=1) == pytest.approx(variances, rel=0.05)


def test_an_event_has_the_same_replicas_in_every_histogram(run: RunFolder) -> None:
    source = ReplicaSource(run, 25)
    for process in EVENTS:
        wide, tight = source.of("x", "sr", process), source.of("y", "tight", process)
        assert tight.method == "events"
        upper = wide.contents[:, 11:].sum(axis=1)
        assert upper == pytest.approx(tight.contents.sum(axis=1))
        assert upper.std() > 0.0


def test_answers_do_not_depend_on_the_order_of_questions(
    run: RunFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = ReplicaSource(run, 10), ReplicaSource(run, 10)
    one = [first.of("x", "sr", name).contents for name in ("signal", "tt")]
    monkeypatch.setattr(module, "_KEPT", 1)
    two = [second.of("x", "sr", name).contents for name in ("tt", "signal", "tt")]
    assert np.array_equal(one[0], two[1])
    assert np.array_equal(one[1], two[0])
    assert np.array_equal(one[1], two[2])
    assert not np.array_equal(one[1], ReplicaSource(run, 10, seed=2).of("x", "sr", "tt").contents)


def test_simulation_counts_events_anew_in_each_data_set(tmp_path: Path) -> None:
    # Both processes have the same events with the same numbers.
    x = RANDOM.uniform(0.0, 1.0, 400)
    source = ReplicaSource(sample(tmp_path, {"a": (x, 1.0), "b": (x, 1.0)}), 200)
    one, two = (source.of("x", "sr", name).contents.sum(axis=(0, 1)) for name in ("a", "b"))
    assert abs(np.corrcoef(one, two)[0, 1]) < 0.3


def rewritten(run: RunFolder, change: Callable[[pd.DataFrame], pd.DataFrame], folder: Path) -> RunFolder:
    """The run with another table of signal."""
    from massgap.contracts.run_folder import RunFolder

    table = pd.read_parquet(run.path / run.manifest["features"]["signal_0"])
    folder.mkdir(exist_ok=True)
    features = write_feature_tables(folder / "features", {"signal_0": change(table)}, {})
    other = RunFolder(folder, {**run.manifest, "features": features})
    other.__dict__["histograms"] = run.histograms
    return other


def test_equal_numbers_in_one_data_set_are_other_events_unless_all_is_the_same(
    run: RunFolder, tmp_path: Path
) -> None:
    x = np.asarray(EVENTS["signal"][0])

    def scatter(table: Callable[[pd.DataFrame], pd.DataFrame]) -> float:
        made = ReplicaSource(rewritten(run, table, tmp_path), 1500).of("x", "sr", "signal")
        assert made.method == "events"
        return float(made.contents.sum(axis=(0, 1)).std() / (0.01 * np.sqrt(len(x))))

    # Numbers begin anew in each of ten files: still independent events. (Folds stay: 150 is a multiple of 3.)
    assert scatter(lambda t: t.assign(fold_key=t["fold_key"] % np.uint64(150))) == pytest.approx(
        1.0, abs=0.08
    )

    def doubled(table: pd.DataFrame) -> pd.DataFrame:
        # The same events twice with half of the weight each: n of one are n of the other.
        return pd.concat([table.assign(weight=table["weight"] / 2)] * 2, ignore_index=True)

    assert scatter(doubled) == pytest.approx(1.0, abs=0.08)


def test_copies_of_an_event_are_kept_or_lost_together(run: RunFolder, tmp_path: Path) -> None:
    """Four decays of each hard process with a quarter of its weight know as much as the hard processes, not four times that."""

    def scatter(copies: int) -> tuple[float, float]:
        """Standard deviation over the replicas, and mean of what replicas say of it, over that of independent events."""

        def four_each(table: pd.DataFrame) -> pd.DataFrame:
            place, fold = divmod(table["fold_key"].to_numpy(np.uint64), np.uint64(3))  # folds stay
            return table.assign(fold_key=place // np.uint64(4) * np.uint64(3) + fold)

        repeated = rewritten(run, four_each, tmp_path)
        datasets = run.manifest["datasets"]
        repeated.manifest["datasets"] = {
            **datasets,
            "signal_0": {**datasets["signal_0"], "n_copies": copies},
        }
        found = ReplicaSource(repeated, 1500).of("x", "sr", "signal")
        assert found.method == "events"
        alone = 0.01 * np.sqrt(len(EVENTS["signal"][0]))
        whole = (
            found.in_bins([-np.inf, np.inf])[1]
            if hasattr(found, "in_bins")
            else found.variances.sum(axis=(0, 1))
        )
        return float(found.contents.sum(axis=(0, 1)).std() / alone), float(np.sqrt(whole.mean()) / alone)

    together, told = scatter(4)
    assert together == pytest.approx(2.0, abs=0.16)
    assert 1.0 < told <= 2.0  # bin by bin: the copies of one are in several
    assert scatter(1) == pytest.approx((1.0, 1.0), abs=0.08)


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda t: t.iloc[:-1], "not those of the histogram 'x' in the region 'sr'"),
        (lambda t: t.assign(x=t["x"].to_numpy()[::-1]), "not those of the histogram"),
        (lambda t: t.assign(weight=2.0 * t["weight"]), "not those of the histogram"),
        (lambda t: t.assign(x=np.nan), "not those of the histogram"),
        (lambda t: t.drop(columns="x"), "have no column 'x'"),
        (lambda t: t.drop(columns="region_sr"), "have no column 'region_sr'"),
    ],
)
def test_tables_that_are_not_the_histogram_are_not_used(
    run: RunFolder, tmp_path: Path, change: Callable[[pd.DataFrame], pd.DataFrame], reason: str
) -> None:
    made = ReplicaSource(rewritten(run, change, tmp_path), 10).of("x", "sr", "signal")
    assert made.method == "histogram"
    assert reason in made.reason


def test_a_lost_table_is_told_and_undefined_events_are_in_no_bin(run: RunFolder, tmp_path: Path) -> None:
    def undefined(table: pd.DataFrame) -> pd.DataFrame:
        return pd.concat([table, table.iloc[:5].assign(x=np.nan)], ignore_index=True)

    other = rewritten(run, undefined, tmp_path)
    assert ReplicaSource(other, 10).of("x", "sr", "signal").method == "events"
    (tmp_path / "features" / "signal_0.parquet").unlink()
    made = ReplicaSource(other, 10).of("x", "sr", "signal")
    assert made.method == "histogram"
    assert "is missing" in made.reason


def test_what_lies_outside_belongs_to_the_outermost_bins(tmp_path: Path) -> None:
    run = sample(tmp_path, {"a": ([-3.0, 0.1, 0.9, 1.0, 7.0], [1.0, 2.0, 4.0, 8.0, 16.0])}, bins=10)
    made = ReplicaSource(run, 300).of("x", "sr", "a")
    assert made.method == "events"
    low, high = made.merged(np.array([0.0, 0.5, 1.0]))[0]
    assert low.mean() == pytest.approx(3.0, abs=0.5)
    assert high.mean() == pytest.approx(28.0, abs=4.0)
    assert set(low) >= {0.0, 1.0, 2.0, 3.0}


def test_a_process_without_events_stays_without(run: RunFolder) -> None:
    made = ReplicaSource(run, 5).of("x", "sr", "nothing")
    assert made.contents.shape == (3, 22, 5)
    assert not made.contents.any()


@pytest.mark.parametrize("n", [1, -3])
def test_two_replicas_at_least(run: RunFolder, n: int) -> None:
    with pytest.raises(FitError, match=rf"not {n}: .*--replicas"):
        ReplicaSource(run, n)


def test_runs_have_replicas_of_their_own_under_the_names_of_the_likelihood(run: RunFolder) -> None:
    plan = FitPlan([("sr", "x")])
    planned = [PlannedRun(run, plan, "one", {"tt": "top"}), PlannedRun(run, plan, "two")]
    source = ReplicaSource(planned, 400)
    one, two = source.of("x", "sr", "top", "one"), source.of("x", "sr", "tt", "two")
    assert one.method == two.method == "events"
    assert one is source.of_run("x", "sr", "tt", "one")
    # The events of two runs are others, whatever their numbers and data sets are called.
    totals = [entry.contents.sum(axis=(0, 1)) for entry in (one, two)]
    assert totals[0].std() == pytest.approx(totals[1].std(), rel=0.2)
    assert abs(np.corrcoef(*totals)[0, 1]) < 0.2
