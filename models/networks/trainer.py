"""What trains the kinds of classifiers that are networks: several seeds per fold, scores in float64, operators of a graph."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.models.measures.roc import logloss
from massgap.models.networks import backend
from massgap.models.networks.layers import sigmoid
from massgap.models.networks.optimisation import Events, optimise
from massgap.models.networks.scaling import PREPROCESSING, Scaling, scaling_of
from massgap.models.networks.settings import checked

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from numpy.typing import NDArray

    from massgap.models.networks.graph_writer import GraphWriter
    from massgap.models.networks.optimisation import Optimised
    from massgap.models.training.recipe import Recipe
    from massgap.models.training.split import Parts
    from massgap.models.training.table import TrainingTable

__all__ = ["Design", "Fitted", "Network", "NetworkTrainer", "Prepared", "as_double"]

_BLOCK = 4096
"""Events per call of a network in float64: bounds the memory."""


class Design(NamedTuple):
    """What tells one kind of network from another.

    ``forward`` as in `massgap.models.networks.optimisation.optimise`; ``initial(settings, width, random)`` gives
    parameters and state; ``write(graph, settings, parameters, state, inputs)`` adds the operators and returns the name of
    the logits, shape (N, 1); ``multiple(settings)`` is what batches are a multiple of; ``title`` is what the kind is called, and
    ``shares`` what its importances are.
    """

    hyperparameters: Mapping[str, Any]
    forward: Callable[..., Any]
    initial: Callable[..., Any]
    write: Callable[..., str]
    title: str
    multiple: Callable[[Mapping[str, Any]], int] = lambda _: 1
    shares: str = "rise of the log loss when it is shuffled"


@dataclass(frozen=True)
class Network:
    """One trained network with the scaling of its inputs; parameters are nested dicts and lists of float32 arrays."""

    seed: int
    scaling: Scaling
    settings: dict[str, Any]
    parameters: Any
    state: Any
    best_epoch: int
    n_epochs: int
    merit: float
    curves: dict[str, list[float]]


class Fitted(NamedTuple):
    """The networks of one fold, the best epoch of the best one, the epochs that it was trained, and its losses per epoch."""

    classifier: tuple[Network, ...]
    best_iteration: int
    n_iterations: int
    loss_curve: dict[str, list[float]]
    seeds: list[dict[str, float]]


class Prepared(NamedTuple):
    """Scaling, events to fit to and to stop by, and initial parameters and state of one network."""

    scaling: Scaling
    fit: Events
    stop: Events
    initial: tuple[Any, Any]


def as_double(tree: Any) -> Any:
    """Nested dicts and lists of arrays with the arrays in float64."""
    if isinstance(tree, dict):
        return {name: as_double(branch) for name, branch in tree.items()}
    if isinstance(tree, (list, tuple)):
        return [as_double(branch) for branch in tree]
    return np.asarray(tree, np.float64)


class NetworkTrainer:
    """The trainer of a kind of network, as `massgap.models.training.recipe.KINDS` wants it.

    Parameters
    ----------
    design
        The kind.
    """

    PREPROCESSING = PREPROCESSING
    ITERATIONS = "epochs"
    PRECISIONS = (False, True)
    SEEDED, WITH_SUBSETS = True, False

    def __init__(self, design: Design) -> None:
        self.design = design
        self.HYPERPARAMETERS, self.TITLE, self.SHARES = design.hyperparameters, design.title, design.shares

    def checked_hyperparameters(self, changes: Mapping[str, Any]) -> dict[str, Any]:
        """All hyperparameters, with these changes; raises a ModelError if one cannot be."""
        return checked(self.design.hyperparameters, changes)

    def library(self) -> dict[str, str]:
        """Name and version of what trains; raises a TrainerMissingError if it is not installed."""
        return backend.library()

    def fit(self, data: TrainingTable, parts: Parts, recipe: Recipe, steps: Any = None) -> Fitted:
        """Fit the networks of one fold, one per seed of the recipe.

        Parameters
        ----------
        data
            All events.
        parts
            Which of them are fitted to, and which choose the epoch.
        recipe
            A recipe of this kind.
        steps
            Where finished networks are kept and epochs are told, see `massgap.models.training.steps.Steps`.

        Raises
        ------
        TableError
            If a feature has one value alone.
        ModelError
            If a training diverges.
        """
        networks = []
        for number in range(recipe.seeds):
            seed = recipe.seed + number
            kept = steps.kept(parts.fold, seed) if steps is not None else None
            network = kept or self._fit_one(data, parts, recipe, seed, steps)
            if steps is not None:
                steps.keep(parts.fold, seed, network)
            networks.append(network)
        best = max(networks, key=lambda network: network.merit)
        chosen = tuple(networks) if recipe.seed_choice == "all" else (best,)
        seeds = [{"seed": n.seed, "merit": n.merit, "best_iteration": n.best_epoch} for n in networks]
        return Fitted(chosen, best.best_epoch, best.n_epochs, best.curves, seeds)

    def _fit_one(self, data: TrainingTable, parts: Parts, recipe: Recipe, seed: int, steps: Any) -> Network:
        from massgap.models.training.split import fit_weights

        settings = dict(recipe.hyperparameters)
        fit, stop = (
            Events(data.x[mask], data.label[mask], fit_weights(data, mask, recipe))
            for mask in (parts.fit, parts.stop)
        )
        where = f"events that fold {parts.fold} is fitted to"
        one = self.prepared(fit, stop, settings, data.features, (seed, parts.fold), where)
        found = optimise(
            self.design.forward,
            settings,
            one.initial,
            one.fit,
            one.stop,
            patience=recipe.early_stopping,
            seed=(seed, parts.fold),
            multiple=self.design.multiple(settings),
            what=f"fold {parts.fold}, seed {seed},",
            see=None if steps is None else lambda epoch, most: steps.epoch(parts.fold, seed, epoch, most),
        )
        return self.network(seed, one.scaling, settings, found)

    def prepared(
        self,
        fit: Events,
        stop: Events,
        settings: Mapping[str, Any],
        features: Sequence[str],
        seed: tuple[int, ...],
        where: str,
    ) -> Prepared:
        """What a training begins with: scaled events of mean weight one, and random parameters.

        Parameters
        ----------
        fit, stop
            Events as they are, NaN where a feature is missing.
        settings
            All hyperparameters.
        features
            Names of the columns.
        seed
            Of the parameters.
        where
            What messages call the events that are fitted to.

        Raises
        ------
        TableError
            If a feature has one value alone.
        """
        scaling = scaling_of(
            fit.x,
            fit.weight.astype(np.float64),
            features,
            clip=settings["clip"],
            ignore_constant=settings["constant"] == "ignore",
            tell_missing=settings["missing"] == "indicator",
            where=where,
        )
        scaled = [
            Events(scaling(x), label.astype(np.float32), (weight / weight.mean()).astype(np.float32))
            for x, label, weight in (fit, stop)
        ]
        initial = self.design.initial(settings, scaling.width, np.random.default_rng(list(seed)))
        return Prepared(scaling, scaled[0], scaled[1], initial)

    def network(self, seed: int, scaling: Scaling, settings: dict[str, Any], found: Optimised) -> Network:
        """A trained network of what came out of an optimisation."""
        return Network(
            seed,
            scaling,
            settings,
            found.parameters,
            found.state,
            found.best_epoch,
            found.n_epochs,
            found.merit,
            found.curves,
        )

    def predict(self, classifier: Sequence[Network], features: NDArray[np.float32]) -> NDArray[np.float32]:
        """The probabilities, computed in float64, shape (N,); NaN is missing. Several networks give their mean."""
        out = np.empty(len(features), np.float32)
        for start in range(0, len(features), _BLOCK):
            block = features[start : start + _BLOCK]
            out[start : start + _BLOCK] = np.mean(
                [self._one(network, block) for network in classifier], axis=0
            )
        return out

    def _one(self, network: Network, features: NDArray[np.float32]) -> NDArray[np.float64]:
        inputs = network.scaling(features, np.float64)
        parameters, state = as_double(network.parameters), as_double(network.state)
        logits = self.design.forward(np, network.settings, parameters, state, inputs, None)[0]
        return np.asarray(sigmoid(np, logits))

    def importance(
        self, classifier: Sequence[Network], features: Sequence[str], held_out: Any
    ) -> NDArray[np.float64]:
        """By how much the log loss rises if a feature is shuffled, shape (n_features,); not below zero.

        Parameters
        ----------
        classifier
            Networks of one fold.
        features
            Names of the inputs.
        held_out
            ``x``, ``label`` and ``weight`` of events that they have not seen.
        """
        x, label, weight = held_out
        random = np.random.default_rng(0)
        at_best = logloss(self.predict(classifier, x), label, weight)
        rise = np.zeros(len(features))
        for j in range(len(features)):
            shuffled = x.copy()
            shuffled[:, j] = x[random.permutation(len(x)), j]
            rise[j] = max(logloss(self.predict(classifier, shuffled), label, weight) - at_best, 0.0)
        return rise

    def operators(
        self, classifiers: Sequence[Sequence[Network]], features: str, score: str, *, double: bool = False
    ) -> tuple[list[Any], list[Any]]:
        """Operators and constants of an ONNX graph.

        Parameters
        ----------
        classifiers
            The networks of each fold.
        features, score
            Names of the tensors, (N, n_features) and (N, n_folds), float32.
        double
            Compute in float64 between them.
        """
        from massgap.models.networks.graph_writer import GraphWriter

        graph = GraphWriter(double=double)
        columns = [self._write(graph, classifier, features) for classifier in classifiers]
        together = graph.op("Concat", *columns, axis=1) if len(columns) > 1 else columns[0]
        graph.named(graph.single(together), score)
        return graph.nodes, graph.initializers

    def _write(self, graph: GraphWriter, classifier: Sequence[Network], features: str) -> str:
        """Add the operators of one fold; returns the name of its probabilities, shape (N, 1)."""
        scores = []
        for network in classifier:
            inputs = network.scaling.write(graph, features)
            logits = self.design.write(graph, network.settings, network.parameters, network.state, inputs)
            scores.append(graph.op("Sigmoid", logits))
        if len(scores) == 1:
            return scores[0]
        return graph.op("Div", graph.op("Sum", *scores), np.asarray(float(len(scores))))
