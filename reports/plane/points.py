"""The table of points, a row per signal and luminosity, and where their contours run."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.figures.planes.view import dimension, line_axis
from massgap.reports.html.html import Markup, Section, escape, fold_away, join, lines, paragraph, table, value
from massgap.reports.html.numbers import measured, number
from massgap.reports.plane.summary import level_of

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.reports.plane.inputs import PlaneInputs

__all__ = ["contour_section", "points_section"]

NOTHING = "no result"


def points_section(inputs: PlaneInputs) -> Section:
    """Return the chapter with every number of every point."""
    plane = inputs.plane
    observed = any((point["upper_limit"] or {}).get("observed") is not None for point in plane["points"])
    parts = [
        paragraph(
            "The same numbers are in plane.csv. Masses are in GeV. Medians expected without a signal, in small the range from -1 to +1 standard deviation"
            f"{', and what was observed' if observed else ''}. Efficiency: share of the produced events in all bins of the fit. "
            "Limits on the signal strength μ are in units of the cross section used. Certificate: distance to the minimum, in "
            "the logarithm of the likelihood, the worst of all fits of the row."
        )
    ]
    for index, lumi in enumerate(inputs.luminosities):
        rows = [_row(point, observed) for point in plane["points"] if point["lumi_fb"] == lumi]
        header = [
            "Point",
            f"Limit on μ, {level_of(plane)}",
            f"Limit [fb], {level_of(plane)}",
            "CLs",
            "Significance [σ]",
            "Cross section [fb]",
            "Efficiency [%]",
            "Events",
            "Certificate",
        ]
        shown = table(header, rows, caption=f"Points at {lumi:g} fb⁻¹")
        parts.append(fold_away(f"{lumi:g} fb⁻¹ ({len(rows)} points)", shown, is_open=index < 2))
    return Section("points", "Points", join(*parts))


def _row(point: Mapping[str, Any], observed: bool) -> list[object]:
    events = point["events"]
    counts = [f"B {number(events['background'])}"]
    counts += [] if events["observed"] is None else [f"data {events['observed']:g}"]
    return [
        lines(
            point["name"],
            *[join(name, value(mass, f"{mass:g}"), between=" ") for name, mass in point["masses"].items()],
        ),
        *[_band(point[key], observed) for key in ("upper_limit", "limit_fb", "cls")],
        _significance(point),
        _measured(point["cross_section_fb"], point["cross_section_uncertainty"]),
        _measured(point["efficiency"], point["efficiency_error"], 100),
        lines(value(events["signal"], f"S {number(events['signal'])}"), *counts),
        _certificate(point),
    ]


def _measured(center: float | None, error: float | None, scale: float = 1) -> Markup:
    """A number as it is, and how it is shown: in other units."""
    if center is None:
        return value(None, "-")
    shown = number(scale * center) if error is None else measured(scale * center, scale * error)
    return value(center, shown)


def _band(entry: Mapping[str, Any] | None, observed: bool) -> Markup | str:
    """The median, its range, and what was observed."""
    if entry is None:
        return NOTHING
    low, median, high = (entry["expected"][index] for index in (1, 2, 3))
    small: list[object] = [f"{_number(low)} to {_number(high)}"]
    if observed:
        small.append(join("observed ", value(entry["observed"], _number(entry["observed"])), between=""))
    return lines(value(median, _number(median)), *small)


def _number(found: float | None) -> str:
    """A limit or CLs; how much smaller than 1e-6 a CLs is nobody asks.

    >>> _number(0.25), _number(1e-300), _number(None), _number(0)
    ('0.250', '< 1e-6', '-', '< 1e-6')
    """
    return "< 1e-6" if found is not None and 0 <= found < 1e-6 else number(found)


def _significance(point: Mapping[str, Any]) -> Markup | str:
    found = point["significance"]
    if found is None:
        return NOTHING
    small = [] if found["observed"] is None else [f"observed {found['observed']:.2f}"]
    error = _finite_simulation(point)
    small += [] if error is None else [f"± {number(error, 2)} finite simulation"]
    expected = found["expected"]
    return lines(value(expected, "-" if expected is None else f"{expected:.2f}"), *small)


def _finite_simulation(point: Mapping[str, Any]) -> float | None:
    """Uncertainty of the expected significance from the finite simulation, in the form in which fits tell it (``simulation``)."""
    std = ((point["uncertainty"] or {}).get("expected_significance") or {}).get("std")
    return None if std is None else float(std)


def _certificate(point: Mapping[str, Any]) -> Markup | str:
    if not point["converged"]:
        why = escape(f"not converged: {point['error'] or 'no reason is known'}")
        return Markup(f'<span class="what">{why}</span>')
    found = point["certificate"] or {}
    small = [f"{found.get('fits', '?')} fits"]
    if found.get("second_start") is not None:
        lower = found["second_start"] < -1e-6
        small.append("a second start ended lower" if lower else "also from a second start")
    if found.get("on_bounds"):
        small.append(f"on a bound: {', '.join(found['on_bounds'])}")
    if found.get("flat"):
        small.append("flat in a direction")
    distance = found.get("distance")
    return lines(value(distance, "converged" if distance is None else f"{distance:.0e}"), *small)


def contour_section(inputs: PlaneInputs) -> Section | None:
    """Return the table of contours: how far they go, whether they end at the edge of the points, or why there is none."""
    contours = inputs.plane["contours"]
    if not contours:
        return None
    rows = [[_contour_name(contour, inputs.plane), *_course(contour, inputs.plane)] for contour in contours]
    axis = inputs.plane["axes"][line_axis(inputs.plane) if dimension(inputs.plane) == 1 else "x"]
    header = ["Contour", "Lines", f"{axis['name']} [{axis.get('unit') or ''}]", "Remark"]
    text = paragraph(
        "Contours are interpolated between the points; how well, the next chapter says. One that is open ends where the "
        "points end, and may go on."
    )
    body = table(header, rows, caption="Contours", text_columns=(3,))
    return Section(
        "contours", "Contours", join(text, fold_away(f"{len(rows)} contours", body, is_open=len(rows) <= 12))
    )


def _contour_name(contour: Mapping[str, Any], plane: Mapping[str, Any]) -> str:
    kinds = {"exclusion": f"{level_of(plane)} exclusion", "evidence": "3 σ", "discovery": "5 σ"}
    band = {0: "expected", 1: "expected +1 σ", -1: "expected -1 σ"}.get(contour["band"], "observed")
    sigma = {0: "", 1: ", cross section +1 σ", -1: ", cross section -1 σ"}[contour["cross_section"]]
    return f"{kinds[contour['what']]}, {band}{sigma}, {contour['lumi_fb']:g} fb⁻¹"


def _course(contour: Mapping[str, Any], plane: Mapping[str, Any]) -> list[object]:
    """Number of lines, the range of x, and what is to be said."""
    alone = dimension(plane) == 1
    column = "xy".index(line_axis(plane)) if alone else 0
    x = [place[column] for line in contour["lines"] for place in line]
    if alone:
        return [len(x), ", ".join(f"{found:.4g}" for found in sorted(x)) or "-", contour.get("note") or ""]
    remark = [contour.get("note") or ""]
    if any(contour.get("open") or ()):
        remark.append("open: ends at the edge of the points")
    reach = f"{min(x):.4g} to {max(x):.4g}" if x else "-"
    return [len(contour["lines"]), reach, "; ".join(part for part in remark if part)]
