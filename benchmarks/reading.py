"""Reading event files: RNTuple against TTree, and baskets of every compression against uproot."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.events import write_events
from benchmarks.limit import COLUMNS
from benchmarks.measure import Effort, Measurement, Row, ratio
from benchmarks.slepton import compare_plain, package, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "Reading event files"
OTHER_FIELDS = 37
FEW, MANY = 237, 1500
COMPRESSIONS = {"ZSTD": 1.5, "LZ4": 1.5, "none": 1.5, "ZLIB": 1.0, "LZMA": None}
"""Compression of a TTree -> how many times faster than uproot its columns are to be read."""


def rows(effort: Effort) -> Iterator[Row]:
    """Yield the lines about reading."""
    n, rounds = effort.of(100_000, 100_000, 3_000), effort.rounds()
    folder = Path(os.environ.get("MASSGAP_BENCH", "bench"))
    cluster = n // 2
    for fields in (FEW, MANY):
        many = effort.of(fields, fields, min(fields, 300))
        paths = {
            form: write_events(
                folder / f"{form}_{many}_{n}.root", n, triggers=many - OTHER_FIELDS, basket=cluster, form=form
            )
            for form in ("ttree", "rntuple")
        }
        ours, tree = package(paths["rntuple"], n), package(paths["ttree"], n)
        same(ours(), tree(), "the RNTuple and the TTree")
        yield Row(
            GROUP,
            f"slepton, RNTuple against TTree, {many:,} fields",
            ratio(ours, tree, rounds=rounds, least=0.3),
            goal=1.0,
            detail=f"{n:,} events from file to histograms in one chunk; clusters and baskets of {cluster:,}; identical results",
        )
    yield from _coffea(paths["rntuple"], ours, n, effort)
    yield _first(paths["rntuple"], effort)
    part = max(n // 3 - 1, 1)
    yield Row(
        GROUP,
        "RNTuple against TTree where chunks begin inside of clusters",
        ratio(package(paths["rntuple"], part), package(paths["ttree"], part), rounds=rounds, least=0.3),
        goal=0.8,
        detail=f"chunks of at most {part:,} events; what a chunk leaves of a page is kept for the next one",
    )
    yield from _columns(folder, n, rounds)


def _coffea(path: Path, ours: Callable[[], Any], n: int, effort: Effort) -> Iterator[Row]:
    """The analysis as a coffea user writes it, on the same RNTuple."""
    from coffea.nanoevents import NanoAODSchema
    from coffea.processor import IterativeExecutor, Runner

    from benchmarks.plain_coffea import PlainSlepton

    def plain() -> Any:
        run = Runner(IterativeExecutor(), schema=NanoAODSchema, chunksize=n, savemetrics=False)
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
            return run({"events": {"files": {str(path): "Events"}}}, PlainSlepton())

    counts, _ = compare_plain(plain(), ours())
    yield Row(
        GROUP,
        "the same RNTuple against the plain coffea way",
        ratio(ours, plain, rounds=effort.of(3, 3, 1), least=0.3),
        goal=20.0,
        detail=f"NanoEvents of all fields, one chunk; identical counts {counts}",
    )


_SCRIPT = """
import sys, time
from pathlib import Path
from benchmarks.slepton import package
package(Path(sys.argv[1]), 1000)()
start = time.perf_counter()
package(Path(sys.argv[2]), 10**6)()
print(time.perf_counter() - start)
"""


def _first(path: Path, effort: Effort) -> Row:
    """A new process, which has read another format before, reads the file for the first time."""
    small = write_events(path.parent / "small.root", 200)
    root = Path(__file__).parent.parent
    seconds = []
    for _ in range(effort.of(5, 2, 1)):
        done = subprocess.run(
            [sys.executable, "-c", _SCRIPT, str(small), str(path)],
            cwd=root,
            capture_output=True,
            text=True,
            check=True,
        )
        seconds.append(float(done.stdout.split()[-1]))
    seconds.sort()
    median = seconds[len(seconds) // 2]
    return Row(
        GROUP,
        "first histogram of the RNTuple in a new process, beyond start-up",
        Measurement(median, seconds[0], seconds[-1], len(seconds), median),
        "s",
        goal=2.0,
        at_least=False,
        detail="wall time; start-up is a run over a TTree of 200 events",
    )


def _columns(folder: Path, n: int, rounds: int) -> Iterator[Row]:
    """The columns of the analysis alone."""
    sources = [("ttree", name, goal) for name, goal in COMPRESSIONS.items()] + [("rntuple", "ZSTD", 1.0)]
    for form, compression, goal in sources:
        path = write_events(
            folder / f"{form}_{compression}_{n}.root", n, compression=compression, basket=n // 2, form=form
        )
        ours, theirs = _lean(path, n), _uproot(path)
        for mine, other in zip(ours(), theirs(), strict=True):
            if mine.tobytes() != other.tobytes():
                msg = f"{path}: columns differ from those of uproot"
                raise AssertionError(msg)
        name = "an RNTuple" if form == "rntuple" else "a TTree"
        kind = "no compression" if compression == "none" else compression
        yield Row(
            GROUP,
            f"{len(COLUMNS)} columns of {name} with {kind} against uproot",
            ratio(ours, theirs, rounds=rounds, least=0.1),
            goal=goal,
            detail="file opened, numbers of all columns read; identical numbers",
        )


def _lean(path: Path, n: int) -> Callable[[], list[Any]]:
    from massgap.events.reading.open import Chunk, close_files, open_events

    def work() -> list[Any]:
        close_files()
        columns = open_events(Chunk("d", str(path), 0, n), {}, columns=True)
        return [columns.flat("", name) for name in COLUMNS]

    return work


def _uproot(path: Path) -> Callable[[], list[Any]]:
    import awkward as ak
    import uproot

    def work() -> list[Any]:
        with uproot.open(path, array_cache=None) as file:
            arrays = file["Events"].arrays(list(COLUMNS))
            return [ak.to_numpy(ak.flatten(arrays[name], axis=None)) for name in COLUMNS]

    return work
