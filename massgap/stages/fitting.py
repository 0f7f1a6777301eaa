"""Significance, limit and signal strength: from the histograms of a run, and of any HistFactory workspace."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from massgap.fits.planes.cross_sections import CrossSections
    from massgap.fits.planes.options import PlaneResult
    from massgap.fits.workspace_fit import WorkspaceFit, WorkspaceFitOptions

__all__ = ["LIMITS_FORMAT", "WorkspaceLimits", "cross_sections", "fit", "limit", "plane"]

LIMITS_FORMAT = "massgap-limits/1"


def fit(run_folder: str | Path | Sequence[str | Path], out: str | Path | None = None, **options: Any) -> Any:
    """Fit the histograms of a run, or of several together; see :func:`massgap.fits.fit_run.fit_run`.

    Parameters
    ----------
    run_folder
        Folder written by ``massgap run`` (with a model for the score), or several.
    out
        Fit folder; by default ``fit`` in the run folder, and of several runs in the first one ``fit_``, followed by the names
        of the others.

    Returns
    -------
    massgap.fits.fit_run.FitResult

    Raises
    ------
    massgap.fits.errors.FitError
        With the file, histogram, bin or option at fault.
    """
    from massgap.fits.fit_run import fit_run

    runs = [Path(run_folder)] if isinstance(run_folder, str | Path) else [Path(run) for run in run_folder]
    if out is None and runs:
        out = runs[0] / "_".join(["fit", *(run.absolute().name for run in runs[1:])])
    return fit_run(runs, out or "fit", **options)


@dataclass(frozen=True)
class WorkspaceLimits:
    """What was found for every signal.

    Attributes
    ----------
    points : list of WorkspaceFit
        In the order of the patch set; one without a patch set.
    options : WorkspaceFitOptions
    out : path or None
        File that was written.
    """

    points: list[WorkspaceFit] = field(repr=False)
    options: WorkspaceFitOptions
    out: Path | None = None

    @property
    def converged(self) -> bool:
        """Whether all fits of all signals converged."""
        return all(point.converged for point in self.points)


def limit(
    workspace: str | Path,
    out: str | Path | None = None,
    *,
    patch_set: str | Path | None = None,
    patches: Sequence[str] = (),
    options: WorkspaceFitOptions | None = None,
    progress: Callable[[int, int], None] | None = None,
    toys_done: Callable[[int], None] | None = None,
) -> WorkspaceLimits:
    """Test the signal of a workspace, or all those of a patch set on it.

    Parameters
    ----------
    workspace
        HistFactory JSON.
    out
        JSON file for the results; none is written by default.
    patch_set, patches
        Patch set of pyhf, or a single JSON patch; and names of the patches that are wanted, by default all.
    options
        What is asked.
    progress
        Gets the number of signals done, and that of all.
    toys_done
        Gets the number of toys of each block that is done.

    Returns
    -------
    WorkspaceLimits

    Raises
    ------
    massgap.errors.MassgapError
        If a file cannot be read, is no workspace, or an option makes no sense.

    Examples
    --------
    >>> limit("workspace.json").points[0].results["upper_limit"]["observed"]  # doctest: +SKIP
    """
    from massgap.contracts.writing import digest, prepare_folder, versions, write_json
    from massgap.fits.workspace_fit import WorkspaceFitOptions, fit_workspace
    from massgap.fits.workspaces.patch_sets import Patch, patches_of
    from massgap.fits.workspaces.schema import validate_workspace

    options = options or WorkspaceFitOptions()
    workspace = Path(workspace)
    document = _document(workspace, "a HistFactory workspace in the JSON form of pyhf")
    if not isinstance(document, dict) or "channels" not in document:
        raise _not(workspace, "a HistFactory workspace in the JSON form of pyhf (it has no channels)")
    wanted = [Patch("", {}, [])]
    if patch_set is not None:
        wanted = patches_of(_document(Path(patch_set), "a patch set of pyhf, or a JSON patch"), patches)
    points: list[WorkspaceFit] = []
    for patch in wanted:
        complete = patch.apply(document) if patch.operations else document
        if not points:
            # Patches of one set change the signal: what holds for the first holds for all.
            validate_workspace(complete)
        points.append(
            fit_workspace(complete, options, name=patch.name, values=patch.values, progress=toys_done)
        )
        if progress is not None:
            progress(len(points), len(wanted))
    if out is not None:
        out = Path(out)
        prepare_folder(out.parent)
        content = {
            "format": LIMITS_FORMAT,
            "workspace": workspace.name,
            "digest": digest(document),
            "patch_set": None if patch_set is None else Path(patch_set).name,
            "options": asdict(options),
            "versions": versions(),
            "points": [point.as_dict() for point in points],
        }
        write_json(out, content, default=None, allow_nan=False)
    return WorkspaceLimits(points, options, out)


def plane(
    run_folders: str | Path | Sequence[str | Path],
    out: str | Path | None = None,
    *,
    xsec: str | Path = "own",
    masses: str | Path | None = None,
    model: str | Path | dict[str, str | Path] | None = None,
    workers: int = 1,
    plane_options: Mapping[str, Any] | None = None,
    **options: Any,
) -> PlaneResult:
    """Test every signal of runs; see :func:`massgap.fits.planes.plane_run.plane_runs`.

    Parameters
    ----------
    run_folders
        Run folder, or several.
    out
        Plane folder; by default ``plane`` in the first run folder.
    xsec
        ``own`` for the cross sections of the samples, the name of a set of the analysis, or a file.
    masses
        File of masses by process, in place of those of the samples.
    model
        Models whose scores the run is to have, see :func:`massgap.stages.processing.with_scores`: a run without them is made again
        with them, in ``scored`` in its folder.
    workers
        Processes that fit.
    plane_options
        More of :class:`massgap.fits.planes.options.PlaneOptions`.
    **options
        Of :func:`massgap.fits.planes.plane_run.plane_runs`.

    Returns
    -------
    massgap.fits.planes.options.PlaneResult

    Raises
    ------
    massgap.errors.MassgapError
        With the file, signal, bin or option at fault.
    """
    from massgap.fits.planes.cross_sections import read_masses
    from massgap.fits.planes.options import PlaneOptions
    from massgap.fits.planes.plane_run import plane_runs
    from massgap.runner.executors.local import FuturesExecutor

    folders = [run_folders] if isinstance(run_folders, (str, Path)) else list(run_folders)
    if model is not None:
        from massgap.stages.processing import with_scores

        folders = [with_scores(folder, model, workers=workers) for folder in folders]
    asked = PlaneOptions(
        cross_sections=cross_sections(xsec, folders),
        masses=None if masses is None else read_masses(masses),
        **(plane_options or {}),
    )
    return plane_runs(
        folders,
        Path(folders[0]) / "plane" if out is None else out,
        plane=asked,
        executor=FuturesExecutor(workers) if workers > 1 else None,
        **options,
    )


def cross_sections(name: str | Path, run_folders: Sequence[str | Path]) -> CrossSections | None:
    """A set of cross sections by name, or of a file.

    Parameters
    ----------
    name
        ``own``, a set that the studies have for the analysis of the runs, or a JSON or CSV file.
    run_folders
        The runs.

    Returns
    -------
    CrossSections or None
        None for those of the samples.

    Raises
    ------
    massgap.errors.MassgapError
        If there is no such set or file, or it cannot be read.
    """
    from massgap.contracts.run_folder import open_run
    from massgap.fits.errors import PlaneError
    from massgap.fits.planes.cross_sections import read_cross_sections
    from massgap.studies.cross_sections import cross_section_sets

    if str(name) == "own":
        return None
    analysis = open_run(run_folders[0]).description.analysis
    sets = cross_section_sets(analysis)
    if str(name) in sets:
        return read_cross_sections(sets[str(name)], str(name))
    if not Path(name).is_file():
        known = ", ".join(["own", *sets])
        message = (
            f"There is no set of cross sections '{name}' for the analysis '{analysis}', and no file of that name (--xsec); "
            f"there are: {known}. Or give a JSON or CSV file of them (--xsec FILE)."
        )
        raise PlaneError(message)
    return read_cross_sections(name)


def _document(path: Path, what: str) -> Any:
    from massgap.fits.errors import WorkspaceError

    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror}). Give the file of {what}."
        raise WorkspaceError(message) from error
    except ValueError as error:
        raise _not(path, f"{what} ({error})") from error


def _not(path: Path, what: str) -> Exception:
    from massgap.fits.errors import WorkspaceError

    return WorkspaceError(f"{path} is not {what}. The command pyhf xml2json makes one of HistFactory XML.")
