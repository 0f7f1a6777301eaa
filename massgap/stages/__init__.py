"""The stages of an analysis as plain functions: generate, run, train, fit, report; and whole studies.

``massgap COMMAND`` calls these functions and prints; a notebook calls them directly.  Each reads what the one before
wrote, and each can be interrupted and called again.  In place of run, submit, status, resubmit and merge do the same
with batch jobs.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.stages.batch_jobs.submission import submit
    from massgap.stages.batch_jobs.submitted import merge, resubmit, status, work
    from massgap.stages.execution import Execution
    from massgap.stages.fitting import fit, limit, plane
    from massgap.stages.generation import generate, generate_lhe, generate_partons, slha
    from massgap.stages.inputs import Inputs
    from massgap.stages.processing import preflight, run
    from massgap.stages.publishing import check_bundle, compare_cards, publish, recast
    from massgap.stages.reporting import (
        benchmarks_table,
        report,
        report_benchmarks,
        report_plane,
        report_samples,
    )
    from massgap.stages.studying import StudyResult, Validation, demo, scan, study, validate
    from massgap.stages.training import train, zoo
    from massgap.stages.verification import Verification, verify

__all__ = [
    "Execution",
    "Inputs",
    "StudyResult",
    "Validation",
    "Verification",
    "benchmarks_table",
    "check_bundle",
    "compare_cards",
    "demo",
    "fit",
    "generate",
    "generate_lhe",
    "generate_partons",
    "limit",
    "merge",
    "plane",
    "preflight",
    "publish",
    "recast",
    "report",
    "report_benchmarks",
    "report_plane",
    "report_samples",
    "resubmit",
    "run",
    "scan",
    "slha",
    "status",
    "study",
    "submit",
    "train",
    "validate",
    "verify",
    "work",
    "zoo",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "Execution": "execution",
        "Inputs": "inputs",
        "StudyResult": "studying",
        "Validation": "studying",
        "benchmarks_table": "reporting",
        "check_bundle": "publishing.check",
        "compare_cards": "publishing.cards",
        "demo": "studying",
        "fit": "fitting",
        "generate": "generation",
        "generate_lhe": "generation",
        "generate_partons": "generation",
        "limit": "fitting",
        "merge": "batch_jobs.submitted",
        "plane": "fitting",
        "preflight": "processing",
        "publish": "publishing.publication",
        "recast": "publishing.recasting",
        "report": "reporting",
        "report_benchmarks": "reporting",
        "report_plane": "reporting",
        "report_samples": "reporting",
        "resubmit": "batch_jobs.submitted",
        "run": "processing",
        "scan": "studying",
        "slha": "generation",
        "status": "batch_jobs.submitted",
        "study": "studying",
        "submit": "batch_jobs.submission",
        "train": "training",
        "zoo": "training",
        "Verification": "verification",
        "validate": "studying",
        "verify": "verification",
        "work": "batch_jobs.submitted",
    },
)
