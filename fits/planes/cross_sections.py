"""Cross sections of the signals of a plane: those of the samples, or a table by masses or by name.

A table is a JSON file ``{"format": "massgap-cross-sections/1", "source": "...", "sqrt_s_tev": 13, "points": [{"process": ...
or "masses": {...}, "fb": ..., "uncertainty": ...}]}`` or a CSV file with the columns ``process`` or masses by name, ``fb`` and
``uncertainty``; an uncertainty is in fb, or a text as "5%". A table of a single mass is interpolated between its entries, in the
logarithms of mass and cross section, and never beyond them.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.writing import read_json
from massgap.fits.errors import PlaneError

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.fits.planes.points import PlanePoint

__all__ = [
    "CROSS_SECTIONS_FORMAT",
    "CrossSections",
    "own_cross_sections",
    "read_cross_sections",
    "read_masses",
]

CROSS_SECTIONS_FORMAT = "massgap-cross-sections/1"
_REMEDY = 'Write {"format": "massgap-cross-sections/1", "points": [{"process": "NAME", "fb": 1.2, "uncertainty": "5%"}]}, or a CSV file with these columns (--xsec FILE).'
_VALUES = ("process", "fb", "uncertainty")


@dataclass(frozen=True)
class CrossSections:
    """A set of cross sections.

    Attributes
    ----------
    name, source : str
        What it is called, and where the numbers come from.
    rows : tuple of dict
        ``process`` or ``masses``, ``fb``, ``uncertainty`` (fb, None if not known).
    sqrt_s_tev : float or None
        Energy that they are of.
    """

    name: str
    source: str
    rows: tuple[Mapping[str, Any], ...] = field(repr=False)
    sqrt_s_tev: float | None = None

    def of(self, point: PlanePoint) -> tuple[float, float | None]:
        """Cross section of a signal and its uncertainty, in fb.

        Raises
        ------
        PlaneError
            If the table has none, or two.
        """
        found = [row for row in self.rows if row.get("process") == point.process]
        found = found or [row for row in self.rows if _same(row.get("masses"), point.masses)]
        if len(found) > 1:
            message = f"The cross sections {self.name} have {len(found)} entries for the signal '{point.process}' ({_text(point.masses)}): leave one in the file (--xsec FILE)."
            raise PlaneError(message)
        if found:
            return found[0]["fb"], found[0]["uncertainty"]
        return self._between(point)

    def _between(self, point: PlanePoint) -> tuple[float, float | None]:
        """Interpolated in the one mass of the table."""
        columns = {name for row in self.rows for name in row.get("masses") or {}}
        lacking = f"The cross sections {self.name} have none for the signal '{point.process}' ({_text(point.masses)})"
        remedy = "give a file that has it (--xsec FILE), the cross sections of the samples (--xsec own), or leave it out (--signal for each of the others)."
        if len(columns) != 1 or not (name := next(iter(columns))) in point.masses:
            message = f"{lacking}: {remedy}"
            raise PlaneError(message)
        table = sorted((row for row in self.rows if row.get("masses")), key=lambda row: row["masses"][name])
        at = np.array([row["masses"][name] for row in table])
        m = point.masses[name]
        if not at[0] <= m <= at[-1]:
            message = f"{lacking}; they reach from {name} = {at[0]:g} to {at[-1]:g} GeV: {remedy}"
            raise PlaneError(message)
        fb = np.array([row["fb"] for row in table])
        value = float(np.exp(_log_log(at, np.log(fb), m)))
        if any(row["uncertainty"] is None for row in table):
            return value, None
        relative = np.array([row["uncertainty"] for row in table]) / fb
        return value, value * float(_log_log(at, relative, m))


def own_cross_sections(points: Sequence[PlanePoint]) -> CrossSections:
    """Those of the generated samples, with their statistical errors."""
    rows = tuple(
        {"process": point.process, "fb": point.own_fb, "uncertainty": point.own_error_fb or None}
        for point in points
    )
    return CrossSections("own", "metadata of the samples", rows)


def read_cross_sections(path: str | Path, name: str | None = None) -> CrossSections:
    """Read a table.

    Parameters
    ----------
    path : path
        JSON or CSV file.
    name : str, optional
        What the set is called; default the name of the file.

    Raises
    ------
    PlaneError
        If it cannot be read, or an entry makes no sense.
    """
    path = Path(path)
    content: dict[str, Any] = {}
    entries: Any
    if path.suffix.lower() == ".csv":
        entries = _csv(path, "process or masses, fb and uncertainty (--xsec FILE)")
    else:
        content = read_json(path, CROSS_SECTIONS_FORMAT, remedy=_REMEDY, error=PlaneError)
        entries = content.get("points", [])
    if not isinstance(entries, list) or not entries:
        message = f"{path} has no cross sections. {_REMEDY}"
        raise PlaneError(message)
    rows = tuple(_row(entry, i, path) for i, entry in enumerate(entries, 1))
    energy = content.get("sqrt_s_tev")
    return CrossSections(
        name or path.name,
        str(content.get("source") or path.name),
        rows,
        None if energy is None else float(energy),
    )


def read_masses(path: str | Path) -> dict[str, dict[str, float]]:
    """Masses by process, from a JSON object ``{process: {name: GeV}}`` or a CSV file with the column ``process``.

    Raises
    ------
    PlaneError
        If it cannot be read, or an entry makes no sense.
    """
    path = Path(path)
    columns = "process, and one for each mass in GeV (--masses FILE)"
    out: dict[str, dict[str, float]] = {}
    entries: list[tuple[Any, Any]]
    if path.suffix.lower() == ".csv":
        entries = [(entry.pop("process", None), entry) for entry in _csv(path, columns)]
    else:
        remedy = 'Write {"NAME": {"m_parent": 200, "m_child": 150}} (--masses FILE).'
        entries = list(read_json(path, remedy=remedy, error=PlaneError).items())
    for process, masses in entries:
        if not process or process in out or not isinstance(masses, dict) or not masses:
            message = f"{path}: each process has one row of masses, but '{process}' has none or two. The columns are {columns}."
            raise PlaneError(message)
        out[str(process)] = {
            str(k): _number(v, f"{path}: mass '{k}' of '{process}'", least=0.0) for k, v in masses.items()
        }
    return out


def _csv(path: Path, columns: str) -> list[dict[str, Any]]:
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        message = f"{path} cannot be read ({getattr(error, 'strerror', None) or error}). Give a CSV file with the columns {columns}."
        raise PlaneError(message) from error
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    rows = list(csv.DictReader(io.StringIO("\n".join(lines)), skipinitialspace=True))
    for i, row in enumerate(rows, 1):
        if None in row or None in row.values():
            message = (
                f"{path}: row {i} has not as many entries as there are columns. The columns are {columns}."
            )
            raise PlaneError(message)
    return [{str(k).strip(): v.strip() for k, v in row.items()} for row in rows]


def _row(entry: Any, number: int, path: Path) -> dict[str, Any]:
    where = f"{path}: entry {number}"
    if not isinstance(entry, dict) or "fb" not in entry:
        message = f"{where} has no fb. {_REMEDY}"
        raise PlaneError(message)
    masses = entry.get("masses") or {k: v for k, v in entry.items() if k not in _VALUES and v != ""}
    if not entry.get("process") and not masses:
        message = f"{where} names neither a process nor masses. {_REMEDY}"
        raise PlaneError(message)
    fb = _number(entry["fb"], f"{where}: fb", least=0.0)
    if fb == 0.0:
        message = f"{where}: a cross section of 0 fb is no signal. Take the entry out (--xsec FILE)."
        raise PlaneError(message)
    given = entry.get("uncertainty")
    uncertainty = None
    if given not in (None, ""):
        text = str(given)
        uncertainty = _number(text.removesuffix("%"), f"{where}: uncertainty", least=0.0)
        uncertainty *= 0.01 * fb if text.endswith("%") else 1.0
    return {
        "process": entry.get("process") or None,
        "masses": {str(k): _number(v, f"{where}: {k}", least=0.0) for k, v in masses.items()} or None,
        "fb": fb,
        "uncertainty": uncertainty,
    }


def _number(value: Any, where: str, *, least: float) -> float:
    try:
        number = float(value)
    except (TypeError, ValueError):
        number = float("nan")
    if not (np.isfinite(number) and number >= least):
        message = f"{where} must be a number of at least {least:g}, not {value!r}. Mend the file."
        raise PlaneError(message)
    return number


def _log_log(at: np.ndarray, values: np.ndarray, where: float) -> float:
    """Monotone pieces of third order in the logarithm of the mass: cross sections are nearly powers of it."""
    from scipy.interpolate import PchipInterpolator

    x, to = (np.log(at), np.log(where)) if at[0] > 0.0 else (at, where)
    return float(PchipInterpolator(x, values)(to))


def _same(masses: Mapping[str, float] | None, of: Mapping[str, float]) -> bool:
    """Whether all masses of an entry are those of a signal; the signal may have more."""
    return bool(masses) and all(k in of and abs(of[k] - v) < 1e-6 for k, v in (masses or {}).items())


def _text(masses: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:g} GeV" for name, value in masses.items())
