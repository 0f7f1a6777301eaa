"""The demonstration: the benchmark of the slepton study alone, with the detector's missing momentum, in a few minutes."""

from __future__ import annotations

from massgap.studies.slepton.places import MIN_RATIO, SOURCE
from massgap.studies.slepton.study import chapters_of, compared
from massgap.studies.study import FitStep, GenerateStep, ReportStep, RunStep, Study, TrainStep

__all__ = ["SHARES", "STUDY"]

SHARES = {
    "mumu_peak_pthat20to50": 0.8,
    "mumu_peak_pthat50to100": 0.7,
    "mumu_peak_pthat100to200": 1.0,
    "mumu_peak_pthat200to400": 2.3,
    "mumu_peak_pthat400to800": 0.1,
    "mumu_peak_pthat800toinf": 0.05,
    "mumu_offpeak_pthat20to50": 0.3,
    "mumu_offpeak_pthat50to100": 0.4,
    "mumu_offpeak_pthat100to200": 1.0,
    "mumu_offpeak_pthat200to400": 1.5,
    "mumu_offpeak_pthat400to800": 0.25,
    "mumu_offpeak_pthat800toinf": 0.05,
    "tautau_pthat20to50": 0.55,
    "tautau_pthat50to100": 0.5,
    "tautau_pthat100to200": 5.4,
    "tautau_pthat200to400": 1.7,
    "tautau_pthat400toinf": 0.2,
    "tt_jets_met95toinf": 1.0,
    "tt_met0to40": 0.5,
    "tt_met40to95": 1.0,
    "tt_met95toinf": 6.0,
    "WW_jets_met95toinf": 0.15,
    "WW_met0to40": 0.5,
    "WW_met40to95": 0.8,
    "WW_met95toinf": 1.1,
    "ZZ_leptons_jets_met95toinf": 0.05,
    "ZZ_leptons_met0to40": 0.15,
    "ZZ_leptons_met40to95": 0.1,
    "ZZ_leptons_met95toinf": 0.2,
    "ZZ_other_all": 0.1,
    "WZ_jets_met95toinf": 0.05,
    "WZ_met0to40": 0.25,
    "WZ_met40to95": 0.4,
    "WZ_met95toinf": 0.5,
    "slepton_110_80_jets_met95toinf": 0.05,
    "slepton_110_80_met0to40": 0.3,
    "slepton_110_80_met40to95": 0.6,
    "slepton_110_80_met95toinf": 1.5,
}
"""Shares of the events of the slices.

The study has shares for the MET of objects, two control regions and the topology of Table I.  The demonstration has the detector's
MET and fits what is left after the pre-cuts.  CPU time goes to a slice as ``sqrt(sum w^2 * cost)`` of what is left of it after them
(w in fb; measured with 120,000 events of the study's shares: sqrt(sum w^2) is 0.57 fb of tops above 95 GeV and of tau pairs from 100 to
200 GeV, 0.23 of those from 200 to 400, 0.17 of dimuons off the peak, 0.10 of WW), a slice of which no event was left counting as if half
a one had been; signal and WW, which the training has to tell apart, have twice that.  The slices of WZ and ZZ with MET have more than that, some
hundred events each: with fewer, no event may be left after the pre-cuts, and the fit goes without the process.  Since then the lowest
slices of tops, WW and signal hold less of what passes (:mod:`massgap.samples.processes.slepton`), and have less; the upper ones have
more, by the same rule from 6,000 tops, 4,000 WW and 3,000 signal events of these; what hides behind several jets has a sixth of the
upper slice of tops, and as little as leaves it a weight below that of the others elsewhere.
"""

STUDY = Study(
    "slepton",
    title="Slepton pairs in two muons, one jet and missing momentum",
    source=SOURCE,
    luminosity=300.0,
    steps=(
        GenerateStep("samples", "slepton", events=1_000_000, small=45_000, options={"shares": SHARES}),
        RunStep("run", "slepton", "samples", words="run the slepton processor"),
        TrainStep(
            "model",
            "run",
            words="train three rotated folds of boosted trees and export them to ONNX",
        ),
        RunStep(
            "scored",
            "slepton",
            "samples",
            "model",
            options={"variations": ["jes"]},
            words="run again with the score inside the processor and the jet energy scale varied",
            key="score",
        ),
        FitStep("scored/fit", "scored", scan={"min_ratio": MIN_RATIO}, words="fit the score"),
        ReportStep("report.html", "scored", "model", "scored/fit", words="write the report"),
    ),
    chapters=chapters_of,
    validate=compared,
)
