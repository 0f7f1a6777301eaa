"""The plane folder: what ``massgap plane`` writes, and reports, studies and exports read.

- ``background.json`` and ``patchset.json``: the likelihood without signal, HistFactory JSON that pyhf reads, and a patch set of
  pyhf with a patch per signal; with several luminosities a pair per luminosity, ``background_300.json`` for 300 fb-1;
- ``plane.csv``: a row per signal and luminosity;
- ``points.jsonl``: the fits, for the same command to go on from where it was interrupted;
- ``plane.json``, written last: everything.

``plane.json`` has these entries. Masses are in GeV, cross sections in fb, luminosities in fb-1; what is not known is null.

- ``runs``: list of ``{"path", "analysis", "code_hash", "fileset_hash"}``; ``disjoint``: sentences on why no event is in two
  channels; ``level``: confidence level of the limits;
  ``luminosities``: list; ``sqrt_s_tev``.
- ``xsec``: ``{"set", "source", "profiled"}``: name of the set of cross sections, where it comes from, and whether its
  uncertainty is a parameter of the likelihood (else it is a band of limits and contours).
- ``axes``: ``{"x": {"name", "label", "unit"}, "y": {...} or null, "shape": "plane" | "line" | "point", "forbidden": rule or
  null}``: the masses that span the plane; a label is LaTeX; ``forbidden`` is ``"y > x"`` where the second one is of what the
  first one decays to.
- ``points``: a row per signal and luminosity, luminosity by luminosity: ``name`` (of the patch), ``process``, ``masses``,
  ``x``, ``y`` (y is null on a line), ``lumi_fb``, ``cross_section_fb`` (used), ``cross_section_uncertainty`` (fb, or null),
  ``efficiency`` and ``efficiency_error`` (share of the produced events in all bins of the fit), ``events`` (``{"signal",
  "background", "observed"}`` in all bins), ``cls``, ``upper_limit`` and ``limit_fb`` (each ``{"observed": number or null,
  "expected": [5]}``, from -2 to +2 standard deviations; CLs of the signal with the cross section used, limits in signal
  strength and in fb), ``significance`` (``{"expected", "observed"}``), ``uncertainty`` (object, of the finite
  simulation: ``expected_significance``, ``upper_limit``, ``cls`` as in fits; empty where it was not asked for), ``toys`` (tests
  with toys as in fits, or null), ``small_counts`` (a sentence where the asymptotic formulae may not hold, or null), ``converged``, ``certificate`` (``{"distance", "steps", "flat", "on_bounds",
  "second_start", "fits"}``: the worst of all fits of this row), ``error`` (why not converged, or null). A row that did not
  converge has null in place of ``cls``, ``upper_limit``, ``limit_fb`` and ``significance``, and is never filled in.
- ``contours``: list of ``{"lumi_fb", "what": "exclusion" | "evidence" | "discovery", "level" (of the interpolated quantity),
  "band": 0 | 1 | -1 | "observed", "cross_section": 0 | 1 | -1 (nominal, or moved by its uncertainty), "lines": [[[x, y], ...],
  ...], "open": [bool, ...] (whether a line ends at the edge of the points), "note"}``. On a line of points each of
  ``lines`` is a single ``[x, null]``, a crossing. Without a crossing ``lines`` is empty and ``note`` says why. An exclusion is
  where the limit is 1 times the signal, band 1 that of the expected limit fluctuated up, evidence 3 and discovery 5 sigma.
- ``interpolation``: list of ``{"lumi_fb", "quantity", "method", "left_out": [{"name", "x", "y", "true", "interpolated",
  "inside"}], "mean", "max", "contour_shift": {"mean", "max", "points"} or null}``: every point foretold from the others.
  ``mean`` and ``max`` are of the absolute differences of those inside the others, in units of the quantity; shifts in GeV.
- ``workspaces``: list of ``{"lumi_fb", "workspace", "patch_set", "digest", "parts"}``: names of files of the folder, SHA-256
  digest of the workspace, and its channels with ``binning``, ``yields`` and ``stat_errors`` of the backgrounds (fb), and
  ``observations``; ``options``; ``warnings``; ``versions``; ``digest`` of what everything was made of.
"""

from __future__ import annotations

import csv
import io
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.errors import FolderError, PlaneFolderError
from massgap.contracts.writing import read_json, write_atomically, write_json

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["PLANE_FORMAT", "PlaneFolder", "open_plane", "plane_table", "write_plane_folder"]

PLANE_FORMAT = "massgap-plane/1"
RESULTS, TABLE = "plane.json", "plane.csv"
_BANDS = ("m2", "m1", "median", "p1", "p2")


@dataclass(frozen=True)
class PlaneFolder:
    """A plane folder that has been read.

    Attributes
    ----------
    path
        The folder.
    results
        Content of ``plane.json``, see the module.
    """

    path: Path
    results: dict[str, Any] = field(repr=False)

    def points(self, lumi_fb: float | None = None) -> list[dict[str, Any]]:
        """Rows of a luminosity, by default of the first; those that did not converge are among them."""
        wanted = self.results["luminosities"][0] if lumi_fb is None else lumi_fb
        return [row for row in self.results["points"] if row["lumi_fb"] == wanted]

    def contours(self, lumi_fb: float | None = None, **which: Any) -> list[dict[str, Any]]:
        """Contours of a luminosity, by default of the first, with given values of their entries, as ``what="exclusion"``."""
        wanted = self.results["luminosities"][0] if lumi_fb is None else lumi_fb
        found = [entry for entry in self.results["contours"] if entry["lumi_fb"] == wanted]
        return [entry for entry in found if all(entry[key] == value for key, value in which.items())]


def write_plane_folder(folder: Path, files: Mapping[str, str], results: Mapping[str, Any]) -> None:
    """Write a plane folder, ``plane.json`` last.

    Parameters
    ----------
    folder
        Where; made if needed.
    files
        Name -> text of the workspaces and patch sets.
    results
        Content of ``plane.json``.

    Raises
    ------
    FolderError
        If the folder cannot be written.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        # Without its results an old folder cannot be taken for a new one.
        (folder / RESULTS).unlink(missing_ok=True)
        for pattern in ("background*.json", "patchset*.json"):
            for old in folder.glob(pattern):
                old.unlink()
        for name, text in files.items():
            write_atomically(folder / name, text.encode())
        write_atomically(folder / TABLE, plane_table(results).encode())
        write_json(folder / RESULTS, results, default=None, allow_nan=False)
    except OSError as error:
        reason = error.strerror or str(error)
        message = f"The plane folder {folder} cannot be written ({reason}). Choose another folder (--out)."
        raise FolderError(message) from error


def open_plane(path: str | Path) -> PlaneFolder:
    """Read a plane folder.

    Raises
    ------
    PlaneFolderError
        If it is none, or its results are damaged or of another format.
    """
    folder = Path(path)
    remedy = "Make the plane folder with `massgap plane`; a plane that was interrupted goes on with the same command."
    return PlaneFolder(
        folder, read_json(folder / RESULTS, PLANE_FORMAT, remedy=remedy, error=PlaneFolderError)
    )


def plane_table(results: Mapping[str, Any]) -> str:
    """The rows of a plane as CSV; what is not known, or did not converge, is left empty."""
    masses = list(dict.fromkeys(name for row in results["points"] for name in row["masses"]))
    rows = [_row(row, masses) for row in results["points"]]
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]) if rows else ["name"], lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _row(point: Mapping[str, Any], masses: list[str]) -> dict[str, Any]:
    row: dict[str, Any] = {"name": point["name"], "process": point["process"]}
    row |= {name: point["masses"].get(name) for name in masses}
    for key in (
        "lumi_fb",
        "cross_section_fb",
        "cross_section_uncertainty",
        "efficiency",
        "efficiency_error",
    ):
        row[key] = point[key]
    row |= {f"events_{key}": point["events"][key] for key in ("signal", "background", "observed")}
    for key, column in (("cls", "cls"), ("upper_limit", "limit_mu"), ("limit_fb", "limit_fb")):
        found = point[key] or {"observed": None, "expected": [None] * len(_BANDS)}
        row[f"{column}_observed"] = found["observed"]
        row |= {
            f"{column}_expected_{band}": value for band, value in zip(_BANDS, found["expected"], strict=True)
        }
    significance = point["significance"] or {"expected": None, "observed": None}
    row |= {f"significance_{key}": significance[key] for key in ("expected", "observed")}
    spread = point["uncertainty"] or {}
    median = (spread.get("upper_limit") or {}).get("expected", [None] * len(_BANDS))[2]
    for column, entry in (
        ("significance_expected", spread.get("expected_significance")),
        ("limit_mu_expected_median", median),
    ):
        row[f"{column}_simulation_error"] = None if entry is None else entry["std"]
    certificate = point["certificate"] or {}
    row |= {"converged": point["converged"], "distance": certificate.get("distance")}
    return row | {"second_start": certificate.get("second_start"), "error": point["error"]}
