"""Memory of a run: what its results take, and what one chunk frees stays with the process for the next one."""

from __future__ import annotations

import contextlib
import ctypes
import functools
import math
import os
import sys
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from massgap.events.event import Event
from massgap.events.pdf_members import pdf_weights
from massgap.events.reading.open import open_events
from massgap.events.variations import OBJECT_VARIATIONS, WEIGHT_VARIATIONS
from massgap.processors.base.analysis import Analysis

if TYPE_CHECKING:
    from massgap.runner.planning import Plan

__all__ = ["book_bytes", "describe_plan", "keep_freed_memory"]

# Numbers of glibc's malloc.h.
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3
_KEEP = 256 << 20
_LARGEST = 32 << 20


@functools.cache
def keep_freed_memory() -> bool:
    """Let the C library keep up to 256 MiB that were freed, instead of giving them back.

    Arrays of a chunk are some hundred kilobytes each, and there are hundreds of them.  glibc gives their memory back when they
    are freed and gets it again, page by page, for the next chunk: a tenth of the time of a fast analysis.  The largest
    amount of memory that a process holds stays the same.  Only with glibc, and only where the environment says nothing
    of its own (``MALLOC_TRIM_THRESHOLD_``, ``MALLOC_MMAP_THRESHOLD_``, ``GLIBC_TUNABLES``).

    Returns
    -------
    bool
        Whether it does.
    """
    said = any(name.startswith("MALLOC_") or name == "GLIBC_TUNABLES" for name in os.environ)
    if said or not sys.platform.startswith("linux"):
        return False
    try:
        mallopt = ctypes.CDLL(None).mallopt
    except (OSError, AttributeError):
        return False
    return bool(mallopt(_TRIM_THRESHOLD, _KEEP)) and bool(mallopt(_MMAP_THRESHOLD, _LARGEST))


_LIMBS = 3
"""64-bit numbers that hold one exact sum of ordinary weights."""


_FEW = 64
"""Events that tell how many members of parton densities a data set has."""


def book_bytes(processor: Any, plan: Plan | None = None) -> tuple[int, int, int] | None:
    """Number of histograms, of bins in all variations together, and bytes of one dataset's sums.

    Parameters
    ----------
    processor
        What is run.
    plan
        On what: each member of the parton densities has sums of its own until the end, and their number is in the files.
        Without it, and where they do not tell, ``pdf`` counts as the two variations that are made of them.

    Returns
    -------
    tuple of int, or None
        None for a processor of somebody else: what it returns is known only then.
    """
    if not isinstance(processor, Analysis):
        return None
    layout = processor.layout()
    variations = 1
    members = _pdf_members(processor, plan) if plan is not None and "pdf" in processor.variations else set()
    for name in processor.variations:
        named = OBJECT_VARIATIONS[name] if name in OBJECT_VARIATIONS else WEIGHT_VARIATIONS[name][1]
        variations += len(members) if name == "pdf" and members else len(named)
    bins = layout.size * variations
    return len(layout.specs), bins, bins * 2 * 8 * _LIMBS


def _pdf_members(processor: Analysis, plan: Plan) -> set[str]:
    """Names of the members that the data sets have, by the first events of each."""
    found: set[str] = set()
    first = {chunk.dataset: chunk for chunk in reversed(plan.chunks)}
    for dataset, chunk in first.items():
        metadata = plan.fileset[dataset]["metadata"]
        if metadata.get("is_data") or "pdf" not in processor.choice.for_dataset(dataset, metadata):
            continue
        # What is wrong with a file is said where its events are processed.
        with contextlib.suppress(Exception):
            few = open_events(
                replace(chunk, stop=min(chunk.stop, chunk.start + _FEW)), dict(metadata), columns=True
            )
            members = pdf_weights(Event(few, is_data=False), stated=metadata.get("pdf_members"))
            found.update(members[0] if members is not None else ())
    return found


def describe_plan(processor: Any, plan: Plan, todo: int, per_result: int) -> str:
    """One paragraph on what a run will do and what its results take.

    Parameters
    ----------
    processor, plan
        What is run.
    todo
        Number of chunks that are not done yet.
    per_result
        Chunks whose results come back as one.
    """
    events = sum(entry.chunk.stop - entry.chunk.start for entry in plan.ledger.chunks)
    text = (
        f"{_counted(len(plan.infos), 'file')} of {_counted(len(plan.fileset), 'dataset')}, {_counted(events, 'event')} in "
        f"{_counted(len(plan.ledger.chunks), 'chunk')}, {todo:,} of them to do"
    )
    book = book_bytes(processor, plan)
    if book is None:
        return f"{text}; the size of the results is known when the first one is there"
    histograms, bins, size = book
    results = math.ceil(todo / per_result)
    return (
        f"{text}; {histograms} histograms, {bins:,} bins with their variations: {_amount(size)} per result, "
        f"{results:,} results on disk ({_amount(size * results)}), {_amount(size * len(plan.fileset))} in memory here"
        + (
            f"; and the feature tables on disk, some {_row_bytes(processor)} bytes per selected event (--set features=false "
            "leaves them out)"
            if processor.features
            else ""
        )
    )


def _row_bytes(processor: Analysis) -> int:
    """Bytes of a row of features on disk: numbers hardly compress, names of processes and datasets to nothing."""
    columns = len(processor.observables) + 2  # weight and key of the event
    return 10 * columns


def _counted(n: int, what: str) -> str:
    """A number of things.

    >>> _counted(1, "file"), _counted(1200, "file")
    ('1 file', '1,200 files')
    """
    return f"{n:,} {what}{'' if n == 1 else 's'}"


def _amount(size: float) -> str:
    for unit in ("B", "kB", "MB", "GB"):
        if size < 1000 or unit == "GB":
            return f"{size:.0f} {unit}" if unit == "B" or size >= 10 else f"{size:.1f} {unit}"
        size /= 1000
    raise AssertionError
