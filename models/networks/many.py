"""Many small networks of one architecture: one compiled step trains them one after another, or several processes share them.

A scan of hundreds of mass points trains as many networks of a few thousand parameters.  Each has its own events, scaling, seed
and best epoch, and comes out as it would alone, to the last bit, whatever is trained beside it and in how many processes.

One step for several networks at once (``jax.vmap``) was measured and is slower: what lies between the layers of a single
network of 50 wide layers fits into the near cache of a core, that of eight does not (3-50-50-50-1, batches of 1,024, on one thread:
450 ns per event and epoch alone, 540 for eight at once).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.models.errors import ModelError
from massgap.models.networks.optimisation import Events, optimise
from massgap.worker_process import ending_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from massgap.models.networks.trainer import Network, NetworkTrainer

__all__ = ["Sample", "fit_many"]


class Sample(NamedTuple):
    """What one network is trained on: a name for messages, events to fit to, and events that choose the epoch.

    Of the events features are shape (N, n_features), NaN where missing, labels 0 or 1 and weights shape (N,).
    """

    name: str
    fit: Events
    stop: Events


def fit_many(
    trainer: NetworkTrainer,
    samples: Sequence[Sample],
    features: Sequence[str],
    hyperparameters: Mapping[str, Any],
    *,
    patience: int,
    seed: int = 1,
    workers: int = 1,
    see: Callable[[int, int], None] | None = None,
) -> list[Network]:
    """Train a network for each sample.

    Parameters
    ----------
    trainer
        ``TRAINER`` of a kind of network, `massgap.models.networks.dense` for instance.
    samples
        One per network; those of about equal sizes share what is compiled.
    features
        Names of the columns.
    hyperparameters
        Changes of the trainer's.
    patience
        Epochs without improvement that stop a network.
    seed
        Of the first one, the others count on.
    workers
        Processes that share the networks, one thread each; no bit depends on it.
    see
        Called with the number of finished networks and of all.

    Returns
    -------
    list of massgap.models.networks.trainer.Network
        In the order of the samples.

    Raises
    ------
    TableError
        If a feature has one value alone in a sample, which is named.
    ModelError
        If a hyperparameter cannot be, a weight is negative or a class missing, a training diverges, or a process ends
        without a result.
    """
    if workers < 1:
        msg = f"workers is {workers!r}: how many processes share the networks must be at least 1."
        raise ModelError(msg)
    settings = trainer.checked_hyperparameters(hyperparameters)
    for sample in samples:
        _check(sample.fit, sample.name)
        _check(sample.stop, sample.name)
    tasks = [
        (trainer, sample, list(features), settings, patience, seed + number)
        for number, sample in enumerate(samples)
    ]
    networks: list[Network] = []
    for network in _results(tasks, min(workers, len(tasks))):
        networks.append(network)
        if see is not None:
            see(len(networks), len(tasks))
    return networks


def _results(tasks: Sequence[tuple[Any, ...]], workers: int) -> Iterator[Network]:
    """The networks in their order, each as soon as it and those before it are there."""
    if workers <= 1:
        yield from (_fit(*task) for task in tasks)
        return
    lost = "A process that trains networks ended without a result, most likely for lack of memory: use fewer workers."
    with ending_pool(workers, ModelError(lost)) as pool:
        for future in [pool.submit(_fit, *task) for task in tasks]:
            yield future.result()


def _fit(
    trainer: NetworkTrainer,
    sample: Sample,
    features: Sequence[str],
    settings: dict[str, Any],
    patience: int,
    seed: int,
) -> Network:
    where = f"events that {sample.name} is fitted to"
    one = trainer.prepared(sample.fit, sample.stop, settings, features, (seed, 0), where)
    found = optimise(
        trainer.design.forward,
        settings,
        one.initial,
        one.fit,
        one.stop,
        patience=patience,
        seed=(seed, 0),
        multiple=trainer.design.multiple(settings),
        what=sample.name,
    )
    return trainer.network(seed, one.scaling, settings, found)


def _check(events: Events, name: str) -> None:
    """Whether one can train on these events."""
    label = np.asarray(events.label)
    if not (label == 0).any() or not (label == 1).any() or not np.isin(label, (0, 1)).all():
        msg = (
            f"The labels of {name} must be 0 and 1, and both must be there: add events of the missing class."
        )
        raise ModelError(msg)
    weight = np.asarray(events.weight)
    if not (np.isfinite(weight).all() and (weight >= 0).all() and weight.sum() > 0):
        msg = f"The weights of {name} must be finite numbers of at least 0: take their absolute values, or drop the events."
        raise ModelError(msg)
