"""The report: one HTML page that needs nothing but itself."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from massgap.reports.run.inputs import read_inputs

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.reports.run.chapters import Chapter


def write_report(
    run_folder: str | Path,
    model_folder: str | Path | Mapping[str, str | Path] | None = None,
    fit_folder: str | Path | None = None,
    out: str | Path = "report.html",
    title: str | None = None,
    *,
    chapters: Sequence[Chapter] = (),
) -> Path:
    """Write the report of a run, and of the model and the fit that belong to it.

    Figures and style are inside the page: it can be sent by mail and opened without a network.
    The same folders give the same bytes; the times in the page are those of the run.

    Parameters
    ----------
    run_folder
        What `massgap run` wrote.
    model_folder, fit_folder
        What `massgap train` and `massgap fit` wrote, of several models score -> folder; the chapters of an absent one are
        left out, with a sentence that says what makes them.
    out
        The file to write.
    title
        Title of the page; by default that of the analysis.
    chapters
        Further chapters, for instance those of a study.

    Returns
    -------
    pathlib.Path
        The file that was written.

    Raises
    ------
    massgap.contracts.errors.RunFolderError
        If the run folder or one of its files is missing, damaged or of another format.
    MissingInput
        If the model or fit folder or one of its files is not there.
    UnreadableInput
        If one of their files is damaged or of another format.
    ReportError
        If the page cannot be written.
    """
    inputs = read_inputs(run_folder, model_folder, fit_folder)
    # matplotlib and mplhep load here, after all that can be wrong with the folders was said.
    from massgap.reports.html.html import page, write_page
    from massgap.reports.run import (
        bookkeeping,
        distributions,
        fit,
        score,
        summary,
        training,
        yields,
    )
    from massgap.reports.run.chapters import placed

    found = [
        summary.summary(inputs),
        yields.cutflow_section(inputs),
        yields.sample_section(inputs),
        score.score_section(inputs),
        fit.fit_section(inputs),
        training.training_section(inputs),
        distributions.nminus1_plots(inputs),
        distributions.distributions(inputs),
        bookkeeping.ledger_section(inputs),
        bookkeeping.provenance_section(inputs),
    ]
    sections = [section for section in found if section is not None]
    described = inputs.description.title or inputs.manifest.get("analysis", "analysis")
    text = page(
        title or f"massgap report: {described}",
        f"Run {inputs.run_name}, made {inputs.manifest.get('created', 'at an unknown time')}",
        placed(sections, chapters, inputs, end="ledger"),
    )
    path = Path(out)
    write_page(path, text)
    return path
