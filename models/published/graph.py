"""One ONNX graph of a published model: units, missing values, scaling, the networks of even and odd events, metadata.

What comes out is a model file as ``massgap train`` writes it: it is hashed, cross-fitted, checked by name and shipped as one.
Its columns are told apart by name, so that an analysis may provide them in any order, and more of them.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.models.errors import ModelFileError
from massgap.models.folds import EVENT_PARITY
from massgap.models.published.description import read_description
from massgap.models.published.sidecar import read_sidecar

if TYPE_CHECKING:
    import onnx

    from massgap.models.published.description import Published
    from massgap.models.published.sidecar import Sidecar

__all__ = ["published_bytes"]

_FLOAT, _DOUBLE, _INT64 = 1, 11, 7
_IN, _OUT = "features", "score"


def published_bytes(path: str | Path) -> bytes:
    """The model of a description file (`massgap.models.published.description`), as the content of one ONNX file.

    Raises
    ------
    ModelFileError
        If a file is missing, damaged or does not fit the others, or a ``[[check]]`` gives another score.
    """
    import onnx
    from onnx import helper

    from massgap.models.scoring.onnx_file import DIGEST, FORMATS, content_digest

    said = read_description(Path(path))
    cars = [read_sidecar(file, said.scaling) for file in said.sidecars]
    names = cars[0].names
    for car, file in zip(cars, said.sidecars, strict=True):
        if set(car.names) != set(names):
            msg = f"The sidecar files of {said.path} list other inputs: {', '.join(sorted(set(car.names) ^ set(names)))} ({file})."
            raise ModelFileError(msg)
    _check_names(said, names)
    # Masses come last, as a hypothesis does.
    order = [name for name in names if name not in said.hypothesis] + list(said.hypothesis)
    parts = [_read(file, said, car, order, f"m{i}_") for i, (file, car) in enumerate(_files(said, cars))]
    nodes = [node for part, _ in parts for node in part.node]
    columns = [f"m{i}_column" for i in range(len(parts))]
    nodes.append(helper.make_node("Concat", columns, [_OUT], axis=1))
    inputs = [helper.make_tensor_value_info(_IN, _FLOAT, ["events", len(order)])]
    outputs = [helper.make_tensor_value_info(_OUT, _FLOAT, ["events", len(parts)])]
    constants = [tensor for part, _ in parts for tensor in part.initializer]
    graph = helper.make_graph(nodes, "published", inputs, outputs, constants)
    model = helper.make_model(
        graph, opset_imports=_opsets(said, parts), ir_version=max(model.ir_version for _, model in parts)
    )
    properties = _properties(said, order, FORMATS[0], len(parts))
    helper.set_model_props(model, properties)
    helper.set_model_props(model, {**properties, DIGEST: content_digest(model)})
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as error:
        msg = f"The models of {said.path} do not fit into one graph: {error}"
        raise ModelFileError(msg) from error
    content = model.SerializeToString(deterministic=True)
    _compare(said, content, order)
    return bytes(content)


def _files(said: Published, cars: list[Sidecar]) -> list[tuple[Path, Sidecar]]:
    return list(zip(said.models, cars, strict=True))


def _opsets(said: Published, parts: list[tuple[Any, onnx.ModelProto]]) -> list[Any]:
    from onnx import helper

    found: dict[str, set[int]] = {"": set()}
    for _, model in parts:
        for opset in model.opset_import:
            domain = "" if opset.domain == "ai.onnx" else opset.domain
            found.setdefault(domain, set()).add(opset.version)
    found[""] = found[""] or {15}
    different = next((versions for versions in found.values() if len(versions) > 1), None)
    if different:
        numbers = ", ".join(map(str, sorted(different)))
        msg = f"The models of {said.path} have different opsets ({numbers}): export both alike."
        raise ModelFileError(msg)
    return [helper.make_opsetid(domain, *versions) for domain, versions in found.items()]


def _check_names(said: Published, names: tuple[str, ...]) -> None:
    for table in ("observables", "factors", "hypothesis"):
        unknown = sorted(set(getattr(said, table)) - set(names))
        if unknown:
            msg = f"[{table}] of {said.path} has {unknown[0]!r}, but the sidecar lists {', '.join(names)}."
            raise ModelFileError(msg)
    for check in said.checks:
        if set(check.inputs) != set(names):
            other = ", ".join(sorted(set(check.inputs) ^ set(names)))
            msg = f"A [[check]] of {said.path} must give each input that the sidecar lists; too many or missing: {other}."
            raise ModelFileError(msg)


def _properties(said: Published, order: list[str], form: str, n_folds: int) -> dict[str, str]:
    files = [said.path, *said.models, *said.sidecars]
    digest = hashlib.sha256(b"".join(hashlib.sha256(file.read_bytes()).digest() for file in files))
    masses = [f"true_{said.hypothesis[name]}" for name in order if name in said.hypothesis]
    features = [said.observables.get(name, name) for name in order if name not in said.hypothesis]
    return {
        "massgap.format": form,
        "massgap.features": json.dumps([*features, *masses]),
        "massgap.n_folds": str(n_folds),
        "massgap.training_hash": digest.hexdigest(),
        "massgap.columns": "by name",
        **({"massgap.fold_rule": EVENT_PARITY} if said.by_parity else {}),
        **({"massgap.hypothesis": json.dumps(masses)} if masses else {}),
        **({"massgap.source": said.source} if said.source else {}),
    }


def _read(
    file: Path, said: Published, car: Sidecar, order: list[str], prefix: str
) -> tuple[Any, onnx.ModelProto]:
    """The operators from the features to the column of one model, and the model."""
    import onnx
    from onnx import compose, inliner

    from massgap.models.scoring.foreign import house_form
    from massgap.models.scoring.onnx_file import check_foreign

    try:
        model = onnx.load_model_from_string(file.read_bytes())
    except OSError as error:
        msg = f"Cannot read the model {file} of {said.path}: {error.strerror or error}."
        raise ModelFileError(msg) from error
    except Exception as error:  # protobuf's own
        msg = f"{file} of {said.path} is not an ONNX model, or is truncated."
        raise ModelFileError(msg) from error
    check_foreign(model, str(file))
    model, _ = house_form(_ended(model, said, file), str(file), list(car.names))
    inputs = [v for v in model.graph.input if v.name not in {t.name for t in model.graph.initializer}]
    dims = inputs[0].type.tensor_type.shape.dim
    width = dims[1].dim_value if len(dims) == 2 else 0
    if width not in (0, len(car.names)):
        msg = f"The input of {file} is {width} wide, but its sidecar lists {len(car.names)} inputs: {', '.join(car.names)}."
        raise ModelFileError(msg)
    name_in, name_out = inputs[0].name, model.graph.output[0].name
    if model.functions:
        model = inliner.inline_local_functions(model)
    model = compose.add_prefix(model, prefix)
    graph = model.graph
    nodes = list(graph.node)
    del graph.node[:]
    graph.node.extend(_scaled(graph, said, car, order, prefix, prefix + name_in))
    graph.node.extend(nodes)
    shape = _constant(graph, f"{prefix}as_column", np.array([-1, 1], np.int64))
    graph.node.append(onnx.helper.make_node("Reshape", [prefix + name_out, shape], [f"{prefix}column"]))
    return graph, model


def _ended(model: onnx.ModelProto, said: Published, file: Path) -> onnx.ModelProto:
    """The model with what is still to be done after its output: an activation, the column of the signal."""
    from onnx import helper

    if said.activation == "none" and said.column is None:
        return model
    outputs = [v for v in model.graph.output if v.type.tensor_type.elem_type == _FLOAT]
    if len(outputs) != 1:
        names = ", ".join(value.name for value in model.graph.output)
        msg = f"The model {file} has the outputs {names}: activation and column of {said.path} are for one output of float32."
        raise ModelFileError(msg)
    name = outputs[0].name
    last = outputs[0].type.tensor_type.shape.dim
    n = last[1].dim_value if len(last) == 2 else 1
    if said.column is not None and n and said.column >= n:
        msg = f"The output {name} of {file} has {n} columns: column = {said.column} in {said.path} is not one of 0 to {n - 1}."
        raise ModelFileError(msg)
    if said.activation != "none":
        node = helper.make_node(said.activation.capitalize(), [name], ["massgap_activated"])
        if said.activation == "softmax":
            node.attribute.append(helper.make_attribute("axis", 1))
        model.graph.node.append(node)
        name = "massgap_activated"
    if said.column is not None:
        place = _constant(model.graph, "massgap_place", np.array([said.column], np.int64))
        model.graph.node.append(helper.make_node("Gather", [name, place], ["massgap_taken"], axis=1))
        name = "massgap_taken"
    del model.graph.output[:]
    width = [n] if said.column is None and n else [1]
    model.graph.output.append(helper.make_tensor_value_info(name, _FLOAT, ["events", *width]))
    return model


def _scaled(graph: Any, said: Published, car: Sidecar, order: list[str], prefix: str, out: str) -> list[Any]:
    """Operators from the features, as they are provided, to the inputs of the model, as it wants them; in float64 between."""
    from onnx import helper

    def constant(name: str, values: Any) -> str:
        return _constant(graph, f"{prefix}{name}", values)

    picked = constant("order", np.array([order.index(name) for name in car.names], np.int64))
    nodes = [helper.make_node("Gather", [_IN, picked], [f"{prefix}picked"], axis=1)]
    nodes.append(helper.make_node("Cast", [f"{prefix}picked"], [f"{prefix}double"], to=_DOUBLE))
    unit = np.array([[said.factors.get(name, 1.0) for name in car.names]], np.float64)
    nodes.append(helper.make_node("Mul", [f"{prefix}double", constant("unit", unit)], [f"{prefix}own"]))
    last = f"{prefix}own"
    if said.missing is not None:
        # An infinite value is a missing one, as it is for models of massgap's own.
        nodes.append(helper.make_node("IsNaN", [last], [f"{prefix}nan"]))
        nodes.append(helper.make_node("IsInf", [last], [f"{prefix}infinite"]))
        nodes.append(helper.make_node("Or", [f"{prefix}nan", f"{prefix}infinite"], [f"{prefix}absent"]))
        stands = constant("missing", np.array(said.missing, np.float64))
        nodes.append(helper.make_node("Where", [f"{prefix}absent", stands, last], [f"{prefix}filled"]))
        last = f"{prefix}filled"
    nodes.append(helper.make_node("Add", [last, constant("shift", car.shift[None])], [f"{prefix}shifted"]))
    nodes.append(
        helper.make_node(
            "Mul", [f"{prefix}shifted", constant("factor", car.factor[None])], [f"{prefix}ready"]
        )
    )
    nodes.append(helper.make_node("Cast", [f"{prefix}ready"], [out], to=_FLOAT))
    return nodes


def _constant(graph: Any, name: str, values: Any) -> str:
    from onnx import numpy_helper

    graph.initializer.append(numpy_helper.from_array(np.asarray(values), name))
    return name


def _compare(said: Published, content: bytes, order: list[str]) -> None:
    """Score the events of the authors, whose inputs are in their units."""
    from massgap.models.scoring.scorer import OnnxScorer

    if not said.checks:
        return
    scorer = OnnxScorer.from_bytes(content, str(said.path), hypothesis="columns")
    for check in said.checks:
        x = np.array([[check.inputs[name] / said.factors.get(name, 1.0) for name in order]], np.float32)
        found = float(scorer.score(x, np.array([check.event % scorer.n_folds]))[0])
        if not abs(found - check.score) <= check.tolerance:
            msg = (
                f"The model of {said.path} gives {found:.6g} for a [[check]] whose score is {check.score:.6g}, more than "
                f"{check.tolerance:g} away: look at scaling, [factors] and which file was trained on even events."
            )
            raise ModelFileError(msg)
