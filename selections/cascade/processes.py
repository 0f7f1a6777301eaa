"""How figures show the processes of the search for cascades to two muons and a photon."""

from __future__ import annotations

from massgap.contracts.description import ProcessLabel

__all__ = ["PROCESSES"]

PROCESSES: dict[str, ProcessLabel] = {
    "mumugamma2nu": ProcessLabel(r"$\mu\mu\gamma + 2\nu$", "#3f90da"),
    "mumugamma4nu": ProcessLabel(r"$\mu\mu\gamma + 4\nu$", "#ffa90e"),
}
