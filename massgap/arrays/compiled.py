"""The decorator of all kernels and loops: compiled by numba on the first call, cached on disk.

numba looks for a changed source in the file of the function alone.  A kernel is compiled into its callers
in other files, though, and so is a number that they import: a changed formula would go on giving the old result
there.  Here the cache is valid for one content of all that the file imports, directly or not, wherever it lies.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any, TypeVar

from numba import njit

from massgap.source_code import imported_digest

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["compiled", "compiled_inline"]

F = TypeVar("F", bound="Callable[..., Any]")


def compiled(function: F) -> F:
    """Compile a function when it is first called, and keep the machine code on disk.

    The cache is in ``__pycache__`` beside the file, or in the user's cache folder where that is not
    writable.  Division by zero gives inf or NaN, and the interpreter's lock is released.

    Parameters
    ----------
    function
        A function of numbers, tuples of numbers or arrays, in the subset of Python that numba knows.

    Returns
    -------
    callable
        To be called from Python and from other compiled functions alike.

    Examples
    --------
    >>> @compiled
    ... def half(x: float) -> float:
    ...     return 0.5 * x
    >>> half.__name__
    'half'
    """
    return _compiled(function, forceinline=False)


def compiled_inline(function: F) -> F:
    """Like :func:`compiled`, for arithmetic that must become part of the loops that call it.

    A call stands in the way of vector instructions, and the compiler leaves large functions as calls.

    Parameters
    ----------
    function
        A function of numbers without branches.

    Returns
    -------
    callable
    """
    return _compiled(function, forceinline=True)


def _compiled(function: F, *, forceinline: bool) -> F:
    dispatcher: Any = njit(nogil=True, error_model="numpy", forceinline=forceinline)(function)
    # NUMBA_DISABLE_JIT leaves the plain function; a function typed in at a prompt has no file to cache for.
    with contextlib.suppress(AttributeError, RuntimeError):
        dispatcher.enable_caching()
    # Not part of numba's public interface: without it the cache still works, with numba's own rule.
    cache_file: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(cache_file, "_source_stamp"):
        cache_file._source_stamp = (cache_file._source_stamp, imported_digest(function.__code__.co_filename))
    result: F = dispatcher
    return result
