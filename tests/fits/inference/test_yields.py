"""Yields before and after a fit, beside pyhf and numbers that can be written down."""

from __future__ import annotations

import json
import math
from typing import Any

import numpy as np
import pyhf
import pytest
from randomworkspaces import random_workspace

from massgap.fits.inference.engines import likelihood_of
from massgap.fits.inference.hypothesis_tests import signal_strength
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.inference.yields import Yield, fitted_yields

pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of pyhf's validation
INTERPOLATION = {"normsys": {"interpcode": "code4"}, "histosys": {"interpcode": "code4p"}}


def fitted(workspace: dict[str, Any], signal: str, engine: str = "massgap") -> list[Yield]:
    likelihood = likelihood_of(workspace, engine=engine)
    strength = signal_strength(likelihood)
    return fitted_yields(likelihood, workspace, signal, strength.pars, strength.covariance)


@pytest.mark.parametrize("seed", range(12))
def test_yields_and_errors_are_those_of_pyhf_by_sample(seed: int) -> None:
    workspace = random_workspace(seed)
    likelihood = Likelihood(workspace)
    strength = signal_strength(likelihood)
    rng = np.random.default_rng(seed)
    # away from the Asimov point, and with a matrix that has all correlations
    pars = strength.pars + 0.3 * rng.normal(size=len(strength.pars)) * np.sqrt(np.diag(strength.covariance))
    root = rng.normal(size=strength.covariance.shape) * 0.05
    matrix = strength.covariance + root @ root.T
    found = fitted_yields(likelihood, workspace, "s0", pars, matrix)

    model = pyhf.Workspace(workspace).model(modifier_settings=INTERPOLATION)
    order = [likelihood.names.index(name) for name in model.config.par_names]

    def of_samples(theta: np.ndarray) -> np.ndarray:
        by_sample = model.main_model.expected_data(pyhf.tensorlib.astensor(theta), return_by_sample=True)
        per_channel = [
            np.asarray(by_sample)[:, model.config.channel_slices[channel]].sum(axis=1)
            for channel in model.config.channels
        ]
        return np.stack(per_channel, axis=1)

    centre = pars[order]
    steps = 1e-5 * np.eye(len(order))
    slopes = np.stack([(of_samples(centre + h) - of_samples(centre - h)) / 2e-5 for h in steps], axis=-1)
    errors = np.sqrt(np.einsum("sci,ij,scj->sc", slopes, matrix[np.ix_(order, order)], slopes))
    here = {(one.channel, one.process): one for one in found}
    for s, sample in enumerate(model.config.samples):
        for c, channel in enumerate(model.config.channels):
            if (channel, sample) in here:
                events, error = here[channel, sample].postfit
                assert events == pytest.approx(of_samples(centre)[s, c], rel=1e-9, abs=1e-12)
                assert error == pytest.approx(errors[s, c], rel=1e-5, abs=1e-9)
    for c, channel in enumerate(model.config.channels):
        others = [s for s, sample in enumerate(model.config.samples) if sample != "s0"]
        slope = slopes[others, c].sum(axis=0)
        error = math.sqrt(slope @ matrix[np.ix_(order, order)] @ slope)
        assert here[channel, None].postfit[1] == pytest.approx(error, rel=1e-5)
        assert here[channel, None].postfit[0] == pytest.approx(of_samples(centre)[others, c].sum(), rel=1e-9)


def two_regions(n: float, transfer: float, scale: float) -> dict[str, Any]:
    """Tops alone in a control region, with a free factor and an uncertainty of both regions; another one of the way to the search."""
    both = [
        {"name": "free", "type": "normfactor", "data": None},
        {"name": "scale", "type": "normsys", "data": {"hi": 1.0 + scale, "lo": 1.0 / (1.0 + scale)}},
    ]
    transferred = {
        "name": "transfer",
        "type": "normsys",
        "data": {"hi": 1.0 + transfer, "lo": 1.0 - transfer},
    }
    signal = {
        "name": "signal",
        "data": [3.0],
        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
    }
    search = {"name": "tt", "data": [50.0], "modifiers": [*both, transferred]}
    return {
        "channels": [
            {"name": "search", "samples": [signal, search]},
            {"name": "control", "samples": [{"name": "tt", "data": [n], "modifiers": both}]},
        ],
        "observations": [{"name": "search", "data": [53.0]}, {"name": "control", "data": [n]}],
        "measurements": [{"name": "all", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


@pytest.mark.parametrize("engine", ["massgap", "pyhf"])
def test_a_free_factor_that_is_not_known_is_no_number_of_events_that_is_not_known(engine: str) -> None:
    """What moves all regions alike is in the factor; events of the control region are known by their own number."""
    n, transfer, scale = 10_000.0, 0.08, 0.15
    workspace = two_regions(n, transfer, scale)
    pull = signal_strength(likelihood_of(workspace, engine=engine)).pulls["free"]
    assert pull.error == pytest.approx(math.hypot(math.log(1.0 + scale), 0.01), rel=0.01)
    told = {(one.channel, one.process): one for one in fitted(workspace, "signal", engine)}
    control, search = told["control", "tt"], told["search", "tt"]
    assert control.postfit == pytest.approx((n, math.sqrt(n)), rel=1e-3)
    assert search.postfit[0] == pytest.approx(50.0, rel=1e-4)
    assert search.postfit[1] == pytest.approx(50.0 * math.hypot(transfer, 0.01), rel=5e-3)
    # before the fit: widths of what is constrained, nothing of the free factor
    assert control.prefit == pytest.approx((n, n * math.log(1.0 + scale)), rel=0.01)
    assert told["search", None].postfit == search.postfit
    assert told["control", None].prefit == control.prefit
    # one signal strength of one search region takes what is left: all of its own events
    assert told["search", "signal"].postfit[1] == pytest.approx(
        math.sqrt(53.0 + search.postfit[1] ** 2), rel=0.02
    )
    assert [(one.channel, one.process) for one in fitted(workspace, "signal", engine)] == [
        ("search", "signal"),
        ("search", "tt"),
        ("search", None),
        ("control", "tt"),
        ("control", None),
    ]


def test_postfit_errors_are_the_spread_of_fits_to_toys() -> None:
    workspace = two_regions(900.0, 0.05, 0.1)
    likelihood = Likelihood(workspace)
    strength = signal_strength(likelihood)
    told = fitted_yields(likelihood, workspace, "signal", strength.pars, strength.covariance)
    rng = np.random.default_rng(11)
    expected = likelihood.expected(strength.pars)
    measured = [index for index, name in enumerate(likelihood.names) if name in ("scale", "transfer")]
    spread: list[list[float]] = []
    for _ in range(400):
        auxiliary = expected.auxiliary.copy()
        auxiliary[measured] += rng.normal(size=len(measured))
        counts = rng.poisson(expected.counts).astype(np.float64)
        point = likelihood.fit(expected._replace(counts=counts, auxiliary=auxiliary))
        again = fitted_yields(likelihood, workspace, "signal", point.pars, strength.covariance)
        spread.append([one.postfit[0] for one in again])
    ratio = np.std(spread, axis=0) / [one.postfit[1] for one in told]
    # 400 toys know a standard deviation to 3.5 %
    assert ratio == pytest.approx(np.ones(len(told)), abs=0.12)


def test_yields_are_plain_numbers() -> None:
    told = [one.as_dict() for one in fitted(two_regions(100.0, 0.1, 0.1), "signal")]
    assert json.loads(json.dumps(told, allow_nan=False)) == told
