"""Pages: of a run with its model and fit, of a plane, of generated samples, of benchmarks."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.studies.study import studies_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from massgap.reports.plane.page import PlaneReport
    from massgap.reports.run.chapters import Chapter

__all__ = ["report", "report_benchmarks", "report_plane", "report_samples"]


def report(
    run_folder: str | Path,
    out: str | Path | None = None,
    *,
    model_folder: str | Path | dict[str, str | Path] | None = None,
    fit_folder: str | Path | None = None,
    **options: Any,
) -> Path:
    """Write the HTML report of a run; see :func:`massgap.reports.run.page.write_report`.

    Model and fit folders are found by themselves: the model through the run's manifest or in ``model``,
    the fit in ``fit`` of the run folder.  A run of an analysis that is part of a study has the chapters of that study.

    Parameters
    ----------
    run_folder
        Folder written by ``massgap run``.
    out
        HTML file; by default ``report.html`` in the run folder.
    model_folder, fit_folder
        Where they are not found by themselves; of several models, score -> folder.
    options
        ``title`` and ``chapters`` of :func:`massgap.reports.run.page.write_report`.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    massgap.errors.MassgapError
        If a folder is missing or damaged, or the page cannot be written.
    """
    from massgap.reports.run.page import write_report

    folder = Path(run_folder)
    if model_folder is None:
        model_folder = _found_models(folder)
    if fit_folder is None and (folder / "fit" / "results.json").is_file():
        fit_folder = folder / "fit"
    options.setdefault("chapters", _chapters_of(folder))
    return write_report(
        folder, model_folder, fit_folder, out=folder / "report.html" if out is None else out, **options
    )


def _manifest(folder: Path) -> dict[str, Any]:
    """The manifest of a run; one that cannot be read says nothing here, and is refused by the report itself."""
    try:
        manifest = json.loads((folder / "manifest.json").read_text())
    except (OSError, ValueError):
        return {}
    return manifest if isinstance(manifest, dict) else {}


def _found_models(folder: Path) -> Path | dict[str, str | Path] | None:
    """Folders of the models that scored a run, as its manifest says, by score if there are several; else its own."""
    found: dict[str, Path] = {}
    for name, place in _models_of(folder).items():
        # A model that is asked about several hypotheses was trained once.
        if (place / "training.json").is_file() and place not in found.values():
            found[name] = place
    if len(found) > 1:
        return dict(found)
    own = folder / "model"
    return next(iter(found.values()), own if (own / "training.json").is_file() else None)


def _models_of(folder: Path) -> dict[str, Path]:
    """Score -> folder of the model that scored a run; its file is named, or the folder itself."""
    try:
        models = (_manifest(folder).get("models") or {}).items()
        files = {name: Path(model["file"]) for name, model in models if model.get("file")}
    except (AttributeError, TypeError):
        return {}
    return {name: file if file.is_dir() else file.parent for name, file in files.items()}


def _chapters_of(folder: Path) -> list[Chapter]:
    """What the studies of the run's analysis add to its report."""
    studies = studies_of(str(_manifest(folder).get("analysis")))
    return [chapter for study in studies if study.chapters is not None for chapter in study.chapters()]


def report_plane(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    title: str | None = None,
    overlays: Sequence[str] = (),
    hepdata: bool = False,
) -> PlaneReport:
    """Write the page of a plane, its figures, efficiencies and cutflows, and tables for HEPData.

    See :func:`massgap.reports.plane.page.write_plane_report`.
    """
    from massgap.reports.plane.page import write_plane_report

    return write_plane_report(folder, out, title=title, overlays=overlays, hepdata=hepdata)


def report_samples(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    reference: dict[str, Path] | None = None,
    title: str | None = None,
) -> Path:
    """Write the page of closure plots of generated samples.

    See :func:`massgap.reports.samples.page.write_samples_report`.
    """
    from massgap.reports.samples.page import write_samples_report

    return write_samples_report(folder, out, reference=reference, title=title)


def report_benchmarks(
    results: str | Path, out: str | Path | None = None, *, title: str | None = None
) -> Path:
    """Write the page about a run of the benchmarks.

    See :func:`massgap.reports.benchmarks.page.write_benchmarks_report`.
    """
    from massgap.reports.benchmarks.page import write_benchmarks_report

    return write_benchmarks_report(results, out, title=title)


def benchmarks_table(results: str | Path, text_file: str | Path) -> Path:
    """Write the table of the benchmarks into a text file.

    See :func:`massgap.reports.benchmarks.table.write_benchmarks_table`.
    """
    from massgap.reports.benchmarks.table import write_benchmarks_table

    return write_benchmarks_table(results, text_file)
