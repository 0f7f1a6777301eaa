"""Regression by mean squared error with early stopping, in jax.

For a set of events the network is the same whatever their order: each event goes through the same layers, the mean over the events
through further ones (M. Zaheer et al., Deep Sets, arXiv:1703.06114, theorem 2).
"""

from __future__ import annotations

import functools
import itertools
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.models.errors import ModelError
from massgap.models.networks.backend import jax_and_optax

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from numpy.typing import NDArray

__all__ = ["Regressor", "Schedule", "fit_rows", "fit_sets"]


class Schedule(NamedTuple):
    """Epochs at most, epochs without improvement that end a training, rows of a batch, learning rate, seed."""

    epochs: int = 60
    patience: int = 10
    batch: int = 64
    rate: float = 1e-3
    seed: int = 1


class Regressor(NamedTuple):
    """A trained network.

    Attributes
    ----------
    forward
        (parameters, inputs) -> scaled values.
    parameters
        Nested lists of arrays.
    center, spread
        Of the inputs' columns.
    offset, scale
        Of the value.
    losses
        Mean squared error of the rows that choose the epoch, scaled, per epoch.
    """

    forward: Callable[[Any, Any], Any]
    parameters: Any
    center: NDArray[np.float32]
    spread: NDArray[np.float32]
    offset: float
    scale: float
    losses: list[float]

    def __call__(self, x: Any) -> NDArray[np.float64]:
        """Estimates, shape (n,), of inputs as it was trained on."""
        rows = (np.asarray(x, np.float32) - self.center) / self.spread
        return (
            np.asarray(_compiled(self.forward)(self.parameters, rows), np.float64) * self.scale + self.offset
        )


def _layers(sizes: Sequence[int], random: np.random.Generator) -> list[Any]:
    """Weights by He et al., arXiv:1502.01852, biases of zero."""
    return [
        (
            random.normal(0.0, np.sqrt(2.0 / n_in), (n_in, n_out)).astype(np.float32),
            np.zeros(n_out, np.float32),
        )
        for n_in, n_out in itertools.pairwise(sizes)
    ]


def _through(layers: Any, x: Any, last: bool) -> Any:
    """Layers with rectifiers between them, and behind the last one if it is not ``last``."""
    jax, _ = jax_and_optax()
    for number, (weight, bias) in enumerate(layers):
        x = x @ weight + bias
        if not (last and number == len(layers) - 1):
            x = jax.numpy.maximum(x, 0.0)
    return x


def _of_rows(parameters: Any, x: Any) -> Any:
    return _through(parameters[0], x, last=True)[:, 0]


def _of_sets(parameters: Any, x: Any) -> Any:
    events, together = parameters
    return _through(together, _through(events, x, last=False).mean(axis=1), last=True)[:, 0]


@functools.lru_cache(maxsize=8)
def _compiled(forward: Callable[[Any, Any], Any]) -> Any:
    jax, _ = jax_and_optax()
    return jax.jit(forward)


@functools.lru_cache(maxsize=8)
def _step(forward: Callable[[Any, Any], Any], rate: float) -> Any:
    jax, optax = jax_and_optax()
    optimiser = optax.adam(rate)

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        return ((forward(parameters, x) - y) ** 2).mean()

    def epoch(parameters: Any, state: Any, x: Any, y: Any, rows: Any) -> Any:
        def step(carry: Any, batch: Any) -> Any:
            parameters, state = carry
            updates, state = optimiser.update(
                jax.grad(loss)(parameters, x[batch], y[batch]), state, parameters
            )
            return (optax.apply_updates(parameters, updates), state), None

        return jax.lax.scan(step, (parameters, state), rows)[0]

    return optimiser.init, jax.jit(epoch), jax.jit(loss)


def fit_rows(
    x: NDArray[Any],
    y: NDArray[Any],
    stops: NDArray[np.bool_],
    hidden: Sequence[int],
    schedule: Schedule | None = None,
) -> Regressor:
    """Fit a dense network to rows.

    Parameters
    ----------
    x
        Inputs, shape (n, k), finite.
    y
        Values, shape (n,).
    stops
        Rows that choose the epoch instead of being fitted to, shape (n,).
    hidden
        Widths of the hidden layers.
    schedule
        Of the training.

    Raises
    ------
    ModelError
        If there are too few rows, or the training diverges.
    """
    chosen = schedule or Schedule()
    layers = _layers([x.shape[1], *hidden, 1], np.random.default_rng(chosen.seed))
    return _fit(_of_rows, [layers], x, y, stops, chosen)


def fit_sets(
    x: NDArray[Any],
    y: NDArray[Any],
    stops: NDArray[np.bool_],
    each: Sequence[int],
    together: Sequence[int],
    schedule: Schedule | None = None,
) -> Regressor:
    """Fit a network to sets of events, shape (n, events, k), in which their order does not count.

    Parameters
    ----------
    x, y, stops, schedule
        As for :func:`fit_rows`.
    each
        Widths of the layers that each event goes through.
    together
        Hidden widths of those behind the mean.

    Raises
    ------
    ModelError
        If there are too few sets, or the training diverges.
    """
    chosen = schedule or Schedule()
    random = np.random.default_rng(chosen.seed)
    parameters = [_layers([x.shape[2], *each], random), _layers([each[-1], *together, 1], random)]
    return _fit(_of_sets, parameters, x, y, stops, chosen)


def _fit(forward: Any, parameters: Any, x: Any, y: Any, stops: Any, schedule: Schedule) -> Regressor:
    fit = ~np.asarray(stops)
    if fit.sum() < 2 or not np.asarray(stops).any():
        msg = f"{int(fit.sum())} rows to fit to and {int((~fit).sum())} to stop by are too few: two and one at least"
        raise ModelError(msg)
    axes = tuple(range(x.ndim - 1))
    center, spread = x[fit].mean(axis=axes).astype(np.float32), x[fit].std(axis=axes).astype(np.float32)
    spread = np.where(spread > 0.0, spread, np.float32(1.0))
    offset, scale = float(y[fit].mean()), float(y[fit].std()) or 1.0
    scaled = ((x - center) / spread).astype(np.float32)
    wanted = ((y - offset) / scale).astype(np.float32)
    start, epoch, loss = _step(forward, schedule.rate)
    state, order = start(parameters), np.random.default_rng([schedule.seed, 1])
    inputs, values = scaled[fit], wanted[fit]
    batch = min(schedule.batch, len(inputs))
    losses: list[float] = []
    best = parameters
    for _ in range(schedule.epochs):
        rows = order.permutation(len(inputs))[: len(inputs) // batch * batch].reshape(-1, batch)
        parameters, state = epoch(parameters, state, inputs, values, rows)
        losses.append(float(loss(parameters, scaled[~fit], wanted[~fit])))
        if not np.isfinite(losses[-1]):
            msg = f"the training of a regression diverged in epoch {len(losses)}: give it a smaller learning rate than {schedule.rate:g}"
            raise ModelError(msg)
        least = int(np.argmin(losses))
        if least == len(losses) - 1:
            best = parameters
        elif len(losses) - 1 - least >= schedule.patience:
            break
    jax, _ = jax_and_optax()
    return Regressor(forward, jax.tree.map(np.asarray, best), center, spread, offset, scale, losses)
