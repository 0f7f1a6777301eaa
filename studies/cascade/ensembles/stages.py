"""The stages of a scan that need the discovery cut: the spectrum as input, the likelihood of all four parameters, the mass scale."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.selections.cascade.spectrum import TRUTH_SPECTRUM
from massgap.studies.cascade.discovery import cut_at
from massgap.studies.cascade.ensembles.likelihood import likelihood_study
from massgap.studies.cascade.ensembles.mass_study import MassPlan, mass_study
from massgap.studies.cascade.ensembles.parameterised import (
    BOX,
    NEAR,
    PARAMETERS,
    Hypotheses,
    hypothesis_network,
    optimum,
)
from massgap.studies.cascade.ensembles.pools import Purifier
from massgap.studies.cascade.ensembles.search import Grid
from massgap.studies.cascade.samples import Events, signal_events
from massgap.studies.cascade.variables import columns_of
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from massgap.studies.cascade.networks import Scored
    from massgap.studies.cascade.ordering import Training

__all__ = ["Beyond", "beyond", "compared_optima", "lines_of"]

LIKELIHOOD = ("met", "pt_gamma", "delta4", "m_mumu", "m_plus_gamma", "m_minus_gamma", "m_mumugamma")
"""Observables of the network of the likelihood."""
_POINTS = 3
"""Of a line that has an optimum."""


class Beyond(NamedTuple):
    """How much is done.

    Attributes
    ----------
    mass
        Of the mass scale.
    spectra, events, hidden
        Of the networks with the spectrum as input: training spectra, signal events of all of them, hidden layers.
    grid, toys, benchmark
        Of the likelihood: where, pseudo-experiments, benchmark events.
    background
        Background events of both, at most.
    ratios
        S/B of the likelihood.
    """

    mass: MassPlan = MassPlan()
    spectra: int = 1000
    events: int = 600_000
    hidden: tuple[int, ...] = (100, 100, 100)
    grid: Grid = Grid()
    toys: int = 50
    benchmark: int = 10_000
    background: int = 400_000
    ratios: tuple[float, ...] = (1.0, 0.1)

    @classmethod
    def small(cls) -> Beyond:
        """For a quick look."""
        return cls(
            MassPlan(
                ratios=(0.05, 0.1, 1.0),
                events=40_000,
                interval_events=40_000,
                maps=120,
                experiments=200,
                set_size=200,
                sets=25,
                beyond_at=0.1,
            ),
            spectra=100,
            events=60_000,
            hidden=(100, 100),
            grid=Grid((-420.0, -300.0, -150.0)),
            toys=10,
            benchmark=10_000,
            background=20_000,
            ratios=(1.0,),
        )


def beyond(
    model: str,
    scored: Scored,
    names: tuple[str, ...],
    other: Events,
    lines: Mapping[str, Any],
    training: Training,
    plan: Beyond,
    announce: Callable[[str], None],
    keep: Callable[[str, Callable[[], Any]], Any],
) -> dict[str, Any]:
    """All of it for one spin model.

    Parameters
    ----------
    model
        Spin model.
    scored, names
        The purifying network at the testing spectrum, and its observables.
    other
        Background events.
    lines
        Name of a parameter -> what separate networks have found along it, of the same observables: compared where they are, and
        the network with the spectrum as input was trained.
    training
        Of the networks.
    plan
        How much.
    announce
        Called with a line of text when something begins.
    keep
        Called with the name of a part and what makes it, see :func:`massgap.studies.cascade.scanning.scan.scan`.
    """

    def stage(name: str, make: Callable[[], Any]) -> Any:
        return keep(f"{model}: {name}", lambda: _attempt(make))

    found: dict[str, Any] = {}
    part = other.take(np.arange(min(len(other), plan.background)))
    announce(f"{model}: network of {','.join(names)} with the spectrum as input")
    found["hypotheses"] = stage(
        "hypotheses",
        lambda: compared_optima(model, _network(model, part, names, training, plan), lines, training, plan),
    )
    announce(f"{model}: likelihood of all four parameters")
    found["likelihood"] = stage("likelihood", lambda: _likelihood(model, part, training, plan))
    own = plan._replace(mass=plan.mass._replace(seed=training.seed))
    found["mass"] = stage("mass", lambda: _mass(model, scored, names, other, own, announce))
    return found


def _attempt(what: Callable[[], Any]) -> Any:
    """What a stage finds, or why it cannot be done: too few events for one are no reason to lose the others."""
    try:
        return what()
    except StudyError as error:
        return {"missing": str(error)}


def _network(
    model: str, part: Events, names: tuple[str, ...], training: Training, plan: Beyond, box: Any = BOX
) -> Hypotheses:
    return hypothesis_network(
        model,
        part,
        names,
        training,
        spectra=plan.spectra,
        events=plan.events,
        hidden=plan.hidden,
        box=box,
        seed=training.seed,
    )


def compared_optima(
    model: str, network: Hypotheses, lines: Mapping[str, Any], training: Training, plan: Beyond
) -> dict[str, Any]:
    """Where the network with the spectrum as input has its largest gain along each line, beside separate networks."""
    bench = signal_events(model, TRUTH_SPECTRUM, plan.benchmark, seed=training.seed + 1)
    # what does not depend on the spectrum is the same along all lines
    sides = [(events, network.second_logits(events)) for events in (bench, network.background)]
    rows: dict[str, Any] = {"auc": [network.of_signal.auc, network.of_signal.auc_error], "lines": {}}
    for name, along in lines.items():
        low, high = BOX[name]
        # a line may go on where the network was not trained
        inside = [k for k, value in enumerate(along["values"]) if low <= value <= high]
        if len(inside) < _POINTS:
            continue
        values, own = ([along[key][k] for k in inside] for key in ("values", "eps_s"))
        shares = []
        for value in values:
            point = [value if parameter == name else 0.0 for parameter in PARAMETERS]
            logits, rest = (network.first_logits(events, point) + same for events, same in sides)
            shares.append(cut_at(logits, rest, network.background.weight).eps_s)
        found = {"one": _plain(optimum(values, shares)), "separate": _plain(optimum(values, own))}
        rows["lines"][name] = {"values": values, "eps_s": shares, **found}
    return rows


def _plain(place: tuple[float, float]) -> list[float | None]:
    """As JSON has it: no error where there is none."""
    return [place[0], place[1] if math.isfinite(place[1]) else None]


def _likelihood(model: str, part: Events, training: Training, plan: Beyond) -> list[dict[str, Any]]:
    network = _network(model, part, LIKELIHOOD, training, plan, NEAR)
    return likelihood_study(
        model, network, plan.ratios, grid=plan.grid, events=plan.benchmark, toys=plan.toys, seed=training.seed
    )


def _mass(
    model: str,
    scored: Scored,
    names: tuple[str, ...],
    other: Events,
    plan: Beyond,
    announce: Callable[[str], None],
) -> dict[str, Any]:
    cut = cut_at(scored.first, scored.second, other.weight)
    purifier = Purifier(scored, columns_of(names), cut.threshold)
    return mass_study(model, purifier, cut, other.take(scored.second > cut.threshold), plan.mass, announce)


def lines_of(model: str, found: Mapping[str, Any]) -> list[str]:
    """What all of it has found for one spin model, in lines to print."""
    lines = [
        f"{model}  {stage}: {found[stage]['missing']}"
        for stage in ("hypotheses", "likelihood", "mass")
        if isinstance(found.get(stage), dict) and "missing" in found[stage]
    ]
    mass = found.get("mass", {})
    lines += [
        f"{model}  M_chi = {row['mass']:g} GeV at S/B = {row['ratio']:g}: {row['mean']:.0f} +- {row['spread']:.0f} GeV"
        for row in mass.get("estimates", ())
    ]
    for way, told in mass.get("beyond", {}).get("ways", {}).items():
        share, error = told["coverage"]
        widths = ", ".join(
            f"{one['width']:.0f} GeV at {at} GeV"
            for at, one in told["masses"].items()
            if one["width"] is not None
        )
        lines.append(
            f"{model}  intervals by {way}: coverage {share:.3f} +- {error:.3f}, median width {widths}"
        )
    return lines
