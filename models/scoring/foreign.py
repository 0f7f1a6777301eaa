"""Models of other programs in the form that is scored here: one float32 matrix in, one score per event out.

A classifier leaves its program in many forms: a label and two probabilities (onnxmltools, skl2onnx), the probabilities as
a map for each event (``ZipMap``), one input per feature, double precision, a number of events that was fixed when it was
exported. :func:`house_form` rewrites the graph where it is certain what the score is, the probability of class 1, and says
so in a note; where it is not, it refuses with what to type (:mod:`massgap.models.scoring.recipes_of_export`).

What class 1 is: of labels 0 and 1, or -1 and 1, the larger one; of two texts that which says signal; of two columns
without labels the second, if each row of them sums to one.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

from massgap.models.errors import FeatureError, ModelFileError
from massgap.models.scoring import recipes_of_export as recipes
from massgap.models.scoring.features import difference_of_features
from massgap.models.scoring.graph_trial import (
    fixed_events_agree,
    leaves_unit_interval,
    rows_sum_to_one,
    sizes_of_outputs,
    with_standard_operators,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

    import onnx

__all__ = ["HouseForm", "house_form"]

_SCORE, _MATRIX = "massgap_score", "massgap_features"
_FLOATS = {1: "float32", 10: "float16", 11: "float64"}
"""Element types of ONNX that can be cast to and from float32."""
_SIGNAL = {"1", "s", "sig", "signal", "true", "yes", "pos", "positive"}
_LINEAR = {"Gemm", "MatMul", "Add", "LinearRegressor"}
"""Operators whose result is no probability."""


class HouseForm(NamedTuple):
    """A model in the form that is scored here, and what was done to it."""

    model: onnx.ModelProto
    notes: tuple[str, ...] = ()


def house_form(model: onnx.ModelProto, path: str, features: Sequence[str] | None) -> HouseForm:
    """Return a model of another program with one float32 matrix as input and one score as output.

    Parameters
    ----------
    model
        A checked model without metadata of ours; it is not changed.
    path
        What messages call it.
    features
        Names, in order, that the caller can provide; inputs of one column are found by them.

    Returns
    -------
    HouseForm
        The model itself if it has that form.

    Raises
    ------
    ModelFileError
        If it is not certain what the score is, or an input is no number per feature; with what to type.
    FeatureError
        If the inputs are one per feature and named otherwise.
    """
    import onnx

    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    notes = [*_one_matrix(changed, path, features), *_free_events(changed, path, features)]
    notes += _one_score(changed, path, features)
    if not notes:
        return HouseForm(model)
    with_standard_operators(changed)
    return HouseForm(changed, tuple(f"the model {path}: {note}" for note in notes if note))


# ---- inputs


def _inputs(model: onnx.ModelProto) -> list[Any]:
    constants = {tensor.name for tensor in model.graph.initializer}
    return [value for value in model.graph.input if value.name not in constants]


def _one_matrix(model: onnx.ModelProto, path: str, features: Sequence[str] | None) -> list[str]:
    """Give the graph one float32 matrix as input; return what was done."""
    inputs = _inputs(model)
    if len(inputs) > 1:
        return _from_columns(model, inputs, path, features)
    if not inputs or (kind := inputs[0].type.tensor_type.elem_type) not in _FLOATS or kind == 1:
        return []
    name = inputs[0].name
    inputs[0].name = _free_name(model, _MATRIX)
    inputs[0].type.tensor_type.elem_type = 1
    _prepend(model, [_node("Cast", [inputs[0].name], [name], to=kind)])
    return [""]


def _from_columns(
    model: onnx.ModelProto, inputs: list[Any], path: str, features: Sequence[str] | None
) -> list[str]:
    """One input per feature, told apart by their names."""
    from onnx import TensorProto, helper

    names = [value.name for value in inputs]
    for value in inputs:
        tensor = value.type.tensor_type
        widths = [axis.dim_value for axis in tensor.shape.dim[1:]]
        if tensor.elem_type not in _FLOATS or not tensor.HasField("shape") or widths not in ([], [1]):
            msg = (
                f"The model {path} has the inputs {', '.join(names)}, and {value.name!r} is not one number per event: export it "
                f"with one matrix of float32 as input, a column per feature. {recipes.ONE_MATRIX}"
            )
            raise ModelFileError(msg)
    if features is None or set(features) != set(names):
        msg = difference_of_features(path, names, features or ())
        msg += " It has one input per feature, and these must bear the names of the features."
        raise FeatureError(msg)
    matrix = _free_name(model, _MATRIX)
    nodes = []
    for place, name in enumerate(features):
        value = inputs[names.index(name)]
        flat = len(value.type.tensor_type.shape.dim) == 1
        index = _free_name(model, f"{matrix}_{place}")
        nodes.append(_constant(index, [] if flat else [1], place))
        nodes.append(_node("Gather", [matrix, index], [f"{index}_column"], axis=1))
        nodes.append(_node("Cast", [f"{index}_column"], [name], to=value.type.tensor_type.elem_type))
    kept = [value for value in model.graph.input if value.name not in names]
    del model.graph.input[:]
    made = helper.make_tensor_value_info(matrix, TensorProto.FLOAT, ["events", len(features)])
    model.graph.input.extend([made, *kept])
    _prepend(model, nodes)
    return [""]


def _free_events(model: onnx.ModelProto, path: str, features: Sequence[str] | None) -> list[str]:
    """Free the number of events where it was fixed by the export and does not matter to the graph."""
    (value, *more) = _inputs(model) or [None]
    if value is None or more:
        return []
    dims = value.type.tensor_type.shape.dim
    if len(dims) != 2 or not dims[0].HasField("dim_value"):
        return []
    import onnx

    n = dims[0].dim_value
    free = onnx.ModelProto()
    free.CopyFrom(model)
    for one in (*free.graph.input, *free.graph.output):
        shape = one.type.tensor_type.shape.dim
        if shape and shape[0].dim_value == n:
            shape[0].dim_param = "events"
    del free.graph.value_info[:]
    width = dims[1].dim_value or len(features or ()) or 1
    if not fixed_events_agree(model, free, n, width):
        msg = (
            f"The first axis of {value.name!r} in the model {path} is fixed at {n} events, and the model depends on it: export "
            f"it with a dynamic first axis. {recipes.FREE_EVENTS}"
        )
        raise ModelFileError(msg)
    model.CopyFrom(free)
    return [""]


# ---- outputs


def _one_score(model: onnx.ModelProto, path: str, features: Sequence[str] | None) -> list[str]:
    """Give the graph one float32 score as output; return what was done."""
    outputs = list(model.graph.output)
    chosen = [value for value in outputs if not _is_label(value)]
    if len(chosen) > 1:
        named = [value for value in chosen if "prob" in value.name.lower()]
        chosen = named if len(named) == 1 else chosen
    names = ", ".join(value.name for value in outputs) or "none"
    if len(chosen) != 1 or not outputs:
        what = "none of them is a probability" if not chosen else f"{len(chosen)} of them may be the score"
        msg = f"The model {path} has the outputs {names}: {what}. {recipes.take(path, names.split(', ')[-1], 0)}"
        raise ModelFileError(msg)
    value, labels = chosen[0], None
    if value.type.WhichOneof("value") != "tensor_type":
        value, labels = _without_maps(model, value, path)
    kind = value.type.tensor_type.elem_type
    if kind not in _FLOATS:
        return []  # refused where types are checked
    columns = _columns(model, value, features)
    said = f"of its outputs {names} " if len(outputs) > 1 else ""
    if columns in (1, None):
        _refuse_numbers(model, value, path, features)
        if len(outputs) == 1 and kind == 1:
            return []
        _end_in(model, [_node("Cast", [value.name], [_SCORE], to=1)])
        return [f"{said}{value.name} is taken" if said else ""]
    if columns > 2:
        if len(outputs) == 1 and labels is None:
            return []  # one column per fold is told where folds are checked
        msg = (
            f"The model {path} tells {columns} classes apart ({value.name}), and a score is the probability of one. Take "
            f"that of the signal: {recipes.take(path, value.name, columns - 1)}"
        )
        raise ModelFileError(msg)
    place = _class_one(model, value, labels, path, features)
    _take_column(model, value.name, place)
    return [f"{said}the probability of class 1 is taken ({value.name}, column {place})"]


def _is_label(value: Any) -> bool:
    """Whether an output is the class that was chosen: whole numbers, texts, or true and false."""
    return value.type.WhichOneof("value") == "tensor_type" and value.type.tensor_type.elem_type in (
        5,
        6,
        7,
        8,
        9,
    )


def _without_maps(model: onnx.ModelProto, value: Any, path: str) -> tuple[Any, list[Any]]:
    """The tensor of which ``ZipMap`` makes a map for each event, and the labels of its columns."""
    from onnx import helper

    made = next((node for node in model.graph.node if value.name in node.output), None)
    if made is None or made.op_type != "ZipMap":
        msg = f"The output {value.name!r} of the model {path} is no tensor: export it with one. {recipes.NO_MAPS}"
        raise ModelFileError(msg)
    labels = _labels(made)
    model.graph.node.remove(made)
    return helper.make_tensor_value_info(made.input[0], 1, ["events", len(labels)]), labels


def _labels(node: Any) -> list[Any]:
    for attribute in node.attribute:
        if attribute.name in ("classlabels_int64s", "classlabels_ints") and attribute.ints:
            return list(attribute.ints)
        if attribute.name in ("classlabels_strings", "classlabels_int64s") and attribute.strings:
            return [text.decode("utf-8", "replace") for text in attribute.strings]
    return []


def _columns(model: onnx.ModelProto, value: Any, features: Sequence[str] | None) -> int | None:
    """Columns of an output; found by a trial where the graph does not say."""
    dims = value.type.tensor_type.shape.dim
    if len(dims) == 2 and dims[1].HasField("dim_value"):
        return int(dims[1].dim_value)
    if len(dims) == 1:
        return 1
    return sizes_of_outputs(model, len(features or ())).get(value.name)


def _class_one(
    model: onnx.ModelProto, value: Any, labels: list[Any] | None, path: str, features: Sequence[str] | None
) -> int:
    """Column of the signal among two."""
    if not labels:
        found = [_labels(node) for node in model.graph.node]
        labels = next((one for one in found if len(one) == 2), [])
    if labels and (place := _signal_among(labels)) is None:
        msg = (
            f"The model {path} calls its classes {labels[0]!r} and {labels[1]!r}, and neither is known to be the signal. Take "
            f"the column of yours: {recipes.take(path, value.name, 1)}"
        )
        raise ModelFileError(msg)
    if not rows_sum_to_one(model, value.name, len(features or ())):
        msg = (
            f"The two columns of {value.name} of the model {path} do not sum to one: they are no probabilities of two classes. "
            f"If they are the numbers before a softmax: {recipes.softmax(path, value.name)}"
        )
        raise ModelFileError(msg)
    return place if labels and place is not None else 1


def _signal_among(labels: list[Any]) -> int | None:
    if set(labels) in ({0, 1}, {-1, 1}):
        return labels.index(1)
    signal = [i for i, label in enumerate(labels) if str(label).strip().lower() in _SIGNAL]
    return signal[0] if len(signal) == 1 else None


def _refuse_numbers(model: onnx.ModelProto, value: Any, path: str, features: Sequence[str] | None) -> None:
    """Refuse a single number that is certainly not a probability."""
    made = next((node for node in model.graph.node if value.name in node.output), None)
    while made is not None and made.op_type in ("Identity", "Reshape", "Squeeze", "Flatten", "Cast"):
        made = next((node for node in model.graph.node if made.input[0] in node.output), None)
    why = f"ends in {made.op_type}" if made is not None and made.op_type in _LINEAR else ""
    if not why and leaves_unit_interval(model, value.name, len(features or ())):
        why = "is not always between 0 and 1"
    if why:
        msg = (
            f"The output {value.name} of the model {path} {why}, so it is no probability. If it is the number before a sigmoid: "
            f"{recipes.sigmoid(path, value.name)}"
        )
        raise ModelFileError(msg)


def _take_column(model: onnx.ModelProto, name: str, place: int) -> None:
    index = _free_name(model, f"{_SCORE}_column")
    gathered = _node("Gather", [name, index], [f"{_SCORE}_taken"], axis=1)
    _end_in(
        model, [_constant(index, [1], place), gathered, _node("Cast", [f"{_SCORE}_taken"], [_SCORE], to=1)]
    )


def _end_in(model: onnx.ModelProto, nodes: list[Any]) -> None:
    """Let these operators, of which the last makes the score, be the end of the graph."""
    from onnx import TensorProto, helper

    model.graph.node.extend(nodes)
    del model.graph.output[:]
    model.graph.output.append(helper.make_tensor_value_info(_SCORE, TensorProto.FLOAT, None))


def _node(kind: str, inputs: list[str], outputs: list[str], **attributes: Any) -> Any:
    from onnx import helper

    return helper.make_node(kind, inputs, outputs, **attributes)


def _constant(name: str, shape: list[int], value: int) -> Any:
    """An index; by an operator, as old graphs have no constants that are not inputs."""
    from onnx import TensorProto, helper

    return helper.make_node(
        "Constant", [], [name], value=helper.make_tensor(name, TensorProto.INT64, shape, [value])
    )


def _prepend(model: onnx.ModelProto, nodes: list[Any]) -> None:
    after = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*nodes, *after])


def _free_name(model: onnx.ModelProto, wanted: str) -> str:
    """A name that nothing in the graph has."""
    taken = {name for node in model.graph.node for name in (*node.input, *node.output)}
    taken |= {tensor.name for tensor in model.graph.initializer}
    while wanted in taken:
        wanted += "_"
    return wanted
