"""The decorator of all kernels and loops: compiled by numba on the first call, cached on disk.

numba looks for a changed source in the file of the function alone.  A kernel is compiled into its callers
in other files, though, and so is a number that they import: a changed formula would go on giving the old result
there.  Here the cache is valid for one content of all that the file imports, directly or not, wherever it lies.

So machine code may travel: :func:`write_machine_code` collects what belongs to the present source, for a copy of the package on
another machine.  It is used there only by the same numba, for the same source, on a processor with the same name and
features; each of these is part of what numba compares, and otherwise the function is compiled as if nothing had come.
"""

from __future__ import annotations

import contextlib
import shutil
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from numba import njit

from massgap.source_code import PACKAGE, imported_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["compiled", "compiled_inline", "for_arrays_only", "write_machine_code"]

F = TypeVar("F", bound="Callable[..., Any]")

_KERNELS: list[weakref.ref[Any]] = []
"""What was decorated in this process."""


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


@contextlib.contextmanager
def for_arrays_only() -> Iterator[None]:
    """Spare what runs here what other libraries add to numba, where kernels take numbers and NumPy arrays alone.

    Before the first kernel numba asks all installed libraries for what they add, and so imports awkward and vector: half a
    second, in which a small workspace is fitted many times. What is compiled later gets them as ever.
    """
    from numba.core import entrypoints

    # Not part of numba's public interface: without it all works, only later.
    if getattr(entrypoints, "_already_initialized", True):
        yield
        return
    entrypoints._already_initialized = True
    try:
        yield
    finally:
        entrypoints._already_initialized = False


def _compiled(function: F, *, forceinline: bool) -> F:
    dispatcher: Any = njit(nogil=True, error_model="numpy", forceinline=forceinline)(function)
    # NUMBA_DISABLE_JIT leaves the plain function; a function typed in at a prompt has no file to cache for.
    with contextlib.suppress(AttributeError, RuntimeError):
        dispatcher.enable_caching()
    # Not part of numba's public interface: without it the cache still works, with numba's own rule.
    cache_file: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(cache_file, "_source_stamp"):
        cache_file._source_stamp = (cache_file._source_stamp, imported_digest(function.__code__.co_filename))
        _KERNELS.append(weakref.ref(dispatcher))
    result: F = dispatcher
    return result


def write_machine_code(folder: str | Path) -> int:
    """Copy the machine code of the package's functions, as far as it is on disk and belongs to the present source.

    Only functions of modules that this process has imported are looked at; whether this process or an earlier one
    has compiled them does not matter.

    Parameters
    ----------
    folder
        Copied to as if it were the folder of the package: ``folder/selections/.../__pycache__/NAME.nbi`` and ``.nbc``.

    Returns
    -------
    int
        Number of files.
    """
    count = 0
    for reference in _KERNELS:
        dispatcher = reference()
        if dispatcher is None:
            continue
        source = Path(dispatcher.py_func.__code__.co_filename)
        if PACKAGE not in source.parents:
            continue
        target = Path(folder) / source.relative_to(PACKAGE).parent / "__pycache__"
        count += _copy_cache(dispatcher._cache._cache_file, target)
    return count


def _copy_cache(cache_file: Any, target: Path) -> int:
    """Copy one function's index and machine code, or nothing: its index must be the same before and after."""
    index = Path(cache_file._index_path)
    for _ in range(3):
        try:
            before = index.read_bytes()
        except OSError:
            return 0
        # Empty for another version of numba or another source.
        names = sorted(set(cache_file._load_index().values()))
        if not names:
            return 0
        target.mkdir(parents=True, exist_ok=True)
        try:
            for name in names:
                shutil.copyfile(index.parent / name, target / name)
            unchanged = index.read_bytes() == before
        except OSError:
            unchanged = False
        if unchanged:
            (target / index.name).write_bytes(before)
            return 1 + len(names)
        # Another process is at it.
        for name in names:
            (target / name).unlink(missing_ok=True)
    return 0
