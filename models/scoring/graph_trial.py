"""What a graph does with a few rows of numbers, where it does not say so itself."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    import onnx
    from numpy.typing import NDArray

__all__ = [
    "fixed_events_agree",
    "leaves_unit_interval",
    "rows_sum_to_one",
    "sizes_of_outputs",
    "with_standard_operators",
]

_OPSET = 8
"""Of the standard operators that are added: old graphs may not have newer ones."""
_ROUNDING = 1e-4
"""How far sums of probabilities in float32 may be from one, and equal scores from each other."""


def sizes_of_outputs(model: onnx.ModelProto, width: int) -> dict[str, int]:
    """Columns of each output that is a tensor; nothing if the graph cannot be run."""
    found = _run(model, _rows(_width(model, width)))
    return {
        name: 1 if array.ndim == 1 else int(array.shape[1])
        for name, array in found.items()
        if isinstance(array, np.ndarray) and array.ndim in (1, 2)
    }


def rows_sum_to_one(model: onnx.ModelProto, name: str, width: int) -> bool:
    """Whether a tensor of the graph holds probabilities: numbers from 0 to 1 whose rows sum to one."""
    values = _values(model, name, width)
    if values is None or values.ndim != 2:
        return False
    bounded = bool(((values >= -_ROUNDING) & (values <= 1 + _ROUNDING)).all())
    return bounded and bool((np.abs(values.sum(axis=1) - 1) <= _ROUNDING).all())


def leaves_unit_interval(model: onnx.ModelProto, name: str, width: int) -> bool:
    """Whether a tensor of the graph holds a number that is no probability."""
    values = _values(model, name, width)
    return values is not None and bool(((values < -_ROUNDING) | (values > 1 + _ROUNDING)).any())


def with_standard_operators(model: onnx.ModelProto) -> None:
    """Let a graph that has operators of machine learning alone have those that every graph may have."""
    import onnx

    if not any(opset.domain in ("", "ai.onnx") for opset in model.opset_import):
        model.opset_import.append(onnx.helper.make_opsetid("", _OPSET))


def _values(model: onnx.ModelProto, name: str, width: int) -> Any:
    """One tensor of the graph for some rows; None if the graph cannot be run."""
    import onnx

    trial = onnx.ModelProto()
    trial.CopyFrom(model)
    del trial.graph.output[:]
    trial.graph.output.append(onnx.ValueInfoProto(name=name))
    return _run(trial, _rows(_width(model, width))).get(name)


def fixed_events_agree(fixed: onnx.ModelProto, free: onnx.ModelProto, events: int, width: int) -> bool:
    """Whether a graph made for a number of events gives the same without it, also for other numbers of events."""
    rows = _rows(width)
    rows = np.concatenate([rows] * (2 + events // len(rows)))[: events + 3]
    for start in (0, 3):
        mine, theirs = _run(free, rows), _run(fixed, rows[start : start + events])
        if not theirs or mine.keys() != theirs.keys():
            return False
        for name, right in theirs.items():
            given = mine[name][start : start + events]
            if len(mine[name]) != len(rows) or not _equal(given, right):
                return False
    return True


def _equal(given: Any, right: Any) -> bool:
    if not isinstance(right, np.ndarray):
        return all(
            a.keys() == b.keys() and np.allclose([*a.values()], [*b.values()])
            for a, b in zip(given, right, strict=True)
        )
    if right.dtype.kind != "f":
        return bool(np.array_equal(given, right))
    return given.shape == right.shape and np.allclose(given, right, atol=_ROUNDING, equal_nan=True)


def _width(model: onnx.ModelProto, otherwise: int) -> int:
    constants = {tensor.name for tensor in model.graph.initializer}
    dims = next(
        value for value in model.graph.input if value.name not in constants
    ).type.tensor_type.shape.dim
    return int(dims[1].dim_value) if len(dims) == 2 and dims[1].dim_value else max(otherwise, 1)


def _rows(width: int) -> NDArray[np.float32]:
    """Rows that differ: zeros, ones, and numbers of the size of momenta and of angles."""
    random = np.random.default_rng(1)
    rows = random.normal(0.0, 1.0, (8, width)) * np.array([1.0, 1, 1, 30, 30, 100, 300, 300])[:, np.newaxis]
    rows[0], rows[1] = 0.0, 1.0
    return rows.astype(np.float32)


def _run(model: onnx.ModelProto, rows: NDArray[np.float32]) -> dict[str, Any]:
    """All outputs for some rows; nothing if the graph cannot be run."""
    import onnx
    import onnxruntime as ort

    ready = onnx.ModelProto()
    ready.CopyFrom(model)
    with_standard_operators(ready)
    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        session = ort.InferenceSession(
            ready.SerializeToString(), sess_options=options, providers=["CPUExecutionProvider"]
        )
        (first,) = session.get_inputs()
        kind = {"tensor(double)": np.float64, "tensor(float16)": np.float16}.get(first.type, np.float32)
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session.run(names, {first.name: rows.astype(kind)}), strict=True))
    except Exception:  # noqa: BLE001 - onnxruntime has no common base class; what it cannot do is told when the model is opened
        return {}
