"""Layers over a module of array functions `xp` (jax.numpy or numpy), and as operators of an ONNX graph."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

if TYPE_CHECKING:
    from massgap.models.networks.graph_writer import GraphWriter

__all__ = [
    "ACTIVATIONS",
    "EPSILON",
    "Training",
    "activate",
    "batch_affine",
    "batch_statistics",
    "dropped",
    "normalised",
    "sigmoid",
    "write_activation",
    "write_layer_norm",
]

ACTIVATIONS = ("relu", "leaky_relu", "elu", "silu", "gelu", "tanh", "sigmoid")
EPSILON = 1e-5
"""Added to variances that are divided by."""
_SLOPE = 0.01
_GELU = (float(np.sqrt(2 / np.pi)), 0.044715)


class Training(NamedTuple):
    """That a forward pass is one of a training: jax, and the key of what is random in it."""

    jax: Any
    key: Any


def sigmoid(xp: Any, x: Any) -> Any:
    """The logistic function, by tanh: no overflow for any number."""
    return 0.5 * (xp.tanh(0.5 * x) + 1.0)


def activate(xp: Any, kind: str, x: Any) -> Any:
    """Apply an activation.

    Examples
    --------
    >>> activate(np, "relu", np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    if kind == "relu":
        return xp.maximum(x, 0.0)
    if kind == "leaky_relu":
        return xp.maximum(x, _SLOPE * x)
    if kind == "elu":
        return xp.maximum(x, 0.0) + xp.exp(xp.minimum(x, 0.0)) - 1.0
    if kind == "silu":
        return x * sigmoid(xp, x)
    if kind == "gelu":  # in its form with tanh: Hendrycks, Gimpel, arXiv:1606.08415, section 2
        return 0.5 * x * (1.0 + xp.tanh(_GELU[0] * (x + _GELU[1] * x * x * x)))
    return xp.tanh(x) if kind == "tanh" else sigmoid(xp, x)


def write_activation(graph: GraphWriter, kind: str, x: str) -> str:
    """The same as operators."""
    number = np.asarray
    if kind == "leaky_relu":
        return graph.op("Max", x, graph.op("Mul", x, number(_SLOPE)))
    if kind == "elu":
        power = graph.op("Exp", graph.op("Min", x, number(0.0)))
        return graph.op("Sub", graph.op("Add", graph.op("Relu", x), power), number(1.0))
    if kind == "silu":
        return graph.op("Mul", x, graph.op("Sigmoid", x))
    if kind == "gelu":
        cubic = graph.op("Mul", graph.op("Mul", graph.op("Mul", x, x), x), number(_GELU[1]))
        inner = graph.op("Tanh", graph.op("Mul", graph.op("Add", x, cubic), number(_GELU[0])))
        return graph.op("Mul", graph.op("Mul", x, number(0.5)), graph.op("Add", inner, number(1.0)))
    return graph.op({"relu": "Relu", "tanh": "Tanh", "sigmoid": "Sigmoid"}[kind], x)


def dropped(xp: Any, training: Training, share: float, number: int, x: Any) -> Any:
    """Numbers of a layer in training, a share of them zero and the others larger: Srivastava et al., JMLR 15 (2014) 1929."""
    key = training.jax.random.fold_in(training.key, number)
    return xp.where(training.jax.random.bernoulli(key, 1 - share, x.shape), x / (1 - share), 0.0)


def normalised(xp: Any, x: Any, axis: int) -> Any:
    """Mean zero and variance one along an axis."""
    centred = x - x.mean(axis=axis, keepdims=True)
    return centred / xp.sqrt((centred * centred).mean(axis=axis, keepdims=True) + EPSILON)


def write_layer_norm(graph: GraphWriter, x: str) -> str:
    """``normalised`` along the last axis, as operators."""
    centred = graph.op("Sub", x, graph.op("ReduceMean", x, axes=[1]))
    variance = graph.op("ReduceMean", graph.op("Mul", centred, centred), axes=[1])
    return graph.op("Div", centred, graph.op("Sqrt", graph.op("Add", variance, np.asarray(EPSILON))))


def batch_statistics(x: Any) -> tuple[Any, Any]:
    """Mean and variance of a batch per column, the latter without bias correction."""
    mean = x.mean(axis=0)
    return mean, ((x - mean) ** 2).mean(axis=0)


def batch_affine(xp: Any, parameters: Any, state: Any) -> tuple[Any, Any]:
    """Scale and shift that batch normalisation is after the training: by running mean and variance."""
    scale = parameters["scale"] / xp.sqrt(state["variance"] + EPSILON)
    return scale, parameters["shift"] - state["mean"] * scale
