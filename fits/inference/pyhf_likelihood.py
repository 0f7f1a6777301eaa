"""Maximum-likelihood fits of HistFactory models.

pyhf evaluates the expectation of the model, at all the shifted parameter points of a Jacobian in
one batched call; the minimisation is done here. Its likelihood is a sum of Poisson deviances and
squared pulls, which keeps the digits that likelihood ratios need, and its stopping rule is the
estimated distance to the minimum, so that a fit either converges or says that it does not (pyhf's
default minimiser sometimes stops early without a message). A fit can be repeated from a second
start.
"""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf

from massgap.fits.counting.deviance import deviance
from massgap.fits.errors import InferenceError, WorkspaceError
from massgap.fits.inference.engine_base import Certificate, Engine, FitPoint
from massgap.fits.workspaces.schema import schema_warnings_off, validate_workspace

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

__all__ = ["PyhfLikelihood", "numpy_backend"]

_TOLERANCE = 1e-10  # estimated distance to the minimum, in units of 2 ln L
_MAX_STEPS = 300


@contextlib.contextmanager
def numpy_backend() -> Iterator[None]:
    """Use pyhf's numpy backend on one thread, and give back the caller's backend afterwards.

    Threads of the linear algebra double the CPU time of such small matrices and gain nothing.
    """
    tensorlib, optimizer = pyhf.get_backend()
    with contextlib.ExitStack() as stack:
        try:
            from threadpoolctl import threadpool_limits
        except ImportError:  # it comes with scikit-learn; without it OMP_NUM_THREADS does the same
            pass
        else:
            stack.enter_context(threadpool_limits(limits=1))
        pyhf.set_backend("numpy")
        stack.callback(pyhf.set_backend, tensorlib, optimizer)
        yield


class PyhfLikelihood(Engine):
    """The likelihood of a workspace, with the expectation of pyhf.

    Parameters
    ----------
    workspace : mapping
        HistFactory workspace.
    measurement, poi : str, optional
        Measurement and parameter of interest; default the first, and that of the measurement.

    Raises
    ------
    WorkspaceError
        If pyhf refuses the workspace.

    Attributes
    ----------
    observed : ndarray
        Observations of the workspace followed by the auxiliary data.
    """

    def __init__(
        self, workspace: Mapping[str, Any], *, measurement: str | None = None, poi: str | None = None
    ) -> None:
        validate_workspace(workspace)
        wanted: dict[str, Any] = {} if measurement is None else {"measurement_name": measurement}
        if poi is not None:
            wanted["poi_name"] = poi
        with numpy_backend(), schema_warnings_off():
            try:
                document = pyhf.Workspace(dict(workspace), validate=False)
                self._model = document.model(validate=False, **wanted)
            except pyhf.exceptions.InvalidMeasurement as error:
                message = f"pyhf finds no such measurement in the workspace (--measurement): {error}"
                raise WorkspaceError(message) from error
            except (pyhf.exceptions.InvalidSpecification, pyhf.exceptions.InvalidModel) as error:
                message = f"pyhf refuses the workspace: {str(error).strip().splitlines()[0]}"
                raise WorkspaceError(message) from error
            config = self._model.config
            self.observed: Floats = np.asarray(document.data(self._model), dtype=np.float64)
            self._init = np.asarray(config.suggested_init(), dtype=np.float64)
            self._fixed = np.asarray(config.suggested_fixed(), dtype=bool)
            self._bounds = np.asarray(config.suggested_bounds(), dtype=np.float64)
            self._n_main = int(sum(config.channel_nbins.values()))
            if config.poi_index is None:
                message = "The workspace has no parameter of interest: name one (poi=..., --poi)."
                raise WorkspaceError(message)
            self.poi = int(config.poi_index)
            self._aux_sigma = _auxiliary_sigmas(self._model)
            self._free_all = np.flatnonzero(~self._fixed)
            self._batched = document.model(batch_size=2 * self._free_all.size, validate=False, **wanted)
        self._low, self._high = self._bounds[:, 0].copy(), self._bounds[:, 1].copy()
        self._high[self.poi] = np.inf
        for name in config.par_order:
            if not config.param_set(name).is_scalar:  # factors per bin: pyhf would stop them at 10
                self._high[config.par_slice(name)] = np.inf
        self._low[self.poi] = self._lowest_poi()
        self.steps = 0

    @property
    def ambiguous(self) -> bool:
        """Never, whatever the model: this engine is slow, and looks for no other minima (the other one does)."""
        return False

    @property
    def names(self) -> list[str]:
        """Names of the parameters, one per entry of ``pars``."""
        return [str(name) for name in self._model.config.par_names]

    @property
    def nominal(self) -> Floats:
        """Nominal parameters."""
        return self._init.copy()

    @property
    def poi_fixed(self) -> bool:
        """Whether the measurement holds the parameter of interest where it is."""
        return bool(self._fixed[self.poi])

    def expected(self, pars: Floats) -> Floats:
        """Asimov data: expectation of observations and auxiliary data."""
        with numpy_backend():
            return self._expected(pars)

    def fit(
        self,
        data: Floats,
        *,
        mu: float | None = None,
        non_negative: bool = False,
        start: Floats | None = None,
        check: bool = True,
    ) -> FitPoint:
        """Minimise over all parameters, or with the signal strength fixed.

        Parameters
        ----------
        data : ndarray
            Observations and auxiliary data.
        mu : float, optional
            Fix the signal strength.
        non_negative : bool
            Keep a free signal strength at or above 0.
        start : ndarray, optional
            Where to start; default the nominal parameters.
        check : bool
            Repeat the fit from a second start and keep the better of the two. A second start is
            always tried where the first does not converge.

        Returns
        -------
        FitPoint

        Raises
        ------
        InferenceError
            If neither start converges.
        """
        with numpy_backend():
            low = self._low.copy()
            if non_negative:
                low[self.poi] = 0.0
            active = self._free_all
            first = self._init.copy() if start is None else start.copy()
            if mu is not None:
                first[self.poi] = mu
                active = active[active != self.poi]
            second = first.copy()
            # A second start inside the parameters' usual range, the same every time.
            wiggle = np.resize([0.08, -0.06, 0.05, -0.09, 0.07], active.size)
            second[active] = second[active] * (1.0 + wiggle) + 0.3 * wiggle
            results = [self._minimise(data, first, active, low)]
            if check or results[0] is None:
                results.append(self._minimise(data, second, active, low))
        converged = [r for r in results if r is not None]
        if not converged:
            where = "free signal strength" if mu is None else f"signal strength {mu:g}"
            message = (
                f"The fit with {where} did not converge from two starts. Use fewer or wider bins, or "
                "constrain free normalisations."
            )
            raise InferenceError(message)
        best = min(converged, key=lambda r: r[0])
        other = float(converged[1][0] - converged[0][0]) if len(converged) == 2 else None
        return self._point(*best, other, low)

    def _point(
        self, nll2: float, pars: Floats, distance: float, steps: int, other: float | None, low: Floats
    ) -> FitPoint:
        at = np.flatnonzero(~self._fixed & ((pars <= low) | (pars >= self._high)))
        bounds = tuple(self.names[p] for p in at if p != self.poi or pars[p] == low[p])
        return FitPoint(nll2, pars, Certificate(distance, steps, False, bounds, other))

    def at(self, data: Floats, pars: Floats) -> FitPoint:
        """A point that is known to be the minimum, as the parameters of Asimov data are."""
        with numpy_backend():
            nll2 = self._nll2(data, self._expected(pars))
        return FitPoint(nll2, pars.copy(), Certificate(0.0, 0, False, (), None))

    def poi_error(self, pars: Floats, data: Floats) -> float:
        """Standard deviation of the signal strength at a minimum."""
        return float(np.sqrt(self.covariance(pars, data)[self.poi, self.poi]))

    def covariance(self, pars: Floats, data: Floats) -> Floats:
        """Covariance of all parameters from the Fisher information; 0 for fixed ones."""
        with numpy_backend():
            active = self._free_all
            _, information = self._derivatives(data, pars, self._expected(pars), active)
        out = np.zeros((pars.size, pars.size))
        out[np.ix_(active, active)] = 2.0 * np.linalg.pinv(information)
        return out

    def prior(self, index: int) -> tuple[float, float] | None:
        """Nominal value and width of a constrained parameter, None for a free or fixed one."""
        if self._fixed[index]:
            return None
        config = self._model.config
        for name in config.par_order:
            where = config.par_slice(name)
            if where.start <= index < where.stop:
                parameters = config.param_set(name)
                if not parameters.constrained:
                    return None
                return float(self._init[index]), float(parameters.width()[index - where.start])
        return None

    def _lowest_poi(self) -> float:
        """Smallest signal strength that leaves each bin a positive expectation."""
        with numpy_backend():
            without = self._expected(self.with_poi(0.0))[: self._n_main]
            signal = self._expected(self.with_poi(1.0))[: self._n_main] - without
        ratios = without[signal > 0.0] / signal[signal > 0.0]
        return -0.99 * float(ratios.min()) if ratios.size else 0.0

    def _expected(self, pars: Floats) -> Floats:
        return np.asarray(self._model.expected_data(pars), dtype=np.float64)

    def _nll2(self, data: Floats, expected: Floats) -> float:
        main = self._n_main
        poisson = np.isnan(self._aux_sigma)
        value = 2.0 * float(np.sum(deviance(expected[:main], data[:main] - expected[:main])))
        aux, mean = data[main:], expected[main:]
        value += 2.0 * float(np.sum(deviance(mean[poisson], aux[poisson] - mean[poisson])))
        pull = (aux[~poisson] - mean[~poisson]) / self._aux_sigma[~poisson]
        return value + float(pull @ pull)

    def _derivatives(
        self, data: Floats, pars: Floats, expected: Floats, active: NDArray[np.intp]
    ) -> tuple[Floats, Floats]:
        """Gradient of ``nll2`` and its Fisher information, for the active parameters."""
        every = self._free_all
        step = 1e-5 * np.maximum(np.abs(pars[every]), 1.0)
        points = np.repeat(pars[np.newaxis, :], 2 * every.size, axis=0)
        rows = np.arange(every.size)
        points[rows, every] += step
        points[every.size + rows, every] -= step
        shifted = np.asarray(self._batched.expected_data(points), dtype=np.float64)
        jacobian = (shifted[: every.size] - shifted[every.size :]) / (2.0 * step[:, np.newaxis])
        jacobian = jacobian[np.isin(every, active)]
        with np.errstate(divide="ignore", invalid="ignore"):
            inverse = np.where(expected > 0.0, 1.0 / expected, 0.0)
            weight = inverse.copy()
            slope = np.where(expected > 0.0, 1.0 - data * inverse, 1.0)
        gaussian = np.flatnonzero(~np.isnan(self._aux_sigma))
        at = self._n_main + gaussian
        variance = self._aux_sigma[gaussian] ** 2
        slope[at] = (expected[at] - data[at]) / variance
        weight[at] = 1.0 / variance
        return 2.0 * (jacobian @ slope), 2.0 * ((jacobian * weight) @ jacobian.T)

    def _minimise(
        self, data: Floats, start: Floats, active: NDArray[np.intp], low: Floats
    ) -> tuple[float, Floats, float, int] | None:
        """Damped Newton steps inside a box; None if they do not converge.

        The Hessian is the Fisher information plus a symmetric rank-one secant estimate of what the
        information leaves out (products of parameters, and data away from the expectation), without
        which convergence would only be linear.
        """
        pars = start.copy()
        pars[active] = np.clip(pars[active], low[active], self._high[active])
        expected = self._expected(pars)
        value = self._nll2(data, expected)
        if not np.isfinite(value):
            return None
        rest = np.zeros((active.size, active.size))
        damping = 0.0
        gradient, information = self._derivatives(data, pars, expected, active)
        for steps in range(_MAX_STEPS):
            self.steps += 1
            # Parameters that sit on a bound and are pushed against it stay there.
            held = ((pars[active] <= low[active]) & (gradient > 0.0)) | (
                (pars[active] >= self._high[active]) & (gradient < 0.0)
            )
            move = np.flatnonzero(~held)
            if move.size == 0:
                return value, pars, 0.0, steps
            g = gradient[move]
            box = np.ix_(move, move)
            if not _is_positive((information + rest)[box]):
                rest[:] = 0.0  # the secant estimate is no use here
            step, distance = _newton_step(g, (information + rest)[box], damping)
            if damping == 0.0 and distance < _TOLERANCE:
                return value, pars, distance, steps
            index = active[move]
            trial = pars.copy()
            trial[index] = np.clip(pars[index] + step, low[index], self._high[index])
            trial_expected = self._expected(trial)
            trial_value = self._nll2(data, trial_expected)
            if not (np.isfinite(trial_value) and trial_value < value):
                if damping > 1e8 or distance < 1e-15 * max(1.0, abs(value)):
                    # No descent left: a minimum to the precision of the likelihood, or none at all.
                    _, flat = _newton_step(g, information[box], 0.0)
                    return (value, pars, flat, steps) if flat < 1e-8 * max(1.0, abs(value)) else None
                damping = max(10.0 * damping, 1e-3)
                rest *= 0.5
                continue
            shift = trial[active] - pars[active]
            previous = gradient
            pars, expected, value = trial, trial_expected, trial_value
            gradient, information = self._derivatives(data, pars, expected, active)
            missing = gradient - previous - information @ shift - rest @ shift
            overlap = float(missing @ shift)
            if abs(overlap) > 1e-8 * float(np.linalg.norm(missing) * np.linalg.norm(shift)):
                rest += np.outer(missing, missing) / overlap
            damping = 0.0 if damping <= 1e-3 else damping * 0.1
        return None


def _is_positive(matrix: Floats) -> bool:
    """Whether a Hessian is positive definite, after scaling by its diagonal."""
    diagonal = np.diag(matrix)
    if not np.all(diagonal > 0.0):
        return False
    scale = np.sqrt(diagonal)
    try:
        np.linalg.cholesky(matrix / np.outer(scale, scale) - 1e-10 * np.eye(scale.size))
    except np.linalg.LinAlgError:
        return False
    return True


def _newton_step(gradient: Floats, hessian: Floats, damping: float) -> tuple[Floats, float]:
    """Damped Newton step, scaled by the diagonal, and the fall of the function it promises."""
    scale = np.sqrt(np.maximum(np.diag(hessian), 1e-12 * max(float(np.diag(hessian).max()), 1e-300)))
    normal = hessian / np.outer(scale, scale) + damping * np.eye(scale.size)
    step = -np.linalg.lstsq(normal, gradient / scale, rcond=1e-14)[0] / scale
    return step, -0.5 * float(gradient @ step)


def _auxiliary_sigmas(model: Any) -> Floats:
    """Width of each auxiliary measurement; NaN where it is a Poisson count."""
    sigmas: list[float] = []
    for name in model.config.auxdata_order:
        pset = model.config.param_set(name)
        if pset.pdf_type == "poisson":
            sigmas += [np.nan] * pset.n_parameters
        else:
            sigmas += [float(x) for x in getattr(pset, "sigmas", [1.0] * pset.n_parameters)]
    return np.asarray(sigmas, dtype=np.float64)
