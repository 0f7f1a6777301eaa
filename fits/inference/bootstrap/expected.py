r"""The uncertainty that the finite simulation gives expected numbers: significance, CLs and upper limit.

This is not what the parameters for the statistics of the simulation in the likelihood (``staterror``, ``shapesys``) are for. Those
say that the analysis does not know its background better than its simulated events tell, and *lower* the expected
significance: they are part of the number. But the number itself was computed with one sample. Had the simulation been made
anew with as many events, contents, widths of those parameters and so the significance would have come out differently: that is
what is told here, by resampling the events (:mod:`massgap.fits.inference.bootstrap.replicas`). It remains where the likelihood has no
such parameters, and it goes down with more events while a real experiment stays as it is.

What is held: the binning, the classifier that made a score, systematic variations relative to the contents, recorded data.
Two trainings differ beyond it. Uncertain is also the bootstrap: with R replicas a standard deviation is known to
1/sqrt(2 R) of it, 7 % for 100, or worse where the numbers have long tails.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
from scipy.special import log_ndtr, ndtr, ndtri

from massgap.fits.errors import InferenceError
from massgap.fits.inference.bootstrap.models import ModelReplicas
from massgap.fits.inference.bootstrap.replicas import how_made
from massgap.fits.inference.bootstrap.spread import Spread, spread_of
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.inference.roots import IncreasingFunction

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from numpy.typing import NDArray

    from massgap.fits.inference.bootstrap.replicas import ProcessReplicas, ReplicaSource
    from massgap.fits.likelihoods.model import Data, Model
    from massgap.fits.parts import FilledPlan

    Floats = NDArray[np.float64]

__all__ = ["SimulationUncertainty", "simulation_uncertainty"]

_N_SIGMA = np.array([-2.0, -1.0, 0.0, 1.0, 2.0])
_PRECISION = 1e-5  # of sqrt(q) where a limit is searched: far below what replicas scatter
_MOST_SECANTS = 8
_LONG_TAIL = 1.3
"""Standard deviation over half of the middle 68 % from which a distribution is not taken for a Gaussian one, 1 of which is known
to 0.1 with 100 replicas."""


@dataclass(frozen=True)
class SimulationUncertainty:
    """Spread of expected numbers over replicas of the simulation.

    Attributes
    ----------
    replicas, seed : int
    method : {"events", "histogram", "mixed"}
        What was resampled.
    why : tuple of str
        Why not only events.
    significance : Spread
        Of the expected discovery significance.
    cls, limit : tuple of Spread
        Of the expected CLs at mu = 1 and of the expected upper limit, from -2 to +2 standard deviations of the data.
    joined : int
        Replicas in which a bin lost all its background and was joined to its neighbour.
    problems : mapping
        What has no value in some replicas, and why -> in how many of them.
    draws : mapping
        ``significance``, ``cls``, ``limit`` of every replica, shape (replicas,) or (replicas, 5); NaN where undefined.
    """

    replicas: int
    seed: int
    method: str
    why: tuple[str, ...]
    significance: Spread
    cls: tuple[Spread, ...]
    limit: tuple[Spread, ...]
    joined: int
    problems: Mapping[str, int]
    draws: Mapping[str, Floats] = field(repr=False)

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for the results file, without the draws."""
        return {
            "replicas": self.replicas,
            "seed": self.seed,
            "method": self.method,
            "why": list(self.why),
            "expected_significance": self.significance.as_dict(),
            "cls": {"expected": [entry.as_dict() for entry in self.cls]},
            "upper_limit": {"expected": [entry.as_dict() for entry in self.limit]},
            "joined": self.joined,
            "problems": dict(self.problems),
        }

    def warnings(self) -> list[str]:
        """Sentences about replicas that are not like the sample."""
        out = []
        if self.joined:
            out.append(
                f"In {self.joined} of {self.replicas} replicas of the simulation a bin lost all its background and was joined to "
                "its neighbour: there are few events in it."
            )
        spread = self.significance
        if spread.std and spread.interval and spread.std > _LONG_TAIL * 0.5 * np.ptp(spread.interval):
            low, high = spread.interval
            out.append(
                "The expected significance scatters with a long tail over replicas of the simulation, as where single events weigh "
                f"much: 68 % of them are between {low:.2f} and {high:.2f} sigma."
            )
        out += [
            f"In {n} of {self.replicas} replicas of the simulation {problem}; the uncertainty is that of the others."
            for problem, n in self.problems.items()
        ]
        return out


def simulation_uncertainty(
    likelihood: Likelihood | Model,
    filled: FilledPlan,
    source: ReplicaSource,
    *,
    lumi_fb: float,
    level: float = 0.95,
    observed: bool = False,
    scales: Mapping[str, float] | None = None,
) -> SimulationUncertainty:
    """Find how expected numbers scatter over replicas of the simulation.

    Points of a plane take one source: they have their backgrounds in common, and so the replicas of these. The n-th draw of
    every point belongs to the same replica, of which a contour can be drawn.

    Parameters
    ----------
    likelihood : Likelihood or Model
        Of the workspace that was built of ``filled``.
    filled : FilledPlan
        Parts and their templates.
    source : ReplicaSource
        Replicas of the histograms of the run.
    lumi_fb : float
        Luminosity of the workspace in fb-1.
    level : float
        Confidence level of the limit.
    observed : bool
        Whether the Asimov data of limit and CLs are those of a fit to the observations, as in a fit with data.
    scales : mapping, optional
        Process -> factor between the templates and the workspace, as for a signal with another cross section.

    Returns
    -------
    SimulationUncertainty

    Raises
    ------
    InferenceError
        If a fit of the sample itself does not converge.

    Examples
    --------
    >>> source = ReplicaSource(open_run("run"), replicas=100, seed=1)  # doctest: +SKIP
    >>> simulation_uncertainty(likelihood, filled, source, lumi_fb=300.0).significance.std  # doctest: +SKIP
    """
    model = likelihood.model if isinstance(likelihood, Likelihood) else likelihood
    nominal, contents, variances, made = _flat(model, filled, source, lumi_fb, scales or {})
    replicas = ModelReplicas(model, nominal)
    measure = _Measurement(Likelihood(model), level, observed=observed)
    found = np.full((source.replicas, 1 + 2 * len(_N_SIGMA)), np.nan)
    joined = 0
    problems: dict[str, int] = {}
    for r in range(source.replicas):
        made_anew = replicas.model_with(contents[:, r], variances[:, r])
        if made_anew is None:
            _add(problems, "a channel lost all its background and nothing can be expected")
            continue
        joined += made_anew[1]
        found[r], failed = measure.of(Likelihood(made_anew[0]))
        for problem in failed:
            _add(problems, problem)
    how = how_made(made)
    draws = {"significance": found[:, 0], "cls": found[:, 1:6], "limit": found[:, 6:]}
    return SimulationUncertainty(
        source.replicas,
        source.seed,
        how["method"],
        tuple(how["why"]),
        spread_of(draws["significance"]),
        tuple(spread_of(column) for column in draws["cls"].T),
        tuple(spread_of(column) for column in draws["limit"].T),
        joined,
        problems,
        draws,
    )


def _add(problems: dict[str, int], problem: str) -> None:
    problems[problem] = problems.get(problem, 0) + 1


def _flat(
    model: Model,
    filled: FilledPlan,
    source: ReplicaSource,
    lumi_fb: float,
    scales: Mapping[str, float],
) -> tuple[Floats, Floats, Floats, list[ProcessReplicas]]:
    """Variances of the sample, and contents and variances of replicas, in the order of the model's contents."""
    parts = {part.templates.channel: part for part in filled.parts}
    nominal, values, variances, made = [], [], [], []
    for channel in model.channel_specifications:
        part = parts[str(channel["name"])]
        for sample in channel["samples"]:
            name = str(sample["name"])
            of_process = source.of(part.part.histogram, part.part.region, name, part.run)
            one, two = of_process.merged(part.templates.edges)
            scale = lumi_fb * scales.get(name, 1.0)
            nominal.append(part.templates.processes[name].variances * scale**2)
            values.append(one * scale)
            variances.append(two * scale**2)
            made.append(of_process)
    return (
        np.concatenate(nominal),
        np.concatenate(values),
        np.concatenate(variances),
        made,
    )


class _Measurement:
    """Expected numbers of replicas; every fit starts where that of the sample itself ended."""

    def __init__(self, sample: Likelihood, level: float, *, observed: bool) -> None:
        alpha = 1.0 - level
        self._observed = observed
        self._targets = _N_SIGMA - ndtri(alpha * ndtr(_N_SIGMA))
        self._starts: dict[object, Floats] = {}
        self._guesses = np.full(len(_N_SIGMA), np.nan)
        self._check = sample.ambiguous
        self._discovery(sample)
        root = self._exclusion(sample)
        root("one")(1.0)
        asimov = sample.expected(self._starts["background"])
        guess = sample.poi_error(self._starts["background"], asimov)
        for i, target in enumerate(self._targets):
            self._guesses[i] = _reached(root(i), target, guess * target)
        # Near these minima no other start is needed; they differ little from those of replicas.
        self._check = False
        self._found = dict(self._starts)

    def of(self, likelihood: Likelihood) -> tuple[Floats, list[str]]:
        """Significance, five CLs and five limits of a replica, and what could not be found."""
        self._starts = dict(self._found)
        out, failed = np.full(1 + 2 * len(_N_SIGMA), np.nan), []
        try:
            out[0] = self._discovery(likelihood)
        except InferenceError:
            failed.append("the fit for the expected significance did not converge")
        try:
            root = self._exclusion(likelihood)
            out[1:6] = np.exp(log_ndtr(_N_SIGMA - root("one")(1.0)) - log_ndtr(_N_SIGMA))
            for i, target in enumerate(self._targets):
                out[6 + i] = _reached(root(i), target, self._guesses[i])
        except InferenceError:
            failed.append("no expected limit was found")
        return out, failed

    def _fit(self, likelihood: Likelihood, data: Data, mu: float, name: object) -> float:
        """Twice minus the logarithm of the likelihood at a signal strength; the next fit of this name starts there."""
        start = self._starts.get(name)
        if start is not None:
            start = np.where(likelihood.model.arrays.fixed, likelihood.nominal, start)
        point = likelihood.fit(data, mu=mu, start=start, check=self._check)
        self._starts[name] = point.pars
        return point.nll2

    def _discovery(self, likelihood: Likelihood) -> float:
        pars = likelihood.with_poi(1.0)
        asimov = likelihood.expected(pars)
        null = self._fit(likelihood, asimov, 0.0, "null")
        if not asimov.counts.sum() > likelihood.expected(likelihood.with_poi(0.0)).counts.sum():
            return 0.0  # a replica without signal, or one that takes more than it gives
        return float(np.sqrt(max(null - likelihood.at(asimov, pars).nll2, 0.0)))

    def _exclusion(self, likelihood: Likelihood) -> Callable[[object], Callable[[float], float]]:
        """Name of a series of fits -> square root of q~ of Asimov data without signal, a function of the signal strength."""
        pars = likelihood.with_poi(0.0)
        if self._observed:
            self._fit(likelihood, likelihood.observed, 0.0, "background")
            pars = self._starts["background"]
        self._starts["background"] = pars
        asimov = likelihood.expected(pars)
        lowest = likelihood.at(asimov, pars).nll2

        def root(mu: float, name: object) -> float:
            return float(np.sqrt(max(self._fit(likelihood, asimov, mu, name) - lowest, 0.0)))

        return lambda name: partial(root, name=name)


def _reached(f: Callable[[float], float], target: float, guess: float) -> float:
    """Where a function that rises nearly as a straight line from 0 reaches a value: secants, and brackets where it bends.

    It bends where the simulation is so small that its parameters can take all of a signal up to some strength.
    """
    before, at = (0.0, 0.0), guess if np.isfinite(guess) and guess > 0.0 else 1.0
    for _ in range(_MOST_SECANTS):
        value = f(at)
        if abs(value - target) <= _PRECISION * target:
            return at
        rise = value - before[1]
        following = at + (target - value) * (at - before[0]) / rise if rise != 0.0 else np.inf
        before, at = (at, value), float(np.clip(following, 0.2 * at, 5.0 * at))
    return IncreasingFunction(f, 0.0, _PRECISION * target).reaches(target, at)
