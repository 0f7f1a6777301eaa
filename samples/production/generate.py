"""Generate samples: blocks of events in worker processes, NanoAOD files, and the fileset that weights them.

Whatever stops a run leaves complete files only; a later run with the same settings continues with the blocks that
are missing. A block's content does not depend on the number of workers.
"""

from __future__ import annotations

import os
import shutil
import time
from concurrent.futures import FIRST_COMPLETED, Future, wait
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.filesets.fileset import write_fileset
from massgap.contracts.folder_lock import locked_folder
from massgap.samples.detector.card import card_path
from massgap.samples.errors import GenerationError
from massgap.samples.extra import require
from massgap.samples.processes.catalogue import list_processes, processes_of
from massgap.samples.processes.hard_cut import with_hard_cut, with_usual_cut
from massgap.samples.production.block import read_block, run_block
from massgap.samples.production.event_files import cut_out, own_events
from massgap.samples.production.normalisation import fileset_of, write_rates
from massgap.samples.production.plan import (
    Options,
    Task,
    at_energy,
    plan_lhe,
    plan_tasks,
    with_cross_section,
    with_fast_taus,
    with_leptons,
    with_repeated_decays,
    with_shares,
)
from massgap.samples.pythia.driver import MAX_SEED
from massgap.samples.pythia.leptonic import check_leptons
from massgap.worker_process import worker_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping

    from massgap.samples.processes.hard_cut import HardCut, Observable
    from massgap.samples.processes.process import Process

__all__ = ["DEMO_EVENTS", "Progress", "generate", "list_processes"]

#: More copies of an event than a block has room for make no sense.
MAX_REPEAT = 1000
#: Events (before the detector) of a demonstration: about four minutes on two cores.
DEMO_EVENTS = 45_000


@dataclass(frozen=True)
class Progress:
    """State of a running generation, handed to the progress callback after each block."""

    done: int
    total: int
    events_per_s: float
    eta_s: float
    dataset: str


def generate(
    processes: str | Iterable[str],
    out: str | os.PathLike[str] = "data",
    *,
    events: int = DEMO_EVENTS,
    seed: int = 1,
    workers: int = 2,
    progress: Callable[[Progress], None] | None = None,
    resume: bool = True,
    card: str | os.PathLike[str] | None = None,
    mpi: bool = False,
    variations: bool = False,
    sqrt_s_tev: float | None = None,
    form: str = "ttree",
    leptonic: Iterable[str] = (),
    repeat: int = 1,
    responses: int = 1,
    hard: HardCut | None = None,
    observables: Mapping[str, Observable] | None = None,
    fast_taus: bool = False,
    shares: Mapping[str, float] | None = None,
) -> dict[str, Any]:
    """Generate samples with Pythia and a parametrised detector.

    Parameters
    ----------
    processes : str or list of str
        An analysis of the catalogue (:mod:`massgap.samples.processes.catalogue`), names of processes (see
        :func:`list_processes`), or signals of any mass (:mod:`massgap.samples.processes.signals`).
    out : path
        Folder for ``<dataset>/block_0000.root`` files and ``fileset.json``.
    events : int
        Number of generated events, shared among processes and tranches by the catalogue's plan. Where a process asks
        for muons, only events with them are written.
    seed : int
        Same seed, same content; different seeds never share random numbers within a process.
    workers : int
        Number of worker processes; 1 runs in this process.
    progress : callable, optional
        Called with a :class:`Progress` after each block.
    resume : bool
        Keep complete blocks of the same settings; otherwise everything is made anew.
    card : str or path
        Detector card: ``cms``, ``atlas``, ``hl-lhc``, ``cascade``, ``perfect``, or the path of a TOML file; by default
        the one that suits the analysis, and ``cms`` for processes of several.
    mpi : bool
        Simulate multiparton interactions (about ten times slower).
    variations : bool
        Also write the weights of shower variations (about two and a half times slower). Those of the scales and parton densities of
        the hard process are always written.
    sqrt_s_tev : float, optional
        Centre-of-mass energy; by default the one of the analysis. Cross sections are then the generator's.
    form : {"ttree", "rntuple"}
        How the events are stored.

    leptonic : list of str, optional
        Let W, Z, top and new particles decay to some of ``e``, ``mu``, ``tau`` only; the branching fraction is in the
        cross section.
    repeat : int
        Decay the smuons of each event so many times after the shower; weights are divided by it, and copies carry one number,
        so they are in one fold. The sample is then in one piece, without slices. Other processes are made as without.
    responses : int
        Let the detector respond so many times to each event that Pythia made; weights are divided by it, and all responses to an
        event carry its number. Worth it where few events pass a selection and Pythia takes most of the time.
    hard : HardCut, optional
        Slices in an observable of the hard process, decided before the shower, in place of those in missing momentum
        (:func:`massgap.samples.processes.hard_cut.parse_hard_cut`).
    observables : mapping, optional
        Observables of the hard process by their names, for processes that are usually made with a cut on one
        (``Process.usual_cut``): without them, or with ``hard``, they are made without it.
    fast_taus : bool
        Taus decay unpolarised in Pythia, and get the spin that W, photon and Z give them afterwards: ten times as fast. Three
        mesons and more stay unpolarised.
    shares : mapping, optional
        Dataset -> its share of the events, in place of the catalogue's; the others keep theirs. Shares say how many events a
        slice has, not what it weighs.

    Returns
    -------
    dict
        The fileset, as written to ``out/fileset.json``. Beside it ``generation.json`` tells rates and CPU time per
        step, and ``detector.toml`` is the card.

    Raises
    ------
    SampleError
        For an unknown process, a bad number, a folder that cannot be written, a full disk, or without the
        generator extra.
    massgap.contracts.errors.FolderBusyError
        If another process is writing the folder.
    KeyboardInterrupt
        After Ctrl-C; complete blocks are kept and ``fileset.json`` lists the processes that have all tranches.
    """
    if form not in ("ttree", "rntuple"):
        msg = f"form must be ttree or rntuple, not {form!r}"
        raise GenerationError(msg)
    chosen = processes_of(processes)
    check_numbers(events, seed, workers, repeat, responses)
    require()
    if repeat > 1 and hard is not None:
        msg = "smuons that decay after the shower have no leptons in the hard process: give --repeat or --hard, not both"
        raise GenerationError(msg)
    leptons = check_leptons(leptonic) if leptonic else ()
    chosen = [
        with_fast_taus(with_cross_section(at_energy(process, sqrt_s_tev)), fast_taus) for process in chosen
    ]
    chosen = with_repeated_decays(chosen, repeat)
    if observables and hard is None:
        chosen = [with_usual_cut(process, observables) for process in chosen]
    chosen = [with_leptons(with_hard_cut(process, hard), process.leptonic or leptons) for process in chosen]
    chosen = with_shares(chosen, shares or {})
    out = Path(out)
    if card is None:
        suited = {process.card for process in chosen}
        card = suited.pop() if len(suited) == 1 else "cms"
    options = Options(os.fspath(card), mpi, variations, form, leptons, repeat, responses)
    tasks = plan_tasks(chosen, out, events, seed, options)
    with locked_folder(out):
        prepare(out, tasks, options)
        chosen, tasks, before = _with_own_events(chosen, tasks, out, seed, options)
        try:
            return produce(chosen, tasks, out, workers, progress, resume=resume, before=before)
        finally:
            shutil.rmtree(out / ".lhe", ignore_errors=True)


def _with_own_events(
    chosen: list[Process], tasks: list[Task], out: Path, seed: int, options: Options
) -> tuple[list[Process], list[Task], Callable[[list[Task]], list[Task]] | None]:
    """Processes of own matrix elements get their hard events and blocks of these; all others stay as they are."""
    parts, made = [], []
    for process in chosen:
        if process.matrix_element is None:
            made.append(process)
            continue
        events = sum(task.events for task in tasks if task.process == process)
        parts.append(own_events(process, out, max(1, events // options.repeat), seed))
        made.append(parts[-1].process)
    if not parts:
        return chosen, tasks, None
    kept = [task for task in tasks if task.process.matrix_element is None]
    for part in parts:
        size = part.block_size(None, options.repeat)
        own = replace(options, leptonic=part.process.leptonic or options.leptonic)
        kept += plan_lhe(part.process, part.source, out, size, part.lhe.n_events, seed, own)
    before = partial(cut_out, parts, out / ".lhe", None, options.repeat)
    return made, sorted(kept, key=lambda task: task.block), before


def produce(
    chosen: list[Process],
    tasks: list[Task],
    out: Path,
    workers: int,
    progress: Callable[[Progress], None] | None,
    *,
    resume: bool,
    before: Callable[[list[Task]], list[Task]] | None = None,
) -> dict[str, Any]:
    """Make the blocks that are missing, and write the fileset of all.

    Parameters
    ----------
    chosen : list of Process
        What the fileset is to hold.
    tasks : list of Task
        All blocks of it.
    out, workers, progress, resume
        As for :func:`generate`.
    before : callable, optional
        Given the tasks to do, fetches their input and returns them.
    """
    summaries: dict[str, dict[str, Any]] = {}
    for task in tasks:
        if resume and (known := read_block(Path(task.path))) is not None and known["digest"] == task.digest:
            summaries[task.path] = known
    todo = [task for task in tasks if task.path not in summaries]
    if todo and before is not None:
        todo = before(todo)
    if todo:
        # files are about to change under an older fileset: better none than a wrong one
        (out / "fileset.json").unlink(missing_ok=True)
    try:
        _run(todo, workers, summaries, sum(task.events for task in tasks), progress)
    finally:
        for leftover in out.glob("*/.block_*.part"):
            leftover.unlink(missing_ok=True)
        fileset = fileset_of(chosen, tasks, summaries)
        if fileset:
            write_fileset(fileset, out / "fileset.json")
        write_rates(out, tasks, summaries, fileset)
    return fileset


def check_numbers(events: Any, seed: Any, workers: Any, repeat: Any = 1, responses: Any = 1) -> None:
    """Refuse numbers that make no sense."""
    for name, value, low, high, usual in (
        ("events", events, 1, 10**10, 20_000),
        ("seed", seed, 0, MAX_SEED, 1),
        ("workers", workers, 1, 1024, 2),
        ("repeat", repeat, 1, MAX_REPEAT, 5),
        ("responses", responses, 1, MAX_REPEAT, 4),
    ):
        if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or not low <= value <= high:
            msg = f"{name} must be a whole number from {low} to {high}, for instance --{name} {usual}, not {value!r}"
            raise GenerationError(msg)


def prepare(out: Path, tasks: list[Task], options: Options) -> None:
    """Make the folders and put the card there, or say why that fails."""
    try:
        for folder in {Path(task.path).parent for task in tasks}:
            folder.mkdir(parents=True, exist_ok=True)
        probe = out / f".probe.{os.getpid()}"
        probe.write_bytes(b"")
        probe.unlink()
        (out / "detector.toml").write_text(card_path(options.card).read_text())
    except OSError as error:
        msg = f"output folder {out} cannot be written: {error.strerror}"
        raise GenerationError(msg) from None


def _run(
    todo: list[Task],
    workers: int,
    summaries: dict[str, dict[str, Any]],
    total: int,
    progress: Callable[[Progress], None] | None,
) -> None:
    begin, fresh = time.monotonic(), 0
    before = total - sum(task.events for task in todo)

    def finished(task: Task, summary: dict[str, Any]) -> None:
        nonlocal fresh
        summaries[task.path] = summary
        fresh += task.events
        if progress is not None:
            rate = fresh / max(time.monotonic() - begin, 1e-9)
            # Not what was generated: that counts the copies of an event.
            done = before + fresh
            progress(Progress(done, total, rate, (total - done) / rate, Path(task.path).parent.name))

    if workers == 1 or len(todo) <= 1:
        for task in todo:
            finished(task, run_block(task))
        return
    from loky.process_executor import TerminatedWorkerError

    pool = worker_pool(min(workers, len(todo)))
    try:
        futures: dict[Future[dict[str, Any]], Task] = {pool.submit(run_block, task): task for task in todo}
        waiting = set(futures)
        while waiting:
            ready, waiting = wait(waiting, return_when=FIRST_COMPLETED)
            for future in ready:
                finished(futures[future], future.result())
    except TerminatedWorkerError:
        pool.shutdown(wait=True, kill_workers=True)
        msg = (
            "a worker process ended without a result, most likely for lack of memory: use fewer --workers. Complete "
            "blocks are kept, and the same command goes on"
        )
        raise GenerationError(msg) from None
    except BaseException:
        pool.shutdown(wait=True, kill_workers=True)
        raise
    pool.shutdown(wait=True)
