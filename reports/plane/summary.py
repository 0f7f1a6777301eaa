"""What came out of a plane, in sentences and in numbers, and what did not come out."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from massgap.reports.figures.planes.contours import contours_of
from massgap.reports.figures.planes.view import dimension, has_any, line_axis, points_at, quantity
from massgap.reports.html.html import Markup, Section, banner, card, cards, escape, join, paragraph
from massgap.reports.html.numbers import number, percent

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.reports.plane.inputs import PlaneInputs

__all__ = ["level_of", "sentences", "summary"]

MOST_PROBLEMS = 12


def level_of(plane: Mapping[str, Any]) -> str:
    """The confidence level in words.

    >>> level_of({"level": 0.95})
    '95 % CL'
    """
    return f"{100 * float(plane['level']):g} % CL"


def count(points: list[Mapping[str, Any]], name: str, threshold: float, *, above: bool) -> int:
    """How many points have a quantity above or below a threshold."""
    values = [quantity(point, name) for point in points]
    return sum(value >= threshold if above else value <= threshold for value in values)


def sentences(plane: Mapping[str, Any], lumi_fb: float) -> list[str]:
    """What a plane says at one luminosity."""
    points, level = points_at(plane, lumi_fb), level_of(plane)
    known = sum(math.isfinite(quantity(point, "limit")) for point in points)
    excluded, evident, found = (
        count(points, name, threshold, above=name == "significance")
        for name, threshold in (("limit", 1), ("significance", 3), ("significance", 5))
    )
    first = f"At {lumi_fb:g} fb⁻¹, {excluded} of {known} points are expected to be excluded at {level}"
    out = [f"{first}; {evident} would reach 3 σ and {found} would reach 5 σ."]
    if has_any(points, "observed limit"):
        out.append(f"Observed: {count(points, 'observed limit', 1, above=False)} are excluded.")
    if reach := _reach(plane, lumi_fb, 0):
        out.append(f"The expected exclusion {reach}.")
    if reach := _reach(plane, lumi_fb, "observed"):
        out.append(f"The observed exclusion {reach}.")
    if lost := len(points) - known:
        out.append(f"{lost} of {len(points)} points have no result.")
    return out


def _reach(plane: Mapping[str, Any], lumi_fb: float, band: int | str) -> str:
    """How far an exclusion goes."""
    alone = dimension(plane) == 1
    axis = plane["axes"][line_axis(plane) if alone else "x"]
    unit = axis.get("unit") or ""
    lines = contours_of(plane, lumi_fb, "exclusion", band)
    if not lines:
        return ""
    if alone:
        column = "xy".index(line_axis(plane))
        places = ", ".join(f"{place:.4g}" for place in sorted(line[0, column] for line in lines))
        return f"ends at {axis['name']} = {places} {unit}".rstrip()
    largest = max(float(line[:, 0].max()) for line in lines)
    return f"reaches {axis['name']} = {largest:.4g} {unit}".rstrip()


def summary(inputs: PlaneInputs) -> Section:
    """Return the first chapter."""
    plane = inputs.plane
    text = [paragraph(*sentences(plane, lumi)) for lumi in inputs.luminosities]
    source = plane["xsec"]
    profiled = "a parameter of the likelihood" if source.get("profiled") else "not part of the likelihood"
    text.append(
        paragraph(
            f"Cross sections: set {source['set']} ({source['source']}), their uncertainty is {profiled}.",
            f"Limits are CLs limits at {level_of(plane)} with asymptotic formulas"
            f"{'' if _has_data(inputs) else '; expected ones, as no data were fitted'}.",
        )
    )
    return Section("summary", "Summary", join(_status(inputs), _cards(inputs), *text))


def _has_data(inputs: PlaneInputs) -> bool:
    return has_any(inputs.plane["points"], "observed limit")


def _status(inputs: PlaneInputs) -> Markup:
    plane, failed = inputs.plane, inputs.failed
    parts = []
    if failed:
        items = "".join(
            f"<li>{escape(point['name'])} at {point['lumi_fb']:g} fb⁻¹: {escape(point['error'] or 'not converged')}</li>"
            for point in failed[:MOST_PROBLEMS]
        )
        if len(failed) > MOST_PROBLEMS:
            items += f"<li>{len(failed) - MOST_PROBLEMS} more in the table of points</li>"
        title = f"{len(failed)} of {len(plane['points'])} results did not converge."
        note = paragraph(
            "They are crosses in the figures; nothing was filled in, and contours do not use them."
        )
        parts.append(banner("bad", title, note, Markup(f"<ul>{items}</ul>")))
    else:
        parts.append(
            banner("good", f"All {len(plane['points'])} results converged, each with a certificate.")
        )
    if warnings := plane.get("warnings") or ():
        items = "".join(f"<li>{escape(warning)}</li>" for warning in warnings)
        parts.append(banner("warning", "Warnings", Markup(f"<ul>{items}</ul>")))
    return join(*parts)


def _cards(inputs: PlaneInputs) -> Markup:
    plane = inputs.plane
    shown = []
    for lumi in inputs.luminosities:
        points = points_at(plane, lumi)
        excluded = count(points, "limit", 1, above=False)
        note = f"expected, {level_of(plane)}, {lumi:g} fb⁻¹"
        known = sum(math.isfinite(quantity(point, "limit")) for point in points)
        shown.append(card("Points excluded", f"{excluded} of {known}", excluded, note))
        best = [value for point in points if math.isfinite(value := quantity(point, "significance"))]
        if best:
            shown.append(
                card("Largest expected significance", f"{number(max(best))} σ", max(best), f"{lumi:g} fb⁻¹")
            )
    for check in plane["interpolation"][:1]:
        if check["mean"] is not None:
            mean, largest, what = shares(check)
            shown.append(card("Interpolation error", mean, check["mean"], f"mean; largest {largest}; {what}"))
    errors = [
        point["efficiency_error"] / point["efficiency"]
        for point in plane["points"]
        if point["efficiency"] and point["efficiency_error"] is not None
    ]
    if errors:
        worst = max(errors)
        shown.append(
            card("Largest relative error of an efficiency", percent(worst), worst, "finite simulation")
        )
    return cards(shown)


def shares(check: Mapping[str, Any]) -> tuple[str, str, str]:
    """Mean and largest error of an interpolation as they are written, and of what: of a logarithm as parts of the number itself.

    >>> shares({"quantity": "log limit", "mean": 0.01, "max": 0.2}), shares({"quantity": "CLs", "mean": 0.01, "max": 0.02})
    (('1.01 %', '22.1 %', 'limit'), ('0.0100', '0.0200', 'CLs'))
    """
    name = str(check["quantity"])
    errors = check["mean"], check["max"]
    if name.startswith("log "):
        mean, largest = (percent(None if error is None else math.expm1(error)) for error in errors)
    else:
        mean, largest = (number(error) for error in errors)
    return mean, largest, name.removeprefix("log ")
