"""Where the files of a fileset are: on this machine, by whatever name, or behind an address."""
# ruff: noqa: PTH110, PTH112, PTH113, PTH114 - os.path answers also for names that no file can have, where pathlib raises

from __future__ import annotations

import glob
import os
import re
from pathlib import Path
from urllib.parse import unquote

from massgap.contracts.errors import FilesetError

__all__ = ["expand", "is_url", "local_path"]

_SCHEME = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*(::[A-Za-z][A-Za-z0-9+.-]*)*://")
_OBJECT_IN_FILE = re.compile(r"(?P<file>.+\.root(\.\d+)?):(?P<tree>[^:]+)", re.DOTALL)


def is_url(path: str) -> bool:
    """Whether a path is an address of another machine.

    Examples
    --------
    >>> is_url("root://host//zz.root"), is_url("simplecache::https://host/zz.root"), is_url("/data/a://b.root")
    (True, True, False)
    """
    return _SCHEME.match(path) is not None


def local_path(path: str, folder: Path | None = None) -> Path:
    """The absolute path of a file on this machine; links stay the names that they are.

    A file of just this name comes first: ``~x.root`` may be a file in the folder, and the home of a user x otherwise.

    Parameters
    ----------
    path
        As it was given, also as ``file://`` address.
    folder
        Which relative paths start from; by default the current one.
    """
    if path.startswith("file://"):
        path = "/" + path.removeprefix("file://").removeprefix("localhost").lstrip("/")
        if not os.path.lexists(path):
            path = unquote(path)  # as addresses have blanks and letters beyond ASCII
    found = Path(os.path.normpath(((folder or Path()) / path).absolute()))
    if path.startswith("~") and not os.path.lexists(found):
        # expanduser leaves what it does not know.
        found = Path(os.path.normpath(((folder or Path()) / os.path.expanduser(path)).absolute()))  # noqa: PTH111
    return found


def expand(path: str, where: str, folder: Path, check: bool) -> list[str]:
    """The files that a path means: itself, or what its wildcards match.

    Parameters
    ----------
    path
        Path, pattern or URL.
    where
        For messages: the dataset.
    folder
        Which relative paths start from.
    check
        Whether a local file must exist.

    Returns
    -------
    list of str
        Absolute paths, or the URL.

    Raises
    ------
    FilesetError
        If there is no such file, or it is a folder.
    """
    local = local_path(path, folder)
    if is_url(path) and not path.startswith("file://") and not os.path.isfile(local):
        return [path]
    if os.path.isfile(local):
        return [str(local)]
    if glob.has_magic(path):
        if found := sorted(match for match in glob.glob(str(local), recursive=True) if os.path.isfile(match)):  # noqa: PTH207
            return found
        if check:
            msg = f"{where}: no file matches {path}"
            raise FilesetError(msg)
    if os.path.isdir(local):
        msg = f"{where}: {path} is a folder: list its files, or give {path.rstrip('/')}/*.root"
        raise FilesetError(msg)
    if check:
        msg = f"{where}: file {path} does not exist (looked for {local}){_hint(path, local)}"
        raise FilesetError(msg)
    return [str(local)]


def _hint(path: str, local: Path) -> str:
    """What may have been meant."""
    if os.path.islink(local):
        return f": it is a link to {os.readlink(local)}, which does not exist"  # noqa: PTH115
    match = _OBJECT_IN_FILE.fullmatch(str(local))
    if match is not None and os.path.isfile(match["file"]):
        name = _OBJECT_IN_FILE.fullmatch(path)
        return f": for the tree {match['tree']!r} of a file, give {name['file'] if name else match['file']} and --tree {match['tree']}"
    if os.path.exists(local):
        return ": it is not a regular file"
    return ""
