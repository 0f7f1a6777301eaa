"""Pieces of a study's work side by side, in processes of their own."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.studies.errors import StudyError
from massgap.worker_process import ending_pool

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

__all__ = ["side_by_side"]

_NEWS = 0.2
"""Seconds between two looks at what workers have announced."""


def side_by_side(
    work: Callable[[str, Callable[[str], None]], Any],
    names: Sequence[str],
    workers: int,
    announce: Callable[[str], None],
    finished: Callable[[str, Any], None] = lambda *_: None,
) -> dict[str, Any]:
    """Do a piece of work for each name, in processes of their own where there are several of both.

    Parameters
    ----------
    work
        Called with a name and what it is to announce lines of text with.
    names
        Of the pieces.
    workers
        Processes at most; with 1 all is done here.
    announce
        Called here with each line, in the order in which they come.
    finished
        Called here with the name and the result of each piece, as soon as it is done.

    Returns
    -------
    dict
        Name -> what was returned, in the order of the names.

    Raises
    ------
    Exception
        What a piece has raised; the others are ended.
    StudyError
        If a process ends without a result.

    Examples
    --------
    >>> side_by_side(lambda name, announce: len(name), ["a", "bcd"], 1, print)
    {'a': 1, 'bcd': 3}
    """
    if min(workers, len(names)) <= 1:
        found = {}
        for name in names:
            found[name] = work(name, announce)
            finished(name, found[name])
        return found
    lost = "A worker process ended without a result, most likely for lack of memory: use --workers 1."
    with (
        tempfile.TemporaryDirectory(prefix="massgap-") as folder,
        ending_pool(min(workers, len(names)), StudyError(lost)) as pool,
    ):
        news = {name: Path(folder) / f"{number}.txt" for number, name in enumerate(names)}
        futures = {name: pool.submit(_announcing, work, name, str(path)) for name, path in news.items()}
        told: set[str] = set()
        for line in _lines(futures, news):
            if line is not None:
                announce(line)
                continue
            done = [name for name, future in futures.items() if name not in told and future.done()]
            told.update(done)
            # what is done is told before what has failed ends all of it
            for name in sorted(done, key=lambda name: futures[name].exception() is not None):
                finished(name, futures[name].result())
        return {name: future.result() for name, future in futures.items()}


def _announcing(work: Callable[[str, Callable[[str], None]], Any], name: str, path: str) -> Any:
    """Work whose announcements go into a file: a line each."""
    with Path(path).open("a", encoding="utf-8") as file:

        def announce(line: str) -> None:
            file.write(line + "\n")
            file.flush()

        return work(name, announce)


def _lines(futures: dict[str, Any], news: dict[str, Path]) -> Iterator[str | None]:
    """Lines as they come, and None after each look, until all is done or one has failed."""
    told = dict.fromkeys(news, 0)
    going = True
    while going:
        failed = any(future.done() and future.exception() is not None for future in futures.values())
        going = not failed and not all(future.done() for future in futures.values())
        for name, path in news.items():
            whole = path.read_text(encoding="utf-8") if path.exists() else ""
            ended = whole[: whole.rfind("\n") + 1].splitlines()
            yield from ended[told[name] :]
            told[name] = len(ended)
        yield None
        if going:
            time.sleep(_NEWS)
