"""Compile what an analysis needs before its jobs are sent: they take the machine code along and begin at once.

A process of its own runs the analysis on the first events of some of its files, as it would go on a worker, and collects the
machine code; a file that crashes a library costs that process only.  What was compiled before is loaded and not compiled again.
"""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from massgap.arrays.compiled import write_machine_code
from massgap.errors import MassgapError
from massgap.events.reading.open import Chunk
from massgap.runner.ledger import Ledger
from massgap.runner.planning import files_of, make_plan
from massgap.runner.preflight.software import model_request
from massgap.runner.work import (
    Retries,
    SharedWork,
    Task,
    load_processor,
    merge_results,
    process_task,
)
from massgap.source_code import PACKAGE

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

__all__ = ["Warmed", "part_to_warm", "warm"]

EVENTS = 5000
"""Events that are processed: enough that some are selected and every observable is computed."""

_MOST_FILES = 4
_TICK = 2.0

_PROGRAM = "from massgap.runner.preflight.warming import main; main()"


@dataclass(frozen=True)
class Warmed:
    """What was compiled.

    Attributes
    ----------
    files
        Number of files with machine code, or of their indices.
    problem
        Why there is less than there could be; empty if all went well.
    """

    files: int
    problem: str = ""


def part_to_warm(fileset: dict[str, Any]) -> dict[str, Any]:
    """One file of each of a few datasets, as a fileset: of data and of simulation, if there are both."""
    names = {
        which: [
            name
            for name, entry in sorted(fileset.items())
            if bool((entry.get("metadata") or {}).get("is_data")) is which and entry["files"]
        ]
        for which in (False, True)
    }
    of_data = names[True][: max(_MOST_FILES - len(names[False]), _MOST_FILES // 2)]
    chosen = [*names[False][: _MOST_FILES - len(of_data)], *of_data]
    return {name: {**fileset[name], "files": dict(sorted(files_of(fileset[name]))[:1])} for name in chosen}


def warm(
    processor: Any,
    fileset: dict[str, Any],
    folder: str | Path,
    *,
    within: float = 600.0,
    tick: Callable[[], None] | None = None,
) -> Warmed:
    """Run an analysis on its first events, and copy the machine code of what was called into a folder.

    Parameters
    ----------
    processor, fileset
        As for :func:`massgap.runner.runner.run`.
    folder
        See :func:`massgap.arrays.compiled.write_machine_code`.
    within
        Seconds after which it is given up.
    tick
        Called now and then meanwhile.
    """
    import cloudpickle

    request = json.dumps(
        {
            "processor": base64.b64encode(cloudpickle.dumps(processor)).decode("ascii"),
            "fileset": part_to_warm(fileset),
            "folder": str(folder),
        },
        default=str,
    ).encode()
    # The package that is sent, whatever else is on the path.
    paths = [str(PACKAGE.parent), *os.environ.get("PYTHONPATH", "").split(os.pathsep)]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, paths))}
    pipe = subprocess.PIPE
    command = [sys.executable, "-c", _PROGRAM]
    try:
        with subprocess.Popen(command, env=environment, stdin=pipe, stdout=pipe, stderr=pipe) as process:
            out, err = _communicate(process, request, within, tick)
    except subprocess.TimeoutExpired:
        return Warmed(0, f"the first events took more than {within:.0f} s")
    except OSError as error:
        return Warmed(0, f"no process could be started ({error.strerror or error})")
    answer = out.decode(errors="replace").splitlines()[-1:]
    if process.returncode or not answer:
        last = err.decode(errors="replace").strip().splitlines()[-1:]
        if process.returncode < 0:
            how = f"was ended by signal {-process.returncode}"
        else:
            how = "failed" if process.returncode else "ended without an answer"
        return Warmed(0, f"the process {how}{f' ({last[0][:200]})' if last else ''}")
    found = json.loads(answer[0])
    return Warmed(found["files"], found["problem"])


def _communicate(
    process: subprocess.Popen[bytes], request: bytes, within: float, tick: Callable[[], None] | None
) -> tuple[bytes, bytes]:
    end = time.monotonic() + within
    given: bytes | None = request
    try:
        while True:
            left = end - time.monotonic()
            try:
                return process.communicate(given, timeout=max(min(_TICK, left), 0.01))
            except subprocess.TimeoutExpired:
                given = None  # what is not sent yet is remembered
                if left <= _TICK:
                    raise
                if tick is not None:
                    tick()
    except BaseException:
        process.kill()
        raise


def main() -> None:
    """The process: a request in JSON on its input, an answer in JSON as the last line of its output."""
    out = sys.stdout
    sys.stdout = sys.stderr
    request = json.load(sys.stdin)
    try:
        problem = _process(base64.b64decode(request["processor"]), request["fileset"])
    except MassgapError as error:
        problem = str(error)
    count = write_machine_code(request["folder"])
    out.write(f"\n{json.dumps({'files': count, 'problem': problem})}\n")
    # Python flushes what sys.stdout is at the end, which is the other one here.
    out.flush()


def _process(pickled: bytes, fileset: dict[str, Any]) -> str:
    """What a worker does: chunks, their sums, the sums of these, and scores; what went wrong with the first file where it did."""
    processor = load_processor("warm", pickled)
    once = Retries(attempts=1)
    ledger = Ledger()
    plan = make_plan(fileset, ledger, retries=once)
    # In two parts, so that results are added up as well: those of one file, and those of several.
    parts = [
        [
            Chunk(dataset, path, half * part, half * (part + 1), info.tree, info.format, info.uuid)
            for (dataset, path), info in sorted(plan.infos.items())
            if (half := min(EVENTS, info.entries) // 2)
        ]
        for part in (0, 1)
    ]
    total = sum(map(len, parts))
    shared = SharedWork("warm", pickled, "", plan.metadata(processor), total, once)
    results = [
        process_task(shared, Task(tuple(enumerate(chunks, start=k * len(chunks)))))
        for k, chunks in enumerate(parts)
    ]
    merge_results(total, 1, results)
    for scorer in (getattr(processor, "models", None) or {}).values():
        # Also where no event was selected.
        model_request(scorer)
    errors = [bad.error for bad in ledger.bad_files]
    errors += [o.error for result in results for o in result.outcomes.values() if o.error]
    return errors[0] if errors else ""
