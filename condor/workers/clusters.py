"""Clusters by name: any HTCondor pool, and facilities with packages or schedulers of their own."""

from __future__ import annotations

import importlib.util
import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.condor.errors import CondorError
from massgap.condor.job_options import JobOptions
from massgap.condor.workers.pool import Pool

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["CLUSTERS", "open_cluster"]

_CONNECT = 20


def open_cluster(
    name: str,
    *,
    workers: int = 2,
    adapt: tuple[int, int] | None = None,
    folder: Path,
    package: Path | None = None,
    machine_code: Path | None = None,
    options: JobOptions | None = None,
    address: str | None = None,
    **extra: Any,
) -> Pool:
    """Open a cluster.

    Parameters
    ----------
    name
        ``htcondor``: a pool that is submitted to from this host.  ``lpc``, ``lxplus``: those sites, through their own packages.
        ``coffea-casa``, ``swan``: the scheduler that the facility has started.
    workers, adapt
        Number of workers, or smallest and largest number.
    folder
        For logs and submit descriptions.
    package, machine_code
        Folder of the code that goes along with jobs, and of what is compiled of it, see
        :func:`massgap.condor.shipping.code_archive.pack_code`.
    options
        What jobs ask for.
    address
        Of a facility's scheduler, where it is not the usual one.
    extra
        Further arguments of :class:`massgap.condor.workers.htcondor_pool.HTCondorPool` (``host``, ``port``, ``interval``).

    Returns
    -------
    Pool
        A context manager; ``client`` in it is the ``distributed.Client``.

    Raises
    ------
    CondorError
        If there is no such cluster, a package or tool is missing, or jobs are refused; with the remedy.
    """
    try:
        opener = CLUSTERS[name]
    except KeyError:
        msg = f"unknown cluster {name!r}; known are {', '.join(CLUSTERS)}"
        raise CondorError(msg) from None
    if importlib.util.find_spec("distributed") is None:
        msg = f'the executor {name} needs dask and distributed: pip install "massgap[htcondor]"'
        raise CondorError(msg)
    return opener(
        workers=workers,
        adapt=adapt,
        folder=folder,
        package=package,
        machine_code=machine_code,
        options=options or JobOptions(),
        address=address,
        **extra,
    )


def _htcondor(
    *,
    workers: int,
    adapt: tuple[int, int] | None,
    folder: Path,
    package: Path | None,
    machine_code: Path | None,
    options: JobOptions,
    address: str | None,
    **extra: Any,
) -> Pool:
    if address is not None:
        msg = "an address belongs to the scheduler of a facility; htcondor starts its own"
        raise CondorError(msg)
    if package is None:
        msg = "htcondor ships code with its jobs: say with package= which folder"
        raise CondorError(msg)
    from massgap.condor.workers.htcondor_pool import (
        HTCondorPool,
    )  # every command of massgap imports this file

    return HTCondorPool(
        folder, options, workers=workers, adapt=adapt, package=package, machine_code=machine_code, **extra
    )


def _of_jobqueue(make: Callable[[], Any], workers: int, adapt: tuple[int, int] | None) -> Pool:
    """A cluster of a site's own class, scaled and with a client."""
    from distributed import Client

    try:
        cluster = make()
    except CondorError:
        raise
    except Exception as error:
        msg = f"the site's cluster could not be made ({type(error).__name__}: {error})"
        raise CondorError(msg) from error
    if adapt is not None:
        cluster.adapt(minimum=adapt[0], maximum=adapt[1])
    else:
        cluster.scale(workers)
    look = "condor_q -hold tells why jobs are held, condor_q -better-analyze why they wait; their logs are in the logs folder of the run"
    return Pool(Client(cluster), cluster, look=look)


def _lpc(
    *,
    workers: int,
    adapt: tuple[int, int] | None,
    folder: Path,
    package: Path | None,
    machine_code: Path | None,
    options: JobOptions,
    address: str | None,  # noqa: ARG001 - its class starts a scheduler
) -> Pool:
    def make() -> Any:
        try:
            from lpcjobqueue import LPCCondorCluster
        except ImportError as error:
            msg = (
                f"the package lpcjobqueue cannot be imported ({error}). At the LPC, start inside its container: "
                "https://github.com/CoffeaTeam/lpcjobqueue tells how (bootstrap.sh, then ./shell); with htcondor 25 and later it "
                "cannot work, as it needs the module htcondor of version 24"
            )
            raise CondorError(msg) from error
        logs = _log_folder(folder)
        return LPCCondorCluster(
            ship_env=options.environment is not None,
            transfer_input_files=[str(_copy(package, machine_code, folder))] if package is not None else [],
            memory=options.memory,
            disk=options.disk,
            cores=options.cpus,
            log_directory=str(logs),
            **({"image": options.image} if options.image else {}),
            **({"job_extra_directives": dict(options.submit_lines)} if options.submit_lines else {}),
        )

    return _of_jobqueue(make, workers, adapt)


def _lxplus(
    *,
    workers: int,
    adapt: tuple[int, int] | None,
    folder: Path,
    package: Path | None,  # noqa: ARG001 - its jobs see the home folder
    machine_code: Path | None,  # noqa: ARG001 - and what is compiled there
    options: JobOptions,
    address: str | None,  # noqa: ARG001 - its class starts a scheduler
) -> Pool:
    def make() -> Any:
        try:
            from dask_lxplus import CernCluster
        except ImportError as error:
            msg = f"the package dask_lxplus cannot be imported ({error}): pip install dask-lxplus, on an lxplus host"
            raise CondorError(msg) from error
        lines = dict(options.submit_lines)
        if options.walltime is not None:
            from massgap.condor.job_options import seconds

            lines.setdefault("+MaxRuntime", str(seconds(options.walltime)))
        return CernCluster(
            cores=options.cpus,
            memory=options.memory,
            disk=options.disk,
            log_directory=str(_log_folder(folder)),
            # Jobs run in an image or in the LCG release of this session.
            **({"worker_image": options.image} if options.image else {"lcg": True}),
            **({"job_extra_directives": lines} if lines else {}),
        )

    return _of_jobqueue(make, workers, adapt)


def _copy(package: Path, machine_code: Path | None, folder: Path) -> Path:
    """A copy of the package without links, which HTCondor would not follow, with what is compiled of it."""
    copy = folder.absolute() / "code" / package.name
    shutil.rmtree(copy, ignore_errors=True)
    shutil.copytree(package, copy, ignore=shutil.ignore_patterns("__pycache__"))
    if machine_code is not None and machine_code.is_dir():
        shutil.copytree(machine_code, copy, dirs_exist_ok=True)
    return copy


def _log_folder(folder: Path) -> Path:
    logs = folder.absolute() / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    return logs


def _facility(name: str, usual: str | None, variable: str | None, where: str) -> Callable[..., Pool]:
    def opener(
        *,
        workers: int,  # noqa: ARG001 - the facility scales by itself
        adapt: tuple[int, int] | None,
        folder: Path,  # noqa: ARG001 - nothing is written
        package: Path | None,
        machine_code: Path | None,
        options: JobOptions,
        address: str | None,
    ) -> Pool:
        if options != JobOptions(python=options.python, proxy=options.proxy) or adapt is not None:
            msg = f"{name} has a scheduler and workers already: options of jobs and --adapt do not go with it; set them in {where}"
            raise CondorError(msg)
        from distributed import Client

        target = address or (os.environ.get(variable) if variable else None) or usual
        if target is None:
            msg = f"{name}: the address of the scheduler is not known. Start a cluster in {where}, and give its address: --executor tls://HOST:PORT"
            raise CondorError(msg)
        try:
            client = Client(target, timeout=_CONNECT)
        except (OSError, ValueError, TimeoutError) as error:
            msg = f"{name}: no scheduler answers at {target} ({str(error).splitlines()[0]}). Start or restart the cluster in {where}"
            raise CondorError(msg) from error
        if package is not None:
            _send_code(client, package, machine_code)
        return Pool(client, look=f"Start workers in {where}")

    return opener


def _send_code(client: Any, package: Path, machine_code: Path | None) -> None:
    """Bring the package to workers that do not have it installed; those that come later get it, too."""
    import hashlib
    import tempfile

    import cloudpickle

    from massgap.condor.shipping import code_plugin
    from massgap.condor.shipping.code_archive import pack_code

    with tempfile.TemporaryDirectory() as folder:
        archive = pack_code(package, Path(folder) / "code.tar.gz", machine_code=machine_code)
        content = archive.read_bytes()
    # Neither the scheduler nor the workers need to have massgap.
    cloudpickle.register_pickle_by_value(code_plugin)
    try:
        plugin = code_plugin.CodePlugin(package.name, content, hashlib.sha256(content).hexdigest())
        client.register_plugin(plugin)
    except Exception as error:
        msg = f"the code could not be sent to the workers ({type(error).__name__}: {error})"
        raise CondorError(msg) from error
    finally:
        cloudpickle.unregister_pickle_by_value(code_plugin)


CLUSTERS: dict[str, Callable[..., Pool]] = {
    "htcondor": _htcondor,
    "lpc": _lpc,
    "lxplus": _lxplus,
    "coffea-casa": _facility("coffea-casa", "tls://localhost:8786", None, "the Dask panel of JupyterLab"),
    "swan": _facility("swan", None, "DASK_SCHEDULER_ADDRESS", "the Dask panel of SWAN"),
}
"""Name -> what opens it."""
