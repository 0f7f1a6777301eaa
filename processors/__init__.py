"""Analyses as coffea processors, and the base of one's own.

``from massgap.processors import Slepton`` gives an ordinary coffea processor.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.lazy import face

if TYPE_CHECKING:
    from massgap.processors.base.analysis import Analysis
    from massgap.processors.base.flow import Flow
    from massgap.processors.base.histograms import HistogramSpec
    from massgap.processors.cascade import Cascade
    from massgap.processors.electroweakino import Electroweakino
    from massgap.processors.slepton import Slepton
    from massgap.processors.smuon import Smuon
    from massgap.processors.vlq import Vlq

__all__ = ["Analysis", "Cascade", "Electroweakino", "Flow", "HistogramSpec", "Slepton", "Smuon", "Vlq"]

__getattr__, __dir__ = face(
    __name__,
    {
        "Analysis": "base.analysis",
        "Cascade": "cascade",
        "Electroweakino": "electroweakino",
        "Flow": "base.flow",
        "HistogramSpec": "base.histograms",
        "Slepton": "slepton",
        "Smuon": "smuon",
        "Vlq": "vlq",
    },
)
