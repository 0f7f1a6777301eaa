"""Slices of a process in an observable of its hard process, decided before the shower: ``M_T2 > 80``."""

from __future__ import annotations

import re
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import TYPE_CHECKING

from massgap.samples.errors import GenerationError
from massgap.samples.processes.filters import DimuonFilter
from massgap.samples.processes.process import Tranche

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from massgap.samples.processes.process import Process

    #: Charged leptons (px, py, pz, E in falling pT) and px, py of all that escapes -> value, 0 where undefined.
    Observable = Callable[[list[tuple[float, float, float, float]], tuple[float, float]], float]

__all__ = ["HardCut", "parse_hard_cut", "with_hard_cut", "with_usual_cut"]

_NUMBER = r"\s*(\d+(?:\.\d*)?)\s*"
_NAME = r"\s*([A-Za-z]\w*)\s*"
#: Slices that settings of Pythia make, whose cross sections are those of the slices.
_PHASE_SPACE = ("pT_hat", "m_hat")


@dataclass(frozen=True)
class HardCut:
    """Slices in an observable of the hard process.

    Attributes
    ----------
    variable : str
        Its name.
    observable : callable
        A function of a module.
    edges : tuple
        Edges of the slices in GeV, rising; the last may be None, for infinity.
    """

    variable: str
    observable: Observable
    edges: tuple[float | None, ...]

    def tranches(self, share: float) -> tuple[Tranche, ...]:
        """The slices, each with the same part of a share."""
        name = self.variable.lower().replace("_", "")
        pairs = list(pairwise(self.edges))
        return tuple(
            Tranche(
                f"{name}_{low:g}to{'inf' if high is None else f'{high:g}'}",
                self.variable,
                low or 0.0,
                high,
                share / len(pairs),
            )
            for low, high in pairs
        )


def parse_hard_cut(text: str, observables: Mapping[str, Observable]) -> HardCut:
    """Read ``M_T2 > 80``, ``M_T2 < 80``, ``40 < M_T2 < 80``, or slices ``M_T2: 0, 40, 80`` (the last one is open).

    Raises
    ------
    GenerationError
        If the text is none of these, the observable is unknown, or the edges do not rise.

    Examples
    --------
    >>> parse_hard_cut("M_T2 > 80", {"M_T2": max}).edges
    (80.0, None)
    """
    edges: tuple[float | None, ...]
    if found := re.fullmatch(f"{_NAME}>=?{_NUMBER}", text):
        name, edges = found[1], (float(found[2]), None)
    elif found := re.fullmatch(f"{_NAME}<{_NUMBER}", text):
        name, edges = found[1], (0.0, float(found[2]))
    elif found := re.fullmatch(f"{_NUMBER}<=?{_NAME}<{_NUMBER}", text):
        name, edges = found[2], (float(found[1]), float(found[3]))
    elif found := re.fullmatch(f"{_NAME}:({_NUMBER}(?:,{_NUMBER})*)", text):
        name, edges = found[1], (*(float(word) for word in found[2].split(",")), None)
    else:
        msg = f"{text!r} is no cut on the hard process: write --hard 'M_T2 > 80', '40 < M_T2 < 80', or slices 'M_T2: 0, 40, 80'"
        raise GenerationError(msg)
    if name not in observables:
        msg = f"{name!r} is no observable of the hard process: choose from {', '.join(observables)}, as in --hard 'M_T2 > 80'"
        raise GenerationError(msg)
    if any(high is not None and low is not None and low >= high for low, high in pairwise(edges)):
        msg = f"the edges of {text!r} must rise, as in --hard 'M_T2: 0, 40, 80'"
        raise GenerationError(msg)
    return HardCut(name, observables[name], edges)


def with_usual_cut(process: Process, observables: Mapping[str, Observable]) -> Process:
    """The process in the slice that is usual for it, if any; pairs of muons that the search vetoes are then left out, too.

    Parameters
    ----------
    process : Process
        With its ``usual_cut``.
    observables : mapping
        Functions of modules by their names.
    """
    if not process.usual_cut:
        return process
    sliced = with_hard_cut(process, parse_hard_cut(process.usual_cut, observables))
    acceptance = getattr(process.filter, "acceptance", None)
    if acceptance is None or not acceptance.veto.half_width:
        return sliced
    assert isinstance(sliced.filter, DimuonFilter)
    return replace(sliced, filter=replace(sliced.filter, mass=acceptance.veto, inside=False))


def with_hard_cut(process: Process, cut: HardCut | None) -> Process:
    """The process in slices of the observable instead of those in met_hard that it may have.

    Raises
    ------
    GenerationError
        If it has slices of phase space.
    """
    if cut is None:
        return process
    if sliced := [tranche.variable for tranche in process.tranches if tranche.variable in _PHASE_SPACE]:
        msg = (
            f"{process.name} is sliced in {sliced[0]} of the hard process already: generate it without --hard, or the whole "
            "process of another set (massgap generate --list)"
        )
        raise GenerationError(msg)
    wanted = process.filter
    if isinstance(wanted, DimuonFilter):
        wanted = replace(wanted, edges=None, acceptance=None, jets_from=())
    share = sum(tranche.share for tranche in process.tranches)
    return replace(process, tranches=cut.tranches(share), observable=cut.observable, filter=wanted)
