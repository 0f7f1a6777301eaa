"""What jobs ask for, and where their Python comes from; what HTCondor would misread is refused at once."""

from __future__ import annotations

import math
import re
from dataclasses import asdict, dataclass, field, fields
from typing import Any

from massgap.condor.errors import CondorError

__all__ = ["SHIPPED", "JobOptions", "megabytes", "python_of", "seconds"]

SHIPPED = ("ship", "ship-all")
"""In the place of an archive: the environment here is to be packed, what workers import or all of it."""

_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([KMGT])(?:i?B)?", re.IGNORECASE)
_UNITS = {"K": 2.0**-10, "M": 1.0, "G": 2.0**10, "T": 2.0**20}
_TIME = {"d": 86400, "h": 3600, "m": 60, "s": 1}
_KEY = re.compile(r"\+?[A-Za-z_][A-Za-z0-9_.]*")
_INSTEAD = {
    "request_memory": "--memory",
    "request_disk": "--disk",
    "container_image": "--image",
    "allowed_job_duration": "--walltime",
}
_OURS = (
    "arguments",
    "args",
    "batch_name",
    "error",
    "executable",
    "initialdir",
    "iwd",
    "log",
    "max_idle",
    "max_materialize",
    "max_retries",
    "output",
    "queue",
    "retry_until",
    "should_transfer_files",
    "stream_error",
    "stream_output",
    "transfer_executable",
    "transfer_input_files",
    "transfer_output_files",
    "transfer_output_remaps",
    "universe",
    "when_to_transfer_output",
)


@dataclass(frozen=True)
class JobOptions:
    """What jobs ask for, and where their Python comes from.

    Attributes
    ----------
    memory, disk
        Per job, with a unit (``2GB``).
    cpus
        Cores per job.
    walltime
        Longest time (``8h``, ``90m``, ``1h30m``); None for the pool's own limit.
    image
        Container image; None for none.
    environment
        Path of an archive (.tar.gz) of an environment that goes with each job, or one of :data:`SHIPPED`; None for none.
    python
        Python on the worker; with an archive the one in it, else ``python3``.
    spool
        The schedd keeps input and output.
    proxy
        X.509 proxy that goes with each job; None for none.
    submit_lines
        Further lines of the submit description, in its own language.
    """

    memory: str = "2GB"
    disk: str = "4GB"
    cpus: int = 1
    walltime: str | None = None
    image: str | None = None
    environment: str | None = None
    python: str | None = None
    spool: bool = False
    proxy: str | None = None
    submit_lines: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        megabytes("memory", self.memory)
        megabytes("disk", self.disk)
        if self.walltime is not None:
            seconds(self.walltime)
        if self.cpus < 1:
            msg = f"the number of cores per job must be at least 1, not {self.cpus}"
            raise CondorError(msg)
        for key, line in self.submit_lines.items():
            _check_line(key, line)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for :meth:`of`."""
        return asdict(self)

    @classmethod
    def of(cls, data: dict[str, Any]) -> JobOptions:
        """From plain data; what this version does not know is left out."""
        known = {entry.name for entry in fields(cls)}
        return cls(**{name: given for name, given in data.items() if name in known})


def megabytes(option: str, size: str) -> int:
    """A size in MB, rounded up.

    Raises
    ------
    CondorError
        If it is no size with a unit: without one HTCondor takes memory in MB and disk in KB.

    Examples
    --------
    >>> megabytes("memory", "2GB"), megabytes("memory", "1.5 G"), megabytes("disk", "500MB")
    (2048, 1536, 500)
    """
    found = _SIZE.fullmatch(str(size).strip())
    if found is None or not float(found[1]):
        msg = f"--{option} {size!r}: write a size with its unit, for instance 2GB or 500MB"
        raise CondorError(msg)
    return math.ceil(float(found[1]) * _UNITS[found[2].upper()])


def seconds(walltime: str) -> int:
    """A time span in seconds.

    Raises
    ------
    CondorError
        If it is none.

    Examples
    --------
    >>> seconds("8h"), seconds("1h30m"), seconds("90s")
    (28800, 5400, 90)
    """
    found = re.fullmatch(
        r"(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+)s)?", str(walltime).strip().replace(" ", "")
    )
    total = (
        sum(int(n or 0) * size for n, size in zip(found.groups(), _TIME.values(), strict=True))
        if found
        else 0
    )
    if not total:
        msg = f"--walltime {walltime!r}: write a time with its unit, for instance 8h, 90m or 1h30m"
        raise CondorError(msg)
    return total


def _check_line(key: str, line: str) -> None:
    name = key.lower().removeprefix("+").removeprefix("my.")
    if not _KEY.fullmatch(key):
        msg = f"--submit-line {key}={line}: {key!r} is no name in a submit description"
        raise CondorError(msg)
    if re.search(r"[\x00-\x08\x0a-\x1f\x7f]", line) or line.rstrip().endswith("\\"):
        msg = f"--submit-line {key}: the value must be one line"
        raise CondorError(msg)
    if name in _INSTEAD:
        msg = f"--submit-line {key}: use {_INSTEAD[name]} instead"
        raise CondorError(msg)
    if name in _OURS or name.startswith("massgap"):
        msg = f"--submit-line {key}: massgap writes this line itself; it cannot be changed"
        raise CondorError(msg)


def python_of(options: JobOptions) -> str:
    """Python on the worker."""
    return options.python or ("env/bin/python" if options.environment is not None else "python3")
