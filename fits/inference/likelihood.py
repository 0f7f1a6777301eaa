"""Maximum-likelihood fits of HistFactory models, with a certificate of each.

Expectations and exact derivatives are compiled (:mod:`massgap.fits.likelihoods`); a point is accepted only where the exact
Hessian is positive definite and the estimated distance to the minimum is small. The likelihood is a sum of deviances and squared
pulls, which keeps the digits that likelihood ratios need.
"""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from massgap.fits.errors import InferenceError
from massgap.fits.inference.engine_base import Certificate, Engine, FitPoint, ToyFits
from massgap.fits.likelihoods.arrays import NORMSYS
from massgap.fits.likelihoods.doubt import least_curvatures
from massgap.fits.likelihoods.evaluation import (
    VALUE,
    WITH_DERIVATIVES,
    WITHOUT_CURVATURE,
    evaluate,
    expectation,
)
from massgap.fits.likelihoods.minimisation import FLAT, minimise
from massgap.fits.likelihoods.model import Data, Model, model_of
from massgap.fits.likelihoods.parameters import FREE
from massgap.fits.likelihoods.search import (
    BOUNDS,
    Found,
    in_the_limit,
    is_lowest,
    lowest,
    other_starts,
    scattered_start,
    search,
)

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

Floats = NDArray[np.float64]

__all__ = ["Likelihood"]

_TOLERANCE = 5e-12  # estimated distance to the minimum, in units of minus the logarithm of the likelihood
_MAX_STEPS = 1000
_FEW_STEPS = 200  # where steps may go on for ever, see massgap.fits.likelihoods.search
_TOY_TOLERANCE = 1e-7  # what a toy is fitted to before its last step, which squares the error
_FLUCTUATIONS, _LEAST_CURVATURE = 5.0, 0.0


class Likelihood(Engine):
    """The likelihood of a workspace.

    Parameters
    ----------
    workspace : mapping or Model
        HistFactory workspace, or its model.
    measurement, poi : str, optional
        As of :func:`massgap.fits.likelihoods.model.model_of`.

    Raises
    ------
    WorkspaceError
        If the workspace is not a HistFactory model, or has no parameter of interest.

    Attributes
    ----------
    model : Model
    observed : Data
        Observations of the workspace and auxiliary data.
    poi : int
        Index of the parameter of interest.
    """

    def __init__(
        self, workspace: Mapping[str, Any] | Model, *, measurement: str | None = None, poi: str | None = None
    ) -> None:
        if not isinstance(workspace, Model):
            workspace = model_of(workspace, measurement=measurement, poi=poi)
        self.model = workspace
        self.observed: Data = workspace.observed
        self.poi = workspace.poi
        arrays = workspace.arrays
        self._low, self._high = arrays.low.copy(), arrays.high.copy()
        profiled = np.zeros(len(workspace.names), dtype=bool)
        profiled[arrays.profiled[arrays.profiled >= 0]] = True
        self._free = np.flatnonzero(~arrays.fixed & ~profiled)
        others = self._free[self._free != self.poi]
        self._free_factors = bool((arrays.constraints[others] == FREE).any())
        self._interpolated = workspace.initial == 0.0
        self._endless = np.flatnonzero((arrays.constraints == FREE) & np.isinf(arrays.high))
        if self.poi >= 0:
            # A bound of the signal strength is a habit of programs, and no part of the model.
            self._high[self.poi] = np.inf
            self._low[self.poi] = self._lowest_poi()

    @functools.cached_property
    def _doubtful(self) -> list[int]:
        """Systematic uncertainties along which there may be several minima, the most doubtful first."""
        arrays = self.model.arrays
        interpolated = arrays.rate_parameters[arrays.rate_kinds == NORMSYS]
        parameters = np.unique(np.concatenate([interpolated, arrays.shape_parameters]))
        parameters = parameters[~arrays.fixed[parameters]]
        least = least_curvatures(arrays, self.with_poi(1.0), parameters, _FLUCTUATIONS)
        order = np.argsort(least)
        return [int(p) for p in parameters[order[least[order] < _LEAST_CURVATURE]]]

    @property
    def ambiguous(self) -> bool:
        """Whether the likelihood may have several minima along some systematic uncertainty, for data within 5 standard deviations.

        A fit that starts at the minimum of another signal strength may end in the wrong one then.
        """
        return bool(self._doubtful)

    @property
    def names(self) -> list[str]:
        """Names of the parameters, one per entry of ``pars``."""
        return list(self.model.names)

    @property
    def nominal(self) -> Floats:
        """Nominal parameters."""
        return self.model.initial.copy()

    @property
    def poi_fixed(self) -> bool:
        """Whether the measurement holds the parameter of interest where it is."""
        return self.poi >= 0 and bool(self.model.arrays.fixed[self.poi])

    def expected(self, pars: Floats) -> Data:
        """Asimov data: expectation of observations and auxiliary data."""
        return self.model.expected(pars)

    def fit(
        self,
        data: Data,
        *,
        mu: float | None = None,
        non_negative: bool = False,
        start: Floats | None = None,
        check: bool | None = None,
        hold: Mapping[int, float] | None = None,
    ) -> FitPoint:
        """Minimise over all parameters, or with the signal strength fixed.

        Parameters
        ----------
        data : Data
            Observations and auxiliary data.
        mu : float, optional
            Fix the signal strength.
        non_negative : bool
            Keep a free signal strength at or above 0.
        start : ndarray, optional
            Where to start; default the nominal parameters.
        check : bool, optional
            Repeat the fit from other starts (:mod:`massgap.fits.likelihoods.search`) and keep the best; default where in doubt:
            where the model is :attr:`ambiguous`, or has free factors besides the signal strength. They are always tried where
            the first does not converge.
        hold : mapping, optional
            Further parameters that are fixed: index -> value. None of them may be a profiled one, see :meth:`unprofiled`.

        Raises
        ------
        InferenceError
            If no start converges.
        """
        low = self._low
        if non_negative and self.poi >= 0:
            low = low.copy()
            low[self.poi] = 0.0
        free = self._free
        first = self.nominal if start is None else start.copy()
        held = dict(hold or {})
        if mu is not None:
            held[self.poi] = mu
        if held:
            free = free[~np.isin(free, list(held))]
            first[list(held)] = list(held.values())
        if check is None:
            check = self._free_factors or self.ambiguous

        def run(begin: Floats, bound: float = np.inf) -> Found:
            return self._minimise(begin, free, low, data, bound)

        def searched(bound: float = np.inf, *, check: bool) -> list[Found]:
            return search(
                functools.partial(run, bound=bound),
                first,
                functools.partial(other_starts, first, free, self._interpolated),
                functools.partial(scattered_start, first=first, free=free, interpolated=self._interpolated),
                [p for p in self._doubtful if p not in held] if check else [],
                check=check,
            )

        found = searched(check=check)
        if self._endless.size and not is_lowest(lowest(found), found):
            factors = free[self.model.arrays.constraints[free] == FREE]
            found += in_the_limit(run, searched(BOUNDS[0], check=True), factors[factors != self.poi])
        best = lowest(found)
        if best is None or not is_lowest(best, found):
            where = "free signal strength" if mu is None else f"signal strength {mu:g}"
            message = (
                f"The fit with {where} did not converge from {len(found)} starts. Use fewer or wider bins, or "
                f"constrain free normalisations.{self._impossible(first, data)}"
            )
            raise InferenceError(message)
        rest = [one.value for one in found[1:] if one.converged]
        other = 2.0 * (min(rest) - found[0].value) if rest and found[0].converged else None
        bounds = self._on_bounds(best.pars, low, held)
        certificate = Certificate(2.0 * best.distance, best.steps, best.status == FLAT, bounds, other)
        return FitPoint(2.0 * best.value, best.pars, certificate)

    def _on_bounds(self, pars: Floats, low: Floats, held: Mapping[int, float]) -> tuple[str, ...]:
        reached = (pars <= low) | (pars >= self._high)
        if self._endless.size:
            reached[self._endless] |= np.isin(pars[self._endless], BOUNDS)
        at = np.flatnonzero(~self.model.arrays.fixed & reached)
        return tuple(self.model.names[p] for p in at if p != self.poi or p not in held)

    def _impossible(self, pars: Floats, data: Data) -> str:
        """What to say of a bin with events where nothing is expected, which no fit can mend."""
        means = np.empty(len(data.counts))
        expectation(self.model.arrays, pars, means)
        for at in np.flatnonzero((data.counts > 0.0) & (means <= 0.0)):
            channel, position = self.model.place(int(at))
            return (
                f" Bin {position} of channel '{channel}' has {data.counts[at]:g} events, where {means[at]:g} are "
                "expected: merge it with a neighbour."
            )
        return ""

    def fit_toys(
        self,
        toys: Data,
        start: Floats,
        mus: Sequence[float],
        *,
        upper: bool = True,
        valley: Floats | None = None,
    ) -> ToyFits:
        r"""Test statistics of many pseudo-data at once, with a signal strength of at least 0.

        Parameters
        ----------
        toys : Data
            Counts of shape (toys, bins), auxiliary measurements of shape (toys, parameters).
        start : ndarray
            Where fits begin: the parameters that the toys were drawn from.
        mus : sequence of float
            Signal strengths that are tested, all on the same toys.
        upper : bool
            Whether it is :math:`\tilde q_\mu`; else :math:`q_0`, for which ``mus`` is 0.
        valley : ndarray, optional
            From :meth:`valley`; default that at the start.
        """
        from massgap.fits.likelihoods.toys import fit_toys  # fits without toys start sooner

        low = self._low.copy()
        low[self.poi] = 0.0
        n = len(toys.counts)
        out = ToyFits(np.empty((len(mus), n)), np.empty(n), np.empty(n), np.empty(n, dtype=np.int8))
        fit_toys(
            self.model.arrays,
            toys.counts,
            toys.auxiliary,
            np.array([start, self.nominal, *other_starts(self.nominal, self._free, self._interpolated)]),
            self.ambiguous,
            self.valley(start) if valley is None else valley,
            self._free,
            self._free[self._free != self.poi],
            self.poi,
            low,
            self._high,
            np.asarray(mus, dtype=np.float64),
            upper,
            _TOY_TOLERANCE,
            _MAX_STEPS,
            *out,
        )
        out.distances[:] *= 2.0
        return out

    def valley(self, pars: Floats) -> Floats:
        """How the parameters follow the signal strength where it is moved and all else fitted again, about."""
        covariance = self.covariance(pars, self.expected(pars))[:, self.poi]
        slope: Floats = np.zeros_like(pars)
        if np.isfinite(covariance).all() and covariance[self.poi] > 0.0:
            slope = covariance / covariance[self.poi]
        return slope

    def at(self, data: Data, pars: Floats) -> FitPoint:
        """A point that is known to be the minimum, as the parameters of Asimov data are."""
        pars = pars.copy()
        nothing = np.empty(0)
        value = evaluate(
            self.model.arrays, pars, data.counts, data.auxiliary, VALUE, nothing, np.empty((0, 0))
        )
        return FitPoint(2.0 * float(value), pars, Certificate(0.0, 0, False, (), None))

    def _minimise(
        self, start: Floats, free: NDArray[np.intp], low: Floats, data: Data, bound: float = np.inf
    ) -> Found:
        """From one start, which becomes where it ends; ``bound`` is one of the free factors that have none."""
        high, most = self._high, _MAX_STEPS
        if np.isfinite(bound):
            high = high.copy()
            high[self._endless] = bound
        elif self._endless.size:
            most = _FEW_STEPS
        arrays = self.model.arrays
        value, distance, status, steps = minimise(
            arrays, start, free, low, high, data.counts, data.auxiliary, _TOLERANCE, most
        )
        below_zero = functools.partial(self._below_zero, start, data)
        return Found(float(value), float(distance), int(status), int(steps), below_zero, start)

    def _below_zero(self, pars: Floats, data: Data) -> bool:
        if data.counts.all():  # where events are seen and none expected, there is no likelihood at all
            return False
        means = np.empty(len(data.counts))
        expectation(self.model.arrays, pars, means)
        return bool((means < 0.0).any())

    def poi_error(self, pars: Floats, data: Data) -> float:
        """Standard deviation of the signal strength at a minimum; infinite where data tell nothing of it."""
        size = len(pars)
        gradient, hessian = np.empty(size), np.empty((size, size))
        evaluate(
            self.model.arrays,
            pars.copy(),
            data.counts,
            data.auxiliary,
            WITH_DERIVATIVES,
            gradient,
            hessian,
        )
        curvature = hessian[self._free, self._free]
        told = self._free[np.abs(curvature) > 1e-14 * np.abs(curvature).max(initial=0.0)]
        information = hessian[np.ix_(told, told)]
        unit = (told == self.poi).astype(np.float64)
        try:
            lower = np.linalg.cholesky(information)  # looks at the lower triangle alone
        except np.linalg.LinAlgError:
            return float("inf")
        return float(np.linalg.norm(np.linalg.solve(lower, unit))) or float("inf")

    def covariance(self, pars: Floats, data: Data) -> Floats:
        """Covariance of all parameters at a minimum, from the exact Hessian; 0 for fixed ones.

        Where the Hessian is not positive definite (a parameter without influence, or on a bound), the second derivatives of the
        expectation are left out and the inverse is a pseudo-inverse.
        """
        full = self.model.unprofiled()
        size = len(pars)
        gradient, hessian = np.empty(size), np.empty((size, size))
        free = np.flatnonzero(~full.arrays.fixed)
        out = np.zeros((size, size))
        for what in (WITH_DERIVATIVES, WITHOUT_CURVATURE):
            evaluate(full.arrays, pars.copy(), data.counts, data.auxiliary, what, gradient, hessian)
            information = hessian[np.ix_(free, free)]
            information = np.tril(information) + np.tril(information, -1).T
            if (np.linalg.eigvalsh(information) > 0.0).all():
                break
        out[np.ix_(free, free)] = np.linalg.pinv(information, hermitian=True)
        return out

    def inside(self, index: int, value: float) -> float:
        """A value of a parameter, moved to its bounds if it is outside."""
        return float(np.clip(value, self._low[index], self._high[index]))

    def unprofiled(self) -> Likelihood:
        """The same likelihood, all of whose parameters may be held."""
        return Likelihood(self.model.unprofiled())

    def prior(self, index: int) -> tuple[float, float] | None:
        """Nominal value and width of a constrained parameter, None for a free or fixed one."""
        arrays = self.model.arrays
        if arrays.fixed[index] or arrays.constraints[index] == FREE:
            return None
        return self.model.prior(index)

    def _lowest_poi(self) -> float:
        """Smallest signal strength that leaves each bin a positive expectation."""
        without = np.empty(len(self.observed.counts))
        with_signal = np.empty_like(without)
        expectation(self.model.arrays, self.with_poi(0.0), without)
        expectation(self.model.arrays, self.with_poi(1.0), with_signal)
        signal = with_signal - without
        ratios = without[signal > 0.0] / signal[signal > 0.0]
        return -0.99 * float(ratios.min()) if ratios.size else 0.0
