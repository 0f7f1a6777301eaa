"""The training of a network: steps over batches in one compiled loop per epoch, early stopping, the best epoch."""

from __future__ import annotations

import functools
import json
import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.models.errors import ModelError
from massgap.models.measures.epoch_metrics import Scored, merit
from massgap.models.measures.roc import logloss
from massgap.models.networks.backend import jax_and_optax
from massgap.models.networks.layers import Training, sigmoid

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    Forward = Callable[..., tuple[Any, Any, Any]]
    See = Callable[[int, int], None]

__all__ = ["Events", "Optimised", "compiled", "optimise"]

_ROWS = 4096
"""Arrays are padded to a multiple of a power of two of at least this: folds of nearly equal size share one compilation."""


class Events(NamedTuple):
    """Inputs of a network, shape (N, width), labels and weights, shape (N,); the weights have mean one."""

    x: NDArray[np.float32]
    label: NDArray[np.float32]
    weight: NDArray[np.float32]


class Optimised(NamedTuple):
    """Parameters and running statistics of the best epoch, its number from 0, epochs trained, merit and curves."""

    parameters: Any
    state: Any
    best_epoch: int
    n_epochs: int
    merit: float
    curves: dict[str, list[float]]


class _Compiled(NamedTuple):
    start: Callable[..., Any]
    epoch: Callable[..., Any]
    logits: Callable[..., Any]
    loss: Callable[..., Any]


def optimise(
    forward: Forward,
    settings: Mapping[str, Any],
    initial: tuple[Any, Any],
    fit: Events,
    stop: Events,
    *,
    patience: int,
    seed: tuple[int, ...],
    multiple: int = 1,
    what: str = "the network",
    see: See | None = None,
) -> Optimised:
    """Train until the stopping events have not liked it better for `patience` epochs.

    Parameters
    ----------
    forward
        ``forward(xp, settings, parameters, state, x, training)`` gives logits (N,), the next state, and a penalty that is
        added to the loss.
    settings
        Hyperparameters, those of `massgap.models.networks.settings.OPTIMISATION` among them.
    initial
        Parameters and state to start from, nested dicts and lists of float32 arrays.
    fit, stop
        Events that are fitted to, and those that choose the epoch.
    patience
        Epochs.
    seed
        Of the order of the events and of dropout.
    multiple
        Batches have a multiple of this many events, where there are as many.
    what
        What messages call it.
    see
        Called after each epoch with its number from 1 and the most epochs there may be.

    Raises
    ------
    ModelError
        If a loss is not finite.
    """
    jax, _ = jax_and_optax()
    run = compiled(forward, json.dumps(settings, sort_keys=True))
    n = len(fit.x)
    size = min(int(settings["batch_size"]), n)
    size = size // multiple * multiple or size
    n_batches = max(1, n // size)
    random = np.random.default_rng([*seed, 1])
    key = jax.random.key(int(np.random.default_rng([*seed, 2]).integers(2**31)))
    arrays = [jax.numpy.asarray(_padded(array, n)) for array in fit]
    x_stop = jax.numpy.asarray(_padded(stop.x, len(stop.x)))
    parameters, state = jax.tree.map(jax.numpy.asarray, initial)
    rest = run.start(parameters)
    curves: dict[str, list[float]] = {"train": [], "valid": [], "merit": []}
    best: tuple[float, int, Any, Any] | None = None
    most = int(settings["epochs"])
    for number in range(most):
        # Some events of the rest of a division are left out, others in each epoch.
        rows = _batches(random.permutation(n), n_batches, size)
        factor = _rate(settings["schedule"], number, most)
        parameters, state, rest, total = run.epoch(
            (parameters, state, rest), arrays, rows, n_batches, jax.random.fold_in(key, number), factor
        )
        score = _probability(np.asarray(run.logits(parameters, state, x_stop))[: len(stop.x)])
        loss = float(total) / n_batches
        if not math.isfinite(loss) or not np.isfinite(score).all():
            msg = (
                f"The training of {what} diverged in epoch {number + 1}: make its steps smaller, "
                f"--set learning_rate={settings['learning_rate'] / 10:g}."
            )
            raise ModelError(msg)
        scored = Scored(score, stop.label, stop.weight.astype(np.float64), float(settings["beta"]))
        curves["train"].append(loss)
        curves["valid"].append(logloss(*scored[:3]))
        curves["merit"].append(merit(settings["choose_epoch"], scored))
        if best is None or curves["merit"][-1] > best[0]:
            best = (curves["merit"][-1], number, parameters, state)
        if see is not None:
            see(number + 1, most)
        if number - best[1] >= patience:
            break
    assert best is not None
    parameters, state = jax.tree.map(np.asarray, best[2:])
    return Optimised(parameters, state, best[1], len(curves["train"]), best[0], curves)


@functools.lru_cache(maxsize=16)
def compiled(forward: Forward, settings_text: str) -> Any:
    """The functions of a training, compiled when they are first called with arrays of a shape.

    Parameters
    ----------
    forward
        As in :func:`optimise`.
    settings_text
        The hyperparameters as JSON.
    """
    jax, optax = jax_and_optax()
    settings = json.loads(settings_text)
    optimiser = _optimiser(optax, settings)

    def loss(parameters: Any, state: Any, x: Any, label: Any, weight: Any, key: Any) -> Any:
        logits, state, penalty = forward(jax.numpy, settings, parameters, state, x, Training(jax, key))
        each = optax.sigmoid_binary_cross_entropy(logits, label)
        return (weight * each).mean() + penalty, state

    def epoch(start: Any, arrays: Any, rows: Any, n_batches: Any, key: Any, factor: Any) -> Any:
        def step(i: Any, carry: Any) -> Any:
            parameters, state, rest, total = carry
            batch = [array[rows[i]] for array in arrays]
            (value, state), slope = jax.value_and_grad(loss, has_aux=True)(
                parameters, state, *batch, jax.random.fold_in(key, i)
            )
            updates, rest = optimiser.update(slope, rest, parameters)
            updates = jax.tree.map(lambda update: factor * update, updates)
            return optax.apply_updates(parameters, updates), state, rest, total + value

        return jax.lax.fori_loop(0, n_batches, step, (*start, 0.0))

    def logits(parameters: Any, state: Any, x: Any) -> Any:
        return forward(jax.numpy, settings, parameters, state, x, None)[0]

    return _Compiled(optimiser.init, jax.jit(epoch), jax.jit(logits), loss)


def _optimiser(optax: Any, settings: Mapping[str, Any]) -> Any:
    rate, decay = settings["learning_rate"], settings["weight_decay"]
    if settings["optimizer"] == "adamw":
        return optax.adamw(rate, weight_decay=decay)
    plain = (
        optax.adam(rate)
        if settings["optimizer"] == "adam"
        else optax.sgd(rate, momentum=settings["momentum"] or None)
    )
    return optax.chain(optax.add_decayed_weights(decay), plain) if decay else plain


def _rate(schedule: str, number: int, most: int) -> np.float32:
    """Factor on the learning rate of an epoch."""
    return np.float32(1.0 if schedule == "constant" else 0.5 * (1 + math.cos(math.pi * number / most)))


def _bucket(n: int) -> int:
    """The next of 8 steps per power of two."""
    step = max(_ROWS, 1 << max(0, n.bit_length() - 4))
    return -(-n // step) * step


def _padded(array: NDArray[Any], n: int) -> NDArray[Any]:
    out = np.zeros((_bucket(n), *array.shape[1:]), array.dtype)
    out[:n] = array
    return out


def _batches(order: NDArray[np.int64], n_batches: int, size: int) -> NDArray[np.int32]:
    rows = np.zeros((-(-_bucket(len(order)) // size), size), np.int32)
    rows[:n_batches] = order[: n_batches * size].reshape(n_batches, size)
    return rows


def _probability(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(sigmoid(np, logits.astype(np.float64)))
