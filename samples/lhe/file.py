"""Read Les Houches event files: one pass that counts, checks, and says how to weight the events.

Sources: the accord on user processes (hep-ph/0109068), the event file (hep-ph/0609017) and its version 3
(1405.1067). Numbers in such a file are in GeV and pb; everything here is in GeV, TeV where a name says so, and fb.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from massgap.samples.errors import LheError
from massgap.samples.lhe.events import Tally
from massgap.samples.lhe.header import LheHeader, read_header
from massgap.samples.lhe.stream import pieces
from massgap.samples.lhe.weights import pythia_order

if TYPE_CHECKING:
    import os

#: How far the mean weight and the cross section in the file may be apart before that is noted.
TOLERANCE = 0.02
#: Share of events with the topology of a t-channel exchange without colour that makes a file a VBF file.
VBF_SHARE = 0.9


@dataclass(frozen=True)
class LheFile:
    """What one pass over an event file tells.

    Attributes
    ----------
    path : str
        The file.
    header : LheHeader
        Beams, processes, weight groups, matching parameters as declared.
    n_events : int
        Complete events.
    complete : bool
        False for a file that was cut short and accepted nevertheless.
    xsec_fb, xsec_error_fb : float
        Cross section of the events in the file, and its uncertainty (statistics and XERRUP).
    xsec_rule : str
        How the cross section was found, in words.
    sum_weights : float
        Sum of XWGTUP, in the file's own unit.
    weight_kind : str
        ``constant``, ``signed`` (one absolute value, both signs) or ``varying``.
    negative_fraction : float
        Share of events with a negative weight.
    events_per_process : dict
        Events of each IDPRUP.
    events_per_jets : dict
        Events of each number of light partons (g, d, u, s, c, b) made in the hard process.
    vbf_fraction : float
        Share of events in which two quarks scatter without exchange of colour: two incoming and two outgoing
        quarks, no gluon, both colour lines from an incoming to an outgoing quark.
    new_masses : dict
        Mass (GeV) of each particle beyond the Standard Model, by absolute PDG number, where it first appears.
    weight_ids : tuple of str
        Ids of the weights that the events carry besides XWGTUP.
    offsets : tuple of int
        Position in the decompressed file of every :attr:`stride`-th event.
    stride : int
        Events between two offsets.
    notes : tuple of str
        What a user should know: disagreements in the file, and how they were settled.
    """

    path: str
    header: LheHeader
    n_events: int
    complete: bool
    xsec_fb: float
    xsec_error_fb: float
    xsec_rule: str
    sum_weights: float
    weight_kind: str
    negative_fraction: float
    events_per_process: dict[int, int]
    events_per_jets: dict[int, int]
    vbf_fraction: float
    new_masses: dict[int, float]
    weight_ids: tuple[str, ...]
    offsets: tuple[int, ...]
    stride: int
    notes: tuple[str, ...]

    @property
    def sqrt_s_tev(self) -> float:
        """Centre-of-mass energy in TeV."""
        (_, first), (_, second) = self.header.beams
        return 2e-3 * math.sqrt(first * second)

    @property
    def max_light_jets(self) -> int:
        """Largest number of light partons made in the hard process of any event."""
        return max(self.events_per_jets)

    @property
    def is_multijet(self) -> bool:
        """Whether the events must be matched to the shower, or jets are counted twice."""
        return self.header.matching != ""

    @property
    def needs_spectrum(self) -> bool:
        """Whether Pythia needs a spectrum to decay the particles in the events."""
        return bool(self.new_masses)

    @property
    def is_vbf(self) -> bool:
        """Whether nearly all events are quark scattering without exchange of colour (VBF, VBS)."""
        return self.vbf_fraction >= VBF_SHARE


def read_lhe(path: str | os.PathLike[str], *, accept_truncated: bool = False) -> LheFile:
    """Read, count and check all events of an event file.

    Parameters
    ----------
    path : path
        A file, plain or gzip-compressed; the content decides, not the name.
    accept_truncated : bool
        Take the complete events of a file that ends too early, and say so in the notes.

    Returns
    -------
    LheFile
        Totals; memory does not grow with the number of events but for one number per 1000 events.

    Raises
    ------
    LheError
        If the file is missing, of another kind, cut short, empty or inconsistent; the message says where.
    """
    name = Path(path)
    stream = pieces(name)
    header, rest, position = read_header(name, stream)
    tally = Tally(name, header)
    complete, reason = tally.read(rest, stream, position)
    if not tally.n_events and complete:
        msg = f"{name} has a header but no events"
        raise LheError(msg)
    if not complete and (not accept_truncated or not tally.n_events):
        msg = (
            f"{name} is cut short ({reason}) after {tally.n_events} complete events: get the whole file, "
            "or accept the truncated one; its cross section stays right only if events are in random order"
        )
        raise LheError(msg)
    notes = list(header.notes)
    if not complete:
        notes.append(f"the file is cut short ({reason}): only its {tally.n_events} complete events are used")
    if complete and header.n_declared not in (None, tally.n_events):
        notes.append(f"the header declares {header.n_declared} events, the file has {tally.n_events}")
    if np.sign(header.idwtup) > 0 and tally.n_negative:
        notes.append(f"{tally.n_negative} events have negative weights although IDWTUP = {header.idwtup}")
    header, missing = _carried(header, tally.weight_ids)
    notes += missing
    notes += _spectrum_notes(header, tally.new_masses)
    xsec, error, rule, more = _cross_section(name, header, tally)
    return LheFile(
        path=str(name),
        header=header,
        n_events=tally.n_events,
        complete=complete,
        xsec_fb=1000 * xsec,
        xsec_error_fb=1000 * error,
        xsec_rule=rule,
        sum_weights=tally.sum_weights,
        weight_kind=tally.weight_kind,
        negative_fraction=tally.n_negative / tally.n_events,
        events_per_process=dict(sorted(tally.per_process.items())),
        events_per_jets=dict(sorted(tally.per_jets.items())),
        vbf_fraction=tally.n_vbf / tally.n_events,
        new_masses=dict(sorted(tally.new_masses.items())),
        weight_ids=tally.weight_ids,
        offsets=tuple(tally.offsets),
        stride=tally.stride,
        notes=(*notes, *more),
    )


def without_index(lhe: LheFile) -> LheFile:
    """Return the same without byte offsets, small enough to send or to store."""
    return replace(lhe, offsets=())


def _carried(header: LheHeader, ids: tuple[str, ...]) -> tuple[LheHeader, list[str]]:
    """The header without sets of weights that do not reach us with the events."""
    known = {"", *pythia_order(ids)}
    notes = []
    scale_ids, pdf_ids = header.scale_ids, header.pdf_ids
    if missing := sorted(set(scale_ids) - known):
        notes.append(
            f"no LHEScaleWeight: the header declares the weight {missing[0]!r}, the events do not carry it"
        )
        scale_ids = ()
    if missing := sorted(set(pdf_ids) - known):
        notes.append(
            f"no LHEPdfWeight: the header declares the weight {missing[0]!r}, the events do not carry it"
        )
        pdf_ids = ()
    return replace(header, scale_ids=scale_ids, pdf_ids=pdf_ids), notes


def _spectrum_notes(header: LheHeader, masses: dict[int, float]) -> list[str]:
    """Where the spectrum in the header does not belong to the events."""
    if not masses:
        return []
    if not header.slha_masses:
        return [
            "the events have new particles, and the header has no spectrum: their decays need an SLHA file"
        ]
    particles = ", ".join(str(pdg) for pdg in sorted(masses))
    notes = [f"particles {particles} decay as the spectrum in the header says, unless an SLHA file is given"]
    for pdg, mass in sorted(masses.items()):
        stated = header.slha_masses.get(pdg)
        if stated is not None and abs(stated - mass) > 1e-3 * mass + 0.1:
            notes.append(
                f"particle {pdg} has {mass:g} GeV in the events, {stated:g} GeV in the header's spectrum"
            )
    return notes


def _cross_section(path: Path, header: LheHeader, tally: Tally) -> tuple[float, float, str, list[str]]:
    """Cross section and uncertainty in pb, the rule that gave it, and notes."""
    declared = sum(process.xsec_pb for process in header.processes)
    declared_error = math.hypot(*(process.error_pb for process in header.processes))
    n = tally.n_events
    mean = tally.sum_weights / n
    spread = math.sqrt(max(tally.sum_squares / n - mean**2, 0.0) / n)
    slack = max(TOLERANCE * abs(declared), 5 * math.hypot(declared_error, spread))
    strategy = abs(header.idwtup)
    if strategy == 3:
        if not declared > 0:
            msg = f"{path}: IDWTUP = {header.idwtup} takes the cross section from XSECUP, which is {declared:g} pb"
            raise LheError(msg)
        notes = []
        if tally.weight_kind == "varying":
            notes.append("IDWTUP = 3 promises equal weights, but XWGTUP varies: the events keep their XWGTUP")
        return declared, declared_error, "sum of XSECUP (IDWTUP = 3)", notes
    if strategy in (1, 2):
        if len(tally.per_process) > 1 and abs(mean - declared) > slack:
            msg = (
                f"{path}: IDWTUP = {header.idwtup} with several processes, whose mean weight ({mean:g} pb) is not "
                f"the declared cross section ({declared:g} pb): write the file with IDWTUP = 3 or 4"
            )
            raise LheError(msg)
        if not mean > 0:
            msg = f"{path}: the mean weight is {mean:g} pb, which is no cross section"
            raise LheError(msg)
        notes = []
        if declared > 0 and abs(mean - declared) > slack:
            notes.append(
                f"the mean of XWGTUP is {mean:g} pb, XSECUP says {declared:g} pb: the former is used"
            )
        return mean, math.hypot(spread, declared_error), f"mean of XWGTUP (IDWTUP = {header.idwtup})", notes
    value, rule = mean, "mean of XWGTUP"
    # a generator may write sigma / N to each event; which of the two it was shows in the size
    norm = header.run_card.get("event_norm", "").lower()
    closest_to_sum = declared > 0 and mean > 0 and n > 1 and mean < declared / math.sqrt(n)
    notes = []
    if closest_to_sum or (norm == "sum" and not declared > 0):
        value, rule, spread = tally.sum_weights, "sum of XWGTUP (weights are sigma / N)", spread * n
        notes.append(f"XWGTUP adds up to the cross section ({value:g} pb): weights are sigma / N")
        slack = max(TOLERANCE * abs(declared), 5 * math.hypot(declared_error, spread))
    if not value > 0:
        msg = f"{path}: the weights give a cross section of {value:g} pb: negative weights outweigh the rest"
        raise LheError(msg)
    if abs(value - declared) > slack:
        notes.append(f"XSECUP adds up to {declared:g} pb, the {rule} gives {value:g} pb: the latter is used")
    return value, math.hypot(spread, declared_error), rule, notes
