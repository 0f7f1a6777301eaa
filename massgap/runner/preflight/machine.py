"""Judge the machines of workers: memory, scratch space, threads and clock."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.runner.preflight.answers import EVENT_MEMORY, FAILED, WARNING, Answer, Finding, Here, size_text

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["clock", "least_scratch", "memory", "needed_memory", "scratch", "threads"]

BASE_MEMORY = 450 << 20
"""Bytes that a worker has when libraries are loaded and kernels are compiled: measured 441 MiB (Linux, x86-64)."""

BASE_ADDRESSES = 2200 << 20
"""The same for its address space, which counts what is only mapped: measured 2.0 GiB with feature tables."""


DASK_SHARE = 0.8
"""Share of its memory limit at which a dask worker takes no further tasks (distributed.worker.memory.pause)."""

SMALLEST_SCRATCH = 100 << 20

COMFORTABLE_SCRATCH = 1 << 30

SKEW, LARGEST_SKEW = 5.0, 120.0
"""Seconds from which a clock is worth a word, and from which certificates and tokens are refused."""


def needed_memory(chunksize: int, event_memory: int = EVENT_MEMORY) -> int:
    """Bytes of resident memory that a worker needs for chunks of so many events, about."""
    return BASE_MEMORY + event_memory * chunksize


def memory(here: Here, answer: Answer, everyone: Sequence[Answer]) -> Iterator[Finding]:
    """Whether a chunk fits into the memory, by every limit that a worker can see."""
    look = answer.look or {}
    memory = look["memory"]
    if "error" in memory:
        return
    after = ((answer.tried or {}).get("memory") or {}).get("resident") or 0
    base = max(BASE_MEMORY, after)
    per_chunk = here.event_memory * here.chunksize
    limits = [(name, float(size), base) for name, size in memory["limits"].items() if "address" not in name]
    limits += [
        (name, float(size), BASE_ADDRESSES) for name, size in memory["limits"].items() if "address" in name
    ]
    if answer.memory_limit:
        limits.append((f"{DASK_SHARE:.0%} of dask's memory limit", DASK_SHARE * answer.memory_limit, base))
    hard = [(name, size, floor) for name, size, floor in limits if size < floor + per_chunk]
    if hard:
        name, size, floor = min(hard, key=lambda row: row[1] - row[2])
        fits = int((size - floor) / here.event_memory / 1000) * 1000
        smaller = f"--chunksize {fits} or " if fits >= 10_000 else ""
        yield Finding(
            answer.name,
            f"a chunk of {here.chunksize:,} events needs about {size_text(floor + per_chunk)}, but there are {size_text(size)} ({name})",
            f"{smaller}more memory per worker, at least {size_text((floor + per_chunk) / DASK_SHARE)} (--memory of the batch executors)",
        )
        return
    if memory["total"]:
        beside = sum((a.look or {}).get("host") == look["host"] for a in everyone)
        share = memory["total"] / max(beside, here.wanted if not here.cluster else 1)
        if share < base + per_chunk:
            yield Finding(
                answer.name,
                f"the machine has {size_text(memory['total'])}, which is {size_text(share)} per worker; a chunk of "
                f"{here.chunksize:,} events needs about {size_text(base + per_chunk)}",
                "fewer --workers on this machine, or a smaller --chunksize",
                WARNING,
            )


def least_scratch(looked: Sequence[Answer]) -> str:
    """What is said where scratch space is enough."""
    free = [s["free"] for a in looked if "free" in (s := (a.look or {})["scratch"])]
    return f"writable, at least {size_text(min(free))} free" if free else "writable"


def scratch(answer: Answer) -> Iterator[Finding]:
    """Whether temporary files can be written, and enough of them."""
    scratch = (answer.look or {})["scratch"]
    if "error" in scratch:
        yield Finding(
            answer.name, f"no folder for temporary files: {scratch['error']}", "set TMPDIR on the workers"
        )
        return
    place = scratch["folder"]
    if scratch["unwritable"]:
        yield Finding(
            answer.name,
            f"{place} cannot be written: {scratch['unwritable']}",
            "set TMPDIR (or dask's temporary-directory) to a folder that workers can write, on their local disk",
        )
    elif scratch["free"] < SMALLEST_SCRATCH or scratch["free"] < COMFORTABLE_SCRATCH:
        bad = scratch["free"] < SMALLEST_SCRATCH
        yield Finding(
            answer.name,
            f"{place} has {size_text(scratch['free'])} free",
            "free some, set TMPDIR to a larger disk, or ask for more (--disk of the batch executors)",
            FAILED if bad else WARNING,
        )


def threads(answer: Answer) -> Iterator[Finding]:
    """Whether a worker has one thread."""
    if answer.threads != 1:
        yield Finding(
            answer.name,
            f"{answer.threads} threads",
            "start workers with one thread each (dask worker --nthreads 1): files are kept open per process, and events "
            "are processed by one thread",
        )


def clock(answer: Answer) -> Iterator[Finding]:
    """Whether the clock agrees with that here: certificates depend on it."""
    time = float((answer.look or {})["time"])
    ahead, behind = time - answer.received, answer.sent - time
    off = max(ahead, behind)
    if off <= SKEW:
        return
    yield Finding(
        answer.name,
        f"its clock is {_rough(off)} {'ahead' if ahead > behind else 'behind'}",
        "certificates, proxies and tokens are refused by machines with a wrong clock: the administrators must set it (NTP)",
        FAILED if off > LARGEST_SKEW else WARNING,
    )


def _rough(seconds: float) -> str:
    """Workers of one fault should not differ by the milliseconds of their answers."""
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"
