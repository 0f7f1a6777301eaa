"""The submit description of a set of jobs: one readable file for ``condor_submit``, and the table of its jobs.

Values are written by HTCondor's own rules (its "new syntax" for arguments), so that a path with blanks, quotes or ``$(x)``
means just that; what these rules cannot express is refused.
"""

from __future__ import annotations

import math
import re
import shlex
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.condor.commands import text
from massgap.condor.errors import CondorError

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = [
    "Job",
    "JobOptions",
    "arguments",
    "command_by_hand",
    "further_lines",
    "job_script",
    "python_of",
    "requests",
    "seconds",
    "submit_description",
    "table_of_jobs",
    "value",
]

RETRY = 75
"""Exit code of ``job.sh`` on a machine that cannot run the job."""

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
        Path of an archive (.tar.gz) of an environment that goes with each job; None for none.
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


@dataclass(frozen=True)
class Job:
    """A job of a submission: an attempt at a slice.

    Attributes
    ----------
    slice, attempt
        Numbers, from 0.
    kept
        Whether ``kept-NAME`` goes along, with what earlier attempts have finished.
    """

    slice: int
    attempt: int = 0
    kept: bool = False

    @property
    def name(self) -> str:
        """Name of the job in its files: ``0003``, ``0003-1`` for the second attempt."""
        return f"{self.slice:04d}-{self.attempt}" if self.attempt else f"{self.slice:04d}"


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


def value(what: str, given: str | Path) -> str:
    """The right side of a line that means exactly the given text.

    Raises
    ------
    CondorError
        If no line can mean it: line breaks, blanks at the ends, a backslash at the end.

    Examples
    --------
    >>> value("initialdir", "/data/my run $(x)")
    '/data/my run $(DOLLAR)(x)'
    """
    given = str(given)
    if re.search(r"[\x00-\x1f\x7f]", given) or given != given.strip() or given.endswith("\\"):
        msg = (
            f"{what} {given!r}: a submit description cannot hold this (line breaks, blanks or a backslash at the end); "
            "choose another name"
        )
        raise CondorError(msg)
    return given.replace("$", "$(DOLLAR)")


def listed(what: str, names: Iterable[str | Path]) -> str:
    """A list of files; HTCondor parts them at commas and knows no way to write one inside a name.

    Raises
    ------
    CondorError
        If a name holds a comma, or see :func:`value`.
    """
    given = [str(name) for name in names]
    for name in given:
        if "," in name:
            msg = f"{what} {name!r}: HTCondor cannot transfer a file with a comma in its name or folder; rename it"
            raise CondorError(msg)
    return ", ".join(value(what, name) for name in given)


def arguments(words: Iterable[str]) -> str:
    """Arguments of a job in HTCondor's new syntax.

    Examples
    --------
    >>> print(arguments(["$(name)", "it's", 'a "b"']))
    "$(name) 'it''s' 'a ""b""'"
    """
    out = []
    for word in words:
        quoted = word.replace('"', '""').replace("'", "''")
        out.append(f"'{quoted}'" if not word or re.search(r"[\s'\"]", word) else quoted)
    return '"' + " ".join(out) + '"'


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


def job_script() -> str:
    """The script that a job runs."""
    return (Path(__file__).parent / "job.sh").read_text()


def table_of_jobs(jobs: Iterable[Job]) -> str:
    """The table that the submit description queues: slice, attempt, name, and the input of that job alone."""
    lines = []
    for job in jobs:
        own = [f"job-{job.slice:04d}.json", *([f"kept-{job.name}"] if job.kept else [])]
        lines.append(f"{job.slice} {job.attempt} {job.name} {','.join(own)}\n")
    return "".join(lines)


def submit_description(
    options: JobOptions,
    *,
    folder: Path,
    title: str,
    run: str,
    submission: int,
    description: str,
    table: str,
    inputs: Iterable[str] = (),
    jobs: int,
    log: str | None,
) -> str:
    """Text of the submit description.

    Parameters
    ----------
    options
        What the jobs ask for.
    folder
        The folder of the jobs, absolute: all names are relative to it, and condor_submit is called there.
    title
        Name of the batch, for condor_q.
    run
        Mark by which the jobs of this run are found in the queue.
    submission
        Number of this submission, from 0.
    description, table
        Names of the file itself, and of the one with :func:`table_of_jobs`.
    inputs
        Files that go with every job beside the code.
    jobs
        How many there are.
    log
        Name of HTCondor's event log; None for none.

    Raises
    ------
    CondorError
        If a name cannot be written.
    """
    words = ["$(name)", "job-$INT(slice,%04d).json", value("python", python_of(options))]
    files = ["code.tar.gz", *inputs]
    if options.environment is not None:
        words.append(value("environment", Path(options.environment).name))
        files.append(options.environment)
    folder_text = value("folder", folder)
    lines = [
        f"# {jobs} job{'s' if jobs != 1 else ''} of massgap submit: each works on one slice of the fileset, see job-0000.json.",
        f"# By hand:  {command_by_hand(folder, description, spool=options.spool)}",
        "",
        "# The script starts Python on the worker; read it, it is short.  Its arguments: name of the job, slice, Python"
        + (", environment." if options.environment else "."),
        "executable = job.sh",
        f"arguments = {arguments(words)}",
        "",
        "# All names in this file are relative to this folder.",
        f"initialdir = {folder_text}",
        "",
        "# Code, slice and whatever else is needed go with the job; no shared file system is needed for these.",
        "should_transfer_files = YES",
        f"transfer_input_files = {listed('input file', files)}, $(inputs)",
        "# The results come back at the end and when the job is evicted: finished chunks are not done again.",
        "when_to_transfer_output = ON_EXIT_OR_EVICT",
        "transfer_output_files = out-$(name)",
        "",
        *requests(options),
    ]
    lines += [
        "",
        f"# Code {RETRY}: this machine cannot run the job (no Python, no room), another may.  Any other code is for a person.",
        "max_retries = 3",
        f"retry_until = ExitCode =!= {RETRY}",
        "",
        "output = logs/$(name).out",
        "error = logs/$(name).err",
        f"log = {log}" if log else "# No event log: it would lie in the spool of the schedd.",
        "",
        "# By these massgap status finds the jobs again.",
        f"batch_name = {value('name', title)}",
        f"MY.MassgapRun = {text(run)}",
        f"MY.MassgapSubmission = {submission}",
        "MY.MassgapSlice = $(slice)",
        "MY.MassgapAttempt = $(attempt)",
    ]
    lines += further_lines(options)
    return "\n".join([*lines, "", f"queue slice, attempt, name, inputs from {table}", ""])


def requests(options: JobOptions) -> list[str]:
    """Lines that say what a job asks for.

    Raises
    ------
    CondorError
        If a name cannot be written.
    """
    lines = ["# What the job asks for."]
    if options.image:
        lines += ["universe = container", f"container_image = {value('image', options.image)}"]
    lines += [
        f"request_cpus = {options.cpus}",
        f"request_memory = {megabytes('memory', options.memory)}MB",
        f"request_disk = {megabytes('disk', options.disk)}MB",
    ]
    if options.walltime is not None:
        lines += [
            f"# {options.walltime}: a longer job is held.  MaxRuntime says the same to pools that plan with it.",
            f"allowed_job_duration = {seconds(options.walltime)}",
            f"+MaxRuntime = {seconds(options.walltime)}",
        ]
    if options.proxy is not None:
        lines += ["# For files behind XRootD.", f"x509userproxy = {value('proxy', options.proxy)}"]
    return lines


def further_lines(options: JobOptions) -> list[str]:
    """The lines that the user has given."""
    if not options.submit_lines:
        return []
    return ["", "# From --submit-line.", *(f"{key} = {line}" for key, line in options.submit_lines.items())]


def command_by_hand(folder: Path, description: str, *, spool: bool) -> str:
    """How to submit a description in a shell.

    Examples
    --------
    >>> command_by_hand(Path("/data/my run"), "massgap.sub", spool=False)
    "cd '/data/my run' && condor_submit massgap.sub"
    """
    return f"cd {shlex.quote(str(folder))} && condor_submit {'-spool ' if spool else ''}{description}"
