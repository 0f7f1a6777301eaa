"""Dense networks, the kind ``"mlp"`` of recipes: layers of any size, norm, activation, dropout."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.models.networks import layers
from massgap.models.networks.settings import OPTIMISATION, Choice, Number, Sizes
from massgap.models.networks.trainer import Design, NetworkTrainer, as_double

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.models.networks.graph_writer import GraphWriter

__all__ = ["HYPERPARAMETERS", "TRAINER"]

HYPERPARAMETERS: dict[str, Any] = {
    "hidden": Sizes((64, 64)),
    "activation": Choice("relu", layers.ACTIVATIONS),
    "norm": Choice("none", ("none", "batch", "layer")),
    "dropout": Number(0.0, highest=0.99),
    **OPTIMISATION,
}
"""What a recipe may change, and the values of what it does not."""
_MOMENTUM = 0.1
"""Share of a batch in the running mean and variance."""
_RECTIFIERS = ("relu", "leaky_relu", "elu", "silu", "gelu")


def initial(settings: Mapping[str, Any], width: int, random: np.random.Generator) -> tuple[Any, Any]:
    """Random weights (He et al., arXiv:1502.01852, eq. 10; Glorot and Bengio for tanh and sigmoid), biases of zero."""
    sizes = [width, *settings["hidden"], 1]
    rectified = settings["activation"] in _RECTIFIERS
    parameters: list[dict[str, Any]] = []
    state: list[dict[str, Any]] = []
    for n_in, n_out in itertools.pairwise(sizes):
        last = len(parameters) == len(sizes) - 2
        variance = 2 / n_in if rectified and not last else 2 / (n_in + n_out)
        layer = {"weight": random.normal(0, np.sqrt(variance), (n_in, n_out)).astype(np.float32)}
        if settings["norm"] != "batch" or last:
            # A batch norm takes a bias away: its slope is zero but for rounding, which Adam would make steps of.
            layer["bias"] = np.zeros(n_out, np.float32)
        if settings["norm"] != "none" and not last:
            layer |= {"scale": np.ones(n_out, np.float32), "shift": np.zeros(n_out, np.float32)}
        parameters.append(layer)
        has_state = settings["norm"] == "batch" and not last
        state.append(
            {"mean": np.zeros(n_out, np.float32), "variance": np.ones(n_out, np.float32)} if has_state else {}
        )
    return parameters, state


def forward(
    xp: Any, settings: Mapping[str, Any], parameters: Any, state: Any, x: Any, training: Any
) -> tuple[Any, Any, Any]:
    """Logits (N,), the next state, and no penalty."""
    following = []
    x = x.T
    for number, (layer, before) in enumerate(zip(parameters[:-1], state[:-1], strict=True)):
        x = layers.linear(xp, layer["weight"], x)
        if settings["norm"] == "batch":
            x, before = _batch_norm(xp, layer, before, x, training)  # noqa: PLW2901
        else:
            x = x + layer["bias"][:, None]
        if settings["norm"] == "layer":
            x = layers.normalised(xp, x, 0) * layer["scale"][:, None] + layer["shift"][:, None]
        following.append(before)
        x = layers.activate(xp, settings["activation"], x)
        if training is not None and settings["dropout"] > 0:
            x = layers.dropped(xp, training, settings["dropout"], number, x)
    last = parameters[-1]
    return layers.linear(xp, last["weight"], x)[0] + last["bias"], [*following, state[-1]], 0.0


def _batch_norm(xp: Any, layer: Any, before: Any, x: Any, training: Any) -> tuple[Any, Any]:
    if training is None:
        scale, shift = layers.batch_affine(xp, layer, before)
        return x * scale[:, None] + shift[:, None], before
    x, mean, variance = layers.batch_normalised(xp, x, layer["scale"], layer["shift"])
    kept = {
        "mean": (1 - _MOMENTUM) * before["mean"] + _MOMENTUM * mean,
        "variance": (1 - _MOMENTUM) * before["variance"] + _MOMENTUM * variance,
    }
    return x, kept


def write(graph: GraphWriter, settings: Mapping[str, Any], parameters: Any, state: Any, x: str) -> str:
    """The operators of a trained network; a batch norm is part of the layer before it."""
    parameters, state = as_double(parameters), as_double(state)
    for layer, kept in zip(parameters[:-1], state[:-1], strict=True):
        if settings["norm"] == "batch":
            scale, shift = layers.batch_affine(np, layer, kept)
            x = graph.dense(x, layer["weight"] * scale, shift)
        else:
            x = graph.dense(x, layer["weight"], layer["bias"])
        if settings["norm"] == "layer":
            x = graph.op("Mul", layers.write_layer_norm(graph, x), layer["scale"])
            x = graph.op("Add", x, layer["shift"])
        x = layers.write_activation(graph, settings["activation"], x)
    return graph.dense(x, parameters[-1]["weight"], parameters[-1]["bias"])


TRAINER = NetworkTrainer(Design(HYPERPARAMETERS, forward, initial, write, "Dense networks"))
