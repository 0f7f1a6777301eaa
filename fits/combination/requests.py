"""What a fit of runs was asked for, with all that was left open decided: signal, backgrounds, plans, luminosities."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from massgap.fits.combination.runs import backgrounds_of, planned_runs, signals_of
from massgap.fits.errors import FitError
from massgap.fits.plan import CHOICES

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.plan import FitOptions, FitPart, FitPlan, PlannedRun

__all__ = ["FitRequest", "at_luminosity", "fit_request", "luminosities_of"]


@dataclass(frozen=True)
class FitRequest:
    """What a fit was asked for, with all that was left open decided.

    Attributes
    ----------
    runs : list of PlannedRun
    signal : str
    backgrounds : list of str
        Processes, as the likelihood calls them.
    options : FitOptions
        Those of its model and its scan have the luminosity once :func:`at_luminosity` has set it.
    scans : tuple of FitPart or None
        What is scanned; None for all scores.
    """

    runs: list[PlannedRun]
    signal: str
    backgrounds: list[str]
    options: FitOptions
    scans: tuple[FitPart, ...] | None

    @property
    def lumi_fb(self) -> float:
        """Luminosity in fb-1."""
        lumi = self.options.model.lumi_fb
        assert lumi is not None, "each fit has its own"
        return lumi


def fit_request(
    runs: list[RunFolder],
    signal: str | None,
    plan: FitPlan | None,
    backgrounds: Sequence[str] | None,
    options: FitOptions,
    renamed: Mapping[str, str] | None,
) -> FitRequest:
    """Decide what was left open; parameters as of :func:`massgap.fits.fit_run.fit_run`.

    Raises
    ------
    FitError
        If there is no run, a signal has to be chosen, or a plan and options say different things.
    HistogramError
        If a histogram or region is not there, or has to be named.
    """
    if not runs:
        message = "A fit needs at least one run folder: massgap fit RUN."
        raise FitError(message)
    if plan is not None:
        named = [name for name in CHOICES if getattr(options, name)]
        if named:
            option = {"channels": "channels", "controls": "control"}.get(named[0], named[0])
            message = (
                f"A fit has a plan (plan=..., --part) or the option {named[0]} (--{option}), not both: put it into the "
                "parts of the plan, for instance --part two_leptons:met:0,50,200."
            )
            raise FitError(message)
    planned = planned_runs(runs, options, plan, renamed)
    chosen = backgrounds_of(planned) if backgrounds is None else sorted(backgrounds)
    return FitRequest(
        planned,
        _choose_signal(planned, signal),
        chosen,
        options,
        None if plan is None else plan.scans,
    )


def at_luminosity(request: FitRequest, lumi_fb: float) -> FitRequest:
    """The same for one luminosity."""
    options = request.options
    return replace(
        request,
        options=replace(
            options,
            model=replace(options.model, lumi_fb=lumi_fb),
            scan=replace(options.scan, lumi_fb=lumi_fb),
        ),
    )


def luminosities_of(runs: list[RunFolder], lumi_fb: float | Sequence[float] | None) -> list[float]:
    """Luminosities in fb-1: those that are given, or that of the analyses.

    Raises
    ------
    FitError
        If there is none, or one is not positive or given twice.
    """
    if lumi_fb is None:
        own = {run.description.luminosity for run in runs}
        if len(own) > 1:
            message = (
                f"The analyses of the runs name different luminosities ({', '.join(map(str, sorted(own, key=str)))}): give the one "
                "to scale to in fb-1 (lumi_fb=..., --lumi)."
            )
            raise FitError(message)
        lumi_fb = own.pop()
    if lumi_fb is None:
        message = (
            f"The analysis of {runs[0].path} names no luminosity: give the one to scale to in fb-1 (lumi_fb=..., --lumi), "
            "for instance --lumi 300."
        )
        raise FitError(message)
    lumis = [float(lumi_fb)] if isinstance(lumi_fb, int | float) else [float(lumi) for lumi in lumi_fb]
    if not lumis or len(set(lumis)) < len(lumis):
        message = f"Luminosities must be one or several different numbers of fb-1, not {lumis} (lumi_fb=..., --lumi 137,300)."
        raise FitError(message)
    for lumi in lumis:
        if not (math.isfinite(lumi) and lumi > 0.0):
            message = f"The luminosity must be positive, not {lumi} fb-1 (lumi_fb=..., --lumi)."
            raise FitError(message)
    return lumis


def _choose_signal(runs: list[PlannedRun], signal: str | None) -> str:
    known = signals_of(runs)
    choices = ", ".join(known) or "none"
    where = " and ".join(str(planned.run.path) for planned in runs)
    one = ""
    if len(runs) > 1:
        one = " The runs must call it alike, or be told to (--rename RUN:OLD=NEW)."
    if signal is None and len(known) == 1:
        return known[0]
    if signal is None:
        message = f"{where} has these signals: {choices}. Choose one (signal=..., --signal).{one}"
        raise FitError(message)
    if signal not in known:
        message = f"{where} has no signal '{signal}'; it has: {choices}. Choose one (signal=..., --signal)."
        raise FitError(message)
    return signal
