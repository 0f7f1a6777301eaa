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
        Complete events, those without particles among them.
    n_empty : int
        Events without particles; see :mod:`massgap.samples.lhe.events`.
    empty_events : str
        ``count`` if they are in cross section and sum of weights, ``drop`` if they are not.
    complete : bool
        False for a file that was cut short and accepted nevertheless.
    xsec_fb, xsec_error_fb : float
        Cross section of the events in the file, and its uncertainty (statistics and XERRUP).
    xsec_rule : str
        How the cross section was found, in words.
    sum_weights : float
        Sum of XWGTUP, in the file's own unit. Negative, as the cross section, for a sample that takes away from another
        (interference).
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
    n_empty: int
    empty_events: str
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


def read_lhe(
    path: str | os.PathLike[str], *, accept_truncated: bool = False, empty_events: str = "count"
) -> LheFile:
    """Read, count and check all events of an event file.

    Parameters
    ----------
    path : path
        A file, plain or compressed with gzip, bzip2 or xz; the content decides, not the name.
    accept_truncated : bool
        Take the complete events of a file that ends too early, and say so in the notes.
    empty_events : {"count", "drop", "refuse"}
        Events without particles: counted as events of the cross section that gave nothing, left out as if they were not
        in the file, or an error. They are counted in :attr:`LheFile.n_empty` and told in the notes.

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
    tally = Tally(name, header, empty_events)
    complete, reason = tally.read(rest, stream, position)
    _require_events(name, tally, reason, complete=complete, accept_truncated=accept_truncated)
    notes = list(header.notes)
    if tally.n_empty:
        notes.append(_told_empty(tally))
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
        n_empty=tally.n_empty,
        empty_events=empty_events,
        complete=complete,
        xsec_fb=1000 * xsec,
        xsec_error_fb=1000 * error,
        xsec_rule=rule,
        sum_weights=tally.sum_weights + (tally.sum_empty if empty_events == "count" else 0.0),
        weight_kind=tally.weight_kind,
        negative_fraction=tally.n_negative / tally.n_full,
        events_per_process=dict(sorted(tally.per_process.items())),
        events_per_jets=dict(sorted(tally.per_jets.items())),
        vbf_fraction=tally.n_vbf / tally.n_full,
        new_masses=dict(sorted(tally.new_masses.items())),
        weight_ids=tally.weight_ids,
        offsets=tuple(tally.offsets),
        stride=tally.stride,
        notes=(*notes, *more),
    )


def _require_events(name: Path, tally: Tally, reason: str, *, complete: bool, accept_truncated: bool) -> None:
    """Raise unless the file is whole, or may be cut short, and has events with particles."""
    if complete and not tally.n_events:
        msg = f"{name} has a header but no events"
        raise LheError(msg)
    if not complete and not tally.n_full:
        msg = f"{name} is cut short ({reason}) before its first event is complete: get the whole file"
        raise LheError(msg)
    if not complete and not accept_truncated:
        msg = (
            f"{name} is cut short ({reason}) after {tally.n_events} complete events: get the whole file, "
            "or take those with --accept-truncated; the cross section stays right only if events are in random order"
        )
        raise LheError(msg)
    if not tally.n_full:
        msg = f"none of the {tally.n_events} events of {name} has particles: there is nothing to shower"
        raise LheError(msg)


def _told_empty(tally: Tally) -> str:
    """What became of the events without particles."""
    many = tally.n_empty > 1
    what = f"{tally.n_empty} of {tally.n_events} events {'have' if many else 'has'} no particles"
    if tally.empty_events == "drop":
        return f"{what}: left out, also of the cross section (--empty-events drop)"
    weight = f", and their weight of {tally.sum_empty:g} counts as well" if tally.sum_empty else ""
    return f"{what}: counted in the cross section as having given nothing{weight} (--empty-events drop leaves them out)"


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
    counted = tally.empty_events == "count"
    n = tally.n_events if counted else tally.n_full
    total = tally.sum_weights + (tally.sum_empty if counted else 0.0)
    mean = total / n
    spread = math.sqrt(max(tally.sum_squares / n - mean**2, 0.0) / n)
    slack = max(TOLERANCE * abs(declared), 5 * math.hypot(declared_error, spread))
    if not total:
        msg = f"{path}: the weights (XWGTUP) add up to zero, so the events cannot be normalised: write the file again"
        raise LheError(msg)
    strategy = abs(header.idwtup)
    notes: list[str] = []
    if strategy == 3:
        if not declared * total > 0:
            msg = (
                f"{path}: IDWTUP = {header.idwtup} takes the cross section from XSECUP, which is {declared:g} pb, and the "
                f"weights add up to {total:g}: both must be positive, or both negative. Write the file with IDWTUP = 4 "
                "or -4 if the weights are right"
            )
            raise LheError(msg)
        if tally.weight_kind == "varying":
            notes.append("IDWTUP = 3 promises equal weights, but XWGTUP varies: the events keep their XWGTUP")
        return declared, declared_error, "sum of XSECUP (IDWTUP = 3)", [*notes, *_told_negative(declared)]
    if strategy in (1, 2):
        if len(tally.per_process) > 1 and abs(mean - declared) > slack:
            msg = (
                f"{path}: IDWTUP = {header.idwtup} with several processes, whose mean weight ({mean:g} pb) is not "
                f"the declared cross section ({declared:g} pb): write the file with IDWTUP = 3 or 4"
            )
            raise LheError(msg)
        if declared and abs(mean - declared) > slack:
            notes.append(
                f"the mean of XWGTUP is {mean:g} pb, XSECUP says {declared:g} pb: the former is used"
            )
        rule = f"mean of XWGTUP (IDWTUP = {header.idwtup})"
        return mean, math.hypot(spread, declared_error), rule, [*notes, *_told_negative(mean)]
    value, rule = mean, "mean of XWGTUP"
    # a generator may write sigma / N to each event; which of the two it was shows in the size
    norm = header.run_card.get("event_norm", "").lower()
    closest_to_sum = declared * mean > 0 and n > 1 and abs(mean) < abs(declared) / math.sqrt(n)
    if closest_to_sum or (norm == "sum" and not declared):
        value, rule, spread = total, "sum of XWGTUP (weights are sigma / N)", spread * n
        notes.append(f"XWGTUP adds up to the cross section ({value:g} pb): weights are sigma / N")
        slack = max(TOLERANCE * abs(declared), 5 * math.hypot(declared_error, spread))
    if abs(value - declared) > slack:
        notes.append(f"XSECUP adds up to {declared:g} pb, the {rule} gives {value:g} pb: the latter is used")
    return value, math.hypot(spread, declared_error), rule, [*notes, *_told_negative(value)]


def _told_negative(value: float) -> list[str]:
    """What a negative cross section means."""
    if value > 0:
        return []
    return [
        f"the cross section is negative ({value:g} pb): right for a sample that takes away from another (interference)"
    ]
