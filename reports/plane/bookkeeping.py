"""How well one interpolates, and where all of it comes from."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.html.html import Markup, Section, code, fold_away, heading, join, paragraph, table, value
from massgap.reports.html.numbers import number
from massgap.reports.plane.drawings import shown
from massgap.reports.plane.summary import shares
from massgap.reports.run.settings import plain_rows

if TYPE_CHECKING:
    from massgap.reports.plane.drawings import Drawing
    from massgap.reports.plane.inputs import PlaneInputs

__all__ = ["interpolation_section", "provenance_section"]


def interpolation_section(inputs: PlaneInputs, drawings: list[Drawing]) -> Section | None:
    """Return the chapter on the interpolation: every point foretold from the others."""
    checks = inputs.plane["interpolation"]
    if not checks:
        return None
    rows = []
    for check in checks:
        shift = check.get("contour_shift") or {}
        inside = sum(bool(entry["inside"]) for entry in check["left_out"])
        rows.append(
            [
                f"{str(check['quantity']).removeprefix('log ')}, {check['lumi_fb']:g} fb⁻¹",
                check["method"],
                f"{inside} of {len(check['left_out'])}",
                *[
                    value(check[key], shown_as)
                    for key, shown_as in zip(("mean", "max"), shares(check), strict=False)
                ],
                *[value(shift.get(key), number(shift.get(key))) for key in ("mean", "max")],
            ]
        )
    header = ["Quantity", "Method", "Points inside", "Mean", "Largest", "Mean [GeV]", "Largest [GeV]"]
    text = paragraph(
        "Each point is left out once and foretold from the others. Mean and largest absolute difference are of the points that "
        "lie inside the others, in percent where logarithms are interpolated; in GeV is by how much the contour moves when a point "
        "is left out."
    )
    figures = [one for one in drawings if one.chapter == "Interpolation"]
    body = table(header, rows, caption="Error of the interpolation", text_columns=(1,))
    return Section("interpolation", "Interpolation", join(text, body, shown(figures) if figures else ""))


def provenance_section(inputs: PlaneInputs) -> Section:
    """Return of what the plane was made, and with which code."""
    plane = inputs.plane
    runs = [
        [run["path"], run["analysis"], _text(run.get("code_hash")), _text(run.get("fileset_hash"))]
        for run in plane["runs"]
    ]
    parts: list[Markup] = []
    if runs:
        header = ["Run", "Analysis", "Code hash", "Fileset hash"]
        parts.append(table(header, runs, caption="Runs that it was made of", text_columns=(1, 2, 3)))
    files = [
        [
            f"{entry['lumi_fb']:g} fb⁻¹",
            code(entry["workspace"]),
            code(entry["patch_set"]),
            code(entry["digest"]),
        ]
        for entry in plane["workspaces"]
    ]
    header = ["Likelihood", "Workspace", "Patch set", "Digest (sha256)"]
    parts.append(
        table(header, files, caption="Likelihoods, HistFactory JSON for pyhf", text_columns=(1, 2, 3))
    )
    rows: list[list[object]] = [
        ["Plane folder", inputs.folder.path.resolve().name],
        ["Digest of all that it was made of", _text(plane.get("digest"))],
        ["Cross sections", f"{plane['xsec']['set']}: {plane['xsec']['source']}"],
        ["Energy", f"{plane['sqrt_s_tev']:g} TeV" if plane.get("sqrt_s_tev") else "-"],
    ]
    rows += [[f"Contour drawn beside: {one.label}", one.source] for one in inputs.overlays]
    parts.append(table(["What", "Value"], rows, caption="Provenance", text_columns=(1,)))
    if parts_of := _parts(inputs):
        parts.append(parts_of)
    for name, entries in (("Options", plane.get("options")), ("Versions", plane.get("versions"))):
        if entries:
            body = table([name, "Value"], plain_rows(entries), caption=name, text_columns=(1,))
            parts += [heading(name), fold_away(name, body, is_open=len(entries) < 25)]
    return Section("provenance", "Provenance", join(*parts))


def _parts(inputs: PlaneInputs) -> Markup | None:
    """Channels of the likelihood with their bins."""
    rows: list[list[object]] = []
    for part in inputs.plane["workspaces"][0].get("parts") or ():
        bins = part.get("binning") or ()
        shown_bins = ", ".join(f"{edge:.4g}" for edge in bins)
        yields = ", ".join(f"{name} {number(sum(found))}" for name, found in part["yields"].items())
        names = [_text(part.get(key)) for key in ("channel", "region", "histogram")]
        rows.append([*names, shown_bins, yields or "-"])
    header = ["Channel", "Region", "What is fitted", "Edges of bins", "Backgrounds [fb]"]
    return (
        table(header, rows, caption="Channels of the likelihood", text_columns=(1, 2, 3, 4)) if rows else None
    )


def _text(content: Any) -> str:
    return "-" if content is None else str(content)
