"""TabM, the kind ``"tabm"`` of recipes: Gorishniy, Kotelnikov and Babenko, arXiv:2410.24210.

One dense network imitates an ensemble of ``k``: the members share the weight matrices W, and each has for every layer its own
vectors r, s and bias b, ``((x * r) W) * s + b``, and its own last layer.  The loss is the mean of the members' losses, the
score the mean of their probabilities.  As in the paper only the first r is random, +-1; all others, and all s, begin with one,
W and b uniform within +-1/sqrt(width), b equal for all members.  Embeddings of numbers (the paper's TabM with a dagger) are not
there.
"""

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
    "k": Number(32, lowest=1, whole=True),
    "activation": Choice("relu", layers.ACTIVATIONS),
    "dropout": Number(0.1, highest=0.99),
    **OPTIMISATION,
    "optimizer": Choice("adamw", ("adam", "adamw", "sgd")),
    "learning_rate": Number(2e-3, above=True),
    "weight_decay": Number(3e-4),
    "batch_size": Number(256, lowest=1, whole=True),
}
"""What a recipe may change, and the values of what it does not."""


def initial(settings: Mapping[str, Any], width: int, random: np.random.Generator) -> tuple[Any, Any]:
    """Weights of the shared layers and vectors of the members, the last layer of each, and no state."""
    k = settings["k"]

    def uniform(bound: float, *shape: int) -> Any:
        return random.uniform(-bound, bound, shape).astype(np.float32)

    parameters: list[dict[str, Any]] = []
    for n_in, n_out in itertools.pairwise([width, *settings["hidden"]]):
        first = not parameters
        signs = (
            random.choice(np.array([-1, 1], np.float32), (k, n_in))
            if first
            else np.ones((k, n_in), np.float32)
        )
        bias = np.broadcast_to(uniform(n_in**-0.5, 1, n_out), (k, n_out)).copy()
        weight = uniform(n_in**-0.5, n_in, n_out)
        parameters.append({"r": signs, "weight": weight, "s": np.ones((k, n_out), np.float32), "bias": bias})
    last = settings["hidden"][-1]
    parameters.append({"weight": uniform(last**-0.5, k, last), "bias": uniform(last**-0.5, k)})
    return parameters, []


def members(xp: Any, settings: Mapping[str, Any], parameters: Any, x: Any, training: Any = None) -> Any:
    """Logits of the members, shape (N, k)."""
    h = x[:, None, :]
    for number, layer in enumerate(parameters[:-1]):
        h = layers.activate(
            xp, settings["activation"], ((h * layer["r"]) @ layer["weight"]) * layer["s"] + layer["bias"]
        )
        if training is not None and settings["dropout"] > 0:
            h = layers.dropped(xp, training, settings["dropout"], number, h)
    return (h * parameters[-1]["weight"]).sum(axis=-1) + parameters[-1]["bias"]


def forward(
    xp: Any, settings: Mapping[str, Any], parameters: Any, state: Any, x: Any, training: Any
) -> tuple[Any, Any, Any]:
    """In training the logits of the members, (N, k), else that of the mean of their probabilities, (N,)."""
    logits = members(xp, settings, parameters, x, training)
    if training is not None:
        return logits, state, 0.0
    return _log_mean(xp, logits) - _log_mean(xp, -logits), state, 0.0


def _log_mean(xp: Any, logits: Any) -> Any:
    """Logarithm of the sum of probabilities over the members, without overflow."""
    each = xp.minimum(logits, 0.0) - xp.log1p(xp.exp(-xp.abs(logits)))
    highest = each.max(axis=1, keepdims=True)
    return highest[:, 0] + xp.log(xp.exp(each - highest).sum(axis=1))


def write(graph: GraphWriter, settings: Mapping[str, Any], parameters: Any, _state: Any, x: str) -> str:
    """The operators of a trained network, member by member: the shared weights are in the file once."""
    parameters = as_double(parameters)
    logits = []
    for member in range(settings["k"]):
        h = x
        for layer in parameters[:-1]:
            h = graph.op("MatMul", graph.op("Mul", h, layer["r"][member][None]), layer["weight"])
            h = graph.op("Add", graph.op("Mul", h, layer["s"][member][None]), layer["bias"][member][None])
            h = layers.write_activation(graph, settings["activation"], h)
        last = parameters[-1]
        logits.append(graph.dense(h, last["weight"][member][:, None], last["bias"][member][None]))
    together = graph.op("Concat", *logits, axis=1) if len(logits) > 1 else logits[0]
    above, below = _write_log_mean(graph, together), _write_log_mean(graph, graph.op("Neg", together))
    return graph.op("Sub", above, below)


def _write_log_mean(graph: GraphWriter, logits: str) -> str:
    smaller = graph.op("Min", logits, np.asarray(0.0))
    far = graph.op("Exp", graph.op("Neg", graph.op("Abs", logits)))
    each = graph.op("Sub", smaller, graph.op("Log", graph.op("Add", far, np.asarray(1.0))))
    return graph.op("ReduceLogSumExp", each, axes=[1], keepdims=1)


TRAINER = NetworkTrainer(Design(HYPERPARAMETERS, forward, initial, write, "TabMs"))
