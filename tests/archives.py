"""Unpacking of archives that the package made."""

import tarfile
from pathlib import Path


def unpack(archive: Path, folder: Path, *, links: bool = False) -> None:
    """As a job unpacks them; ``links`` allows those to files elsewhere, as a virtual environment has them."""
    # Python 3.11 knows filters since 3.11.4.
    wanted = {"filter": "tar" if links else "data"} if hasattr(tarfile, "data_filter") else {}
    with tarfile.open(archive) as tar:
        tar.extractall(folder, **wanted)
