"""What jobs ask for, from the options of a command, and what they take along: machine code, and an environment."""

from __future__ import annotations

import os
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.source_code import PACKAGE, imported_files

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.condor.job_options import JobOptions
    from massgap.condor.shipping.distributions import Needed

__all__ = ["Luggage", "job_options", "private_notes", "private_python"]

_POOLS = ("htcondor", "lpc", "lxplus")
"""Executors whose workers are jobs of a pool."""

_WORKERS = ("runner/work.py", "runner/slices/work.py", "runner/preflight/probe.py")
"""Where the code of workers begins; what it imports is followed."""


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
    from massgap.condor.job_options import SHIPPED, JobOptions

    given = dict(cluster)
    environment, python = given.pop("environment", None), given.pop("python", None)
    if before is not None:
        lines = {**before.submit_lines, **given.pop("submit_lines", {})}
        options = replace(before, submit_lines=lines, **given)
    else:
        options = JobOptions(**given)
        if environment is None and python is None and options.image is None:
            environment = "ship" if ask and tools.shares_files() is False else "shared"
    if environment in ("shared", *SHIPPED):
        # It is packed later, when the run is planned: that takes a while.
        archive = environment if environment in SHIPPED else None
        options = replace(options, environment=archive, python=None if archive else sys.executable)
    elif environment is not None:
        path = Path(environment).expanduser().absolute()
        if not path.is_file() or not path.name.endswith((".tar.gz", ".tgz")):
            msg = (
                f"--environment {environment}: is no archive (.tar.gz) that is there; give shared, ship, ship-all, or an archive, for "
                "instance of conda-pack"
            )
            raise CondorError(msg)
        options = replace(options, environment=str(path), python=None)
    if python is not None:
        options = replace(options, python=python)
    proxy = os.environ.get("X509_USER_PROXY")
    return replace(options, proxy=str(Path(proxy).absolute()) if proxy and Path(proxy).is_file() else None)


class Luggage:
    """What jobs take along beside the code, prepared before they are submitted.

    Parameters
    ----------
    processor
        The analysis; None if it is not known: then nothing is compiled.
    fileset
        Its files.
    tell
        Gets a text, and how much of how much is done, while something takes time.
    kind
        The class of the analysis, where there is no more.
    """

    def __init__(
        self,
        processor: Any = None,
        fileset: dict[str, Any] | None = None,
        tell: Callable[[str, int, int], None] | None = None,
        kind: type | None = None,
    ) -> None:
        self.processor = processor
        self.kind = type(processor) if processor is not None else kind
        self.fileset = fileset or {}
        self.tell = tell or (lambda *_: None)

    def machine_code(self, folder: Path) -> Path | None:
        """Compile what the analysis calls, and collect it in a folder; None if there is nothing.

        Nothing depends on it: jobs compile for themselves what does not come, or does not fit their machine.
        """
        from massgap.runner.preflight.warming import warm

        if self.processor is None or not self.fileset:
            return None
        start = time.monotonic()
        text = "compiling for the jobs: the analysis runs on its first events here"
        self.tell(f"{text} (new code takes some 30 s of CPU time, once)", 0, 2)
        found = warm(
            self.processor,
            self.fileset,
            folder,
            tick=lambda: self.tell(f"{text}, for {time.monotonic() - start:.0f} s", 1, 2),
        )
        if found.files:
            text = f"compiled for the jobs in {time.monotonic() - start:.0f} s"
            text += f"; not all, as {found.problem}" if found.problem else ""
        else:
            text = f"each job will compile for itself: {found.problem or 'nothing is kept on disk here'}"
        self.tell(text, 1, 1)
        return folder if found.files else None

    def environment(self, options: JobOptions, folder: Path, *, keep: bool = False) -> JobOptions:
        """Pack the environment into a folder, if it is to be shipped.

        Parameters
        ----------
        options
            What was asked for.
        folder
            Where the archive goes.
        keep
            Take the archive that is there already, if there is one.

        Raises
        ------
        massgap.condor.errors.CondorError
            If it cannot be packed.
        """
        from massgap.condor.job_options import SHIPPED
        from massgap.condor.shipping.environment import pack_environment

        if options.environment not in SHIPPED:
            return options
        archive = folder / "environment.tar.gz"
        if not (keep and archive.exists()):
            folder.mkdir(parents=True, exist_ok=True)
            needed = self.needed() if options.environment == "ship" else None
            if needed is not None and needed.left_out:
                self.tell(needed.in_words(), 1, 1)
            pack_environment(archive, leave_out=needed.excluded if needed else (), tell=self.tell)
        return replace(options, environment=str(archive))

    def needed(self) -> Needed:
        """The distributions that workers import, by their code and that of the analysis."""
        from massgap.condor.shipping.distributions import needed_distributions

        files = {file for name in _WORKERS for file in imported_files(PACKAGE / name)}
        # The command that jobs call has options for everything: of it counts what it imports itself.
        files |= set((PACKAGE / "cli").glob("*.py"))
        modules = {cls.__module__ for cls in self.kind.__mro__} if self.kind is not None else set()
        for module in modules:
            file = getattr(sys.modules.get(module), "__file__", None)
            files |= set(imported_files(file)) if file else set()
        return needed_distributions(files, {module.partition(".")[0] for module in modules})


def private_notes(executor: Any, fileset: dict[str, Any], out: str | Path | None) -> list[str]:
    """What a user should know of files in folders that a pool gives each job privately; nothing if the work is done elsewhere.

    Parameters
    ----------
    executor
        Its name.
    fileset
        The files of the run.
    out
        The run folder.
    """
    from massgap.condor.private_folders import private_folder
    from massgap.runner.planning import files_of

    if executor not in _POOLS:
        return []
    notes = []
    paths = [path for entry in fileset.values() for path, _ in files_of(entry)]
    hidden = [path for path in paths if private_folder(path)]
    if hidden:
        rest = f" (and {len(hidden) - 1} more)" if len(hidden) > 1 else ""
        notes.append(
            f"{hidden[0]}{rest} lies in {private_folder(hidden[0])}, which a pool gives each job privately: if jobs do not find it, put it "
            "into a folder that they see, or name it by its address (root://...)"
        )
    if out is not None and (top := private_folder(out)):
        notes.append(
            f"--out {out} lies in {top}, which HTCondor's services may have privately: if jobs are held because files cannot be read or "
            "written, choose a folder elsewhere"
        )
    return notes


def private_python(options: JobOptions) -> list[str]:
    """The same of the Python that jobs use, if they are to find it where it is here."""
    from massgap.condor.private_folders import private_folder

    if options.environment is not None or options.image or options.python is None:
        return []
    top = private_folder(Path(options.python).parent) if Path(options.python).is_absolute() else None
    told = (
        f"the Python of the jobs, {options.python}, lies in {top}, which a pool gives each job privately: if they do not find it, send it "
        "along (--environment ship) or install it elsewhere"
    )
    return [told] if top else []
