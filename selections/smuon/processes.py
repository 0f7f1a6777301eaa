"""How figures show the processes of the smuon search."""

from __future__ import annotations

from massgap.contracts.description import ProcessLabel

__all__ = ["PROCESSES"]

PROCESSES: dict[str, ProcessLabel] = {
    "tt": ProcessLabel(r"$t\bar{t}$", "#3f90da"),
    "mumununu": ProcessLabel(r"$\mu\mu\nu\nu$", "#ffa90e"),
    "mumulnu": ProcessLabel(r"$\mu\mu\ell\nu$", "#a96b59"),
}
