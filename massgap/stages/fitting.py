"""Significance, limit and signal strength: from the histograms of a run, and of any HistFactory workspace."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from massgap.fits.workspace_fit import WorkspaceFit, WorkspaceFitOptions

__all__ = ["LIMITS_FORMAT", "WorkspaceLimits", "fit", "limit"]

LIMITS_FORMAT = "massgap-limits/1"


def fit(run_folder: str | Path, out: str | Path | None = None, **options: Any) -> Any:
    """Fit a run's histograms; see :func:`massgap.fits.fit_run.fit_run`.

    Parameters
    ----------
    run_folder
        Folder written by ``massgap run`` (with a model for the score).
    out
        Fit folder; by default ``fit`` in the run folder.

    Returns
    -------
    massgap.fits.fit_run.FitResult

    Raises
    ------
    massgap.fits.errors.FitError
        With the file, histogram, bin or option at fault.
    """
    from massgap.fits.fit_run import fit_run

    return fit_run(run_folder, Path(run_folder) / "fit" if out is None else out, **options)


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
        points.append(fit_workspace(complete, options, name=patch.name, values=patch.values))
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
