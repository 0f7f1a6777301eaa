"""What the report of an electroweakino run shows besides: the paper's numbers, its contours, classifiers, interference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.run.chapters import Chapter
from massgap.studies.comparison import compared_html
from massgap.studies.electroweakino.figures import cross_sections, significances, spectrum_of_interference
from massgap.studies.electroweakino.further import further_tables
from massgap.studies.electroweakino.numbers.reach import opened_planes
from massgap.studies.electroweakino.numbers.rki import interference, sets_of
from massgap.studies.electroweakino.places import (
    CHANNELS,
    COMBINED,
    LUMINOSITIES,
    MODELS,
    NORMALISATIONS,
    PlanePlace,
)
from massgap.studies.electroweakino.validation import paper, validate

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.reports.html.html import Markup
    from massgap.reports.run.inputs import Inputs

__all__ = ["chapters"]

_WORDS = {"WZ": "W*, Z*", "slepton": "light sleptons"}
_RATES = {"own": "own cross sections", "paper": "the paper's cross sections"}


def chapters() -> tuple[Chapter, ...]:
    """The chapters of a report on a run of this study."""
    return (
        Chapter("Beside the paper", beside_the_paper, after="cutflow"),
        Chapter("Classifiers and reach", tables, after="training"),
        Chapter("Contours of each channel and of all", contours, after="fit"),
        Chapter("Interference of electroweak and QCD production", interferences, after="cutflow"),
    )


def _study(inputs: Inputs) -> Path:
    """Folder of the complete study, or that of the run alone."""
    home = inputs.run_folder.parent
    return home if (home / "table2" / "run").is_dir() or (home / "planes").is_dir() else inputs.run_folder


def beside_the_paper(inputs: Inputs) -> Markup | None:
    """Table II and what the text says, beside the numbers of this run and of the study that it belongs to."""
    from massgap.reports.html.html import join, paragraph

    rows = validate(_study(inputs))
    if not any(row.ours is not None for row in rows):
        return None
    text = paragraph(
        "Hard numbers must come out, moderate ones depend on details that the paper prints, trends on such that it does not. "
        "A number whose simulation is too small to tell is unclear."
    )
    return join(text, compared_html(rows, paper()))


def tables(inputs: Inputs) -> Markup | None:
    """Which classifier wins, one for all masses or one for each, importances by seed, and the reach."""
    from massgap.reports.html.html import join, paragraph, table

    found = further_tables(_study(inputs))
    if not found:
        return None
    return join(
        *(
            part
            for one in found
            for part in (
                table(one.header, one.texts(), caption=one.title),
                paragraph(one.note) if one.note else "",
            )
        )
    )


def contours(inputs: Inputs) -> Markup | None:
    """The paper's Figs 14 to 17 with both normalisations, and the cross sections."""
    from massgap.reports.figures import render
    from massgap.reports.html.html import figure, grid, heading, join

    planes = opened_planes(_study(inputs))
    parts: list[Any] = []
    for model in MODELS:
        for normalisation in NORMALISATIONS:
            of = {c: planes.get(PlanePlace(model, normalisation, c)) for c in (*CHANNELS, COMBINED)}
            found = {c: plane.results for c, plane in of.items() if plane is not None}
            if not found:
                continue
            pictures = []
            for lumi in LUMINOSITIES:
                caption = (
                    f"Expected significance at {lumi:g} fb⁻¹, decays through {_WORDS[model]}, {_RATES[normalisation]}: "
                    "each channel and all of them. Full line: exclusion at 95 % CL, dash-dotted 3 σ, dotted 5 σ."
                )
                drawn = significances(found, lumi)
                pictures.append(figure(render(drawn, "png"), alt=caption, caption=caption))
            parts += [heading(f"{_WORDS[model]}, {_RATES[normalisation]}"), grid(pictures, wide=True)]
    if not parts:
        return None
    own = {place.model: plane.results for place, plane in planes.items() if place[1:] == ("own", COMBINED)}
    theirs = {
        place.model: plane.results for place, plane in planes.items() if place[1:] == ("paper", COMBINED)
    }
    caption = "Cross section of the signals, own and the paper's, with the smallest that is expected to be excluded."
    picture = figure(render(cross_sections(own, theirs)), alt=caption, caption=caption)
    return join(*parts, heading("Cross sections"), grid([picture], wide=True))


def interferences(inputs: Inputs) -> Markup | None:
    """The paper's Figs 5 and 6, where a run has the three samples."""
    from massgap.reports.figures import render
    from massgap.reports.html.html import figure, grid

    histogram = inputs.histograms.get("m_jj")
    found = {}
    for name, processes in sets_of(inputs.processes).items():
        value = None if histogram is None else interference(histogram, processes, CHANNELS, join=4)
        if value is not None:
            found[name] = value
    if not found:
        return None
    caption = "Relative kinematic interference, equation (1) of the paper: " + "; ".join(
        f"{name} {100 * one.total[0]:.1f} ± {100 * one.total[1]:.1f} % in all" for name, one in found.items()
    )
    return grid([figure(render(spectrum_of_interference(found)), alt=caption, caption=caption)], wide=True)
