"""The trained folds as one ONNX file that carries its own preprocessing and description.

The graph: ``features`` (float32, N x n_features) -> what the kind of classifier writes, missing values and scaling
included -> ``score`` (float32, N x n_folds). Column i is the probability from the classifier that has not seen fold i.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap import __version__
from massgap.models.conditioning.labels import hypothesis_names
from massgap.models.errors import ModelError
from massgap.models.scoring.onnx_file import DIGEST, FORMATS, content_digest
from massgap.models.training.recipe import ALL_ROWS

if TYPE_CHECKING:
    from collections.abc import Mapping

    import onnx
    from numpy.typing import NDArray

    from massgap.models.training.trained_folds import TrainedFolds

FORMAT = FORMATS[-1]
INPUT, OUTPUT = "features", "score"
PROBABILITY = "probability"
"""What the score is before it is made flat."""
OPSET, OPSET_ML, IR_VERSION = 15, 3, 8
AGREEMENT = 1e-6
"""Largest accepted difference between the ONNX score and that of the library that trained."""
_MARGIN = 0.5
"""Share of it that float32 may use up where float64 is a choice: other rows find larger differences."""
_HARD_ROWS = 20_000
_LARGEST = 3e38
_EXTREME = (np.inf, -np.inf, 3e38, -3e38, 1e10, -1e10, 1e-45, 0.0, -0.0, np.nan)


def to_onnx(
    folds: TrainedFolds, *, double: bool = False, more: Mapping[str, str] | None = None
) -> onnx.ModelProto:
    """Return the ONNX model of all folds; the same folds give the same bytes.

    Parameters
    ----------
    folds
        Trained classifiers.
    double
        Compute in float64 inside the graph, where the kind of classifier allows it.
    more
        Further entries of the metadata.

    Raises
    ------
    ModelError
        If a classifier cannot be written.
    """
    import onnx
    from onnx import TensorProto, helper

    nodes, initializers = _operators(folds, double=double)
    graph = helper.make_graph(
        nodes,
        "massgap_folds",
        [helper.make_tensor_value_info(INPUT, TensorProto.FLOAT, ["events", len(folds.inputs)])],
        [helper.make_tensor_value_info(OUTPUT, TensorProto.FLOAT, ["events", folds.n_folds])],
        initializer=initializers,
        doc_string="Column i of the output: the classifier that has not seen fold i.",
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET), helper.make_opsetid("ai.onnx.ml", OPSET_ML)],
        ir_version=IR_VERSION,
        producer_name="massgap",
        producer_version=__version__,
    )
    properties = {**metadata(folds), **(more or {})}
    helper.set_model_props(model, properties)
    helper.set_model_props(model, {**properties, DIGEST: content_digest(model)})
    onnx.checker.check_model(model)
    return model


def _operators(folds: TrainedFolds, *, double: bool) -> tuple[list[Any], list[Any]]:
    """Operators and constants from the features to the score, by way of the tables that make it flat."""
    trainer = folds.recipe.trainer
    if not folds.flattening:
        return trainer.operators(folds.classifiers, INPUT, OUTPUT, double=double)
    from massgap.models.networks.graph_writer import GraphWriter

    before, graph = GraphWriter("own_"), GraphWriter("flat_", double=double)
    own = before.op("Gather", INPUT, np.arange(len(folds.features)), axis=1)
    nodes, constants = trainer.operators(folds.classifiers, own, PROBABILITY, double=double)
    column = graph.op("Gather", INPUT, np.array([folds.inputs.index(str(folds.recipe.flatten))]), axis=1)
    column = graph.op("Where", graph.op("IsInf", column), np.float32(np.nan), graph.number(column))
    columns = []
    for fold, table in enumerate(folds.flattening):
        score = graph.number(graph.op("Gather", PROBABILITY, np.array([fold]), axis=1))
        columns.append(table.write(graph, score, column))
    graph.named(graph.single(graph.op("Concat", *columns, axis=1)), OUTPUT)
    return (
        [*before.nodes, *nodes, *graph.nodes],
        [*before.initializers, *constants, *graph.initializers],
    )


def metadata(folds: TrainedFolds) -> dict[str, str]:
    """Return the metadata properties of the ONNX file, all strings, lists as JSON."""
    recipe = folds.recipe
    labels = {}
    if names := hypothesis_names(folds.features, recipe.label):
        labels["massgap.hypothesis"] = json.dumps(names)
    if recipe.label is not None:
        labels |= {"massgap.label": recipe.label, "massgap.ranges": json.dumps(folds.ranges, sort_keys=True)}
    what = "probability of signal"
    if recipe.flatten is not None:
        uncertainties = [table.uncertainty() for table in folds.flattening]
        labels |= {
            "massgap.flatten": recipe.flatten,
            "massgap.flatten_uncertainty": json.dumps(uncertainties),
            "massgap.flatten_uncertainty_at_ends": json.dumps(
                [table.uncertainty(at_ends=True) for table in folds.flattening]
            ),
        }
        what = f"quantile of the background given {recipe.flatten}"
    return {
        **labels,
        "massgap.format": FORMAT,
        "massgap.version": __version__,
        "massgap.features": json.dumps(folds.inputs),
        "massgap.units": json.dumps(folds.units, sort_keys=True),
        "massgap.n_folds": str(folds.n_folds),
        "massgap.training_hash": folds.training_hash,
        "massgap.recipe": recipe.name,
        "massgap.recipe_digest": recipe.digest,
        "massgap.region": recipe.region or ALL_ROWS,
        "massgap.signal": json.dumps(list(recipe.signal or ())),
        "massgap.backgrounds": json.dumps(list(recipe.backgrounds or ())),
        "massgap.protocol": recipe.protocol,
        "massgap.preprocessing": recipe.trainer.PREPROCESSING,
        "massgap.score": f"column i: {what} from the classifier that has not seen fold i",
    }


def to_bytes(model: onnx.ModelProto) -> bytes:
    """Return the deterministic serialisation of a model."""
    return model.SerializeToString(deterministic=True)


def verified_bytes(
    folds: TrainedFolds, x: NDArray[np.float32], more: Mapping[str, str] | None = None
) -> tuple[bytes, float]:
    """Return the ONNX file's bytes and its largest difference from the library that trained, on the events `x` and harder ones.

    A network whose rounding in float32 is more than half of `AGREEMENT` is written in float64; `more` goes into the metadata.

    Raises
    ------
    ModelError
        If the two differ by more than `AGREEMENT`.
    """
    from massgap.models.scoring.hypothesis import AS_COLUMNS
    from massgap.models.scoring.scorer import OnnxScorer

    x = np.concatenate([x, hard_rows(x)])
    clean = np.where(np.isinf(x), np.float32(np.nan), x)
    native = folds.predict(clean)
    difference = np.nan
    for double in folds.recipe.trainer.PRECISIONS:
        content = to_bytes(to_onnx(folds, double=double, more=more))
        scorer = OnnxScorer.from_bytes(
            content, "the exported model", features=folds.inputs, hypothesis=AS_COLUMNS
        )
        found = scorer.score_all_folds(x)
        difference = float(np.abs(found - native).max(initial=0.0))
        last = double is folds.recipe.trainer.PRECISIONS[-1]
        # A table hands on a difference of the probability by as much as it is steep.
        if difference <= AGREEMENT * (1 if last else _MARGIN) or (
            last and folds.flattening and _explained(folds, clean, found)
        ):
            return content, difference
    msg = f"The exported model differs from what was trained by {difference:.2g}, more than {AGREEMENT:g} explains."
    raise ModelError(msg)


def hard_rows(x: NDArray[np.float32]) -> NDArray[np.float32]:
    """Values of the columns in new combinations, a third far from the others, some missing or extreme: the same for equal `x`.

    Parameters
    ----------
    x
        Events, shape (N, n_features).

    Returns
    -------
    numpy.ndarray
        As many rows as events, at most 20,000; float32.
    """
    random = np.random.default_rng(0)
    n = min(len(x), _HARD_ROWS)
    rows = np.empty((n, x.shape[1]), np.float32)
    for j in range(x.shape[1]):
        rows[:, j] = random.permutation(x[:, j])[:n]
        there = x[np.isfinite(x[:, j]), j].astype(np.float64)
        far = (random.random(n) < 0.3) & (len(there) > 0)
        if len(there):
            values = random.normal(there.mean(), 8 * there.std(), int(far.sum()))
            rows[far, j] = np.clip(values, -_LARGEST, _LARGEST)
        rows[random.random(n) < 0.05, j] = np.nan
        odd = random.random(n) < 0.02
        rows[odd, j] = random.choice(np.array(_EXTREME, np.float32), int(odd.sum()))
    return rows


def _explained(folds: TrainedFolds, x: NDArray[np.float32], found: NDArray[np.float32]) -> bool:
    """Whether differences of the probability of at most `AGREEMENT` give these flat scores."""
    probability = folds.probability(x).astype(np.float64)
    low, high = (folds.flat(np.clip(probability + d, 0, 1), x) for d in (-AGREEMENT, AGREEMENT))
    return bool(((found >= low - AGREEMENT) & (found <= high + AGREEMENT)).all())
