"""The submit description of jobs that are dask workers."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from massgap.condor.commands import text
from massgap.condor.errors import CondorError
from massgap.condor.job_options import JobOptions, megabytes, python_of
from massgap.condor.submit_lines import arguments, further_lines, listed, requests, value

if TYPE_CHECKING:
    from massgap.condor.workers.certificates import Certificates

__all__ = ["worker_description", "worker_memory"]


def worker_memory(memory: str) -> str:
    """Memory above which a worker is restarted, from what its job asks for: the nanny beside it and Python itself need some.

    Raises
    ------
    CondorError
        If the job asks for less than a worker needs.

    Examples
    --------
    >>> worker_memory("2GB")
    '1643MiB'
    """
    limit = int(0.9 * megabytes("memory", memory) - 200)
    if limit < 250:
        msg = (
            f"--memory {memory}: is too little for a dask worker; ask for 500MB at least, 2GB for an analysis"
        )
        raise CondorError(msg)
    return f"{limit}MiB"


def worker_description(
    folder: Path,
    options: JobOptions,
    address: str,
    certificates: Certificates,
    mark: str,
    archive: str | None,
) -> str:
    """The submit description of workers, without its last line.

    Parameters
    ----------
    folder
        The folder of the pool, absolute.
    options
        What the jobs ask for.
    address
        Of the scheduler.
    certificates
        What workers need to talk to it.
    mark
        By which the jobs of this pool are found in the queue.
    archive
        Archive of the environment that goes along; None for none.

    Raises
    ------
    CondorError
        If a name cannot be written, or the job asks for less memory than a worker needs.
    """
    words = [
        "massgap-$(ClusterId).$(ProcId)",
        address,
        worker_memory(options.memory),
        value("python", python_of(options)),
    ]
    files: list[str | Path] = [
        "code.tar.gz",
        "dask-settings",
        *(path.name for path in certificates.files),
    ]
    if archive is not None:
        words.append(value("environment", Path(archive).name))
        files.append(archive)
    lines = [
        "# Workers of massgap run: each job is one dask worker, which talks to the scheduler of the run (encrypted).",
        "",
        "# The script starts the worker; read it, it is short.",
        "executable = worker.sh",
        f"arguments = {arguments(words)}",
        f"initialdir = {value('folder', folder)}",
        "",
        "# Code and certificates go with the job; no shared file system is needed for these.",
        "should_transfer_files = YES",
        f"transfer_input_files = {listed('input file', files)}",
        "when_to_transfer_output = ON_EXIT",
        'transfer_output_files = ""',
        "",
        *requests(options),
    ]
    lines += [
        "",
        "output = logs/worker-$(ClusterId).$(ProcId).out",
        "error = logs/worker-$(ClusterId).$(ProcId).err",
        "# No event log: it would lie in the spool of the schedd."
        if options.spool
        else "log = logs/workers.log",
        "",
        f"batch_name = {value('name', f'massgap workers {mark}')}",
        f"MY.MassgapPool = {text(mark)}",
    ]
    return "\n".join([*lines, *further_lines(options), "", ""])
