"""What the report of an electroweakino run shows besides: the paper's numbers."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.reports.run.chapters import Chapter
from massgap.studies.comparison import compared_html
from massgap.studies.electroweakino.validation import paper, validate

if TYPE_CHECKING:
    from massgap.reports.html.html import Markup
    from massgap.reports.run.inputs import Inputs

__all__ = ["chapters"]


def chapters() -> tuple[Chapter, ...]:
    """The chapters of a report on a run of this study."""
    return (Chapter("Beside the paper", beside_the_paper, after="cutflow"),)


def beside_the_paper(inputs: Inputs) -> Markup | None:
    """Table II and what the text says, beside the numbers of this run and of the study that it belongs to."""
    from massgap.reports.html.html import join, paragraph

    folder = inputs.run_folder
    study = folder.parent if (folder.parent / "table2" / "run").is_dir() else folder
    rows = validate(study)
    if not any(row.ours is not None for row in rows):
        return None
    text = paragraph(
        "Moderate numbers depend on details that the paper prints, trends on such that it does not. A number whose "
        "simulation is too small to tell is unclear."
    )
    return join(text, compared_html(rows, paper()))
