"""Fits of one bin against closed forms, of many bins against pyhf."""

from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import brentq
from scipy.stats import norm

from massgap.fits.counting.cls import asymptotic, asymptotic_expected
from massgap.fits.counting.significance import (
    asimov,
    asimov_with_uncertainty,
    binned_common_normalisation,
    binned_statistical,
    binned_uncorrelated,
)
from massgap.fits.errors import InferenceError
from massgap.fits.inference.hypothesis_tests import discovery, signal_strength, upper_limit
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.inference.pyhf_likelihood import numpy_backend
from massgap.fits.workspaces.templates import Template, Templates
from massgap.fits.workspaces.workspace import WorkspaceOptions, build_workspace

if TYPE_CHECKING:
    from collections.abc import Sequence

BARE = {"lumi_fb": 1.0, "lumi_uncertainty": 0.0, "default_normalisation": 0.0}


def counting(
    s: Sequence[float],
    b: Sequence[float],
    db: Sequence[float] | float = 0.0,
    n: Sequence[float] | None = None,
    **options: Any,
) -> dict[str, Any]:
    """Workspace of bins with one background; db is the error that "full" turns into on/off counts."""
    signal, background = np.array(s, dtype=float), np.array(b, dtype=float)
    t = Templates(
        "sr",
        "x",
        np.arange(signal.size + 1.0),
        {
            "sig": Template(signal, np.zeros_like(signal)),
            "bkg": Template(background, np.broadcast_to(db, background.shape).astype(float) ** 2),
        },
    )
    chosen = WorkspaceOptions(**(BARE | {"mc_statistics": "full"} | options))
    seen = None if n is None else {"sr": list(n)}
    return build_workspace(t, "sig", ["bkg"], options=chosen, observations=seen)


@settings(max_examples=15, deadline=None)
@given(st.floats(0.5, 500.0), st.floats(0.5, 1e5))
def test_one_bin_is_the_asimov_formula(s: float, b: float) -> None:
    assert discovery(counting([s], [b])).expected_significance == pytest.approx(float(asimov(s, b)), rel=1e-7)


@settings(max_examples=15, deadline=None)
@given(st.floats(1.0, 200.0), st.floats(1.0, 1e4), st.floats(0.02, 0.5))
def test_one_bin_with_uncertainty_is_on_off(s: float, b: float, rel: float) -> None:
    expected = float(asimov_with_uncertainty(s, b, rel * b))
    assert discovery(counting([s], [b], rel * b)).expected_significance == pytest.approx(expected, rel=1e-5)


def test_bins() -> None:
    s, b = [3.0, 8.0, 12.0], [100.0, 50.0, 20.0]
    assert discovery(counting(s, b)).expected_significance == pytest.approx(
        float(binned_statistical(s, b)), rel=1e-8
    )
    db = 0.2 * np.array(b)
    assert discovery(counting(s, b, db)).expected_significance == pytest.approx(
        float(binned_uncorrelated(s, b, 0.2)), rel=1e-7
    )
    # A normalisation of HistFactory's is log-normal beyond one standard deviation and close to it within.
    assert discovery(counting(s, b, default_normalisation=0.2)).expected_significance == pytest.approx(
        float(binned_common_normalisation(s, b, 0.2)), rel=2e-3
    )


@pytest.mark.parametrize(("s", "b", "rel"), [(5.0, 4.0, 0.0), (10.0, 50.0, 0.15), (3.0, 1.2, 0.4)])
def test_expected_limits_are_those_of_the_counting_experiment(s: float, b: float, rel: float) -> None:
    limit = upper_limit(counting([s], [b], rel * b))
    for n_sigma, mu in zip((-2, -1, 0, 1, 2), limit.expected, strict=True):
        at = brentq(
            lambda x, k=n_sigma: float(asymptotic_expected(x * s, b, rel, k)) - 0.05, 1e-3, 100.0, rtol=1e-12
        )
        assert mu == pytest.approx(at, rel=1e-6)
    assert limit.observed is None


@pytest.mark.parametrize(
    ("n", "s", "b", "rel"), [(4, 5.0, 4.0, 0.0), (70, 10.0, 50.0, 0.15), (1, 3.0, 4.0, 0.3)]
)
def test_observed_limit_is_that_of_the_counting_experiment(n: int, s: float, b: float, rel: float) -> None:
    limit = upper_limit(counting([s], [b], rel * b, n=[n]), observed=True)
    at = brentq(
        lambda x: float(asymptotic(n, x * s, b, rel, asimov="fitted")) - 0.05, 1e-3, 100.0, rtol=1e-12
    )
    assert limit.observed == pytest.approx(at, rel=1e-6)


def test_observed_discovery() -> None:
    result = discovery(counting([10.0], [50.0], n=[70.0]), observed=True)
    assert result.observed_significance == pytest.approx(float(asimov(20.0, 50.0)), rel=1e-8)
    assert result.expected_significance == pytest.approx(float(asimov(10.0, 50.0)), rel=1e-8)
    assert result.p_value == pytest.approx(float(norm.sf(result.observed_significance)), rel=1e-10)
    low = discovery(counting([10.0], [50.0], n=[40.0]), observed=True)
    assert low.observed_significance == 0.0
    assert low.p_value == 0.5


def test_signal_strength_of_a_count() -> None:
    fit = signal_strength(counting([10.0], [50.0], n=[75.0]), observed=True)
    assert fit.value == pytest.approx(2.5, rel=1e-7)
    # 2 [m - n + n ln(n / m)] = 1 at the ends of the interval.
    for end in (fit.value + fit.error_up, fit.value - (fit.error_down or 0.0)):
        m = 50.0 + 10.0 * end
        assert 2 * (m - 75 + 75 * np.log(75 / m)) == pytest.approx(1.0, rel=1e-5)
    below = signal_strength(counting([10.0], [50.0], n=[30.0]), observed=True)
    assert below.value == pytest.approx(-2.0, rel=1e-7)


def test_no_lower_end_where_the_expectation_would_vanish() -> None:
    fit = signal_strength(counting([1.0], [0.2], n=[0.0]), observed=True)
    assert fit.error_down is None
    assert fit.value == pytest.approx(-0.99 * 0.2)


@settings(max_examples=10, deadline=None)
@given(st.floats(2.0, 50.0), st.floats(5.0, 500.0), st.floats(1.5, 20.0))
def test_limit_falls_with_luminosity(s: float, b: float, factor: float) -> None:
    once = upper_limit(counting([s], [b])).expected[2]
    more = upper_limit(counting([s], [b], lumi_fb=factor)).expected[2]
    assert more < once
    assert more * factor**0.5 == pytest.approx(once, rel=0.5)


def realistic(mc_statistics: str = "lite", n: bool = True) -> dict[str, Any]:
    """Five bins, two backgrounds, a systematic, every kind of modifier."""
    rng = np.random.default_rng(7)
    tt, ww, sig = (
        np.array([90.0, 60, 30, 12, 5]),
        np.array([70.0, 50, 28, 14, 8]),
        np.array([1.0, 3, 6, 9, 10]),
    )
    jes = (tt * np.linspace(1.02, 1.15, 5), tt * np.linspace(0.97, 0.9, 5))
    t = Templates(
        "mumu1j",
        "score",
        np.linspace(0, 1, 6),
        {
            "sig": Template(sig, 0.02 * sig),
            "tt": Template(tt, 0.3 * tt, {"jes": jes}),
            "WW": Template(ww, 0.4 * ww),
        },
    )
    options = WorkspaceOptions(lumi_fb=1.0, normalisation={"WW": "free"}, mc_statistics=mc_statistics)  # type: ignore[arg-type]
    seen = {"mumu1j": rng.poisson(tt + ww + 0.3 * sig).tolist()} if n else None
    return build_workspace(t, "sig", ["tt", "WW"], options=options, observations=seen)


@pytest.fixture(scope="module")
def in_pyhf() -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        document = pyhf.Workspace(realistic())
        model = document.model()
        return model, np.array(document.data(model))


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_limit_agrees_with_pyhf(in_pyhf: Any) -> None:
    model, data = in_pyhf
    limit = upper_limit(realistic(), observed=True)
    assert limit.observed is not None
    seen = pyhf.infer.hypotest(limit.observed, data, model, test_stat="qtilde")
    assert float(seen) == pytest.approx(0.05, rel=2e-3)
    for i in (0, 2, 4):
        _, band = pyhf.infer.hypotest(
            limit.expected[i], data, model, test_stat="qtilde", return_expected_set=True
        )
        assert float(band[i]) == pytest.approx(0.05, rel=2e-3)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_discovery_and_fit_agree_with_pyhf(in_pyhf: Any) -> None:
    model, data = in_pyhf
    result = discovery(realistic(), observed=True)
    p = float(pyhf.infer.hypotest(0.0, data, model, test_stat="q0"))
    assert result.p_value == pytest.approx(p, rel=5e-3)
    best = pyhf.infer.mle.fit(data, model)
    fit = signal_strength(realistic(), observed=True)
    assert fit.value == pytest.approx(float(best[model.config.poi_index]), abs=0.01 * fit.error)


def test_both_starts_agree_and_pulls_are_there() -> None:
    for kind in ("lite", "full"):
        fit = signal_strength(realistic(kind), observed=True)
        assert fit.second_start is not None
        assert abs(fit.second_start) < 1e-6
        assert fit.pulls["norm_WW"].pull is None  # free: nothing to be pulled from
        assert fit.pulls["norm_tt"].pull is not None
        assert (
            0.0 < (fit.pulls["lumi"].constraint or 0.0) <= 1.01
        )  # of the observed information, which may be a little below the prior


def test_asimov_fit_gives_back_what_went_in() -> None:
    fit = signal_strength(realistic(n=False))
    assert fit.value == pytest.approx(1.0, abs=1e-6)
    assert fit.nll == pytest.approx(0.0, abs=1e-8)
    assert max(abs(p.pull) for p in fit.pulls.values() if p.pull is not None) < 1e-5


def test_random_models_converge_from_both_starts() -> None:
    rng = np.random.default_rng(3)
    for _ in range(12):
        size = int(rng.integers(2, 7))
        b, s = 10 ** rng.uniform(0, 4, size), 10 ** rng.uniform(-1, 2, size)
        n = rng.poisson(b + rng.uniform(0, 3) * s)
        workspace = counting(
            s, b, rng.uniform(0.02, 0.4) * b, n=n, default_normalisation=float(rng.uniform(0, 0.5))
        )
        likelihood = Likelihood(workspace)
        for mu in (None, 0.0, 2.0):
            point = likelihood.fit(likelihood.observed, mu=mu, check=True)
            assert point.second_start is not None
            assert abs(point.second_start) < 1e-6


def test_the_callers_backend_is_given_back() -> None:
    with numpy_backend():
        pass
    before = pyhf.get_backend()
    discovery(counting([3.0], [10.0]))
    with pytest.raises(ZeroDivisionError), numpy_backend():
        _ = 1 / 0
    after = pyhf.get_backend()
    assert after[0] is before[0]
    assert after[1] is before[1]


def test_bad_level_and_hopeless_signal() -> None:
    with pytest.raises(InferenceError, match="between 0 and 1"):
        upper_limit(counting([1.0], [1.0]), level=95.0)
    with pytest.raises(InferenceError, match="No signal strength up to"):
        upper_limit(counting([1e-12], [1e6]))
