"""Expectations and likelihoods of random models against pyhf, derivatives against finite differences."""

from __future__ import annotations

from typing import Any

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from randomworkspaces import large_workspace, random_workspace

from massgap.fits.likelihoods.evaluation import VALUE, WITH_DERIVATIVES, evaluate
from massgap.fits.likelihoods.model import Model, model_of
from massgap.fits.workspaces.schema import schema_warnings_off

seeds = st.integers(0, 10**6)


def moved(model: Model, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    theta = model.initial + rng.normal(0, np.where(model.initial == 0.0, 0.7, 0.08))
    theta[model.arrays.fixed] = model.initial[model.arrays.fixed]
    return theta


def of_pyhf(workspace: dict[str, Any], model: Model) -> tuple[Any, np.ndarray, np.ndarray]:
    """pyhf's model, and where its parameters are in ours, and its data."""
    with schema_warnings_off():
        document = pyhf.Workspace(workspace, validate=False)
        theirs = document.model(validate=False)
    order = np.array([model.names.index(name) for name in theirs.config.par_names])
    assert len(order) == len(model.names)
    return theirs, order, np.asarray(document.data(theirs))


def bins_as_pyhf(workspace: dict[str, Any], counts: np.ndarray) -> np.ndarray:
    """pyhf sorts channels by name."""
    sizes = [len(channel["samples"][0]["data"]) for channel in workspace["channels"]]
    pieces = dict(
        zip((c["name"] for c in workspace["channels"]), np.split(counts, np.cumsum(sizes)[:-1]), strict=True)
    )
    return np.concatenate([pieces[name] for name in sorted(pieces)])


@settings(max_examples=60)
@given(seeds)
def test_expectation_is_that_of_pyhf(seed) -> None:
    workspace = random_workspace(seed)
    model = model_of(workspace)
    theirs, order, _ = of_pyhf(workspace, model)
    theta = moved(model, seed)
    expected = model.expected(theta)
    full = np.asarray(theirs.expected_data(theta[order]))
    n = len(expected.counts)
    assert bins_as_pyhf(workspace, expected.counts) == pytest.approx(full[:n], rel=1e-12)
    constrained = [p for p in order if model.arrays.constraints[p]]
    names = [
        name
        for entry in theirs.config.auxdata_order
        for name in theirs.config.param_set(entry).suggested_init
    ]
    assert len(names) == len(constrained)
    assert sorted(expected.auxiliary[constrained]) == pytest.approx(sorted(full[n:]), rel=1e-12)
    assert model.initial[order] == pytest.approx(theirs.config.suggested_init())
    assert model.arrays.low[order] == pytest.approx([low for low, _ in theirs.config.suggested_bounds()])
    high = np.array([high for _, high in theirs.config.suggested_bounds()])
    scalar = np.array(["[" not in name for name in theirs.config.par_names])
    assert model.arrays.high[order][scalar] == pytest.approx(high[scalar])
    assert model.arrays.fixed[order].tolist() == theirs.config.suggested_fixed()


@settings(max_examples=60)
@given(seeds)
def test_differences_of_likelihoods_are_those_of_pyhf(seed) -> None:
    """The constant, that of the saturated model, drops out; no parameter is profiled, so that both are at one point."""
    workspace = random_workspace(seed)
    model = model_of(workspace, profile=False)
    theirs, order, data = of_pyhf(workspace, model)
    ours, reference = [], []
    for shift in (0, 1):
        theta = moved(model, seed + shift)
        value = evaluate(
            model.arrays,
            theta,
            model.observed.counts,
            model.observed.auxiliary,
            VALUE,
            np.empty(0),
            np.empty((0, 0)),
        )
        ours.append(value)
        reference.append(-float(np.asarray(theirs.logpdf(theta[order], data))[0]))
    assert ours[1] - ours[0] == pytest.approx(reference[1] - reference[0], rel=1e-9, abs=1e-8)


def check_derivatives(model: Model, seed: int, most: int = 1000) -> None:
    data = model.observed
    size = len(model.names)
    profiled = set(model.arrays.profiled.tolist())
    free = [p for p in range(size) if p not in profiled and not model.arrays.fixed[p]][:most]

    def at(theta: np.ndarray) -> tuple[float, np.ndarray, np.ndarray]:
        gradient, hessian = np.empty(size), np.empty((size, size))
        value = evaluate(
            model.arrays, theta.copy(), data.counts, data.auxiliary, WITH_DERIVATIVES, gradient, hessian
        )
        return value, gradient, np.tril(hessian) + np.tril(hessian, -1).T

    theta = moved(model, seed)
    # The polynomials of shapes have no third derivative at +-1.
    theta[np.abs(np.abs(theta) - 1.0) < 1e-3] += 2e-3
    _, gradient, hessian = at(theta)
    h = 1e-5
    for p in free:
        up, down = theta.copy(), theta.copy()
        up[p] += h
        down[p] -= h
        above, below = at(up), at(down)
        assert gradient[p] == pytest.approx((above[0] - below[0]) / (2 * h), rel=1e-5, abs=1e-4)
        for q in free:
            assert hessian[p, q] == pytest.approx((above[1][q] - below[1][q]) / (2 * h), rel=1e-4, abs=1e-3)


@settings(max_examples=25)
@given(seeds, st.booleans())
def test_derivatives_are_exact(seed, profile) -> None:
    check_derivatives(model_of(random_workspace(seed), profile=profile), seed)


def test_derivatives_of_a_large_model() -> None:
    check_derivatives(model_of(large_workspace(channels=6, systematics=20)), 1, most=12)


def test_derivatives_where_factors_are_zero() -> None:
    """Products without a factor that is zero cannot be had by division."""
    contents = [3.0, 5.0]
    modifiers = [{"name": name, "type": "normfactor", "data": None} for name in ("mu", "a", "b")]
    signal = {"name": "s", "data": contents, "modifiers": modifiers}
    background = {"name": "b", "data": [20.0, 30.0], "modifiers": []}
    workspace = {
        "channels": [{"name": "c", "samples": [signal, background]}],
        "observations": [{"name": "c", "data": [25.0, 28.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
    }
    model = model_of(workspace)
    slope = np.array([3.0, 5.0]) @ (1.0 - np.array([25.0, 28.0]) / np.array([20.0, 30.0]))
    for values, first, mixed in (
        ((0.0, 1.0, 1.0), (0.0, 0.0, slope), slope),
        ((0.0, 0.0, 1.0), (0.0, 0.0, 0.0), slope),
        ((0.0, 0.0, 0.0), (0.0, 0.0, 0.0), 0.0),
    ):
        named = dict(zip(("mu", "a", "b"), values, strict=True))
        theta = np.array([named[name] for name in model.names])
        gradient, hessian = np.empty(3), np.empty((3, 3))
        evaluate(
            model.arrays,
            theta,
            model.observed.counts,
            model.observed.auxiliary,
            WITH_DERIVATIVES,
            gradient,
            hessian,
        )
        a, b, mu = (model.names.index(name) for name in ("a", "b", "mu"))
        assert gradient[[a, b, mu]] == pytest.approx(np.array(first))
        assert hessian[max(a, mu), min(a, mu)] == pytest.approx(mixed)
        assert hessian[max(b, mu), min(b, mu)] == pytest.approx(mixed if values[1] else 0.0)
