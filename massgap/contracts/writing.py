"""How files are written and read that one stage leaves for the next.

A file is the old one or the complete new one, whatever ends the process in between; and it is plain data: nothing here
reads or writes a pickle.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import platform
import secrets
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import ContractError, FolderError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from massgap.errors import MassgapError

__all__ = [
    "NUMBERS",
    "OPTIONAL",
    "digest",
    "prepare_folder",
    "read_json",
    "replacing",
    "versions",
    "write_atomically",
    "write_json",
]

NUMBERS = ("massgap", "coffea", "awkward", "uproot", "hist", "numpy", "numba", "onnxruntime", "vector")
"""Packages that can change a number of a run."""

OPTIONAL = ("pyhf", "scipy", "xgboost", "jax", "pythia8mc", "fastjet", "dask")
"""Packages of fits, and of extras."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[Path]:
    """A name beside a file to write to; what was written takes the file's place at the end, or nothing does.

    Parameters
    ----------
    path
        The file; its folder must be there.
    durable
        Wait until the content is on the disk before the old file is given up, so that a crash of the machine leaves one
        of the two.  Not needed for what is made again where it is damaged.

    Yields
    ------
    pathlib.Path
        The name to write to.

    Raises
    ------
    OSError
        If it cannot be written.

    Examples
    --------
    >>> with replacing("table.txt") as part:  # doctest: +SKIP
    ...     part.write_text("1 2 3")
    """
    path = Path(path)
    part = path.with_name(f".{path.name}.{os.getpid()}-{secrets.token_hex(4)}.part")
    try:
        yield part
        if durable:
            handle = os.open(part, os.O_RDONLY)
            try:
                os.fsync(handle)
            finally:
                os.close(handle)
        part.replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise


def write_atomically(path: str | os.PathLike[str], content: bytes, *, durable: bool = True) -> None:
    """Write a file so that it is either the old one or the complete new one.

    Parameters
    ----------
    path, durable
        As for :func:`replacing`.
    content
        All of it.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    with replacing(path, durable=durable) as part:
        part.write_bytes(content)


def write_json(
    path: str | os.PathLike[str],
    content: Any,
    *,
    indent: int | None = 1,
    default: Callable[[Any], Any] | None = str,
    allow_nan: bool = True,
    durable: bool = True,
) -> None:
    """Write plain data as JSON, see :func:`write_atomically`.

    Parameters
    ----------
    path, content
        What to write where.
    indent
        Of the lines; None for one line.
    default
        Makes something plain of what JSON does not know; None refuses it.
    allow_nan
        Whether NaN and infinity may be in it, which strict readers do not take.
    durable
        As for :func:`replacing`.

    Raises
    ------
    TypeError, ValueError
        If JSON cannot express the content.
    OSError
        If the file cannot be written.
    """
    text = json.dumps(content, indent=indent, default=default, allow_nan=allow_nan)
    write_atomically(path, (text + "\n").encode(), durable=durable)


def read_json(
    path: str | os.PathLike[str],
    form: str | None = None,
    *,
    remedy: str,
    missing: str = "",
    error: type[MassgapError] = ContractError,
    absent: type[MassgapError] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Read one JSON file with an object in it.

    Parameters
    ----------
    path
        The file.
    form
        What its ``format`` must be; None does not ask.
    remedy
        A sentence: what to do where the file is missing, damaged or of another format.
    missing
        More about a missing file, for instance what its folder then is not.
    error
        Which error is raised.
    absent
        Which error is raised for a missing file, if another one.
    **options
        Of :func:`json.loads`.

    Raises
    ------
    MassgapError
        Of the type ``error``, naming the file, the fault and the remedy.
    """
    path = Path(path)
    try:
        content = json.loads(path.read_text(encoding="utf-8"), **options)
    except FileNotFoundError:
        message = f"{path} is missing{': ' if missing else ''}{missing}. {remedy}"
        raise (absent or error)(message) from None
    except json.JSONDecodeError as fault:
        message = f"{path} is damaged (line {fault.lineno}: {fault.msg}). {remedy}"
        raise error(message) from fault
    except (OSError, UnicodeDecodeError) as fault:
        message = f"{path} cannot be read ({getattr(fault, 'strerror', None) or fault}). {remedy}"
        raise error(message) from fault
    found = content.get("format") if isinstance(content, dict) else None
    if not isinstance(content, dict) or (form is not None and found != form):
        message = f"{path} has the format {found!r}, but {form or 'an object'!r} is needed. {remedy}"
        raise error(message)
    return content


def prepare_folder(folder: str | os.PathLike[str]) -> Path:
    """Make an output folder and check that it can be written, before any work is done.

    Raises
    ------
    FolderError
        If it is a file, or cannot be made or written.
    """
    path = Path(folder)
    probe = path / f".write-test-{os.getpid()}"
    try:
        path.mkdir(parents=True, exist_ok=True)
        probe.write_bytes(b"massgap")
        probe.unlink()
    except (FileExistsError, NotADirectoryError) as error:
        msg = f"the output folder {path} is, or lies below, a file; choose another with --out"
        raise FolderError(msg) from error
    except OSError as error:
        msg = f"the output folder {path} cannot be written ({error.strerror}); choose another with --out"
        raise FolderError(msg) from error
    return path


def digest(value: Any) -> str:
    """SHA-256 of plain data, independent of the order of dictionary keys.

    Examples
    --------
    >>> digest({"a": 1, "b": 2}) == digest({"b": 2, "a": 1})
    True
    """
    text = json.dumps(value, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()


def versions(packages: tuple[str, ...] = NUMBERS) -> dict[str, str]:
    """Versions of Python and of packages; those that are not installed are left out.

    Parameters
    ----------
    packages
        Their names; by default those that can change a number of a run.
    """
    out = {"python": platform.python_version()}
    for name in packages:
        with contextlib.suppress(PackageNotFoundError):
            out[name] = version(name)
    return out
