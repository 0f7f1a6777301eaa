"""Contents of the tables for HEPData, before its library writes them."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from massgap.reports.figures.planes.view import dimension, line_axis
from massgap.reports.plane.summary import level_of

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.reports.plane.efficiencies import PointCutflow
    from massgap.reports.plane.inputs import PlaneInputs

__all__ = ["Column", "Content", "contents"]

NO_VALUE = "-"
"""What HEPData shows where there is no number."""


@dataclass(frozen=True)
class Column:
    """A variable of a table.

    Attributes
    ----------
    name, units
        Of its header.
    values
        Numbers or texts, one per row.
    errors
        Label -> error per row: one number, or a pair (minus, plus) with signs.
    qualifiers
        Name -> (value, units).
    """

    name: str
    values: Sequence[Any] = field(repr=False)
    units: str = ""
    errors: dict[str, Sequence[Any]] = field(default_factory=dict, repr=False)
    qualifiers: dict[str, tuple[Any, str]] = field(default_factory=dict)


@dataclass(frozen=True)
class Content:
    """A table: columns that say where, and columns that say what.

    Attributes
    ----------
    figures
        Names of the figures that show it.
    """

    name: str
    description: str
    where: Sequence[Column]
    what: Sequence[Column]
    observables: Sequence[str] = ()
    figures: Sequence[str] = ()


def contents(inputs: PlaneInputs, flows: Sequence[PointCutflow]) -> list[Content]:
    """Return all tables of a plane: per luminosity limits, CLs and contours; efficiencies; a cutflow per run and channel."""
    found: list[Content] = []
    for lumi in inputs.luminosities:
        found += [*_limits(inputs, lumi), *_contours(inputs, lumi)]
    found.append(_efficiencies(inputs))
    found += _cutflows(inputs, flows)
    return [content for content in found if content.where[0].values]


def _qualifiers(inputs: PlaneInputs, lumi: float | None = None) -> dict[str, tuple[Any, str]]:
    energy = inputs.plane.get("sqrt_s_tev")
    found: dict[str, tuple[Any, str]] = {} if energy is None else {"SQRT(S)": (1000.0 * energy, "GeV")}
    return found if lumi is None else {**found, "LUMINOSITY": (lumi, "fb$^{-1}$")}


def _masses(inputs: PlaneInputs, points: Sequence[Mapping[str, Any]]) -> list[Column]:
    labels = {
        axis["name"]: str(axis.get("label") or axis["name"])
        for axis in (inputs.plane["axes"]["x"], inputs.plane["axes"].get("y"))
        if axis
    }
    return [
        Column(
            _formula(labels.get(name, name)), [point["masses"].get(name, NO_VALUE) for point in points], "GeV"
        )
        for name in inputs.mass_names
    ]


def _formula(label: str) -> str:
    return f"${label}$" if "\\" in label and "$" not in label else label


def _limits(inputs: PlaneInputs, lumi: float) -> list[Content]:
    plane, level = inputs.plane, level_of(inputs.plane)
    points = [point for point in plane["points"] if point["lumi_fb"] == lumi]
    good = [point for point in points if point["converged"]]
    lost = [
        f"{point['name']} ({point['error'] or 'not converged'})" for point in points if not point["converged"]
    ]
    note = f" Points without a result, which are left out: {'; '.join(lost)}." if lost else ""
    qualifiers = _qualifiers(inputs, lumi)
    where = _masses(inputs, good)
    end = f"{lumi:g} fb-1"
    used = Column(
        "Cross section used",
        [_or_none(point["cross_section_fb"]) for point in good],
        "fb",
        {f"{plane['xsec']['set']}": [point["cross_section_uncertainty"] for point in good]},
        qualifiers,
    )
    significance = [
        Column(f"{kind.capitalize()} significance", values, "", {}, qualifiers)
        for kind in ("expected", "observed")
        if (values := [_or_none(point["significance"][kind]) for point in good]) and set(values) != {NO_VALUE}
    ]

    def bands(key: str, name: str, units: str = "") -> list[Column]:
        entries = [point[key] for point in good]
        expected = Column(
            f"Expected {name}", [e["expected"][2] for e in entries], units, _errors(entries), qualifiers
        )
        seen = [_or_none(entry["observed"]) for entry in entries]
        return [
            expected,
            *([Column(f"Observed {name}", seen, units, {}, qualifiers)] if set(seen) != {NO_VALUE} else []),
        ]

    asymptotic = f"CLs with asymptotic formulas, at {lumi:g} fb$^{{-1}}$.{note}"
    return [
        Content(
            f"Limits on the signal strength at {end}",
            f"Upper limits at {level} on the signal strength, in units of the cross section used; {asymptotic}",
            where,
            [*bands("upper_limit", "upper limit on the signal strength"), used],
            ["MU"],
            [f"limit_{lumi:g}fb", f"observed_limit_{lumi:g}fb"],
        ),
        Content(
            f"Limits on the cross section at {end}",
            f"Upper limits at {level} on the cross section; {asymptotic}",
            where,
            [*bands("limit_fb", "upper limit on the cross section", "fb"), used],
            ["SIG"],
        ),
        Content(
            f"CLs and significance at {end}",
            f"CLs of the signal with the cross section used, and significance; {asymptotic}",
            where,
            [*bands("cls", "CLs"), *significance],
            ["CLS"],
            [f"significance_{lumi:g}fb", f"cls_{lumi:g}fb"],
        ),
    ]


def _errors(entries: Sequence[Mapping[str, Any]]) -> dict[str, Sequence[Any]]:
    """The bands of one and two standard deviations as differences from the median."""
    return {
        label: [
            (entry["expected"][low] - entry["expected"][2], entry["expected"][high] - entry["expected"][2])
            for entry in entries
        ]
        for label, low, high in (("1 sigma", 1, 3), ("2 sigma", 0, 4))
    }


def _or_none(value: Any) -> Any:
    return NO_VALUE if value is None else value


KINDS = {"exclusion": "exclusion", "evidence": "3 sigma", "discovery": "5 sigma"}
BANDS = {0: "expected", 1: "expected +1 sigma", -1: "expected -1 sigma", "observed": "observed"}
CROSS_SECTIONS = {0: "", 1: ", xsec up", -1: ", xsec down"}
"""Short: HEPData allows 64 characters for the name of a table."""


def _contours(inputs: PlaneInputs, lumi: float) -> list[Content]:
    """A table per contour of a plane; of a line of points one table of all crossings."""
    plane = inputs.plane
    chosen = [contour for contour in plane["contours"] if contour["lumi_fb"] == lumi and contour["lines"]]
    qualifiers = _qualifiers(inputs, lumi)
    x, y = plane["axes"]["x"], plane["axes"].get("y")
    names = [
        f"{KINDS[contour['what']]}, {BANDS[contour['band']]}{CROSS_SECTIONS[contour['cross_section']]}"
        for contour in chosen
    ]
    if dimension(plane) == 1:
        column = "xy".index(line_axis(plane))
        axis = plane["axes"]["xy"[column]]
        places = [
            (name, place[column])
            for name, contour in zip(names, chosen, strict=True)
            for line in contour["lines"]
            for place in line
        ]
        text = f"Masses at which limits cross the cross section, and significances 3 and 5, at {lumi:g} fb$^{{-1}}$."
        what = [
            Column(
                _formula(axis.get("label") or axis["name"]),
                [place for _, place in places],
                axis["unit"],
                {},
                qualifiers,
            )
        ]
        where = [Column("Crossing", [name for name, _ in places])]
        return [Content(f"Crossings at {lumi:g} fb-1", text, where, what, [], [f"limit_{lumi:g}fb"])]
    found = []
    for name, contour in zip(names, chosen, strict=True):
        rows = [(number, *place) for number, line in enumerate(contour["lines"], 1) for place in line]
        where = [Column(_formula(x.get("label") or x["name"]), [row[1] for row in rows], x["unit"])]
        where += [Column("Line", [row[0] for row in rows])] if len(contour["lines"]) > 1 else []
        what = [
            Column(_formula(y.get("label") or y["name"]), [row[2] for row in rows], y["unit"], {}, qualifiers)
        ]
        text = f"Contour of {name} at {lumi:g} fb$^{{-1}}$, interpolated between the points of the plane."
        if any(contour["open"]):
            text += " It is open: it ends where the points end."
        title = f"Contour, {name}, {lumi:g} fb-1"
        found.append(Content(title, text, where, what, [], [f"exclusion_masses_{lumi:g}fb"]))
    return found


def _efficiencies(inputs: PlaneInputs) -> Content:
    known = [point for point in inputs.signals if point["efficiency"] is not None]
    errors: dict[str, Sequence[Any]] = {"stat": [point["efficiency_error"] for point in known]}
    column = Column("Efficiency", [point["efficiency"] for point in known], "", errors, _qualifiers(inputs))
    where = f" at {inputs.luminosities[0]:g} fb$^{{-1}}$" if len(inputs.luminosities) > 1 else ""
    text = f"Share of the produced events in all bins of the fit{where}, with the uncertainty of the finite simulation."
    return Content("Efficiencies", text, _masses(inputs, known), [column], ["ACC*EFF"], ["efficiency"])


def _cutflows(inputs: PlaneInputs, flows: Sequence[PointCutflow]) -> list[Content]:
    """A table per run and channel: a row per step, a column per point."""
    masses = {point["name"]: point["masses"] for point in inputs.signals}
    groups: dict[tuple[str, str, tuple[str, ...]], list[PointCutflow]] = {}
    for flow in flows:
        for channel, rows in flow.channels.items():
            groups.setdefault((flow.run, channel, tuple(row.step for row in rows)), []).append(flow)
    found = []
    for number, ((run, channel, steps), members) in enumerate(groups.items(), 1):
        what = [
            Column(
                "Cross section",
                [row.weighted for row in flow.channels[channel]],
                flow.unit,
                {"stat": [row.error for row in flow.channels[channel]]},
                {
                    **_qualifiers(inputs),
                    "POINT": (flow.name, ""),
                    **{k: (v, "GeV") for k, v in masses[flow.name].items()},
                },
            )
            for flow in members
        ]
        name = "Cutflow" if len(groups) == 1 else f"Cutflow {number}"
        text = (
            f"Cross section of each signal after each step of the selection, channel {channel or 'all'}, "
            f"run {PurePath(run).name}; the cross sections are those of the fileset."
        )
        found.append(Content(name, text, [Column("Step", steps)], what, ["SIG"]))
    return found
