"""The page of a plane: one HTML file that needs nothing but itself, with figures and tables as files beside it."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from massgap.reports.plane.inputs import read_plane_inputs
from massgap.reports.plane.overlays import read_overlays

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massgap.reports.html.html import Markup, Section
    from massgap.reports.plane.drawings import Drawing
    from massgap.reports.plane.efficiencies import PointCutflow
    from massgap.reports.plane.inputs import PlaneInputs

__all__ = ["PlaneReport", "write_plane_report"]

MOST_CUTFLOWS = 30


@dataclass(frozen=True)
class PlaneReport:
    """What was written.

    Attributes
    ----------
    page
        The HTML file.
    files
        Figures and tables beside it.
    hepdata
        Archive for HEPData, None where it was not asked for.
    absent
        What is left out, and why.
    """

    page: Path
    files: list[Path] = field(default_factory=list)
    hepdata: Path | None = None
    absent: list[str] = field(default_factory=list)


def write_plane_report(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    title: str | None = None,
    overlays: Sequence[str] = (),
    hepdata: bool = False,
) -> PlaneReport:
    """Write the report of a plane.

    The same folders give the same bytes.

    Parameters
    ----------
    folder
        What ``massgap plane`` wrote.
    out
        HTML file; by default ``report.html`` in the folder.  The folder ``figures`` (PNG and PDF), efficiencies and cutflows
        (CSV, JSON) and ``hepdata`` are written beside it.
    title
        Title of the page.
    overlays
        Contours of others, each as ``FILE.csv`` or ``FILE.csv:LABEL``.
    hepdata
        Whether tables for HEPData are written as well.

    Raises
    ------
    massgap.contracts.errors.PlaneFolderError
        If the folder is no plane folder, or damaged.
    MissingInput, UnreadableInput
        If another file is missing or damaged.
    ReportError
        If something cannot be written.
    massgap.extras.MissingExtraError
        If tables for HEPData are asked for and their library is not installed.
    """
    if hepdata:
        from massgap.reports.plane.hepdata.submission import require_library

        require_library()
    inputs = read_plane_inputs(folder, read_overlays(overlays))
    _ = inputs.likelihoods  # read here, so that a missing one is told before anything is drawn
    # matplotlib and mplhep load here, after all that can be wrong with the folders was said.
    from massgap.reports.html.html import page, write_page
    from massgap.reports.plane.drawings import draw, write_figures
    from massgap.reports.plane.efficiencies import point_cutflows, write_efficiencies

    path = Path(out) if out is not None else inputs.folder.path / "report.html"
    flows, absent = point_cutflows(inputs)
    drawings = draw(inputs)
    text = page(title or _title(inputs), _subtitle(inputs), _sections(inputs, drawings, flows, absent))
    write_page(path, text)
    files = write_figures(drawings, path.parent / "figures")
    files += write_efficiencies(inputs, flows, path.parent)
    archive = None
    if hepdata:
        from massgap.reports.plane.hepdata.submission import write_submission

        archive = write_submission(inputs, flows, path.parent / "hepdata")
    return PlaneReport(path, files, archive, absent)


def _title(inputs: PlaneInputs) -> str:
    analyses = dict.fromkeys(str(run["analysis"]) for run in inputs.plane["runs"])
    return f"massgap plane: {', '.join(analyses) or inputs.folder.path.resolve().name}"


def _subtitle(inputs: PlaneInputs) -> str:
    lumis = ", ".join(f"{lumi:g}" for lumi in inputs.luminosities)
    return f"Plane folder {inputs.folder.path.resolve().name}: {len(inputs.signals)} signals, {lumis} fb⁻¹"


def _sections(
    inputs: PlaneInputs, drawings: list[Drawing], flows: list[PointCutflow], absent: list[str]
) -> list[Section]:
    from massgap.reports.plane.bookkeeping import (
        interpolation_section,
        provenance_section,
    )
    from massgap.reports.plane.correlations import correlation_section
    from massgap.reports.plane.drawings import figures_section
    from massgap.reports.plane.points import contour_section, points_section
    from massgap.reports.plane.summary import summary

    found = [
        summary(inputs),
        figures_section(drawings),
        points_section(inputs),
        contour_section(inputs),
        interpolation_section(inputs, drawings),
        correlation_section(inputs),
        _cutflows(flows, absent),
        provenance_section(inputs),
    ]
    return [section for section in found if section is not None]


def _cutflows(flows: list[PointCutflow], absent: list[str]) -> Section | None:
    """The cutflow of each point, folded away."""
    from massgap.reports.html.html import Section, code, fold_away, join, paragraph, table, value
    from massgap.reports.html.numbers import measured, percent

    if not flows and not absent:
        return None
    parts: list[Markup] = [paragraph(why) for why in absent]
    if flows:
        words = (
            "Efficiencies and cutflows of all points are also in",
            code("efficiencies.json"),
            "and",
            code("cutflows.csv"),
        )
        parts.append(paragraph(*words, "beside this page; cross sections here are those of the fileset."))
    for flow in flows[:MOST_CUTFLOWS]:
        rows = [
            [
                row.step if len(flow.channels) == 1 else f"{channel}: {row.step}",
                value(row.raw, f"{row.raw:,}"),
                value(row.weighted, measured(row.weighted, row.error)),
                value(row.efficiency, percent(row.efficiency)),
                value(row.cumulative, percent(row.cumulative)),
            ]
            for channel, steps in flow.channels.items()
            for row in steps
        ]
        header = ["Step", "Events", f"Cross section [{flow.unit}]", "Of step before", "Of all"]
        body = table(header, rows, caption=f"{flow.name} in {flow.run}")
        parts.append(fold_away(flow.name, body, is_open=False))
    if len(flows) > MOST_CUTFLOWS:
        parts.append(paragraph(f"{len(flows) - MOST_CUTFLOWS} more are in cutflows.csv."))
    return Section("cutflows", "Cutflows", join(*parts))
