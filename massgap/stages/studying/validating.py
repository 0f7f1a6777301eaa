"""Numbers of a study beside those of its paper."""

from __future__ import annotations

import re
from collections import Counter
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from massgap.contracts.errors import ContractError
from massgap.contracts.model_folder import open_model
from massgap.contracts.run_folder import open_run
from massgap.contracts.study_folder import STUDY_FILE, StudyFolder, open_study
from massgap.studies.errors import StudyError
from massgap.studies.study import Study, find_study

__all__ = ["Validation", "validate"]

VERSIONS = ("massgap", "pythia8mc", "fastjet", "xgboost", "xgboost-cpu", "coffea", "numpy")
"""Packages whose versions a page names."""
GENERATOR = ("pythia8mc", "fastjet")
"""Those of them that make samples."""


@dataclass(frozen=True)
class Validation:
    """Numbers of a study beside those of its paper.

    Attributes
    ----------
    study, folder
        Which, and where its results are.
    source
        The paper.
    rows
        A :class:`massgap.studies.comparison.Compared` per number.
    chosen
        The study itself.
    """

    study: str
    folder: Path
    source: str
    rows: tuple[Any, ...]
    chosen: Study | None = None

    @property
    def verdicts(self) -> dict[str, int]:
        """Verdict -> how many numbers have it."""
        return dict(Counter(row.verdict for row in self.rows))

    @property
    def holds(self) -> bool:
        """Whether no number that must come out differs for a cause that is not known."""
        return not any(row.kind == "hard" and row.verdict == "differs" for row in self.rows)

    def as_dict(self) -> dict[str, Any]:
        """Plain data, for scripts."""
        return {
            "format": "massgap-validation/1",
            "study": self.study,
            "folder": str(self.folder),
            "source": self.source,
            "holds": self.holds,
            "verdicts": self.verdicts,
            "rows": [row.as_dict() for row in self.rows],
        }

    def warnings(self) -> list[str]:
        """Sentences about a study that is not whole: numbers that are absent are so for this."""
        if not (self.folder / STUDY_FILE).is_file():
            return []
        return [f"{name}: {text}" for name, text in _not_done(open_study(self.folder)).items()]

    def further(self) -> list[Any]:
        """Tables that the paper has not, each a :class:`massgap.studies.markdown.FurtherTable`."""
        study = self.chosen
        return [] if study is None or study.further is None else list(study.further(self.folder))

    def page(self) -> str:
        """A page of Markdown: all numbers, with the date, versions and sizes of what they come from."""
        from massgap.studies.markdown import markdown_page

        study = self.chosen
        printed = None if study is None or study.paper is None else study.paper()
        notes = (
            {}
            if printed is None
            else {t.name: f"{t.title}. {t.note}".strip() for t in printed.tables.values()}
        )
        title = f"The study {self.study} beside its paper"
        return markdown_page(title, self._about(), self.rows, notes, self.further())

    def _about(self) -> dict[str, str]:
        import datetime as dt

        from massgap.contracts.writing import versions

        now = dt.datetime.now(dt.UTC)
        record = open_study(self.folder) if (self.folder / STUDY_FILE).is_file() else None
        own = versions(VERSIONS)
        made = _versions_of(self.folder, record) or {name: {number} for name, number in own.items() if number}
        told = {
            "paper": self.source,
            "written": f"{now:%Y-%m-%d} by `massgap validate {self.study} FOLDER --page FILE`",
            "versions": ", ".join(
                f"{name} {' and '.join(sorted(made[name]))}"
                for name in ("python", *VERSIONS)
                if made.get(name)
            ),
        }
        if generator := [f"{name} {own[name]}" for name in GENERATOR if own.get(name) and name not in made]:
            told["versions"] += f"; {', '.join(generator)} when this was written (samples do not say)"
        if record is not None:
            events = sum(entry["events"] for entry in record.samples.values())
            # Where a folder lies on somebody's disk is nobody else's business.
            command = re.sub(
                r" --out[ =]\S+", " --out FOLDER", record.command or f"massgap study {self.study}"
            )
            told["samples"] = f"{events:,} generated events, seed {record.seed}, `{command}`"
            told |= {
                name: text.replace(str(self.folder), "FOLDER") for name, text in _not_done(record).items()
            }
        return told


def _versions_of(folder: Path, record: StudyFolder | None) -> dict[str, set[str]]:
    """Package -> versions that made the runs and models of a study, or a run, as they say themselves; empty where they do not."""
    places = [folder] if record is None else [record.path / name for name in record.runs]
    told: list[dict[str, Any]] = []
    for place in places:
        with suppress(ContractError):
            told.append(open_run(place).manifest.get("versions") or {})
    models = [] if record is None else [record.path / name for name in record.models]
    for place in models:
        with suppress(ContractError):
            told.append(open_model(place).training.get("versions") or {})
    out: dict[str, set[str]] = {}
    for entry in told:
        for name, number in entry.items():
            out.setdefault(name, set()).update([str(number)] if number else [])
    return out


def _not_done(record: StudyFolder) -> dict[str, str]:
    """What of a study is missing, so that its numbers are absent; empty where all is there."""
    out = {}
    if not record.complete:
        remedy = f"massgap study {record.study} --out FOLDER{' --quick' if record.small else ''}"
        out["not finished"] = (
            f"the study ended before its last step, or is under way; `{remedy}` goes on with it"
        )
    if record.failed:
        out["not done"] = "; ".join(f"{name}: {why}" for name, why in record.failed.items())
    return out


def validate(name: str | Study, folder: str | Path) -> Validation:
    """Put the numbers of a study beside those of its paper; nothing is computed anew.

    Parameters
    ----------
    name
        Name of a study.
    folder
        Its folder, or that of a run of its analysis.

    Returns
    -------
    Validation

    Raises
    ------
    massgap.errors.MassgapError
        If there is no such study, it has no numbers of a paper, or the folder is of another study or holds none.
    """
    chosen = name if isinstance(name, Study) else find_study(name)
    folder = Path(folder)
    if not folder.is_dir():
        msg = f"{folder}: no such folder; massgap study {chosen.name} --out {folder} makes it"
        raise StudyError(msg)
    if chosen.validate is None:
        msg = f"the study {chosen.name!r} has no numbers of a paper to compare with"
        raise StudyError(msg)
    if (folder / STUDY_FILE).is_file() and (other := open_study(folder).study) != chosen.name:
        msg = f"{folder} is a folder of the study {other!r}: massgap validate {other} {folder}"
        raise StudyError(msg)
    return Validation(chosen.name, folder, chosen.source, tuple(chosen.validate(folder)), chosen)
