"""Why jobs wait: what the machines of the pool have, compared with what is asked for."""

from __future__ import annotations

import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from massgap.condor import commands as tools
from massgap.condor.errors import CondorError
from massgap.condor.job_options import megabytes

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massgap.condor.job_options import JobOptions

__all__ = ["Machines", "why_jobs_wait"]

_AGAIN = 60.0
"""Seconds until the pool is asked again."""

_ATTRIBUTES = ("TotalSlotCpus", "TotalSlotMemory", "TotalCpus", "TotalMemory", "Cpus", "Memory")
"""Of a machine, or of a slot of fixed size: what it has in all, and what is free; memory in MB."""


@dataclass
class Machines:
    """What the pool has, asked now and then.

    Attributes
    ----------
    sizes
        Cores and memory in MB of each machine, or of each slot of fixed size; None if the pool does not say.
    free
        The same, of what nobody uses at present.
    """

    sizes: list[tuple[int, int]] | None = None
    free: list[tuple[int, int]] | None = None
    _asked: float = float("-inf")

    def look(self) -> None:
        """Ask the pool, unless that was just done."""
        if time.monotonic() - self._asked < _AGAIN:
            return
        self._asked = time.monotonic()
        try:
            # Dynamic slots are parts of machines that are in the list already.
            rows = tools.machines(_ATTRIBUTES, constraint='SlotType =!= "Dynamic"')
        except CondorError:
            self.sizes = self.free = None
            return
        self.sizes = [
            (_number(row, "TotalSlotCpus", "TotalCpus"), _number(row, "TotalSlotMemory", "TotalMemory"))
            for row in rows
        ]
        self.free = [(_number(row, "Cpus"), _number(row, "Memory")) for row in rows]


def why_jobs_wait(machines: Machines, options: JobOptions, *, jobs: int, seconds: float, one: str) -> str:
    """What the pool says about jobs that wait, and what to do, in a sentence or two.

    Parameters
    ----------
    machines
        What the pool has.
    options
        What the jobs ask for.
    jobs, seconds
        How many wait, and for how long.
    one
        Number of one of them.
    """
    who = f"{jobs} jobs have" if jobs > 1 else "1 job has"
    head = f"{who} waited in the queue for {_span(seconds)}, and none runs"
    cores = f"{options.cpus} core{'s' if options.cpus > 1 else ''}"
    asks = (
        f"{'they ask' if jobs > 1 else 'it asks'} for {cores}, {options.memory} memory, {options.disk} disk"
    )
    analyse = f"condor_q -better-analyze {one} tells whether any machine can ever run {'them' if jobs > 1 else 'it'}"
    if machines.sizes is None:
        return f"{head}; {asks}. {analyse}"
    if not machines.sizes:
        return f"{head}. The pool has no machine at present (condor_status): wait, or ask who runs it"
    wanted = (options.cpus, megabytes("memory", options.memory))
    fitting, total = _fit(machines.sizes, wanted), len(machines.sizes)
    if not fitting:
        cpus, memory = (max(size[k] for size in machines.sizes) for k in (0, 1))
        less = (
            f"none of the {total} machines in this pool has as much"
            if total > 1
            else "the only machine in this pool has less"
        )
        return (
            f"{head}; {asks}, and {less} (at most {cpus} core{'s' if cpus > 1 else ''} and {memory / 1024:.1f} GB "
            f"memory): ask for less (--memory). {analyse}"
        )
    free = _fit(machines.free or [], wanted)
    now = (
        "the next round of matching may take some minutes"
        if free
        else "wait for others to finish, or ask for less (--memory)"
    )
    return (
        f"{head}; {asks}. {fitting} of {total} machine{'s' if total > 1 else ''} in this pool {'are' if fitting > 1 else 'is'} large "
        f"enough, {free or 'none'} of them with room now: {now}. {analyse}"
    )


def _fit(sizes: Sequence[tuple[int, int]], wanted: tuple[int, int]) -> int:
    return sum(cpus >= wanted[0] and memory >= wanted[1] for cpus, memory in sizes)


def _number(row: dict[str, Any], *names: str) -> int:
    found = next((row[name] for name in names if isinstance(row.get(name), int | float)), 0)
    return int(found)


def _span(seconds: float) -> str:
    """In coarse steps: what is told again with every second is noise."""
    steps = [15, 60, 120, 300, 600, 1200, 1800, 3600, 7200, 4 * 3600, 8 * 3600, 24 * 3600]
    step = max((s for s in steps if s <= seconds), default=steps[0])
    if step < 60:
        return f"{step} s"
    return (
        f"{step // 60} minute{'s' if step > 60 else ''}"
        if step < 3600
        else f"{step // 3600} hour{'s' if step > 3600 else ''}"
    )
