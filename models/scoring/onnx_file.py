"""What an ONNX file says about itself, checked before it is trusted with events."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.models.errors import ModelError, ModelFileError
from massgap.models.scoring.foreign import house_form

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    import onnx

FORMATS = ("massgap-model/1",)
FEATURE_KEYS = ("feature_names", "features")
"""Metadata in which models of other programs may name their features."""
DIGEST = "massgap.content_sha256"
DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
"""Operator domains that every onnxruntime has; others would need libraries on the workers."""
LOWEST_OPSET = 7  # onnxruntime's own guarantee


@dataclass(frozen=True)
class Description:
    """Names, shapes and metadata of a model with one float32 input and one score output, and what a reader should know."""

    input: str
    output: str
    width: int | None
    n_folds: int
    features: tuple[str, ...] | None
    properties: dict[str, str]
    notes: tuple[str, ...] = ()
    rewritten: bool = False


def read_model(
    content: bytes, path: str, features: Sequence[str] | None = None
) -> tuple[onnx.ModelProto, Description]:
    """Return the model, in the form that is scored here, and what the file says about itself.

    Parameters
    ----------
    content
        The file.
    path
        What messages call it.
    features
        Names, in order, that the caller can provide.

    Raises
    ------
    ModelFileError
        If it is not a whole ONNX model, needs external data, foreign operators or an unknown
        opset, or if its input, output or metadata are not those of a classifier.
    FeatureError
        If it has one input per feature, and these are others than `features`.
    """
    import onnx
    from google.protobuf.message import DecodeError

    if not content:
        msg = f"The model {path} is empty."
        raise ModelFileError(msg)
    try:
        model = onnx.load_model_from_string(content)
        return _described(model, path, features)
    except ModelError:
        raise
    # The reader accepts much that is not a model; what it then holds can have any type.
    except (DecodeError, ValueError, RuntimeError, TypeError, AttributeError) as error:
        msg = f"{path} is not an ONNX model, or is truncated or damaged ({len(content)} bytes)."
        raise ModelFileError(msg) from error


def _described(
    model: onnx.ModelProto, path: str, features: Sequence[str] | None
) -> tuple[onnx.ModelProto, Description]:
    if not model.graph.node or not model.opset_import:
        msg = f"{path} is not an ONNX model, or is truncated: it has no operators."
        raise ModelFileError(msg)
    check_foreign(model, path)
    properties = _properties(model, path)
    own, n_folds = _own_metadata(properties, path)
    given, notes = model, tuple[str, ...]()
    if own is None:
        model, notes = house_form(given, path, features)
    name_in, width = _input(model, path)
    name_out, n_out = _output(model, path)
    if own is not None and (found := content_digest(model)) != properties[DIGEST]:
        msg = (
            f"The model {path} is damaged or was changed after its export: its content has the digest "
            f"{found[:12]}, its metadata say {properties[DIGEST][:12]}. Export it again."
        )
        raise ModelFileError(msg)
    n_folds = n_folds or 1
    if n_out is not None and n_out != n_folds:
        said = (
            f"massgap.n_folds is {n_folds}"
            if "massgap.n_folds" in properties
            else "its metadata has no folds"
        )
        msg = f"The output of the model {path} has {n_out} columns, but {said}: one column per fold is expected."
        raise ModelFileError(msg)
    named = _foreign_names(properties) if own is None else own
    return model, Description(name_in, name_out, width, n_folds, named, properties, notes, model is not given)


def content_digest(model: onnx.ModelProto) -> str:
    """Return the SHA-256 of operators, numbers and metadata, whatever library serialised them.

    A flipped bit in a threshold leaves a valid file that scores wrongly; this digest in the
    metadata shows it.
    """
    from onnx import numpy_helper

    digest = hashlib.sha256()

    def add(*parts: object) -> None:
        for part in parts:
            data = part if isinstance(part, bytes) else str(part).encode()
            digest.update(len(data).to_bytes(8, "little") + data)

    for graph in _graphs(model):
        for node in graph.node:
            add(node.op_type, node.domain, *node.input, "->", *node.output)
            for a in sorted(node.attribute, key=lambda a: a.name):
                add(a.name, a.type, a.s, *a.strings, np.array([a.f, *a.floats], "<f4").tobytes())
                add(np.array([a.i, *a.ints], "<i8").tobytes())
    for tensor in _tensors(model):
        add(tensor.name, tensor.data_type, *tensor.dims, numpy_helper.to_array(tensor).tobytes())
    for value in (*model.graph.input, *model.graph.output):
        add(value.name, value.type.tensor_type.elem_type)
    for entry in sorted(model.metadata_props, key=lambda entry: entry.key):
        if entry.key != DIGEST:
            add(entry.key, entry.value)
    return digest.hexdigest()


def check_foreign(model: onnx.ModelProto, path: str) -> None:
    """Raise a ModelFileError if a model has operators, an opset or files that not every worker has, or goes on training."""
    _check_operators(model, path)
    _check_tensors(model, path)
    _check_repeatable(model, path)


def _check_operators(model: onnx.ModelProto, path: str) -> None:
    import onnx

    newest = {
        "": onnx.defs.onnx_opset_version(),
        "ai.onnx.ml": max(v for domain, v in onnx.helper.OP_SET_ID_VERSION_MAP if domain == "ai.onnx.ml"),
    }
    for opset in model.opset_import:
        if opset.domain not in DOMAINS:
            msg = (
                f"The model {path} uses operators of the domain {opset.domain!r}; only the standard domains "
                "ai.onnx and ai.onnx.ml work on every worker: export it without custom operators."
            )
            raise ModelFileError(msg)
        highest = newest["" if opset.domain == "ai.onnx" else opset.domain]
        lowest = 1 if opset.domain == "ai.onnx.ml" else LOWEST_OPSET
        if not lowest <= opset.version <= highest:
            msg = (
                f"The model {path} has opset {opset.version} of {opset.domain or 'ai.onnx'}; supported here are "
                f"{lowest} to {highest}: export it with one of these."
            )
            raise ModelFileError(msg)
    foreign = sorted({node.domain for node in _nodes(model) if node.domain not in DOMAINS})
    if foreign:
        msg = f"The model {path} has custom operators of the domain {foreign[0]!r}: export it without them."
        raise ModelFileError(msg)


_RANDOM = (
    "Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike",
)  # fmt: skip


def _check_repeatable(model: onnx.ModelProto, path: str) -> None:
    """Refuse what makes a score depend on the events beside it, or on chance: norms and dropout of a training."""
    import onnx
    from onnx import numpy_helper

    constants = {
        tensor.name: tensor for graph in _graphs(model) for tensor in getattr(graph, "initializer", ())
    }
    for node in _nodes(model):
        for attribute in node.attribute if node.op_type == "Constant" else ():
            constants[node.output[0]] = attribute.t
    for node in _nodes(model):
        trains = node.op_type == "BatchNormalization" and any(
            a.name == "training_mode" and a.i for a in node.attribute
        )
        if node.op_type == "Dropout" and len(node.input) > 2 and node.input[2] in constants:
            tensor = constants[node.input[2]]
            trains = tensor.data_type == onnx.TensorProto.BOOL and bool(numpy_helper.to_array(tensor))
        if trains or node.op_type in _RANDOM:
            why = "is in training mode" if trains else "draws random numbers"
            msg = (
                f"The model {path} has the operator {node.op_type}, which {why}: its scores would depend on the other events or "
                "on chance. Export it for evaluation: model.eval() before torch.onnx.export, and no training=."
            )
            raise ModelFileError(msg)


def _check_tensors(model: onnx.ModelProto, path: str) -> None:
    """Refuse weights kept in other files: a worker would not have them, or would have others."""
    import onnx

    external = onnx.TensorProto.EXTERNAL
    for tensor in _tensors(model):
        if tensor.data_location == external or tensor.external_data:
            msg = (
                f"The model {path} keeps the tensor {tensor.name!r} in another file (external data): "
                f"save it as one file, onnx.save(onnx.load({path!r}), 'whole.onnx') in Python beside both."
            )
            raise ModelFileError(msg)


def _graphs(model: onnx.ModelProto) -> Iterator[Any]:
    """Walk over the graph, the graphs inside its operators, and the model's functions."""
    pending: list[Any] = [model.graph, *model.functions]
    while pending:
        graph = pending.pop()
        yield graph
        for node in graph.node:
            for attribute in node.attribute:
                pending += [attribute.g] if attribute.HasField("g") else []
                pending += list(attribute.graphs)


def _nodes(model: onnx.ModelProto) -> Iterator[onnx.NodeProto]:
    for graph in _graphs(model):
        yield from graph.node


def _tensors(model: onnx.ModelProto) -> Iterator[onnx.TensorProto]:
    for graph in _graphs(model):
        yield from getattr(graph, "initializer", ())
        for sparse in getattr(graph, "sparse_initializer", ()):
            yield from (sparse.values, sparse.indices)
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors


def _properties(model: onnx.ModelProto, path: str) -> dict[str, str]:
    properties: dict[str, str] = {}
    for entry in model.metadata_props:
        if entry.key in properties:
            msg = f"The model {path} has the metadata {entry.key!r} twice."
            raise ModelFileError(msg)
        properties[entry.key] = entry.value
    return properties


def _own_metadata(properties: dict[str, str], path: str) -> tuple[tuple[str, ...] | None, int | None]:
    """Return the features and the number of folds, both None for somebody's own model."""
    own = sorted(key for key in properties if key.startswith("massgap."))
    if not own:
        return None, None
    needed = ("massgap.format", "massgap.features", "massgap.n_folds", "massgap.training_hash", DIGEST)
    missing = [key for key in needed if key not in properties]
    if missing:
        msg = f"The model {path} lacks the metadata {', '.join(missing)}; it has {', '.join(own)}: export it again."
        raise ModelFileError(msg)
    if properties["massgap.format"] not in FORMATS:
        msg = (
            f"The model {path} has the format {properties['massgap.format']!r}; "
            f"this version reads {', '.join(FORMATS)}."
        )
        raise ModelFileError(msg)
    try:
        features = json.loads(properties["massgap.features"])
        n_folds = int(properties["massgap.n_folds"])
    except ValueError as error:
        msg = f"The metadata massgap.features or massgap.n_folds of the model {path} is damaged: export it again."
        raise ModelFileError(msg) from error
    if not isinstance(features, list) or not all(isinstance(f, str) for f in features) or n_folds < 1:
        msg = f"The metadata massgap.features or massgap.n_folds of the model {path} is damaged: export it again."
        raise ModelFileError(msg)
    return tuple(features), n_folds


def _foreign_names(properties: dict[str, str]) -> tuple[str, ...] | None:
    """Names of the inputs that somebody has written into a model of another program, as JSON or with commas."""
    text = next((properties[key] for key in FEATURE_KEYS if key in properties), None)
    if text is None:
        return None
    try:
        names = json.loads(text)
    except ValueError:
        names = [name.strip() for name in text.split(",")]
    good = isinstance(names, list) and bool(names) and all(isinstance(name, str) and name for name in names)
    return tuple(names) if good else None


def _input(model: onnx.ModelProto, path: str) -> tuple[str, int | None]:
    from onnx import TensorProto

    constants = {tensor.name for tensor in model.graph.initializer}
    inputs = [value for value in model.graph.input if value.name not in constants]
    if len(inputs) != 1:
        names = ", ".join(value.name for value in inputs) or "none"
        msg = f"The model {path} must have one input, a matrix of features; it has {names}."
        raise ModelFileError(msg)
    tensor = inputs[0].type.tensor_type
    if tensor.elem_type != TensorProto.FLOAT:
        kind = TensorProto.DataType.Name(tensor.elem_type) if tensor.elem_type else "no tensor"
        msg = (
            f"The input {inputs[0].name!r} of the model {path} has type {kind}; float32 (FLOAT) is expected."
        )
        raise ModelFileError(msg)
    shape = tensor.shape.dim
    if tensor.HasField("shape") and len(shape) != 2:
        msg = f"The input {inputs[0].name!r} of the model {path} has {len(shape)} axes; (events, features) is expected."
        raise ModelFileError(msg)
    if not tensor.HasField("shape"):
        return inputs[0].name, None
    _check_free_axis(shape[0], inputs[0].name, path)
    return inputs[0].name, shape[1].dim_value if shape[1].HasField("dim_value") else None


def _output(model: onnx.ModelProto, path: str) -> tuple[str, int | None]:
    from onnx import TensorProto

    outputs = list(model.graph.output)
    if len(outputs) != 1:
        names = ", ".join(value.name for value in outputs) or "none"
        msg = f"The model {path} must have one output, the score; it has {names}."
        raise ModelFileError(msg)
    tensor = outputs[0].type.tensor_type
    if tensor.elem_type != TensorProto.FLOAT:
        kind = TensorProto.DataType.Name(tensor.elem_type) if tensor.elem_type else "no tensor"
        msg = f"The output {outputs[0].name!r} of the model {path} has type {kind}; float32 (FLOAT) is expected."
        raise ModelFileError(msg)
    if not tensor.HasField("shape"):
        return outputs[0].name, None
    shape = tensor.shape.dim
    if len(shape) not in {1, 2}:
        msg = f"The output {outputs[0].name!r} of the model {path} has {len(shape)} axes; (events, folds) is expected."
        raise ModelFileError(msg)
    _check_free_axis(shape[0], outputs[0].name, path)
    if len(shape) == 1:
        return outputs[0].name, 1
    return outputs[0].name, shape[1].dim_value if shape[1].HasField("dim_value") else None


def _check_free_axis(axis: Any, name: str, path: str) -> None:
    if axis.HasField("dim_value"):
        msg = (
            f"The first axis of {name!r} in the model {path} is fixed at {axis.dim_value} events: "
            "export it with a dynamic first axis."
        )
        raise ModelFileError(msg)
