"""Shower one block of a matrix-element file, in batches, with the numbers that normalise it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from massgap.samples.errors import GenerationError
from massgap.samples.extra import no_banner
from massgap.samples.lhe.batch_weights import lhe_weights, shower_columns
from massgap.samples.lhe.slots import slots_of
from massgap.samples.physics.reweight import ps_weights
from massgap.samples.processes.filters import DimuonFilter
from massgap.samples.pythia.driver import (
    BATCH,
    BatchReader,
    Generated,
    block_seed,
    decay_weights,
    new,
    settings_of,
    start,
)
from massgap.samples.pythia.hard_slices import hard_slice
from massgap.samples.pythia.hooks import add_hooks, user_hook
from massgap.samples.pythia.leptonic import OffShell, force_new, product_of
from massgap.samples.pythia.matching import make_matching_hook
from massgap.samples.pythia.object_filter import WantedObjects
from massgap.samples.pythia.shower_settings import EventCounter, block_setting

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from massgap.samples.lhe.blocks import LheBlock, LheSource
    from massgap.samples.lhe.slots import Slot
    from massgap.samples.processes.process import Process
    from massgap.samples.pythia.hard_slices import HardSlice
    from massgap.samples.pythia.shower_settings import LheAccount
    from massgap.samples.record import Record


def shower_block(
    process: Process,
    source: LheSource,
    block_file: LheBlock,
    seed: int,
    block: int,
    totals: Generated,
    *,
    mpi: bool = False,
    variations: bool = False,
    leptonic: tuple[str, ...] = (),
) -> Iterator[Record]:
    """Shower all events of a block; ``totals`` is complete after the last one.

    Parameters
    ----------
    process : Process
        Settings, spectrum, filter and decay weights.
    source : LheSource
        The file that the block was cut from, and whether it is matched.
    block_file : LheBlock
        The events.
    seed, block : int
        User seed and number of the block.
    totals : Generated
        Filled while generating.
    mpi, variations : bool
        As for :func:`massgap.samples.pythia.driver.generate_block`.
    leptonic : tuple of str
        Leptons that are decayed to; the settings of the process say so already.

    Raises
    ------
    GenerationError
        If Pythia refuses a setting, or can handle none of the events.
    """
    if isinstance(process.filter, DimuonFilter):
        msg = f"{process.name}: events from files cannot be sliced in the missing momentum"
        raise GenerationError(msg)
    import awkward as ak

    totals.empty = block_file.n_empty
    if not block_file.n_events:
        totals.tried_weights = block_file.sum_empty
        return
    copies = block_file.copies
    slots = slots_of(block_file) if leptonic or copies > 1 else None
    counter, decides = EventCounter(slots), WantedObjects(process.filter)
    totals.counters = decides.counters
    sliced = hard_slice(process, process.tranches[0])
    hooks = [user_hook(decision) for decision in (counter, sliced, decides) if decision is not None]
    if source.matched:
        hooks.append(make_matching_hook())
    pythia = new()
    lines = [
        *settings_of(process, process.tranches[0], mpi=mpi, variations=variations),
        block_setting(block_file.path),
    ]
    with no_banner():
        add_hooks(pythia, hooks)
        start(lines, block_seed(seed, 0, block), process.slha, None, pythia)
    fractions = force_new(pythia, leptonic) if leptonic else {}
    offshell = OffShell(pythia) if leptonic else None
    if leptonic and slots is not None:
        totals.branching_fraction = mean_fraction(slots, fractions)
    reader = BatchReader(pythia, totals)
    returned = 0.0
    # XWGTUP may be in any unit: genWeight is 1 for an event of mean weight
    unit = abs(source.lhe.sum_weights) / (source.lhe.n_events - source.lhe.n_empty)
    # an empty batch may be one whose events all failed; infoPython() is a snapshot
    while not pythia.infoPython().atEndOfFile():
        read = reader.read(BATCH)
        if read is None:
            continue
        batch, record = read
        weights = ak.to_numpy(batch.info.weights)
        found = lhe_weights(pythia, weights, source.lhe)
        returned += float(found["LHEWeight_originalXWGTUP"].sum())
        record.info |= found
        if sliced is not None:
            record.info["binvar"] = sliced.take()
        weight = found["LHEWeight_originalXWGTUP"] / (unit * copies)
        record.info["weight"] = weight * decay_weights(process, record)
        if slots is not None:
            _tell_slots(record, counter.take(record.n_events), fractions, offshell)
        if variations:
            record.info["PSWeight"] = ps_weights(*shower_columns(pythia, weights, source.lhe))
        totals.events += record.n_events
        # without the decay weights, as for internal processes
        totals.sum_weights += float(weight.sum())
        yield record
    _settle(totals, counter.account(block_file, totals.events, returned), source.lhe.path, sliced)
    with no_banner():
        # what is deleted last prints the matching's statistics
        batch = read = None
        del pythia, reader, hooks


def _tell_slots(
    record: Record, came: list[Slot], fractions: Mapping[int, float], offshell: OffShell | None
) -> None:
    """Put the fractions of forced decays into the weights, and the numbers of copied events into the record."""
    record.info["weight"] *= [product_of(fractions, slot.outgoing) for slot in came]
    if offshell is not None:
        record.info["weight"] *= offshell.weights(record)
    if came and came[0].copies > 1:
        record.info["number"] = np.array([slot.number for slot in came])


def mean_fraction(slots: list[Slot], fractions: Mapping[int, float]) -> float:
    """Mean over the events of a block, by their weights, of the fraction of their decays that is left."""
    total = sum(slot.weight for slot in slots)
    return sum(slot.weight * product_of(fractions, slot.outgoing) for slot in slots) / total if total else 1.0


def _settle(totals: Generated, account: LheAccount, path: str, sliced: HardSlice | None) -> None:
    """Put what became of the events of a block into its totals."""
    if sliced is not None:
        totals.hard_tried, totals.hard_passed = sliced.tried, sliced.passed
    if account.failed == account.tried:
        msg = f"Pythia can handle none of the events of {path}: is the colour flow complete?"
        raise GenerationError(msg)
    totals.tried_weights, totals.accepted_weights = account.sum_usable, account.sum_returned
    totals.failed = account.failed
    totals.counters.tried, totals.counters.accepted = account.tried - account.failed, account.returned
