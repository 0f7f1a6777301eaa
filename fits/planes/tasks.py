"""Fits of many points: in batches, by any executor, without those that are finished already."""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.errors import MassgapError
from massgap.fits.inference.engines import likelihood_of
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.inference.small_counts import small_counts_warning
from massgap.fits.inference.toys.results import toy_results, toy_warnings
from massgap.fits.planes.finished import FinishedPoints, point_digests
from massgap.fits.planes.point_fit import PointTests, fit_point
from massgap.fits.planes.signals import with_signal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from massgap.fits.inference.bootstrap.points import PointReplicas
    from massgap.fits.workspaces.patch_sets import Patch

__all__ = ["Background", "fit_batch", "fit_points"]

_BATCH = 16
"""Points that a worker gets at once: few enough that little is lost where it is interrupted."""


@dataclass(frozen=True)
class Background:
    """What the points of one luminosity have in common.

    Attributes
    ----------
    workspace : mapping
        Workspace without signal.
    tests : PointTests
    engine : str
    start : mapping or None
        Where the fit without signal ends, see :func:`massgap.fits.planes.point_fit.fit_point`.
    simulation : PointReplicas, optional
        From which the uncertainty of the finite simulation is found.
    """

    workspace: Mapping[str, Any] = field(repr=False)
    tests: PointTests
    engine: str = "massgap"
    start: Mapping[str, float] | None = None
    simulation: PointReplicas | None = None


def fit_batch(background: Background, patches: Sequence[Patch]) -> list[dict[str, Any]]:
    """Results of some signals; those that do not converge have an ``error``."""
    out = []
    for patch in patches:
        try:
            out.append(_results(background, patch))
        except MassgapError as error:
            out.append({"error": str(error)})
    return out


def _results(background: Background, patch: Patch) -> dict[str, Any]:
    tests = background.tests
    workspace = with_signal(background.workspace, patch)
    likelihood = likelihood_of(workspace, engine=background.engine)
    found = fit_point(likelihood, tests, background.start)
    compiled = likelihood if isinstance(likelihood, Likelihood) else Likelihood(workspace)
    if tests.toys is not None:
        toys = toy_results(compiled, tests.toys, level=tests.level, observed=tests.observed)
        found["toys"] = {**toys, "warnings": toy_warnings(toys)}
        # Every strength on the way to the limit: too much for a row.
        found["toys"]["upper_limit"].pop("points", None)
    else:
        limit = found["upper_limit"]["expected"][2]
        found["small_counts"] = small_counts_warning(compiled, limit, observed=tests.observed)
    if background.simulation is not None:
        found["simulation"] = background.simulation.spread(
            patch.name, compiled, tests.level, observed=tests.observed
        )
    return found


def fit_points(
    background: Background,
    patches: Sequence[Patch],
    finished: FinishedPoints,
    executor: Callable[..., Iterator[tuple[int, Any]]] | None = None,
    progress: Callable[[int], None] | None = None,
) -> tuple[dict[str, dict[str, Any]], list[str]]:
    """Fit all signals that are not finished.

    Parameters
    ----------
    background : Background
    patches : sequence of Patch
    finished : FinishedPoints
    executor : callable, optional
        Generator of ``(number, result)`` from a function, items and ``shared=``, as those of ``massgap.runner``; default one
        after another here.
    progress : callable, optional
        Gets the number of signals done, those that were finished before among them.

    Returns
    -------
    results : dict
        By name of the patch.
    digests : list of str
        What each was made of.
    """
    simulation = None if background.simulation is None else dict(background.simulation.made_of)
    asked = {**asdict(background.tests), "engine": background.engine, "simulation": simulation}
    keys = point_digests(background.workspace, patches, asked)
    todo = [i for i, key in enumerate(keys) if key not in finished.results]
    if progress is not None and len(todo) < len(keys):
        progress(len(keys) - len(todo))
    workers = int(getattr(executor, "workers", 1))
    # The reference engine takes minutes for a point: each is kept as soon as it is there.
    most = _BATCH if background.engine == "massgap" else 1
    size = max(1, min(most, math.ceil(len(todo) / (2 * workers))))
    batches = [todo[i : i + size] for i in range(0, len(todo), size)]
    done = len(keys) - len(todo)
    lost: dict[str, dict[str, Any]] = {}
    for number, batch_results in (executor or _one_after_another)(
        fit_batch, [[patches[i] for i in batch] for batch in batches], shared=background
    ):
        if not isinstance(batch_results, list):
            # A worker ended without a result, more than once: another time it may go well, so it is not kept.
            reason = getattr(batch_results, "reason", "its worker ended")
            lost.update({keys[i]: {"error": f"No result: {reason}."} for i in batches[number]})
        else:
            finished.add(dict(zip([keys[i] for i in batches[number]], batch_results, strict=True)))
        done += len(batches[number])
        if progress is not None:
            progress(done)
    found = {**finished.results, **lost}
    return {patch.name: found[key] for patch, key in zip(patches, keys, strict=True)}, keys


def _one_after_another(
    function: Callable[..., Any], items: Sequence[Any], *, shared: Any
) -> Iterator[tuple[int, Any]]:
    for i, item in enumerate(items):
        yield i, function(shared, item)
