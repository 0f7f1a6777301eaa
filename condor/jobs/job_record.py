"""What has been submitted from a folder of jobs: written before and after every call of condor_submit.

A submit command may be killed at any moment.  What it meant to do stands in the record before it does it, and what HTCondor has
accepted meanwhile is found again by the mark that each job carries.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import json
import os
import secrets
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.condor.errors import CondorError
from massgap.condor.job_options import JobOptions
from massgap.condor.jobs.submit_file import Job
from massgap.contracts.writing import write_json

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

__all__ = ["BusyError", "Record", "Submission", "locked"]

FORMAT = "massgap-submissions/1"


class BusyError(CondorError):
    """Another command works on the same jobs."""


@dataclass
class Submission:
    """One call of condor_submit.

    Attributes
    ----------
    number
        From 0.
    jobs
        Its jobs, in the order of their process numbers.
    options
        What they asked for.
    status
        ``written`` (the files are there), ``submitting`` (condor_submit has been called), ``submitted``, or ``refused``.
    clusters
        Cluster numbers; more than one only if somebody submitted the file again by hand.
    error
        What HTCondor said when it refused.
    """

    number: int
    jobs: list[Job]
    options: JobOptions
    status: str = "written"
    clusters: list[int] = field(default_factory=list)
    error: str | None = None

    @property
    def description(self) -> str:
        """Name of the submit description."""
        return f"massgap-{self.number}.sub" if self.number else "massgap.sub"

    @property
    def table(self) -> str:
        """Name of the table of jobs."""
        return f"slices-{self.number}.txt" if self.number else "slices.txt"

    @property
    def log(self) -> str | None:
        """Name of the event log; in spool mode there is none."""
        name = f"massgap-{self.number}.log" if self.number else "massgap.log"
        return None if self.options.spool else f"logs/{name}"


@dataclass
class Record:
    """All submissions of a folder.

    Attributes
    ----------
    folder
        ``RUN/jobs``, absolute.
    title, run
        Name of the batch, and the mark of its jobs.
    inputs
        Names of files in the folder that go with every job.
    submissions
        In their order.
    schedd
        Name of the schedd that accepted the jobs, if it is known.
    ended
        ``cluster.process`` -> how the job ended, for jobs that left the queue.
    """

    folder: Path
    title: str
    run: str = field(default_factory=lambda: secrets.token_hex(8))
    inputs: list[str] = field(default_factory=list)
    submissions: list[Submission] = field(default_factory=list)
    schedd: str | None = None
    ended: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / "submissions.json"

    def write(self) -> None:
        """Write the file, whole or not at all.

        Raises
        ------
        CondorError
            If it cannot be written.
        """
        content = {
            "format": FORMAT,
            "title": self.title,
            "run": self.run,
            "inputs": self.inputs,
            "schedd": self.schedd,
            "submissions": [asdict(submission) for submission in self.submissions],
            "ended": self.ended,
        }
        try:
            # After a crash of the machine, too, it must be known what has been submitted.
            write_json(self.path, content, default=None)
        except OSError as error:
            msg = f"{self.path}: cannot be written ({error.strerror or error}); make room or choose another folder"
            raise CondorError(msg) from error

    @classmethod
    def read(cls, folder: Path) -> Record:
        """Read the file.

        Raises
        ------
        CondorError
            If there is none, or it is damaged.
        """
        path = folder / "submissions.json"
        try:
            content = json.loads(path.read_text())
            if content["format"] != FORMAT:
                msg = f"{path}: is of another version of massgap (format {content['format']!r}, here {FORMAT!r})"
                raise CondorError(msg)
            submissions = [
                Submission(
                    number=entry["number"],
                    jobs=[Job(**job) for job in entry["jobs"]],
                    options=JobOptions.of(entry["options"]),
                    status=entry["status"],
                    clusters=[int(cluster) for cluster in entry["clusters"]],
                    error=entry["error"],
                )
                for entry in content["submissions"]
            ]
            return cls(
                folder=folder,
                submissions=submissions,
                **{name: content[name] for name in ("title", "run", "inputs", "schedd", "ended")},
            )
        except FileNotFoundError as error:
            msg = f"{folder}: no jobs have been written here ({path.name} is missing); use massgap submit"
            raise CondorError(msg) from error
        except (OSError, KeyError, TypeError, AttributeError, json.JSONDecodeError) as error:
            msg = f"{path}: cannot be read ({type(error).__name__}: {error}); condor_q shows the jobs, massgap merge takes what is there"
            raise CondorError(msg) from error


@contextlib.contextmanager
def locked(folder: Path) -> Iterator[int]:
    """Hold the lock of a folder of jobs, so that two commands do not submit the same slices.

    Yields
    ------
    int
        The file descriptor of the lock: a tool that inherits it holds the lock for as long as it runs.

    Raises
    ------
    BusyError
        If another command holds it.
    CondorError
        If the folder cannot be written.
    """
    path = folder / ".lock"
    try:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    except OSError as error:
        msg = f"{path}: cannot be written ({error.strerror or error})"
        raise CondorError(msg) from error
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            msg = f"{folder}: another massgap command works on these jobs at the moment; wait until it has ended"
            raise BusyError(msg) from error
        except OSError as error:
            # Some network file systems know no locks: going on without one is better than no jobs at all.
            if error.errno not in (errno.ENOLCK, errno.ENOTSUP, errno.ENOSYS):
                raise
        yield descriptor
    finally:
        os.close(descriptor)
