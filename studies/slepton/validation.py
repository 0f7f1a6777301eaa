"""The numbers of the slepton paper beside those of a study, or of a single run: Tables I, III and IV, the text, and beyond."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.studies.comparison import Compared, compare
from massgap.studies.errors import StudyError
from massgap.studies.slepton.numbers.folders import Folders, paper, printed_precuts
from massgap.studies.slepton.numbers.gain import beyond
from massgap.studies.slepton.numbers.statements import statements, steps
from massgap.studies.slepton.numbers.tables import arithmetic, table_four, table_one, table_three

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ARITHMETIC", "Folders", "paper", "validate"]

ARITHMETIC = "Table III from Table I"
"""The comparison that no run takes part in."""


def validate(folder: str | Path | Folders) -> list[Compared]:
    """Compare a run with the paper.

    Parameters
    ----------
    folder
        Folder of the study, a run folder, or the folders themselves.

    Returns
    -------
    list of Compared
        Table I, Table III and its arithmetic, and statements of the text.  What the run cannot say is absent: Table III
        needs a fit of the score and the ranks a model.

    Raises
    ------
    massgap.errors.MassgapError
        If there is no run, or a file of it cannot be read.
    """
    folders = folder if isinstance(folder, Folders) else Folders.find(folder)
    if (analysis := folders.opened.description.analysis) not in ("", "slepton"):
        message = (
            f"{folders.run} is a run of the analysis '{analysis}': give one of slepton, or a folder of "
            "massgap study slepton"
        )
        raise StudyError(message)
    printed = paper()
    first = table_one(folders)
    third, normalised = table_three(folders)
    fourth, orderings = table_four(folders)
    pre_cuts = first.get(("tt", "pre-cuts"))
    facts = {
        "met": "detector",
        **folders.opened.manifest.get("options", {}),
        "tt_above": pre_cuts is not None and pre_cuts[0] > printed_precuts(printed, "tt"),
    }
    numbers = {
        "Table I": first,
        ARITHMETIC: arithmetic(printed),
        "Table III": third,
        "Table III, normalised": normalised,
        "Table IV": fourth,
        "Table IV, orderings": orderings,
        "Text": statements(folders),
        "Steps of the authors' files": steps(folders),
        "Beyond the paper": beyond(folders),
    }
    return [
        row
        for name, ours in numbers.items()
        for row in compare(printed.tables[name], ours, printed.causes, facts)
    ]
