"""Events of files as input of blocks: which events a block gets, and the small files that hold them."""

from __future__ import annotations

import hashlib
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from massgap.samples.errors import GenerationError
from massgap.samples.lhe.blocks import LheSource, split
from massgap.samples.lhe.file import read_lhe, without_index
from massgap.samples.production.plan import BLOCK, Task
from massgap.samples.pythia.shower_settings import lhe_settings

if TYPE_CHECKING:
    from massgap.samples.lhe.file import LheFile
    from massgap.samples.processes.process import Process

__all__ = ["Part", "cut_out", "digest_of_file", "own_events"]


class Part(NamedTuple):
    """A file: the process made of it, what tasks carry of it, and all that was read."""

    process: Process
    source: LheSource
    lhe: LheFile

    def limit(self, events: int | None) -> int:
        """Events of the file that are used."""
        return min(self.lhe.n_events, events or self.lhe.n_events)

    def block_size(self, events: int | None, copies: int) -> int:
        """Events of the file in a block."""
        return min(max(1, BLOCK // copies), self.limit(events))


def cut_out(
    parts: list[Part], scratch: Path, events: int | None, copies: int, todo: list[Task]
) -> list[Task]:
    """Cut the events of some tasks out of their files, into a folder that is to be removed in the end.

    Parameters
    ----------
    parts
        The files.
    scratch
        The folder.
    events, copies
        How many events of each file, and how often each is showered.
    todo
        Tasks; those that belong to no file stay as they are.

    Returns
    -------
    list of Task
    """
    ready = [task for task in todo if task.source is None]
    for part in parts:
        own = {task.block: task for task in todo if task.process == part.process}
        if not own:
            continue
        folder = scratch / part.process.name
        folder.mkdir(parents=True, exist_ok=True)
        size = part.block_size(events, copies)
        blocks = split(part.lhe, folder, size, wanted=set(own), copies=copies)
        ready += [replace(task, block_file=blocks[number]) for number, task in own.items()]
    return ready


def digest_of_file(path: str | Path) -> str:
    """SHA-256 of a file's content."""
    with Path(path).open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def own_events(process: Process, out: Path, events: int, seed: int) -> Part:
    """Make the events of a process by its own matrix element, as ``OUT/hard/NAME.lhe.gz``, unless they are there.

    Parameters
    ----------
    process
        With a ``matrix_element`` and a spectrum.
    out
        Folder of the samples.
    events
        Number of unweighted events.
    seed
        The same seed gives the same events.

    Raises
    ------
    GenerationError
        If the process is to be made in slices, or its masses cannot be made.
    """
    if process.matrix_element is None or process.observable is not None:
        msg = f"{process.name} is made by a matrix element, in one piece: generate it without --hard"
        raise GenerationError(msg)
    path = out / "hard" / f"{process.name}.lhe.gz"
    process.matrix_element.write(path, process.name, events, process.sqrt_s_tev, seed, process.slha or "")
    lhe = read_lhe(path)
    made = replace(
        process,
        settings=(*lhe_settings(lhe, own_spectrum=process.slha is not None), *process.settings),
        xsec_fb=lhe.xsec_fb,
        xsec_error_fb=lhe.xsec_error_fb,
        lhe=digest_of_file(path),
    )
    return Part(made, LheSource(without_index(lhe), matched=False), lhe)
