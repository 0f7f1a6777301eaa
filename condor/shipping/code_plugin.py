"""Code for workers of a scheduler that somebody else has started and that do not have it installed.

This module is sent to the workers as it is: it uses distributed and the standard library only.
"""

from __future__ import annotations

import io
import sys
import tarfile
from pathlib import Path
from typing import Any

from distributed import WorkerPlugin

__all__ = ["CodePlugin"]


class CodePlugin(WorkerPlugin):
    """Unpacks a package beside the worker and puts it first on its path, unless the worker has it already.

    Parameters
    ----------
    package
        Name of the package.
    archive
        Content of its archive (.tar.gz).
    digest
        Digest of that, for the name of the folder.
    """

    def __init__(self, package: str, archive: bytes, digest: str) -> None:
        self.name = f"code-of-{package}"
        self.package = package
        self.archive = archive
        self.digest = digest

    def setup(self, worker: Any) -> None:
        """Called on each worker, also on those that come later."""
        if self.package in sys.modules:
            return
        folder = Path(worker.local_directory) / f"code-{self.digest[:16]}"
        if not folder.exists():
            # Python 3.11 knows filters since 3.11.4 only. Asked here, since the worker has a Python of its own.
            wanted: dict[str, Any] = {"filter": "data"} if hasattr(tarfile, "data_filter") else {}
            with tarfile.open(fileobj=io.BytesIO(self.archive)) as tar:
                tar.extractall(folder, **wanted)
        if str(folder) not in sys.path:
            sys.path.insert(0, str(folder))
