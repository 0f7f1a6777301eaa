"""The code that jobs run: a copy of the package as it is when jobs are submitted.

A job may start days later.  With the copy, work on the code meanwhile changes nothing for jobs that wait.
"""

from __future__ import annotations

import gzip
import os
import tarfile
from pathlib import Path

from massgap.condor.errors import CondorError
from massgap.contracts.writing import replacing

__all__ = ["pack_code"]


def pack_code(package: str | Path, archive: str | Path, *, machine_code: str | Path | None = None) -> Path:
    """Pack a Python package, with the files that links in it point to.

    The same content gives the same bytes: times and owners are left out.

    Parameters
    ----------
    package
        The folder of the package.
    archive
        File to write (.tar.gz); replaced if it is there.
    machine_code
        Folder with compiled functions of the package, see :func:`massgap.arrays.compiled.write_machine_code`: jobs that find them need
        not compile.

    Returns
    -------
    pathlib.Path
        The archive.

    Raises
    ------
    CondorError
        If the folder is no package, or the archive cannot be written.
    """
    package, archive = Path(package), Path(archive)
    if not (package / "__init__.py").is_file():
        msg = f"{package}: is not a folder with a Python package, so it cannot be sent along with jobs"
        raise CondorError(msg)
    try:
        # Names and times stay out of the header of the compression, too.
        with (
            replacing(archive) as part,
            part.open("wb") as raw,
            gzip.GzipFile("", "wb", 6, raw, 0) as packed,
            tarfile.open(fileobj=packed, mode="w", format=tarfile.PAX_FORMAT) as tar,
        ):
            for name, path in _members(package, machine_code):
                info = tarfile.TarInfo(f"{package.name}/{name}")
                info.size, info.mode = path.stat().st_size, 0o644
                with path.open("rb") as content:
                    tar.addfile(info, content)
    except OSError as error:
        msg = f"{archive}: the code could not be packed ({error.strerror or error})"
        raise CondorError(msg) from error
    return archive


def _members(package: Path, machine_code: str | Path | None) -> list[tuple[str, Path]]:
    """Name in the package, and file."""
    found = {}
    for folder, names, files in os.walk(package, followlinks=True):
        names[:] = [name for name in names if name != "__pycache__" and not name.startswith(".")]
        for name in files:
            if not name.endswith((".pyc", ".pyo", ".nbi", ".nbc")):
                path = Path(folder) / name
                found[path.relative_to(package).as_posix()] = path
    if machine_code is not None:
        top = Path(machine_code)
        compiled = [path for path in top.rglob("*") if path.suffix in (".nbi", ".nbc")]
        found |= {path.relative_to(top).as_posix(): path for path in compiled}
    return sorted(found.items())
