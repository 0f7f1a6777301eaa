"""The options of the command line that say what is run, for all commands that plan a run, and how they are read."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from massgap.cli.options.analysis_command import parsed, take_given
from massgap.cli.options.cluster_options import add_options

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "analysis_options",
    "event_number",
    "input_options",
    "names",
    "option_pairs",
    "plan_options",
    "run_folder_of",
    "systematics",
    "take_options",
]


def event_number(_: click.Context, __: click.Parameter, value: str | None) -> int | None:
    if value is None:
        return None
    factor = {"k": 1_000, "m": 1_000_000}.get(value[-1:].lower(), 1)
    try:
        number = float(value[:-1] if factor > 1 else value) * factor
    except ValueError as error:
        msg = f"{value!r} is not a number of events; write 5000, 100k or 1M"
        raise click.BadParameter(msg) from error
    if not 1 <= number < 1e12:
        msg = "the number of events must be at least 1"
        raise click.BadParameter(msg)
    return round(number)


def option_pairs(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, Any]:
    out: dict[str, Any] = {}
    for pair in values:
        key, sign, text = pair.partition("=")
        if not sign:
            msg = f"{pair!r}: write NAME=VALUE, for instance muon_pt=5"
            raise click.BadParameter(msg)
        out[key] = parsed(text)
    return out


def models(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> str | dict[str, str] | None:
    """One file for the only score, or score -> file."""
    named: dict[str, str] = {}
    for value in values:
        name, sign, path = value.partition("=")
        if not sign or not re.fullmatch(r"\w+", name) or Path(value).exists():
            if len(values) > 1:
                msg = f"{value!r}: of several models each needs the name of its score, NAME=FILE"
                raise click.BadParameter(msg)
            return value
        if name in named:
            msg = f"two models for the score {name!r}: {named[name]} and {path}"
            raise click.BadParameter(msg)
        named[name] = path
    return named or None


def hypotheses(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> Any:
    """One as it is typed, several as a list of texts."""
    return parsed(values[0]) if len(values) == 1 else list(values) or None


def names(_: click.Context, __: click.Parameter, value: str | None) -> list[str] | None:
    return None if value is None else [name.strip() for name in value.split(",") if name.strip()]


def systematics(
    _: click.Context, __: click.Parameter, values: tuple[str, ...]
) -> list[str] | dict[str, list[str]] | None:
    """Names for all data sets, or data set -> names: that of a data set stands before the last colon."""
    chosen: dict[str, list[str]] = {}
    for value in values:
        dataset, colon, given = value.rpartition(":")
        found = [name.strip() for name in given.split(",") if name.strip()]
        if colon and not (dataset and found):
            msg = f"{value!r}: write DATASET:NAME,..., for instance ttbar:isr,fsr, or ttbar:none"
            raise click.BadParameter(msg)
        chosen.setdefault(dataset or "*", []).extend(found)
    if not chosen:
        return None
    return chosen["*"] if list(chosen) == ["*"] else chosen


_INPUT = (
    click.argument("analysis"),
    click.argument("files", nargs=-1),
    click.option(
        "--fileset",
        multiple=True,
        type=click.Path(path_type=Path),
        help="coffea fileset (JSON) instead of FILES; again for the datasets of another one.",
    ),
    click.option("--tree", help="Name of the tree, if not Events, Delphes or CollectionTree."),
    click.option("--process", help="Process name of FILES."),
    click.option("--xsec", "xsec_fb", type=float, help="Cross section of FILES in fb."),
    click.option(
        "--data/--simulation",
        "is_data",
        default=None,
        help="What FILES are.  [default: told by their weights]",
    ),
    click.option(
        "--allow-duplicates",
        is_flag=True,
        help="Take copies of one file, whose events count as often as they are listed.",
    ),
)

_PLAN = (
    click.option("--out", type=click.Path(path_type=Path), help="Run folder.  [default: runs/ANALYSIS]"),
    click.option(
        "--chunksize",
        callback=event_number,
        help="Events in a chunk, about.  [default: 1/32 of all, from 100k to 500k]",
    ),
)

_ANALYSIS = (
    click.option(
        "--model",
        multiple=True,
        callback=models,
        metavar="[NAME=]FILE",
        help="ONNX model of massgap train whose score is filled; NAME=FILE, several times, if there are several scores.",
    ),
    click.option(
        "--variations",
        multiple=True,
        callback=systematics,
        metavar="[DATASET:]NAME,...",
        help="Systematics, e.g. jes,muon_scale,isr,fsr; again for data sets that have others, e.g. ttbar:mur,muf or 'dy_*:none'.",
    ),
    click.option(
        "--hypothesis",
        multiple=True,
        callback=hypotheses,
        metavar="[SCORE:]NAME=GEV,...",
        help="Masses that a parameterised model is asked about, T=1000; again for a score of the same model at others: any_800, any_1000.",
    ),
    click.option(
        "--met",
        type=click.Choice(["detector", "objects"]),
        help="MET of the detector, or minus the vector sum of leptons and jets.  [default: that of the model, else detector]",
    ),
    click.option(
        "--set",
        "options",
        multiple=True,
        callback=option_pairs,
        metavar="NAME=VALUE",
        help="An option of the analysis' constructor; --muon-pt 5 is the same as --set muon_pt=5.",
    ),
)


def input_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the analysis and its input to a command."""
    return add_options(command, _INPUT)


def plan_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the run folder and the size of the chunks to a command."""
    return add_options(command, _PLAN)


def analysis_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of the analysis to a command."""
    return add_options(command, _ANALYSIS)


def run_folder_of(analysis: str) -> Path:
    """The run folder of an analysis, if none is named."""
    place = analysis.partition(":")[0]
    return Path("runs") / (Path(place).stem if place.endswith(".py") else place.rpartition(".")[2])


def take_options(settings: dict[str, Any]) -> dict[str, Any]:
    """Take the options of the processor out of a command's settings, however they were given.

    Raises
    ------
    click.UsageError
        If one is given twice.
    """
    options = dict(settings.pop("options"))
    given = {name: settings.pop(name) for name in ("variations", "hypothesis", "met")}
    given = {name: value for name, value in given.items() if value is not None} | take_given(settings)
    twice = next((name for name in given if name in options), None)
    if twice is not None:
        msg = f"give either --{twice.replace('_', '-')} or --set {twice}=..., not both"
        raise click.UsageError(msg)
    return {**options, **given}
