"""Statistics of any HistFactory workspace: CLs, limits, significance, signal strength, pulls and impacts."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.fits.errors import FitError, InferenceError
from massgap.fits.inference.engines import likelihood_of
from massgap.fits.inference.hypothesis_tests import (
    discovery,
    hypothesis_test,
    signal_strength,
    upper_limit,
)
from massgap.fits.inference.impacts import impacts
from massgap.fits.inference.small_counts import small_counts_warning

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from massgap.fits.inference.toys.options import ToyOptions

__all__ = ["WorkspaceFit", "WorkspaceFitOptions", "fit_workspace"]


@dataclass(frozen=True)
class WorkspaceFitOptions:
    """What is asked of a workspace.

    Attributes
    ----------
    poi, measurement : str, optional
        Parameter of interest and measurement; default that of the first measurement.
    mu : float
        Signal strength whose CLs is given.
    level : float
        Confidence level of the limit.
    observed : bool
        Whether the observations are data; else only expectations are given, at the nominal parameters.
    limit, strength, impacts : bool
        Whether limits, the fit of the signal strength with pulls, and impacts are wanted.
    engine : {"massgap", "pyhf"}
    toys : ToyOptions, optional
        Default none, and a warning where counts are small.
    """

    poi: str | None = None
    measurement: str | None = None
    mu: float = 1.0
    level: float = 0.95
    observed: bool = True
    limit: bool = True
    strength: bool = True
    impacts: bool = False
    engine: str = "massgap"
    toys: ToyOptions | None = None


@dataclass(frozen=True)
class WorkspaceFit:
    """What was found.

    Attributes
    ----------
    name : str
        Of the signal (patch), or empty.
    values : dict
        Its labels, as masses.
    results : dict
        ``cls``, ``upper_limit``, ``discovery``, ``signal_strength``, ``pulls``, ``impacts``, ``toys``, as far as asked for, and
        ``warnings``; or ``error``, why there are none.
    """

    name: str
    values: dict[str, Any]
    results: dict[str, Any] = field(repr=False)

    @property
    def converged(self) -> bool:
        """Whether all fits converged."""
        return "error" not in self.results

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary."""
        return {"name": self.name, "values": self.values, **self.results}


def fit_workspace(
    workspace: Mapping[str, Any],
    options: WorkspaceFitOptions | None = None,
    *,
    name: str = "",
    values: Mapping[str, Any] | None = None,
    progress: Callable[[int], None] | None = None,
) -> WorkspaceFit:
    """Test a signal with the asymptotic formulae of arXiv:1007.1727, and with toys if they are wanted.

    Parameters
    ----------
    workspace : mapping
        HistFactory workspace.
    options : WorkspaceFitOptions, optional
    name, values
        Of the signal, for the results.
    progress : callable, optional
        Gets the number of toys of each block that is done.

    Returns
    -------
    WorkspaceFit
        Fits that do not converge leave an ``error`` in the results.

    Raises
    ------
    FitError
        If the workspace or an option makes no sense.

    Examples
    --------
    >>> fit_workspace(json.load(open("workspace.json"))).results["cls"]["cls"]  # doctest: +SKIP
    """
    options = options or WorkspaceFitOptions()
    if not options.mu > 0.0:
        message = f"The signal strength to be tested must be positive, not {options.mu:g} (mu=..., --mu)."
        raise FitError(message)
    if options.impacts and options.engine != "massgap":
        message = "Impacts need the engine massgap (engine=..., --engine massgap)."
        raise FitError(message)
    if options.toys is not None:
        options.toys.check_engine(options.engine)
    likelihood = likelihood_of(
        workspace, engine=options.engine, measurement=options.measurement, poi=options.poi
    )
    results: dict[str, Any] = {"poi": likelihood.names[likelihood.poi], "observed": options.observed}
    try:
        results["cls"] = asdict(hypothesis_test(likelihood, options.mu, observed=options.observed))
        if options.limit:
            results["upper_limit"] = asdict(
                upper_limit(likelihood, level=options.level, observed=options.observed)
            )
        results["discovery"] = asdict(discovery(likelihood, observed=options.observed))
        if options.strength:
            strength = signal_strength(likelihood, observed=options.observed)
            results["pulls"] = {name: asdict(pull) for name, pull in strength.pulls.items()}
            results["signal_strength"] = strength.as_dict()
        if options.impacts:
            data = likelihood.observed
            data = data if options.observed else likelihood.expected(likelihood.with_poi(1.0))
            results["impacts"] = [asdict(impact) for impact in impacts(likelihood, data)]
        results["warnings"] = []
        if options.toys is not None:
            from massgap.fits.inference.toys.results import toy_results, toy_warnings

            results["toys"] = toy_results(
                likelihood,
                options.toys,
                mu=options.mu,
                level=options.level,
                limit=options.limit,
                observed=options.observed,
                progress=progress,
            )
            results["warnings"] += toy_warnings(results["toys"])
        elif options.engine == "massgap":
            tested = results["upper_limit"]["expected"][2] if options.limit else options.mu
            warning = small_counts_warning(likelihood, tested, observed=options.observed)
            results["warnings"] += [] if warning is None else [warning]
    except InferenceError as error:
        results["error"] = str(error)
    return WorkspaceFit(name, dict(values or {}), results)
