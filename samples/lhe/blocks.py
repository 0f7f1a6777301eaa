"""Cut an event file into small ones, so that blocks can be generated side by side.

A plain file is entered at the offsets that reading it has noted. A compressed file cannot be entered in the middle:
:func:`split` cuts it into all its blocks in one pass, while :func:`extract` decompresses from the start each time.
Blocks are plain files, about 1 kB per event, to be deleted when they are done.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from massgap.contracts.writing import write_atomically
from massgap.samples.errors import LheError
from massgap.samples.lhe.header import numbers_of_init
from massgap.samples.lhe.stream import CutShortError, is_compressed, pieces

if TYPE_CHECKING:
    import os
    from collections.abc import Collection, Iterator

    from massgap.samples.lhe.file import LheFile

_END = b"</event>"
_FORTRAN = re.compile(rb"(?<=[\d.])[dD](?=[+-]?\d)")
_TAG_OR_FORTRAN = re.compile(rb"<[^>]*>|" + _FORTRAN.pattern)
_FIRST_LINE = re.compile(rb"<event[^>\n]*>\s*\S+\s+\S+\s+(\S+)")


@dataclass(frozen=True)
class LheBlock:
    """A file with some consecutive events of another one.

    Attributes
    ----------
    path : Path
        The file.
    first : int
        First event of the whole file.
    n_events : int
        Events in the block.
    sum_weights : float
        Sum of their XWGTUP.
    n_empty : int
        Events of this stretch that have no particles and are not in the block, which Pythia would stumble on.
    sum_empty : float
        Sum of their XWGTUP, as far as it counts; 0 if they were left out of the whole file's totals.
    copies : int
        How many times each event is there, one after the other; all numbers and sums count the copies.
    """

    path: Path
    first: int
    n_events: int
    sum_weights: float
    n_empty: int = 0
    sum_empty: float = 0.0
    copies: int = 1


@dataclass(frozen=True)
class LheSource:
    """Where the events of a task come from, if not from an internal process."""

    lhe: LheFile
    matched: bool


def extract(
    lhe: LheFile,
    first: int,
    n: int,
    target: str | os.PathLike[str],
    *,
    keep_slha: bool | None = None,
    copies: int = 1,
) -> LheBlock:
    """Write events ``first`` to ``first + n`` (fewer at the end of the file) as a file that Pythia reads.

    Parameters
    ----------
    lhe : LheFile
        The whole file, as read.
    first, n : int
        First event, from 0, and number of events.
    target : path
        File to write; it appears when it is complete.
    keep_slha : bool, optional
        Keep the spectrum of the header; by default if the events have new particles.
    copies : int
        How many times each event is written.

    Raises
    ------
    LheError
        If the range is empty, the file has changed since it was read, or the target cannot be written.
    """
    if n < 1 or not 0 <= first < lhe.n_events:
        msg = f"{lhe.path} has {lhe.n_events} events: there are none from {first} to {first + n}"
        raise LheError(msg)
    n = min(n, lhe.n_events - first)
    near = min(first // lhe.stride, len(lhe.offsets) - 1)
    for text, at, last in _groups(lhe, first, n, near):
        # one group only, for no limit lies within the range
        return _write(lhe, text, (at, last - at, copies), Path(target), keep_slha)
    raise _changed(lhe)


def split(
    lhe: LheFile,
    folder: str | os.PathLike[str],
    events: int,
    *,
    wanted: Collection[int] | None = None,
    keep_slha: bool | None = None,
    copies: int = 1,
) -> dict[int, LheBlock]:
    """Cut the whole file into blocks ``block_0000.lhe``, ... in one pass.

    Parameters
    ----------
    lhe : LheFile
        The whole file, as read.
    folder : path
        Where the blocks go; it must exist.
    events : int
        Events per block.
    wanted : collection of int, optional
        Only these blocks.
    keep_slha : bool, optional
        Keep the spectrum of the header; by default if the events have new particles.
    copies : int
        How many times each event is written.

    Returns
    -------
    dict
        Block by number.

    Raises
    ------
    LheError
        As :func:`extract`.
    """
    if events < 1:
        msg = f"a block needs at least one event, not {events}"
        raise LheError(msg)
    n_blocks = -(-lhe.n_events // events)
    chosen = set(range(n_blocks)) if wanted is None else set(wanted)
    outside = sorted(block for block in chosen if not 0 <= block < n_blocks)
    if outside:
        msg = f"{lhe.path} has {n_blocks} blocks of {events} events: there is no block {outside[0]}"
        raise LheError(msg)
    if not is_compressed(Path(lhe.path)):
        return {
            k: extract(lhe, k * events, events, _block_path(folder, k), keep_slha=keep_slha, copies=copies)
            for k in sorted(chosen)
        }
    blocks = {}
    if chosen:
        n_needed = min(lhe.n_events, (max(chosen) + 1) * events)
        for text, at, last in _groups(lhe, 0, n_needed, 0, events):
            k = at // events
            if k in chosen:
                blocks[k] = _write(lhe, text, (at, last - at, copies), _block_path(folder, k), keep_slha)
    if len(blocks) != len(chosen):
        raise _changed(lhe)
    return blocks


def _block_path(folder: str | os.PathLike[str], block: int) -> Path:
    return Path(folder) / f"block_{block:04d}.lhe"


def _changed(lhe: LheFile) -> LheError:
    return LheError(f"{lhe.path} has changed since it was read: read it again")


def _groups(
    lhe: LheFile, first: int, n: int, near: int, events: int | None = None
) -> Iterator[tuple[bytes, int, int]]:
    """Text of consecutive groups of events, with their first and one past their last number."""
    now = near * lhe.stride
    begin, stop = first, first + n
    end = min(stop, begin + (events or n))
    text, kept = b"", b""
    try:
        for piece in pieces(Path(lhe.path), lhe.offsets[near]):
            text += piece
            # positions just after each event in the text
            ends = np.array([found.end() for found in re.finditer(_END, text)], dtype=np.int64)
            done = 0
            while len(ends) and now + len(ends) > 0:
                if now < begin:
                    skip = min(begin - now, len(ends))
                    done, ends, now = int(ends[skip - 1]), ends[skip:], now + skip
                    continue
                take = min(end - now, len(ends))
                kept += text[done : int(ends[take - 1])]
                done, ends, now = int(ends[take - 1]), ends[take:], now + take
                if now == end:
                    yield kept.lstrip(), begin, end
                    kept, begin = b"", end
                    end = min(stop, begin + (events or n))
                    if begin >= stop:
                        return
            text = text[done:]
    except CutShortError:
        return


def _write(
    lhe: LheFile, text: bytes, stretch: tuple[int, int, int], target: Path, keep_slha: bool | None
) -> LheBlock:
    first, n, copies = stretch
    weights = _weights(text)
    if len(weights) != n or not text.startswith(b"<event"):
        raise _changed(lhe)
    empty = 0.0
    if lhe.n_empty:
        events = [event + _END for event in text.split(_END)[:n]]
        full = np.array([_has_particles(event) for event in events])
        if lhe.empty_events == "count":
            empty = float(weights[~full].sum())
        text, weights = b"".join(event for event, has in zip(events, full, strict=True) if has), weights[full]
    if copies > 1:
        text = b"".join(
            (event.strip() + b"\n" + _END + b"\n") * copies for event in text.split(_END)[: len(weights)]
        )
    text = _with_plain_exponents(text)
    header = lhe.header
    keep = lhe.needs_spectrum if keep_slha is None else keep_slha
    kept = [block for block in (header.weight_block, header.slha if keep else b"") if block]
    parts = [
        b'<LesHouchesEvents version="3.0">\n<header>\n',
        *(block + b"\n" for block in kept),
        b"</header>\n<init>\n",
        _init(header.init),
        b"</init>\n",
        text,
        b"\n</LesHouchesEvents>\n",
    ]
    try:
        write_atomically(target, b"".join(parts))
    except OSError as error:
        msg = f"{target} cannot be written: {error.strerror}"
        raise LheError(msg) from None
    total, n_empty = copies * float(weights.sum()), copies * (n - len(weights))
    return LheBlock(target, first, copies * len(weights), total, n_empty, copies * empty, copies)


def _with_plain_exponents(text: bytes) -> bytes:
    """Numbers with Fortran's exponent as Pythia reads them: of ``1.5D+01`` it takes 1.5, or nothing at all.

    What stands in a tag, such as the name of a weight, stays as it is.
    """
    if _FORTRAN.search(text) is None:
        return text
    return _TAG_OR_FORTRAN.sub(lambda found: found[0] if found[0].startswith(b"<") else b"e", text)


def _weights(text: bytes) -> np.ndarray:
    """XWGTUP of the events in a text."""
    words = [word.lower().replace(b"d", b"e") for word in _FIRST_LINE.findall(text)]
    return np.array(words, dtype=np.bytes_).astype(np.float64)


def _has_particles(event: bytes) -> bool:
    """Whether an event has a particle that is one: NUP above 0, and a line that does not begin with 0."""
    lines = [line.split() for line in event.splitlines() if line.strip()]
    n = int(lines[1][0])
    return any(words[0] != b"0" for words in lines[2 : 2 + n])


def _init(text: bytes) -> bytes:
    """Init block with IDWTUP = -4: Pythia then takes every event once, with its XWGTUP and sign.

    With 1 and 2 it would throw events away, with 3 their weights; the cross section comes from the whole file anyway.
    """
    lines = numbers_of_init(text)
    words = lines[0].split()
    words[8] = b"-4"
    # a generator's name may hold characters that Pythia's reader stumbles on
    count = int(words[9])
    return _with_plain_exponents(b"\n".join([b" ".join(words), *lines[1 : 1 + count]]) + b"\n")
