"""Scores of whole samples of events, from the scores of the single events."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.arrays.compiled import compiled
from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import NDArray

__all__ = ["EnsembleScore", "ensemble_score"]


class EnsembleScore(NamedTuple):
    """The score of each ensemble in [0, 1], and its logit, the sum of the logits of the events."""

    score: Any
    logit: Any


@compiled
def logit_kernel(y: float) -> float:
    """ln y - ln(1 - y), with all digits also near y = 1/2, where it passes through zero."""
    if 0.25 < y < 0.75:
        return math.log1p((2.0 * y - 1.0) / (1.0 - y))  # 2 y - 1 is exact here
    return math.log(y / (1.0 - y))


@compiled
def ensemble_kernel(y: NDArray[np.float64], start: int, stop: int) -> tuple[float, float]:
    """Score and logit of the events from start to stop; the sum keeps the digits that additions drop."""
    zeros, ones, total, dropped = 0, 0, 0.0, 0.0
    if stop <= start:
        return math.nan, math.nan
    for i in range(start, stop):
        if not 0.0 <= y[i] <= 1.0:
            return math.nan, math.nan
        if y[i] == 0.0:
            zeros += 1
        elif y[i] == 1.0:
            ones += 1
        else:
            term = logit_kernel(y[i])
            s = total + term
            dropped += (total - s) + term if abs(total) >= abs(term) else (term - s) + total
            total = s
    if zeros and ones:
        return math.nan, math.nan
    if zeros:
        return 0.0, math.nan
    if ones:
        return 1.0, math.nan
    total += dropped
    # The smaller of score and 1 - score, without overflow.
    small = math.exp(-abs(total)) / (1.0 + math.exp(-abs(total)))
    return (small if total < 0.0 else 1.0 / (1.0 + math.exp(-total))), total


@compiled
def _loop(
    y: NDArray[np.float64],
    offsets: NDArray[np.int64],
    score: NDArray[np.float64],
    logit: NDArray[np.float64],
) -> None:
    for k in range(score.size):
        score[k], logit[k] = ensemble_kernel(y, offsets[k], offsets[k + 1])


def ensemble_score(y: Any) -> EnsembleScore:
    r"""Score of ensembles of events: the product rule for independent events, in logits.

    .. math::
        y_N = \frac{\prod_i y_i}{\prod_i y_i + \prod_i (1 - y_i)}
        = \mathrm{sigmoid} \sum_i \ln\frac{y_i}{1 - y_i}

    The products underflow for a thousand events; the sum of logits does not.

    Parameters
    ----------
    y
        Scores of the events in [0, 1]: along the last axis of a NumPy array, or the lists of an awkward array,
        which may have different lengths.  Scores stored as float32 round to exactly 1 above 1 - 3e-8: score in
        float64, or from logits.

    Returns
    -------
    EnsembleScore
        ``score`` and ``logit``, one per ensemble, in float64.  If an event has exactly 0, the score is 0, and 1
        if one has exactly 1; the logit is NaN then.  Both are NaN for 0 and 1 together, for an empty ensemble and
        where a score is NaN or outside [0, 1].

    Raises
    ------
    ModelError
        If the input is a single number or has more than one level of lists.

    Examples
    --------
    >>> result = ensemble_score([0.6, 0.6, 0.7])
    >>> print(round(float(result.score), 6), round(float(result.logit), 6))
    0.84 1.658228
    """
    if type(y).__module__.startswith("awkward."):
        flat, offsets, shape = _of_awkward(y)
    else:
        array = np.asarray(y, dtype=np.float64)
        if array.ndim == 0:
            msg = "An ensemble is a list of scores, not one number. Give an array whose last axis are the events."
            raise ModelError(msg)
        flat, shape = np.ascontiguousarray(array).reshape(-1), array.shape[:-1]
        offsets = np.arange(math.prod(shape) + 1, dtype=np.int64) * array.shape[-1]
    score, logit = np.empty(offsets.size - 1), np.empty(offsets.size - 1)
    _loop(flat, offsets, score, logit)
    return EnsembleScore(score.reshape(shape)[()], logit.reshape(shape)[()])


def _of_awkward(y: Any) -> tuple[NDArray[np.float64], NDArray[np.int64], tuple[int, ...]]:
    import awkward as ak

    if y.ndim not in (1, 2):
        msg = f"An awkward array of scores has the ensembles outside and their events inside, not {y.ndim} levels."
        raise ModelError(msg)
    counts = np.asarray(ak.num(y, axis=1)) if y.ndim == 2 else np.array([len(y)])
    offsets = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    flat = np.ascontiguousarray(ak.to_numpy(ak.flatten(y, axis=None)), dtype=np.float64)
    return flat, offsets, (len(y),) if y.ndim == 2 else ()
