"""The Python environment as an archive that travels with jobs."""

from __future__ import annotations

import hashlib
import importlib.metadata
import os
import shutil
import sys
import tarfile
import time
from pathlib import Path
from typing import TYPE_CHECKING

from massgap.condor.errors import CondorError
from massgap.contracts.writing import replacing

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator

__all__ = ["environment_digest", "pack_environment"]

_LEFT_OUT = {"__pycache__", ".git", ".ipynb_checkpoints"}
_EVERY = 2.0
"""Seconds between two reports."""


def environment_digest(prefix: Path | None = None, leave_out: Collection[str] = ()) -> str:
    """A name for the packages that are installed: versions of Python and of all distributions, where they lie, and what is left out."""
    found = sorted(f"{d.metadata['Name']}=={d.version}" for d in importlib.metadata.distributions())
    text = "\n".join([sys.version, str(prefix or sys.prefix), *found, *sorted(leave_out)])
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def pack_environment(
    archive: str | Path,
    *,
    prefix: str | Path | None = None,
    cache: Path | None = None,
    leave_out: Collection[str] = (),
    tell: Callable[[str, int, int], None] | None = None,
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
    leave_out
        Files that stay here, see :func:`massgap.condor.shipping.distributions.needed_distributions`; conda-pack takes all.
    tell
        Called now and then, and at the end, with a text, and how many MB of how many are packed.

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
    report = tell or (lambda *_: None)
    if (root / "conda-meta").is_dir():
        report("packing the conda environment", 0, 1)
        return _conda(archive, root)
    if not (root / "pyvenv.cfg").is_file():
        msg = (
            f"{root}: is no virtual environment, so it cannot be sent along with jobs. Install massgap into one (python -m venv), give an "
            "archive with --environment FILE.tar.gz, a container with --image, or --environment shared if the jobs see this Python"
        )
        raise CondorError(msg)
    kept = (cache or _cache()) / f"environment-{environment_digest(root, leave_out)}.tar.gz"
    try:
        if not kept.is_file():
            kept.parent.mkdir(parents=True, exist_ok=True)
            with replacing(kept) as part:
                _pack(root, part, _real(leave_out), report)
        archive.unlink(missing_ok=True)
        try:
            os.link(kept, archive)
        except OSError:  # another file system
            shutil.copyfile(kept, archive)
    except OSError as error:
        msg = f"{archive}: the environment could not be packed ({error.strerror or error})"
        raise CondorError(msg) from error
    return archive


def _pack(root: Path, archive: Path, leave_out: set[str], tell: Callable[[str, int, int], None]) -> None:
    members = list(_members(root, leave_out))
    total = sum(size for _, size in members) >> 20
    start = told = time.monotonic()
    done = 0
    with tarfile.open(archive, "w:gz", compresslevel=1) as tar:
        for path, size in members:
            tar.add(path, path.relative_to(root), recursive=False, filter=_nobody)
            done += size
            if time.monotonic() - told > _EVERY:
                told = time.monotonic()
                tell(
                    f"packing the environment: {done >> 20} of {total} MB", min(done >> 20, total - 1), total
                )
    packed, seconds = archive.stat().st_size >> 20, time.monotonic() - start
    tell(f"packed the environment: {total} MB to {packed} MB in {seconds:.0f} s", total, total)


def _real(paths: Collection[str]) -> set[str]:
    """Paths by their real folders: the environment may be reached in several ways.  A link itself is what it is."""
    folders = {folder: os.path.realpath(folder) for folder in {os.path.dirname(path) for path in paths}}  # noqa: PTH120
    return {os.path.join(folders[os.path.dirname(path)], os.path.basename(path)) for path in paths}  # noqa: PTH118, PTH119, PTH120


def _members(root: Path, leave_out: set[str]) -> Iterator[tuple[Path, int]]:
    """Files and links of an environment with their sizes, in order."""
    for folder, folders, files in os.walk(root):
        real = os.path.realpath(folder)
        folders[:] = sorted(name for name in folders if name not in _LEFT_OUT)
        links = [name for name in folders if (Path(folder) / name).is_symlink()]
        for name in sorted([*files, *links]):
            path = Path(folder) / name
            if os.path.join(real, name) not in leave_out:  # noqa: PTH118 - of very many
                yield path, path.lstat().st_size


def _nobody(info: tarfile.TarInfo) -> tarfile.TarInfo:
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
