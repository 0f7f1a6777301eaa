"""Which observables stand in for a network of the momenta: average decision ordering, and the search that it guides."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.models.measures.decision_ordering import decision_ordering
from massgap.models.measures.disagreement import ordering_on_disagreement
from massgap.studies.cascade.networks import Scored, Task, cross_fitted
from massgap.studies.cascade.samples import observables
from massgap.studies.cascade.variables import HIGH_LEVEL, columns_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from massgap.studies.cascade.samples import Events

__all__ = ["Found", "Sides", "Training", "guided_search", "orderings"]


class Training(NamedTuple):
    """Hidden layers of the network of the momenta and of those of a few variables, epochs, patience, seed."""

    momenta: tuple[int, ...] = (200, 200, 200)
    few: tuple[int, ...] = (50, 50, 50)
    epochs: int = 60
    patience: int = 20
    seed: int = 1

    def hidden(self, names: tuple[str, ...]) -> tuple[int, ...]:
        """Those for a set of variables."""
        return self.momenta if "momenta" in names else self.few


class Sides(NamedTuple):
    """Observables of both classes, and the weights of their events."""

    first: Mapping[str, NDArray[np.float64]]
    second: Mapping[str, NDArray[np.float64]]
    weight_first: NDArray[np.float64]
    weight_second: NDArray[np.float64]

    @classmethod
    def of(cls, signal: Events, other: Events, spectrum: Sequence[float]) -> Sides:
        """Of signal and background, with Delta_4 of a spectrum."""
        return cls(observables(signal, spectrum), observables(other, spectrum), signal.weight, other.weight)

    def task(self, names: tuple[str, ...]) -> Task:
        """What a network of these variables is to tell apart."""
        columns = columns_of(names)
        x, y = (np.stack([side[name] for name in columns], axis=1) for side in (self.first, self.second))
        return Task(x, y, self.weight_first, self.weight_second)

    def fitted(self, names: tuple[str, ...], training: Training) -> Scored:
        """A network of these variables, trained."""
        return cross_fitted(
            {",".join(names): self.task(names)},
            columns_of(names),
            training.hidden(names),
            epochs=training.epochs,
            patience=training.patience,
            seed=training.seed,
        )[",".join(names)]


class Found(NamedTuple):
    """What the search has found: variables, the ordering that each was chosen for, and the AUC of those up to it with its error."""

    names: tuple[str, ...]
    orderings: tuple[float, ...]
    aucs: tuple[float, ...]
    auc_errors: tuple[float, ...]


def _drawn(weight: NDArray[np.float64], most: int, seed: int) -> NDArray[np.int64]:
    """Rows of unweighted events: all where weights are alike, else drawn in proportion to them."""
    n = min(most, len(weight))
    if len(weight) == 0 or np.ptp(weight) <= 1e-9 * weight.max():
        return np.arange(n)
    return np.random.default_rng(seed).choice(len(weight), n, p=weight / weight.sum())


def orderings(
    sides: Sides, reference: Scored, *, most: int = 20_000, blocks: int = 5
) -> dict[str, tuple[float, float]]:
    """Ordering of each observable with the logits of a network, symmetrised, and its error from blocks of events.

    Parameters
    ----------
    sides
        Events of both classes.
    reference
        The network.
    most
        Events of each class.
    blocks
        So many parts give the error.
    """
    a, b = (_drawn(w, most, 3 + k) for k, w in enumerate((sides.weight_first, sides.weight_second)))

    def ado(name: str, i: Any, j: Any) -> float:
        return decision_ordering(
            sides.first[name][i], reference.first[i], sides.second[name][j], reference.second[j]
        ).ado

    found = {}
    for name in HIGH_LEVEL:
        whole = ado(name, a, b)
        parts = [ado(name, a[k::blocks], b[k::blocks]) for k in range(blocks)]
        found[name] = (max(whole, 1.0 - whole), float(np.std(parts, ddof=1) / np.sqrt(blocks)))
    return dict(sorted(found.items(), key=lambda item: -item[1][0]))


def guided_search(
    sides: Sides, reference: Scored, training: Training, *, depth: int = 3, most: int = 10_000
) -> Found:
    """Choose observables one after the other by their ordering on the pairs that those chosen so far get wrong.

    Parameters
    ----------
    sides, reference, most
        As for :func:`orderings`; all pairs are visited, so that twice the events take four times as long.
    training
        Of the networks of the variables chosen so far.
    depth
        How many variables.
    """
    a, b = (_drawn(w, most, 3 + k) for k, w in enumerate((sides.weight_first, sides.weight_second)))
    wanted = (reference.first[a], reference.second[b])
    now: tuple[Any, Any] = (np.zeros(len(a)), np.zeros(len(b)))
    found = Found((), (), (), ())
    for _ in range(depth):
        left = {
            name: (sides.first[name][a], sides.second[name][b])
            for name in HIGH_LEVEL
            if name not in found.names
        }
        step = ordering_on_disagreement(wanted, now, left)
        if not step.pairs:
            break
        best = max(step.orderings, key=lambda name: step.orderings[name].symmetric)
        names = (*found.names, best)
        scored = sides.fitted(names, training)
        now = (scored.first[a], scored.second[b])
        found = Found(
            names,
            (*found.orderings, step.orderings[best].symmetric),
            (*found.aucs, scored.auc),
            (*found.auc_errors, scored.auc_error),
        )
    return found
