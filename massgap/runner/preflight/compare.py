"""Before a long run: do the workers have what it needs, compared with what is here.

Nothing here talks to a worker: :mod:`massgap.runner.preflight.ask` asks, :func:`compare` judges.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING

from massgap.runner.preflight import files, machine, software
from massgap.runner.preflight.answers import FAILED, OK, WARNING, Answer, Check, Here, judge, size_text, who
from massgap.runner.preflight.versions import DISTRIBUTED, LIBRARIES

if TYPE_CHECKING:
    from collections.abc import Sequence

__all__ = ["compare"]


def compare(here: Here, answers: Sequence[Answer]) -> list[Check]:
    """Judge what workers have said.

    Parameters
    ----------
    here
        What they are compared with.
    answers
        One per worker.

    Returns
    -------
    list of Check
        At least one for each thing; several where workers differ.
    """
    heard = [a for a in answers if a.look is not None]
    looked = [a for a in heard if "host" in (a.look or {})]
    checks = _workers(here, answers)
    if not heard:
        return checks
    names = [*LIBRARIES, *(DISTRIBUTED if here.cluster else ())]
    checks += judge("python", f"{here.look['python']} everywhere", heard, lambda a: software.python(here, a))
    checks += judge("massgap", "the same code everywhere", looked, lambda a: software.massgap(here, a))
    checks += judge(
        "packages", "the same versions everywhere", heard, lambda a: software.packages(here, a, names)
    )
    checks += judge("imports", "all modules can be imported", looked, lambda a: software.imports(here, a))
    tried = [a for a in looked if a.tried is not None]
    checks += judge("analysis", "the analysis can be loaded", tried, software.analysis)
    able = [a for a in tried if software.loaded(a)]
    for name, engine in here.engines.items():
        fine = f"gives the same bits ({engine})"
        title = "model" if len(here.engines) == 1 else f"model {name}"
        checks += judge(title, fine, able, functools.partial(software.model, here, name))
    checks += files.data(here, tried)
    need = size_text(machine.needed_memory(here.chunksize, here.event_memory))
    fine = f"enough for chunks of {here.chunksize:,} events (about {need} each)"
    checks += judge("memory", fine, looked, lambda a: machine.memory(here, a, looked))
    checks += judge("scratch", machine.least_scratch(looked), looked, machine.scratch)
    if here.cluster:
        checks += judge("threads", "one per worker", [a for a in answers if a.threads], machine.threads)
    checks += judge("clock", "agrees with the clock here", [a for a in looked if a.sent], machine.clock)
    return checks


def _workers(here: Here, answers: Sequence[Answer]) -> list[Check]:
    checks = []
    silent: dict[str, list[str]] = {}
    for answer in answers:
        if answer.problem:
            silent.setdefault(answer.problem, []).append(answer.name)
    for problem, names in silent.items():
        checks.append(
            Check(
                "workers",
                FAILED,
                f"{problem} ({who(names, len(answers))})",
                "look into the log of the worker; where other checks fail for it, mend those first",
                tuple(names),
            )
        )
    if not answers:
        return [
            Check(
                "workers",
                FAILED,
                "there is no worker",
                "start workers, or look at the queue of the batch system",
            )
        ]
    if len(answers) < here.wanted:
        checks.append(
            Check(
                "workers",
                WARNING,
                f"{len(answers)} of {here.wanted} workers were there in time; the others were not looked at",
                "run again when more have come, or wait longer for them (--wait)",
            )
        )
    return checks or [Check("workers", OK, f"{len(answers)} answered")]
