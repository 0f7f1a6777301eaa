"""Small networks of the study, one after the other; each event is scored by the network that has not seen it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.models.measures.roc import auc, roc_curve
from massgap.models.networks.dense import TRAINER
from massgap.models.networks.many import Sample, fit_many
from massgap.models.networks.optimisation import Events as Rows
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["Scored", "Task", "area", "cross_fitted"]

_STOP = 5
"""One of so many training events chooses the epoch instead."""
_BATCH = 512
_STEPS = 12
"""An epoch has so many steps at least: smaller samples have smaller batches."""
_LEAST = 20
"""Events of each class that a fold must have."""
_EDGE = 1e-7


class Task(NamedTuple):
    """What one classifier is to tell apart.

    Attributes
    ----------
    first, second
        Features of the events of label 1 and of label 0, shapes (N, k) and (M, k).
    weight_first, weight_second
        Their weights, shapes (N,) and (M,).
    also
        Features of events of neither, scored by both networks in turn, shape (L, k).
    """

    first: Any
    second: Any
    weight_first: Any
    weight_second: Any
    also: Any = None


class Scored(NamedTuple):
    """Logits of the events of both classes, cross-fitted; the area under the ROC curve and its error; logits of the other events.

    ``networks`` are both of them, for further events: :meth:`logits`.
    """

    first: NDArray[np.float64]
    second: NDArray[np.float64]
    auc: float
    auc_error: float
    also: NDArray[np.float64]
    networks: tuple[Any, ...]

    def logits(self, x: Any) -> NDArray[np.float64]:
        """Of further events, shape (n, k), each by one of the networks in turn.

        Events of a class in their order, perhaps with other features, are so scored by the one that has not seen them.  A mean of both networks
        would have other tails than what thresholds are chosen on: of the background it leaves less, of the signal more.
        """
        return _scored(self.networks, np.asarray(x, np.float32))


def cross_fitted(
    tasks: Mapping[str, Task],
    features: Sequence[str],
    hidden: Sequence[int],
    *,
    epochs: int,
    patience: int,
    seed: int = 1,
    see: Callable[[int, int], None] | None = None,
) -> dict[str, Scored]:
    """Train two networks for each task, one on each half of the events, and score each half by the other's network.

    Parameters
    ----------
    tasks
        Name -> what is to be told apart; those of equal sizes share what is compiled, and are trained one after the other.
    features
        Names of the columns.
    hidden
        Widths of the hidden layers.
    epochs, patience
        At most so many, and how many without improvement end a training.
    seed
        Of the first network.
    see
        Called with the number of finished networks and of all.

    Returns
    -------
    dict of str to Scored

    Raises
    ------
    StudyError
        If a class has too few events.
    massgap.models.errors.ModelError
        If a training diverges.
    """
    samples = [sample for name, task in tasks.items() for sample in _halves(name, task)]
    batch = min(_BATCH, max(1, min(len(sample.fit.x) for sample in samples) // _STEPS))
    networks = fit_many(
        TRAINER,
        samples,
        features,
        {"hidden": list(hidden), "epochs": epochs, "batch_size": batch, "schedule": "cosine"},
        patience=patience,
        seed=seed,
        see=see,
    )
    found = {}
    for number, (name, task) in enumerate(tasks.items()):
        pair = networks[2 * number : 2 * number + 2]
        first, second = (_scored(pair, np.asarray(x, np.float32)) for x in (task.first, task.second))
        value, error = area(first, second, task.weight_first, task.weight_second)
        also = np.zeros(0) if task.also is None else _scored(pair, np.asarray(task.also, np.float32))
        found[name] = Scored(first, second, value, error, also, tuple(pair))
    return found


def _halves(name: str, task: Task) -> list[Sample]:
    classes = [(task.first, task.weight_first, 1.0), (task.second, task.weight_second, 0.0)]
    for x, _, _ in classes:
        if len(x) < 2 * _LEAST:
            msg = f"{name}: a class has {len(x)} events, and a network needs {2 * _LEAST} at least: generate more"
            raise StudyError(msg)
    samples = []
    for fold in range(2):
        parts: list[list[tuple[Any, Any, Any]]] = [[], []]
        for x, weight, label in classes:
            own = np.arange(len(x)) % 2 != fold
            stops = (np.arange(len(x)) // 2) % _STOP == 0
            # Classes count alike, however many events they have and whatever these weigh.
            share = np.asarray(weight, np.float64) / np.asarray(weight, np.float64).sum()
            for k, rows in enumerate((own & ~stops, own & stops)):
                parts[k].append((x[rows], np.full(int(rows.sum()), label), share[rows] / share[rows].sum()))
        samples.append(Sample(f"{name}, half {fold}", *(_rows(part) for part in parts)))
    return samples


def _rows(parts: list[tuple[Any, Any, Any]]) -> Rows:
    x, label, weight = (np.concatenate(column) for column in zip(*parts, strict=True))
    return Rows(np.asarray(x, np.float32), label.astype(np.float32), weight * (len(x) / weight.sum()))


def _scored(pair: Sequence[Any], x: NDArray[np.float32]) -> NDArray[np.float64]:
    out = np.empty(len(x))
    for fold, network in enumerate(pair):
        rows = np.arange(len(x)) % 2 == fold
        out[rows] = _logit([network], x[rows])
    return out


def _logit(networks: Sequence[Any], x: NDArray[np.float32]) -> NDArray[np.float64]:
    score = np.clip(TRAINER.predict(networks, x).astype(np.float64), _EDGE, 1.0 - _EDGE)
    return np.asarray(np.log(score / (1.0 - score)))


def area(
    first: ArrayLike, second: ArrayLike, weight_first: ArrayLike, weight_second: ArrayLike
) -> tuple[float, float]:
    """AUC and its error (Hanley and McNeil, Radiology 143 (1982) 29), with effective numbers of events.

    Parameters
    ----------
    first, second
        Logits of both classes, shapes (N,) and (M,).
    weight_first, weight_second
        Their weights.

    Examples
    --------
    >>> area([1.0, 2.0], [0.0, 1.5], [1.0, 1.0], [1.0, 1.0])[0]
    0.75
    """
    score = np.concatenate([np.asarray(first, np.float64), np.asarray(second, np.float64)])
    label = np.concatenate([np.ones(np.size(first)), np.zeros(np.size(second))])
    weights = [np.asarray(w, np.float64) for w in (weight_first, weight_second)]
    found = auc(roc_curve(score, label, np.concatenate(weights)))
    n, m = (float(w.sum() ** 2 / (w**2).sum()) for w in weights)
    q1, q2 = found / (2.0 - found), 2.0 * found**2 / (1.0 + found)
    variance = found * (1.0 - found) + (n - 1.0) * (q1 - found**2) + (m - 1.0) * (q2 - found**2)
    return float(found), float(np.sqrt(max(variance, 0.0) / (n * m)))
