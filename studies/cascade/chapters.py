"""What the report of the study shows besides: the paper's tables, and what the scan has found."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.contracts.writing import read_json
from massgap.reports.run.chapters import Chapter
from massgap.studies.cascade.validation import FORMAT, paper, validate
from massgap.studies.comparison import compared_html

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.reports.html.html import Markup
    from massgap.reports.run.inputs import Inputs

__all__ = ["chapters"]


def chapters() -> tuple[Chapter, ...]:
    """The chapters of a report on a run of this study."""
    return (
        Chapter("Beside the paper", beside_the_paper, after="cutflow"),
        Chapter("Networks, orderings, spins", what_was_found, after="cutflow"),
    )


def _study(inputs: Inputs) -> Path | None:
    """The folder of the study that a run is in, None for a run alone."""
    folder = inputs.run_folder.resolve().parent
    return folder if (folder / "scan" / "scan.json").is_file() else None


def beside_the_paper(inputs: Inputs) -> Markup | None:
    """The tables of the paper beside the numbers of this study."""
    folder = _study(inputs)
    return None if folder is None else compared_html(validate(folder), paper())


def what_was_found(inputs: Inputs) -> Markup | None:
    """The lines that ``massgap scan`` prints."""
    from massgap.reports.html.html import join, paragraph

    folder = _study(inputs)
    if folder is None:
        return None
    found = read_json(folder / "scan" / "scan.json", FORMAT, remedy="massgap scan cascade makes it.")
    return join(*(paragraph(line) for line in found.get("summary", ())))
