"""What a network sees of the features: standardised, bounded, missing values replaced and, if wanted, told."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.errors import TableError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from massgap.models.networks.graph_writer import GraphWriter

__all__ = ["PREPROCESSING", "Scaling", "scaling_of"]

PREPROCESSING = (
    "infinite values become NaN; NaN is missing and becomes the mean of the training events, and a further input tells so "
    "where the training events have missing values (unless the recipe says missing: mean); features are standardised with "
    "weighted mean and standard deviation of the training events and bounded to +-clip standard deviations"
)


@dataclass(frozen=True)
class Scaling:
    """How features become the inputs of one network.

    ``mean`` and ``inverse`` (1 / standard deviation) have shape (n_features,), float32; ``told`` are the columns of which
    a further input, 0 or 1, says that they are missing; ``clip`` is in standard deviations.
    """

    mean: NDArray[np.float32]
    inverse: NDArray[np.float32]
    told: NDArray[np.int64]
    clip: float

    @property
    def width(self) -> int:
        """Number of inputs of the network."""
        return len(self.mean) + len(self.told)

    def __call__(self, x: NDArray[np.float32], dtype: Any = np.float32) -> NDArray[Any]:
        """The inputs of a network, shape (N, width), for features of shape (N, n_features)."""
        missing = ~np.isfinite(x)
        mean, inverse = self.mean.astype(dtype), self.inverse.astype(dtype)
        with np.errstate(over="ignore"):  # beyond the range of float32 the bound holds
            z = (np.where(missing, mean, x.astype(dtype)) - mean) * inverse
        out = np.empty((len(x), self.width), dtype)
        np.clip(z, -self.clip, self.clip, out=out[:, : x.shape[1]])
        out[:, x.shape[1] :] = missing[:, self.told]
        return out

    def write(self, graph: GraphWriter, features: str) -> str:
        """The same as operators of a graph."""
        missing = graph.op("Or", graph.op("IsNaN", features), graph.op("IsInf", features))
        x = graph.number(features)
        x = graph.op("Where", missing, self.mean.reshape(1, -1), x)
        z = graph.op("Mul", graph.op("Sub", x, self.mean.reshape(1, -1)), self.inverse.reshape(1, -1))
        z = graph.op("Clip", z, np.asarray(-self.clip), np.asarray(self.clip))
        if not len(self.told):
            return z
        told = graph.op("Gather", graph.number(missing), self.told.astype(np.int64), axis=1)
        return graph.op("Concat", z, told, axis=1)


def scaling_of(
    x: NDArray[np.float32],
    weight: NDArray[np.float64],
    features: Sequence[str],
    *,
    clip: float,
    tell_missing: bool,
    where: str,
    ignore_constant: bool = False,
) -> Scaling:
    """The scaling by weighted mean and standard deviation of the values that are there.

    Parameters
    ----------
    x, weight
        Features, shape (N, n_features), NaN where missing, and weights, shape (N,), not negative.
    features
        Their names.
    clip, tell_missing
        As in :class:`Scaling`.
    where
        What the message calls these events.
    ignore_constant
        Let a feature of one value, or of none, be an input that is always 0.

    Raises
    ------
    TableError
        If a feature is missing in all events or has one value alone, unless that is allowed; it is named.
    """
    mean, inverse = np.zeros(x.shape[1]), np.zeros(x.shape[1])
    useless = []
    for j, name in enumerate(features):
        there = np.isfinite(x[:, j]) & (weight > 0)
        values, w = x[there, j].astype(np.float64), weight[there]
        if not there.any() or values.min() == values.max():
            useless.append(
                (name, f"has the value {values[0]:g} in all" if there.any() else "is missing in all")
            )
            continue
        mean[j] = np.average(values, weights=w)
        inverse[j] = 1.0 / np.sqrt(np.average((values - mean[j]) ** 2, weights=w))
    if useless and not ignore_constant:
        kept = [name for name in features if name not in dict(useless)]
        remedy = f"Train without it: --features {','.join(kept)}." if kept else "Name others with --features."
        msg = f"Feature {useless[0][0]!r} {useless[0][1]} {where}, so a network learns nothing from it. {remedy}"
        raise TableError(msg)
    some = ~np.isfinite(x).all(axis=0) & (inverse > 0.0)
    told = np.flatnonzero(some) if tell_missing else np.empty(0)
    return Scaling(mean.astype(np.float32), inverse.astype(np.float32), told.astype(np.int64), float(clip))
