"""Significance, limit and signal strength from the histograms of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Any

__all__ = ["fit"]


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
