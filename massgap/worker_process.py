"""What every worker process does first: it leaves Ctrl-C to the driver, and ends when the driver is gone."""

from __future__ import annotations

import os
import signal
import threading
import time
import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Iterator

__all__ = ["begin_worker", "end_with_parent", "ending_pool", "ignore_interrupts", "worker_pool"]


def worker_pool(workers: int) -> Any:
    """An executor of loky whose workers begin as all do.

    It replaces a worker that has come to hold 300 MB more than at its start, as one that generates many processes does: no event is
    lost by that, and nothing is to be done, so that its warning is left out.
    """
    from loky import ProcessPoolExecutor

    warnings.filterwarnings("ignore", message="A worker was restarted", category=UserWarning)
    return ProcessPoolExecutor(workers, initializer=begin_worker)


@contextmanager
def ending_pool(workers: int, lost: Exception) -> Iterator[Any]:
    """A pool whose workers are ended with whatever ends the block; ``lost`` is raised where one of them is gone without a result."""
    from loky.process_executor import TerminatedWorkerError

    pool = worker_pool(workers)
    try:
        yield pool
    except TerminatedWorkerError:
        pool.shutdown(wait=True, kill_workers=True)
        raise lost from None
    except BaseException:
        pool.shutdown(wait=True, kill_workers=True)
        raise
    pool.shutdown(wait=True)


def begin_worker() -> None:
    """First call of a worker process, also of one that replaces another."""
    ignore_interrupts()
    end_with_parent()


def ignore_interrupts() -> None:
    """Leave Ctrl-C to the driver."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def end_with_parent(every: float = 1.0) -> None:
    """End this process when the one that started it is gone: a driver that is killed must not leave workers behind.

    Parameters
    ----------
    every
        Seconds between two looks.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(every)
        os._exit(1)

    threading.Thread(target=watch, name="massgap-parent", daemon=True).start()
