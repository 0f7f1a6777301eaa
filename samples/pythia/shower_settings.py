"""Shower the events of an event file: Pythia's settings, and an exact account of what became of each event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from massgap.samples.errors import GenerationError, LheError
from massgap.samples.pythia.hooks import COMPLETE, EventFilter

if TYPE_CHECKING:
    import os

    from massgap.samples.lhe.blocks import LheBlock
    from massgap.samples.lhe.file import LheFile
    from massgap.samples.lhe.slots import Slot


#: POWHEG has made the hardest radiation already, of the scale of the event (SCALUP): showers begin there, whatever is in
#: the event. Left to itself Pythia fills all of phase space where an event has no jet, and radiation is counted twice.
POWHEG = ("SpaceShower:pTmaxMatch = 1", "TimeShower:pTmaxMatch = 1")


def lhe_settings(
    lhe: LheFile, *, vbf: bool | None = None, own_spectrum: bool = False, sqrt_s_tev: float | None = None
) -> list[str]:
    """Pythia settings that go with an event file, but for the file's name.

    Parameters
    ----------
    lhe : LheFile
        The file.
    vbf : bool, optional
        Shower with dipole recoil, which quark scattering without exchange of colour needs: with the default recoil
        Pythia radiates into the gap between the jets (1803.07943). By default where the events have that topology.
    own_spectrum : bool
        Whether an SLHA file is given (``SLHA:file``); the spectrum in the header is then ignored. Without it new
        particles take the header's, which blocks keep for them.
    sqrt_s_tev : float, optional
        Energy that the samples are asked for; the file must agree.

    Returns
    -------
    list of str
        Settings; the name of the (block) file follows as ``Beams:LHEF = ...``.

    Raises
    ------
    LheError
        If beams or energy do not fit.
    """
    (first, _), (second, _) = lhe.header.beams
    if (first, second) != (2212, 2212):
        msg = f"{lhe.path} is for beams {first} and {second}; only protons (2212) are supported"
        raise LheError(msg)
    if sqrt_s_tev is not None and abs(lhe.sqrt_s_tev - sqrt_s_tev) > 1e-3 * sqrt_s_tev:
        msg = f"{lhe.path} is for {lhe.sqrt_s_tev:g} TeV, but {sqrt_s_tev:g} TeV are asked for"
        raise LheError(msg)
    recoil = lhe.is_vbf if vbf is None else vbf
    lines = ["Beams:frameType = 4", f"SpaceShower:dipoleRecoil = {'on' if recoil else 'off'}"]
    if lhe.header.generator.upper().startswith("POWHEG"):
        lines += POWHEG
    # Standard Model files of MadGraph carry their parameters in the same form, which Pythia has no use for
    source = 2 if own_spectrum else 1 if lhe.header.slha and lhe.needs_spectrum else 0
    return [*lines, f"SLHA:readFrom = {source}"]


def block_setting(path: str | os.PathLike[str]) -> str:
    """Setting that names the file to read."""
    return f"Beams:LHEF = {path}"


@dataclass(frozen=True)
class LheAccount:
    """What became of the events of a block.

    Attributes
    ----------
    tried : int
        Events in the block.
    returned : int
        Events that came out.
    vetoed : int
        Events that hooks refused: matching and filters.
    failed : int
        Events that Pythia could not handle; they are left out of the normalisation.
    sum_tried, sum_returned : float
        Sums of XWGTUP of the block and of the events that came out.
    n_empty : int
        Events without particles, which Pythia has not seen.
    sum_empty : float
        Sum of their XWGTUP, as far as it counts.
    """

    tried: int
    returned: int
    vetoed: int
    failed: int
    sum_tried: float
    sum_returned: float
    n_empty: int = 0
    sum_empty: float = 0.0

    @property
    def sum_usable(self) -> float:
        """Sum of XWGTUP of the events that Pythia could handle, and of those that had nothing to be handled.

        A failure tells nothing about the weight, so failed events have the block's mean.
        """
        return self.sum_tried * (self.tried - self.failed) / max(self.tried, 1) + self.sum_empty


#: Names of Pythia's statuses of an event that failed after its hard process.
_LATE_FAILURES = frozenset(
    {"PARTONLEVEL_FAILED", "HADRONLEVEL_FAILED", "CHECK_FAILED", "OTHER_UNPHYSICAL", "LOWENERGY_FAILED"}
)


#: Rows of Pythia's record with the incoming partons.
_INCOMING = (3, 4)


class EventCounter(EventFilter):
    """Counts what Pythia reads and loses; its hook must be the first one.

    Parameters
    ----------
    slots : list of Slot, optional
        The events of the block: then :meth:`take` tells which of them came out.
    """

    def __init__(self, slots: list[Slot] | None = None) -> None:
        self.seen = self.failed_late = 0
        self._slots, self._next, self._now = slots, 0, 0
        self._out: list[int] = []

    def drops_process(self, event: Any) -> bool:
        """Count, and find the event's place in the block; drop nothing."""
        self.seen += 1
        if self._slots is not None:
            first, second = sorted(event[i].e() for i in _INCOMING)
            # an event that failed before this moment was not asked about: its place is passed over
            while not self._slots[self._next].is_at((first, second)):
                self._next += 1
                if self._next == len(self._slots):
                    msg = f"an event with incoming partons of {first:g} and {second:g} GeV is not where it should be in its file"
                    raise GenerationError(msg)
            self._now = self._next
            self._next += 1
        return False

    def end(self, status: str) -> None:
        """Count late failures, and note which event came out."""
        self.failed_late += status in _LATE_FAILURES
        if status == COMPLETE:
            self._out.append(self._now)

    def take(self, n: int) -> list[Slot]:
        """The events of the file that the ``n`` events are, which came out since the last call.

        Raises
        ------
        GenerationError
            If there are not as many, or nobody knows.
        """
        places, self._out = self._out, []
        if self._slots is None or len(places) != n:
            msg = f"{n} events came out where the counter has seen {len(places)} of a file that it knows"
            raise GenerationError(msg)
        return [self._slots[place] for place in places]

    def account(self, block: LheBlock, n_returned: int, sum_returned: float) -> LheAccount:
        """What became of the events of a block that was read to its end.

        Parameters
        ----------
        block : LheBlock
            The block.
        n_returned : int
            Events that came out.
        sum_returned : float
            Sum of their XWGTUP.

        Raises
        ------
        GenerationError
            If the numbers do not fit together.
        """
        failed = block.n_events - self.seen + self.failed_late
        vetoed = self.seen - self.failed_late - n_returned
        if failed < 0 or vetoed < 0:
            msg = (
                f"{block.path}: of {block.n_events} events {self.seen} were read, {self.failed_late} failed and "
                f"{n_returned} came out, which cannot be: the counter must be the first hook"
            )
            raise GenerationError(msg)
        return LheAccount(
            block.n_events,
            n_returned,
            vetoed,
            failed,
            block.sum_weights,
            sum_returned,
            block.n_empty,
            block.sum_empty,
        )
