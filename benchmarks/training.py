"""Training of networks: dense ones, jax as massgap trains against scikit-learn, and against PyTorch where it is installed, one thread."""

from __future__ import annotations

import importlib
import itertools
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure import Effort, Row, cpu_seconds, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from numpy.typing import NDArray

GROUP = "Training"
BATCH = 1024
SIZES = ((6, (64, 64)), (9, (200, 200, 200)), (3, (50, 50, 50)))
"""Inputs and hidden layers of the networks of the analyses."""


def rows(effort: Effort) -> Iterator[Row | str]:
    """Yield the lines about training."""
    n = effort.of(100 * BATCH, 20 * BATCH, 4 * BATCH)
    from benchmarks.training_many import many, tabnet

    for width, hidden in SIZES:
        random = np.random.default_rng(1)
        x = random.normal(size=(n, width)).astype(np.float32)
        label = ((x**2).sum(axis=1) > width).astype(np.float32)
        ours = _ours(x, label, hidden)
        name, products = "-".join(map(str, (width, *hidden, 1))), _products(width, hidden)
        for peer, goal, made in (("scikit-learn", 2.0, _scikit_learn), ("PyTorch", 1.5, _torch)):
            theirs = made(x, label, hidden)
            if theirs is None:
                continue
            measured = ratio(ours, theirs, rounds=min(effort.rounds(), 3))
            yield Row(
                GROUP,
                f"an epoch of a dense network {name} against {peer}",
                measured,
                goal=goal,
                detail=f"{n:,} events, Adam, batches of {BATCH}; {measured.ours / n * 1e9:.0f} and "
                f"{measured.theirs / n * 1e9:.0f} ns per event and epoch, {products:.0f} of them for the matrix products alone, "
                "by numpy; one thread",
            )
    yield from many(effort)
    yield from tabnet(effort)


def _products(width: int, hidden: tuple[int, ...]) -> float:
    """Nanoseconds of the matrix products that an event cannot do without: forward, for weights, and backward but to the inputs."""
    sizes = (width, *hidden, 1)
    seconds = 0.0
    for number, (n_in, n_out) in enumerate(itertools.pairwise(sizes)):
        x, w, y = (np.ones(shape, np.float32) for shape in ((BATCH, n_in), (n_in, n_out), (BATCH, n_out)))
        for product in (
            lambda x=x, w=w: x @ w,
            lambda x=x, y=y: x.T @ y,
            *([lambda y=y, w=w: y @ w.T] if number else []),
        ):
            seconds += min(cpu_seconds(product, 20) for _ in range(5))
    return seconds / BATCH * 1e9


def _ours(x: NDArray[np.float32], label: NDArray[np.float32], hidden: tuple[int, ...]) -> Callable[[], Any]:
    """One epoch, compiled before."""
    import json

    from massgap.models.networks import dense
    from massgap.models.networks.backend import jax_and_optax
    from massgap.models.networks.optimisation import Events, Task, compiled

    jax, _ = jax_and_optax()
    settings = dense.TRAINER.checked_hyperparameters({"hidden": list(hidden), "batch_size": BATCH})
    parameters, state = jax.tree.map(
        jax.numpy.asarray, dense.initial(settings, x.shape[1], np.random.default_rng(1))
    )
    run = compiled(dense.forward, json.dumps(settings, sort_keys=True))
    start = (parameters, state, run.start(parameters))
    events = Events(x, label, np.ones(len(x), np.float32))
    task = Task(settings, events, events, (2,))

    def epoch() -> None:
        jax.block_until_ready(run.epoch(start, task.batches(), task.n_batches, task.key(0), np.float32(1)))

    epoch()
    return epoch


def _scikit_learn(
    x: NDArray[np.float32], label: NDArray[np.float32], hidden: tuple[int, ...]
) -> Callable[[], Any]:
    from sklearn.neural_network import MLPClassifier

    network = MLPClassifier(hidden, batch_size=BATCH, max_iter=1, warm_start=True, alpha=0)

    def epoch() -> None:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # that one epoch does not converge
            network.fit(x, label)

    return epoch


def _torch(
    x: NDArray[np.float32], label: NDArray[np.float32], hidden: tuple[int, ...]
) -> Callable[[], Any] | None:
    try:
        torch = importlib.import_module("torch")
    except ImportError:
        return None
    torch.set_num_threads(1)
    layers: list[Any] = []
    for n_in, n_out in zip((x.shape[1], *hidden), hidden, strict=False):
        layers += [torch.nn.Linear(n_in, n_out), torch.nn.ReLU()]
    network = torch.nn.Sequential(*layers, torch.nn.Linear(hidden[-1], 1))
    optimiser, loss = torch.optim.Adam(network.parameters(), 1e-3), torch.nn.BCEWithLogitsLoss()
    events, labels = torch.tensor(x), torch.tensor(label)

    def epoch() -> None:
        order = torch.randperm(len(events))
        for start in range(0, len(events) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            optimiser.zero_grad(set_to_none=True)
            loss(network(events[rows])[:, 0], labels[rows]).backward()
            optimiser.step()

    return epoch
