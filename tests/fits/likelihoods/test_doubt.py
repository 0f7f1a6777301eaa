"""The criterion for several minima against one that computes the whole expectation each time."""

from __future__ import annotations

import numpy as np
import pytest
from randomworkspaces import large_workspace, random_workspace

from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.likelihoods.arrays import NORMSYS
from massgap.fits.likelihoods.doubt import least_curvatures


def by_hand(likelihood: Likelihood, theta: np.ndarray, parameters: np.ndarray) -> list[float]:
    """Smallest second derivative along each, by differences between expectations half a standard deviation apart."""
    found = []
    for p in parameters:
        rows = []
        for a in np.linspace(-3.0, 3.0, 13):
            moved = theta.copy()
            moved[p] = a
            rows.append(likelihood.expected(moved).counts)
        means = np.array(rows)
        slope, bend = means[2:] - means[:-2], 4.0 * (means[2:] - 2.0 * means[1:-1] + means[:-2])
        weight = 1.0 / np.maximum(means[1:-1], 1e-3)
        curvature = 1.0 + (slope**2 * weight).sum(axis=1) - 5.0 * np.sqrt((bend**2 * weight).sum(axis=1))
        found.append(float(curvature.min()))
    return found


def interpolated(likelihood: Likelihood) -> np.ndarray:
    arrays = likelihood.model.arrays
    rates = arrays.rate_parameters[arrays.rate_kinds == NORMSYS]
    return np.unique(np.concatenate([rates, arrays.shape_parameters]))


@pytest.mark.parametrize("profile", [True, False])
def test_only_what_a_parameter_moves_gives_the_whole(profile) -> None:
    rng = np.random.default_rng(3)
    for seed in range(15):
        likelihood = Likelihood(random_workspace(seed, few_events=seed % 3 == 0))
        if not profile:
            likelihood = likelihood.unprofiled()
        parameters = interpolated(likelihood)
        theta = likelihood.with_poi(1.0)
        theta[~likelihood.model.arrays.fixed] += rng.uniform(
            -0.3, 0.3, (~likelihood.model.arrays.fixed).sum()
        )
        if seed % 5 == 0:
            theta[likelihood.poi] = 0.0
        found = least_curvatures(likelihood.model.arrays, theta, parameters, 5.0)
        assert found == pytest.approx(by_hand(likelihood, theta, parameters), rel=1e-9), seed


def test_of_many_channels() -> None:
    likelihood = Likelihood(large_workspace(channels=6, systematics=12))
    theta, parameters = likelihood.with_poi(1.0), interpolated(likelihood)
    found = least_curvatures(likelihood.model.arrays, theta, parameters, 5.0)
    assert found == pytest.approx(by_hand(likelihood, theta, parameters), rel=1e-9)
