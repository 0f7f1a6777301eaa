"""From run folders to a plane folder: what ``massgap plane`` does, as a plain function."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.contracts.folder_lock import locked_folder
from massgap.contracts.plane_folder import PLANE_FORMAT, write_plane_folder
from massgap.contracts.run_folder import open_run
from massgap.contracts.writing import digest, prepare_folder, versions
from massgap.fits.errors import PlaneError
from massgap.fits.plan import FitOptions, make_plan
from massgap.fits.planes.contours import contours_of
from massgap.fits.planes.cross_sections import own_cross_sections
from massgap.fits.planes.filling import fill_plane
from massgap.fits.planes.finished import FinishedPoints
from massgap.fits.planes.options import PlaneOptions, PlaneResult
from massgap.fits.planes.points import axes_of, plane_points
from massgap.fits.planes.preparation import prepare_plane
from massgap.fits.planes.tasks import fit_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.plan import FitPlan
    from massgap.fits.planes.points import Axes
    from massgap.fits.planes.preparation import PreparedPlane

__all__ = ["plane_runs"]


def plane_runs(
    run_folders: Sequence[str | Path],
    out: str | Path,
    luminosities: Sequence[float] = (),
    *,
    plan: FitPlan | None = None,
    backgrounds: Sequence[str] | None = None,
    options: FitOptions | None = None,
    plane: PlaneOptions | None = None,
    accept_loss: bool = False,
    executor: Callable[..., Iterator[tuple[int, Any]]] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> PlaneResult:
    """Test every signal of runs and write the plane folder.

    Parameters
    ----------
    run_folders : sequence of path
        Folders written by runs.
    out : path
        Plane folder; made if needed. Points that were finished in it before are taken over where all that they are made of
        is unchanged.
    luminosities : sequence of float
        In fb-1; default that of the analysis.
    plan : FitPlan, optional
        Histograms and regions that are fitted together; default what ``options`` name, and without that the scores.
    backgrounds : sequence of str, optional
        Default all simulated processes that are no signal.
    options : FitOptions, optional
        Binning, uncertainties, level, engine.
    plane : PlaneOptions, optional
        Signals, masses, cross sections, interpolation.
    accept_loss : bool
        Take runs that have lost events, and say so.
    executor : callable, optional
        As of ``massgap.runner``; default one point after another in this process.
    progress : callable, optional
        Gets the number of points done, and that of all.

    Returns
    -------
    PlaneResult

    Raises
    ------
    massgap.errors.MassgapError
        With the file, signal, bin or option at fault and the remedy.

    Examples
    --------
    >>> plane_runs(["runs/scored"], "planes/x", [137.0, 300.0]).results["contours"]  # doctest: +SKIP
    """
    options, plane = options or FitOptions(), plane or PlaneOptions()
    run, warnings = _one_run(run_folders, accept_loss=accept_loss)
    lumis = _luminosities(luminosities, run)
    points = plane_points([run], plane.masses, plane.signals)
    axes = axes_of(points, plane.x, plane.y)
    sections = plane.cross_sections or own_cross_sections(points)
    energy = _energy(run, [point.process for point in points])
    if sections.sqrt_s_tev is not None and energy not in (None, sections.sqrt_s_tev):
        message = (
            f"The cross sections {sections.name} are of {sections.sqrt_s_tev:g} TeV, the samples of {energy:g} TeV. Give a file "
            "of the same energy (--xsec FILE), or take those of the samples (--xsec own)."
        )
        raise PlaneError(message)
    used = sorted(run.backgrounds if backgrounds is None else backgrounds)
    plan = plan or make_plan(run, options)
    prepare_folder(out)
    with locked_folder(out):
        prepared = []
        for lumi_fb in lumis:
            at = replace(options, use_data=options.use_data and _sees_data(run, lumi_fb, lumis))
            filled = fill_plane(run, plan, [point.process for point in points], used, at, lumi_fb)
            prepared.append(
                prepare_plane(filled, points, sections, at, profile_cross_section=plane.profile_cross_section)
            )
            warnings += filled.filled.warnings
            if options.use_data and run.data and not at.use_data:
                warnings.append(
                    f"At {lumi_fb:g} fb-1 nothing is observed: the data of the run are of another luminosity."
                )
        finished = FinishedPoints(Path(out))
        known = set(finished.results)
        found, keys = _fit(prepared, axes, plane, finished, executor, progress)
        files, workspaces = _files(prepared, list(points[0].masses))
        results = {
            "format": PLANE_FORMAT,
            "runs": [_described(run)],
            "level": options.level,
            "luminosities": lumis,
            "sqrt_s_tev": energy,
            "xsec": {
                "set": sections.name,
                "source": sections.source,
                "profiled": plane.profile_cross_section,
            },
            "axes": axes.as_dict(),
            "points": found["points"],
            "contours": found["contours"],
            "interpolation": found["interpolation"],
            "workspaces": workspaces,
            "options": {**options.as_dict(), **plane.as_dict()},
            "warnings": list(dict.fromkeys([*warnings, *found["warnings"]])),
            "versions": versions(),
            "digest": digest(keys),
        }
        write_plane_folder(Path(out), files, results)
        finished.keep_only(keys)
    return PlaneResult(Path(out), results, len(known & set(keys)))


def _one_run(run_folders: Sequence[str | Path], *, accept_loss: bool) -> tuple[RunFolder, list[str]]:
    if len(run_folders) != 1:
        message = (
            f"A plane is made of one run at present, not of {len(run_folders)}: run the analysis over a fileset with all "
            "samples (massgap run ... --fileset FILE), and give that run."
        )
        raise PlaneError(message)
    run = open_run(run_folders[0])
    loss = run.require_complete(accept_loss=accept_loss)
    return run, [f"The run is incomplete and its loss was accepted: {loss}."] if loss else []


def _luminosities(given: Sequence[float], run: RunFolder) -> list[float]:
    lumis = [float(lumi) for lumi in given]
    if not lumis and run.description.luminosity is None:
        message = f"The analysis of {run.path} names no luminosity: give those to scale to in fb-1, for instance --lumi 137,300."
        raise PlaneError(message)
    lumis = lumis or [float(run.description.luminosity or 0.0)]
    for lumi in lumis:
        if not (np.isfinite(lumi) and lumi > 0.0):
            message = f"A luminosity must be positive, not {lumi:g} fb-1 (--lumi)."
            raise PlaneError(message)
    if len(set(lumis)) < len(lumis):
        message = f"A luminosity is given twice: {', '.join(f'{lumi:g}' for lumi in lumis)} fb-1 (--lumi)."
        raise PlaneError(message)
    return lumis


def _sees_data(run: RunFolder, lumi_fb: float, lumis: Sequence[float]) -> bool:
    """Data are of one luminosity: the only one that is asked for, or that of the analysis."""
    return len(lumis) == 1 or lumi_fb == run.description.luminosity


def _energy(run: RunFolder, processes: Sequence[str]) -> float | None:
    energies = {
        float(metadata["sqrt_s_tev"])
        for metadata in run.manifest["datasets"].values()
        if metadata.get("process") in processes and metadata.get("sqrt_s_tev") is not None
    }
    if len(energies) > 1:
        message = (
            f"The signals of {run.path} are of several energies ({', '.join(f'{e:g}' for e in sorted(energies))} TeV): name "
            "those of one (--signal)."
        )
        raise PlaneError(message)
    return next(iter(energies), None)


def _described(run: RunFolder) -> dict[str, Any]:
    return {
        "path": str(run.path),
        "analysis": run.description.analysis,
        "code_hash": run.manifest.get("code_hash"),
        "fileset_hash": run.manifest.get("fileset_hash"),
    }


def _fit(
    prepared: Sequence[PreparedPlane],
    axes: Axes,
    plane: PlaneOptions,
    finished: FinishedPoints,
    executor: Callable[..., Iterator[tuple[int, Any]]] | None,
    progress: Callable[[int, int], None] | None,
) -> tuple[dict[str, list[Any]], list[str]]:
    """Fit all luminosities: entries of ``plane.json``, and what the points are made of."""
    out: dict[str, list[Any]] = {"points": [], "contours": [], "interpolation": [], "warnings": []}
    keys: list[str] = []
    total, before = sum(len(one.patches) for one in prepared), 0
    for one in prepared:

        def tell(done: int, before: int = before) -> None:
            if progress is not None:
                progress(before + done, total)

        results, made_of = fit_points(one.background, one.patches, finished, executor, tell)
        before += len(one.patches)
        keys += made_of
        rows = one.rows(axes, results)
        drawn = contours_of(rows, axes, plane.interpolation, theory=not plane.profile_cross_section)
        for name, entries in (
            ("points", rows),
            ("contours", drawn.contours),
            ("interpolation", drawn.interpolation),
            ("warnings", drawn.warnings),
        ):
            out[name] += entries
    return out, keys


def _files(
    prepared: Sequence[PreparedPlane], labels: Sequence[str]
) -> tuple[dict[str, str], list[dict[str, Any]]]:
    files: dict[str, str] = {}
    workspaces = []
    for one in prepared:
        suffix = "" if len(prepared) == 1 else f"_{one.filled.lumi_fb:g}"
        texts, entry = one.files(labels, suffix)
        files |= texts
        workspaces.append(entry)
    return files, workspaces
