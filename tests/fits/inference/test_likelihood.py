"""Fits that are hard: several minima, none at all."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest
from randomworkspaces import random_workspace

from massgap.fits.inference.hypothesis_tests import hypothesis_test, upper_limit
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.workspaces.schema import schema_warnings_off

OPPOSITE = (25572, 21244)
"""Seeds of models in which one uncertainty moves a sample up and another down: two minima, and no rate to one side alone."""


def one_bin(up: float, down: float, events: float = 100.0) -> dict:
    """A background with one rate, and a signal."""
    rates = {"name": "a", "type": "normsys", "data": {"hi": up, "lo": down}}
    samples = [
        {"name": "b", "data": [events], "modifiers": [rates]},
        {"name": "s", "data": [10.0], "modifiers": [{"name": "mu", "type": "normfactor", "data": None}]},
    ]
    return {
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": [events]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


@pytest.mark.parametrize(
    ("up", "down", "events", "expected"),
    [
        (1.1, 0.9, 100.0, False),  # an ordinary uncertainty
        (1.001, 1.001, 100.0, False),  # to one side, and too small for the data to tell
        (1.4, 1.4, 100.0, True),
        (1.4, 1.4, 0.1, False),  # no data that could tell
    ],
)
def test_which_models_are_in_doubt(up, down, events, expected) -> None:
    assert Likelihood(one_bin(up, down, events)).ambiguous is expected


def test_two_minima_where_it_is_in_doubt() -> None:
    """An excess that an uncertainty explains on both sides: both are there, equally deep."""
    likelihood = Likelihood(one_bin(1.4, 1.4))
    data = likelihood.observed._replace(counts=np.array([130.0]))
    found = []
    for start in (1.0, -1.0):
        pars = likelihood.with_poi(0.0)
        pars[0] = start
        found.append(likelihood.fit(data, mu=0.0, start=pars, check=False))
    assert [point.pars[0] for point in found] == pytest.approx([-found[1].pars[0], found[1].pars[0]])
    assert abs(found[0].pars[0]) > 0.5
    assert found[0].nll2 == pytest.approx(found[1].nll2)


@pytest.mark.parametrize("seed", OPPOSITE)
def test_samples_that_move_against_each_other(seed) -> None:
    """The fit at every signal strength is the best of many starts, wherever it came from."""
    likelihood = Likelihood(random_workspace(seed, few_events=seed % 2 == 0))
    assert likelihood.ambiguous
    data = likelihood.expected(likelihood.with_poi(0.0))
    rng = np.random.default_rng(seed)
    best = likelihood.fit(data, mu=3.0).nll2
    once = likelihood.fit(data, mu=3.0, check=False).nll2
    assert best < once - 1e-3
    moved = likelihood.nominal == 0.0
    for _ in range(20):
        start = likelihood.with_poi(3.0)
        start[moved] = rng.normal(0.0, 1.5, moved.sum())
        assert likelihood.fit(data, mu=3.0, start=start, check=False).nll2 > best - 1e-7


def test_two_free_factors_without_a_minimum() -> None:
    """The likelihood falls for ever as one factor goes to 0 and another grows: limits are those of where it ends."""
    workspace = random_workspace(1061)
    found = upper_limit(workspace, observed=True)
    assert found.expected == tuple(sorted(found.expected))
    entry = {"name": "sf_ch0_1", "bounds": [[0.0, 10.0]]}
    workspace["measurements"][0]["config"]["parameters"].append(entry)
    entry["bounds"] *= len(Likelihood(random_workspace(1061)).model.parameters["sf_ch0_1"])
    with schema_warnings_off():
        document = pyhf.Workspace(workspace, validate=False)
        model = document.model(validate=False)
        theirs = pyhf.infer.hypotest(5.0, document.data(model), model, test_stat="qtilde")
    assert hypothesis_test(workspace, 5.0).cls == pytest.approx(float(theirs), abs=1e-4)
    # The bound that pyhf has of itself keeps signals out that the model allows.
    assert upper_limit(workspace, observed=True).expected[2] <= found.expected[2] + 1e-6
