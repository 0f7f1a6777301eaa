"""A slice: the plain JSON file that tells a job what to do, written where a run is planned and read where it is worked on."""

from __future__ import annotations

import dataclasses
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from massgap.contracts.writing import write_json
from massgap.events.reading.open import Chunk
from massgap.runner.checkpoints.fingerprint import code_hash
from massgap.runner.errors import RunnerError

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["Slice", "WrongEnvironmentError", "read_slice", "write_slice"]

FORMAT = "massgap-slice/1"


class WrongEnvironmentError(RunnerError):
    """The massgap that is to work is not the one that planned."""


@dataclass(frozen=True)
class Slice:
    """What a job is told.

    Attributes
    ----------
    number
        Of the slice.
    analysis, options
        As for :func:`massgap.processors.registry.make_processor`; files among them lie beside the slice, by their names.
    code
        Digest of massgap's source where the run was planned.
    level
        Of the families of chunks that are added up.
    chunks, keys
        What to process, and under which keys results are kept.
    metadata
        Dataset -> what the processor sees of it.
    """

    number: int
    analysis: str
    options: dict[str, Any]
    code: str
    level: int
    chunks: list[Chunk]
    keys: list[str]
    metadata: dict[str, dict[str, Any]]


def write_slice(path: Path, content: Slice) -> None:
    """Write a slice.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    # As many as there are jobs, and made again if the machine crashes now.
    write_json(path, {"format": FORMAT, **dataclasses.asdict(content)}, durable=False)


def read_slice(path: Path) -> Slice:
    """Read a slice, here where it is worked on.

    Raises
    ------
    WrongEnvironmentError
        If this massgap is not the one that planned.
    RunnerError
        If the file is no slice.
    """
    try:
        job = json.loads(path.read_text())
        form = job.pop("format", None)
        found = Slice(**{**job, "chunks": [Chunk(**c) for c in job["chunks"]]}) if form == FORMAT else None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path}: is not a slice that massgap submit wrote ({type(error).__name__}: {error})"
        raise RunnerError(msg) from error
    if found is None:
        msg = f"{path}: is not a slice of this massgap (format {form!r}, here {FORMAT})"
        raise WrongEnvironmentError(msg)
    if found.code != code_hash():
        msg = (
            f"the massgap here has the digest {code_hash()[:12]}, the one that planned {found.code[:12]}: install the same "
            "version on the workers, or let massgap submit ship its code"
        )
        raise WrongEnvironmentError(msg)
    return found
