"""TabNet, the kind ``"tabnet"`` of recipes: Arik and Pfister, arXiv:1908.07442, in its published form.

Features pass a batch norm.  In each of ``n_steps`` decisions an attentive transformer picks features by a sparsemax mask,
whose use of a feature is discounted by gamma - mask in the steps after, and a feature transformer of shared and independent
gated linear units (GLU) makes n_d numbers for the decision and n_a for the next mask.  The decisions are summed after a ReLU.
The entropy of the masks, times ``lambda_sparse``, is added to the loss.  All batch norms but the first are of ghost batches.

What the paper leaves open is as in its best known implementation, pytorch-tabnet: initialisation, the initial transformer
before the first mask, the scale sqrt(1/2) of residual sums, no bias in linear layers, batch norm's momentum 0.02.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.models.errors import ModelError
from massgap.models.measures.attention import mean_attention
from massgap.models.networks import layers
from massgap.models.networks.settings import OPTIMISATION, Number, checked
from massgap.models.networks.sparsemax import sparsemax, write_sparsemax
from massgap.models.networks.trainer import Design, NetworkTrainer, as_double

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from massgap.models.networks.graph_writer import GraphWriter
    from massgap.models.networks.trainer import Network

__all__ = ["HYPERPARAMETERS", "TRAINER", "masks"]

HYPERPARAMETERS: dict[str, Any] = {
    "n_d": Number(8, lowest=1, whole=True),
    "n_a": Number(8, lowest=1, whole=True),
    "n_steps": Number(3, lowest=1, whole=True),
    "gamma": Number(1.3, lowest=1),
    "n_shared": Number(2, whole=True),
    "n_independent": Number(2, whole=True),
    "lambda_sparse": Number(1e-3),
    "virtual_batch_size": Number(128, lowest=2, whole=True),
    "bn_momentum": Number(0.02, highest=1, above=True),
    **OPTIMISATION,
    "learning_rate": Number(0.02, above=True),
    "batch_size": Number(16384, lowest=2, whole=True),
}
"""What a recipe may change, and the values of what it does not."""
_HALF = float(np.sqrt(0.5))
_TINY = 1e-15
"""In the logarithm of the masks."""
_BLOCK = 16384
"""Events whose masks are in memory together."""


def initial(settings: Mapping[str, Any], width: int, random: np.random.Generator) -> tuple[Any, Any]:
    """Random weights as pytorch-tabnet draws them: normal, by fan-in and fan-out, with its gains."""
    out = settings["n_d"] + settings["n_a"]

    def weight(n_in: int, n_out: int, gain: float) -> NDArray[np.float32]:
        spread = gain * np.sqrt(2 / (n_in + n_out))
        return random.normal(0, spread, (n_in, n_out)).astype(np.float32)

    def norm(n: int) -> dict[str, NDArray[np.float32]]:
        return {"scale": np.ones(n, np.float32), "shift": np.zeros(n, np.float32)}

    def gated(n_in: int) -> NDArray[np.float32]:
        return weight(n_in, 2 * out, np.sqrt((n_in + 2 * out) / np.sqrt(n_in)))

    n_shared, n_glu = settings["n_shared"], settings["n_shared"] + settings["n_independent"]
    shared = [gated(width if i == 0 else out) for i in range(n_shared)]

    def transformer() -> dict[str, Any]:
        own = [gated(width if i == 0 else out) for i in range(n_shared, n_glu)]
        return {"weights": own, "norms": [norm(2 * out) for _ in range(n_glu)]}

    n_a = settings["n_a"]
    parameters = {
        "first": norm(width),
        "shared": shared,
        "transformers": [transformer() for _ in range(settings["n_steps"] + 1)],
        "attention": [
            {"weight": weight(n_a, width, np.sqrt((n_a + width) / np.sqrt(4 * n_a))), "norm": norm(width)}
            for _ in range(settings["n_steps"])
        ],
        "last": weight(settings["n_d"], 1, np.sqrt((settings["n_d"] + 1) / np.sqrt(4 * settings["n_d"]))),
    }
    kept = {
        "first": _running(width),
        "transformers": [[_running(2 * out) for _ in range(n_glu)] for _ in range(settings["n_steps"] + 1)],
        "attention": [_running(width) for _ in range(settings["n_steps"])],
    }
    return parameters, kept


def _running(n: int) -> dict[str, NDArray[np.float32]]:
    return {"mean": np.zeros(n, np.float32), "variance": np.ones(n, np.float32)}


class _Norms:
    """Batch norms of one pass: of ghost batches in training, by running statistics else."""

    def __init__(self, xp: Any, settings: Mapping[str, Any], training: Any) -> None:
        self.xp, self.training = xp, training
        self.momentum, self.ghost = settings["bn_momentum"], settings["virtual_batch_size"]

    def __call__(self, parameters: Any, kept: Any, x: Any, *, whole: bool = False) -> tuple[Any, Any]:
        if self.training is None:
            scale, shift = layers.batch_affine(self.xp, parameters, kept)
            return x * scale + shift, kept
        size = len(x) if whole or len(x) % self.ghost else self.ghost
        parts = x.reshape(-1, size, x.shape[-1])
        mean = parts.mean(axis=1, keepdims=True)
        variance = ((parts - mean) ** 2).mean(axis=1, keepdims=True)
        y = ((parts - mean) / self.xp.sqrt(variance + layers.EPSILON)).reshape(x.shape)
        after = {
            name: self._moved(kept[name], now[:, 0])
            for name, now in (("mean", mean), ("variance", variance * (size / max(size - 1, 1))))
        }
        return y * parameters["scale"] + parameters["shift"], after

    def _moved(self, before: Any, now: Any) -> Any:
        """The running mean after all ghost batches, one after the other."""
        n = now.shape[0]
        share = self.momentum * (1 - self.momentum) ** np.arange(n - 1, -1, -1)
        return (1 - self.momentum) ** n * before + self.xp.asarray(share, now.dtype) @ now


def _transformed(norms: _Norms, shared: Any, parameters: Any, kept: Any, x: Any) -> tuple[Any, list[Any]]:
    """The feature transformer: gated linear units, all but the first with a residual."""
    after = []
    for number, weight in enumerate([*shared, *parameters["weights"]]):
        h, moved = norms(parameters["norms"][number], kept[number], x @ weight)
        after.append(moved)
        half = h.shape[-1] // 2
        gated = h[:, :half] * layers.sigmoid(norms.xp, h[:, half:])
        x = gated if number == 0 else (x + gated) * _HALF
    return x, after


def _pass(
    xp: Any, settings: Mapping[str, Any], parameters: Any, state: Any, x: Any, training: Any
) -> tuple[Any, Any, list[Any], list[Any]]:
    """Logits, the next state, the masks, and how much each decision has of the sum."""
    norms = _Norms(xp, settings, training)
    n_d = settings["n_d"]
    x, first = norms(parameters["first"], state["first"], x, whole=True)
    shared, transformers = parameters["shared"], parameters["transformers"]
    h, after = _transformed(norms, shared, transformers[0], state["transformers"][0], x)
    kept: dict[str, Any] = {"first": first, "transformers": [after], "attention": []}
    prior, total = 1.0, 0.0
    masks, shares = [], []
    for number, attention in enumerate(parameters["attention"]):
        z, moved = norms(attention["norm"], state["attention"][number], h[:, n_d:] @ attention["weight"])
        mask = sparsemax(xp, z * prior)
        prior = prior * (settings["gamma"] - mask)
        kept["attention"].append(moved)
        h, after = _transformed(
            norms, shared, transformers[number + 1], state["transformers"][number + 1], mask * x
        )
        kept["transformers"].append(after)
        decision = xp.maximum(h[:, :n_d], 0.0)
        total = total + decision
        masks.append(mask)
        shares.append(decision.sum(axis=1))
    return (total @ parameters["last"])[:, 0], kept, masks, shares


def forward(
    xp: Any, settings: Mapping[str, Any], parameters: Any, state: Any, x: Any, training: Any
) -> tuple[Any, Any, Any]:
    """Logits (N,), the next state, and the entropy of the masks times lambda."""
    logits, kept, masks, _ = _pass(xp, settings, parameters, state, x, training)
    if training is None:
        return logits, kept, 0.0
    entropy = sum(-(mask * xp.log(mask + _TINY)).sum(axis=1).mean() for mask in masks) / len(masks)
    return logits, kept, settings["lambda_sparse"] * entropy


def masks(network: Network, features: NDArray[np.float32]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What the network looks at.

    Parameters
    ----------
    network
        A trained TabNet.
    features
        Shape (N, n_features); NaN is missing.

    Returns
    -------
    masks
        Shape (n_steps, N, n_features): of each decision, rows sum to one.  An input that tells that a feature is missing
        counts for the feature.
    shares
        Shape (n_steps, N): sum of each decision's numbers, which weighs its mask in the importance of the paper's eq. (8).
    """
    inputs = network.scaling(features, np.float64)
    parameters, state = as_double(network.parameters), as_double(network.state)
    _, _, found, shares = _pass(np, network.settings, parameters, state, inputs, None)
    whole = np.stack(found)
    n = features.shape[1]
    own = whole[:, :, :n].copy()
    for place, column in enumerate(network.scaling.told):
        own[:, :, column] += whole[:, :, n + place]
    return own, np.stack(shares)


def _write_norm(graph: GraphWriter, parameters: Any, kept: Any, x: str) -> str:
    scale, shift = layers.batch_affine(np, parameters, kept)
    return graph.op("Add", graph.op("Mul", x, scale), shift)


def _write_transformer(graph: GraphWriter, shared: Any, parameters: Any, kept: Any, x: str) -> str:
    for number, weight in enumerate([*shared, *parameters["weights"]]):
        scale, shift = layers.batch_affine(np, parameters["norms"][number], kept[number])
        left, right = graph.ops("Split", 2, graph.dense(x, weight * scale, shift), axis=1)
        gated = graph.op("Mul", left, graph.op("Sigmoid", right))
        x = gated if number == 0 else graph.op("Mul", graph.op("Add", x, gated), np.asarray(_HALF))
    return x


def write(graph: GraphWriter, settings: Mapping[str, Any], parameters: Any, state: Any, x: str) -> str:
    """The operators of a trained network; batch norms are part of the layers before them."""
    parameters, state = as_double(parameters), as_double(state)
    n_d, n_a = settings["n_d"], settings["n_a"]
    width = len(parameters["first"]["scale"])
    x = _write_norm(graph, parameters["first"], state["first"], x)
    shared = parameters["shared"]
    h = _write_transformer(graph, shared, parameters["transformers"][0], state["transformers"][0], x)
    prior, total = "", ""
    for number, attention in enumerate(parameters["attention"]):
        _, a = graph.ops("Split", 2, h, np.array([n_d, n_a], np.int64), axis=1)
        scale, shift = layers.batch_affine(np, attention["norm"], state["attention"][number])
        z = graph.dense(a, attention["weight"] * scale, shift)
        mask = write_sparsemax(graph, graph.op("Mul", z, prior) if prior else z, width)
        rest = graph.op("Sub", np.asarray(settings["gamma"]), mask)
        prior = graph.op("Mul", prior, rest) if prior else rest
        transformer, kept = parameters["transformers"][number + 1], state["transformers"][number + 1]
        h = _write_transformer(graph, shared, transformer, kept, graph.op("Mul", mask, x))
        d, _ = graph.ops("Split", 2, h, np.array([n_d, n_a], np.int64), axis=1)
        decision = graph.op("Relu", d)
        total = graph.op("Add", total, decision) if total else decision
    return graph.op("MatMul", total, parameters["last"])


class TabNetTrainer(NetworkTrainer):
    """A trainer that knows what the masks look at."""

    def checked_hyperparameters(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """All hyperparameters, with these changes.

        Raises
        ------
        ModelError
            If one is unknown or has a value that it cannot have.
        """
        found = checked(HYPERPARAMETERS, changes)
        if found["n_shared"] + found["n_independent"] == 0:
            msg = "Hyperparameters n_shared and n_independent are both 0: a feature transformer has at least one gated unit."
            raise ModelError(msg)
        return found

    def importance(
        self, classifier: Sequence[Network], features: Sequence[str], held_out: Any
    ) -> NDArray[np.float64]:
        """The mean over the masks of unseen events, each weighed with its decision: arXiv:1908.07442, section "Interpretability".

        Parameters
        ----------
        classifier
            Networks of one fold.
        features
            Names of the inputs.
        held_out
            ``x``, ``label`` and ``weight`` of events that they have not seen.

        Returns
        -------
        numpy.ndarray
            Shape (n_features,), sums to one.
        """
        x, _, weight = held_out
        total = np.zeros(len(features))
        for network in classifier:
            for start in range(0, len(x), _BLOCK):
                part = slice(start, start + _BLOCK)
                found, shares = masks(network, x[part])
                total += np.einsum("snf,sn,n->f", found, shares, np.abs(weight[part]))
        return total / total.sum() if total.sum() > 0 else total

    def attention(self, folds: Sequence[tuple[Sequence[Network], Any]]) -> list[dict[str, Any]]:
        """What the masks look at, see `massgap.models.measures.attention.mean_attention`."""
        return mean_attention(masks, folds)


TRAINER = TabNetTrainer(
    Design(
        HYPERPARAMETERS,
        forward,
        initial,
        write,
        "TabNets",
        multiple=lambda settings: settings["virtual_batch_size"],
        shares="share of the attention masks",
    )
)
