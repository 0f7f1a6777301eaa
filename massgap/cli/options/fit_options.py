"""Options of the command line that say what is fitted, for all commands that make a likelihood, and how they are read."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from massgap.cli.options.cluster_options import add_options
from massgap.cli.options.run_options import option_pairs

if TYPE_CHECKING:
    from collections.abc import Callable

    from massgap.fits.plan import FitOptions

__all__ = [
    "fit_options_of",
    "fitted_options",
    "likelihood_options",
    "luminosities",
    "runs_options",
    "simulation_options",
]


def _edges(_: click.Context, __: click.Parameter, value: str | None) -> list[float] | None:
    if value is None:
        return None
    try:
        return [float(edge) for edge in value.split(",")]
    except ValueError as error:
        msg = f"{value!r}: write increasing numbers with commas, for instance 0,0.5,0.9,1"
        raise click.BadParameter(msg) from error


def _words(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
    """Names with commas between them, in one option or in several."""
    return tuple(word.strip() for value in values for word in value.split(",") if word.strip())


def luminosities(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[float, ...] | None:
    if not values:
        return None
    try:
        return tuple(float(number) for value in values for number in value.split(","))
    except ValueError as error:
        msg = f"{','.join(values)!r}: write numbers of fb-1 with commas, for instance 137,300,3000"
        raise click.BadParameter(msg) from error


def _renames(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    out = {}
    for value in values:
        old, sign, new = value.partition("=")
        if not (old and sign and new):
            msg = f"{value!r}: write OLD=NEW or RUN:OLD=NEW, for instance ttbar=tt"
            raise click.BadParameter(msg)
        out[old] = new
    return out


def _part_words(
    context: click.Context, parameter: click.Parameter, value: str, least: int
) -> tuple[str, str, list[float] | None]:
    """Region, histogram and edges of REGION:HISTOGRAM:EDGES, of which at least so many words are given."""
    given = value.split(":")
    if not least <= len(given) <= 3 or not all(given):
        inner = "REGION:HISTOGRAM or REGION:HISTOGRAM:EDGES"
        msg = f"{value!r}: write {'REGION, ' if least == 1 else ''}{inner}, for instance two_leptons:met:0,50,200"
        raise click.BadParameter(msg)
    given += [""] * (3 - len(given))
    return given[0], given[1], _edges(context, parameter, given[2] or None)


def _controls(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(_part_words(context, parameter, value, 1) for value in values)


def _plan(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> Any:
    if not values:
        return None
    from massgap.fits.plan import FitPlan

    return FitPlan([_part_words(context, parameter, value, 2) for value in values])


def fitted_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """What is fitted, in which bins: ``histogram``, ``region``, ``channels``, ``controls``, ``plan``, ``edges``, ``min_background``, ``max_relative_error``."""
    return add_options(
        command,
        (
            click.option(
                "--histogram", help="What is fitted: a score or an observable.  [default: the scores]"
            ),
            click.option(
                "--region",
                "--regions",
                multiple=True,
                callback=_words,
                metavar="NAME[,NAME...]",
                help="Where; several that share no event are fitted together; of several runs, RUN:NAME is one of that run alone.  [default: as the score says]",
            ),
            click.option(
                "--channels",
                multiple=True,
                callback=_words,
                metavar="NAME[,NAME...]",
                help="Channels of the analysis, fitted together.  [default: all in which the score is filled]",
            ),
            click.option(
                "--control",
                "controls",
                multiple=True,
                callback=_controls,
                metavar="REGION[:HISTOGRAM[:EDGES]]",
                help="A control region beside the rest, one bin unless edges are given; again for several.",
            ),
            click.option(
                "--part",
                "plan",
                multiple=True,
                callback=_plan,
                metavar="REGION:HISTOGRAM[:EDGES]",
                help="Instead of all these, again for each part of a fit of several histograms, e.g. "
                "two_leptons:met:0,50,200.",
            ),
            click.option(
                "--edges",
                callback=_edges,
                help="Bin edges, e.g. 0,0.5,0.9,1.  [default: chosen by statistics]",
            ),
            click.option(
                "--min-background",
                default=5.0,
                show_default=True,
                help="Background events that each bin must expect where bins are chosen.",
            ),
            click.option(
                "--max-relative-error",
                default=0.3,
                show_default=True,
                help="Largest relative error of the background from the simulation in a bin, where bins are chosen.",
            ),
        ),
    )


def likelihood_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Content of the likelihood, and what computes it."""
    return add_options(
        command,
        (
            click.option(
                "--lumi-uncertainty", default=0.025, show_default=True, help="Relative; 0 leaves it out."
            ),
            click.option(
                "--background-uncertainty",
                "normalisation",
                multiple=True,
                callback=option_pairs,
                metavar="NAME=SIZE",
                help="Normalisation of a background: relative size, 0, or free. NAME can be all.  [default: all=0.2]",
            ),
            click.option(
                "--mc-statistics",
                type=click.Choice(["lite", "full", "off"]),
                default="lite",
                show_default=True,
                help="A parameter per bin, one per bin and process, or none.",
            ),
            click.option(
                "--systematics/--no-systematics",
                default=True,
                show_default=True,
                help="Use the variations of the run.",
            ),
            click.option(
                "--nuisances",
                type=click.Path(path_type=Path),
                metavar="FILE",
                help="TOML file with nuisance parameters of your own; see docs/guide/fits.md.",
            ),
            click.option(
                "--data/--no-data",
                "use_data",
                default=True,
                show_default=True,
                help="Use recorded data of the run.",
            ),
            click.option("--level", default=0.95, show_default=True, help="Confidence level of the limit."),
            click.option(
                "--engine",
                type=click.Choice(["massgap", "pyhf"]),
                default="massgap",
                show_default=True,
                help="What computes the likelihood; pyhf is the slow reference.",
            ),
        ),
    )


def simulation_options(replicas: int) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """How the uncertainty of expected numbers from the finite simulation is found: ``replicas`` and ``replica_seed``.

    Parameters
    ----------
    replicas
        How many there are by default.
    """
    options = (
        click.option(
            "--replicas",
            default=replicas,
            show_default=True,
            help="Of the simulation, from which the uncertainty of expected numbers is found; 0 leaves it out.",
        ),
        click.option("--replica-seed", default=1, show_default=True, help="Seed of the replicas."),
    )
    return functools.partial(add_options, options=options)


def runs_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """How several runs, and runs with losses, are taken."""
    return add_options(
        command,
        (
            click.option(
                "--rename",
                "renamed",
                multiple=True,
                callback=_renames,
                metavar="[RUN:]OLD=NEW",
                help="What the likelihood calls a process; equal names of several runs are one process.",
            ),
            click.option(
                "--allow-overlap",
                is_flag=True,
                help="Fit regions and runs together although they share events, or may do so.",
            ),
            click.option("--accept-loss", is_flag=True, help="Fit although a run lost events."),
        ),
    )


def fit_options_of(asked: dict[str, Any]) -> FitOptions:
    """Take what :func:`fitted_options`, :func:`likelihood_options` and :func:`simulation_options` gave, but for the plan, out of all that was asked."""
    from massgap.fits.plan import FitOptions
    from massgap.fits.workspaces.nuisances import read_nuisances
    from massgap.fits.workspaces.workspace import WorkspaceOptions

    normalisation, file = asked.pop("normalisation"), asked.pop("nuisances")
    model = WorkspaceOptions(
        nuisances=None if file is None else read_nuisances(file),
        default_normalisation=normalisation.pop("all", WorkspaceOptions.default_normalisation),
        normalisation=normalisation,
        **{name: asked.pop(name) for name in ("lumi_uncertainty", "mc_statistics", "systematics")},
    )
    names = (
        "histogram",
        "region",
        "channels",
        "controls",
        "edges",
        "min_background",
        "max_relative_error",
        "use_data",
        "replicas",
        "replica_seed",
        "level",
        "engine",
    )
    return FitOptions(model=model, **{name: asked.pop(name) for name in names})
