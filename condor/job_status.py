"""In which state a job in the queue is, from its ad.

Numbers are those of HTCondor's manual: the attribute ``JobStatus``, and the table of ``HoldReasonCode``.
"""

from __future__ import annotations

from typing import Any

__all__ = ["OUT_OF_MEMORY", "SPOOLING", "STATUS", "TOO_LONG", "status_of"]

STATUS = ("ClusterId", "ProcId", "JobStatus", "HoldReasonCode")
"""Attributes that :func:`status_of` and :func:`massgap.condor.commands.job_id` need."""

SPOOLING, OUT_OF_MEMORY, TOO_LONG = 16, 34, 46
"""Codes of holds: input is on its way to the spool; above the memory that was asked for; above ``allowed_job_duration``."""

_STATES = {
    1: "idle",
    2: "running",
    3: "removed",
    4: "completed",
    5: "held",
    6: "running",  # its output is being transferred
    7: "idle",  # suspended
}


def status_of(row: dict[str, Any]) -> str:
    """``idle``, ``running``, ``held``, ``completed`` or ``removed``.

    The schedd holds a spooled job while its input arrives and then releases it by itself: that is waiting, and nobody need do anything.

    Parameters
    ----------
    row
        Attributes of the job, with those of :data:`STATUS`.

    Examples
    --------
    >>> status_of({"JobStatus": 5, "HoldReasonCode": 34}), status_of({"JobStatus": 5, "HoldReasonCode": 16})
    ('held', 'idle')
    """
    state = _STATES.get(row.get("JobStatus", 0), "idle")
    return "idle" if state == "held" and row.get("HoldReasonCode") == SPOOLING else state
