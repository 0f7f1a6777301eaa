"""Layers over a module of array functions `xp` (jax.numpy or numpy), and as operators of an ONNX graph."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.models.networks.backend import jax_and_optax

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.models.networks.graph_writer import GraphWriter

__all__ = [
    "ACTIVATIONS",
    "EPSILON",
    "Training",
    "activate",
    "batch_affine",
    "batch_normalised",
    "dropped",
    "linear",
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


def linear(xp: Any, weight: Any, x: Any) -> Any:
    """Products with a weight of shape (n_in, n_out) of features that are rows: from (n_in, N) to (n_out, N).

    With events side by side the products of small layers take two thirds of the time that they take with features side by
    side (50 to 50, batches of 1024): the vectors of a processor are full whatever the width of a layer is.

    Examples
    --------
    >>> linear(np, np.array([[1.0, 2.0]]), np.array([[3.0]])).tolist()
    [[3.0], [6.0]]
    """
    return weight.T @ x if xp is np else _linear_of_jax()(weight, x)


@functools.cache
def _linear_of_jax() -> Callable[[Any, Any], Any]:
    """The product with its derivatives written down: none of them reads a matrix across."""
    jax, _ = jax_and_optax()

    @jax.custom_vjp
    def product(weight: Any, x: Any) -> Any:
        return jax.lax.optimization_barrier(weight.T) @ x  # else it would be read across, not turned

    def forward(weight: Any, x: Any) -> tuple[Any, Any]:
        return product(weight, x), (weight, x)

    def backward(kept: Any, slope: Any) -> tuple[Any, Any]:
        weight, x = kept
        return x @ slope.T, weight @ slope

    product.defvjp(forward, backward)
    return product


def activate(xp: Any, kind: str, x: Any) -> Any:
    """Apply an activation.

    Examples
    --------
    >>> activate(np, "relu", np.array([-1.0, 2.0])).tolist()
    [0.0, 2.0]
    """
    if kind in ("relu", "leaky_relu"):
        below = 0.0 if kind == "relu" else _SLOPE * x
        # The slope of jax's maximum divides by the number of equal sides, for each event.
        return xp.maximum(x, below) if xp is np else xp.where(x < 0.0, below, x)
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


def batch_normalised(xp: Any, x: Any, scale: Any, shift: Any) -> tuple[Any, Any, Any]:
    """Batch normalisation of features that are rows, shape (n, N); its mean and variance, the latter without bias correction.

    Ioffe and Szegedy, arXiv:1502.03167, algorithm 1.
    """
    return _standardised(xp, x, scale, shift)[:3] if xp is np else _batch_norm_of_jax()(x, scale, shift)


def _standardised(xp: Any, x: Any, scale: Any, shift: Any) -> tuple[Any, Any, Any, Any]:
    """Also the inverse of the standard deviation."""
    mean = _sums(xp, x) / x.shape[1]
    centred = x - mean[:, None]
    variance = _sums(xp, centred * centred) / x.shape[1]
    inverse = 1.0 / xp.sqrt(variance + EPSILON)
    return centred * (inverse * scale)[:, None] + shift[:, None], mean, variance, inverse


def _sums(xp: Any, x: Any) -> Any:
    """Sums of rows: as products they take a quarter of the time that sums take."""
    return x @ xp.ones(x.shape[1], x.dtype)


@functools.cache
def _batch_norm_of_jax() -> Callable[..., Any]:
    """The normalisation with its derivative written down (section 3 there): two sums per feature and one pass.

    Mean and variance go into running statistics, which no derivative is taken of.
    """
    jax, _ = jax_and_optax()

    def forward(x: Any, scale: Any, shift: Any) -> tuple[Any, Any]:
        y, mean, variance, inverse = _standardised(jax.numpy, x, scale, shift)
        return (y, mean, variance), (x, mean, inverse, scale)

    def backward(kept: Any, slopes: Any) -> tuple[Any, Any, Any]:
        (x, mean, inverse, scale), slope, n = kept, slopes[0], slopes[0].shape[1]
        centred = x - mean[:, None]
        of_shift = _sums(jax.numpy, slope)
        of_scale = _sums(jax.numpy, slope * centred) * inverse
        factor = scale * inverse
        common = centred * (factor * inverse * of_scale / n)[:, None] + (factor * of_shift / n)[:, None]
        return slope * factor[:, None] - common, of_scale, of_shift

    norm = jax.custom_vjp(lambda x, scale, shift: forward(x, scale, shift)[0])
    norm.defvjp(forward, backward)
    return norm


def batch_affine(xp: Any, parameters: Any, state: Any) -> tuple[Any, Any]:
    """Scale and shift that batch normalisation is after the training: by running mean and variance."""
    scale = parameters["scale"] / xp.sqrt(state["variance"] + EPSILON)
    return scale, parameters["shift"] - state["mean"] * scale
