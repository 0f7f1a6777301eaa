"""Ensembles of events drawn from simulated ones, their scores, and how well a threshold tells two kinds of them apart."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["BestThreshold", "Part", "best_threshold", "ensemble_logits"]


class Part(NamedTuple):
    """Events that ensembles are drawn from.

    Attributes
    ----------
    logit
        Logit of each event's score, shape (N,).
    mean
        Expected number of these events in an ensemble.
    weight
        Probability of each to be drawn, up to a factor, shape (N,); alike where there are none.
    """

    logit: Any
    mean: float
    weight: Any = None


class BestThreshold(NamedTuple):
    """The threshold with the largest accuracy, that of both kinds averaged, and that of each."""

    threshold: float
    accuracy: float
    of_first: float
    of_second: float


@compiled
def _draw(rng: Any, counts: Any, logit: Any, cumulative: Any, out: Any) -> None:
    """Add to each ensemble the logits of as many drawn events; an empty table of weights means all alike."""
    n = logit.size
    for i in range(counts.size):
        total = 0.0
        for _ in range(counts[i]):
            u = rng.random()
            if cumulative.size:
                k = np.searchsorted(cumulative, u * cumulative[-1], side="right")
            else:
                k = int(u * n)
            total += logit[min(k, n - 1)]
        out[i] += total


def ensemble_logits(
    parts: Sequence[Part], n: int, *, seed: int | Sequence[int] = 1, fixed: bool = False
) -> NDArray[np.float64]:
    r"""Logits of the scores of ``n`` ensembles: each the sum of the logits of its events, drawn with replacement.

    :math:`\ln y_N / (1 - y_N) = \sum_i \ln y_i / (1 - y_i)` is what the product rule for independent events says
    (:func:`massgap.models.measures.ensembles.ensemble_score`).

    Parameters
    ----------
    parts
        What an ensemble consists of: signal and background, for instance.
    n
        Number of ensembles.
    seed
        The same seed gives the same ensembles.
    fixed
        Take the rounded means as numbers of events; by default the numbers are Poisson distributed.

    Returns
    -------
    ndarray
        Shape (n,).  An ensemble that happens to have no event has logit 0: nothing is known.

    Raises
    ------
    ModelError
        If no event is expected, a part has none to draw from, or a number in it is impossible.

    Examples
    --------
    >>> ensemble_logits([Part([1.0], 3.0)], 2, fixed=True).tolist()
    [3.0, 3.0]
    """
    total = sum(float(part.mean) for part in parts)
    if not (math.isfinite(total) and total > 0.0 and all(part.mean >= 0.0 for part in parts)):
        msg = f"An ensemble of {total:g} expected events is empty: raise the luminosity or the signal, or loosen the cut."
        raise ModelError(msg)
    if n < 1:
        msg = f"{n} ensembles say nothing: draw at least one."
        raise ModelError(msg)
    rng = np.random.Generator(np.random.PCG64(seed))
    out = np.zeros(n)
    for part in parts:
        logit = np.ascontiguousarray(part.logit, dtype=np.float64)
        if part.mean == 0.0:
            continue
        if logit.ndim != 1 or not logit.size or not np.isfinite(logit).all():
            msg = f"Events to draw from must have finite logits in a flat array, and at least one; this one has shape {logit.shape}."
            raise ModelError(msg)
        counts = np.full(n, round(part.mean)) if fixed else rng.poisson(part.mean, n)
        _draw(rng, counts, logit, _cumulative(part.weight, logit.size), out)
    return out


def _cumulative(weight: Any, n: int) -> NDArray[np.float64]:
    if weight is None:
        return np.zeros(0)
    found = np.asarray(weight, dtype=np.float64)
    if found.shape != (n,) or not (found >= 0.0).all() or not found.sum() > 0.0:
        msg = f"Weights to draw events by must be {n} numbers of at least 0, not all of them 0."
        raise ModelError(msg)
    return np.cumsum(found)


def best_threshold(first: ArrayLike, second: ArrayLike) -> BestThreshold:
    """The threshold above which ensembles are taken for the first kind with the fewest errors.

    Parameters
    ----------
    first, second
        Scores or logits of ensembles of both kinds, shapes (N,) and (M,).

    Returns
    -------
    BestThreshold
        In the middle of the values that it lies between; of several the lowest.

    Raises
    ------
    ModelError
        If there are none of a kind, or a value is NaN.

    Examples
    --------
    >>> best_threshold([2.0, 3.0], [0.0, 1.0])
    BestThreshold(threshold=1.5, accuracy=1.0, of_first=1.0, of_second=1.0)
    """
    a, b = (np.sort(np.asarray(values, dtype=np.float64)) for values in (first, second))
    if a.ndim != 1 or b.ndim != 1 or not a.size or not b.size or np.isnan(a).any() or np.isnan(b).any():
        msg = "A threshold needs ensembles of both kinds, in flat arrays without NaN."
        raise ModelError(msg)
    values = np.unique(np.concatenate([a, b]))
    edges = np.concatenate([[-math.inf], 0.5 * (values[1:] + values[:-1]), [math.inf]])
    above = 1.0 - np.searchsorted(a, edges, side="right") / a.size
    below = np.searchsorted(b, edges, side="right") / b.size
    k = int(np.argmax(above + below))
    return BestThreshold(
        float(edges[k]), float(0.5 * (above[k] + below[k])), float(above[k]), float(below[k])
    )
