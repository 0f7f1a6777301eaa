"""Chunks, workers, memory: what running the slepton processor costs beside the events themselves."""

from __future__ import annotations

import itertools
import json
import os
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.events import write_events
from benchmarks.measure import Effort, Measurement, Row, cpu_seconds

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

    from massgap.runner.progress import Progress

GROUP = "Running the slepton processor"
LARGEST_LOSS = 0.05


def rows(effort: Effort) -> Iterator[Row | str]:
    """Yield the lines about running."""
    folder = Path(os.environ.get("MASSGAP_BENCH", "bench"))
    n = effort.of(1_000_000, 100_000, 20_000)
    path = write_events(folder / f"events_{n}.root", n)
    overhead, per_event = _overheads(path, n, folder, effort)
    yield overhead
    yield _default_chunk(overhead, per_event)
    yield from _events(path, n, folder, effort)
    yield from _memory(path, n, effort)
    yield _workers(path, n, effort)


def fileset(path: Path, times: int = 1) -> dict[str, Any]:
    """The same file as several datasets."""
    return {f"events{i}": {"files": {str(path): "Events"}, "metadata": {}} for i in range(times)}


def _overheads(path: Path, n: int, folder: Path, effort: Effort) -> tuple[Row, float]:
    """CPU time of a chunk beside that of its events: small chunks against one that holds them all, in turn."""
    from massgap.processors.slepton import Slepton
    from massgap.runner.runner import run

    parts, size = effort.of(40, 40, 4), 1000
    rounds = effort.of(15, 3, 1)
    # Baskets as small as the chunks, so that none is decompressed twice.
    small = write_events(folder / "events_small_baskets.root", parts * size, basket=size)

    def work(events: Path, chunksize: int, chunks: int) -> Callable[[], None]:
        def go() -> None:
            done = run(Slepton(), fileset(events), chunksize=chunksize)
            done.require_complete()
            assert len(done.ledger.chunks) == chunks, "chunks do not end where baskets end"

        go()
        return go

    whole, many = work(small, parts * size, 1), work(small, size, parts)
    each = []
    for i in range(rounds):
        if i % 2:
            several, one = cpu_seconds(many, 2), cpu_seconds(whole, 2)
        else:
            one, several = cpu_seconds(whole, 2), cpu_seconds(many, 2)
        each.append((several - one) / (parts - 1) * 1e3)
    large = work(path, n, 1)
    ones = [cpu_seconds(large, 1) for _ in range(3)]
    measured = Measurement(
        statistics.median(each), min(each), max(each), rounds, statistics.median(each) * 1e-3
    )
    detail = (
        f"{parts} chunks of {size:,} events against one with all of them, over {parts - 1}; merging included"
    )
    row = Row(GROUP, "CPU time per chunk", measured, "ms", goal=10.0, at_least=False, detail=detail)
    return row, statistics.median(ones) / n


def _default_chunk(overhead: Row, per_event: float) -> Row:
    """The loss at the default chunk size, and the smallest size that loses no more than 5 %."""
    from massgap.runner.planning import DEFAULT_CHUNKSIZE

    seconds = max(overhead.measured.median, 0.0) * 1e-3
    least = seconds * (1.0 / LARGEST_LOSS) / per_event
    loss = 100.0 * seconds / (DEFAULT_CHUNKSIZE * per_event)
    return Row(
        GROUP,
        f"share lost to overhead at the default of {DEFAULT_CHUNKSIZE:,} events",
        Measurement(loss, loss, loss, 1, seconds),
        "%",
        goal=100.0 * LARGEST_LOSS,
        at_least=False,
        detail=f"20 x {seconds * 1e3:.1f} ms / {per_event * 1e9:.0f} ns = {least:,.0f} events would lose 5 %",
    )


def _events(path: Path, n: int, folder: Path, effort: Effort) -> Iterator[Row]:
    """Cost per event against the number of events."""
    from massgap.processors.slepton import Slepton
    from massgap.runner.runner import run

    whole: tuple[int, ...] = (10_000, 100_000, 1_000_000, 10_000_000)
    sizes = effort.of(whole, whole[:2], (1_000, n))
    for size in sizes:
        if size <= n:
            files = fileset(write_events(folder / f"events_{size}.root", size))
        else:
            files = fileset(path, size // n)

        def work(files: dict[str, Any] = files) -> None:
            run(Slepton(), files, allow_duplicates=True).require_complete()

        work()
        times = [cpu_seconds(work, 1) * 1e9 / size for _ in range(1 if size > n else 3)]
        yield Row(
            GROUP,
            f"cost of an event, {size:,} events",
            Measurement(statistics.median(times), min(times), max(times), len(times), times[0]),
            "ns per event",
            at_least=False,
            detail="opening and merging included; 10,000 events are dominated by the opening of the file",
        )


_MEMORY = """
import json, sys
from massgap.runner.runner import run
from massgap.processors.slepton import Slepton
files = json.loads(sys.argv[1])
run(Slepton(), files, chunksize=int(sys.argv[2]), allow_duplicates=True).require_complete()
# Not ru_maxrss, which a process inherits from the one that started it.
status = open("/proc/self/status").read().split()
print(int(status[status.index("VmHWM:") + 1]) / 1024)
"""


def _memory(path: Path, n: int, effort: Effort) -> Iterator[Row | str]:
    """Largest resident memory of a process against the chunk size."""
    from massgap.runner.planning import DEFAULT_CHUNKSIZE

    if not Path("/proc/self/status").exists():
        yield "memory of a worker: only where there is /proc"
        return
    files = json.dumps(fileset(path, effort.of(3, 1, 1)))
    for size in effort.of((50_000, DEFAULT_CHUNKSIZE, n), (50_000, n), (n,)):
        command = [sys.executable, "-c", _MEMORY, files, str(size)]
        done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=_root())
        mib = float(done.stdout)
        yield Row(
            GROUP,
            f"memory of a worker, chunks of {size:,}",
            Measurement(mib, mib, mib, 1, 0.0),
            "MiB",
            goal=1024.0 if size == DEFAULT_CHUNKSIZE else None,
            at_least=False,
            detail="largest resident size of the process, libraries included",
        )


def _root() -> Path:
    return Path(__file__).resolve().parent.parent


def _workers(path: Path, n: int, effort: Effort) -> Row:
    """Events per second with two worker processes over those with one, once they are at work."""
    from massgap.processors.slepton import Slepton
    from massgap.runner.executors.local import FuturesExecutor
    from massgap.runner.runner import run

    files = fileset(path, effort.of(24, 2, 2))

    def rate(workers: int) -> float:
        seen: list[tuple[float, int]] = []

        def note(progress: Progress) -> None:
            if progress.stage == "process":
                seen.append((time.perf_counter(), progress.events))

        chunksize = n // 4
        executor = FuturesExecutor(workers)
        run(Slepton(), files, executor=executor, chunksize=chunksize, progress=note, allow_duplicates=True)
        # From when all workers have delivered twice to when the last chunks begin to run out.
        steady = seen[2 * workers : len(seen) - workers]
        (start, first), (stop, last) = steady[0], steady[-1]
        return (last - first) / (stop - start)

    ratios = []
    for one_first in itertools.islice(itertools.cycle((True, False)), effort.of(5, 1, 1)):
        order = (1, 2) if one_first else (2, 1)
        rates = {workers: rate(workers) for workers in order}
        ratios.append(rates[2] / rates[1])
    median = statistics.median(ratios)
    return Row(
        GROUP,
        "two workers against one",
        Measurement(median, min(ratios), max(ratios), len(ratios), 0.0),
        goal=1.9,
        detail="events per second of wall time, from when all workers are at work until the chunks run out",
    )
