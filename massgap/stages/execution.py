"""Where work is done: executors by name, with the cluster that they need."""

from __future__ import annotations

import contextlib
import tempfile
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from massgap.condor.workers.clusters import CLUSTERS, open_cluster
from massgap.extras import require
from massgap.stages.inputs import take
from massgap.stages.job_options import Luggage, job_options, private_python

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["EXECUTORS", "Execution", "folder_of"]

EXECUTORS = ("iterative", "futures", "dask", *CLUSTERS)
"""Names of executors; the address of a dask scheduler is one as well."""


@dataclass(frozen=True)
class Execution:
    """Where and how chunks are worked on.

    Parameters
    ----------
    executor
        One of :data:`EXECUTORS`, or a scheduler's address; or an executor that is open already.
    workers
        Number of worker processes or jobs.
    adapt
        Smallest and largest number of workers instead (clusters only).
    timeout
        Seconds without any result after which workers are taken to hang.
    cluster
        Options of the cluster's jobs, see :class:`massgap.condor.job_options.JobOptions`.
    """

    executor: Any = "futures"
    workers: int = 2
    adapt: tuple[int, int] | None = None
    timeout: float | None = None
    cluster: dict[str, Any] | None = None

    @classmethod
    def of(cls, words: dict[str, Any]) -> Self:
        """From keywords as a notebook writes them; those that are its own are taken out of ``words``."""
        return cls(**take(cls, words))

    def fixed(self) -> Self:
        """The same with a fixed number of workers: those that go away when they have nothing to do cannot be asked."""
        if self.adapt is None:
            return self
        return replace(self, workers=min(self.adapt[1], max(self.adapt[0], 2)), adapt=None)

    def require_packages(self) -> None:
        """Import the packages of the executor, before hours of other work.

        Raises
        ------
        massgap.extras.MissingExtraError
            If one is not installed.
        """
        if not isinstance(self.executor, str):
            return
        purpose = f"the executor {self.executor}"
        if self.executor in CLUSTERS:
            needed = (
                ("dask", "distributed", "cryptography")
                if self.executor == "htcondor"
                else ("dask", "distributed")
            )
            for package in needed:
                require(package, purpose, extra="htcondor")
        elif self.executor == "dask" or "://" in self.executor:
            for package in ("dask", "distributed"):
                require(package, purpose)

    @contextlib.contextmanager
    def open(self, out: str | Path | None = None, luggage: Luggage | None = None) -> Iterator[Any]:
        """The executor, with its cluster if it needs one, for the time of a ``with`` block.

        Parameters
        ----------
        out
            Run folder; logs and submit descriptions of jobs go to ``cluster`` in it.
        luggage
            What is prepared for jobs; nothing by default.

        Raises
        ------
        massgap.runner.errors.RunnerError, massgap.condor.errors.CondorError
            If there is no such executor, an option does not fit, or the cluster cannot be opened.
        """
        from massgap.runner.errors import RunnerError
        from massgap.runner.executors.make import make_executor

        name, options = self.executor, dict(self.cluster or {})
        if not isinstance(name, str):
            yield name
            return
        if name not in CLUSTERS:
            if options:
                option = next(iter(options)).replace("_lines", "-line")
                msg = f"--{option} goes with the executor htcondor, lpc or lxplus, not with {name}"
                raise RunnerError(msg)
            yield make_executor(name, self.workers, adapt=self.adapt, timeout=self.timeout)
            return
        if self.workers < 1:
            msg = f"the number of workers must be at least 1, not {self.workers}"
            raise RunnerError(msg)
        import massgap
        from massgap.runner.executors.dask_cluster import DaskExecutor

        luggage = luggage or Luggage()
        folder = folder_of(None if out is None else Path(out))
        jobs = job_options(options, ask=name == "htcondor")
        for note in private_python(jobs):
            luggage.tell(f"note: {note}", 1, 1)
        jobs = luggage.environment(jobs, folder.absolute())
        with contextlib.ExitStack() as stack:
            scratch = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="massgap-")))
            # On lxplus jobs run the code in the home folder, and what is compiled there.
            compiled = luggage.machine_code(scratch) if name != "lxplus" else None
            pool = stack.enter_context(
                open_cluster(
                    name,
                    workers=self.workers,
                    adapt=self.adapt,
                    folder=folder,
                    package=Path(massgap.__file__).parent,
                    machine_code=compiled,
                    options=jobs,
                )
            )
            yield DaskExecutor(pool.client, self.workers, pool=pool, timeout=self.timeout)


def folder_of(out: Path | None) -> Path:
    """Where logs and submit descriptions of a cluster go."""
    return Path("massgap-cluster") if out is None else out / "cluster"
