"""Fits of workspaces: CLs, limits with bands and toys, against pyhf (numpy and jax) and NextStat, one thread, side by side.

Whether the numbers agree is looked at first. Models are built before, on all sides; what that costs us has a line of its own.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.fit_models import large, patched_plane, plane
from benchmarks.fit_opponents import ELSEWHERE, Opponent, python_with_opponents
from benchmarks.measure import Effort, Measurement, Row, cost, paired

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "Fits of workspaces"
CLS, LIMIT = 1e-4, 1e-3
"""Agreement that is asked for: of CLs, and of limits relative to them."""
_HIGHER = 1e-3
"""In -2 ln L: so far above a lower one a fit has not found the minimum; rounding is 1e-9."""
NAMES = {"pyhf-numpy": "pyhf (numpy, scipy)", "pyhf-jax": "pyhf (jax, warm)", "nextstat": "NextStat"}


Question = tuple[str, float | None, int, bool]


@dataclass(frozen=True)
class Case:
    """Workspaces of one kind, with what is asked of each and how long it may take.

    Attributes
    ----------
    name : str
    workspaces : list
    cls, limit : float or None
        Goals in ms.
    opponents : mapping
        Name -> what is asked, goal of the ratio, number of points, and whether it takes minutes and is left to ``--full``.
    """

    name: str
    workspaces: list[dict[str, Any]]
    cls: float | None
    limit: float | None
    opponents: dict[str, tuple[Question, ...]]


def rows(effort: Effort) -> Iterator[Row | str]:
    """Measure."""
    folder = Path(os.environ["MASSGAP_BENCH"])
    for case in _cases(effort):
        yield from _ours(case, effort)
        paths = []
        for i, workspace in enumerate(case.workspaces[:5]):
            paths.append(folder / f"{case.name.replace(' ', '_').replace(',', '')}_{i}.json")
            paths[-1].write_text(json.dumps(workspace), encoding="utf-8")
        for name, questions in case.opponents.items():
            yield from _with(name, questions, case, paths, effort)
    yield _workers(effort)
    yield _shell(folder, effort)
    yield from _toys(effort)


def _with(
    name: str, questions: tuple[Question, ...], case: Case, paths: list[Path], effort: Effort
) -> Iterator[Row | str]:
    """What is compared with one opponent, or why it is not."""
    asked = []
    for question in questions:
        what, _, _, slow = question
        line = f"{NAMES[name]}: {what}, {case.name}"
        if name in ELSEWHERE and python_with_opponents() is None:
            yield f"{line} (--opponents FOLDER makes an environment with it)"
        elif slow and effort is not Effort.SMOKE and not os.environ.get("MASSGAP_BENCH_FULL"):
            yield f"{line} (takes minutes: --full)"
        else:
            asked.append(question)
    if asked:
        with Opponent(name) as opponent:
            for what, goal, points, _ in asked:
                yield _against(opponent, case, what, paths[:points], goal, effort)


def _cases(effort: Effort) -> Iterator[Case]:
    """Where an opponent takes minutes, fewer points or none are asked."""
    few = effort.of(3, 2, 1)
    yield Case(
        "1 channel, 21 parameters",
        plane(effort.of(400, 20, 2), channels=1, systematics=effort.of(10, 10, 2)),
        1.0,
        10.0,
        {
            "pyhf-numpy": (("CLs", 300.0, few, False), ("limit", 300.0, 1, False)),
            "pyhf-jax": (("CLs", 5.0, few, False), ("limit", 5.0, 1, False)),
            "nextstat": (("CLs", 5.0, few, False), ("limit", 5.0, few, False)),
        },
    )
    yield Case(
        "3 channels, 49 parameters",
        plane(effort.of(100, 10, 1), channels=3, systematics=effort.of(18, 18, 2)),
        None,
        25.0,
        {
            "pyhf-jax": (("CLs", None, 1, False), ("limit", None, 1, False)),
            "nextstat": (("CLs", None, few, False), ("limit", None, 1, False)),
        },
    )
    yield Case(
        "38 channels, 190 parameters",
        [large(effort.of(38, 38, 2))],
        300.0,
        3000.0,
        {
            "pyhf-numpy": (("CLs", 50.0, 1, True),),
            "pyhf-jax": (("CLs", None, 1, False),),
            "nextstat": (("CLs", 5.0, 1, False), ("limit", 5.0, 1, True)),
        },
    )


def _calls() -> dict[str, Callable[[Any], Any]]:
    """What is timed on our side, of a model that is built."""
    from massgap.fits.inference.hypothesis_tests import hypothesis_test, upper_limit

    return {
        "CLs": lambda likelihood: hypothesis_test(likelihood, 1.0),
        "limit": lambda likelihood: upper_limit(likelihood, observed=True),
    }


def _built(workspaces: list[dict[str, Any]]) -> list[Any]:
    from massgap.fits.inference.likelihood import Likelihood

    likelihoods = [Likelihood(workspace) for workspace in workspaces]
    # Whether it may have several minima is found out once per model, on first use.
    assert all(likelihood.ambiguous in (True, False) for likelihood in likelihoods)
    return likelihoods


def _ours(case: Case, effort: Effort) -> Iterator[Row]:
    n = len(case.workspaces)
    likelihoods = _built(case.workspaces)
    rounds, scale = effort.rounds(3), 1e3 / n
    building = cost(lambda: _built(case.workspaces), rounds=rounds, least=0.0, scale=scale)
    yield Row(GROUP, f"model of a workspace, {case.name}", building, "ms", None, False, f"{n} points")
    for what, call in _calls().items():
        goal = case.cls if what == "CLs" else case.limit
        measured = cost(
            lambda call=call: [call(likelihood) for likelihood in likelihoods],  # type: ignore[misc]
            rounds=rounds,
            least=0.0,
            scale=scale,
        )
        text = "CLs with band" if what == "CLs" else "observed and expected limit with band"
        yield Row(GROUP, f"{text}, {case.name}", measured, "ms", goal, False, f"{n} points")


def _against(
    opponent: Opponent, case: Case, what: str, paths: list[Path], goal: float | None, effort: Effort
) -> Row:
    """Ratio of CPU times on the same points, turn by turn."""
    call = _calls()[what]
    likelihoods = _built(case.workspaces[: len(paths)])
    difference = 0.0
    first = 0.0
    for path, likelihood in zip(paths, likelihoods, strict=True):
        if "jax" in opponent.name:
            opponent.ask(path, what.lower())  # compiles
        theirs = opponent.ask(path, what.lower())
        first += theirs.cpu
        difference = max(difference, _difference(what, call(likelihood), theirs.observed, theirs.expected))
    allowed = CLS if what == "CLs" else LIMIT
    why = "more than the agreement that is asked of pyhf"
    if opponent.name.startswith("pyhf") and difference > allowed:
        why = _missed_minimum(opponent, case, what, paths, likelihoods, difference)
    slow = first > effort.of(10.0, 5.0, 0.0)
    rounds = 1 if slow else effort.rounds(3)
    times = []
    for i in range(rounds):
        ours, cpu = 0.0, first
        for turn in (0, 1) if i % 2 else (1, 0):
            if turn == 0:
                start = time.process_time()
                for likelihood in likelihoods:
                    call(likelihood)
                ours = time.process_time() - start
            elif not slow:
                cpu = sum(opponent.ask(path, what.lower()).cpu for path in paths)
        times.append((ours, cpu))
    ratios = [theirs / ours for ours, theirs in times]
    n = len(paths)
    measured = Measurement(
        statistics.median(ratios),
        min(ratios),
        max(ratios),
        rounds,
        statistics.median(ours for ours, _ in times) / n,
        statistics.median(theirs for _, theirs in times) / n,
    )
    kind = "of CLs" if what == "CLs" else "relative"
    detail = f"{opponent.versions}; {n} points; largest difference {difference:.1g} {kind}"
    detail += "; once, as it is slow" if slow else ""
    if difference > allowed:
        detail += f", {why}"
    return Row(GROUP, f"{what}, {case.name}: {NAMES[opponent.name]}", measured, "x", goal, True, detail)


def _missed_minimum(
    opponent: Opponent, case: Case, what: str, paths: list[Path], likelihoods: list[Any], difference: float
) -> str:
    """What explains a difference from pyhf: its own likelihood is higher where its fit ends than at our minimum.

    Raises
    ------
    AssertionError
        If it is not: one of the two is wrong.
    """
    above = 0.0
    for path, likelihood in zip(paths, likelihoods, strict=True):
        pars = likelihood.fit(likelihood.observed, non_negative=True).pars
        above = max(above, opponent.above(path, dict(zip(likelihood.names, map(float, pars), strict=True))))
    if above < _HIGHER:
        message = f"{what} of {opponent.name}, {case.name}, differs by {difference:.2g}"
        raise AssertionError(message)
    return f"as its fit ends {above:.2g} in -2 ln L above the minimum that is found here"


def _difference(what: str, ours: Any, observed: float, expected: list[float]) -> float:
    """The largest, relative for limits; those that an opponent does not look for beyond a strength of 10 are left out."""
    found = np.array([ours.cls if what == "CLs" else ours.observed, *ours.expected])
    theirs = np.array([observed, *expected])
    found = found[: len(theirs)]
    if what == "CLs":
        return float(np.abs(found - theirs).max())
    inside = found < 9.9
    return float(np.abs(theirs / found - 1.0)[inside].max(initial=0.0))


def _workers(effort: Effort) -> Row:
    """Wall-clock time of the points of a plane with one process and with two, their start included."""
    from massgap.fits.planes.finished import FinishedPoints
    from massgap.fits.planes.point_fit import PointTests
    from massgap.fits.planes.tasks import Background, fit_points
    from massgap.runner.executors.make import make_executor

    n = effort.of(4_000, 400, 2)
    workspace, patches = patched_plane(n, channels=3, systematics=effort.of(18, 18, 2))
    background = Background(workspace, PointTests(observed=True))

    def seconds(workers: int) -> float:
        start = time.perf_counter()
        with tempfile.TemporaryDirectory() as folder:
            executor = make_executor("futures", workers)
            results, _ = fit_points(background, patches, FinishedPoints(Path(folder)), executor)
        assert len(results) == n
        assert not any("error" in found for found in results.values())
        return time.perf_counter() - start

    measured = paired([(seconds(2), seconds(1)) for _ in range(effort.rounds(3))])
    detail = f"{n:,} points, 49 parameters; wall-clock time with the start of the processes"
    return Row(GROUP, "points of a plane with two processes: with one", measured, "x", None, True, detail)


def _shell(folder: Path, effort: Effort) -> Row:
    """Both commands from the shell, with all that is imported."""
    path = folder / "small.json"
    path.write_text(json.dumps(plane(1, channels=1, systematics=3)[0]), encoding="utf-8")
    ours = [sys.executable, "-m", "massgap", "limit", str(path)]
    theirs = [sys.executable, "-c", "from pyhf.cli import cli; cli()", "cls", str(path)]
    _seconds(ours)
    measured = paired([(_seconds(ours), _seconds(theirs)) for _ in range(effort.rounds(5))])
    detail = "small workspace; ours also gives limits, significance and the fitted strength"
    return Row(GROUP, "massgap limit from the shell: pyhf cls", measured, "x", 1.0, True, detail)


def _seconds(command: list[str]) -> float:
    """CPU seconds of a process that ends well."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def _toys(effort: Effort) -> Iterator[Row]:
    """CPU time on one thread, and wall-clock time on two, as ``--workers 2`` takes."""
    from massgap.fits.inference.likelihood import Likelihood
    from massgap.fits.inference.toys import toy_cls

    # Half of them without signal, half with it: the number is that of all toys that are drawn and fitted.
    n = effort.of(10_000, 1_000, 10)
    likelihood = Likelihood(plane(1, channels=3, systematics=effort.of(18, 18, 2))[0])
    one = cost(lambda: toy_cls(likelihood, 1.0, n, 1), rounds=effort.rounds(3), least=0.0)

    def seconds() -> float:
        start = time.perf_counter()
        toy_cls(likelihood, 1.0, n, 1, workers=2)
        return time.perf_counter() - start

    times = sorted(seconds() for _ in range(effort.rounds(3)))
    middle = statistics.median(times)
    two = Measurement(middle, times[0], times[-1], len(times), middle)
    goal = 10.0 if effort is Effort.WHOLE else None
    detail = (
        f"CLs from {n:,} toys of each of two hypotheses, each fitted with a free and a fixed signal strength"
    )
    what = f"{2 * n:,} toys, 3 channels, 49 parameters"
    yield Row(GROUP, f"{what}, one thread", one, "s", None, False, detail)
    yield Row(GROUP, f"{what}, two threads", two, "s", goal, False, f"{detail}; wall-clock time")
