"""Names for people: processes, observables, regions, and the groups in which a report shows them.

All come out of the run's own description; what it does not describe keeps its name, or the label of its
histogram's axis, so that the histograms of any processor can be shown.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import TYPE_CHECKING

from massgap.contracts.description import Description

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

# A process keeps its colour in every figure; the reds are left to signals.
COLOURS = (
    "#3f90da",
    "#ffa90e",
    "#832db6",
    "#94a4a2",
    "#a96b59",
    "#5fb8bd",
    "#b9ac70",
    "#717581",
    "#2e8b57",
    "#d48fc7",
    "#4b5fd1",
    "#8fa31e",
)
SIGNAL_COLOURS = ("#bd1f01", "#e0487a", "#7a0018", "#ff6a3d")
OTHER_GROUP = "Other distributions"

NOTHING = Description()


@lru_cache(maxsize=1024)
def plottable(text: str) -> str:
    """Return `text` as matplotlib can draw it: mathematics stays, broken mathematics is quoted.

    >>> plottable("$m_{T2}$"), plottable("price $x_{$"), plottable("_hidden")
    ('$m_{T2}$', 'price \\\\$x_{\\\\$', ' _hidden')
    """
    from matplotlib.mathtext import MathTextParser

    text = re.sub(r"[\x00-\x1f\x7f]", " ", text)
    if text.startswith("_"):
        text = " " + text  # matplotlib leaves labels that start with an underscore out of legends
    if text.count("$") < 2:
        return text
    try:
        MathTextParser("path").parse(text)
    except (ValueError, RuntimeError):
        return re.sub(r"(?<!\\)\$", r"\\$", text)
    return text


def axis_label(name: str, description: Description | None = None, otherwise: str = "") -> str:
    """Return what is written at the axis of an observable or score.

    Parameters
    ----------
    name
        The observable, or the column of a score.
    description
        The run's own.
    otherwise
        What is written where the description does not say it, for instance the label of the histogram's axis.

    Examples
    --------
    >>> from massgap.contracts.description import Feature
    >>> axis_label("met", Description(features=(Feature("met", "MET", "GeV"),))), axis_label("met")
    ('MET [GeV]', 'met')
    """
    description = description or NOTHING
    feature = description.feature(name)
    if feature.label:
        return plottable(feature.axis_label)
    score = next((score.label for score in description.scores if score.column == name), "")
    return plottable(score or otherwise or feature.axis_label)


def region_label(name: str, description: Description | None = None) -> str:
    """Return what a region is called in captions.

    >>> region_label("sr"), region_label("")
    ('sr', '')
    """
    return (description or NOTHING).region(name).label or name


def process_label(
    process: str, description: Description | None = None, masses: Mapping[str, float] | None = None
) -> str:
    """Return the label of a process in figures; a signal's masses are part of it.

    >>> process_label("pair_110_80", masses={"m_parent": 110.0, "m_lsp": 80.0})
    'signal (110, 80)'
    """
    known = (description or NOTHING).processes.get(process)
    label = known.label if known else ""
    if masses:
        return plottable(f"{label or 'signal'} ({', '.join(f'{mass:g}' for mass in masses.values())})")
    return plottable(label or process)


def process_colours(
    processes: Iterable[str], signals: Iterable[str] = (), description: Description | None = None
) -> dict[str, str]:
    """Return one colour per process, the same in every figure of a report.

    Parameters
    ----------
    processes, signals
        Names; signals take their colours in the order given.
    description
        Colours that it gives to processes hold; others take what is left of the palette.
    """
    described = {name: shown.color for name, shown in (description or NOTHING).processes.items()}
    signals = list(signals)
    colours = {
        name: described.get(name) or SIGNAL_COLOURS[index % len(SIGNAL_COLOURS)]
        for index, name in enumerate(signals)
    }
    palette = [colour for colour in COLOURS if colour not in described.values()] or list(COLOURS)
    spare = 0
    for process in sorted(set(processes) - set(signals)):
        colours[process] = described.get(process) or palette[spare % len(palette)]
        spare += not described.get(process)
    return colours


def grouped_features(names: Iterable[str], description: Description | None = None) -> dict[str, list[str]]:
    """Sort names of histograms into the groups of the description; strangers come last, in their own order.

    >>> grouped_features(["b", "a"])
    {'Other distributions': ['b', 'a']}
    """
    names = list(names)
    groups: dict[str, list[str]] = {}
    for feature in (description or NOTHING).features:
        if feature.name in names:
            groups.setdefault(feature.group or "Observables", []).append(feature.name)
    known = {name for members in groups.values() for name in members}
    strangers = [name for name in names if name not in known]
    return {**groups, OTHER_GROUP: strangers} if strangers else groups


def ordered_regions(names: Iterable[str], description: Description | None = None) -> dict[str, list[str]]:
    """Sort regions by channel, in the order of the description; strangers come last, in their own order.

    Returns
    -------
    dict
        Channel -> its regions, the widest first; the channel "" holds those that are not described.

    Examples
    --------
    >>> ordered_regions(["sr", "all"])
    {'': ['sr', 'all']}
    """
    names = list(names)
    channels: dict[str, list[str]] = {}
    for region in (description or NOTHING).regions:
        if region.name in names:
            channels.setdefault(region.channel, []).append(region.name)
    known = {name for members in channels.values() for name in members}
    for name in names:
        if name not in known:
            channels.setdefault("", []).append(name)
    return channels
