"""Array functions made from compiled scalar loops.

Each observable has a scalar kernel and a loop over flat arrays, both compiled by numba on the first
call and cached on disk (in numba's user cache where the package is installed read-only).
:func:`elementwise` hands such a loop the flattened, broadcast inputs and gives the results the shape
of the inputs: numbers, NumPy arrays of any dimension, or awkward arrays, jagged ones included.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from massgap.arrays.errors import SelectionError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Floats", "elementwise"]

Floats: TypeAlias = npt.NDArray[np.float64]
"""Double precision array, of any shape."""


def elementwise(loop: Callable[..., None], *inputs: Any, outputs: int = 1) -> Any:
    """Apply a compiled loop to inputs that broadcast against each other.

    Parameters
    ----------
    loop
        Function of as many one-dimensional contiguous float64 arrays as there are inputs and outputs;
        it fills the last ``outputs`` of them.
    *inputs
        Numbers, array-likes or awkward arrays, broadcast by the rules of NumPy or awkward.
    outputs
        Number of results.

    Returns
    -------
    float, numpy.ndarray, awkward.Array or a tuple of them
        Always in double precision; a ``numpy.float64`` if all inputs are scalars, a tuple if there is
        more than one output.

    Raises
    ------
    SelectionError
        If an input is not numeric, or the shapes do not broadcast.
    """
    if any(_is_awkward(value) for value in inputs):
        results = _on_awkward(loop, inputs, outputs)
    else:
        results = _on_numpy(loop, inputs, outputs)
    return results if outputs > 1 else results[0]


def _is_awkward(value: Any) -> bool:
    # Asked by name, so that plain NumPy users do not pay for importing awkward.
    return any(cls.__module__.startswith("awkward.") for cls in type(value).__mro__)


def _as_float64(value: Any) -> Floats:
    try:
        array = np.asarray(value)
    except ValueError:
        array = np.empty(0, dtype=object)
    if array.dtype.kind not in "fiub":
        msg = (
            f"An observable needs real numbers, but one input is {type(value).__name__} "
            f"({value!r:.60}). Give numbers, NumPy arrays or awkward arrays."
        )
        raise SelectionError(msg)
    return array.astype(np.float64, copy=False)


def _on_numpy(loop: Callable[..., None], inputs: tuple[Any, ...], outputs: int) -> tuple[Any, ...]:
    arrays = [_as_float64(value) for value in inputs]
    try:
        shape = np.broadcast_shapes(*(array.shape for array in arrays))
    except ValueError as error:
        shapes = ", ".join(str(array.shape) for array in arrays)
        msg = f"The inputs of an observable do not fit together: their shapes are {shapes}. Give one value per event each."
        raise SelectionError(msg) from error
    flat = [np.ascontiguousarray(np.broadcast_to(array, shape)).reshape(-1) for array in arrays]
    results = [np.empty(flat[0].size) for _ in range(outputs)]
    loop(*flat, *results)
    return tuple(result.reshape(shape)[()] for result in results)


def _on_awkward(loop: Callable[..., None], inputs: tuple[Any, ...], outputs: int) -> tuple[Any, ...]:
    import awkward as ak

    values = [value if _is_awkward(value) else _as_float64(value) for value in inputs]
    # Numbers go around awkward, which broadcasts arrays only.
    places = [i for i, value in enumerate(values) if _is_awkward(value) or value.ndim > 0]
    if len(places) == 1:
        # For one array alone ak.transform has another interface; the same array twice keeps to the common one.
        places *= 2

    def action(layouts: tuple[Any, ...], **_: Any) -> tuple[Any, ...] | None:
        if not all(layout.is_numpy or layout.is_unknown for layout in layouts):
            return None
        flat = list(values)
        for place, layout in zip(places, layouts, strict=True):
            flat[place] = layout.to_NumpyArray(np.float64).data if layout.is_unknown else layout.data
        return tuple(ak.contents.NumpyArray(result) for result in _on_numpy(loop, tuple(flat), outputs))

    try:
        results = ak.transform(action, *(values[i] for i in places))
    except SelectionError:
        raise
    except ValueError as error:
        reason = str(error).strip().splitlines()[0]
        msg = f"The inputs of an observable do not fit together: {reason}. Give arrays with the same numbers of objects."
        raise SelectionError(msg) from error
    return results if outputs > 1 else (results,)
