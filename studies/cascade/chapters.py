"""What the report of the study shows besides: the paper's tables, and what the scan has found."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.run.chapters import Chapter
from massgap.studies.cascade.further import tables_of
from massgap.studies.cascade.validation import paper, scan_of, validate
from massgap.studies.comparison import compared_html

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from massgap.reports.html.html import Markup
    from massgap.reports.run.inputs import Inputs

__all__ = ["chapters"]


def chapters() -> tuple[Chapter, ...]:
    """The chapters of a report on a run of this study."""
    return (
        Chapter("Beside the paper", beside_the_paper, after="cutflow"),
        Chapter("Networks, orderings, spins", what_was_found, after="cutflow"),
        Chapter("Ensembles and what goes beyond the paper", from_ensembles, after="cutflow"),
    )


def _study(inputs: Inputs) -> Path:
    """The folder of the study that a run is in, if it is in one."""
    return inputs.run_folder.resolve().parent


def beside_the_paper(inputs: Inputs) -> Markup | None:
    """The tables of the paper beside the numbers of this study."""
    folder = _study(inputs)
    return compared_html(validate(folder), paper()) if scan_of(folder) else None


def what_was_found(inputs: Inputs) -> Markup | None:
    """The lines that ``massgap scan`` prints."""
    from massgap.reports.html.html import join, paragraph

    found = scan_of(_study(inputs))
    if not found:
        return None
    return join(*(paragraph(line) for line in found.get("summary", ())))


def from_ensembles(inputs: Inputs) -> Markup | None:
    """S/B, the mass scale and its intervals, as figures and as tables."""
    from massgap.reports.html.html import grid, join, table

    found = scan_of(_study(inputs))
    if not found:
        return None
    tables = [table(one.header, one.texts(), caption=f"{one.title}. {one.note}") for one in tables_of(found)]
    pictures = _pictures(found["models"])
    return join(grid(pictures), *tables) if pictures else join(*tables)


def _pictures(models: Mapping[str, Any]) -> list[Markup]:
    from massgap.reports.figures import render
    from massgap.reports.html.html import figure
    from massgap.studies.cascade.ensembles.figures import belts, mass_scale, ratio_estimates

    shown = []
    ratios = {
        model: of["purified"]["ratio"] for model, of in models.items() if "ratio" in of.get("purified", {})
    }
    if ratios:
        shown.append(
            figure(
                render(ratio_estimates(ratios)),
                alt="Estimated against true S/B of the benchmark.",
                caption="(S/B)_est of the benchmark with its standard deviation over 5,000 pseudo-experiments (the paper's figure 9).",
            )
        )
    masses = {model: of["mass"] for model, of in models.items() if "estimates" in of.get("mass", {})}
    if masses:
        first = next(iter(masses.values()))["estimates"][0]["mass"]
        shown.append(
            figure(
                render(mass_scale({model: of["estimates"] for model, of in masses.items()}, first)),
                alt="Estimated mass of chi against S/B.",
                caption="Estimates of the mass scale with their standard deviation (the paper's figure 15).",
            )
        )
    for model, of in masses.items():
        shown.append(
            figure(
                render(belts(of["beyond"]["ways"])),
                alt=f"Confidence belts of the mass scale, {model}.",
                caption=f"{model}, S/B = {of['beyond']['ratio']:g}: 68 % of the estimates at each mass, nuisance parameters varied.",
            )
        )
    return shown
