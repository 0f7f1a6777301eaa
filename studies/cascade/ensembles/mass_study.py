"""Figure 15 and what goes beyond it: the mass scale with intervals that cover, by maps, by sets of events and by a template fit."""

from __future__ import annotations

import math
from statistics import NormalDist
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.fits.counting.neyman import Belt, confidence_belt
from massgap.fits.counting.template_scan import best_value, template_scan
from massgap.selections.cascade.spectrum import TESTING_SPECTRUM
from massgap.studies.cascade.discovery import Cut, estimated_ratio, require_separation
from massgap.studies.cascade.ensembles.mass import (
    BINS,
    EXPECTED,
    Drawn,
    Viewer,
    experiments,
    map_network,
    set_network,
)
from massgap.studies.cascade.ensembles.pools import (
    BACKGROUND_UNCERTAINTY,
    EDGES,
    MASSES,
    NUISANCES,
    POINTS,
    Pool,
    Purifier,
    at_scale,
    moved,
    pool_of,
    shared_variance,
)
from massgap.studies.cascade.ensembles.spin import ratio_of_network
from massgap.studies.cascade.samples import Events, signal_events
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

__all__ = ["MassPlan", "mass_study"]

OFF_GRID = (250.0, 450.0, 650.0)
"""Masses of no pool that belts are made from, where coverage is tested, GeV."""


class MassPlan(NamedTuple):
    """How much of it is done.

    Attributes
    ----------
    ratios
        S/B that networks are trained for, rising.
    events
        Selected events of each mass: many times those of an experiment, which share what their pool has by chance.
    interval_events
        The same of each mass that belts are made from; twice as many where coverage is tested, at three masses.
    maps
        Training maps of each mass and S/B.
    experiments
        Pseudo-experiments of each number.
    masses
        Of chi where estimates are tested, GeV; the first is the benchmark's.
    set_size, sets
        Events of a set; training sets of each mass.
    beyond_at
        S/B at which intervals, sets and the template fit are compared.
    seed
        Of all.
    """

    ratios: tuple[float, ...] = (0.05, 0.1, 0.2, 0.5, 1.0)
    events: int = 200_000
    interval_events: int = 200_000
    maps: int = 400
    experiments: int = 1000
    masses: tuple[float, ...] = (300.0, 200.0, 400.0, 500.0, 600.0, 700.0)
    set_size: int = 400
    sets: int = 60
    beyond_at: float = 1.0
    seed: int = 1


class _Laboratory(NamedTuple):
    """All that ensembles are drawn from."""

    model: str
    viewer: Viewer
    purifier: Purifier
    training: dict[float, Pool]
    background: tuple[Pool, Pool]
    plan: MassPlan

    def test_events(self, mass: float, like: Any, n: int) -> Events:
        """Signal that no training has seen."""
        return signal_events(self.model, at_scale(mass, like), n, seed=self.plan.seed + 1000)

    def pool(self, events: Events, sigmas: dict[str, float] | None = None) -> Pool:
        """Those behind the cut."""
        return pool_of(events, self.purifier, self.viewer.rows, sigmas)


def _variants() -> tuple[list[dict[str, float]], list[float]]:
    """One nuisance parameter moved at a time, after none, and their probabilities: right to the third moments of all."""
    far, chance = POINTS[1]
    found = [{name: sign} for name in NUISANCES for sign in (far, -far)]
    return [{}, *found], [1.0 - chance * len(found), *(chance for _ in found)]


def mass_study(
    model: str,
    purifier: Purifier,
    cut: Cut,
    background: Events,
    plan: MassPlan | None = None,
    announce: Callable[[str], None] = lambda _: None,
) -> dict[str, Any]:
    """The mass scale of one spin model.

    Parameters
    ----------
    model
        Spin model.
    purifier, cut
        The discovery cut, as a network and in numbers.
    background
        Background events behind the cut.
    plan
        How much is done.
    announce
        Called with a line of text when something begins.

    Returns
    -------
    dict
        Plain data: per S/B and mass the mean estimate and its standard deviation, with their errors; and what goes beyond the paper.

    Raises
    ------
    StudyError
        If fewer than 20 background events pass the cut, or no larger share of the signal than of the background.
    """
    plan = plan or MassPlan()
    require_separation(cut)
    if len(background) < 20:
        msg = f"{len(background)} background events behind the discovery cut are too few to draw ensembles from: generate more, --sample samples/backgrounds=200k"
        raise StudyError(msg)
    announce(f"{model}: {len(MASSES)} mass scales")
    seed = plan.seed
    at_testing = signal_events(model, TESTING_SPECTRUM, plan.events, seed=seed + 2000)
    viewer = Viewer.of(at_testing.take(purifier.passes(at_testing)))
    halves = [background.take(np.arange(len(background)) % 2 == k) for k in range(2)]
    rest = [Pool(viewer.rows(half), half.weight, cut.eps_b) for half in halves]
    training = {}
    for mass in MASSES:
        events = signal_events(model, at_scale(mass, EDGES), plan.events, seed=seed + 3000)
        training[mass] = pool_of(events, purifier, viewer.rows)
    room = _Laboratory(model, viewer, purifier, training, (rest[0], rest[1]), plan)
    announce(f"{model}: maps at S/B = {', '.join(f'{ratio:g}' for ratio in plan.ratios)}")
    networks = {ratio: map_network(training, rest[0], ratio, plan.maps, seed=seed) for ratio in plan.ratios}
    found: dict[str, Any] = {
        "ratios": list(plan.ratios),
        "eps_s": {f"{m:g}": p.share for m, p in training.items()},
    }
    found["estimates"] = _estimates(room, networks, cut, plan.masses, EDGES)
    # what half a GeV in a gap does, by which the stage before may miss it
    found["other_edges"] = _estimates(room, networks, cut, plan.masses[:1], TESTING_SPECTRUM)
    announce(f"{model}: intervals of the mass scale")
    found["beyond"] = _beyond(room, networks[plan.beyond_at], halves[1])
    return found


def _estimates(
    room: _Laboratory, networks: Mapping[float, Any], cut: Cut, masses: Sequence[float], like: Any
) -> list[dict[str, float]]:
    """Of each S/B and mass, data with the edges of a spectrum; the network is picked by (S/B)_est, at the end of their range where that is outside."""
    plan, rows = room.plan, []
    for mass in masses:
        pool = room.pool(room.test_events(mass, like, plan.events))
        for ratio in plan.ratios:
            rng = np.random.default_rng([room.plan.seed, round(mass), round(1e6 * ratio)])
            drawn = experiments([pool], [room.background[1]], ratio, plan.experiments, rng)
            passing = (ratio * EXPECTED * pool.share, cut.eps_b * EXPECTED)
            # the numbers before the cut, of which these have passed
            n_all = drawn.events + rng.poisson((1.0 + ratio) * EXPECTED - sum(passing), plan.experiments)
            # more than all of the signal passes: as much signal as can be
            guesses = np.where(
                drawn.events < cut.eps_s * n_all, estimated_ratio(cut, drawn.events, n_all), np.inf
            )
            outside = float(((guesses < plan.ratios[0]) | (guesses > plan.ratios[-1])).mean())
            guesses = np.clip(guesses, plan.ratios[0], plan.ratios[-1])
            chosen = np.array([ratio_of_network(float(guess), plan.ratios) for guess in guesses])
            values = np.empty(plan.experiments)
            for one, network in networks.items():
                if (chosen == one).any():
                    values[chosen == one] = network(drawn.maps[chosen == one])
            about = {"ratio_estimate": float(guesses.mean()), "outside": outside}
            sizes = (pool.effective, room.background[1].effective)
            shared = shared_variance(list(zip(passing, sizes, strict=True)))
            rows.append({"mass": mass, "ratio": ratio, **_told(values, shared), **about})
    return rows


def _told(values: NDArray[np.float64], shared: float) -> dict[str, float]:
    """Mean and standard deviation with their errors, the mean's with what all experiments share of their pools."""
    n, spread = len(values), float(np.std(values, ddof=1))
    return {
        "mean": float(np.mean(values)),
        "mean_error": float(spread * np.sqrt(1.0 / n + shared)),
        "spread": spread,
        "spread_error": float(spread / np.sqrt(2.0 * (n - 1))),
    }


def _beyond(room: _Laboratory, network: Any, tested: Events) -> dict[str, Any]:
    """Belts of the three ways on the same experiments, with nuisance parameters varied, their coverage, and widths of their intervals."""
    plan, ratio = room.plan, room.plan.beyond_at
    of_sets = set_network(
        room.training, room.background[0], ratio, plan.sets, size=plan.set_size, seed=plan.seed
    )
    grid = MASSES[::2]
    templates = np.stack([_shape(room.training[mass], room.background[0], 0) for mass in MASSES])
    expected = _shape(room.background[0], room.background[0], 1) * EXPECTED * room.background[0].share

    variants, chances = _variants()
    share = room.background[1].share
    rest = [
        Pool(room.viewer.rows(seen), seen.weight, share)
        for seen in (moved(tested, sigmas) for sigmas in variants)
    ]
    shared: dict[str, dict[float, float]] = {way: {} for way in ("maps", "sets", "template")}

    def estimates(mass: float, n: int, further: int) -> dict[str, NDArray[np.float64]]:
        events = room.test_events(mass, EDGES, plan.interval_events * (2 if further else 1))
        pools = [room.pool(events, sigmas) for sigmas in variants]
        # belts and tests have the events of the background in common, so that these shift neither against the other
        parts = [(ratio * EXPECTED * pools[0].share, pools[0].effective), (share * EXPECTED, math.inf)]
        for way, of_way in shared.items():
            # a set is drawn from its ensemble once more, by which estimates scatter more
            further_draws = (parts[0][0] + parts[1][0]) / plan.set_size if way == "sets" else 0.0
            of_way[mass] = shared_variance(parts) / (1.0 + further_draws)
        rng = np.random.default_rng([plan.seed, round(mass), 5, further])
        drawn = experiments(
            pools,
            rest,
            ratio,
            n,
            rng,
            chances=chances,
            uncertainty=BACKGROUND_UNCERTAINTY,
            set_size=plan.set_size,
        )
        return _three_ways(drawn, network, of_sets, templates, expected)

    n = max(plan.experiments // 2, 50)
    at = {mass: estimates(mass, n, 0) for mass in grid}
    ways = list(next(iter(at.values())))
    belts = {way: confidence_belt(grid, [at[mass][way] for mass in grid]) for way in ways}
    fresh = {mass: estimates(mass, 2 * n, 1) for mass in OFF_GRID}
    return {
        "ratio": ratio,
        "nuisances": {**NUISANCES, "background": BACKGROUND_UNCERTAINTY},
        "ways": {
            way: _interval_numbers(belts[way], {m: one[way] for m, one in fresh.items()}, shared[way])
            for way in ways
        },
    }


def _shape(pool: Pool, like: Pool, least: int) -> NDArray[np.float64]:
    """Share of a pool in each bin of the template; an empty one of the background has half an event."""
    weight = np.bincount(pool.rows[:, 1].astype(np.int64), weights=pool.weight, minlength=BINS)
    if least:
        weight = np.maximum(weight, 0.5 * like.weight.mean())
    return np.asarray(weight / weight.sum())


def _three_ways(
    drawn: Drawn, network: Any, of_sets: Any, templates: NDArray[np.float64], expected: NDArray[np.float64]
) -> dict[str, NDArray[np.float64]]:
    scan = template_scan(drawn.counts, templates, expected, BACKGROUND_UNCERTAINTY)
    return {
        "maps": network(drawn.maps),
        "sets": of_sets(drawn.sets),
        "template": best_value(MASSES, scan),
    }


def _interval_numbers(
    belt: Belt, fresh: Mapping[float, NDArray[np.float64]], shared: Mapping[float, float]
) -> dict[str, Any]:
    """The belt, its coverage where it was not made, and the median width of intervals there.

    Pools shift estimates, and the belt against them: to first order in the variance of that, coverage falls by the density at the edges,
    and scatters by the root of 2 times as much.  What it falls by is told, and the scatter is part of the error.
    """
    edge = NormalDist().inv_cdf(0.5 + 0.5 * belt.level)
    rows = {}
    for mass, values in fresh.items():
        share, error = belt.coverage(mass, values)
        parts = belt.parts(mass)
        moved_by = shared[mass] + sum(
            part**2 * shared[true] for part, true in zip(parts.tolist(), belt.true.tolist(), strict=True)
        )
        lost = edge * NormalDist().pdf(edge) * float(moved_by)
        rows[f"{mass:g}"] = {
            "coverage": share,
            "error": math.hypot(error, math.sqrt(2.0) * lost),
            "lost_by_pools": lost,
            **_widths(belt.intervals(values), belt),
        }
    errors = np.array([row["error"] for row in rows.values()], np.float64)
    mean = float(np.mean([row["coverage"] for row in rows.values()]))
    return {
        "true": belt.true.tolist(),
        "low": belt.low.tolist(),
        "middle": belt.middle.tolist(),
        "high": belt.high.tolist(),
        "masses": rows,
        "coverage": [mean, float(np.sqrt((errors**2).sum())) / len(errors)],
    }


def _widths(intervals: NDArray[np.float64], belt: Belt) -> dict[str, float | None]:
    """Median width with its error, by the ranks that bound it; shares of intervals that are empty, and that end where the masses do."""
    width = intervals[:, 1] - intervals[:, 0]
    there = np.sort(width[np.isfinite(width)])
    ends = (intervals[:, 0] <= belt.true[0]) | (intervals[:, 1] >= belt.true[-1])
    found: dict[str, float | None] = {
        "width": None,
        "width_error": None,
        "empty": float(np.isnan(width).mean()),
        "at_the_ends": float(ends.mean()),
    }
    if len(there):
        far = 0.5 / math.sqrt(len(there))
        low, high = np.quantile(there, [max(0.5 - far, 0.0), min(0.5 + far, 1.0)])
        found |= {"width": float(np.median(there)), "width_error": float(0.5 * (high - low))}
    return found
