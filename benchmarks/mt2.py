"""M_T2 against the function of the package mt2, on the same arrays, one thread."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure import Effort, Measurement, Row, cost, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["rows"]

GROUP = "MT2"
MUON = 0.1056583755
PARALLEL = (0.0, 10.0, 0.0, 0.0, 20.0, 0.0, -5.0, 3.0, 0.0, 0.0)
"""Parallel visible momenta: M_T2 = 12.017183194545662 (40-digit minimum over all splittings)."""
# How far the package is off where M_T2 is 0, and relative to it elsewhere for momenta of one scale.
OFF_AT_ZERO, OFF = 0.05, 1e-6


def rows(effort: Effort) -> Iterator[Row]:
    """The three goals, each on three kinds of events, and what a reader wants to know beside them."""
    import mt2 as package

    from massgap.selections.observables.mt2.mt2 import mt2

    size, rounds = effort.of(100_000, 10_000, 1_000), effort.rounds()
    rng = np.random.default_rng(30)
    samples = {
        "random momenta": tuple(rng.normal(0, 80, (6, size))),
        "W pairs": decays(rng, size, 80.4, 0.0, 100.0),
        "sleptons 150 to 100 GeV": decays(rng, size, 150.0, 100.0, 60.0),
    }
    heavy = tuple(rng.uniform(0, 100, (2, size))) + tuple(rng.uniform(0, 200, (2, size)))
    for what, m1, m2, chi1, chi2, goal in (
        ("massless visibles, trial mass 0", 0.0, 0.0, 0.0, 0.0, 50.0),
        ("massless visibles, trial mass 100", 0.0, 0.0, 100.0, 100.0, 50.0),
        ("muon mass, trial mass 100", MUON, MUON, 100.0, 100.0, 30.0),
        ("muon mass, trial mass 0", MUON, MUON, 0.0, 0.0, 15.0),
        ("visibles of 0 to 100 GeV, trial masses of 0 to 200 GeV", *heavy, 10.0),
    ):
        for name, (x1, y1, x2, y2, px, py) in samples.items():
            arguments = (m1, x1, y1, m2, x2, y2, px, py, chi1, chi2)
            ours, theirs = mt2(*arguments), package.mt2(*arguments)
            floor = np.maximum(np.add(m1, chi1), np.add(m2, chi2))
            if not np.all(np.abs(ours - theirs) <= np.where(ours > floor + 1.0, OFF * ours, OFF_AT_ZERO)):
                msg = f"M_T2 differs between the two: {what}, {name}"
                raise AssertionError(msg)
            measured = ratio(called(mt2, arguments), called(package.mt2, arguments), rounds=rounds)
            yield Row(
                GROUP,
                f"{what}; {name}: against the package mt2",
                measured,
                goal=goal,
                detail=f"{size} events; {measured.ours / size * 1e9:.0f} and {measured.theirs / size * 1e9:.0f} "
                f"ns per event; equal to {OFF:g} relative, {OFF_AT_ZERO} GeV within 1 GeV of the lower bound",
            )
    yield from one_event(rounds, mt2, package.mt2)
    value = float(package.mt2(*PARALLEL))
    right = float(mt2(*PARALLEL))
    if abs(right - 12.017183194545662) > 1e-9:
        msg = f"M_T2 of parallel visible momenta is {right}"
        raise AssertionError(msg)
    yield Row(
        GROUP,
        "parallel visible momenta: error of the package mt2 (ours: none)",
        Measurement(abs(value - 12.017183194545662), *(abs(value - 12.017183194545662),) * 2, 1, 0.0),
        unit="GeV",
        detail="true value 12.017183 GeV",
    )
    x1, y1, x2, y2, px, py = samples["random momenta"]
    theirs = package.mt2(0.0, x1, y1, 0.0, x2, y2, px, py, 0.0, 0.0)
    ours = mt2(0.0, x1, y1, 0.0, x2, y2, px, py, 0.0, 0.0)
    worst = float(np.max(np.abs(theirs[ours == 0.0])))
    yield Row(
        GROUP,
        "M_T2 = 0: largest value that the package mt2 gives (ours: 0)",
        Measurement(worst, worst, worst, 1, 0.0),
        unit="GeV",
        detail=f"{np.count_nonzero(ours == 0.0)} of {size} events",
    )


def one_event(rounds: int, ours: Callable[..., Any], theirs: Callable[..., Any]) -> Iterator[Row]:
    """The price of one call from Python."""
    event = (MUON, 60.0, 10.0, MUON, -20.0, 35.0, 30.0, -80.0, 100.0, 100.0)
    yield Row(
        GROUP,
        "one event in one call",
        cost(called(ours, event), rounds=rounds, scale=1e6),
        unit="us",
        detail=f"package mt2: {cost(called(theirs, event), rounds=rounds, scale=1e6).median:.1f} us",
    )


def called(function: Callable[..., Any], arguments: tuple[Any, ...]) -> Callable[[], Any]:
    """The function with its arguments."""
    return lambda: function(*arguments)


def decays(
    rng: np.random.Generator, size: int, parent: float, invisible: float, recoil: float
) -> tuple[Any, ...]:
    """Transverse momenta of the leptons and of what is missing, of pairs of parents with a common recoil (GeV)."""
    momentum = (parent**2 - invisible**2) / (2.0 * parent)
    energy = np.sqrt(momentum**2 + invisible**2)
    push, back = rng.normal(0, recoil, (3, size)), rng.normal(0, 100, (3, size))
    leptons, missing = [], np.zeros((2, size))
    for sign in (1.0, -1.0):
        cos, phi = rng.uniform(-1, 1, size), rng.uniform(-np.pi, np.pi, size)
        sin = np.sqrt(1.0 - cos**2)
        direction = np.array([sin * np.cos(phi), sin * np.sin(phi), cos])
        boost = (sign * back + push) / parent
        gamma = np.sqrt(1.0 + (boost**2).sum(0))
        along = momentum * (direction * boost).sum(0)
        leptons.append((momentum * direction + boost * (momentum + along / (gamma + 1.0)))[:2])
        missing += (-momentum * direction + boost * (energy - along / (gamma + 1.0)))[:2]
    return (*leptons[0], *leptons[1], *missing)
