"""How figures show the processes of the slepton search."""

from __future__ import annotations

from massgap.contracts.description import ProcessLabel

__all__ = ["PROCESSES"]

PROCESSES: dict[str, ProcessLabel] = {
    "mumu": ProcessLabel(r"$\mu\mu$", "#94a4a2"),
    "tautau": ProcessLabel(r"$\tau\tau$", "#832db6"),
    "tt": ProcessLabel(r"$t\bar{t}$", "#3f90da"),
    "WW": ProcessLabel("WW", "#ffa90e"),
    "ZZ": ProcessLabel("ZZ", "#5fb8bd"),
    "WZ": ProcessLabel("WZ", "#a96b59"),
}
