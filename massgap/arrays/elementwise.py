"""Array functions made from compiled functions of numbers.

An observable is written as a scalar kernel.  The loop over flat arrays is the same for all of them but for the number
of inputs and results: :func:`loop_over` writes it.  Both are compiled by numba on the first call and cached on disk
(in numba's user cache where the package is installed read-only).  :func:`elementwise` hands the loop the flattened,
broadcast inputs and gives the results the shape of the inputs: numbers, NumPy arrays of any dimension, or awkward
arrays, jagged ones included.  What is missing in an input, masked in a NumPy array or None in an awkward one, is
missing in the results in the same way, whatever number lies below the mask.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
import numpy.typing as npt

from massgap.arrays.compiled import compiled
from massgap.arrays.errors import SelectionError

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["Floats", "broadcast", "comparable", "elementwise", "loop_over", "of_flat_arrays"]

Floats: TypeAlias = npt.NDArray[np.float64]
"""Double precision array, of any shape."""


def elementwise(
    kernel: Callable[..., Any], *inputs: Any, outputs: int = 1, groups: tuple[int, ...] | None = None
) -> Any:
    """Apply a compiled function of numbers to inputs that broadcast against each other.

    Parameters
    ----------
    kernel
        Function of as many numbers as there are inputs; it gives a number, or a tuple of ``outputs`` numbers.
    *inputs
        Numbers, array-likes or awkward arrays, broadcast by the rules of NumPy or awkward.
    outputs
        Number of results.
    groups
        For a kernel that takes tuples of numbers: how many of the inputs, in their order, make up each of them.

    Returns
    -------
    float, numpy.ndarray, numpy.ma.MaskedArray, awkward.Array or a tuple of them
        Always in double precision; a ``numpy.float64`` if all inputs are scalars, a tuple if there is
        more than one output. Masked, or of option type, where any input is.

    Raises
    ------
    SelectionError
        If an input is not numeric, or the shapes do not broadcast.

    Examples
    --------
    >>> def over(a: float, b: float) -> float:
    ...     return a / b
    >>> elementwise(compiled(over), np.ma.masked_array([60.0, 30.0], [False, True]), 120.0).tolist()
    [0.5, None]
    """
    return broadcast(loop_over(kernel, groups or len(inputs), outputs), *inputs, outputs=outputs)


def of_flat_arrays(kernel: Callable[..., Any], *arrays: Floats, outputs: int = 1) -> Any:
    """The same for contiguous float64 arrays of one shape (objects,), which are not checked.

    Returns
    -------
    numpy.ndarray or tuple of numpy.ndarray
    """
    results = tuple(np.empty(arrays[0].size) for _ in range(outputs))
    loop_over(kernel, len(arrays), outputs)(*arrays, *results)
    return results if outputs > 1 else results[0]


@functools.cache
def loop_over(
    kernel: Callable[..., Any], inputs: int | tuple[int, ...], outputs: int = 1
) -> Callable[..., None]:
    """The compiled loop that applies a function of numbers to flat arrays.

    numba compiles and caches functions, not closures over other compiled functions: so the few lines of the loop are
    written as text, with one name per array, and belong to the file of the kernel, beside whose machine code theirs
    is kept.

    Parameters
    ----------
    kernel
        As for :func:`elementwise`.
    inputs
        Number of its arguments; for tuples as arguments how many numbers are in each.
    outputs
        Number of results.

    Returns
    -------
    callable
        Function of one-dimensional float64 arrays of one length; it fills the last ``outputs`` of them.

    Examples
    --------
    >>> def over(a: float, b: float) -> float:
    ...     return a / b
    >>> out = np.empty(2)
    >>> loop_over(compiled(over), 2)(np.array([60.0, 30.0]), np.array([120.0, 120.0]), out)
    >>> out.tolist()
    [0.5, 0.25]
    """
    sizes = (1,) * inputs if isinstance(inputs, int) else inputs
    names = iter(f"in{k}" for k in range(sum(sizes)))
    groups = [[next(names) for _ in range(size)] for size in sizes]
    arguments = [f"({', '.join(f'{x}[i]' for x in group)})" for group in groups]
    results = [f"out{k}" for k in range(outputs)]
    code = getattr(kernel, "py_func", kernel).__code__
    name = f"{kernel.__name__}_loop_{outputs}_{'_'.join(map(str, sizes)) if max(sizes) > 1 else len(sizes)}"
    lines = (
        f"def {name}({', '.join([*(x for group in groups for x in group), *results])}):",
        f"    for i in range({results[0]}.size):",
        f"        {', '.join(f'{x}[i]' for x in results)} = kernel({', '.join(arguments)})",
    )
    # At the line of the kernel, for numba's messages.
    text = "\n" * (code.co_firstlineno - 1) + "\n".join(lines)
    namespace: dict[str, Any] = {"kernel": kernel, "__name__": kernel.__module__}
    exec(compile(text, code.co_filename, "exec"), namespace)  # noqa: S102 (numba takes functions only)
    loop: Callable[..., None] = compiled(namespace[name])
    return loop


def broadcast(loop: Callable[..., None], *inputs: Any, outputs: int = 1) -> Any:
    """Apply a function of flat arrays to inputs that broadcast against each other.

    Parameters
    ----------
    loop
        Function of as many one-dimensional contiguous float64 arrays as there are inputs and outputs;
        it fills the last ``outputs`` of them.
    *inputs, outputs
        As for :func:`elementwise`.

    Returns
    -------
    float, numpy.ndarray, awkward.Array or a tuple of them
        As for :func:`elementwise`.

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
    shaped = tuple(result.reshape(shape)[()] for result in results)
    masks = [np.ma.getmaskarray(value) for value in inputs if isinstance(value, np.ma.MaskedArray)]
    if not masks:
        return shaped
    missing = np.broadcast_to(functools.reduce(np.logical_or, masks), shape)
    # What lies below a mask is any number: no result of it may be looked at, nor may two results share a mask.
    return tuple(
        np.ma.MaskedArray(np.where(missing, np.nan, result), np.array(missing))[()] for result in shaped
    )


def _with_options(value: Any) -> Any:
    """A masked array of NumPy as an awkward array, in which what is masked is None; anything else as it is."""
    if not isinstance(value, np.ma.MaskedArray) or value.ndim == 0:
        return value
    import awkward as ak

    _as_float64(value)  # refuses what is not numeric
    return ak.from_numpy(value)


def _on_awkward(loop: Callable[..., None], inputs: tuple[Any, ...], outputs: int) -> tuple[Any, ...]:
    import awkward as ak

    if any(value is np.ma.masked for value in inputs):
        given = tuple(np.nan if value is np.ma.masked else value for value in inputs)
        return tuple(
            ak.mask(result, np.zeros(len(result), bool)) for result in _on_awkward(loop, given, outputs)
        )
    values = [value if _is_awkward(value) else _as_float64(value) for value in map(_with_options, inputs)]
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


def comparable(x: Any) -> Any:
    """Something that compares element by element: lists and numbers become arrays, NumPy and awkward arrays stay.

    Examples
    --------
    >>> (comparable([1.0, 3.0]) > 2.0).tolist()
    [False, True]
    """
    return x if hasattr(x, "__array__") else np.asarray(x)
