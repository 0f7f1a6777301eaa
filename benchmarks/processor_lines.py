"""Lines about one processor from file to histograms: the plain coffea way, and a compiled loop over arrays in memory."""

from __future__ import annotations

import contextlib
import importlib
import io
import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.events import write_events
from benchmarks.limit import Result, decompression
from benchmarks.measure import Effort, Row, cost, ratio
from benchmarks.slepton import inverse, result_of, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

__all__ = ["Contest"]


@dataclass(frozen=True)
class Contest:
    """A processor and those that it is compared with.

    Parameters
    ----------
    group
        Heading of the lines.
    name, processor, plain
        Prefix of the file of events; module and class of the processor, and of the plain coffea way.
    content
        Columns of a number of events and a seed.
    columns
        Those that the processor reads.
    loop
        Path of the events -> the compiled loop over arrays in memory.
    steps
        Steps of the cutflow that must agree; the first ``exact`` of them exactly with the plain way.
    exact
        By default none: rounding at edges moves events.
    off_counts, off_contents
        Shares of events by which the plain way may differ, beyond a few.
    goal
        Of the ratio to the plain way.
    words, plain_words
        What the lines say of the histograms, and of the plain way.
    """

    group: str
    name: str
    processor: str
    plain: str
    content: Callable[[int, int], dict[str, Any]]
    columns: tuple[str, ...]
    loop: Callable[[Path], Callable[[], Result]]
    steps: tuple[str, ...]
    goal: float
    plain_words: str
    exact: int = 0
    off_counts: float = 1e-4
    off_contents: float = 1e-3
    words: str = ""

    def rows(self, effort: Effort) -> Iterator[Row | str]:
        """Yield the lines.

        Parameters
        ----------
        effort
            How many events and rounds.
        """
        from massgap.runner.planning import DEFAULT_CHUNKSIZE

        n, rounds = effort.of(1_000_000, 100_000, 20_000), effort.rounds()
        folder = Path(os.environ.get("MASSGAP_BENCH", "bench"))
        path = write_events(folder / f"{self.name}_{n}.root", n, content=self.content)
        unpack, loop = decompression(path, self.columns), self.loop(path)

        def limit() -> Result:
            unpack()
            return loop()

        ours = self._package(path, DEFAULT_CHUNKSIZE)
        best, mine = limit(), ours()
        same(best, mine, "the limit")
        detail = (
            f"{n:,} events in {path.stat().st_size / 1e6:.0f} MB, chunks of {DEFAULT_CHUNKSIZE:,}; identical counts "
            f"{mine.counts} and contents of {len(mine.histograms)} histograms{self.words} (checksum {mine.checksum()})"
        )
        share = inverse(ratio(limit, ours, rounds=rounds, least=0.3))
        yield Row(self.group, "E = limit / massgap", share, goal=0.4, detail=detail)
        for what, function in (
            ("massgap", ours),
            ("limit: decompression of the same values", unpack),
            ("limit: compiled loop over arrays", loop),
        ):
            measured = cost(function, rounds=rounds, least=0.2, scale=1e9 / n)
            yield Row(self.group, what, measured, "ns per event", at_least=False)
        yield self._against_coffea(path, max(rounds // 2, 1))

    def _package(self, path: Path, chunksize: int) -> Callable[[], Result]:
        """Function that runs the processor as ``massgap run`` does."""
        from massgap.runner.runner import run

        fileset = {"events": {"files": {str(path): "Events"}, "metadata": {}}}
        processor = _found(self.processor)

        def work() -> Result:
            done = run(processor(), fileset, chunksize=chunksize)
            done.require_complete()
            return result_of(done.output, self.steps)

        return work

    def _against_coffea(self, path: Path, rounds: int) -> Row:
        """The analysis as a coffea user writes it."""
        from coffea.nanoevents import NanoAODSchema
        from coffea.processor import IterativeExecutor, Runner

        processor = _found(self.plain)

        def plain() -> Any:
            run = Runner(IterativeExecutor(), schema=NanoAODSchema, chunksize=100_000, savemetrics=False)
            with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
                return run({"events": {"files": {str(path): "Events"}}}, processor())

        ours = self._package(path, 100_000)
        moved = self._moved(plain(), ours())
        return Row(
            self.group,
            "against the plain coffea way, chunks of 100k",
            ratio(ours, plain, rounds=rounds, least=0.3),
            goal=self.goal,
            detail=f"{self.plain_words}; {moved} events in another bin",
        )

    def _moved(self, plain: dict[str, Any], ours: Result) -> int:
        """Stop if the plain way differs by more than rounding at edges; give the number of events in other bins.

        Raises
        ------
        AssertionError
            If counts or contents differ by more than is allowed.
        """
        counts = tuple(plain["counts"][step] for step in self.steps)
        if counts[: self.exact] != ours.counts[: self.exact] or any(
            abs(a - b) > 2 + self.off_counts * b for a, b in zip(counts, ours.counts, strict=True)
        ):
            msg = f"the plain coffea way: events that pass are {counts} and {ours.counts}"
            raise AssertionError(msg)
        moved = 0.0
        for name, mine in ours.histograms.items():
            view = plain["histograms"][name].view(flow=True)
            contents = np.stack([view["value"], view["variance"]]).reshape(2, -1)
            off = np.abs(contents - mine.reshape(2, -1))[1].sum() / 2
            if off > 10 + self.off_contents * mine.reshape(2, -1)[1].sum():
                msg = f"the plain coffea way: the contents of {name} differ"
                raise AssertionError(msg)
            moved += off
        return round(moved)


def _found(place: str) -> Any:
    module, _, name = place.partition(":")
    return getattr(importlib.import_module(module), name)
