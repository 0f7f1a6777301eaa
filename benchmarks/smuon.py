"""The smuon processor from file to histograms against the plain coffea way, and a compiled loop over arrays in memory."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.events import columns, write_events
from benchmarks.fused_smuon import COLUMNS, arrays_in_memory, compiled_loop
from benchmarks.limit import Result, decompression
from benchmarks.measure import Effort, Row, cost, ratio
from benchmarks.slepton import inverse, result_of, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "Smuon processor, file to histograms"
STEPS = ("MET > 100", "two muons", "opposite charge", "m_mumu", "M_T2 > 90", "muons above 50, 20")


def content(n: int, seed: int) -> dict[str, Any]:
    """Dimuon events with photons and wide jets, as generated samples have them, and more missing momentum.

    About a fifth of the events passes the cut on it, and one in fifty all cuts.
    """
    out = columns(n, seed)
    rng = np.random.default_rng([seed, n, 2])
    for name, mean, pt in (("Photon", 0.3, 12.0), ("WideJet", 1.6, 30.0)):
        counts = rng.poisson(mean, n)
        k = int(counts.sum())
        kinematics = {
            "pt": (8.0 + rng.exponential(pt, k)).astype(np.float32),
            "eta": np.clip(rng.normal(0.0, 1.4, k), -4.0, 4.0).astype(np.float32),
            "phi": rng.uniform(-np.pi, np.pi, k).astype(np.float32),
        }
        if name == "Photon":
            kinematics["pfRelIso03_all"] = rng.exponential(0.1, k).astype(np.float32)
            kinematics["cutBased"] = rng.integers(0, 4, k).astype(np.int32)
        else:
            kinematics["mass"] = (kinematics["pt"] * rng.uniform(0.05, 0.3, k)).astype(np.float32)
        out[name] = (counts, kinematics)
    out[""]["MET_pt"] = rng.exponential(60.0, n).astype(np.float32)
    return out


def package(path: Path, chunksize: int) -> Callable[[], Result]:
    """Function that runs the processor as ``massgap run`` does."""
    from massgap.processors.smuon import Smuon
    from massgap.runner.runner import run

    fileset = {"events": {"files": {str(path): "Events"}, "metadata": {}}}

    def work() -> Result:
        done = run(Smuon(), fileset, chunksize=chunksize)
        done.require_complete()
        return result_of(done.output, STEPS)

    return work


def rows(effort: Effort) -> Iterator[Row | str]:
    """The lines of the table.

    Parameters
    ----------
    effort
        How many events and rounds.

    Yields
    ------
    Row
    """
    from massgap.runner.planning import DEFAULT_CHUNKSIZE

    n, rounds = effort.of(1_000_000, 100_000, 20_000), effort.rounds()
    folder = Path(os.environ.get("MASSGAP_BENCH", "bench"))
    path = write_events(folder / f"smuon_{n}.root", n, content=content)
    unpack, loop = decompression(path, COLUMNS), compiled_loop(arrays_in_memory(path))

    def limit() -> Result:
        unpack()
        return loop()

    ours = package(path, DEFAULT_CHUNKSIZE)
    best, mine = limit(), ours()
    same(best, mine, "the limit")
    detail = (
        f"{n:,} events in {path.stat().st_size / 1e6:.0f} MB, chunks of {DEFAULT_CHUNKSIZE:,}; identical counts "
        f"{mine.counts} and contents of {len(mine.histograms)} histograms, MET in 8 regions (checksum {mine.checksum()})"
    )
    share = inverse(ratio(limit, ours, rounds=rounds, least=0.3))
    yield Row(GROUP, "E = limit / massgap", share, goal=0.4, detail=detail)
    for what, function in (
        ("massgap", ours),
        ("limit: decompression of the same bytes", unpack),
        ("limit: compiled loop over arrays", loop),
    ):
        measured = cost(function, rounds=rounds, least=0.2, scale=1e9 / n)
        yield Row(GROUP, what, measured, "ns per event", at_least=False)
    yield _coffea(path, package(path, 100_000), max(rounds // 2, 1))


def _coffea(path: Path, ours: Callable[[], Result], rounds: int) -> Row:
    """The analysis as a coffea user writes it."""
    from coffea.nanoevents import NanoAODSchema
    from coffea.processor import IterativeExecutor, Runner

    from benchmarks.plain_smuon import PlainSmuon

    def plain() -> Any:
        run = Runner(IterativeExecutor(), schema=NanoAODSchema, chunksize=100_000, savemetrics=False)
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
            return run({"events": {"files": {str(path): "Events"}}}, PlainSmuon())

    moved = compare(plain(), ours())
    return Row(
        GROUP,
        "against the plain coffea way, chunks of 100k",
        ratio(ours, plain, rounds=rounds, least=0.3),
        goal=8.0,
        detail=(
            "NanoEvents, vector behaviours, one awkward expression per observable, package mt2, hist.Hist; same counts but "
            f"for M_T2, where package mt2 is off; {moved} events in another bin"
        ),
    )


def compare(plain: dict[str, Any], ours: Result) -> int:
    """Stop if the plain way differs by more than rounding at edges; give the number of events in other bins.

    Raises
    ------
    AssertionError
        If counts before the cut on M_T2 differ, or more than a few events of a thousand lie elsewhere.
    """
    counts = tuple(plain["counts"][step] for step in STEPS)
    if counts[:4] != ours.counts[:4] or any(
        abs(a - b) > 2 + 0.001 * b for a, b in zip(counts[4:], ours.counts[4:], strict=True)
    ):
        msg = f"the plain coffea way: events that pass are {counts} and {ours.counts}"
        raise AssertionError(msg)
    moved = 0.0
    for name, mine in ours.histograms.items():
        view = plain["histograms"][name].view(flow=True)
        other = np.stack([view["value"], view["variance"]]).reshape(2, -1)
        difference = np.abs(other - mine.reshape(2, -1))[1].sum() / 2
        if difference > 10 + 0.003 * mine.reshape(2, -1)[1].sum():
            msg = f"the plain coffea way: the contents of {name} differ"
            raise AssertionError(msg)
        moved += difference
    return round(moved)
