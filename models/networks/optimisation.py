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

__all__ = ["Course", "Events", "Optimised", "Task", "compiled", "compiled_settings", "optimise", "rate"]

_ROWS = 4096
"""Arrays are padded to a multiple of a power of two of at least this: folds of nearly equal size share one compilation."""

_AROUND = ("batch_size", "beta", "choose_epoch", "clip", "constant", "epochs", "missing", "schedule")
"""Hyperparameters of what is done around the compiled steps; shapes are told apart by themselves."""


class Events(NamedTuple):
    """Inputs of a network, shape (N, width), labels and weights, shape (N,); the weights have mean one."""

    x: NDArray[np.float32]
    label: NDArray[np.float32]
    weight: NDArray[np.floating[Any]]


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
        ``forward(xp, settings, parameters, state, x, training)`` gives logits (N,), or in training (N, k) of k members whose
        losses are averaged, the next state, and a penalty that is added to the loss.
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
    run = compiled(forward, compiled_settings(settings))
    task = Task(settings, fit, stop, seed, multiple)
    x_stop = jax.numpy.asarray(task.x_stop)
    parameters, state = jax.tree.map(jax.numpy.asarray, initial)
    rest = run.start(parameters)
    course = Course(settings, stop, patience, what)
    most = int(settings["epochs"])
    for number in range(most):
        parameters, state, rest, total = run.epoch(
            (parameters, state, rest),
            task.batches(),
            task.n_batches,
            task.key(number),
            rate(settings, number),
        )
        logits = np.asarray(run.logits(parameters, state, x_stop))
        if course.add(float(total) / task.n_batches, logits):
            course.best = (parameters, state)
        if see is not None:
            see(number + 1, most)
        if course.over:
            break
    return course.optimised(*jax.tree.map(np.asarray, course.best))


class Task:
    """The events of one network in the shapes that are compiled, and what is random in its training."""

    def __init__(
        self, settings: Mapping[str, Any], fit: Events, stop: Events, seed: tuple[int, ...], multiple: int = 1
    ) -> None:
        self.n = len(fit.x)
        size = min(int(settings["batch_size"]), self.n)
        self.size = size // multiple * multiple or size
        self.n_batches = max(1, self.n // self.size)
        # Side by side, so that an event is fetched at once.
        self._events = np.column_stack([fit.x, fit.label, fit.weight]).astype(np.float32, copy=False)
        self.x_stop = _padded(stop.x, len(stop.x))
        self._order = np.random.default_rng([*seed, 1])
        self._key = int(np.random.default_rng([*seed, 2]).integers(2**31))

    def batches(self) -> NDArray[np.float32]:
        """Inputs, label and weight of the events of each batch of the next epoch, shape (batches, size, width + 2).

        Some of the rest of a division are left out, others in each epoch; batches beyond `n_batches` are there for the
        shape alone.
        """
        width = self._events.shape[1]
        batches = np.zeros((-(-_bucket(self.n) // self.size), self.size, width), np.float32)
        n = self.n_batches * self.size
        np.take(
            self._events,
            self._order.permutation(self.n)[:n],
            axis=0,
            out=batches.reshape(-1, width)[:n],
            mode="clip",
        )
        return batches

    def key(self, number: int) -> Any:
        """The key of what is random in an epoch."""
        jax, _ = jax_and_optax()
        return jax.random.fold_in(jax.random.key(self._key), number)


class Course:
    """How the training of one network goes: its curves, which epoch was the best, whether it is over."""

    def __init__(self, settings: Mapping[str, Any], stop: Events, patience: int, what: str) -> None:
        self._settings, self._stop, self._patience, self._what = settings, stop, patience, what
        self.curves: dict[str, list[float]] = {"train": [], "valid": [], "merit": []}
        self.best_epoch, self.best_merit = -1, -math.inf
        self.best: Any = None
        """Parameters and state of the best epoch, which the caller puts here."""

    def add(self, loss: float, logits: NDArray[np.float32]) -> bool:
        """Note the loss of an epoch and the logits of the stopping events, padding included; whether it is the best.

        Raises
        ------
        ModelError
            If one is not finite.
        """
        settings, stop, number = self._settings, self._stop, len(self.curves["train"])
        score = _probability(logits[: len(stop.x)])
        if not math.isfinite(loss) or not np.isfinite(score).all():
            msg = (
                f"The training of {self._what} diverged in epoch {number + 1}: make its steps smaller, "
                f"--set learning_rate={settings['learning_rate'] / 10:g}."
            )
            raise ModelError(msg)
        scored = Scored(score, stop.label, stop.weight.astype(np.float64), float(settings["beta"]))
        now = merit(settings["choose_epoch"], scored)
        self.curves["train"].append(loss)
        self.curves["valid"].append(logloss(*scored[:3]))
        self.curves["merit"].append(now)
        better = self.best_epoch < 0 or now > self.best_merit
        if better:
            self.best_epoch, self.best_merit = number, now
        return better

    @property
    def over(self) -> bool:
        """Whether the stopping events have not liked it better for as long as patience lasts."""
        return len(self.curves["train"]) - 1 - self.best_epoch >= self._patience

    def optimised(self, parameters: Any, state: Any) -> Optimised:
        """What came out, with these parameters and running statistics of the best epoch."""
        n_epochs = len(self.curves["train"])
        return Optimised(parameters, state, self.best_epoch, n_epochs, self.best_merit, self.curves)


def compiled_settings(settings: Mapping[str, Any]) -> str:
    """The hyperparameters that are part of what is compiled, as JSON: trainings that differ in others share it.

    Examples
    --------
    >>> compiled_settings({"hidden": [8], "epochs": 5}) == compiled_settings({"hidden": [8], "epochs": 50})
    True
    """
    return json.dumps({k: v for k, v in settings.items() if k not in _AROUND}, sort_keys=True)


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
        if logits.ndim == 2:  # of the members of an ensemble: the mean of their losses
            label, weight = label[:, None], weight[:, None]
        # optax has the same function, of which the slope takes an exponential per event that is no vector instruction.
        xp = jax.numpy
        each = xp.maximum(logits, 0.0) - logits * label + xp.log1p(xp.exp(-xp.abs(logits)))
        return (weight * each).mean() + penalty, state

    def epoch(start: Any, batches: Any, n_batches: Any, key: Any, factor: Any) -> Any:
        def step(i: Any, carry: Any) -> Any:
            parameters, state, rest, total = carry
            columns = batches[i].T
            (value, state), slope = jax.value_and_grad(loss, has_aux=True)(
                parameters, state, columns[:-2].T, columns[-2], columns[-1], jax.random.fold_in(key, i)
            )
            updates, rest = optimiser.update(slope, rest, parameters)
            updates = jax.tree.map(lambda update: factor * update, updates)
            return optax.apply_updates(parameters, updates), state, rest, total + value

        return jax.lax.fori_loop(0, n_batches, step, (*start, 0.0))

    def logits(parameters: Any, state: Any, x: Any) -> Any:
        def block(part: Any) -> Any:
            return forward(jax.numpy, settings, parameters, state, part, None)[0]

        # Padded events are a multiple of a block: what many members or masks need fits into memory.
        return jax.lax.map(block, x.reshape(-1, _ROWS, x.shape[1])).reshape(-1)

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


def rate(settings: Mapping[str, Any], number: int) -> np.float32:
    """Factor on the learning rate of an epoch."""
    if settings["schedule"] == "constant":
        return np.float32(1.0)
    return np.float32(0.5 * (1 + math.cos(math.pi * number / int(settings["epochs"]))))


def _bucket(n: int) -> int:
    """The next of 8 steps per power of two."""
    step = max(_ROWS, 1 << max(0, n.bit_length() - 4))
    return -(-n // step) * step


def _padded(array: NDArray[Any], n: int) -> NDArray[Any]:
    out = np.zeros((_bucket(n), *array.shape[1:]), array.dtype)
    out[:n] = array
    return out


def _probability(logits: NDArray[np.float32]) -> NDArray[np.float64]:
    return np.asarray(sigmoid(np, logits.astype(np.float64)))
