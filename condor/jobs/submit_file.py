"""The submit description of a set of jobs: one readable file for ``condor_submit``, and the table of its jobs."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from massgap.condor.commands import text
from massgap.condor.job_options import JobOptions, python_of
from massgap.condor.submit_lines import arguments, further_lines, listed, requests, value

if TYPE_CHECKING:
    from collections.abc import Iterable

__all__ = ["RETRY", "Job", "command_by_hand", "job_script", "submit_description", "table_of_jobs"]

RETRY = 75
"""Exit code of ``job.sh`` on a machine that cannot run the job."""


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


def command_by_hand(folder: Path, description: str, *, spool: bool) -> str:
    """How to submit a description in a shell.

    Examples
    --------
    >>> command_by_hand(Path("/data/my run"), "massgap.sub", spool=False)
    "cd '/data/my run' && condor_submit massgap.sub"
    """
    return f"cd {shlex.quote(str(folder))} && condor_submit {'-spool ' if spool else ''}{description}"
