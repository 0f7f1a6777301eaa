"""The uncertainty of expected numbers against closed forms, and against samples that were made independently."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from simulatedruns import BARE, LUMI, fill, likelihood_of, sample

from massgap.fits.counting.significance import asimov
from massgap.fits.inference.bootstrap.expected import simulation_uncertainty
from massgap.fits.inference.bootstrap.replicas import ReplicaSource
from massgap.fits.inference.bootstrap.spread import Spread
from massgap.fits.inference.hypothesis_tests import discovery, hypothesis_test, upper_limit
from massgap.fits.likelihoods.model import Data
from massgap.fits.workspaces.workspace import WorkspaceOptions

if TYPE_CHECKING:
    from pathlib import Path

EDGES = (0.0, 0.4, 0.6, 0.8, 1.0)
FULL = WorkspaceOptions(lumi_fb=LUMI)


def events(random: np.random.Generator, signal: int = 300, background: int = 400) -> dict[str, Any]:
    """What a simulation of some size gives: its own number of events, of the same cross section."""
    return {
        "signal": (random.beta(4.0, 1.5, random.poisson(signal)), 0.6 / signal),
        "tt": (random.beta(1.5, 2.5, random.poisson(background)), 4.0 / background),
    }


def uncertainty(run: Any, options: WorkspaceOptions, n: int, *, edges: Any = EDGES, seed: int = 1) -> Any:
    filled = fill(run, edges)
    likelihood = likelihood_of(filled, options)
    return likelihood, simulation_uncertainty(likelihood, filled, ReplicaSource(run, n, seed), lumi_fb=LUMI)


@pytest.mark.parametrize("tables", [True, False])
def test_one_bin_is_error_propagation(tmp_path: Path, tables: bool) -> None:
    n_signal, n_background, n = 900, 2500, 400
    s, b = 30.0, 200.0
    half = np.full(n_signal, 0.5), s / LUMI / n_signal
    run = sample(
        tmp_path, {"signal": half, "tt": (np.full(n_background, 0.5), b / LUMI / n_background)}, tables=tables
    )
    likelihood, found = uncertainty(run, BARE, n, edges=(0.0, 1.0))
    z = float(asimov(s, b))
    assert discovery(likelihood).expected_significance == pytest.approx(z, rel=1e-6)
    # Z^2 = 2 [(s + b) ln(1 + s/b) - s]
    log = np.log1p(s / b)
    by_s, by_b = log / z, (log - s / b) / z
    sigma = np.hypot(by_s * s / np.sqrt(n_signal), by_b * b / np.sqrt(n_background))
    assert found.significance.std == pytest.approx(sigma, rel=4.0 / np.sqrt(2 * n))
    low, high = found.significance.interval
    assert (high - low) / 2.0 == pytest.approx(sigma, rel=0.2)
    # Every draw is the closed form of what was drawn, in a model that knows nothing else.
    assert found.significance.mean == pytest.approx(z, abs=4.0 * sigma / np.sqrt(n) + 0.01)
    # The limit without nuisances is nearly proportional to sqrt(b)/s.
    relative = np.hypot(1.0 / np.sqrt(n_signal), 0.5 / np.sqrt(n_background))
    median = upper_limit(likelihood).expected[2]
    assert found.limit[2].std / median == pytest.approx(relative, rel=0.15)


@pytest.mark.parametrize("options", [FULL, BARE])
def test_independent_samples_scatter_as_their_bootstrap_says(
    tmp_path: Path, options: WorkspaceOptions
) -> None:
    random = np.random.default_rng(3)
    values, errors = [], []
    for i in range(50):
        likelihood, found = uncertainty(sample(tmp_path / str(i), events(random)), options, 20)
        assert not found.problems
        values.append([discovery(likelihood).expected_significance, upper_limit(likelihood).expected[2]])
        errors.append([found.significance.std, found.limit[2].std])
    ratio = np.std(values, axis=0, ddof=1) / np.mean(errors, axis=0)
    assert (ratio > 0.8).all(), ratio
    assert (ratio < 1.25).all(), ratio


def test_events_and_bins_tell_the_same(tmp_path: Path) -> None:
    drawn, n = events(np.random.default_rng(6)), 200
    found = [uncertainty(sample(tmp_path, drawn, tables=tables), FULL, n)[1] for tables in (True, False)]
    assert [entry.method for entry in found] == ["events", "histogram"]
    for one, two in zip(
        (found[0].significance, *found[0].limit), (found[1].significance, *found[1].limit), strict=True
    ):
        # Each is known to 1/sqrt(2 n) of it.
        assert one.std == pytest.approx(two.std, rel=4.0 / np.sqrt(n))
        assert one.mean == pytest.approx(two.mean, abs=4.0 * one.std * np.sqrt(2.0 / n))


def test_the_same_seed_gives_the_same_numbers(tmp_path: Path) -> None:
    run = sample(tmp_path, events(np.random.default_rng(6)))
    one, two, other = (uncertainty(run, FULL, 12, seed=seed)[1] for seed in (5, 5, 6))
    for name, draws in one.draws.items():
        assert np.array_equal(draws, two.draws[name])
        assert not np.array_equal(draws, other.draws[name])
    assert one.as_dict() == two.as_dict()
    # The first of more replicas are the same, too.
    assert np.array_equal(uncertainty(run, FULL, 20, seed=5)[1].draws["limit"][:12], one.draws["limit"])


def test_points_of_a_plane_share_their_backgrounds(tmp_path: Path) -> None:
    random = np.random.default_rng(8)
    drawn = events(random, background=300)
    run = sample(
        tmp_path,
        {
            "near": (random.beta(4.0, 1.5, 20_000), 3e-5),
            "far": (random.beta(6.0, 1.5, 20_000), 3e-5),
            "tt": drawn["tt"],
        },
    )
    source = ReplicaSource(run, 60)
    found = []
    for name in ("near", "far"):
        filled = fill(run, EDGES, signal=name)
        likelihood = likelihood_of(filled, FULL, signal=name)
        found.append(simulation_uncertainty(likelihood, filled, source, lumi_fb=LUMI))
    # Signals with many events: what scatters is the background that the points have in common.
    assert np.corrcoef(*[entry.draws["limit"][:, 2] for entry in found])[0, 1] > 0.8
    alone = simulation_uncertainty(likelihood, filled, ReplicaSource(run, 60), lumi_fb=LUMI)
    assert np.array_equal(alone.draws["limit"], found[1].draws["limit"])


def test_bins_that_lose_their_background_are_told(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    few = {"signal": (random.uniform(0.5, 1.0, 200), 0.002), "tt": ([0.1] * 30 + [0.9], 0.1)}
    run = sample(tmp_path, few)
    _, found = uncertainty(run, FULL, 200, edges=(0.0, 0.5, 1.0))
    # A bin of one event is empty in exp(-1) of the replicas.
    assert found.joined == pytest.approx(200.0 / np.e, abs=4.0 * np.sqrt(200 * 0.37 * 0.63))
    assert found.significance.defined == 200
    assert f"In {found.joined} of 200 replicas" in found.warnings()[0]

    alone = sample(tmp_path / "alone", {**few, "tt": ([0.9], 0.1)})
    _, found = uncertainty(alone, FULL, 200, edges=(0.0, 1.0))
    (problem,) = found.problems
    assert "a channel lost all its background" in problem
    lost = found.problems[problem]
    assert lost == np.isnan(found.draws["significance"]).sum() == 200 - found.significance.defined > 40
    assert f"In {lost} of 200 replicas" in found.warnings()[0]
    assert found.as_dict()["problems"] == found.problems


def test_a_replica_without_signal_has_no_significance_and_no_limit(tmp_path: Path) -> None:
    random = np.random.default_rng(9)
    run = sample(tmp_path, {"signal": ([0.7], 0.1), "tt": (random.uniform(0.0, 1.0, 400), 0.02)})
    _, found = uncertainty(run, FULL, 100, edges=(0.0, 0.5, 1.0))
    nothing = found.draws["significance"] == 0.0
    assert nothing.sum() == pytest.approx(37, abs=20)
    assert np.isnan(found.draws["limit"][nothing]).all()
    assert np.isfinite(found.draws["limit"][~nothing]).all()
    assert found.problems == {"no expected limit was found": nothing.sum()}


def test_a_simulation_that_could_take_all_of_a_signal_has_a_limit(tmp_path: Path) -> None:
    # A bin of one heavy event is uncertain by all that it holds: up to some strength the bins take any signal, then none.
    centres = np.arange(0.05, 1.0, 0.1)
    heavy = np.array([5e4, 2e4, 3e3, 800.0, 3000.0, 90.0, 90.0, 9.0, 5e3, 800.0])
    few = {"signal": (np.repeat(centres, 30), 0.002), "tt": (centres, heavy)}
    run = sample(tmp_path, few)
    likelihood, found = uncertainty(run, FULL, 20, edges=tuple(np.linspace(0.0, 1.0, 11)))
    limit = upper_limit(likelihood).expected
    assert limit[2] < 1.3 * limit[1]  # the test statistic is no straight line
    assert found.limit[2].defined > 5


def test_negative_weights_and_backgrounds(tmp_path: Path) -> None:
    random = np.random.default_rng(10)
    drawn = events(random)
    drawn["tt"] = (drawn["tt"][0], np.where(random.random(len(drawn["tt"][0])) < 0.15, -0.01, 0.013))
    drawn["loss"] = (random.uniform(0.0, 1.0, 60), -0.002)
    run = sample(tmp_path, drawn)
    filled = fill(run, EDGES, ("tt", "loss"))
    likelihood = likelihood_of(filled, FULL)
    found = simulation_uncertainty(likelihood, filled, ReplicaSource(run, 100), lumi_fb=LUMI)
    assert found.method == "events"
    assert found.significance.defined == 100
    nominal = discovery(likelihood).expected_significance
    assert found.significance.interval[0] < nominal < found.significance.interval[1]


def test_numbers_of_a_fit_with_data_are_those_of_its_data(tmp_path: Path) -> None:
    run = sample(tmp_path, events(np.random.default_rng(12), 200_000, 300_000))
    filled = fill(run, EDGES)
    likelihood = likelihood_of(filled, FULL)
    counts = np.round(1.3 * likelihood.observed.counts)
    likelihood.observed = Data(counts, likelihood.observed.auxiliary)
    likelihood.model = replace(likelihood.model, observed=likelihood.observed)
    source = ReplicaSource(run, 5)
    blind = simulation_uncertainty(likelihood, filled, source, lumi_fb=LUMI)
    seen = simulation_uncertainty(likelihood, filled, source, lumi_fb=LUMI, observed=True)
    for found, observed in ((blind, False), (seen, True)):
        assert found.limit[2].mean == pytest.approx(
            upper_limit(likelihood, observed=observed).expected[2], rel=0.02
        )
        assert found.cls[2].mean == pytest.approx(
            hypothesis_test(likelihood, observed=observed).expected[2], rel=0.2
        )
    assert abs(seen.limit[2].mean / blind.limit[2].mean - 1.0) > 0.05


def test_long_tails_are_told(tmp_path: Path) -> None:
    random = np.random.default_rng(14)
    drawn = events(random, 2000, 4000)
    _, found = uncertainty(sample(tmp_path, drawn), FULL, 100)
    assert found.warnings() == []
    # A single event that weighs as much as all others does this.
    tail = replace(found, significance=Spread(0.95, (2.0, 3.4), 2.7, 100))
    (warning,) = tail.warnings()
    assert "long tail" in warning
    assert "between 2.00 and 3.40 sigma" in warning


def test_a_signal_of_another_cross_section(tmp_path: Path) -> None:
    drawn = events(np.random.default_rng(15))
    x, weight = drawn["signal"]
    once = sample(tmp_path / "once", drawn)
    twice = sample(tmp_path / "twice", {**drawn, "signal": (x, 2.0 * weight)})
    likelihood, wanted = uncertainty(twice, FULL, 10)
    found = simulation_uncertainty(
        likelihood, fill(once, EDGES), ReplicaSource(once, 10), lumi_fb=LUMI, scales={"signal": 2.0}
    )
    for name, draws in wanted.draws.items():
        assert found.draws[name] == pytest.approx(draws, rel=1e-9)
