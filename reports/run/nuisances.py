"""What a likelihood is made of: parts that share no event, luminosities, and which parameter moves what."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.html.html import Markup, heading, join, paragraph, table, value
from massgap.reports.html.numbers import number, percent

if TYPE_CHECKING:
    from collections.abc import Mapping

_NAMED = 6
"""So many channels or processes are named in a cell; of more, their number is told."""


def combined(results: Mapping[str, Any]) -> Markup:
    """Why the parts of a fit may be taken together, and the fits for other luminosities; nothing for a simple fit."""
    pieces = [paragraph(reason) for reason in results.get("disjoint") or ()]
    others = results.get("luminosities") or ()
    if others:
        rows = [
            [
                f"{entry['lumi_fb']:g} fb⁻¹",
                value(entry["expected_significance"], number(entry["expected_significance"], 4)),
                *[value(bound, number(bound)) for bound in entry["expected_limit"][1:4]],
                entry["folder"],
            ]
            for entry in others
        ]
        head = ["Luminosity", "Expected significance [σ]", "Limit, -1σ", "median", "+1σ", "Folder"]
        pieces.append(table(head, rows, caption="Fits for several luminosities", text_columns=(5,)))
    return join(*pieces)


def parameters(results: Mapping[str, Any]) -> Markup:
    """One row per nuisance parameter: what it moves together, and by how much."""
    entries = results.get("nuisances") or ()
    if not entries:
        return Markup("")
    total = len({(e["channel"], e["process"]) for entry in entries for e in entry["effects"]})
    rows = [
        [
            entry["name"],
            entry["constraint"],
            ", ".join(entry["kinds"]),
            _names(entry["processes"], "processes"),
            _names(entry["channels"], "channels"),
            f"{len(entry['effects'])} of {total}",
            _range(entry["effects"]),
        ]
        for entry in entries
    ]
    head = [
        "Parameter",
        "Constraint",
        "What it moves",
        "Processes",
        "Channels",
        "Samples",
        "Change of yields",
    ]
    return join(
        heading("What is correlated with what"),
        paragraph(
            "Everything in a row moves together with one parameter, or with one per bin for the statistics of the simulation. "
            "The change is that of the yields at one standard deviation, the smallest and the largest of all samples."
        ),
        table(head, rows, caption="Nuisance parameters", text_columns=(1, 2, 3, 4)),
    )


def _names(names: list[str], what: str) -> str:
    return ", ".join(names) if len(names) <= _NAMED else f"{len(names)} {what}"


def _range(effects: list[Mapping[str, Any]]) -> str:
    sizes = [max(abs(e["up"]), abs(e["down"])) for e in effects if e["up"] is not None]
    if not sizes:
        return "as the data say"
    low, high = min(sizes), max(sizes)
    same = high - low < 5e-3 * high or high == 0.0
    return percent(high) if same else f"{percent(low)} to {percent(high)}"
