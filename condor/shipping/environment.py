"""The Python environment as an archive that travels with jobs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import sys
import tarfile
from pathlib import Path

from massgap.condor.errors import CondorError
from massgap.contracts.writing import replacing

__all__ = ["environment_digest", "pack_environment"]

_LEFT_OUT = {"__pycache__", ".git", ".ipynb_checkpoints"}


def environment_digest(prefix: Path | None = None) -> str:
    """A name for the packages that are installed: versions of Python and of all distributions, and where they lie."""
    found = sorted(f"{d.metadata['Name']}=={d.version}" for d in importlib.metadata.distributions())
    text = "\n".join([sys.version, str(prefix or sys.prefix), *found])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def pack_environment(
    archive: str | Path, *, prefix: str | Path | None = None, cache: Path | None = None
) -> Path:
    """Pack the environment that runs this, once per set of versions.

    The Python that a virtual environment was made from is not in it: it must be on the workers under the same path, or
    in their container image.

    Parameters
    ----------
    archive
        File to write (.tar.gz).
    prefix
        Folder of the environment; by default the present one.
    cache
        Folder in which packed environments are kept; by default massgap's in the user's cache folder.

    Returns
    -------
    pathlib.Path
        The archive.

    Raises
    ------
    CondorError
        If this is no environment that can be packed, or there is no room.
    """
    archive, root = Path(archive), Path(prefix or sys.prefix)
    if (root / "conda-meta").is_dir():
        return _conda(archive, root)
    if not (root / "pyvenv.cfg").is_file():
        msg = (
            f"{root}: is no virtual environment, so it cannot be sent along with jobs. Install massgap into one (python -m venv), give an "
            "archive with --environment FILE.tar.gz, a container with --image, or --environment shared if the jobs see this Python"
        )
        raise CondorError(msg)
    kept = (cache or _cache()) / f"environment-{environment_digest(root)}.tar.gz"
    try:
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as part, tarfile.open(part, "w:gz", compresslevel=1) as tar:
                for path in sorted(root.iterdir()):
                    tar.add(path, path.name, filter=_wanted)
        archive.unlink(missing_ok=True)
        try:
            os.link(kept, archive)
        except OSError:  # another file system
            shutil.copyfile(kept, archive)
    except OSError as error:
        msg = f"{archive}: the environment could not be packed ({error.strerror or error})"
        raise CondorError(msg) from error
    return archive


def _wanted(info: tarfile.TarInfo) -> tarfile.TarInfo | None:
    if Path(info.name).name in _LEFT_OUT:
        return None
    info.uid = info.gid = 0
    info.uname = info.gname = ""
    return info


def _cache() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "massgap"


def _conda(archive: Path, root: Path) -> Path:
    try:
        import conda_pack
    except ImportError as error:
        msg = (
            f"{root}: is a conda environment; to send it along with jobs, conda-pack is needed (conda install conda-pack), or an archive "
            "that it made: --environment FILE.tar.gz"
        )
        raise CondorError(msg) from error
    conda_pack.pack(prefix=str(root), output=str(archive), force=True, ignore_editable_packages=True)
    return archive
