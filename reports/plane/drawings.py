"""All figures of a plane: drawn once, shown in the page and written into the folder."""

from __future__ import annotations

import io
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from massgap.contracts.writing import write_atomically
from massgap.reports.errors import ReportError
from massgap.reports.figures.planes import (
    dimension,
    exclusion,
    interpolation_check,
    limit_against_mass,
    point_map,
)
from massgap.reports.figures.planes.view import has_any, has_gap, points_at
from massgap.reports.figures.style import DOTS_PER_INCH, render, style
from massgap.reports.html.html import Markup, Section, figure, fold_away, grid, heading, join, paragraph
from massgap.reports.plane.summary import level_of

if TYPE_CHECKING:
    from pathlib import Path

    from matplotlib.figure import Figure

    from massgap.reports.html.html import Image
    from massgap.reports.plane.inputs import PlaneInputs

__all__ = ["Drawing", "draw", "figures_section", "write_figures"]

MAPS = {
    "limit": "Expected upper limit on the signal strength",
    "observed limit": "Observed upper limit on the signal strength",
    "significance": "Expected significance",
    "observed significance": "Observed significance",
    "cls": "Expected CLs of the signal with its cross section",
    "observed cls": "Observed CLs of the signal with its cross section",
}
FOLDED = ("observed significance", "cls", "observed cls")


@dataclass(frozen=True)
class Drawing:
    """A figure with the name of its file and what is said below it.

    Attributes
    ----------
    chapter
        Under which heading it stands.
    """

    name: str
    figure: Figure
    caption: str
    chapter: str

    @cached_property
    def image(self) -> Image:
        """The figure as PNG, for the page and for its file."""
        return render(self.figure, "png")


def draw(inputs: PlaneInputs) -> list[Drawing]:
    """Draw all figures of a plane."""
    return [*(_plane(inputs) if dimension(inputs.plane) == 2 else _line(inputs)), *_checks(inputs)]


def _line(inputs: PlaneInputs) -> list[Drawing]:
    level = level_of(inputs.plane)
    return [
        Drawing(
            f"limit_{lumi:g}fb",
            limit_against_mass(inputs.plane, lumi, overlays=inputs.overlays),
            f"Upper limit on the cross section at {level}, {lumi:g} fb⁻¹, and the cross section. Points without a result are "
            "crosses and leave a gap.",
            "Limits",
        )
        for lumi in inputs.luminosities
    ]


def _plane(inputs: PlaneInputs) -> list[Drawing]:
    plane, level = inputs.plane, level_of(inputs.plane)
    views = ["masses", "gap"] if has_gap(plane) else ["masses"]
    sets = [inputs.luminosities] if len(inputs.luminosities) > 1 else []
    sets += [[lumi] for lumi in inputs.luminosities]
    found = []
    for chosen in sets:
        for view in views:
            where = "all" if len(chosen) > 1 else f"{chosen[0]:g}fb"
            drawn = exclusion(plane, luminosities=chosen, view=view, overlays=inputs.overlays)
            words = ", ".join(f"{lumi:g}" for lumi in chosen)
            caption = (
                f"Exclusion at {level}, evidence and discovery with {words} fb⁻¹"
                f"{', in mass and gap' if view == 'gap' else ''}. Dots are the points of the plane."
            )
            found.append(Drawing(f"exclusion_{view}_{where}", drawn, caption, "Contours"))
    for lumi in inputs.luminosities:
        for what, label in MAPS.items():
            if has_any(points_at(plane, lumi), what):
                view = views[-1]
                caption = f"{label}, {lumi:g} fb⁻¹{_lines_of(what, level)}"
                name = f"{what.replace(' ', '_')}_{lumi:g}fb"
                chapter = f"{'More maps' if what in FOLDED else 'Maps'}, {lumi:g} fb⁻¹"
                found.append(Drawing(name, point_map(plane, what, lumi, view=view), caption, chapter))
    if has_any(points_at(plane, inputs.luminosities[0]), "efficiency"):
        drawn = point_map(plane, "efficiency", inputs.luminosities[0], view=views[-1])
        caption = f"Share of the produced events in all bins of the fit at {inputs.luminosities[0]:g} fb⁻¹, in percent."
        found.append(Drawing("efficiency", drawn, caption, f"Maps, {inputs.luminosities[0]:g} fb⁻¹"))
    return found


def _lines_of(what: str, level: str) -> str:
    if what.endswith("significance"):
        return "; dash-dotted 3 σ, dotted 5 σ."
    return f"; the line is the exclusion at {level}."


def _checks(inputs: PlaneInputs) -> list[Drawing]:
    quantities = list(dict.fromkeys(str(check["quantity"]) for check in inputs.plane["interpolation"]))
    found = []
    for number, name in enumerate(quantities, 1):
        checks = [
            check
            for check in inputs.plane["interpolation"]
            if check["quantity"] == name and check["left_out"]
        ]
        if checks:
            caption = f"Each point left out and interpolated from the others ({checks[0]['method']}): {name}."
            drawn = interpolation_check(checks, label=name)
            found.append(Drawing(f"interpolation_{number}", drawn, caption, "Interpolation"))
    return found


def shown(drawings: list[Drawing]) -> Markup:
    """Figures as they stand in the page."""
    return grid([figure(one.image, alt=one.caption, caption=one.caption) for one in drawings], wide=True)


def figures_section(drawings: list[Drawing]) -> Section | None:
    """Return the chapter with all figures but those of the interpolation."""
    chapters = list(dict.fromkeys(one.chapter for one in drawings if one.chapter != "Interpolation"))
    parts: list[Markup] = []
    for chapter in chapters:
        images = shown([one for one in drawings if one.chapter == chapter])
        more = chapter.startswith("More")
        parts += [fold_away(chapter, images, is_open=False)] if more else [heading(chapter), images]
    note = paragraph("Each figure is also a PNG and a PDF file in the folder figures beside this page.")
    return Section("figures", "Figures", join(note, *parts)) if parts else None


def write_figures(drawings: list[Drawing], folder: Path) -> list[Path]:
    """Write each figure as PNG and PDF; the same figures give the same bytes.

    Raises
    ------
    ReportError
        If they cannot be written.
    """
    written = []
    try:
        folder.mkdir(parents=True, exist_ok=True)
        for one in drawings:
            stream = io.BytesIO()
            with style():
                one.figure.savefig(
                    stream, format="pdf", dpi=DOTS_PER_INCH, metadata={"CreationDate": None, "Creator": None}
                )
            for path, content in (
                (folder / f"{one.name}.png", one.image.data),
                (folder / f"{one.name}.pdf", stream.getvalue()),
            ):
                write_atomically(path, content, durable=False)
                written.append(path)
    except OSError as error:
        message = (
            f"figures cannot be written to {folder} ({error.strerror}): choose another place with --out."
        )
        raise ReportError(message) from error
    return written
