"""Digests of source code: whether something stored was made by the code of today.

Two questions are answered by walking, never by a list of files: what the whole package, or a part of it, holds
(:func:`package_digest`), and what one file of Python imports, directly or not, of massgap or of a user's
own code (:func:`imported_files`).

The rooms stand at the top of the repository and are linked from the package.  Paths are therefore never
resolved here: behind its link, a room no longer lies in the package.
"""

from __future__ import annotations

import functools
import hashlib
import os
import re
import sys
import sysconfig
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["imported_digest", "imported_files", "imported_libraries", "is_own_file", "package_digest"]

PACKAGE = Path(os.path.abspath(__file__)).parent  # noqa: PTH100 (Path.resolve follows links)

_TYPES_ONLY = re.compile(r"^if TYPE_CHECKING:\n(?:[ \t]+.*\n|[ \t]*\n)*", re.MULTILINE)
_IMPORT = re.compile(r"^[ \t]*import[ \t]+(?P<names>[\w., \t]+)", re.MULTILINE)
_FROM = re.compile(
    r"^[ \t]*from[ \t]+(?P<dots>\.*)(?P<module>[\w.]*)[ \t]+import[ \t]+(?:\((?P<many>[^)]*)\)|(?P<few>[^\n#;]+))",
    re.MULTILINE,
)


@functools.cache
def package_digest(without: tuple[str, ...] = (), only: tuple[str, ...] = ("",)) -> str:
    """SHA-256 of all files of the package, found by walking it; read once in a process.

    Parameters
    ----------
    without
        Folders (relative to the package, with slashes) that are left out, for instance ``("reports",)``.
    only
        Folders or files that are looked at; all by default.

    Returns
    -------
    str

    Raises
    ------
    ValueError
        If a name is neither a folder nor a file of the package, so that a folder which moves cannot drop out unnoticed.
    """
    for name in (*without, *only):
        if not (PACKAGE / name).exists():
            msg = f"massgap has no {name}: name a folder or file of the package"
            raise ValueError(msg)
    out = hashlib.sha256()
    for path in _walk(PACKAGE):
        name = path.relative_to(PACKAGE).as_posix()
        if any(_lies_in(name, part) for part in only) and not any(_lies_in(name, part) for part in without):
            out.update(name.encode() + b"\0" + path.read_bytes() + b"\0")
    return out.hexdigest()


def _lies_in(name: str, folder: str) -> bool:
    return not folder or name == folder or name.startswith(f"{folder}/")


def _walk(top: Path) -> list[Path]:
    found = []
    for folder, folders, files in os.walk(top, followlinks=True):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
        found += [
            Path(folder) / name
            for name in files
            if not name.startswith(".") and not name.endswith((".pyc", ".pyo", ".nbi", ".nbc"))
        ]
    return sorted(found)


def imported_files(path: str | os.PathLike[str]) -> tuple[Path, ...]:
    """A file of Python and all that it imports, directly or not, that belongs to no other library.

    Also imports inside functions count, and those of modules that were not loaded yet; imports for
    types only do not.  Python's own library and installed packages other than massgap are left out.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    tuple of pathlib.Path
        Sorted, the file itself among them.
    """
    seen: dict[Path, None] = {}
    todo = [Path(os.path.abspath(path))]  # noqa: PTH100 (Path.resolve follows links)
    while todo:
        file = todo.pop()
        if file not in seen:
            seen[file] = None
            todo += _imports_of(file, tuple(sys.path))
    return tuple(sorted(seen))


def imported_libraries(files: Iterable[str | os.PathLike[str]]) -> tuple[str, ...]:
    """Top-level modules that files of Python import, also inside functions; imports for types only and relative ones are left out.

    Parameters
    ----------
    files
        See :func:`imported_files`, which follows imports of one's own files.

    Returns
    -------
    tuple of str
        Sorted; those of Python's own library among them.
    """
    found: set[str] = set()
    for file in files:
        try:
            text = _TYPES_ONLY.sub("", Path(file).read_text(encoding="utf-8", errors="replace"))
        except OSError:
            continue
        for match in _IMPORT.finditer(text):
            found |= {part.split(" as ")[0].strip().partition(".")[0] for part in match["names"].split(",")}
        found |= {match["module"].partition(".")[0] for match in _FROM.finditer(text) if not match["dots"]}
    return tuple(sorted(name for name in found if name.isidentifier()))


@functools.cache
def imported_digest(path: str | os.PathLike[str]) -> str:
    """SHA-256 of the content of :func:`imported_files`; read once in a process.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    str
    """
    out = hashlib.sha256()
    for file in imported_files(path):
        out.update(file.name.encode() + b"\0" + file.read_bytes() + b"\0")
    return out.hexdigest()


@functools.cache
def _imports_of(file: Path, places: tuple[str, ...]) -> tuple[Path, ...]:
    try:
        text = _TYPES_ONLY.sub("", file.read_text(encoding="utf-8", errors="replace"))
    except OSError:
        return ()
    found: list[Path] = []
    for match in _IMPORT.finditer(text):
        for part in match["names"].split(","):
            found += _files_of(part.split(" as ")[0].strip().split("."), file, places)
    for match in _FROM.finditer(text):
        names = re.sub(r"#[^\n]*", "", match["many"] or match["few"] or "").replace("\\", "")
        base = match["module"].split(".") if match["module"] else []
        folders: tuple[str, ...] = ()
        if match["dots"]:
            # One dot is the file's own folder.
            above = file.parents[len(match["dots"]) - 1]
            base, folders = [above.name, *base], (str(above.parent),)
        found += _files_of(base, file, places, folders)
        for name in names.split(","):
            member = name.split(" as ")[0].strip()
            if member.isidentifier():
                # A member may be a module or just a name.
                found += _files_of([*base, member], file, places, folders, whole=True)
    return tuple(dict.fromkeys(found))


def _files_of(
    parts: list[str],
    importer: Path,
    places: tuple[str, ...],
    folders: tuple[str, ...] = (),
    *,
    whole: bool = False,
) -> list[Path]:
    """The files that an import executes, packages before modules; with ``whole`` none if there is no such module."""
    if not parts or not parts[0]:
        return []
    if folders:
        return _below(Path(folders[0]), parts, whole=whole)
    if parts[0] == PACKAGE.name:
        return _below(PACKAGE.parent, parts, whole=whole)
    loaded = getattr(sys.modules.get(parts[0]), "__file__", None)
    if loaded is not None and not is_own_file(loaded):
        return []
    # What is loaded may come from a place that is not on the path.
    known: list[str | Path] = (
        [Path(loaded).parents[Path(loaded).name == "__init__.py"]] if loaded is not None else []
    )
    for place in (*known, importer.parent, *places):
        found = _below(Path(place or "."), parts, whole=whole)
        if found:
            return [Path(os.path.abspath(path)) for path in found if is_own_file(path)]  # noqa: PTH100
    return []


def _below(place: Path, parts: list[str], *, whole: bool) -> list[Path]:
    found: list[Path] = []
    for i, part in enumerate(parts, start=1):
        if (place / part / "__init__.py").is_file():
            found.append(place / part / "__init__.py")
        elif (place / f"{part}.py").is_file():
            return [*found, place / f"{part}.py"] if i == len(parts) or not whole else []
        elif whole or not (place / part).is_dir():
            return [] if whole else found
        place = place / part
    return found


@functools.cache
def _libraries() -> tuple[str, ...]:
    places = {sysconfig.get_path(name) for name in ("stdlib", "platstdlib", "purelib", "platlib")}
    places |= {os.path.realpath(place) for place in places}
    return tuple(place.rstrip(os.sep) + os.sep for place in sorted(places))


def is_own_file(path: str | os.PathLike[str]) -> bool:
    """Whether a file belongs to the user: neither to massgap nor to Python's library or an installed package.

    Parameters
    ----------
    path
        A file of Python.

    Returns
    -------
    bool

    Examples
    --------
    >>> is_own_file(re.__file__), is_own_file(__file__), is_own_file("/home/somebody/analysis.py")
    (False, False, True)
    """
    place = os.path.abspath(path)  # noqa: PTH100 (Path.resolve follows links)
    return not place.startswith((str(PACKAGE) + os.sep, *_libraries()))
