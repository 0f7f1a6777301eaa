"""Workers of a dask cluster must have the versions that are here: those that are there, and those that come."""

from __future__ import annotations

import logging
from typing import Any

from massgap.runner.errors import EnvironmentMismatchError

__all__ = ["REMEDY", "require_same_versions"]

REMEDY = (
    "Tasks cannot be sent between different versions: install the same ones on the workers (the environment that massgap "
    "ships with --environment ship, or an image with these versions), and look with massgap preflight"
)


def require_same_versions(client: Any, cluster: Any) -> None:
    """Refuse workers with other versions, those that are there and those that come.

    Parameters
    ----------
    client, cluster
        Of distributed; the cluster may be None.

    Raises
    ------
    EnvironmentMismatchError
        Naming the worker, the packages and the remedy.
    """
    from distributed.versions import get_versions

    from massgap.runner.executors import version_gate

    scheduler = getattr(cluster, "scheduler", None)
    mine = get_versions()["packages"]
    gate = version_gate.VersionGate(mine)
    found: dict[str, list[str]] = {}
    if scheduler is not None and hasattr(scheduler, "add_plugin"):
        scheduler.add_plugin(gate, idempotent=True, name=gate.name)
        found = {
            str(state.name): version_gate.mismatches(mine, (state.versions or {}).get("packages", {}))
            for state in list(scheduler.workers.values())
        }
    else:
        try:
            versions = client.get_versions()
        except Exception as error:
            msg = f"the dask scheduler did not tell the versions of its workers ({type(error).__name__}: {error})"
            raise EnvironmentMismatchError(msg) from error
        found = {
            name: version_gate.mismatches(mine, (v or {}).get("packages", {}))
            for name, v in versions["workers"].items()
        }
        wrong = version_gate.mismatches(mine, versions["scheduler"]["packages"])
        if wrong:
            msg = f"the dask scheduler has other versions: {', '.join(wrong)}. {REMEDY}"
            raise EnvironmentMismatchError(msg)
        _send_gate(client, gate)
    wrong_workers = {name: wrong for name, wrong in found.items() if wrong}
    if wrong_workers:
        name, wrong = next(iter(wrong_workers.items()))
        more = f" and {len(wrong_workers) - 1} more" if len(wrong_workers) > 1 else ""
        msg = f"worker {name}{more} has other versions: {', '.join(wrong)}. {REMEDY}"
        raise EnvironmentMismatchError(msg)


def _send_gate(client: Any, gate: Any) -> None:
    import cloudpickle

    from massgap.runner.executors import version_gate

    cloudpickle.register_pickle_by_value(version_gate)
    try:
        client.register_plugin(gate)
    except Exception as error:  # noqa: BLE001 - a facility may forbid plugins; its workers are looked at all the same
        logging.getLogger(__name__).info("the scheduler takes no plugin: %s", error)
    finally:
        cloudpickle.unregister_pickle_by_value(version_gate)
