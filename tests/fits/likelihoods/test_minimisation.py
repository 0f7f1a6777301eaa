"""Accepted points are minima: no other start ends lower, and profiled and plain parameters give one answer."""

from __future__ import annotations

import os

import numpy as np
import pytest
from randomworkspaces import random_workspace
from scipy.optimize import minimize

from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.likelihoods.evaluation import VALUE, WITH_DERIVATIVES, evaluate
from massgap.fits.likelihoods.model import model_of

MODELS = int(os.environ.get("MASSGAP_RANDOM_MODELS", "60"))
"""Number of random models; 10,000 of them take an hour."""


@pytest.mark.parametrize("mu", [None, 0.0, 1.3])
def test_no_start_ends_lower(mu) -> None:
    rng = np.random.default_rng(5)
    for seed in range(MODELS):
        likelihood = Likelihood(random_workspace(seed, few_events=seed % 3 == 0))
        data = likelihood.observed
        found = likelihood.fit(data, mu=mu, non_negative=True)
        assert found.certificate.distance < 1e-9
        for _ in range(3):
            start = likelihood.nominal
            free = ~likelihood.model.arrays.fixed
            start[free] += rng.normal(0, np.where(start == 0.0, 1.0, 0.2))[free]
            if mu is None:
                start[likelihood.poi] = rng.uniform(0.0, 4.0)
            other = likelihood.fit(data, mu=mu, non_negative=True, start=start, check=False)
            assert other.nll2 > found.nll2 - 1e-7, seed


def test_another_program_ends_nowhere_lower() -> None:
    """SciPy's bounded quasi-Newton method from where the fit ended, with the plain likelihood and its exact gradient."""
    for seed in range(0, MODELS, 3):
        workspace = random_workspace(seed, few_events=seed % 2 == 0)
        likelihood = Likelihood(workspace)
        found = likelihood.fit(likelihood.observed, non_negative=True)
        model = model_of(workspace, profile=False)
        arrays, data = model.arrays, model.observed
        free = np.flatnonzero(~arrays.fixed)
        size = len(model.names)

        def both(x, model=model, free=free, data=data, size=size):
            theta = model.initial.copy()
            theta[free] = x
            gradient, hessian = np.empty(size), np.empty((size, size))
            value = evaluate(
                model.arrays, theta, data.counts, data.auxiliary, WITH_DERIVATIVES, gradient, hessian
            )
            return value, gradient[free]

        at = evaluate(
            arrays, found.pars.copy(), data.counts, data.auxiliary, VALUE, np.empty(0), np.empty((0, 0))
        )
        assert 2.0 * at == pytest.approx(found.nll2, rel=1e-12, abs=1e-10)
        bounds = [(arrays.low[p], None if p == model.poi else arrays.high[p]) for p in free]
        other = minimize(both, found.pars[free], jac=True, bounds=bounds, method="L-BFGS-B")
        assert 2.0 * other.fun > found.nll2 - 1e-7, seed


def test_profiled_parameters_change_nothing() -> None:
    for seed in range(MODELS):
        workspace = random_workspace(seed)
        one = Likelihood(model_of(workspace))
        two = Likelihood(model_of(workspace, profile=False))
        for mu in (None, 0.7):
            a = one.fit(one.observed, mu=mu, non_negative=True)
            b = two.fit(two.observed, mu=mu, non_negative=True)
            assert a.nll2 == pytest.approx(b.nll2, rel=1e-9, abs=1e-8)
            # Not the parameters: two that do nearly the same are free along a valley.
            assert one.expected(a.pars).counts == pytest.approx(two.expected(b.pars).counts, rel=1e-4)


def test_bounds_and_flat_directions_are_told() -> None:
    workspace = random_workspace(1, channels=1)
    sample = workspace["channels"][0]["samples"][-1]
    empty = [0.0] * len(sample["data"])
    extra = {
        "name": "nothing",
        "data": empty,
        "modifiers": [{"name": "useless", "type": "normfactor", "data": None}],
    }
    workspace["channels"][0]["samples"].append(extra)
    likelihood = Likelihood(workspace)
    found = likelihood.fit(likelihood.observed, mu=1.0)
    assert found.certificate.flat
    assert found.pars[likelihood.names.index("useless")] == 1.0
    nothing_seen = likelihood.observed._replace(counts=0.0 * likelihood.observed.counts)
    assert "mu" in likelihood.fit(nothing_seen, non_negative=True).certificate.on_bounds


def test_a_step_too_far_for_a_poisson_factor_costs_few_steps() -> None:
    """The whole step helps another channel, and would put the factor on its bound, whence each step but doubles it."""
    counts = {"name": "u", "type": "shapesys", "data": [1.8]}
    rate = {"name": "n", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
    channels = {"few": (1.0, [counts]), "many": (1000.0, [rate])}
    workspace = {
        "channels": [
            {"name": name, "samples": [{"name": "b", "data": [content], "modifiers": modifiers}]}
            for name, (content, modifiers) in channels.items()
        ],
        "observations": [{"name": "few", "data": [0.0]}, {"name": "many", "data": [1000.0]}],
        "measurements": [{"name": "m", "config": {"poi": "", "parameters": []}}],
    }
    likelihood = Likelihood(model_of(workspace, profile=False))
    start = likelihood.nominal
    start[[likelihood.names.index(name) for name in ("n", "u[0]")]] = 2.5, 4.0
    found = likelihood.fit(likelihood.observed, start=start, check=False)
    # A Poisson term of 1 / 1.8^2 counts and an expectation of as many as the factor: both are minus its logarithm.
    counted = 1.0 / 1.8**2
    assert found.pars[likelihood.names.index("u[0]")] == pytest.approx(counted / (counted + 1.0), rel=1e-6)
    assert found.certificate.steps <= 15
