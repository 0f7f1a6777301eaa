"""Table I and the steps of the topology with other responses of the detector, beside those of the study."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.contracts.study_folder import open_study
from massgap.studies.slepton.numbers.folders import Folders, paper
from massgap.studies.slepton.numbers.statements import steps
from massgap.studies.slepton.numbers.tables import table_one
from massgap.studies.slepton.places import OTHER_DETECTORS

if TYPE_CHECKING:
    from massgap.studies.markdown import FurtherTable

    Number = tuple[float, float | None]

__all__ = ["detector_table"]

PROCESSES = ("mumu", "tautau", "tt", "ZZ")
HEADER = ("Number", "Paper", "Here", "Cells of the calorimeter", "R = 0.5 and multiple interactions")
STEPS_TABLE = "Steps of the authors' files"


def detector_table(folders: Folders) -> FurtherTable | None:
    """What Table I and the MET step would be with hadrons in cells of the calorimeter, or wide jets and multiple interactions.

    Returns
    -------
    FurtherTable or None
        None where no such samples were made.
    """
    from massgap.studies.markdown import FurtherTable

    if folders.study is None:
        return None
    done = open_study(folders.study).runs
    places = [f"detectors/{name}" for name in OTHER_DETECTORS]
    if not done.keys() & set(places):
        return None
    runs = [folders, *(Folders(folders.study / place) if place in done else None for place in places)]
    tables = [{} if run is None else {**table_one(run), **steps(run)} for run in runs]
    rows = []
    for process in PROCESSES:
        for column in ("topology", "pre-cuts", "efficiency", "MET", "one jet"):
            found = [table.get((process, column)) for table in tables]
            if any(found):
                rows.append((_words(process, column), _printed(process, column), *found))
    note = (
        "The same selection of samples made with the card cms-towers, and with the card cms-wide-jets and multiple interactions. "
        "MET and one jet are efficiencies of these steps in the authors' order, beside those of their files. Cross sections in fb."
    )
    return FurtherTable("Other responses of the detector", HEADER, tuple(rows), note)


def _words(process: str, column: str) -> str:
    return f"{process}: {column}{' step' if column in ('MET', 'one jet') else ''}"


def _printed(process: str, column: str) -> Number | None:
    for name in ("Table I", STEPS_TABLE):
        table = paper().tables[name]
        if process in table.rows and column in table.columns:
            value = table.values[table.rows.index(process)][table.columns.index(column)]
            return None if value is None else (float(value), None)
    return None
