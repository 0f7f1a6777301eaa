"""The test statistics of toys against pyhf's fits of the same pseudo-data, and against fits one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyhf
import pytest
from randomworkspaces import random_workspace

from massgap.fits.errors import InferenceError
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.inference.pyhf_likelihood import numpy_backend
from massgap.fits.inference.toys.pseudo_experiments import draw
from massgap.fits.likelihoods.model import Data
from massgap.fits.likelihoods.toys import FAILED
from massgap.fits.workspaces.schema import schema_warnings_off


def toys_of(likelihood: Likelihood, mu: float, number: int, seed: int) -> tuple[Data, np.ndarray]:
    pars = likelihood.fit(likelihood.observed, mu=mu).pars
    return draw(likelihood, pars, number, np.random.default_rng(seed)), pars


def model_of_pyhf(document: dict[str, Any]) -> Any:
    with schema_warnings_off():
        return pyhf.Workspace(document).model()


def as_pyhf(likelihood: Likelihood, model: Any, toys: Data, t: int) -> np.ndarray:
    """A toy in the order of pyhf's data: channels by name, then auxiliary measurements of its parameters."""
    bins = likelihood.model.arrays.channel_bins
    counts = {name: toys.counts[t, bins[c] : bins[c + 1]] for c, name in enumerate(likelihood.model.channels)}
    auxiliary = dict(zip(likelihood.names, toys.auxiliary[t], strict=True))
    names = likelihood.model.parameters
    measured = [auxiliary[name] for set_ in model.config.auxdata_order for name in names[set_].names]
    return np.concatenate([*(counts[name] for name in model.config.channels), measured])


@pytest.mark.parametrize("seed", [1, 4, 8])
def test_q_tilde_is_that_of_pyhf_for_the_same_toys(seed: int) -> None:
    document = random_workspace(seed)
    likelihood = Likelihood(document)
    toys, pars = toys_of(likelihood, 1.0, 4, seed)
    found = likelihood.fit_toys(toys, pars, [1.0])
    assert (found.ended != FAILED).all()
    model = model_of_pyhf(document)
    compared = 0
    with numpy_backend():
        pyhf.set_backend("numpy", pyhf.optimize.scipy_optimizer(tolerance=1e-9, maxiter=5000))
        bounds = model.config.suggested_bounds()
        bounds[model.config.poi_index] = (0.0, 100.0)
        for t in range(4):
            data = as_pyhf(likelihood, model, toys, t)
            args = data, model, model.config.suggested_init(), bounds, model.config.suggested_fixed()
            q = float(pyhf.infer.test_statistics.qmu_tilde(1.0, *args))
            assert found.q[0, t] == pytest.approx(q, abs=1e-3)
            compared += q > 0.0
    assert compared


@pytest.mark.parametrize("seed", range(8))
def test_toys_are_fitted_as_data_are(seed: int) -> None:
    likelihood = Likelihood(random_workspace(seed, few_events=seed % 2 == 1))
    toys, pars = toys_of(likelihood, 1.5, 12, seed)
    mus = [0.5, 1.5, 3.0]
    found = likelihood.fit_toys(toys, pars, mus)
    discovery = likelihood.fit_toys(toys, pars, [0.0], upper=False)
    for t in range(12):
        data = Data(toys.counts[t], toys.auxiliary[t])
        best = likelihood.fit(data, non_negative=True)
        at = float(best.pars[likelihood.poi])
        for j, mu in enumerate(mus):
            q = likelihood.fit(data, mu=mu).nll2 - best.nll2 if at < mu else 0.0
            assert found.q[j, t] == pytest.approx(q, abs=2e-6, rel=1e-7)
        q0 = likelihood.fit(data, mu=0.0).nll2 - best.nll2 if at > 0.0 else 0.0
        assert discovery.q[0, t] == pytest.approx(q0, abs=2e-6, rel=1e-7)


def test_toys_of_pyhf_have_the_same_distribution() -> None:
    """Means and variances of counts and auxiliary measurements, each within five standard deviations."""
    document = random_workspace(3)
    likelihood = Likelihood(document)
    number = 20_000
    toys, pars = toys_of(likelihood, 1.0, number, 0)
    model = model_of_pyhf(document)
    names = dict(zip(likelihood.names, pars, strict=True))
    theta = [names[n] for name in model.config.par_order for n in likelihood.model.parameters[name].names]
    with numpy_backend():
        np.random.seed(5)  # noqa: NPY002  # pyhf draws from the global generator of numpy
        theirs = np.asarray(model.make_pdf(pyhf.tensorlib.astensor(theta)).sample((number,)))
    ours = np.stack([as_pyhf(likelihood, model, toys, t) for t in range(number)])
    spread = np.sqrt((ours.var(axis=0) + theirs.var(axis=0)) / number)
    assert (np.abs(ours.mean(axis=0) - theirs.mean(axis=0)) < 5.0 * spread + 1e-12).all()
    fixed = ours.var(axis=0) == 0.0
    assert ours.var(axis=0)[~fixed] == pytest.approx(theirs.var(axis=0)[~fixed], rel=0.08)


def test_toys_with_two_minima_are_tried_from_all_starts() -> None:
    document = random_workspace(0, channels=1)
    sample = next(s for s in document["channels"][0]["samples"] if s["name"] == "s1")
    sample["modifiers"].append({"name": "kink", "type": "normsys", "data": {"hi": 1.4, "lo": 1.3}})
    likelihood = Likelihood(document)
    assert likelihood.ambiguous
    toys, pars = toys_of(likelihood, 1.0, 25, 1)
    found = likelihood.fit_toys(toys, pars, [1.0])
    for t in range(25):
        data = Data(toys.counts[t], toys.auxiliary[t])
        best = likelihood.fit(data, non_negative=True)
        q = likelihood.fit(data, mu=1.0).nll2 - best.nll2 if best.pars[likelihood.poi] < 1.0 else 0.0
        assert found.q[0, t] == pytest.approx(q, abs=1e-5)


def test_nothing_is_drawn_from_less_than_nothing() -> None:
    document = random_workspace(3)
    likelihood = Likelihood(document)
    pars = likelihood.with_poi(-1e3)
    with pytest.raises(InferenceError, match=r"expects -.* events .*--toys"):
        draw(likelihood, pars, 3, np.random.default_rng(1))
