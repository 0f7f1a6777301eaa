"""The compiled likelihood against pyhf: its own tests, and its expectations with our minimiser."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import numpy as np
import pyhf
import pytest
from randomworkspaces import random_workspace

from massgap.fits.errors import InferenceError, WorkspaceError
from massgap.fits.inference.engines import likelihood_of
from massgap.fits.inference.hypothesis_tests import (
    discovery,
    hypothesis_test,
    signal_strength,
    upper_limit,
)
from massgap.fits.inference.impacts import impacts
from massgap.fits.workspaces.schema import schema_warnings_off

SEEDS = (1, 3, 5, 7)


@pytest.mark.parametrize("seed", SEEDS)
def test_cls_is_that_of_pyhf(seed) -> None:
    workspace = random_workspace(seed)
    with schema_warnings_off():
        document = pyhf.Workspace(workspace, validate=False)
        model = document.model(validate=False)
        data = document.data(model)
        seen, band = pyhf.infer.hypotest(1.3, data, model, test_stat="qtilde", return_expected_set=True)
    found = hypothesis_test(workspace, 1.3)
    # pyhf's minimiser stops at a tolerance of its own.
    assert found.cls == pytest.approx(float(seen), abs=1e-4)
    assert found.expected == pytest.approx([float(x) for x in band], abs=1e-4)


@pytest.mark.parametrize("seed", SEEDS[:2])
def test_both_engines_agree(seed) -> None:
    workspace = random_workspace(seed)
    ours, reference = (likelihood_of(workspace, engine=name) for name in ("massgap", "pyhf"))
    assert ours.poi_error(ours.with_poi(1.0), ours.expected(ours.with_poi(1.0))) == pytest.approx(
        reference.poi_error(reference.with_poi(1.0), reference.expected(reference.with_poi(1.0))), rel=1e-4
    )
    one, two = (upper_limit(likelihood, observed=True) for likelihood in (ours, reference))
    assert one.observed == pytest.approx(two.observed, rel=1e-5)
    assert one.expected == pytest.approx(two.expected, rel=1e-5)
    a, b = (discovery(likelihood, observed=True) for likelihood in (ours, reference))
    assert a.expected_significance == pytest.approx(b.expected_significance, rel=1e-5)
    strengths = [signal_strength(likelihood, observed=True) for likelihood in (ours, reference)]
    assert strengths[0].value == pytest.approx(strengths[1].value, abs=1e-4)
    assert strengths[0].pulls.keys() == strengths[1].pulls.keys()
    for name, pull in strengths[0].pulls.items():
        assert pull.value == pytest.approx(strengths[1].pulls[name].value, abs=1e-3)


@pytest.mark.parametrize("seed", SEEDS)
def test_errors_are_those_of_a_numerical_hessian_of_pyhf(seed) -> None:
    workspace = random_workspace(seed)
    likelihood = likelihood_of(workspace)
    best = likelihood.fit(likelihood.observed)
    with schema_warnings_off():
        document = pyhf.Workspace(workspace, validate=False)
        model = document.model(validate=False)
        data = np.asarray(document.data(model))
    order = np.array([likelihood.names.index(name) for name in model.config.par_names])
    free = [i for i, fixed in enumerate(model.config.suggested_fixed()) if not fixed]
    at = best.pars[order]
    assert (at[free] > 1e-3).sum() + (at[free] < -1e-3).sum() > 0

    def value(*moves: tuple[int, float]) -> float:
        point = at.copy()
        for i, move in moves:
            point[i] += move
        return -float(np.asarray(model.logpdf(point, data))[0])

    h = 3e-4
    hessian = np.array(
        [
            [
                sum(a * b * value((i, a * h), (j, b * h)) for a in (1, -1) for b in (1, -1)) / (4 * h * h)
                for j in free
            ]
            for i in free
        ]
    )
    expected = np.sqrt(np.diag(np.linalg.inv(hessian)))
    ours = np.sqrt(np.diag(likelihood.covariance(best.pars, likelihood.observed)))[order][free]
    assert ours == pytest.approx(expected, rel=2e-3)
    assert likelihood.poi_error(best.pars, likelihood.observed) == pytest.approx(
        expected[free.index(model.config.poi_index)], rel=2e-3
    )


def test_impacts_are_those_of_fits_by_hand() -> None:
    """Two counting channels: the impact of the background in closed form, at fitted values."""
    workspace = {
        "channels": [
            {
                "name": "sr",
                "samples": [
                    {
                        "name": "s",
                        "data": [10.0],
                        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                    },
                    {
                        "name": "b",
                        "data": [50.0],
                        "modifiers": [
                            {
                                "name": "shape",
                                "type": "histosys",
                                "data": {"hi_data": [55.0], "lo_data": [45.0]},
                            }
                        ],
                    },
                ],
            }
        ],
        "observations": [{"name": "sr", "data": [62.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }
    likelihood = likelihood_of(workspace)
    (found,) = impacts(likelihood, likelihood.observed)
    # mu = (n - 50 - 5 alpha) / 10 for any alpha: the pull is 0 and its error the prior's.
    assert (found.value, found.error) == pytest.approx((0.0, 1.0), abs=1e-6)
    assert (found.up, found.down) == pytest.approx((-0.5, 0.5), abs=1e-6)


def test_what_is_not_there() -> None:
    workspace = random_workspace(1)
    with pytest.raises(InferenceError, match=r"no engine 'roofit'.*massgap, pyhf"):
        likelihood_of(workspace, engine="roofit")
    workspace["measurements"][0]["config"]["poi"] = ""
    with pytest.raises(InferenceError, match="--poi"):
        likelihood_of(workspace)
    with pytest.raises(WorkspaceError, match="--poi"):
        likelihood_of(workspace, engine="pyhf")
    assert likelihood_of(workspace, poi="mu").poi >= 0
    with pytest.raises(WorkspaceError, match="--measurement"):
        likelihood_of(workspace, engine="pyhf", measurement="other")


def test_two_minima_of_a_conditional_fit() -> None:
    """Uncertainties that move a rate to one side both ways: the fit of Asimov data ends in the lower of two valleys.

    From where Asimov data were made it slides into the other one, 0.47 higher in twice the logarithm of the likelihood.
    """
    workspace = json.loads(Path(__file__).with_name("two_minima.json").read_text())
    likelihood = likelihood_of(workspace)
    assert likelihood.ambiguous
    mu = 1.34
    without = likelihood.fit(likelihood.observed, mu=0.0).pars
    data = likelihood.expected(without)
    interpolated = [likelihood.names.index(name) for name in ("a0", "a1", "a2")]
    found = []
    for alphas in itertools.product((-1.5, 0.0, 1.5), repeat=3):
        start = without.copy()
        start[interpolated] = alphas
        found.append(likelihood.fit(data, mu=mu, start=start, check=False).nll2)
    assert max(found) > min(found) + 0.4
    assert hypothesis_test(workspace, mu).q_asimov == pytest.approx(min(found), abs=1e-7)


def test_asimov_significance_in_closed_form() -> None:
    """One bin without nuisances: Asimov's formula, equation (97) of arXiv:1007.1727."""
    s, b = 12.0, 40.0
    workspace = {
        "channels": [
            {
                "name": "sr",
                "samples": [
                    {
                        "name": "s",
                        "data": [s],
                        "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
                    },
                    {"name": "b", "data": [b], "modifiers": []},
                ],
            }
        ],
        "observations": [{"name": "sr", "data": [b]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
    }
    exact = np.sqrt(2.0 * ((s + b) * np.log(1.0 + s / b) - s))
    assert discovery(workspace).expected_significance == pytest.approx(exact, rel=1e-6)
