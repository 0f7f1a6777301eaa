"""How figures show the processes of the electroweakino search."""

from __future__ import annotations

from massgap.contracts.description import ProcessLabel

__all__ = ["PROCESSES"]

PROCESSES: dict[str, ProcessLabel] = {
    "tt": ProcessLabel(r"$t\bar{t}$", "#3f90da"),
    "Vjets": ProcessLabel("V + jets", "#94a4a2"),
    "VV": ProcessLabel("VV + jets", "#ffa90e"),
    "WZ_leptonic": ProcessLabel("WZ + jets, leptonic", "#a96b59"),
    "ZZ_leptonic": ProcessLabel("ZZ + jets, leptonic", "#832db6"),
}
