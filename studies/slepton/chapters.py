"""What the report of a slepton run shows besides: the paper's tables, and the shape of M_T2^100."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.contracts.study_folder import STUDY_FILE
from massgap.reports.run.chapters import Chapter
from massgap.studies.comparison import compared_html
from massgap.studies.slepton.numbers.folders import Folders, paper
from massgap.studies.slepton.numbers.gain import further_tables
from massgap.studies.slepton.numbers.statements import HARD_BACKGROUNDS, endpoint_mt2
from massgap.studies.slepton.validation import ARITHMETIC, validate

if TYPE_CHECKING:
    from massgap.reports.html.html import Markup
    from massgap.reports.run.inputs import Inputs

__all__ = ["chapters"]


def chapters() -> tuple[Chapter, ...]:
    """The chapters of a report on a run of this study."""
    return (
        Chapter("Beside the paper", beside_the_paper, after="cutflow"),
        Chapter("What each step buys", gains, after="fit"),
        Chapter("M_T2 of signal and of the hard backgrounds", hard_backgrounds, after="training"),
    )


def _folders(inputs: Inputs) -> Folders:
    """The folders of the complete study that the run is part of, or the run's own."""
    home = inputs.run_folder.parent
    whole = (STUDY_FILE, "scored/manifest.json", "fits/benchmark/results.json")
    if all((home / name).is_file() for name in whole):
        return Folders.find(home)
    return Folders(inputs.run_folder, inputs.fit_folder, inputs.model_folder)


def beside_the_paper(inputs: Inputs) -> Markup | None:
    """Tables I and III, and what the text says, beside the numbers of this run."""
    from massgap.reports.html.html import join, paragraph

    rows = validate(_folders(inputs))
    if not any(row.ours is not None for row in rows if row.table != ARITHMETIC):
        return None
    text = paragraph(
        "Hard numbers must come out, moderate ones depend on details that the paper prints, trends on such that it "
        "does not. A number whose simulation is too small to tell is unclear."
    )
    return join(text, compared_html(rows, paper()))


def gains(inputs: Inputs) -> Markup | None:
    """Expected significance of the benchmark step by step, and of each spectrum with four classifiers."""
    from massgap.reports.html.html import join, paragraph, table

    folders = _folders(inputs)
    if folders.study is None:
        return None
    return join(
        *(
            part
            for found in further_tables(folders)
            for part in (paragraph(found.note), table(found.header, found.texts(), caption=found.title))
            if found.rows
        )
    )


def hard_backgrounds(inputs: Inputs) -> Markup | None:
    """The paper's Fig. 5: the shape of M_T2^100 for the signal and for tt + WW."""
    from massgap.reports.figures import render, shapes
    from massgap.reports.figures.spectra import regions
    from massgap.reports.html.html import figure, grid
    from massgap.reports.html.numbers import number

    histogram = inputs.histograms.get("mt2_100")
    backgrounds = [name for name in HARD_BACKGROUNDS if name in inputs.backgrounds]
    if histogram is None or "precuts" not in regions(histogram) or not backgrounds or not inputs.signals:
        return None
    masses = inputs.masses.get(inputs.signals[0]) or {}
    line = (
        endpoint_mt2(masses["m_slepton"], masses["m_lsp"]) if {"m_slepton", "m_lsp"} <= set(masses) else None
    )
    caption = "After the pre-cuts, each of area one."
    if line is not None:
        caption += f" Without initial-state radiation the signal ends at {number(line, 5)} GeV."
    drawn = shapes(
        histogram,
        signals=inputs.signals,
        backgrounds=backgrounds,
        region="precuts",
        line=line,
        line_label="" if line is None else f"endpoint {line:.1f} GeV",
        description=inputs.description,
        masses=inputs.masses,
    )
    alt = f"Shape of M_T2 with a trial mass of 100 GeV: signal and {' + '.join(backgrounds)}."
    return grid([figure(render(drawn), alt=alt, caption=caption)], wide=True)
