"""The ad of a job, which says what it is and what became of it."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from standin import ads, event_log

if TYPE_CHECKING:
    from standin.pool import Pool

IDLE, RUNNING, REMOVED, COMPLETED, HELD = 1, 2, 3, 4, 5


class JobAd:
    """What is known of a job in the queue of a pool."""

    def __init__(self, pool: Pool, ad: Any) -> None:
        self.pool, self.ad = pool, ad
        self.key = f"{ad['ClusterId']}.{ad['ProcId']}"

    def get(self, name: str, default: Any = None) -> Any:
        return ads.evaluate(self.ad, name, default)

    @property
    def state(self) -> int:
        return int(self.ad["JobStatus"])

    @property
    def iwd(self) -> Path:
        return Path(self.get("Iwd"))

    @property
    def request(self) -> tuple[int, int]:
        """Cores, and memory in MB."""
        return int(self.get("RequestCpus", 1)), int(self.get("RequestMemory", self.pool.default_memory))

    @property
    def transfers(self) -> bool:
        how = str(self.get("ShouldTransferFiles", "IF_NEEDED")).upper()
        return how == "YES" or (how == "IF_NEEDED" and not self.pool.shared_fs)

    def status(self, status: int, **attributes: Any) -> None:
        """Change the status; None drops an attribute."""
        now = int(time.time())
        if "JobStatus" in self.ad and self.state != status:
            self.ad["LastJobStatus"] = self.state
        for name, value in {"JobStatus": status, "EnteredCurrentStatus": now, **attributes}.items():
            if value is not None:
                self.ad[name] = value
            elif name in self.ad:
                del self.ad[name]

    def count(self, name: str) -> None:
        self.ad[name] = int(self.get(name, 0)) + 1

    def event(self, what: tuple[int, str]) -> None:
        if log := self.get("UserLog"):
            event_log.write(self.iwd / log, int(self.ad["ClusterId"]), int(self.ad["ProcId"]), *what)
