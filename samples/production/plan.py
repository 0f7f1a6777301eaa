"""Share the events of a generation among tranches and blocks, each with a key of everything that decides its content."""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from types import FunctionType
from typing import TYPE_CHECKING, Any

from massgap.samples.detector.response import load_card
from massgap.samples.errors import GenerationError
from massgap.samples.physics.tau_spin import FAST_TAUS
from massgap.samples.processes.filters import DimuonFilter, ObjectFilter
from massgap.samples.processes.process import ALL
from massgap.samples.pythia.driver import settings_of
from massgap.samples.pythia.leptonic import check_open, leptonic_lines
from massgap.source_code import package_digest

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from massgap.samples.lhe.blocks import LheBlock, LheSource
    from massgap.samples.processes.process import Process, Tranche

__all__ = [
    "BLOCK",
    "Options",
    "Task",
    "at_energy",
    "plan_lhe",
    "plan_tasks",
    "with_cross_section",
    "with_fast_taus",
    "with_leptons",
    "with_repeated_decays",
    "with_shares",
]

#: Events in a block.
BLOCK = 2000
_NO_CONTENT = (
    "card",
    "description",
    "source",
    "xsec_fb",
    "xsec_error_fb",
    "inclusive_xsec_fb",
    "xsec_rule",
    "generator_factor",
    "tranches",
    "usual_cut",
)
_EVENTS = ("samples", "physical_constants.py")
"""Where the code lies that decides what an event looks like."""
_OBSERVABLES = ("selections/hard_process.py", "selections/observables")
"""Where the code lies that decides in which slice of an observable an event is."""
_NOT_EVENTS = ("samples/processes",)
"""Folders that only make settings: these are part of the key."""


@dataclass(frozen=True)
class Options:
    """What holds for all processes."""

    card: str
    mpi: bool
    variations: bool
    form: str
    #: Leptons that W, Z, top and new particles decay to; empty for all decays.
    leptonic: tuple[str, ...] = ()
    #: How many times an event of a file is showered, or a pair of particles decays.
    repeat: int = 1
    #: How many times the detector responds to each event.
    responses: int = 1

    @property
    def copies(self) -> int:
        """Events that come of one hard process."""
        return self.repeat * self.responses


@dataclass(frozen=True)
class Task:
    process: Process
    tranche: int
    block: int
    events: int
    seed: int
    options: Options
    path: str
    digest: str
    source: LheSource | None = None
    block_file: LheBlock | None = None


def at_energy(process: Process, sqrt_s_tev: float | None) -> Process:
    """The process at another energy: what was measured at the catalogue's is then unknown."""
    if sqrt_s_tev is None or sqrt_s_tev == process.sqrt_s_tev:
        return process
    if not 0.1 <= sqrt_s_tev <= 200.0:
        msg = (
            f"the centre-of-mass energy (--energy) must be given in TeV, from 0.1 to 200, not {sqrt_s_tev!r}"
        )
        raise GenerationError(msg)
    tranches = tuple(replace(tranche, xsec_fb=None) for tranche in process.tranches)
    return replace(process, sqrt_s_tev=sqrt_s_tev, xsec_fb=None, inclusive_xsec_fb=None, tranches=tranches)


def with_leptons(process: Process, leptons: tuple[str, ...]) -> Process:
    """The process with W, Z and top decaying to these leptons; its cross section then is the generator's.

    Signals with a spectrum keep theirs: the fraction of their decays is in the weights
    (:class:`massgap.samples.pythia.leptonic.BranchingWeights`).

    Raises
    ------
    GenerationError
        If the process forces decays in a way of its own, or has no decay left.
    """
    if not leptons:
        return process
    wanted = process.filter
    if isinstance(wanted, DimuonFilter) or (wanted is not None and wanted.ditau):
        msg = f"{process.name} is made to decay to muons already, and its cross section counts on it: generate it without --leptonic"
        raise GenerationError(msg)
    settings = (*process.settings, *leptonic_lines(leptons))
    check_open(process, settings)
    if process.slha is not None:
        return replace(process, settings=settings)
    tranches = tuple(replace(tranche, xsec_fb=None) for tranche in process.tranches)
    return replace(process, settings=settings, xsec_fb=None, inclusive_xsec_fb=None, tranches=tranches)


def with_fast_taus(process: Process, fast: bool) -> Process:
    """The process with taus of W and Z decaying ten times as fast (:mod:`massgap.samples.physics.tau_spin`)."""
    return replace(process, settings=(*process.settings, *FAST_TAUS), fast_taus=True) if fast else process


def with_repeated_decays(chosen: list[Process], repeat: int) -> list[Process]:
    """Processes with scalars in one piece, these to decay after the shower; others stay as they are.

    The filter on muons is left to what is written. A share counts copies: such a process has as many events as without.

    Raises
    ------
    GenerationError
        If none of the processes has scalars that may do so.
    """
    if repeat == 1:
        return chosen
    if not any(process.scalars is not None or process.matrix_element is not None for process in chosen):
        msg = (
            f"{chosen[0].name} cannot decay after the shower: --repeat is for pairs of smuons (smuonR_300_100) and, with --lhe, "
            "for events of files"
        )
        raise GenerationError(msg)
    alone = all(process.scalars is not None for process in chosen)
    return [_to_repeat(process, 1 if alone else repeat) for process in chosen]


def _to_repeat(process: Process, per_event: int) -> Process:
    if process.scalars is None or process.filter is None:
        return process
    share = sum(tranche.share for tranche in process.tranches) / per_event
    return replace(
        process, tranches=(replace(ALL, share=share),), filter=ObjectFilter(muon_pt=process.filter.muon_pt)
    )


def with_shares(chosen: list[Process], shares: Mapping[str, float]) -> list[Process]:
    """Processes with other shares of the events for some datasets, as ``{"tt_met95toinf": 4.0}``; the others keep theirs.

    Raises
    ------
    GenerationError
        If there is no such dataset, or a share is no positive number.
    """
    known = [f"{process.name}_{tranche.name}" for process in chosen for tranche in process.tranches]
    strange = sorted(set(shares) - set(known))
    if strange:
        msg = (
            f"there is no dataset {strange[0]!r} to have a share of the events; there are: {', '.join(known)}"
        )
        raise GenerationError(msg)
    bad = next((name for name, share in shares.items() if not 0.0 < share < math.inf), None)
    if bad is not None:
        msg = f"the share of {bad!r} must be a positive number, not {shares[bad]!r}"
        raise GenerationError(msg)
    return [
        replace(
            process,
            tranches=tuple(
                replace(tranche, share=shares.get(f"{process.name}_{tranche.name}", tranche.share))
                for tranche in process.tranches
            ),
        )
        for process in chosen
    ]


def with_cross_section(process: Process) -> Process:
    """Compute the cross section of signals whose normalisation in Pythia cannot be relied on."""
    if process.xsec_rule is None:
        return process
    return replace(process, xsec_fb=process.xsec_rule.at(process.sqrt_s_tev))


def plan_tasks(chosen: list[Process], out: Path, events: int, seed: int, options: Options) -> list[Task]:
    """Blocks of all tranches; the total is shared in proportion to the tranches' shares."""
    total = sum(tranche.share for process in chosen for tranche in process.tranches)
    common = _digest_of(load_card(options.card))
    tasks = []
    for process in chosen:
        repeat = options.repeat if process.scalars is not None else 1
        own = replace(options, repeat=repeat, leptonic=process.leptonic or options.leptonic)
        for index, tranche in enumerate(process.tranches):
            wanted = max(1, round(events * tranche.share / total))
            # Pythia's start takes as long as 60 events; several responses are for large samples
            size = BLOCK if own.responses == 1 else 2 * BLOCK
            for block, first in enumerate(range(0, wanted, size)):
                n = min(size, wanted - first)
                path = out / f"{process.name}_{tranche.name}" / f"block_{block:04d}.root"
                digest = _digest(common, process, tranche, [index, block, n, seed], own)
                tasks.append(Task(process, index, block, n, seed, own, str(path), digest))
    # one block of each tranche first: an interrupted run then has all tranches soonest
    return sorted(tasks, key=lambda task: task.block)


def plan_lhe(
    process: Process, source: LheSource, out: Path, size: int, events: int, seed: int, options: Options
) -> list[Task]:
    """Blocks of ``size`` consecutive events of a file, until there are ``events``."""
    common = _digest_of(load_card(options.card))
    tasks = []
    for block in range(-(-events // size)):
        n = min(size, source.lhe.n_events - block * size)
        path = out / f"{process.name}_{process.tranches[0].name}" / f"block_{block:04d}.root"
        digest = _digest(common, process, process.tranches[0], [0, block, n, size, seed], options)
        tasks.append(Task(process, 0, block, n * options.repeat, seed, options, str(path), digest, source))
    return tasks


def _digest(common: str, process: Process, tranche: Tranche, block: list[int], options: Options) -> str:
    key = {
        "common": common,
        "observable": None if process.observable is None else package_digest(only=_OBSERVABLES),
        # all fields but those that change no event; a share may change, and blocks still fit
        "process": {k: v for k, v in asdict(process).items() if k not in _NO_CONTENT},
        "settings": settings_of(process, tranche, mpi=options.mpi, variations=options.variations),
        "leptonic": options.leptonic,
        "repeat": options.repeat,
        "responses": options.responses,
        "form": options.form,
        "block": block,
    }
    return hashlib.sha256(json.dumps(key, default=_function_name).encode()).hexdigest()[:16]


def _function_name(value: Any) -> str:
    """Where a function stands, for a key that is the same in every process; what it does is in the digest of the code."""
    name = f"{getattr(value, '__module__', None)}.{getattr(value, '__qualname__', None)}"
    if not isinstance(value, FunctionType) or "<" in name:
        msg = f"{value!r} cannot be part of a process: use plain data, or a function that a module defines"
        raise GenerationError(msg)
    return name


def _digest_of(card: dict[str, Any]) -> str:
    """Everything but the settings that decides what an event looks like."""
    digest = hashlib.sha256(version("pythia8mc").encode())
    digest.update(json.dumps(card, sort_keys=True).encode())
    digest.update(package_digest(only=_EVENTS, without=_NOT_EVENTS).encode())
    return digest.hexdigest()
