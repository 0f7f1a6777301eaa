"""The vector-like-quark processor from file to histograms against the plain coffea way, and a compiled loop in memory."""

from __future__ import annotations

import contextlib
import io
import os
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.events import columns, write_events
from benchmarks.fused_vlq import COLUMNS, arrays_in_memory, compiled_loop
from benchmarks.limit import Result, decompression
from benchmarks.measure import Effort, Row, cost, ratio
from benchmarks.plain_vlq import STEPS
from benchmarks.slepton import inverse, result_of, same

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "VLQ processor, file to histograms"


def content(n: int, seed: int) -> dict[str, Any]:
    """Events of a Z and a lepton in a hard jet on the other side; a quarter has fewer leptons, a fifth passes all cuts."""
    out = columns(n, seed)
    rng = np.random.default_rng([seed, n, 3])
    few = rng.random(n) < 0.25
    phi = rng.uniform(-np.pi, np.pi, n)
    pt_z, eta_z = 60 + rng.exponential(200, n), rng.normal(0, 0.9, n)
    apart = 182.4 / pt_z
    away, eta = phi + np.pi, rng.normal(0, 0.9, n)
    pt_3 = 15 + rng.exponential(90, n)
    sign = np.where(rng.random(n) < 0.5, 1, -1)

    def per_event(first: Any, second: Any, third: Any) -> np.ndarray:
        return np.stack([np.broadcast_to(x, n) for x in (first, second, third)], axis=1)

    leptons = {
        "pt": per_event(0.6 * pt_z, 0.4 * pt_z, pt_3),
        "eta": per_event(eta_z, eta_z + 0.3 * apart, eta),
        "phi": per_event(phi, phi + apart, away),
        "charge": per_event(sign, -sign, rng.choice([-1, 1], n)),
    }
    there = np.ones((n, 3), bool)
    there[few, 2] = False
    kinds = np.stack([rng.random(n) < 0.5] * 2 + [rng.random(n) < 0.5], axis=1)
    for name, of, mass, more in (
        ("Muon", kinds & there, 0.1056583755, "mediumId"),
        ("Electron", ~kinds & there, 0.000511, "cutBased"),
    ):
        k = int(of.sum())
        fields = {key: values[of].astype(np.float32) for key, values in leptons.items() if key != "charge"}
        fields["phi"] = np.remainder(fields["phi"] + np.pi, 2 * np.pi).astype(np.float32) - np.float32(np.pi)
        fields |= {"mass": np.full(k, mass, np.float32), "charge": leptons["charge"][of].astype(np.int32)}
        fields[more] = rng.random(k) < 0.97 if name == "Muon" else rng.choice([1, 3], k, p=[0.05, 0.95])
        out[name] = (of.sum(axis=1), fields)
    beside = 40 + rng.exponential(150, n)
    counts = 1 + (rng.random(n) < 0.3)
    k = int(counts.sum())
    first = np.concatenate([[0], np.cumsum(counts)[:-1]])
    fat = {
        "pt": (70 + rng.exponential(100, k)).astype(np.float32),
        "eta": np.clip(rng.normal(0, 1.2, k), -4, 4).astype(np.float32),
        "phi": rng.uniform(-np.pi, np.pi, k).astype(np.float32),
    }
    fat["pt"][first] = pt_3 + beside
    fat["eta"][first] = eta + rng.normal(0, 0.1, n)
    fat["phi"][first] = np.remainder(away + rng.normal(0, 0.1, n) + np.pi, 2 * np.pi) - np.pi
    fat["mass"] = (0.15 * fat["pt"]).astype(np.float32)
    out["FatJet"] = (counts, fat)
    return out


def package(path: Path, chunksize: int) -> Callable[[], Result]:
    """Function that runs the processor as ``massgap run`` does."""
    from massgap.processors.vlq import Vlq
    from massgap.runner.runner import run

    fileset = {"events": {"files": {str(path): "Events"}, "metadata": {}}}

    def work() -> Result:
        done = run(Vlq(), fileset, chunksize=chunksize)
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
    path = write_events(folder / f"vlq_{n}.root", n, content=content)
    unpack, loop = decompression(path, COLUMNS), compiled_loop(arrays_in_memory(path))

    def limit() -> Result:
        unpack()
        return loop()

    ours = package(path, DEFAULT_CHUNKSIZE)
    best, mine = limit(), ours()
    same(best, mine, "the limit")
    detail = (
        f"{n:,} events in {path.stat().st_size / 1e6:.0f} MB, chunks of {DEFAULT_CHUNKSIZE:,}; identical counts "
        f"{mine.counts} and contents of {len(mine.histograms)} histograms (checksum {mine.checksum()})"
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

    from benchmarks.plain_vlq import PlainVlq

    def plain() -> Any:
        run = Runner(IterativeExecutor(), schema=NanoAODSchema, chunksize=100_000, savemetrics=False)
        with contextlib.redirect_stdout(io.StringIO()):  # its progress bars
            return run({"events": {"files": {str(path): "Events"}}}, PlainVlq())

    moved = compare(plain(), ours())
    return Row(
        GROUP,
        "against the plain coffea way, chunks of 100k",
        ratio(ours, plain, rounds=rounds, least=0.3),
        goal=4.0,
        detail=(
            "NanoEvents, vector behaviours, one awkward expression per step and observable, hist.Hist; identical counts; "
            f"{moved} events in another bin"
        ),
    )


def compare(plain: dict[str, Any], ours: Result) -> int:
    """Stop if the plain way differs by more than rounding at edges; give the number of events in other bins.

    Raises
    ------
    AssertionError
        If counts differ by more than rounding explains, or more than a few events lie elsewhere.
    """
    counts = tuple(plain["counts"][step] for step in STEPS)
    if any(abs(a - b) > 2 + 1e-4 * b for a, b in zip(counts, ours.counts, strict=True)):
        msg = f"the plain coffea way: events that pass are {counts} and {ours.counts}"
        raise AssertionError(msg)
    moved = 0.0
    for name, mine in ours.histograms.items():
        view = plain["histograms"][name].view(flow=True)
        difference = np.abs(np.stack([view["value"], view["variance"]]) - mine)
        off = difference[1].sum() / 2
        if off > 10 + 0.001 * mine[1].sum():
            msg = f"the plain coffea way: the contents of {name} differ"
            raise AssertionError(msg)
        moved += off
    return round(moved)
