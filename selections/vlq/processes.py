"""How figures show the processes of the vector-like-quark search."""

from __future__ import annotations

from massgap.contracts.description import ProcessLabel

__all__ = ["PROCESSES"]

PROCESSES: dict[str, ProcessLabel] = {
    "WZ": ProcessLabel("WZ", "#a96b59"),
    "ZZ": ProcessLabel("ZZ", "#5fb8bd"),
    "tt": ProcessLabel(r"$t\bar{t}$", "#3f90da"),
}
