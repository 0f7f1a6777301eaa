"""What jobs ask for, from the options of a command: defaults, the environment, the proxy."""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from massgap.condor.job_options import JobOptions

__all__ = ["job_options", "packed_environment"]


def job_options(
    cluster: dict[str, Any], before: JobOptions | None = None, *, ask: bool = False
) -> JobOptions:
    """Options of jobs: those given, else those before, else the defaults.

    Parameters
    ----------
    cluster
        What was given.
    before
        Options of earlier jobs.
    ask
        Ask the pool whether it shares files, if nothing says where the jobs' Python comes from.

    Raises
    ------
    massgap.condor.errors.CondorError
        If an option has a value that it cannot take.
    """
    from massgap.condor import commands as tools
    from massgap.condor.errors import CondorError
    from massgap.condor.job_options import JobOptions

    given = dict(cluster)
    environment, python = given.pop("environment", None), given.pop("python", None)
    if before is not None:
        lines = {**before.submit_lines, **given.pop("submit_lines", {})}
        options = replace(before, submit_lines=lines, **given)
    else:
        options = JobOptions(**given)
        if environment is None and python is None and options.image is None:
            environment = "ship" if ask and tools.shares_files() is False else "shared"
    if environment in ("shared", "ship"):
        # "ship" is packed later, when the run is planned: it takes a while.
        archive = "ship" if environment == "ship" else None
        options = replace(options, environment=archive, python=None if archive else sys.executable)
    elif environment is not None:
        path = Path(environment).expanduser().absolute()
        if not path.is_file() or not path.name.endswith((".tar.gz", ".tgz")):
            msg = (
                f"--environment {environment}: is no archive (.tar.gz) that is there; give shared, ship, or an archive, for instance "
                "of conda-pack"
            )
            raise CondorError(msg)
        options = replace(options, environment=str(path), python=None)
    if python is not None:
        options = replace(options, python=python)
    proxy = os.environ.get("X509_USER_PROXY")
    return replace(options, proxy=str(Path(proxy).absolute()) if proxy and Path(proxy).is_file() else None)


def packed_environment(options: JobOptions, folder: Path) -> JobOptions:
    """Pack the environment into a folder, if it is to be shipped.

    Raises
    ------
    massgap.condor.errors.CondorError
        If it cannot be packed.
    """
    if options.environment != "ship":
        return options
    from massgap.condor.shipping.environment import pack_environment

    archive = folder / "environment.tar.gz"
    if not archive.exists():
        pack_environment(archive)
    return replace(options, environment=str(archive))
