"""The numbers of the mass-unspecific paper beside those of a study folder: efficiencies of the cuts, and orderings."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from massgap.contracts.run_folder import open_run
from massgap.contracts.study_folder import STUDY_FILE, open_study
from massgap.studies.comparison import Compared, compare
from massgap.studies.errors import StudyError
from massgap.studies.tables import Paper, read_paper

if TYPE_CHECKING:
    from massgap.studies.vlq.numbers.measured import Numbers

__all__ = ["paper", "validate"]


def paper() -> Paper:
    """The paper's numbers, out of the data file beside this module."""
    return read_paper(Path(__file__).with_name("paper_tables.json"))


def validate(folder: str | Path) -> list[Compared]:
    """Compare a study, or a single run of its analysis, with the paper.

    Parameters
    ----------
    folder
        Folder of the study, or a run folder: it says nothing of classifiers.

    Returns
    -------
    list of Compared
        The table of efficiencies, and statements of the text.

    Raises
    ------
    massgap.errors.MassgapError
        If there is no run, or a file of it cannot be read.
    """
    from massgap.studies.vlq.numbers.measured import (
        MASSES,
        cut_efficiencies,
        edge_jumps,
        event_numbers,
        orderings,
        shapes,
    )
    from massgap.studies.vlq.numbers.performance import performance_of

    folder = Path(folder)
    run = next((p for p in (folder / "run", folder) if (p / "manifest.json").is_file()), None)
    if run is None:
        message = (
            f"{folder} holds no run (a folder with manifest.json, or run in it): `massgap study vlq --out {folder}` "
            "makes all."
        )
        raise StudyError(message)
    if (analysis := open_run(run).description.analysis) not in ("", "vlq"):
        message = (
            f"{run} is a run of the analysis '{analysis}': give one of vlq, or a folder of massgap study vlq"
        )
        raise StudyError(message)
    printed, numbers = paper(), {"Preselection": cut_efficiencies(run)}
    performance = None if run == folder else performance_of(folder)
    stated: Numbers = {}
    events: Numbers = {}
    if performance is not None:
        points = [performance.at(mass) for mass in MASSES if mass in performance.masses]
        flat = performance.has_flat
        stated = orderings(
            points, shapes(performance) if flat else None, edge_jumps(performance) if flat else None
        )
        events = event_numbers(performance, points)
    numbers |= {"Orderings": stated, "Events": events}
    facts = {"small": open_study(folder).small} if (folder / STUDY_FILE).is_file() else {}
    return [
        row
        for name, ours in numbers.items()
        for row in compare(printed.tables[name], ours, printed.causes, facts)
    ]
