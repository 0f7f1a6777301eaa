"""Certificates of one run: whoever does not hold them can neither talk to its scheduler nor be one of its workers."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from massgap.condor.errors import CondorError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Certificates", "make_certificates"]


@dataclass(frozen=True)
class Certificates:
    """What :func:`make_certificates` made.

    Attributes
    ----------
    security
        ``distributed.Security`` for scheduler and client; nothing goes without encryption.
    authority, certificate, key
        The files that workers need.
    """

    security: Any
    authority: Path
    certificate: Path
    key: Path

    @property
    def files(self) -> tuple[Path, ...]:
        """All of them."""
        return self.authority, self.certificate, self.key

    def remove(self) -> None:
        """Delete the files; running workers have read them already."""
        for path in self.files:
            path.unlink(missing_ok=True)


def make_certificates(folder: Path) -> Certificates:
    """Make a key and a self-signed certificate, which is its own authority, and write them for workers.

    Parameters
    ----------
    folder
        Where; only its owner can read the files.

    Raises
    ------
    CondorError
        If cryptography is not installed, or the folder cannot be written.
    """
    from distributed import Security

    try:
        security = Security.temporary()
    except ImportError as error:
        msg = 'the traffic of the scheduler is encrypted, which needs cryptography: pip install "massgap[htcondor]"'
        raise CondorError(msg) from error
    worker = security.get_tls_config_for_role("worker")
    paths = []
    try:
        for name, content in (
            ("authority.pem", worker["ca_file"]),
            ("certificate.pem", worker["cert"]),
            ("key.pem", worker["key"]),
        ):
            path = folder / name
            path.unlink(missing_ok=True)
            # Never readable by others, not even for a moment.
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
            with os.fdopen(handle, "w") as stream:
                stream.write(content)
            paths.append(path)
    except OSError as error:
        msg = f"{folder}: the certificates of the run could not be written ({error.strerror or error})"
        raise CondorError(msg) from error
    return Certificates(security, *paths)
