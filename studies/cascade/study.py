"""The cascade-decays study: signals and backgrounds at parton level, a scan of variables and spectra."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.studies.scan_step import ScanStep
from massgap.studies.study import GenerateStep, ReportStep, RunStep, Study

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from pathlib import Path

    from massgap.reports.run.chapters import Chapter
    from massgap.studies.comparison import Compared
    from massgap.studies.markdown import FurtherTable
    from massgap.studies.tables import Paper

__all__ = ["SIGNALS", "STUDY"]

SIGNALS = tuple(
    f"cascade_{model}_{masses}"
    for model in ("fDM", "sDM")
    for masses in ("691_660_631_600", "390_360_330_300")
)
"""Both spin models at the testing and at the truth spectrum."""
_VARIABLES = "momenta|met,delta4,m_mumugamma"


def _scan(
    out: Path,
    run: Path,
    *,
    variables: str = _VARIABLES,
    spin: str = "fDM,sDM",
    lines: Sequence[str] = (),
    triplets: bool = False,
    beyond: bool = False,
    processes: Sequence[str] = (),
    events: int | None = None,
    quick: bool = False,
    seed: int = 1,
    workers: int = 1,
    announce: Callable[[str], None] | None = None,
    part: Callable[[str, Callable[[], Any]], Any],
) -> Mapping[str, Any]:
    """What ``massgap scan`` does, with sizes of networks for a quick look or for the paper."""
    from massgap.studies.cascade.ensembles.stages import Beyond
    from massgap.studies.cascade.ordering import Training
    from massgap.studies.cascade.scanning.scan import Direction, scan

    training = Training((100, 100, 100), (50, 50), 30, 10, seed) if quick else Training(seed=seed)
    return scan(
        out,
        run,
        variables=variables,
        models=tuple(word.strip() for word in spin.split(",") if word.strip()),
        lines=[Direction.of_text(text) for text in lines],
        triplets=triplets,
        ensembles=0 if not beyond else 20_000 if quick else 100_000,
        further=None if not beyond else Beyond.small() if quick else Beyond(),
        **({"processes": tuple(processes)} if processes else {}),
        events=events or (20_000 if quick else 200_000),
        along_events=4_000 if quick else 20_000,
        training=training,
        workers=workers,
        announce=announce or (lambda _: None),
        part=part,
    )


def _chapters() -> tuple[Chapter, ...]:
    from massgap.studies.cascade.chapters import chapters

    return chapters()


def _further(folder: Path) -> list[FurtherTable]:
    from massgap.studies.cascade.further import further_tables

    return further_tables(folder)


def _validate(folder: Path) -> list[Compared]:
    from massgap.studies.cascade.validation import validate

    return validate(folder)


def _printed() -> Paper:
    from massgap.studies.cascade.validation import paper

    return paper()


STUDY = Study(
    "cascade",
    title="Cascades of three decays: discovery, spins and masses in two muons, a photon and missing momentum",
    source="R. Haq, C. Kilic, B. Lawrence-Sanderson and R. Sudha, Applying machine learning techniques to intermediate-length "
    "cascade decays, Phys. Rev. D 108 (2023) 035002",
    luminosity=3000.0,
    steps=(
        GenerateStep(
            "samples/backgrounds",
            ("WW_2mua", "ZZ_2mua", "tautaua_2mua"),
            events=1_800_000,
            small=180_000,
            parton=True,
        ),
        GenerateStep(
            "samples/signals",
            SIGNALS,
            events=4_000_000,
            small=100_000,
            parton=True,
            # as massgap.studies.cascade.samples.CHIRAL, which is not light to import
            options={"chiral": True},
        ),
        RunStep(
            "run",
            "cascade",
            ("samples/backgrounds", "samples/signals"),
            words="run the cascade processor",
        ),
        ScanStep(
            "scan",
            "run",
            options={
                "triplets": True,
                "beyond": True,
                "lines": ("alpha=-20:20:2", "beta=-20:20:2", "gamma=-20:20:2", "delta=-500:500:200"),
            },
            small={
                "triplets": True,
                "beyond": True,
                "quick": True,
                "lines": ("alpha=-12:12:3", "beta=-12:12:3", "gamma=-12:12:3", "delta=-300:300:300"),
            },
            words="train networks of sets of variables for both spin models",
            optional=True,
        ),
        ReportStep("report.html", "run", words="write the report"),
    ),
    chapters=_chapters,
    further=_further,
    paper=_printed,
    validate=_validate,
    scan=_scan,
)
