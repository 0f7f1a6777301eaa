"""Generate samples: blocks of events in worker processes, NanoAOD files, and the fileset that weights them.

A block is one complete file. It is written under a temporary name and renamed when it is complete, so that whatever
stops a run leaves complete files only; a later run with the same settings continues with the blocks that are missing.
A block's content depends on its seed and settings alone, not on the number of workers.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import signal
import time
import zlib
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.samples.catalogue import PROCESSES, Process, list_processes, processes_of
from massgap.samples.detector import load_card
from massgap.samples.errors import GenerationError
from massgap.samples.fileset import write_fileset
from massgap.samples.pythia import MAX_SEED, Generated, generate_block, require, settings_of

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable

__all__ = ["DEMO_EVENTS", "Progress", "generate", "list_processes"]

#: Events (before the detector) of a demonstration: about four minutes on two cores.
DEMO_EVENTS = 45_000
BLOCK = 2000
#: Generated muons of both charges that an event must have to be worth the detector.
MUON_PT_MIN, MUON_ETA_MAX = 8.0, 2.5
_NO_CONTENT = ("description", "source", "xsec_fb", "generator_xsec_fb", "tranches")
_SOURCES = ("slicing", "record", "detector", "jets", "nanoaod", "pythia")


@dataclass(frozen=True)
class Progress:
    """State of a running generation, handed to the progress callback after each block."""

    done: int
    total: int
    events_per_s: float
    eta_s: float
    dataset: str


@dataclass(frozen=True)
class _Task:
    process: str
    tranche: int
    block: int
    events: int
    seed: int
    card: str
    mpi: bool
    path: str
    digest: str


def generate(
    processes: str | Iterable[str] = "slepton",
    out: str | os.PathLike[str] = "data",
    *,
    events: int = DEMO_EVENTS,
    seed: int = 1,
    workers: int = 2,
    progress: Callable[[Progress], None] | None = None,
    resume: bool = True,
    card: str | os.PathLike[str] = "cms",
    mpi: bool = False,
) -> dict[str, Any]:
    """Generate samples with Pythia and a parametrised detector.

    Parameters
    ----------
    processes : str or list of str
        An analysis (``slepton``) or names of processes (see :func:`list_processes`).
    out : path
        Folder for ``<dataset>/block_0000.root`` files and ``fileset.json``.
    events : int
        Number of generated events, shared among processes and tranches by the catalogue's plan. Only the ones with
        two muons are written.
    seed : int
        Same seed, same content; different seeds never share random numbers within a process.
    workers : int
        Number of worker processes; 1 runs in this process.
    progress : callable, optional
        Called with a :class:`Progress` after each block.
    resume : bool
        Keep complete blocks of the same settings; otherwise everything is made anew.
    card : str or path
        Detector card.
    mpi : bool
        Simulate multiparton interactions (about ten times slower).

    Returns
    -------
    dict
        The fileset, as written to ``out/fileset.json``.

    Raises
    ------
    SampleError
        For an unknown process, a bad number, a folder that cannot be written, a full disk, or without the
        generator extra.
    KeyboardInterrupt
        After Ctrl-C; complete blocks are kept and ``fileset.json`` lists the processes that have all tranches.
    """
    chosen = processes_of(processes)
    _check_numbers(events, seed, workers)
    require()
    out = Path(out)
    tasks = _plan(chosen, out, events, seed, os.fspath(card), mpi)
    _make_folders(out, tasks)
    summaries: dict[str, dict[str, Any]] = {}
    for task in tasks:
        if resume and (known := read_block(Path(task.path))) is not None and known["digest"] == task.digest:
            summaries[task.path] = known
    todo = [task for task in tasks if task.path not in summaries]
    if todo:
        # files are about to change under an older fileset: better none than a wrong one
        (out / "fileset.json").unlink(missing_ok=True)
    try:
        _run(todo, workers, summaries, sum(task.events for task in tasks), progress)
    finally:
        for leftover in out.glob("*/.block_*.tmp"):
            leftover.unlink(missing_ok=True)
        fileset = _fileset(chosen, tasks, summaries)
        if fileset:
            write_fileset(fileset, out / "fileset.json")
    return fileset


def _check_numbers(events: Any, seed: Any, workers: Any) -> None:
    for name, value, low, high in (
        ("events", events, 1, 10**10),
        ("seed", seed, 0, MAX_SEED),
        ("workers", workers, 1, 1024),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
            msg = f"{name} must be a whole number from {low} to {high}, not {value!r}"
            raise GenerationError(msg)


def _make_folders(out: Path, tasks: list[_Task]) -> None:
    try:
        for folder in {Path(task.path).parent for task in tasks}:
            folder.mkdir(parents=True, exist_ok=True)
        probe = out / f".probe.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
    except OSError as error:
        msg = f"output folder {out} cannot be written: {error.strerror}"
        raise GenerationError(msg) from None


def _plan(chosen: list[Process], out: Path, events: int, seed: int, card: str, mpi: bool) -> list[_Task]:
    """Blocks of all tranches; the total is shared in proportion to the tranches' shares."""
    total = sum(tranche.share for process in chosen for tranche in process.tranches)
    common = _digest_of(load_card(card))
    tasks = []
    for process in chosen:
        for index, tranche in enumerate(process.tranches):
            wanted = max(1, round(events * tranche.share / total))
            for block, first in enumerate(range(0, wanted, BLOCK)):
                n = min(BLOCK, wanted - first)
                path = out / f"{process.name}_{tranche.name}" / f"block_{block:04d}.root"
                key = {
                    "common": common,
                    # all fields but those that change no event; a share may change, and blocks still fit
                    "process": {k: v for k, v in asdict(process).items() if k not in _NO_CONTENT},
                    "settings": settings_of(process, tranche, mpi=mpi),
                    "muons": [MUON_PT_MIN, MUON_ETA_MAX],
                    "block": [index, block, n, seed],
                }
                digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
                tasks.append(_Task(process.name, index, block, n, seed, card, mpi, str(path), digest))
    # one block of each tranche first: an interrupted run then has all tranches soonest
    return sorted(tasks, key=lambda task: task.block)


def _digest_of(card: dict[str, Any]) -> str:
    """Everything but the settings that decides what an event looks like."""
    digest = hashlib.sha256(version("pythia8mc").encode())
    digest.update(json.dumps(card, sort_keys=True).encode())
    for name in _SOURCES:
        digest.update((Path(__file__).parent / f"{name}.py").read_bytes())
    return digest.hexdigest()


def read_block(path: Path) -> dict[str, Any] | None:
    """Return the summary that a complete block carries; None if the file is missing or not one of ours."""
    import uproot

    from massgap.samples.nanoaod import METADATA_KEY

    if not path.is_file():
        return None
    try:
        with uproot.open(path) as file:
            summary = json.loads(str(file[METADATA_KEY]))
            file["Events"]
    except Exception:  # noqa: BLE001  (whatever is wrong with it, the block is made anew)
        return None
    return summary if isinstance(summary, dict) and "digest" in summary else None


def _run(
    todo: list[_Task],
    workers: int,
    summaries: dict[str, dict[str, Any]],
    total: int,
    progress: Callable[[Progress], None] | None,
) -> None:
    begin, fresh = time.monotonic(), 0

    def finished(task: _Task, summary: dict[str, Any]) -> None:
        nonlocal fresh
        summaries[task.path] = summary
        fresh += task.events
        if progress is not None:
            rate = fresh / max(time.monotonic() - begin, 1e-9)
            done = sum(found["generated"] for found in summaries.values())
            progress(Progress(done, total, rate, (total - done) / rate, Path(task.path).parent.name))

    if workers == 1 or len(todo) <= 1:
        for task in todo:
            finished(task, _run_block(task))
        return
    from loky import ProcessPoolExecutor

    pool = ProcessPoolExecutor(min(workers, len(todo)), initializer=_leave_interrupts_to_parent)
    try:
        futures: dict[Future[dict[str, Any]], _Task] = {pool.submit(_run_block, task): task for task in todo}
        waiting = set(futures)
        while waiting:
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ready:
                finished(futures[future], future.result())
    except BaseException:
        pool.shutdown(wait=True, kill_workers=True)
        raise
    pool.shutdown(wait=True)


def _leave_interrupts_to_parent() -> None:
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def _run_block(task: _Task) -> dict[str, Any]:
    """Generate one block and return its summary."""
    from massgap.samples.nanoaod import NanoWriter, event_content

    process = PROCESSES[task.process]
    path = Path(task.path)
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.tmp")
    card = load_card(task.card)
    key = [task.seed, zlib.crc32(task.process.encode()), task.tranche, task.block]
    rng = np.random.Generator(np.random.PCG64(np.random.SeedSequence(key)))
    totals = Generated()
    # unique over the tranches of a process
    luminosity_block, number = 10_000 * task.tranche + task.block + 1, 1
    clock = {"generator": 0.0, "detector": 0.0, "writing": 0.0}
    try:
        with NanoWriter(temporary) as writer:
            mark = time.process_time()
            for record in generate_block(
                process, task.tranche, task.events, task.seed, task.block, totals, mpi=task.mpi
            ):
                kept = record.select(_two_muons(record)) if process.dimuon else record
                mark = _lap(clock, "generator", mark)
                if not kept.n_events:
                    continue
                content = event_content(kept, card, rng, luminosity_block, number)
                mark = _lap(clock, "detector", mark)
                writer.extend(content)
                mark = _lap(clock, "writing", mark)
                number += kept.n_events
            summary = {
                "format": "massgap-block/1",
                "process": task.process,
                "tranche": process.tranches[task.tranche].name,
                "digest": task.digest,
                "seed": task.seed,
                "block": task.block,
                "generator": f"Pythia {version('pythia8mc')}",
                "generated": totals.events,
                "generated_weights": totals.sum_weights,
                "counters": asdict(totals.counters),
                "tau_factor": totals.tau_factor,
                "sigma_gen_fb": totals.sigma_gen_fb,
                "events": writer.count,
                "sum_weights": writer.sum_weights,
                "sum_weights2": writer.sum_weights2,
            }
            writer.finish(json.dumps(summary))
        temporary.replace(path)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            msg = f"the disk is full: {path} could not be written. Complete blocks are kept; free some space and run again"
            raise GenerationError(msg) from None
        msg = f"{path} could not be written: {error.strerror or error}"
        raise GenerationError(msg) from None
    finally:
        with contextlib.suppress(OSError):
            temporary.unlink(missing_ok=True)
    return {**summary, "cpu_s": clock}


def _lap(clock: dict[str, float], name: str, mark: float) -> float:
    now = time.process_time()
    clock[name] += now - mark
    return now


def _two_muons(record: Any) -> np.ndarray:
    """Events with stable muons of both charges in the acceptance."""
    good = record.final & (np.abs(record.pdg) == 13)
    rows = np.flatnonzero(good)
    rows = rows[(record.pt[rows] > MUON_PT_MIN) & (np.abs(record.eta[rows]) < MUON_ETA_MAX)]
    plus, minus = (
        np.bincount(record.event[rows[record.pdg[rows] == kind]], minlength=record.n_events)
        for kind in (-13, 13)
    )
    return np.asarray((plus > 0) & (minus > 0))


def _fileset(
    chosen: list[Process], tasks: list[_Task], summaries: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """Fileset of all complete blocks, of the processes that have some of every tranche."""
    fileset: dict[str, Any] = {}
    for process in chosen:
        planned = [task for task in tasks if task.process == process.name]
        done = [task for task in planned if task.path in summaries]
        if len({task.tranche for task in done}) < len(process.tranches):
            continue  # without a tranche the rest does not add up to the process
        for index, tranche in enumerate(process.tranches):
            own = [task for task in done if task.tranche == index]
            blocks = [summaries[task.path] for task in own]
            sum_weights = sum(found["sum_weights"] for found in blocks)
            if not sum_weights:
                continue  # nothing passed: the best estimate of its cross section is 0
            fraction = 1.0
            if process.dimuon:
                tried = sum(found["counters"]["tried"] for found in blocks)
                fraction = sum(found["counters"]["accepted"] for found in blocks) / tried
            passed = sum_weights / sum(found["generated_weights"] for found in blocks)
            hard = process.hard_xsec_fb(tranche)
            efficiency = fraction * blocks[0]["tau_factor"] * passed
            fileset[f"{process.name}_{tranche.name}"] = {
                "files": {task.path: "Events" for task in own},
                "metadata": {
                    "process": process.label,
                    "xsec_fb": hard * efficiency,
                    "sum_weights": sum_weights,
                    "is_data": False,
                    "is_signal": process.is_signal,
                    "sqrt_s_tev": 13.0,
                    **({"masses": dict(process.masses)} if process.masses else {}),
                    "tranche": {
                        "name": tranche.name,
                        "group": process.name,
                        "variable": tranche.variable,
                        "min": tranche.min,
                        "max": tranche.max,
                    },
                    "n_events": sum(found["events"] for found in blocks),
                    "n_generated": sum(found["generated"] for found in blocks),
                    "hard_xsec_fb": hard,
                    "filter_efficiency": efficiency,
                    "filter": f"muons of both charges, pT > {MUON_PT_MIN:g} GeV, abs(eta) < {MUON_ETA_MAX:g}",
                    "order": "LO, no K factor",
                    "xsec_source": process.source,
                    "description": process.description,
                    "generator": blocks[0]["generator"],
                    "detector": own[0].card,
                    "seed": own[0].seed,
                    "complete": len(own) == sum(task.tranche == index for task in planned),
                    "settings_hash": hashlib.sha256(
                        " ".join(b["digest"] for b in blocks).encode()
                    ).hexdigest()[:16],
                },
            }
    return fileset
