"""HTCondor's command line tools: the only place that calls them.

Argument lists, never a shell; a time limit for each; and a failure tells what the tool itself said.
"""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from typing import TYPE_CHECKING, Any

from massgap.condor.errors import CondorError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence
    from pathlib import Path

__all__ = [
    "call",
    "fetch",
    "history",
    "job_id",
    "machines",
    "queue",
    "remove",
    "require",
    "shares_files",
    "submit",
    "text",
]

_MINUTE = 60.0
_WARNING = re.compile(r"^\s*(warning\b|\*\* warning)", re.IGNORECASE)
_FAULT = re.compile(
    r"error|fail|can't|cannot|couldn't|could not|unable|denied|refused|not allowed|invalid|unknown|missing",
    re.IGNORECASE,
)
_EMPTY = re.compile(r"(fatal )?errors?:?", re.IGNORECASE)
_GUESS = re.compile(r"^\s*Extra Info:\s*((?:.+\n?)+?)(?=\n|\Z|\s*Extra Info:)", re.MULTILINE)
_ADDRESS = re.compile(r"<([^<>\s?]+)\?[^<>\s]*>")
"""HTCondor's form of an address: host and port, and much that nobody reads."""
_LONGEST = 300
"""Characters of what a tool said that are passed on."""
_SUBMITTED = re.compile(r"submitted to cluster (\d+)|^\s*(\d+)\.\d+ - \d+\.\d+\s*$", re.MULTILINE)


def require(*tools: str) -> None:
    """Check that tools can be called, before any work is done.

    Raises
    ------
    CondorError
        If one is not on the PATH.
    """
    for tool in tools:
        if shutil.which(tool) is None:
            msg = (
                f"{tool} is not on the PATH: run this on a submit host of an HTCondor pool (for instance a login node), or add the "
                "folder with HTCondor's tools to PATH"
            )
            raise CondorError(msg)


def call(
    tool: str,
    *arguments: str,
    timeout: float = 2 * _MINUTE,
    cwd: Path | None = None,
    keep_open: Sequence[int] = (),
) -> str:
    """Call a tool and return what it printed.

    Parameters
    ----------
    tool, arguments
        Name, and its arguments as they are: no shell sees them.
    timeout
        Seconds after which it is ended.
    cwd
        Folder to call it in.
    keep_open
        File descriptors that the tool inherits: a lock held by one lasts as long as the tool.

    Raises
    ------
    CondorError
        If it is not on the PATH, fails or takes too long.
    """
    require(tool)
    try:
        done = subprocess.run(
            [tool, *arguments],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=timeout,
            cwd=cwd,
            stdin=subprocess.DEVNULL,
            pass_fds=tuple(keep_open),
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        msg = (
            f"{tool} did not answer for {timeout:.0f} s: the schedd is busy or cannot be reached. Try again later; "
            "condor_q shows whether it answers"
        )
        raise CondorError(msg) from error
    except OSError as error:
        msg = f"{tool} could not be called ({error.strerror or error})"
        raise CondorError(msg) from error
    if done.returncode:
        msg = f"{tool} failed (exit code {done.returncode}): {_words(done.stderr, done.stdout)}"
        raise CondorError(msg)
    return done.stdout


def _words(*outputs: str) -> str:
    """What a tool said, as far as it matters: the lines that tell of the fault, not those that guess or explain at length."""
    text = "\n".join(outputs)
    # Tools of HTCondor add paragraphs of guesses ("Extra Info: You probably saw this error because ..."); one sentence will do.
    guesses = [" ".join(guess.split()) for guess in _GUESS.findall(text)]
    said = "\n".join(
        [_GUESS.sub("\n", text), *(guess.partition(". ")[0].rstrip(".") + "." for guess in guesses[:1])]
    )
    lines = [_ADDRESS.sub(r"<\1>", line.strip()) for line in said.splitlines() if line.strip(" .\t-")]
    lines = [line for line in lines if not _EMPTY.fullmatch(line)] or lines
    told = [line for line in lines if not _WARNING.match(line)] or lines
    first = next((k for k, line in enumerate(told) if _FAULT.search(line)), 0)
    words = " ".join(told[first : first + 2])
    return (
        words if len(words) <= _LONGEST else f"{words[:_LONGEST].rsplit(' ', 1)[0]} ..."
    ) or "it said nothing"


def submit(
    description: str,
    *,
    folder: Path,
    spool: bool = False,
    keep_open: Sequence[int] = (),
    name: str | None = None,
) -> int:
    """Submit the jobs of a submit description.

    Parameters
    ----------
    description
        Name of the file, in ``folder``.
    folder
        Where condor_submit is called; relative names in the description belong to it.
    spool
        Copy the input to the schedd, which keeps the output until :func:`fetch`.
    keep_open
        See :func:`call`.
    name
        The schedd; by default the one of this host.

    Returns
    -------
    int
        The number of the cluster.

    Raises
    ------
    CondorError
        If HTCondor refuses, or says no number.
    """
    arguments = [*_name(name), *(["-spool"] if spool else []), description]
    # Spooling copies the input of every job to the schedd.
    said = call(
        "condor_submit",
        *arguments,
        timeout=60 * _MINUTE if spool else 10 * _MINUTE,
        cwd=folder,
        keep_open=keep_open,
    )
    found = _SUBMITTED.search(said)
    if found is None:
        msg = f"condor_submit {description} in {folder} did not say which cluster it made: {_words(said)}. See condor_q"
        raise CondorError(msg)
    return int(found[1] or found[2])


def queue(
    attributes: Iterable[str],
    *,
    constraint: str | None = None,
    ids: Iterable[str] = (),
    name: str | None = None,
) -> list[dict[str, Any]]:
    """Jobs in the queue.

    Parameters
    ----------
    attributes
        Which attributes of a job to ask for; those that a job does not have are not in its row.
    constraint, ids
        Which jobs: a ClassAd expression, or ``cluster`` and ``cluster.process``; by default all of this user.
    name
        See :func:`submit`.

    Raises
    ------
    CondorError
        If the schedd does not answer.
    """
    return _rows("condor_q", [*_name(name), *_which(constraint, ids)], attributes)


def history(
    attributes: Iterable[str],
    *,
    constraint: str | None = None,
    ids: Iterable[str] = (),
    name: str | None = None,
    limit: int | None = None,
) -> list[dict[str, Any]]:
    """Jobs that left the queue, the last first; parameters as of :func:`queue`.

    Raises
    ------
    CondorError
        If the history cannot be read.
    """
    arguments = [*_name(name), *_which(constraint, ids)]
    if limit is not None:
        arguments += ["-limit", str(limit)]
    return _rows("condor_history", arguments, attributes)


def machines(attributes: Iterable[str], *, constraint: str | None = None) -> list[dict[str, Any]]:
    """Machines of the pool, or their slots.

    Parameters
    ----------
    attributes, constraint
        As of :func:`queue`, of machines.

    Raises
    ------
    CondorError
        If the pool does not answer.
    """
    return _rows("condor_status", _which(constraint, ()), attributes)


def job_id(row: dict[str, Any]) -> str:
    """``cluster.process`` of a job in the queue or the history.

    Examples
    --------
    >>> job_id({"ClusterId": 17, "ProcId": 0})
    '17.0'
    """
    return f"{row.get('ClusterId')}.{row.get('ProcId')}"


def remove(ids: Iterable[str], *, reason: str | None = None, name: str | None = None) -> None:
    """Remove jobs from the queue; no job is no error.

    Raises
    ------
    CondorError
        If HTCondor refuses.
    """
    if ids := list(ids):
        call("condor_rm", *_name(name), *(["-reason", reason] if reason else []), *ids)


def fetch(ids: Iterable[str], *, name: str | None = None) -> None:
    """Bring the output of spooled jobs to where they were submitted; no job is no error.

    Raises
    ------
    CondorError
        If HTCondor refuses.
    """
    if ids := list(ids):
        call("condor_transfer_data", *_name(name), *ids, timeout=60 * _MINUTE)


def shares_files() -> bool | None:
    """Whether the machines of the pool say that they share a file system with this host; None if it cannot be told."""
    try:
        here = call("condor_config_val", "FILESYSTEM_DOMAIN", timeout=30.0).strip()
        # Dynamic slots are parts of machines that are in the list already.
        machines = ["-constraint", 'SlotType =!= "Dynamic"', "-af", "FileSystemDomain"]
        there = set(call("condor_status", *machines, timeout=60.0).split())
    except CondorError:
        return None
    return there == {here} if there and here else None


def text(value: str) -> str:
    """A ClassAd string literal.

    Examples
    --------
    >>> print(text('my "best" run'))
    "my \\"best\\" run"
    """
    escaped = value.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'


def _name(name: str | None) -> list[str]:
    return [] if name is None else ["-name", name]


def _which(constraint: str | None, ids: Iterable[str]) -> list[str]:
    return [*(["-constraint", constraint] if constraint is not None else []), *ids]


def _rows(tool: str, arguments: list[str], attributes: Iterable[str]) -> list[dict[str, Any]]:
    said = call(tool, *arguments, "-json", "-attributes", ",".join(attributes))
    # Nothing found is no output at all, and older tools print a warning before the list.
    start = re.search(r"^\[", said, re.MULTILINE)
    if start is None:
        return []
    try:
        rows = json.loads(said[start.start() :])
    except json.JSONDecodeError as error:
        msg = f"{tool} answered with something that is not JSON ({error}): {_words(said)[:200]}"
        raise CondorError(msg) from error
    return [row for row in rows if isinstance(row, dict)]
