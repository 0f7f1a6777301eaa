"""Many dask workers in one process, for the benchmark of the scheduler: ``python -m benchmarks.scheduler_workers ADDRESS N``.

They are real ``distributed.Worker`` objects, with their own connections, heartbeats, and state; only processes, nannies and
HTTP servers are left out, and a worker's memory is not watched.  Ends when its standard input is closed.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys


async def serve(address: str, n: int) -> None:
    """Start workers, say so, and wait for the end."""
    from distributed import Worker

    pid = os.getpid()
    async with contextlib.AsyncExitStack() as stack:
        for first in range(0, n, 50):
            workers = [
                Worker(address, nthreads=1, name=f"simulated-{pid}-{k}", dashboard=False, memory_limit=0)
                for k in range(first, min(first + 50, n))
            ]
            for worker in await asyncio.gather(*workers):
                stack.push_async_callback(worker.close, timeout=2, nanny=False)
        print("ready", flush=True)
        await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
        # Closing hundreds of them in order takes longer than it is worth.
        os._exit(0)


if __name__ == "__main__":
    import dask

    # What each worker does for itself, many times a second, would fill the one core that they share here.
    dask.config.set(
        {
            "distributed.worker.profile.enabled": False,
            "distributed.admin.system-monitor.interval": "1h",
            "distributed.admin.tick.interval": "1h",
            "distributed.admin.tick.cycle": "1h",
        }
    )
    asyncio.run(serve(sys.argv[1], int(sys.argv[2])))
