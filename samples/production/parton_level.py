"""Samples at parton level, of decay chains and of their backgrounds: no showers, no jets, the resolution of a detector card, the same NanoAOD files.

What is written is what the full chain writes of such a process: events with both muons and a photon in the acceptance of the process'
filter, after the resolution.  A block is a file; what is in it depends on the seed and its number alone.
"""

from __future__ import annotations

import hashlib
import json
import math
import time
import zlib
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.filesets.fileset import write_fileset
from massgap.contracts.folder_lock import locked_folder
from massgap.contracts.writing import replacing, write_json
from massgap.samples.detector.card import card_path
from massgap.samples.detector.resolution import energy_resolution, lognormal, momentum_resolution
from massgap.samples.detector.response import load_card
from massgap.samples.errors import GenerationError
from massgap.samples.matrix_elements.chain import MEDIATOR, ChainEvents
from massgap.samples.processes.catalogue import processes_of
from massgap.samples.production.block import read_block
from massgap.source_code import package_digest

if TYPE_CHECKING:
    import os
    from collections.abc import Callable, Iterable

    from massgap.samples.matrix_elements.fusion import Integral
    from massgap.samples.matrix_elements.request import PartonGenerator
    from massgap.samples.processes.process import Process

__all__ = ["BLOCK", "SeenEvents", "generate_parton_level", "seen_events"]

BLOCK = 250_000
"""Events before any cut in a file."""
_BATCH = 50_000


class SeenEvents(dict[str, np.ndarray]):
    """Reconstructed events: ``pt``, ``eta``, ``phi`` of shape (3, n) (positive muon, negative muon, photon) and ``weight`` (n,)."""

    @property
    def n_events(self) -> int:
        """How many."""
        return len(self["weight"])


def seen_events(
    events: ChainEvents, card: dict[str, Any], rng: np.random.Generator, muon_pt: float = 0.0
) -> SeenEvents:
    """What a detector sees of chain events: energies smeared, directions kept, objects in the acceptance of the card.

    Parameters
    ----------
    events
        At parton level.
    card
        Detector card: resolution and acceptance of muons and photons are taken from it; efficiencies and what else is in it are not.
    rng
        Randomness of the response.
    muon_pt
        Threshold of both muons, GeV, where it is above that of the card.

    Returns
    -------
    SeenEvents
        Those with both muons and the photon in the acceptance.
    """
    momenta = np.stack(events.of_charges())
    energy, x, y, z = np.moveaxis(momenta, 2, 0)
    pt = np.hypot(x, y)
    with np.errstate(divide="ignore"):
        eta = np.arcsinh(z / pt)
    sigma = np.empty_like(pt)
    for k in range(2):
        sigma[k] = momentum_resolution(card["momentum"]["muon"], pt[k], eta[k], energy[k])
    sigma[2] = energy_resolution(card["calorimeter"]["ecal"], energy[2], eta[2]) / energy[2]
    pt = pt * lognormal(sigma, rng.standard_normal(pt.shape))
    least = [max(card["muon"]["pt_min"], muon_pt)] * 2 + [card["photon"]["pt_min"]]
    most = [card["muon"]["eta"][-1]] * 2 + [card["photon"]["eta"][-1]]
    seen = np.all((pt > np.array(least)[:, None]) & (np.abs(eta) < np.array(most)[:, None]), axis=0)
    phi = np.arctan2(y, x)
    return SeenEvents(
        pt=pt[:, seen], eta=eta[:, seen], phi=phi[:, seen], weight=np.asarray(events.weight)[seen]
    )


@dataclass(frozen=True)
class _Task:
    process: Process
    block: int
    events: int
    seed: int
    card: str
    form: str
    mediator: float
    chiral: bool
    path: str
    digest: str

    def generator(self) -> PartonGenerator:
        assert self.process.parton is not None
        seed = (self.seed, zlib.crc32(self.process.name.encode()), self.block)
        return self.process.parton.generator(self.process.sqrt_s_tev, seed, self.mediator, self.chiral)


def generate_parton_level(
    processes: str | Iterable[str],
    out: str | os.PathLike[str] = "data",
    *,
    events: int = 1_000_000,
    seed: int = 1,
    workers: int = 1,
    mediator: float = MEDIATOR,
    chiral: bool = False,
    card: str | None = None,
    sqrt_s_tev: float | None = None,
    form: str = "ttree",
    progress: Callable[[Any], None] | None = None,
) -> dict[str, Any]:
    """Generate events of two muons and a photon at parton level; what is there of the same settings is kept.

    Parameters
    ----------
    processes
        Names of signals that are decay chains, of any mass, or of processes with matrix elements of a photon here.
    out
        Folder for ``<dataset>/block_0000.root`` files and ``fileset.json``.
    events
        Events before the resolution, shared among the processes as the catalogue says; of chains before any cut.
    seed, workers
        The same seed gives the same files for any number of workers.
    mediator
        Mass of the particle that is exchanged in the production, GeV.
    chiral
        Whether it couples to right-handed quarks alone (:mod:`massgap.samples.matrix_elements.exchange`).
    card
        Detector card; by default that of the process.
    sqrt_s_tev
        Energy, TeV; by default that of the process.
    form
        ``ttree`` or ``rntuple``.
    progress
        Called with a :class:`massgap.samples.production.generate.Progress` after each file.

    Returns
    -------
    dict
        The fileset, as written to ``out/fileset.json``.

    Raises
    ------
    massgap.samples.errors.SampleError
        If a process is no such chain, a number is impossible, or the folder cannot be written.
    massgap.contracts.errors.FolderBusyError
        If another process is writing the folder.
    """
    from massgap.samples.production.generate import check_numbers
    from massgap.samples.production.plan import at_energy

    check_numbers(events, seed, workers)
    chosen = [at_energy(process, sqrt_s_tev) for process in processes_of(processes)]
    if other := [process.name for process in chosen if process.parton is None]:
        msg = (
            f"{', '.join(other)} cannot be made at parton level: generate it without --parton; with it there are "
            f"{', '.join(_known())}"
        )
        raise GenerationError(msg)
    out = Path(out)
    common: dict[str, Any] = {
        "card": card,
        "form": form,
        "mediator": float(mediator),
        "chiral": bool(chiral),
        "seed": seed,
    }
    shares = [sum(tranche.share for tranche in process.tranches) for process in chosen]
    tasks = [
        task
        for process, share in zip(chosen, shares, strict=True)
        for task in _tasks(process, out, math.ceil(events * share / sum(shares)), **common)
    ]
    integrals = {task.process.name: task.generator().integrate() for task in tasks if task.block == 0}
    with locked_folder(out):
        try:
            (out / "detector.toml").write_text(card_path(tasks[0].card).read_text())
        except OSError as error:
            msg = f"output folder {out} cannot be written: {error.strerror}"
            raise GenerationError(msg) from None
        summaries = _produce(tasks, workers, progress)
        fileset = {
            f"{process.name}_parton": _entry(
                process, integrals[process.name], [t for t in tasks if t.process is process], summaries
            )
            for process in chosen
        }
        write_fileset(fileset, out / "fileset.json")
        write_json(
            out / "generation.json",
            {"format": "massgap-generation/1", "datasets": _rates(chosen, tasks, summaries)},
        )
    return fileset


def _known() -> list[str]:
    """What can be made at parton level, for people: processes, and forms of signals."""
    from massgap.samples.processes.catalogue import PROCESSES
    from massgap.samples.processes.signals import SIGNAL_FORMS

    able = [process for process in PROCESSES.values() if process.parton is not None]
    forms = [
        form
        for form in SIGNAL_FORMS
        if any(one.name.startswith(form.split("_X")[0]) for one in able if one.is_signal)
    ]
    return [*(process.name for process in able if not process.is_signal), *forms]


def _tasks(process: Process, out: Path, events: int, *, card: str | None, **common: Any) -> list[_Task]:
    chosen = card or process.card
    content = load_card(chosen)
    tasks = []
    for block, first in enumerate(range(0, events, BLOCK)):
        n = min(BLOCK, events - first)
        key = [
            asdict(process.parton) if process.parton is not None else None,
            process.name,
            process.sqrt_s_tev,
            block,
            n,
            common,
            content,
            None if process.filter is None else asdict(process.filter),
            package_digest(only=("samples", "physical_constants.py")),
        ]
        digest = hashlib.sha256(json.dumps(key).encode()).hexdigest()[:16]
        path = out / f"{process.name}_parton" / f"block_{block:04d}.root"
        tasks.append(_Task(process, block, n, card=chosen, path=str(path), digest=digest, **common))
    return tasks


def _produce(
    tasks: list[_Task], workers: int, progress: Callable[[Any], None] | None
) -> dict[str, dict[str, Any]]:
    """Make what is missing: path -> summary."""
    from massgap.samples.production.generate import Progress

    begin, total = time.monotonic(), sum(task.events for task in tasks)
    summaries: dict[str, dict[str, Any]] = {}
    for task in tasks:
        known = read_block(Path(task.path))
        if known is not None and known["digest"] == task.digest:
            summaries[task.path] = known
    todo = [task for task in tasks if task.path not in summaries]
    fresh = 0
    for task, summary in zip(todo, _made(todo, workers), strict=True):
        summaries[task.path] = summary
        fresh += task.events
        if progress is not None:
            rate = fresh / max(time.monotonic() - begin, 1e-9)
            done = sum(found["generated"] for found in summaries.values())
            progress(Progress(done, total, rate, (total - done) / rate, Path(task.path).parent.name))
    return summaries


def _made(todo: list[_Task], workers: int) -> Iterable[dict[str, Any]]:
    if workers == 1 or len(todo) <= 1:
        yield from map(_write, todo)
        return
    from massgap.worker_process import worker_pool

    with worker_pool(min(workers, len(todo))) as pool:
        yield from pool.map(_write, todo)


def _write(task: _Task) -> dict[str, Any]:
    """Make one file and return its summary."""
    from massgap.samples.nanoaod import NanoWriter
    from massgap.samples.nanoaod.dimuon_photon import dimuon_photon_content

    card, generator = load_card(task.card), task.generator()
    generator.integrate()
    rng = np.random.Generator(
        np.random.PCG64([task.seed, zlib.crc32(task.process.name.encode()), task.block, 1])
    )
    muon_pt = task.process.filter.muon_pt if task.process.filter is not None else 0.0
    generated_weights, first, begin = 0.0, 1, time.process_time()
    path = Path(task.path)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with (
            replacing(path) as part,
            NanoWriter(part, form=task.form, variations=(), flush_events=_BATCH) as writer,
        ):
            for start in range(0, task.events, _BATCH):
                made = generator.events(min(_BATCH, task.events - start))
                generated_weights += float(made.weight.sum())
                seen = seen_events(made, card, rng, muon_pt)
                writer.extend(dimuon_photon_content(seen, task.block + 1, first))
                first += seen.n_events
            writer.flush()
            summary = {
                "format": "massgap-block/1",
                "process": task.process.name,
                "digest": task.digest,
                "seed": task.seed,
                "block": task.block,
                "generated": task.events,
                "generated_weights": generated_weights,
                "events": writer.count,
                "sum_weights": writer.sum_weights,
                "sum_weights2": writer.sum_weights2,
                "cpu_s": round(time.process_time() - begin, 3),
            }
            writer.finish(json.dumps(summary))
    except OSError as error:
        msg = f"{path} could not be written: {error.strerror or error}"
        raise GenerationError(msg) from None
    return summary


def _entry(
    process: Process, integral: Integral, tasks: list[_Task], summaries: dict[str, dict[str, Any]]
) -> dict[str, Any]:
    """The process in the fileset."""
    blocks = [summaries[task.path] for task in tasks]

    def total(name: str) -> float:
        return float(sum(found[name] for found in blocks))

    efficiency = total("sum_weights") / total("generated_weights")
    passed = total("events")
    relative = (1.0 - passed / total("generated")) / passed if passed else 0.0
    assert process.parton is not None
    return {
        "files": {task.path: "Events" for task in tasks},
        "metadata": {
            "process": process.label,
            "xsec_fb": integral.xsec_fb * efficiency,
            "sum_weights": total("sum_weights"),
            "is_data": False,
            "is_signal": process.is_signal,
            "sqrt_s_tev": process.sqrt_s_tev,
            "masses": dict(process.masses),
            "n_events": int(passed),
            "n_generated": int(total("generated")),
            "hard_xsec_fb": integral.xsec_fb,
            "hard_xsec_error_fb": integral.error_fb,
            "filter_efficiency": efficiency,
            "filter_efficiency_error": efficiency * math.sqrt(relative),
            "filter": f"both muons and a photon in the acceptance; {process.filter.describe() if process.filter else 'none'}",
            "order": "LO, no K factor",
            "xsec_source": process.parton.describe(tasks[0].mediator, tasks[0].chiral),
            "description": f"{process.description}; parton level",
            "generator": "massgap, parton level",
            "detector": tasks[0].card,
            "seed": tasks[0].seed,
            "complete": True,
            "settings_hash": hashlib.sha256(" ".join(b["digest"] for b in blocks).encode()).hexdigest()[:16],
        },
    }


def _rates(chosen: list[Process], tasks: list[_Task], summaries: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """What ``generation.json`` tells of each data set."""
    rows = {}
    for process in chosen:
        blocks = [summaries[task.path] for task in tasks if task.process is process]
        seconds = sum(found["cpu_s"] for found in blocks)
        generated = sum(found["generated"] for found in blocks)
        rows[f"{process.name}_parton"] = {
            "blocks": len(blocks),
            "blocks_done": len(blocks),
            "generated": generated,
            "written": sum(found["events"] for found in blocks),
            "cpu_s": {"parton level": round(seconds, 3)},
            "events_per_core_s": round(generated / seconds, 1) if seconds else None,
        }
    return rows
