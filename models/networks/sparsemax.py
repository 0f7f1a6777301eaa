r"""Sparsemax: the projection onto the probability simplex, which gives probabilities of which many are exactly zero.

Martins and Astudillo, arXiv:1602.02068, algorithm 1: with :math:`z_{(1)} \geq z_{(2)} \geq \ldots`, k the largest number with
:math:`1 + k z_{(k)} > \sum_{j \leq k} z_{(j)}` and :math:`\tau = (\sum_{j \leq k} z_{(j)} - 1) / k`, it is
:math:`\max(z_i - \tau, 0)`.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from massgap.models.networks.graph_writer import GraphWriter

__all__ = ["sparsemax", "write_sparsemax"]


def sparsemax(xp: Any, z: Any) -> Any:
    """Sparsemax along the last axis; with jax.numpy it has the gradient of the paper's eq. (12).

    Examples
    --------
    >>> sparsemax(np, np.array([[1.0, 0.8, -3.0]])).round(6).tolist()
    [[0.6, 0.4, 0.0]]
    """
    return _project(xp, z) if xp is np else _with_gradient()(z)


def _project(xp: Any, z: Any) -> Any:
    z = z - z.max(axis=-1, keepdims=True)
    falling = -xp.sort(-z, axis=-1)
    above = xp.cumsum(falling, axis=-1) - 1.0
    # (sum of the first k - 1) / k grows while k is in the support and falls afterwards, so its maximum is tau.
    tau = (above / xp.arange(1, z.shape[-1] + 1, dtype=z.dtype)).max(axis=-1, keepdims=True)
    return xp.maximum(z - tau, 0.0)


@functools.cache
def _with_gradient() -> Any:
    import jax
    import jax.numpy as jnp

    @jax.custom_vjp
    def project(z: Any) -> Any:
        return _project(jnp, z)

    def ahead(z: Any) -> Any:
        out = _project(jnp, z)
        return out, out

    def back(out: Any, slope: Any) -> Any:
        support = out > 0
        mean = (slope * support).sum(-1, keepdims=True) / support.sum(-1, keepdims=True)
        return (jnp.where(support, slope - mean, 0.0),)

    project.defvjp(ahead, back)
    return project


def write_sparsemax(graph: GraphWriter, z: str, width: int) -> str:
    """The same as operators of a graph, for a matrix of this many columns."""
    centred = graph.op("Sub", z, graph.op("ReduceMax", z, axes=[1], keepdims=1))
    falling, _ = graph.ops("TopK", 2, centred, np.array([width], np.int64), axis=1)
    above = graph.op("Sub", graph.op("CumSum", falling, np.array(1, np.int64)), np.asarray(1.0))
    means = graph.op("Div", above, np.arange(1, width + 1, dtype=float).reshape(1, -1))
    tau = graph.op("ReduceMax", means, axes=[1], keepdims=1)
    return graph.op("Relu", graph.op("Sub", centred, tau))
