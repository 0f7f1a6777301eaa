"""What the figures of a plane share: its points, where they stand, and the region where no point can be."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.errors import ReportError
from massgap.reports.figures.labels import plottable

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from matplotlib.axes import Axes

INK, SOFT, FORBIDDEN = "#1c2126", "#56606a", "#9aa3ab"
LUMINOSITY_COLOURS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#e69f00")
"""Of Okabe and Ito: told apart with every kind of colour blindness."""
ONE_SIGMA, TWO_SIGMA = "#5cb878", "#ffd24d"


@dataclass(frozen=True)
class View:
    """How the points of a plane stand in a figure.

    Attributes
    ----------
    x_label, y_label : str
        What stands at the axes; the second is empty for a plane of one dimension.
    gap : bool
        Whether the second axis is the first mass minus the second one.
    bounded : bool
        Whether the second mass cannot be larger than the first one.
    """

    x_label: str
    y_label: str = ""
    gap: bool = False
    bounded: bool = False

    def place(self, xy: Any) -> np.ndarray:
        """Positions in the figure of (x, y) of the plane, an array of shape (n, 2)."""
        points = np.asarray(xy, dtype=float).reshape(-1, 2)
        return np.column_stack([points[:, 0], points[:, 0] - points[:, 1]]) if self.gap else points


def dimension(plane: Mapping[str, Any]) -> int:
    """Whether the points of a plane span two axes, or lie on a line (a single one as well)."""
    return 2 if plane["axes"].get("y") and plane["axes"]["shape"] == "plane" else 1


def line_axis(plane: Mapping[str, Any]) -> str:
    """Along which axis the points of a line are told apart, "x" or "y"."""
    x = {point["x"] for point in plane["points"]}
    y = {point["y"] for point in plane["points"]}
    return "y" if plane["axes"].get("y") and len(x) == 1 < len(y) else "x"


def view_of(plane: Mapping[str, Any], view: str = "masses") -> View:
    """Return how a plane is drawn.

    Parameters
    ----------
    view : str
        ``masses``: as the plane's axes say; ``gap``: the first mass and what lies between it and the second one.

    Raises
    ------
    ReportError
        If the plane cannot be drawn so.
    """
    x, y = plane["axes"]["x"], plane["axes"].get("y")
    if view == "gap":
        if not has_gap(plane):
            message = (
                "only a plane of a mass and of what it decays to has a mass gap: draw this one in its masses."
            )
            raise ReportError(message)
        return View(_axis(x), f"{_formula(x)} $-$ {_formula(y)} [{x['unit']}]", gap=True, bounded=True)
    if dimension(plane) == 1:
        return View(_axis(plane["axes"][line_axis(plane)]))
    return View(_axis(x), _axis(y), bounded=has_gap(plane))


def has_gap(plane: Mapping[str, Any]) -> bool:
    """Whether the second axis is the mass of what the first one decays to."""
    return dimension(plane) == 2 and plane["axes"].get("forbidden") == "y > x"


def _axis(axis: Mapping[str, Any]) -> str:
    unit = axis.get("unit")
    return _formula(axis) + (f" [{unit}]" if unit else "")


def _formula(axis: Mapping[str, Any]) -> str:
    """The label of an axis; LaTeX without dollars gets them."""
    label = str(axis.get("label") or axis["name"])
    return plottable(f"${label}$" if "$" not in label and re.search(r"[\\^{]", label) else label)


def points_at(plane: Mapping[str, Any], lumi_fb: float) -> list[Mapping[str, Any]]:
    """Points at one luminosity."""
    return [point for point in plane["points"] if point["lumi_fb"] == lumi_fb]


def positions(points: Iterable[Mapping[str, Any]]) -> np.ndarray:
    """Places of points on the axes of the plane, an array of shape (n, 2), in GeV; y is NaN on a line."""
    found = [[float(point["x"]), math.nan if point["y"] is None else float(point["y"])] for point in points]
    return np.asarray(found, dtype=float).reshape(-1, 2)


def is_good(point: Mapping[str, Any]) -> bool:
    """Whether a point has a result that holds."""
    return bool(point["converged"])


QUANTITIES: dict[str, tuple[str, str]] = {
    "limit": (r"Expected limit on $\mu$", "log"),
    "observed limit": (r"Observed limit on $\mu$", "log"),
    "cls": ("Expected CL$_s$", "linear"),
    "observed cls": ("Observed CL$_s$", "linear"),
    "significance": (r"Expected significance [$\sigma$]", "linear"),
    "observed significance": (r"Observed significance [$\sigma$]", "linear"),
    "efficiency": ("Selection efficiency [%]", "log"),
}
"""Quantity of a point -> label, and the scale of its colours."""


def quantity(point: Mapping[str, Any], name: str) -> float:
    """A number of a point; NaN where it has none, or none that holds.

    Examples
    --------
    >>> point = {"converged": True, "upper_limit": {"observed": None, "expected": [1, 2, 3, 4, 5]}, "efficiency": 0.1}
    >>> quantity(point, "limit"), quantity(point, "observed limit"), quantity({**point, "converged": False}, "limit")
    (3.0, nan, nan)
    """
    if name == "efficiency":
        return _number(point.get("efficiency"))
    if not is_good(point):
        return math.nan
    kind, what = ("observed", name.removeprefix("observed ")) if name[:4] == "obse" else ("expected", name)
    entry = point.get({"limit": "upper_limit"}.get(what, what)) or {}
    found = entry.get(kind)
    return _number(found[2] if isinstance(found, list | tuple) else found)


def _number(value: Any) -> float:
    return math.nan if value is None else float(value)


def has_any(points: Iterable[Mapping[str, Any]], name: str) -> bool:
    """Whether any point has the quantity."""
    return any(math.isfinite(quantity(point, name)) for point in points)


def lumi_label(lumi_fb: float) -> str:
    """How a luminosity is written in a figure.

    >>> lumi_label(300.0)
    '300 fb$^{-1}$'
    """
    return f"{lumi_fb:g} fb$^{{-1}}$"


def padded(values: np.ndarray, share: float = 0.08) -> tuple[float, float]:
    """A range around numbers, with room at both ends; around a single one as well."""
    low, high = float(values.min()), float(values.max())
    room = share * (high - low) or 0.1 * abs(high) or 1.0
    return low - room, high + room


def set_range(axes: Axes, view: View, xy: np.ndarray, share: float = 0.08) -> None:
    """Let the axes show all points (positions in the figure), and name what the axes are."""
    axes.set_xlim(*padded(xy[:, 0], share))
    low, high = padded(xy[:, 1], share)
    axes.set_ylim(0 if view.gap and low < 0.35 * high else low, high)
    axes.set_xlabel(view.x_label)
    axes.set_ylabel(view.y_label)
    axes.ticklabel_format(style="plain", useOffset=False)


def hatch_forbidden(axes: Axes, view: View) -> Any:
    """Hatch where the second mass would be larger than the first one; None where that is out of sight."""
    low, high = axes.get_xlim()
    bottom, top = axes.get_ylim()
    x = np.array([low, high])
    edge = np.zeros(2) if view.gap else x
    if not view.bounded or (bottom >= 0 if view.gap else top <= low):
        return None
    other = np.full(2, bottom if view.gap else top)
    drawn = axes.fill_between(x, edge, np.maximum(edge, other) if not view.gap else other, **_HATCH)
    axes.plot(x, edge, color=FORBIDDEN, lw=0.9, zorder=0.6)
    axes.set_xlim(low, high)
    axes.set_ylim(bottom, top)
    return drawn


_HATCH: dict[str, Any] = {
    "facecolor": "none",
    "edgecolor": FORBIDDEN,
    "hatch": "////",
    "linewidth": 0.0,
    "zorder": 0.5,
}


def mark_failures(axes: Axes, xy: np.ndarray) -> Any:
    """Crosses where no result holds (positions in the figure)."""
    return axes.scatter(xy[:, 0], xy[:, 1], marker="x", s=30, color=INK, linewidths=1.5, zorder=6)


def fitting_columns(labels: Iterable[str], width: float = 4.2) -> int:
    """How many columns of a legend fit beside each other, at most three.

    Parameters
    ----------
    labels : iterable of str
        In their order: columns are filled downwards.
    width : float
        Inches that there are.

    Examples
    --------
    >>> fitting_columns(["points", "forbidden", r"3$\\sigma$ expected"]), fitting_columns(["a name of forty characters and somewhat"] * 3)
    (3, 1)
    """
    # Commands and braces of formulas take no room, an index takes as much as other letters.
    sizes = [len(re.sub(r"\\(?:[a-z]+)|[${}^_\\]", "", label)) for label in labels]
    for columns in (3, 2):
        # As matplotlib does it: the first columns have one more where the number does not divide.
        widest = [max(part, default=0) for part in np.array_split(sizes, columns)]
        if sum(0.36 + 0.057 * size for size in widest) <= width:
            return columns
    return 1
