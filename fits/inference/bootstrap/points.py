"""The uncertainty that the finite simulation gives the numbers of each point of a plane; all points share their background replicas."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.fits.inference.bootstrap.expected import simulation_uncertainty
from massgap.fits.inference.bootstrap.replicas import ReplicaSource

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.fits.inference.likelihood import Likelihood
    from massgap.fits.parts import FilledPlan
    from massgap.fits.plan import FitOptions, PlannedRun

__all__ = ["PointReplicas", "replica_source"]


@dataclass(frozen=True)
class PointReplicas:
    """Replicas of the simulation for the points of one luminosity.

    Attributes
    ----------
    source : ReplicaSource
    filled : FilledPlan
        Templates of the backgrounds and of all signals.
    lumi_fb : float
    scales : mapping
        Name of a patch -> process, and cross section used over that of the sample.
    made_of : mapping
        What tells these replicas from others.
    """

    source: ReplicaSource = field(repr=False)
    filled: FilledPlan = field(repr=False)
    lumi_fb: float
    scales: Mapping[str, tuple[str, float]] = field(repr=False)
    made_of: Mapping[str, Any]

    def spread(self, name: str, likelihood: Likelihood, level: float, *, observed: bool) -> dict[str, Any]:
        """``uncertainty`` of a row of ``plane.json``, see :class:`massgap.fits.inference.bootstrap.expected.SimulationUncertainty`.

        Parameters
        ----------
        name : str
            Of the patch.
        likelihood : Likelihood
            Background and signal.
        level : float
            Confidence level of the limit.
        observed : bool
            Whether the Asimov data are those of a fit to the observations.

        Raises
        ------
        InferenceError
            If a fit of the sample itself does not converge.
        """
        process, factor = self.scales[name]
        found = simulation_uncertainty(
            likelihood,
            self.filled,
            self.source,
            lumi_fb=self.lumi_fb,
            level=level,
            observed=observed,
            scales={process: factor},
        )
        return {**found.as_dict(), "warnings": found.warnings()}


def replica_source(
    runs: Sequence[PlannedRun], options: FitOptions
) -> tuple[ReplicaSource, dict[str, Any]] | None:
    """Replicas of all histograms of the runs, and what they are made of; None where none are wanted.

    Raises
    ------
    FitError
        If there is one replica.
    """
    if not options.replicas:
        return None
    source = ReplicaSource(runs, options.replicas, options.replica_seed)
    made_of = {
        "replicas": options.replicas,
        "seed": options.replica_seed,
        "runs": [
            {key: planned.run.manifest.get(key) for key in ("code_hash", "fileset_hash", "features")}
            for planned in runs
        ],
    }
    return source, made_of
