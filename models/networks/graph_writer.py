"""A small writer of ONNX graphs: an operator is called, its result is a name that the next one takes.

It writes what a network needs and nothing else, in opset 15 and IR version 8, which every onnxruntime that massgap
supports reads: jax2onnx writes opset 23 of a traced function, with its shapes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

__all__ = ["GraphWriter"]

_FLOAT, _DOUBLE = 1, 11  # TensorProto's numbers of the element types


class GraphWriter:
    """Collects operators and constants of one graph.

    Parameters
    ----------
    prefix
        Of all names, so that several writers may fill one graph.
    double
        Whether numbers are float64 inside the graph.
    """

    def __init__(self, prefix: str = "", *, double: bool = False) -> None:
        self.prefix = prefix
        self.kind: type[np.floating[Any]] = np.float64 if double else np.float32
        self.nodes: list[Any] = []
        self.initializers: list[Any] = []
        self._constants: dict[tuple[str, tuple[int, ...], bytes], str] = {}
        self._names = 0

    def op(self, kind: str, *inputs: str | ArrayLike, **attributes: Any) -> str:
        """Add an operator with one result; inputs that are no names become constants."""
        return self.ops(kind, 1, *inputs, **attributes)[0]

    def ops(self, kind: str, n_results: int, *inputs: str | ArrayLike, **attributes: Any) -> list[str]:
        """Add an operator with several results."""
        from onnx import helper

        names = [value if isinstance(value, str) else self.constant(value) for value in inputs]
        results = [self._name(kind) for _ in range(n_results)]
        self.nodes.append(helper.make_node(kind, names, results, **attributes))
        return results

    def constant(self, value: ArrayLike) -> str:
        """The name of a constant; real numbers have the type of the graph, equal constants are one."""
        from onnx import numpy_helper

        array: NDArray[Any] = np.asarray(value)
        if array.dtype.kind == "f":
            array = array.astype(self.kind)
        key = (array.dtype.str, array.shape, array.tobytes())
        if key not in self._constants:
            self._constants[key] = self._name("constant")
            # A scalar stays one: ascontiguousarray would make it a vector.
            made = numpy_helper.from_array(np.array(array, order="C"), self._constants[key])
            self.initializers.append(made)
        return self._constants[key]

    def number(self, name: str) -> str:
        """A tensor (float32, or True and False) as numbers of the graph's type."""
        return self.op("Cast", name, to=_DOUBLE if self.kind is np.float64 else _FLOAT)

    def single(self, name: str) -> str:
        """A tensor of the graph's type in float32."""
        return name if self.kind is np.float32 else self.op("Cast", name, to=_FLOAT)

    def dense(self, x: str, weight: ArrayLike, bias: ArrayLike) -> str:
        """``x @ weight + bias`` of a matrix."""
        return self.op("Gemm", x, weight, bias)

    def named(self, name: str, wanted: str) -> None:
        """Give a result the name of an output."""
        from onnx import helper

        self.nodes.append(helper.make_node("Identity", [name], [wanted]))

    def _name(self, kind: str) -> str:
        self._names += 1
        return f"{self.prefix}{kind.lower()}_{self._names}"
