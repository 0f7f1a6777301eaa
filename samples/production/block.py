"""Make one block of events: one complete NanoAOD file, or none.

A block is written under a temporary name and renamed when it is complete. Its content depends on its seed and
settings alone, not on the number of workers.
"""

from __future__ import annotations

import errno
import json
import time
import zlib
from dataclasses import asdict, replace
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.writing import replacing
from massgap.samples.detector.response import load_card
from massgap.samples.errors import GenerationError
from massgap.samples.processes.filters import DimuonFilter
from massgap.samples.pythia.driver import Generated, generate_block
from massgap.samples.pythia.shower import shower_block

if TYPE_CHECKING:
    from collections.abc import Iterator

    from massgap.samples.nanoaod import NanoWriter
    from massgap.samples.processes.filters import ObjectFilter
    from massgap.samples.production.plan import Task
    from massgap.samples.record import Record

__all__ = ["read_block", "run_block"]

#: Generated leptons that an event must have to be worth the detector, where a process asks for them.
MUON_ETA_MAX = 2.5


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


def run_block(task: Task) -> dict[str, Any]:
    """Generate one block and return its summary.

    Raises
    ------
    GenerationError
        If Pythia fails, or the file cannot be written: then there is no file.
    """
    path = Path(task.path)
    try:
        with replacing(path) as part:
            return _write(task, part)
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            msg = f"the disk is full: {path} could not be written. Complete blocks are kept; free some space and run again"
            raise GenerationError(msg) from None
        msg = f"{path} could not be written: {error.strerror or error}"
        raise GenerationError(msg) from None


def _write(task: Task, path: Path) -> dict[str, Any]:
    """Generate, simulate and write the events of a block."""
    from massgap.samples.nanoaod import NanoWriter, Truth, event_content

    card = load_card(task.options.card)
    detectors = _detectors(task)
    totals, clock = Generated(), _Clock()
    # unique over the tranches of a process
    luminosity_block, number = 10_000 * task.tranche + task.block + 1, 1
    wanted = task.process.filter
    with NanoWriter(path, form=task.options.form, variations=_variations(task)) as writer:
        clock.start()
        for record in _records(task, totals):
            clock.lap("generator", record=totals.record_s)
            totals.record_s = 0.0
            kept = record.select(_pair(record, wanted)) if wanted is not None and wanted.muon_pt else record
            if not kept.n_events:
                continue
            kept = _shared_weight(kept, len(detectors))
            fastjet = {"fastjet": 0.0}
            truth = Truth.of(kept, card, fastjet)
            for rng in detectors:
                content = event_content(kept, card, rng, luminosity_block, number, truth=truth, clock=fastjet)
                content |= _numbers_of_copies(kept, task)
                clock.lap("detector", **fastjet)
                fastjet = {"fastjet": 0.0}
                writer.extend(content)
                clock.lap("writing")
            number += kept.n_events
        writer.flush()
        clock.lap("writing")
        summary = _summary(task, totals, writer) | {"cpu_s": clock.rounded()}
        writer.finish(json.dumps(summary))
    return summary


def _detectors(task: Task) -> list[np.random.Generator]:
    """Randomness of each response; the first is that of a block with one response."""
    key = [task.seed, zlib.crc32(task.process.name.encode()), task.tranche, task.block]
    keys = (key if copy == 0 else [*key, copy] for copy in range(task.options.responses))
    return [np.random.Generator(np.random.PCG64(np.random.SeedSequence(each))) for each in keys]


def _shared_weight(record: Record, responses: int) -> Record:
    """The record with the weight that each of its responses has."""
    if responses == 1:
        return record
    return replace(record, info={**record.info, "weight": record.info["weight"] / responses})


def _summary(task: Task, totals: Generated, writer: NanoWriter) -> dict[str, Any]:
    """What the file says of how it was made, and the counts that normalise it."""
    return {
        "format": "massgap-block/1",
        "process": task.process.name,
        "tranche": task.process.tranches[task.tranche].name,
        "digest": task.digest,
        "seed": task.seed,
        "block": task.block,
        "generator": f"Pythia {version('pythia8mc')}",
        "generated": totals.events * task.options.responses,
        "generated_weights": totals.sum_weights,
        **({"empty": totals.empty} if totals.empty else {}),
        "counters": asdict(totals.counters),
        "tried_weights": totals.tried_weights,
        "accepted_weights": totals.accepted_weights,
        "tau_factor": totals.tau_factor,
        **({"hard_tried": totals.hard_tried, "hard_passed": totals.hard_passed} if totals.hard_tried else {}),
        "branching_fraction": totals.branching_fraction,
        "sigma_gen_fb": totals.sigma_gen_fb,
        "sigma_err_fb": totals.sigma_err_fb,
        "events": writer.count,
        "sum_weights": writer.sum_weights,
        "sum_weights2": writer.sum_weights2,
    }


def _numbers_of_copies(record: Record, task: Task) -> dict[str, np.ndarray]:
    """Numbers that all copies of an event share, which folds are made of; nothing where there are no copies."""
    if "number" not in record.info:
        return {}
    number = record.info["number"]
    # events of a file are counted through the whole file, generated ones in their block
    block = 0 if task.source is not None else task.block
    return {"event": number + 1, "luminosityBlock": np.full(len(number), 10_000 * task.tranche + block + 1)}


class _Clock:
    """CPU time of each step."""

    def __init__(self) -> None:
        self.spent = {"generator": 0.0, "record": 0.0, "fastjet": 0.0, "detector": 0.0, "writing": 0.0}
        self._mark = 0.0

    def start(self) -> None:
        """Begin to count."""
        self._mark = time.process_time()

    def lap(self, name: str, **parts: float) -> None:
        """Add the time since the last lap to a step, but for its parts that are steps of their own."""
        now = time.process_time()
        self.spent[name] += now - self._mark
        for part, seconds in parts.items():
            self.spent[part] += seconds
            self.spent[name] -= seconds
        self._mark = now

    def rounded(self) -> dict[str, float]:
        """Seconds, to the millisecond."""
        return {name: round(seconds, 3) for name, seconds in self.spent.items()}


def _variations(task: Task) -> tuple[tuple[str, int], ...] | None:
    """Weights that each file of an internal process must have branches for, also one without events."""
    if task.source is not None:
        return None
    shower = (("PSWeight", 4),) if task.options.variations else ()
    return (("LHEScaleWeight", 9), ("LHEPdfWeight", 7), *shower)


def _records(task: Task, totals: Generated) -> Iterator[Record]:
    options = task.options
    if task.source is None:
        return generate_block(
            task.process,
            task.tranche,
            task.events,
            task.seed,
            task.block,
            totals,
            mpi=options.mpi,
            variations=options.variations,
            leptonic=options.leptonic,
            repeat=options.repeat,
        )
    assert task.block_file is not None
    return shower_block(
        task.process,
        task.source,
        task.block_file,
        task.seed,
        task.block,
        totals,
        mpi=options.mpi,
        variations=options.variations,
        leptonic=options.leptonic,
    )


def _pair(record: Any, wanted: DimuonFilter | ObjectFilter) -> np.ndarray:
    """Events with stable muons of both charges in the acceptance, or an electron and a muon of opposite charge."""
    good = record.final & np.isin(np.abs(record.pdg), (11, 13))
    rows = np.flatnonzero(good)
    rows = rows[(record.pt[rows] > wanted.muon_pt) & (np.abs(record.eta[rows]) < MUON_ETA_MAX)]
    has = {
        kind: np.bincount(record.event[rows[record.pdg[rows] == kind]], minlength=record.n_events) > 0
        for kind in (-13, 13, -11, 11)
    }
    if isinstance(wanted, DimuonFilter) and wanted.mixed:
        return np.asarray((has[-13] & has[11]) | (has[13] & has[-11]))
    return np.asarray(has[-13] & has[13])
