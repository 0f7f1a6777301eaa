"""Options of the command line that say what is fitted, for all commands that make a likelihood, and how they are read."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["controls", "edges", "luminosities", "nuisances_option", "part_words", "renames", "words"]


def edges(_: click.Context, __: click.Parameter, value: str | None) -> list[float] | None:
    if value is None:
        return None
    try:
        return [float(edge) for edge in value.split(",")]
    except ValueError as error:
        msg = f"{value!r}: write increasing numbers with commas, for instance 0,0.5,0.9,1"
        raise click.BadParameter(msg) from error


def words(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> tuple[str, ...]:
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


def renames(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    out = {}
    for value in values:
        old, sign, new = value.partition("=")
        if not (old and sign and new):
            msg = f"{value!r}: write OLD=NEW or RUN:OLD=NEW, for instance ttbar=tt"
            raise click.BadParameter(msg)
        out[old] = new
    return out


def part_words(
    context: click.Context, parameter: click.Parameter, value: str, least: int
) -> tuple[str, str, list[float] | None]:
    """Region, histogram and edges of REGION:HISTOGRAM:EDGES, of which at least so many words are given."""
    given = value.split(":")
    if not least <= len(given) <= 3 or not all(given):
        inner = "REGION:HISTOGRAM or REGION:HISTOGRAM:EDGES"
        msg = f"{value!r}: write {'REGION, ' if least == 1 else ''}{inner}, for instance two_leptons:met:0,50,200"
        raise click.BadParameter(msg)
    given += [""] * (3 - len(given))
    return given[0], given[1], edges(context, parameter, given[2] or None)


def controls(context: click.Context, parameter: click.Parameter, values: tuple[str, ...]) -> tuple[Any, ...]:
    return tuple(part_words(context, parameter, value, 1) for value in values)


def _read_nuisances(_: click.Context, __: click.Parameter, value: Path | None) -> Any:
    if value is None:
        return None
    from massgap.fits.workspaces.nuisances import read_nuisances

    return read_nuisances(value)


def nuisances_option(command: Callable[..., Any]) -> Callable[..., Any]:
    """``--nuisances FILE``: gives ``nuisances``, a set of them or None."""
    return click.option(
        "--nuisances",
        type=click.Path(path_type=Path),
        callback=_read_nuisances,
        metavar="FILE",
        help="TOML file with nuisance parameters of your own; see the README.",
    )(command)
