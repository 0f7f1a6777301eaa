"""Keep workers with other versions out of a dask scheduler, before they get a task.

A worker whose distributed is not the driver's joins, dies on its first task with a message in its own log only, and
the task never returns.  The scheduler knows the versions of a worker when it registers.

This module is sent to schedulers that do not have massgap: it uses distributed only.
"""

from __future__ import annotations

from typing import Any

from distributed import SchedulerPlugin

__all__ = ["REFUSED", "VersionGate", "mismatches"]

REFUSED = "massgap-refused-workers"
"""Topic of the scheduler's events under which refused workers are found."""

_SAME = ("dask", "distributed", "cloudpickle", "msgpack", "tornado")
_SAME_RELEASE = ("python", "numpy")  # of these the first two numbers count


def mismatches(mine: dict[str, Any], other: dict[str, Any]) -> list[str]:
    """What differs between two sets of versions so much that tasks cannot be sent.

    Parameters
    ----------
    mine, other
        Package -> version, as in ``packages`` of ``Client.get_versions()``; packages that are unknown on one side do
        not count, except dask and distributed.

    Examples
    --------
    >>> mismatches({"python": "3.11.7.final.0", "dask": "2026.8.0"}, {"python": "3.12.1.final.0", "dask": "2026.8.0"})
    ['python 3.12 (here 3.11)']
    """
    found = []
    for name in (*_SAME_RELEASE, *_SAME):
        here, there = mine.get(name), other.get(name)
        if here is None or (there is None and name not in ("dask", "distributed")):
            continue
        here, there = str(here), str(there)
        if name in _SAME_RELEASE:
            here, there = (".".join(v.split(".")[:2]) for v in (here, there))
        if here != there:
            found.append(f"{name} {there} (here {here})")
    return found


class VersionGate(SchedulerPlugin):
    """Removes workers whose versions differ.

    Parameters
    ----------
    packages
        Versions of the driver.
    """

    name = "massgap-version-gate"
    idempotent = True

    def __init__(self, packages: dict[str, Any]) -> None:
        self.packages = packages

    async def add_worker(self, scheduler: Any, worker: str) -> None:
        """Called by the scheduler before the worker can get tasks."""
        state = scheduler.workers.get(worker)
        if state is None:
            return
        wrong = mismatches(self.packages, (state.versions or {}).get("packages") or state.versions or {})
        if wrong:
            scheduler.log_event(REFUSED, {"worker": worker, "name": str(state.name), "wrong": wrong})
            await scheduler.remove_worker(worker, stimulus_id="massgap-version-gate")
