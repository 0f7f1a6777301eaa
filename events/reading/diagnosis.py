"""Why a file cannot be read: the cause by its name, and what to do about it.

A missing package, an unknown compression, a web page that was saved as ``x.root``, a folder, a permission: none of them is
damage.  A file is called damaged when :mod:`massgap.events.reading.evidence` shows it to be.
"""

from __future__ import annotations

import contextlib
import os
import re
import stat
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING

from massgap.contracts.filesets.paths import is_url
from massgap.events.errors import FileProblem
from massgap.events.reading.evidence import CODECS, damage, shows_damage
from massgap.events.reading.faults import (
    AUTHENTICATION,
    TRANSIENT,
    causes,
    kind_of_fault,
)

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["check_local", "what_is_wrong"]

_FORMATS: tuple[tuple[bytes, str, str], ...] = (
    (b"\x1f\x8b", "gzip-compressed data", "unpack it: gunzip -c {} > unpacked.root"),
    (b"PK\x03\x04", "a ZIP archive", "unpack it: unzip {}"),
    (b"BZh", "bzip2-compressed data", "unpack it: bunzip2 -c {} > unpacked.root"),
    (b"\xfd7zXZ\x00", "xz-compressed data", "unpack it: xz -dc {} > unpacked.root"),
    (b"\x28\xb5\x2f\xfd", "zstd-compressed data", "unpack it: zstd -dc {} > unpacked.root"),
    (b"PAR1", "a parquet file", "massgap reads ROOT files: give the one that it was made from"),
    (b"\x89HDF\r\n\x1a\n", "an HDF5 file", "massgap reads ROOT files: give the one that it was made from"),
    (
        b"version https://git-lfs",
        "a pointer of Git LFS to the file, not the file",
        "fetch it: git lfs pull",
    ),
    (
        b"<LesHouchesEvents",
        "a file of matrix-element events (LHE)",
        "make event files from it: massgap generate ANALYSIS --lhe {}",
    ),
)
_PAGE = re.compile(rb"\s*(<!doctype html|<html|<\?xml[^>]*>\s*<(!doctype )?html)", re.IGNORECASE)
_TAG = re.compile(r"un(supported|recognized) compression algorithm: (?P<tag>b(['\"]).{1,12}?\3)")
_GONE = re.compile(r"\[3011\]|no such file", re.IGNORECASE)
_SCHEME_PACKAGES = {
    # The first way works anywhere, the second in the clone.
    "root": (
        "fsspec-xrootd (and with it XRootD)",
        "pip install fsspec-xrootd, or with massgap: pip install '.[xrootd]'",
    ),
    "xroot": (
        "fsspec-xrootd (and with it XRootD)",
        "pip install fsspec-xrootd, or with massgap: pip install '.[xrootd]'",
    ),
    "http": ("aiohttp", "pip install aiohttp"),
    "https": ("aiohttp", "pip install aiohttp"),
    "s3": ("s3fs", "pip install s3fs"),
    "gs": ("gcsfs", "pip install gcsfs"),
}


def check_local(path: str) -> os.stat_result:
    """Refuse a file on this machine that can be no ROOT file, before anybody reads it as one.

    Parameters
    ----------
    path
        The file.

    Returns
    -------
    os.stat_result

    Raises
    ------
    FileProblem
        If it is missing, a folder, a pipe or device, empty, of another format, or may not be read.
    """
    try:
        status = os.stat(path)  # noqa: PTH116 (the name as it is)
        if stat.S_ISDIR(status.st_mode):
            msg = f"{path}: is a folder, not a file; give the files in it ({Path(path) / '*.root'})"
            raise FileProblem(msg)
        if not stat.S_ISREG(status.st_mode):
            msg = f"{path}: is not a regular file but a pipe, socket or device; copy its content into a file first"
            raise FileProblem(msg)
        with Path(path).open("rb") as stream:
            head = stream.read(1024)
    except (FileNotFoundError, NotADirectoryError) as error:
        link = (
            f": it is a link to {Path(path).readlink()}, which does not exist"
            if Path(path).is_symlink()
            else ""
        )
        msg = f"{path}: no such file{link}; correct the path, or take the file out of the fileset"
        raise FileProblem(msg) from error
    except PermissionError as error:
        msg = f"{path}: may not be read by this account (permission denied); ask its owner for it: chmod a+r {quote(path)}"
        raise FileProblem(msg) from error
    except (OSError, ValueError) as error:
        msg = f"{path}: cannot be read ({getattr(error, 'strerror', None) or error}); copy it to another disk, or correct the path"
        raise FileProblem(msg) from error
    if status.st_size == 0:
        msg = f"{path}: is empty (0 bytes); copy or make it again"
        raise FileProblem(msg)
    if head[:4] != b"root":
        msg = f"{path}: {_not_root(path, head)}"
        raise FileProblem(msg)
    return status


def _not_root(path: str, head: bytes) -> str:
    """What a file is that is not ROOT, and what to do."""
    if _PAGE.match(head):
        return (
            "is not a ROOT file but a web page (HTML), as a server sends it in place of a file that needs a login or is not there; "
            "open its address in a browser, and fetch the file itself"
        )
    for magic, what, remedy in _FORMATS:
        if head.startswith(magic):
            return f"is not a ROOT file but {what}; {remedy.format(quote(path))}"
    if head[257:262] == b"ustar":
        return f"is not a ROOT file but a tar archive; unpack it: tar -xf {quote(path)}"
    if head.count(0) == len(head):
        return "is not a ROOT file: it begins with nothing but zeros, as a copy that was broken off leaves it; copy it again"
    return (
        f"is not a ROOT file (it starts with {head[:4]!r}); massgap reads ROOT files with event trees: correct the path, or take the "
        "file out of the fileset"
    )


def what_is_wrong(path: str, error: BaseException, doing: str = "opened", kind: str | None = None) -> str:
    """Why a file could not be opened or read, and what to do, in words that follow its name.

    Parameters
    ----------
    path
        Local path or URL.
    error
        What was raised while it was opened or read, by whatever library.
    doing
        What could not be done: "opened" or "read".
    kind
        Of the fault, see :func:`massgap.events.reading.faults.kind_of_fault`; found here by default.
    """
    chain = list(causes(error))
    lines = str(error).strip().splitlines()
    shown = f"({type(error).__name__}: {lines[0] if lines else 'no message'})"
    missing = _missing_package(path, chain)
    if missing is not None:
        return f"cannot be {doing}: {missing}"
    remote = is_url(path)
    kind = kind or kind_of_fault(error, remote=remote)
    if kind == AUTHENTICATION:
        return f"cannot be {doing}, access was refused {shown}"
    if kind == TRANSIENT:
        return f"could not be {doing} for the moment {shown}"
    known = _by_its_words(path, chain) or (_of_server(path, chain, shown) if remote else None)
    if known is not None:
        return known
    found = shows_damage(chain)
    if not remote:
        with contextlib.suppress(OSError):
            found = damage(path) or found
    if found is not None:
        return (
            f"cannot be {doing}, the file is damaged or truncated: {found} {shown}. Copy or make it again, or take it out of the "
            "fileset"
        )
    return (
        f"cannot be {doing} {shown}. Nothing shows that it is damaged: uproot may not know how it was written. If ROOT opens it, "
        f"write it anew: hadd -f505 new.root {quote(path)}"
    )


def _missing_package(path: str, chain: Sequence[BaseException]) -> str | None:
    error = next((e for e in chain if isinstance(e, ImportError)), None)
    if error is None:
        return None
    scheme = path.partition("://")[0].rpartition("::")[2].lower() if is_url(path) else ""
    package, remedy = _SCHEME_PACKAGES.get(scheme, ("", ""))
    if package:
        return f"addresses with {scheme}:// need the package {package}, which cannot be imported here ({error}). Install it: {remedy}"
    name = error.name or "a package"
    return f"{name} cannot be imported here ({' '.join(str(error).split())}). Install it: pip install {error.name or 'PACKAGE'}"


def _by_its_words(path: str, chain: Sequence[BaseException]) -> str | None:
    """What only the message of an error tells."""
    text = "\n".join(str(e) for e in chain)
    tag = _TAG.search(text)
    rewrite = f"Write it anew with ROOT: hadd -f505 new.root {quote(path)}"
    if tag is not None and tag["tag"] in ("b'CS'", 'b"CS"'):
        return f"is compressed with ROOT's old algorithm (CS, before 2004), which uproot cannot unpack. {rewrite}"
    if tag is not None:
        return (
            f"has a record that says it is compressed with {tag['tag'][1:]}, which is not known here (known are "
            f"{', '.join(CODECS.values())}): written by a newer ROOT, or overwritten there. {rewrite}, or make it again"
        )
    if "Protocol not known" in text:
        scheme = path.partition("://")[0]
        return f"nothing here knows addresses with {scheme}://; give a local path, root:// or https://"
    return None


def _of_server(path: str, chain: Sequence[BaseException], shown: str) -> str | None:
    """What a server gave in place of a ROOT file."""
    if any(isinstance(e, FileNotFoundError) or _GONE.search(str(e)) for e in chain):
        return f"no such file on the server {shown}; correct the address, or take the file out of the fileset"
    head = _head_of(path)
    if head and head[:4] != b"root":
        return _not_root(path, head)
    if any("range request" in str(e).lower() for e in chain) or _gives_no_parts(path):
        return (
            f"cannot be read from its server, which gives no parts of a file {shown}; fetch it first (curl -O {quote(path)}) and give the "
            "local path"
        )
    return None


def _gives_no_parts(path: str) -> bool:
    """Whether a web server knows whole files only."""
    import fsspec

    if not path.startswith(("http://", "https://")):
        return False
    try:
        system, place = fsspec.core.url_to_fs(path)
        return len(system.cat_file(place, start=0, end=16)) > 16
    except Exception:  # noqa: BLE001 - of any client library; another error is told
        return False


def _head_of(path: str) -> bytes:
    """The first bytes that a server gives; none if it does not."""
    import fsspec

    try:
        with fsspec.open(path) as stream:
            return bytes(stream.read(1024))
    except Exception:  # noqa: BLE001 - of any client library; another error is told
        return b""
