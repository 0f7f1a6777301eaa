"""The events of a block in their order: what each left undecayed, and which event of the whole file it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.samples.lhe.blocks import LheBlock

__all__ = ["Slot", "slots_of"]

_INCOMING, _OUTGOING = b"-1", b"1"


@dataclass(frozen=True)
class Slot:
    """One event of a block.

    Attributes
    ----------
    number : int
        Which event of the whole file, without empty ones of this block, it is.
    weight : float
        XWGTUP.
    incoming : tuple of float
        Energies (GeV) of the two incoming partons, the smaller one first.
    outgoing : tuple of int
        PDG numbers of the outgoing particles, undecayed by the file.
    copies : int
        How many times the event is in the block.
    """

    number: int
    weight: float
    incoming: tuple[float, ...]
    outgoing: tuple[int, ...]
    copies: int = 1

    def is_at(self, energies: tuple[float, ...]) -> bool:
        """Whether an event with these incoming energies may be this one."""
        return all(abs(a - b) < 1e-4 * max(a, 1.0) for a, b in zip(self.incoming, energies, strict=True))


def slots_of(block: LheBlock) -> list[Slot]:
    """All events of a block, copies one after the other."""
    found = []
    for index, text in enumerate(_events(block.path)):
        lines = [line.split() for line in text.splitlines() if line.strip()]
        rows = lines[1 : 1 + int(lines[0][0])]
        incoming = sorted(_real(row[9]) for row in rows if row[1] == _INCOMING)
        outgoing = tuple(int(row[0]) for row in rows if row[1] == _OUTGOING)
        number = block.first + index // block.copies
        found.append(Slot(number, _real(lines[0][2]), tuple(incoming), outgoing, block.copies))
    return found


def _events(path: Path) -> list[bytes]:
    pieces = path.read_bytes().split(b"<event")[1:]
    return [piece.partition(b">")[2].partition(b"</event>")[0] for piece in pieces]


def _real(word: bytes) -> float:
    return float(word.lower().replace(b"d", b"e"))
