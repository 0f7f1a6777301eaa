"""The decorator of all kernels and loops: compiled by numba on the first call, cached on disk.

numba looks for a changed source in the file of the function alone.  A kernel is compiled into its callers
in other files, though, and so is a number that they import: a changed formula would go on giving the old result
there.  Here the cache is valid for one content of all that the file imports, directly or not, wherever it lies.

So machine code may travel: :func:`write_machine_code` collects what belongs to the present source, for a copy of the package on
another machine.  It is used there only by the same numba, for the same source, on a processor with the same name and
features; each of these is part of what numba compares, and otherwise the function is compiled as if nothing had come.

What Python calls needs code that unpacks Python's arguments and packs the result, which takes as long to compile as a small
function itself; what only compiled code calls does not need it.  Each function is therefore compiled for who calls it.
"""

from __future__ import annotations

import contextlib
import functools
import shutil
import types
import weakref
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from numba import njit

from massgap.source_code import PACKAGE, imported_digest

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["compiled", "compiled_in_place", "compiled_inline", "for_arrays_only", "write_machine_code"]

F = TypeVar("F", bound="Callable[..., Any]")

_KERNELS: list[weakref.ref[Any]] = []
"""What was decorated in this process."""

_INSIDE: list[weakref.ref[_Inside]] = []
"""The same as compiled code calls it."""


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
    return _compiled(function)


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


def compiled_in_place(function: F) -> F:
    """Like :func:`compiled`, for a part of one other function that was only cut out to be read.

    It becomes lines of its caller before these are compiled.  A function that is compiled by itself is optimised, and made
    machine code, once more in each function above it, together with all that it calls: for loops over blocks of events, which
    are many lines for the processor, that is most of the time of a first run.

    Parameters
    ----------
    function
        A function that is called in one place.

    Returns
    -------
    callable
    """
    return _compiled(function, inline="always")


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


def _compiled(function: F, **options: Any) -> F:
    result: F = _dispatcher(function, **options)
    # Not part of numba's public interface: without it compiled code calls what Python calls, and all works.  A function that
    # calls itself is left to numba, which must know that it is being compiled.
    replaced = all(hasattr(result, name) for name in ("get_call_template", "get_overload"))
    code = function.__code__
    if replaced and function.__name__ not in (*code.co_names, *code.co_freevars):
        inside: Any = _Inside(function, options)
        untyped: Any = result
        untyped.get_call_template, untyped.get_overload = inside.get_call_template, inside.get_overload
        _INSIDE.append(weakref.ref(inside))
    return result


class _Inside:
    """A function as other compiled functions call it: without what unpacks the arguments of Python, which must not call it.

    Made when the first of them asks for it.
    """

    def __init__(self, function: Callable[..., Any], options: dict[str, Any]) -> None:
        self._function, self._options = function, options

    @functools.cached_property
    def dispatcher(self) -> Any:
        """What numba compiles."""
        f = self._function
        copy = types.FunctionType(f.__code__, f.__globals__, f.__name__, f.__defaults__, f.__closure__)
        copy.__kwdefaults__ = f.__kwdefaults__
        # The machine code of both is kept in files of this name.
        copy.__qualname__ = f"{f.__qualname__}.inside"
        return _dispatcher(copy, no_cpython_wrapper=True, **self._options)

    def get_call_template(self, args: Any, kws: Any) -> Any:
        """As numba's dispatchers have it: compile for these types of arguments, and what that gives."""
        return self.dispatcher.get_call_template(args, kws)

    def get_overload(self, signature: Any) -> Any:
        """As numba's dispatchers have it: what was compiled."""
        return self.dispatcher.get_overload(signature)


def _dispatcher(function: Any, **options: Any) -> Any:
    # Functions are never handed to compiled code as pointers of C.
    settings: dict[str, Any] = {"nogil": True, "error_model": "numpy", "no_cfunc_wrapper": True, **options}
    dispatcher: Any = njit(**settings)(function)
    # NUMBA_DISABLE_JIT leaves the plain function; a function typed in at a prompt has no file to cache for.
    with contextlib.suppress(AttributeError, RuntimeError):
        dispatcher.enable_caching()
    # Not part of numba's public interface: without it the cache still works, with numba's own rule.
    cache_file: Any = getattr(getattr(dispatcher, "_cache", None), "_cache_file", None)
    if hasattr(cache_file, "_source_stamp"):
        cache_file._source_stamp = (cache_file._source_stamp, imported_digest(function.__code__.co_filename))
        _KERNELS.append(weakref.ref(dispatcher))
    return dispatcher


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
    # Also what this process had no need of, as the machine code of its callers was on disk.
    for inside in filter(None, [reference() for reference in _INSIDE]):
        _ = inside.dispatcher  # made now, it is among all others
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
