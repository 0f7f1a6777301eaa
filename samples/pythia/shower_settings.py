"""Shower the events of an event file: Pythia's settings, and an exact account of what became of each event."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from massgap.samples.errors import GenerationError, LheError
from massgap.samples.extra import require

if TYPE_CHECKING:
    import os

    from massgap.samples.lhe.blocks import LheBlock
    from massgap.samples.lhe.file import LheFile


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
    """

    tried: int
    returned: int
    vetoed: int
    failed: int
    sum_tried: float
    sum_returned: float

    @property
    def sum_usable(self) -> float:
        """Sum of XWGTUP of the events that Pythia could handle.

        A failure tells nothing about the weight, so failed events have the block's mean.
        """
        return self.sum_tried * (self.tried - self.failed) / self.tried


def accepted_xsec_fb(lhe: LheFile, accounts: list[LheAccount]) -> tuple[float, float]:
    """Cross section after matching and filters (fb), and the efficiency: sigma x accepted / tried weights.

    Parameters
    ----------
    lhe : LheFile
        The file.
    accounts : list of LheAccount
        Of all blocks that were run to their end.

    Raises
    ------
    GenerationError
        If no event could be used.
    """
    usable = sum(account.sum_usable for account in accounts)
    if not usable:
        msg = f"{lhe.path}: Pythia could handle none of its events: is the colour flow complete?"
        raise GenerationError(msg)
    efficiency = sum(account.sum_returned for account in accounts) / usable
    return lhe.xsec_fb * efficiency, efficiency


def make_counter() -> Any:
    """Hook that counts what Pythia reads and loses; it must be the first hook, and be kept alive.

    Returns
    -------
    UserHooks
        With a method ``account(block, n_returned, sum_returned)`` that gives the :class:`LheAccount` of a block that
        was read to its end.
    """
    pythia8mc = require()
    late = (
        "PARTONLEVEL_FAILED",
        "HADRONLEVEL_FAILED",
        "CHECK_FAILED",
        "OTHER_UNPHYSICAL",
        "LOWENERGY_FAILED",
    )
    failures = {getattr(pythia8mc.UserHooks, name) for name in late}

    class Counter(pythia8mc.UserHooks):  # type: ignore[misc, name-defined, unused-ignore]
        def __init__(self) -> None:
            super().__init__()
            self.seen = self.failed_late = 0
            self._open = False

        def canVetoProcessLevel(self) -> bool:
            return True

        def doVetoProcessLevel(self, _event: Any) -> bool:
            self.seen += 1
            return False

        def onBeginEvent(self) -> None:
            self._open = True

        def onEndEvent(self, status: Any) -> None:
            # with several hooks Pythia calls this more than once per event
            if self._open and status in failures:
                self.failed_late += 1
            self._open = False

        def account(self, block: LheBlock, n_returned: int, sum_returned: float) -> LheAccount:
            failed = block.n_events - self.seen + self.failed_late
            vetoed = self.seen - self.failed_late - n_returned
            if failed < 0 or vetoed < 0:
                msg = (
                    f"{block.path}: of {block.n_events} events {self.seen} were read, {self.failed_late} failed and "
                    f"{n_returned} came out, which cannot be: the counter must be the first hook"
                )
                raise GenerationError(msg)
            return LheAccount(block.n_events, n_returned, vetoed, failed, block.sum_weights, sum_returned)

    return Counter()
