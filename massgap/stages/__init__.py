"""The stages of an analysis as plain functions: generate, run, train, fit, report, demo.

``massgap COMMAND`` calls these functions and prints; a notebook calls them directly.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.stages.batch import merge, resubmit, status, work
    from massgap.stages.processing import (
        DemoResult,
        demo,
        fit,
        generate,
        generate_lhe,
        preflight,
        report,
        report_benchmarks,
        report_samples,
        run,
        submit,
        train,
    )

__all__ = [
    "DemoResult",
    "demo",
    "fit",
    "generate",
    "generate_lhe",
    "merge",
    "preflight",
    "report",
    "report_benchmarks",
    "report_samples",
    "resubmit",
    "run",
    "status",
    "submit",
    "train",
    "work",
]

__getattr__, __dir__ = face(
    __name__,
    {
        "DemoResult": "processing",
        "demo": "processing",
        "fit": "processing",
        "generate": "processing",
        "generate_lhe": "processing",
        "merge": "batch",
        "preflight": "processing",
        "report": "processing",
        "report_benchmarks": "processing",
        "report_samples": "processing",
        "resubmit": "batch",
        "run": "processing",
        "status": "batch",
        "submit": "processing",
        "train": "processing",
        "work": "batch",
    },
)
