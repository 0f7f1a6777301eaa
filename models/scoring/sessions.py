"""Sessions of onnxruntime: of a model as it is, and of one whose columns are the classifiers of folds, taken apart.

A session that is given all events computes the score of each event by every classifier, and all but one of them are thrown
away.  Here the graph is written once per fold, each with an input and an output of its own, and what a fold does not need is left
out.  The operators and their numbers stay the same.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.models.errors import ModelFileError

if TYPE_CHECKING:
    from collections.abc import Callable

    import onnx
    from numpy.typing import NDArray

    from massgap.models.scoring.onnx_file import Description

__all__ = [
    "BATCH",
    "Apart",
    "FoldGraphs",
    "Whole",
    "apart",
    "first_line",
    "full",
    "open_session",
    "taken_apart",
]

_ELEMENTWISE = ("Identity", "Cast", "Sigmoid")
"""Operators that do the same to each column."""
BATCH = 65536
"""Events per call of a session: bounds the memory, does not change a score."""
_TRIED = 512
"""Rows on which the classifiers apart are compared with the whole."""
_FULL = 16
"""Rows of a call are a multiple of this: the library that onnxruntime takes logarithms with computes what is left over of its
vectors in another way, and the score of an event must not depend on which events it comes with."""


def open_session(content: bytes, path: str) -> Any:
    """A session on one thread of the CPU.

    Parameters
    ----------
    content
        The model.
    path
        What messages call it.

    Raises
    ------
    ModelFileError
        If onnxruntime cannot load it.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1  # a worker has one core; the default doubles the CPU time
    options.inter_op_num_threads = 1
    options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
    options.log_severity_level = 4
    try:
        return ort.InferenceSession(content, sess_options=options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime has no common base class
        msg = f"onnxruntime cannot load the model {path}: {first_line(error)}"
        raise ModelFileError(msg) from error


def first_line(error: Exception) -> str:
    """What an error of onnxruntime says, in one line."""
    return str(error).strip().splitlines()[0][:300] if str(error).strip() else type(error).__name__


class Whole:
    """A model (its content, what it says about itself, what messages call it) as it is, all its classifiers at once.

    Its session is opened when it is needed, and never pickled.
    """

    def __init__(self, content: bytes, description: Description, path: str) -> None:
        self.content = content
        self.description = description
        self.path = path
        self._session: Any = None

    def open(self) -> Any:
        """The session."""
        if self._session is None:
            self._session = open_session(self.content, self.path)
        return self._session

    def run(self, x: NDArray[np.float32]) -> NDArray[np.float32]:
        """The scores of all classifiers for features of shape (N, n_features), shape (N, n_folds).

        Raises
        ------
        ModelFileError
            If onnxruntime fails, or gives another number of scores.
        """
        folds = self.description.n_folds
        scores = np.empty((len(x), folds), dtype=np.float32)
        session = self.open()
        for start in range(0, len(x), BATCH):
            part = np.ascontiguousarray(x[start : start + BATCH])
            given = full(part)
            try:
                out = session.run([self.description.output], {self.description.input: given})[0]
            except Exception as error:  # onnxruntime has no common base class
                msg = f"onnxruntime failed on the model {self.path}: {first_line(error)}"
                raise ModelFileError(msg) from error
            if out.size != len(given) * folds:
                msg = f"The model {self.path} gave an output of shape {out.shape} for {len(given)} events: ({len(given)}, {folds}) is expected."
                raise ModelFileError(msg)
            scores[start : start + len(part)] = out.reshape(-1, folds)[: len(part)]
        return scores

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}


class FoldGraphs(NamedTuple):
    """A model with one input and one output for each fold, serialised, and their names."""

    content: bytes
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]


class _Column(NamedTuple):
    """A tensor of one column, and the operators that are yet applied to it, in their order."""

    tensor: str
    then: tuple[Any, ...]


def taken_apart(model: onnx.ModelProto, source: str, output: str, n_folds: int) -> FoldGraphs | None:
    """The graph once per fold.

    Parameters
    ----------
    model
        A checked model of one input `source`, (N, n_features), whose `output` has the shape (N, `n_folds`).
    source, output, n_folds
        Of it.

    Returns
    -------
    FoldGraphs or None
        None if the graph does not put columns side by side at its end, or has parts that are graphs themselves.  That each of
        the tensors put together has one column is not looked at: whoever uses it compares a few scores.
    """
    import onnx
    from onnx import helper

    graph = model.graph
    if n_folds < 2 or any(
        attribute.HasField("g") or attribute.graphs for n in graph.node for attribute in n.attribute
    ):
        return None
    made = {name: node for node in graph.node for name in node.output}
    columns = _columns(made, output, n_folds)
    if columns is None:
        return None
    constants = {tensor.name: tensor for tensor in graph.initializer}
    nodes: list[Any] = []
    used: set[str] = set()
    for fold, column in enumerate(columns):
        one = _Fold(f"massgap_fold_{fold}_", made, constants, n_folds)
        last = one.tensor(column)
        nodes += [*one.nodes, helper.make_node("Identity", [last], [f"{one.prefix}{output}"])]
        used |= one.constants
    prefixes = [f"massgap_fold_{fold}_" for fold in range(n_folds)]
    (given,) = (value for value in graph.input if value.name == source)
    width = [dim.dim_value or dim.dim_param or None for dim in given.type.tensor_type.shape.dim][1:]
    apart = helper.make_model(
        helper.make_graph(
            nodes,
            "massgap_folds_apart",
            [
                helper.make_tensor_value_info(f"{p}{source}", 1, [f"events_{i}", *width])
                for i, p in enumerate(prefixes)
            ],
            [
                helper.make_tensor_value_info(f"{p}{output}", 1, [f"events_{i}", 1])
                for i, p in enumerate(prefixes)
            ],
            initializer=[tensor for name, tensor in constants.items() if name in used],
        ),
        opset_imports=list(model.opset_import),
        ir_version=model.ir_version,
    )
    apart.functions.extend(model.functions)
    try:
        onnx.checker.check_model(apart)
    except onnx.checker.ValidationError:  # of a form that was not thought of: the whole graph scores as well
        return None
    return FoldGraphs(
        apart.SerializeToString(),
        tuple(f"{p}{source}" for p in prefixes),
        tuple(f"{p}{output}" for p in prefixes),
    )


def _columns(made: dict[str, Any], name: str, n_folds: int) -> list[_Column] | None:
    """What is put side by side to make a tensor of a column per fold, and what happens to it afterwards."""
    then: list[Any] = []
    while name in made and made[name].op_type in _ELEMENTWISE:
        then.insert(0, made[name])
        name = made[name].input[0]
    node = made.get(name)
    if node is None or node.op_type != "Concat" or len(node.input) != n_folds:
        return None
    (axis,) = (attribute.i for attribute in node.attribute if attribute.name == "axis")
    return [_Column(one, tuple(then)) for one in node.input] if axis in (1, -1) else None


class _Fold:
    """Copies what a tensor of one fold is made of."""

    def __init__(self, prefix: str, made: dict[str, Any], constants: dict[str, Any], n_folds: int) -> None:
        self.prefix = prefix
        self.nodes: list[Any] = []
        self.constants: set[str] = set()
        self._made, self._known, self._n_folds = made, constants, n_folds
        self._done: dict[str, str] = {}

    def tensor(self, column: _Column) -> str:
        """Name of the copy of a column."""
        name = self._copied(column.tensor)
        for node in column.then:
            name = self._again(node, name)
        return name

    def _copied(self, name: str) -> str:
        """Name of the copy of a tensor; what comes before it is copied first."""
        todo = [name]
        while todo:
            here = todo[-1]
            if here in self._done:
                todo.pop()
            elif here == "" or here in self._known:
                self.constants.add(here)
                self._done[here] = here
            elif here not in self._made:
                self._done[here] = f"{self.prefix}{here}"
            elif (column := self._picked(self._made[here])) is not None:
                if column.tensor not in self._done:
                    todo.append(column.tensor)
                    continue
                self._done[here] = self.tensor(column)
            else:
                node = self._made[here]
                if before := [one for one in node.input if one not in self._done]:
                    todo += before
                    continue
                copy = self._copy(node)
                copy.input[:] = [self._done[one] for one in node.input]
                copy.output[:] = [one and f"{self.prefix}{one}" for one in node.output]
                self._done |= {one: f"{self.prefix}{one}" for one in node.output if one}
        return self._done[name]

    def _picked(self, node: Any) -> _Column | None:
        """The column that an operator takes out of columns put side by side, where it does that."""
        from onnx import numpy_helper

        if node.op_type != "Gather" or node.input[1] not in self._known:
            return None
        axis = next((attribute.i for attribute in node.attribute if attribute.name == "axis"), 0)
        place = numpy_helper.to_array(self._known[node.input[1]])
        columns = _columns(self._made, node.input[0], self._n_folds)
        if columns is None or axis not in (1, -1) or place.shape != (1,) or not 0 <= place[0] < len(columns):
            return None
        return columns[int(place[0])]

    def _again(self, node: Any, name: str) -> str:
        copy = self._copy(node)
        copy.input[:] = [name]
        copy.output[:] = [f"{self.prefix}{node.output[0]}_{len(self.nodes)}"]
        return str(copy.output[0])

    def _copy(self, node: Any) -> Any:
        import onnx

        copy = onnx.NodeProto()
        copy.CopyFrom(node)
        copy.name = ""
        self.nodes.append(copy)
        return copy


class Apart:
    """Scores of the classifiers of a model, each on its own events.

    Parameters
    ----------
    graphs
        The classifiers.
    path
        What messages call the model.
    """

    def __init__(self, graphs: FoldGraphs, path: str) -> None:
        self.graphs = graphs
        self.path = path
        self._session: Any = None

    def score(self, x: NDArray[np.float32], fold: NDArray[np.intp]) -> NDArray[np.float32]:
        """The score of each event by the classifier of its fold, shape (N,).

        Parameters
        ----------
        x
            Features, shape (N, n_features).
        fold
            Shape (N,).

        Raises
        ------
        ModelFileError
            If onnxruntime fails.
        """
        if self._session is None:
            self._session = open_session(self.graphs.content, self.path)
        x = np.ascontiguousarray(x)
        out = np.empty(len(x), np.float32)
        rows = [np.flatnonzero(fold == i) for i in range(len(self.graphs.inputs))]
        for start in range(0, max(map(len, rows)), BATCH):
            parts = [mine[start : start + BATCH] for mine in rows]
            given = {
                name: x.take(full(part), axis=0) if len(part) else np.zeros((_FULL, x.shape[1]), x.dtype)
                for name, part in zip(self.graphs.inputs, parts, strict=True)
            }
            try:
                scores = self._session.run(self.graphs.outputs, given)
            except Exception as error:  # onnxruntime has no common base class
                msg = f"onnxruntime failed on the model {self.path}: {first_line(error)}"
                raise ModelFileError(msg) from error
            for part, found in zip(parts, scores, strict=True):
                out[part] = found.reshape(-1)[: len(part)]
        return out

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_session": None}


def apart(
    model: onnx.ModelProto,
    description: Description,
    path: str,
    width: int,
    whole: Callable[[NDArray[np.float32]], NDArray[np.float32]],
) -> Apart | None:
    """The classifiers of a model on their own events, if the graph allows it and not a bit of a score changes.

    Parameters
    ----------
    model
        A checked model.
    description
        What it says about itself.
    path
        What messages call it.
    width
        Number of its inputs.
    whole
        Scores of all its classifiers for float32 features of shape (N, n_features).
    """
    graphs = taken_apart(model, description.input, description.output, description.n_folds)
    if graphs is None:
        return None
    made = Apart(graphs, path)
    x = np.random.default_rng(0).normal(0.0, 3.0, (_TRIED, width)).astype(np.float32)
    x[::7] = np.nan
    fold = np.arange(_TRIED) % description.n_folds
    try:
        found = made.score(x, fold)
    except (ModelFileError, ValueError):  # of a form that was not thought of
        return None
    return made if np.array_equal(found, whole(x)[np.arange(_TRIED), fold], equal_nan=True) else None


def full(rows: NDArray[Any]) -> NDArray[Any]:
    """Rows with the last one repeated, as many as are computed in whole vectors.

    Examples
    --------
    >>> len(full(np.zeros((16, 2)))), len(full(np.zeros((17, 2))))
    (16, 32)
    """
    lacking = -len(rows) % _FULL
    return np.concatenate([rows, np.broadcast_to(rows[-1:], (lacking, *rows.shape[1:]))]) if lacking else rows
