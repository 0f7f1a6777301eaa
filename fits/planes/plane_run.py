"""From run folders to a plane folder: what ``massgap plane`` does, as a plain function."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.folder_lock import locked_folder
from massgap.contracts.plane_folder import PLANE_FORMAT, write_plane_folder
from massgap.contracts.run_folder import open_run
from massgap.contracts.writing import digest, prepare_folder, versions
from massgap.fits.combination.requests import luminosities_of
from massgap.fits.combination.runs import backgrounds_of, planned_runs, require_disjoint
from massgap.fits.errors import PlaneError
from massgap.fits.inference.bootstrap.points import replica_source
from massgap.fits.plan import FitOptions
from massgap.fits.planes.contours import contours_of
from massgap.fits.planes.cross_sections import own_cross_sections
from massgap.fits.planes.filling import fill_plane
from massgap.fits.planes.finished import FinishedPoints
from massgap.fits.planes.options import PlaneOptions, PlaneResult
from massgap.fits.planes.points import axes_of, plane_points
from massgap.fits.planes.preparation import prepare_plane
from massgap.fits.planes.tasks import fit_points

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping, Sequence

    from massgap.contracts.run_folder import RunFolder
    from massgap.fits.plan import FitPlan
    from massgap.fits.planes.cross_sections import CrossSections
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
    renamed: Mapping[str, str] | None = None,
    allow_overlap: bool = False,
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
    renamed : mapping, optional
        Process -> name in the likelihood, see :func:`massgap.fits.combination.planned_runs`.
    allow_overlap : bool
        Take regions and runs together that share events, or may do so, and say so.
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
    if options.toys is not None:
        options.toys.check_engine(options.engine)
    runs, warnings = _open(run_folders, accept_loss=accept_loss)
    lumis = luminosities_of(runs, list(luminosities) or None)
    planned = planned_runs(runs, options, plan, renamed)
    points = plane_points(planned, plane.masses, plane.signals)
    axes = axes_of(points, plane.x, plane.y)
    sections = plane.cross_sections or own_cross_sections(points)
    energy = _energy(runs, sections)
    disjoint, doubts = require_disjoint(planned, allow_overlap=allow_overlap)
    warnings += doubts
    replicas = replica_source(planned, options)
    used = backgrounds_of(planned) if backgrounds is None else sorted(backgrounds)
    prepare_folder(out)
    with locked_folder(out):
        prepared = []
        for lumi_fb in lumis:
            at = replace(options, use_data=options.use_data and _sees_data(runs, lumi_fb, lumis))
            filled = fill_plane(planned, [point.process for point in points], used, at, lumi_fb)
            one = prepare_plane(
                filled,
                points,
                sections,
                at,
                profile_cross_section=plane.profile_cross_section,
                replicas=replicas,
            )
            prepared.append(one)
            warnings += [*filled.filled.warnings, *one.notes]
            if options.use_data and not at.use_data and any(run.data for run in runs):
                warnings.append(
                    f"At {lumi_fb:g} fb-1 nothing is observed: the data of the run are of another luminosity."
                )
        finished = FinishedPoints(Path(out))
        known = set(finished.results)
        found, keys = _fit(prepared, axes, plane, finished, executor, progress)
        files, workspaces = _files(prepared, list(points[0].masses))
        results = {
            "format": PLANE_FORMAT,
            "runs": [_described(run) for run in runs],
            "disjoint": disjoint,
            "level": options.level,
            "luminosities": lumis,
            "sqrt_s_tev": energy,
            "xsec": _described_sections(sections, plane),
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


def _open(run_folders: Sequence[str | Path], *, accept_loss: bool) -> tuple[list[RunFolder], list[str]]:
    if not run_folders:
        message = "A plane needs at least one run folder: massgap plane RUN."
        raise PlaneError(message)
    runs, warnings = [], []
    for folder in run_folders:
        run = open_run(folder)
        loss = run.require_complete(accept_loss=accept_loss)
        if loss:
            warnings.append(f"The run {run.path} is incomplete and its loss was accepted: {loss}.")
        runs.append(run)
    return runs, warnings


def _sees_data(runs: Sequence[RunFolder], lumi_fb: float, lumis: Sequence[float]) -> bool:
    """Data are of one luminosity: the only one that is asked for, or that of the analysis."""
    return len(lumis) == 1 or all(lumi_fb == run.description.luminosity for run in runs)


def _energy(runs: Sequence[RunFolder], sections: CrossSections) -> float | None:
    """Energy of the signals (TeV), None if it is not known; cross sections of another one are refused."""
    energies = {
        float(metadata["sqrt_s_tev"])
        for run in runs
        for metadata in run.manifest["datasets"].values()
        if metadata.get("is_signal") and metadata.get("sqrt_s_tev") is not None
    }
    if len(energies) > 1:
        message = (
            f"The signals are of several energies ({', '.join(f'{e:g}' for e in sorted(energies))} TeV): a plane is of one. Give "
            "runs of one energy."
        )
        raise PlaneError(message)
    energy = next(iter(energies), None)
    if sections.sqrt_s_tev is not None and energy not in (None, sections.sqrt_s_tev):
        message = (
            f"The cross sections {sections.name} are of {sections.sqrt_s_tev:g} TeV, the samples of {energy:g} TeV. Give a file "
            "of the same energy (--xsec FILE), or take those of the samples (--xsec own)."
        )
        raise PlaneError(message)
    return energy


def _described(run: RunFolder) -> dict[str, Any]:
    return {
        "path": str(run.path),
        "analysis": run.description.analysis,
        "code_hash": run.manifest.get("code_hash"),
        "fileset_hash": run.manifest.get("fileset_hash"),
    }


def _described_sections(sections: CrossSections, plane: PlaneOptions) -> dict[str, Any]:
    return {"set": sections.name, "source": sections.source, "profiled": plane.profile_cross_section}


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
            ("warnings", [*drawn.warnings, *_told(rows)]),
        ):
            out[name] += entries
    return out, keys


def _told(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """What was to be said of single points, each sentence once, with how many more it holds for."""
    out = []
    sentences: dict[str, list[str]] = {}
    for row in rows:
        if row["small_counts"]:
            sentences.setdefault("small counts", []).append(f"{row['name']}: {row['small_counts']}")
        for what in ("uncertainty", "toys"):
            for sentence in (row[what] or {}).get("warnings", ()):
                sentences.setdefault(sentence[:40], []).append(f"{row['name']}: {sentence}")
    for found in sentences.values():
        more = f" (and {len(found) - 1} more of {len(rows)} points like it)" if len(found) > 1 else ""
        out.append(f"{found[0]}{more}")
    return out


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
