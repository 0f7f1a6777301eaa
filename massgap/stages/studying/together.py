"""Trainings and fits of a study that need nothing of each other, several at a time: each takes one core."""

from __future__ import annotations

import os
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from massgap.errors import MassgapError
from massgap.studies.side_by_side import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from massgap.stages.execution import Execution
    from massgap.studies.study import Step

__all__ = ["Call", "independent", "make_together", "processes"]

_KINDS = ("train", "fit")


class Call(NamedTuple):
    """What makes a step.

    Attributes
    ----------
    stage, arguments, options
        A function and what it is called with.
    words
        A line that says so.
    """

    stage: Callable[..., Any]
    arguments: tuple[Any, ...]
    options: Mapping[str, Any]
    words: str = ""

    def made(self, **more: Any) -> Any:
        """Make it, with more options."""
        return self.stage(*self.arguments, **more, **self.options)


def processes(execution: Execution) -> int:
    """How many at a time: on this machine alone, where the workers of a pool are elsewhere."""
    return min(execution.workers or 1, os.cpu_count() or 1) if execution.executor == "futures" else 1


def independent(steps: Sequence[Step]) -> list[Step]:
    """The first steps, all of one kind that takes one core, that need none of each other."""
    found: list[Step] = []
    names: set[str] = set()
    for step in steps:
        if step.kind not in _KINDS or step.kind != steps[0].kind or names.intersection(step.needs):
            break
        found.append(step)
        names.add(step.name)
    return found


def make_together(
    calls: Mapping[str, Call],
    workers: int,
    announce: Callable[[str], None],
    finished: Callable[[str], None],
) -> None:
    """Make steps in processes of their own.

    What cannot be made is left: the step itself says why when its turn comes, and finds in its folder what was made.

    Parameters
    ----------
    calls
        Name of a step -> what makes it.
    workers
        Processes.
    announce
        Called with the words of each when it begins.
    finished
        Called with the name of each that was made, as soon as it was.

    Raises
    ------
    massgap.studies.errors.StudyError
        If a process ends without a result.
    """

    def told(name: str, made: bool) -> None:
        if made:
            finished(name)

    side_by_side(partial(_made, dict(calls)), list(calls), workers, announce, told)


def _made(calls: Mapping[str, Call], name: str, announce: Callable[[str], None]) -> bool:
    """Whether it could be made."""
    call = calls[name]
    announce(call.words)
    try:
        call.made()
    except MassgapError:
        return False
    return True
