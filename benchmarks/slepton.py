"""The slepton processor from file to histograms against other ways of doing the same."""

from __future__ import annotations

import contextlib
import io
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.events import write_events
from benchmarks.limit import Result, arrays_in_memory, compiled_loop, decompression
from benchmarks.measure import Effort, Measurement, Row, cost, cpu_seconds, paired, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "Slepton processor, file to histograms"
STEPS = ("MET > 30", "z_window", "met", "cos_theta_star")


def rows(effort: Effort) -> Iterator[Row | str]:
    """Yield the lines about the processor as a whole."""
    from massgap.runner.planning import DEFAULT_CHUNKSIZE

    n, rounds = effort.of(1_000_000, 100_000, 20_000), effort.rounds()
    path = write_events(Path(os.environ.get("MASSGAP_BENCH", "bench")) / f"events_{n}.root", n)
    unpack, loop = decompression(path), compiled_loop(arrays_in_memory(path))
    unpack_all = decompression(path, tables=True)

    def limit() -> Result:
        unpack()
        return loop()

    def limit_with_tables() -> Result:
        unpack_all()
        return loop()

    ours = package(path, DEFAULT_CHUNKSIZE)
    best, mine = limit(), ours()
    same(best, mine, "the limit")
    share = inverse(ratio(limit, ours, rounds=rounds, least=0.5))
    detail = (
        f"{n:,} events in {path.stat().st_size / 1e6:.0f} MB, chunks of {DEFAULT_CHUNKSIZE:,}; identical counts "
        f"{mine.counts} and identical contents of all histograms (checksum {mine.checksum()})"
    )
    yield Row(GROUP, "E = limit / massgap", share, goal=0.58, detail=detail)
    yield Row(
        GROUP,
        "E with the tables of offsets in the limit",
        inverse(ratio(limit_with_tables, ours, rounds=rounds, least=0.5)),
        detail="all bytes of the baskets decompressed, as the limit was until 2026-11-28; massgap leaves the tables alone",
    )
    yield Row(
        GROUP, "massgap", cost(ours, rounds=rounds, least=0.3, scale=1e9 / n), "ns per event", at_least=False
    )
    for what, function in (("decompression of the same values", unpack), ("compiled loop over arrays", loop)):
        yield Row(
            GROUP,
            f"limit: {what}",
            cost(function, rounds=rounds, least=0.3, scale=1e9 / n),
            "ns per event",
            at_least=False,
        )
    yield from _columns(path, ours, rounds)
    yield from _coffea(path, package(path, 100_000), rounds)
    yield from _through_runner(path, ours, rounds)
    yield _shifts(path, ours, rounds)
    yield from _rdataframe(path, ours, mine, rounds)


def package(path: Path, chunksize: int, **options: Any) -> Callable[[], Result]:
    """Function that runs the processor as ``massgap run`` does: files are inspected, chunked, processed and merged."""
    from massgap.processors.slepton import Slepton
    from massgap.runner.runner import run

    fileset = {"events": {"files": {str(path): "Events"}, "metadata": {}}}

    def work() -> Result:
        done = run(Slepton(**options), fileset, chunksize=chunksize)
        done.require_complete()
        return result_of(done.output)

    return work


def result_of(output: dict[str, Any], counted: tuple[str, ...] = STEPS) -> Result:
    """Counts and contents of the histograms of a massgap output."""
    (steps,) = output["cutflow"]["processes"].values()
    raw = {step["step"]: step["raw"] for step in steps}
    histograms = {}
    for name, histogram in output["histograms"].items():
        view = histogram.view(flow=True)
        content = np.stack([view["value"], view["variance"]])
        histograms[name] = content[:, 0].squeeze()
    return Result(tuple(raw[step] for step in counted), histograms)


def same(one: Result, other: Result, what: str) -> None:
    """Stop if two results are not identical."""
    if one.counts != other.counts:
        msg = f"{what}: events that pass are {one.counts} and {other.counts}"
        raise AssertionError(msg)
    for name, content in one.histograms.items():
        if content.tobytes() != np.ascontiguousarray(other.histograms[name]).tobytes():
            msg = f"{what}: the contents of {name} differ"
            raise AssertionError(msg)


def _shifts(path: Path, ours: Callable[[], Result], rounds: int) -> Row:
    """Four shifts of objects beside the nominal ones, against these alone."""
    from massgap.processors.slepton import Slepton
    from massgap.runner.planning import DEFAULT_CHUNKSIZE
    from massgap.runner.runner import run

    fileset = {"events": {"files": {str(path): "Events"}, "metadata": {}}}

    def shifted() -> None:
        run(
            Slepton(variations=("jes", "muon_scale")), fileset, chunksize=DEFAULT_CHUNKSIZE
        ).require_complete()

    shifted()
    return Row(
        GROUP,
        "with four shifts of jets and muons, against without",
        ratio(ours, shifted, rounds=_few(rounds), least=0.3),
        goal=2.2,
        at_least=False,
        detail="energy scale of jets and momentum scale of muons up and down; everything that a shift touches is filled",
    )


def _few(rounds: int) -> int:
    """Rounds where a single call takes long."""
    return max(rounds // 2, min(rounds, 3))


def inverse(measured: Measurement) -> Measurement:
    """The ratio the other way round."""
    return Measurement(
        1.0 / measured.median,
        1.0 / measured.high,
        1.0 / measured.low,
        measured.rounds,
        measured.theirs,
        measured.ours,
    )


def _columns(path: Path, ours: Callable[[], Any], rounds: int) -> Iterator[Row]:
    """Reading the same columns with uproot, and nothing else."""
    import uproot

    from benchmarks.limit import COLUMNS

    def read() -> None:
        with uproot.open(path, array_cache=None) as file:
            file["Events"].arrays(list(COLUMNS))

    yield Row(
        GROUP,
        "against uproot reading the same columns",
        ratio(ours, read, rounds=rounds, least=0.3),
        detail="tree.arrays(columns) alone, without any analysis",
    )


def _coffea(path: Path, ours: Callable[[], Result], rounds: int) -> Iterator[Row]:
    """The analysis as a coffea user writes it."""
    from coffea.nanoevents import NanoAODSchema
    from coffea.processor import IterativeExecutor, Runner

    from benchmarks.plain_coffea import PlainSlepton

    def plain() -> Any:
        run = Runner(IterativeExecutor(), schema=NanoAODSchema, chunksize=100_000, savemetrics=False)
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
            return run({"events": {"files": {str(path): "Events"}}}, PlainSlepton())

    counts, different = compare_plain(plain(), ours())
    yield Row(
        GROUP,
        "against the plain coffea way, chunks of 100k",
        ratio(ours, plain, rounds=_few(rounds), least=0.3),
        goal=8.0,
        detail=(
            "NanoEvents, vector behaviours, one awkward expression per observable, package mt2, hist.Hist; identical "
            f"counts {counts}; {different} events in another bin, all of M_T2, where package mt2 is off"
        ),
    )


def compare_plain(plain: dict[str, Any], ours: Result) -> tuple[tuple[int, ...], int]:
    """Check the plain way's counts and histograms; give the counts, and the events that M_T2 puts into another bin."""
    counts = tuple(plain["counts"][step] for step in STEPS)
    if counts != ours.counts:
        msg = f"the plain coffea way: events that pass are {counts} and {ours.counts}"
        raise AssertionError(msg)
    moved = 0.0
    for name, content in ours.histograms.items():
        view = plain["histograms"][name].view(flow=True)
        other = np.stack([view["value"], view["variance"]]).squeeze()
        difference = np.abs(other - content)
        if "mt2" in name:
            moved += difference[1].sum() / 2
        elif difference.max() > 1e-9 * max(np.abs(content).max(), 1.0):
            # An observable within rounding of a bin edge may fall on the other side of it.
            moved += difference[1].sum() / 2
            if difference[1].sum() / 2 > 10:
                msg = f"the plain coffea way: the contents of {name} differ"
                raise AssertionError(msg)
    return counts, round(moved)


def _through_runner(path: Path, ours: Callable[[], Result], rounds: int) -> Iterator[Row]:
    """massgap's own way of handing out chunks against coffea's Runner, with the same processor."""
    from coffea.processor import IterativeExecutor, Runner

    from massgap.events.reading.schemas import NanoAOD
    from massgap.processors.slepton import Slepton
    from massgap.runner.planning import DEFAULT_CHUNKSIZE

    def runner() -> Result:
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
            return through()

    def through() -> Result:
        run = Runner(IterativeExecutor(), schema=NanoAOD, chunksize=DEFAULT_CHUNKSIZE, savemetrics=False)
        return result_of(run({"events": {"files": {str(path): "Events"}}}, Slepton()))

    same(ours(), runner(), "coffea's Runner")
    yield Row(
        GROUP,
        "against the same processor in coffea's Runner",
        ratio(ours, runner, rounds=_few(rounds), least=0.3),
        detail="identical counts and contents",
    )


def _rdataframe(path: Path, ours: Callable[[], Result], mine: Result, rounds: int) -> Iterator[Row | str]:
    """The same in C++ with ROOT's RDataFrame, in a process of its own, in turn with ours."""
    with _root_process(path) as (first, ask):
        if first[0] != "ready":
            yield f'RDataFrame ({" ".join(first[1:])}); ROOT comes with pip install "massgap[benchmark]"'
            return
        words = ask()
        counts, checksum = tuple(int(word) for word in words[1:5]), words[5]
        expected = checksum_of(mine)
        if counts != mine.counts or checksum != expected:
            msg = (
                f"RDataFrame: counts {counts} and checksum {checksum} instead of {mine.counts} and {expected}"
            )
            raise AssertionError(msg)
        times = [(cpu_seconds(ours, 1), float(ask()[0])) for _ in range(rounds)]
    measured = paired(times)
    yield Row(
        GROUP,
        "against RDataFrame, compiled C++",
        measured,
        goal=2.0,
        detail=(
            f"{' '.join(first[1:])}, compiled with optimisation, one thread, CPU time of the event loop alone; observables by "
            f"the same compiled function; identical counts and sums ({checksum})"
        ),
    )


@contextlib.contextmanager
def _root_process(path: Path) -> Iterator[tuple[list[str], Callable[[], list[str]]]]:
    """The first words of the process with ROOT, and a function that lets it go through the events and gives its words on that."""
    python = os.environ.get("MASSGAP_ROOT_PYTHON", sys.executable)
    command = [python, str(Path(__file__).with_name("rdataframe.py")), str(path)]
    # ROOT says much, which would fill a pipe.
    with (
        tempfile.TemporaryFile("w+") as errors,
        subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=errors, text=True
        ) as process,
    ):

        def words(told: str = "") -> list[str]:
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(told)
            process.stdin.flush()
            if said := process.stdout.readline().split():
                return said
            errors.seek(0)
            msg = f"RDataFrame: its process ended with {process.wait()}: {errors.read()[-2000:]}"
            raise RuntimeError(msg)

        yield words(), lambda: words("run\n")


def checksum_of(result: Result) -> str:
    """Checksum of the sums over the bins of each histogram, in hundredths: whole numbers, whatever the order."""
    total = 0
    for k, name in enumerate(sorted(result.histograms)):
        flat = np.rint(np.ravel(result.histograms[name]) * 100.0).astype(np.int64)
        weights = np.arange(1, len(flat) + 1, dtype=np.int64) * (k + 1)
        total = (total + int((flat * weights).sum())) % (1 << 61)
    return str(total)
