"""Trainings and fits of a study that need nothing of each other, several at a time: each takes one core."""

from __future__ import annotations

import errno
import os
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from massgap.errors import MassgapError
from massgap.studies.side_by_side import side_by_side

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from massgap.stages.execution import Execution
    from massgap.studies.study import Step

__all__ = ["Call", "independent", "is_of_the_machine", "make_together", "processes"]

_KINDS = ("train", "fit")
_DISK = (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EIO)


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
    finished: Callable[[str, str], None],
) -> None:
    """Make steps in processes of their own.

    Parameters
    ----------
    calls
        Name of a step -> what makes it.
    workers
        Processes.
    announce
        Called with the words of each when it begins.
    finished
        Called with the name of each as soon as it was tried, and why it could not be made; that is nothing where it was.  One that failed
        for the machine is not told: the step itself says why when its turn comes, and finds in its folder what was made.

    Raises
    ------
    massgap.studies.errors.StudyError
        If a process ends without a result.
    """

    def told(name: str, failed: str | None) -> None:
        if failed is not None:
            finished(name, failed)

    side_by_side(partial(_made, dict(calls)), list(calls), workers, announce, told)


def _made(calls: Mapping[str, Call], name: str, announce: Callable[[str], None]) -> str | None:
    """Why it could not be made, nothing if it was; None where the machine is the reason."""
    call = calls[name]
    announce(call.words)
    try:
        call.made()
    except MassgapError as error:
        return None if is_of_the_machine(error) else str(error)
    return ""


def is_of_the_machine(error: BaseException) -> bool:
    """Whether a disk is behind an error: the steps that follow would fail for the same reason, one by one."""
    seen: BaseException | None = error
    while seen is not None:
        if isinstance(seen, OSError) and seen.errno in _DISK:
            return True
        seen = seen.__cause__ or seen.__context__
    return False
