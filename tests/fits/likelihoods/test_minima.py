"""Accepted points are the lowest minima: random models, and those that once were not."""

from __future__ import annotations

import math

import numpy as np
import pyhf
import pytest
from minimastudy import document_of, fits_of, random_start, study

from massgap.fits.inference.hypothesis_tests import hypothesis_test
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.workspaces.schema import schema_warnings_off

SEVERAL = {
    282: "not below 0",  # a far place where less than nothing is expected
    1818: "signal strength 2",
    1860: "signal strength 2",
    1949: "Asimov data, signal strength 3",
    3094: "Asimov data, signal strength 3",
    4444: "Asimov data, signal strength 3",
    6126: "not below 0",
    6776: "Asimov data, signal strength 3",
}
"""Seeds of models that have minima which the starts of earlier versions all missed."""
ENDLESS = (456, 1866, 2298, 2658, 2760)
"""Seeds of models that have no minimum at a signal strength of 2: one factor grows for ever."""


def test_random_models() -> None:
    """See minimastudy.py for all 10,000."""
    for seed in range(20, 30):
        verdict = study(seed, with_pyhf=seed % 4 == 0)
        assert verdict.accepted == 5
        assert not verdict.wrong


def test_the_study_tells_what_is_no_minimum(monkeypatch) -> None:
    """Points of a fit that tries one start, and those beside the minimum."""
    plain = Likelihood.fit
    monkeypatch.setattr(Likelihood, "fit", lambda *args, **options: plain(*args, **options, check=False))
    assert "another start" in {entry[1] for entry in study(6776, with_pyhf=False).wrong}

    def beside(*args, **options):
        point = plain(*args, **options)
        point.pars[0] += 1e-3
        return point

    monkeypatch.setattr(Likelihood, "fit", beside)
    assert any(entry[1].startswith("a0 -") for entry in study(24, with_pyhf=True).wrong)


@pytest.mark.parametrize(("seed", "name"), SEVERAL.items())
def test_the_lowest_of_several_minima(seed, name) -> None:
    likelihood, rng = Likelihood(document_of(seed)), np.random.default_rng(seed)
    fit = next(fit for fit in fits_of(likelihood) if fit.name == name)
    point = likelihood.fit(fit.data, mu=fit.mu, non_negative=fit.non_negative)
    assert (likelihood.expected(point.pars).counts >= 0.0).all()
    others = []
    for _ in range(40):
        start = random_start(likelihood, fit, rng)
        found = likelihood.fit(fit.data, mu=fit.mu, non_negative=fit.non_negative, start=start, check=False)
        if (likelihood.expected(found.pars).counts >= 0.0).all():
            others.append(found.nll2)
    assert max(others) > min(others) - 1e-7 > point.nll2 - 2e-7


def endless(observed: float) -> dict:
    """A background of one free factor times another in the first channel, and of the first alone in the second."""
    both = [
        {"name": name, "type": kind, "data": None}
        for name, kind in (("free", "normfactor"), ("each", "shapefactor"))
    ]
    signal = [{"name": "mu", "type": "normfactor", "data": None}]
    samples = {
        "one": [("b", 5.0, both), ("s", 1.0, signal)],
        "two": [("b", 5.0, both[:1]), ("other", 10.0, [])],
    }
    return {
        "channels": [
            {"name": channel, "samples": [{"name": n, "data": [x], "modifiers": m} for n, x, m in entries]}
            for channel, entries in samples.items()
        ],
        "observations": [{"name": "one", "data": [7.0]}, {"name": "two", "data": [observed]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": []}}],
        "version": "1.0.0",
    }


def test_without_a_minimum_it_is_the_limit() -> None:
    """Of the second channel no background is seen: the factor goes to 0, and the first channel is fitted as it was seen."""
    likelihood = Likelihood(endless(4.0))
    for mu in (0.0, 2.0):
        point = likelihood.fit(likelihood.observed, mu=mu)
        assert point.nll2 == pytest.approx(2.0 * (10.0 - 4.0 + 4.0 * math.log(4.0 / 10.0)), abs=1e-8)
        assert "each[0]" in point.certificate.on_bounds
        assert 0.0 < point.certificate.distance < 1e-8
    with_minimum = Likelihood(endless(13.0)).fit(Likelihood(endless(13.0)).observed, mu=2.0)
    assert with_minimum.nll2 == pytest.approx(0.0, abs=1e-9)
    assert with_minimum.pars == pytest.approx([5.0 / (5.0 * 0.6), 0.6, 2.0])
    assert not with_minimum.certificate.on_bounds


@pytest.mark.parametrize("seed", ENDLESS)
def test_bounds_that_grow_come_near_the_limit(seed) -> None:
    """With a bound B the minimum is higher by about C / B; and pyhf's bound of 10 is kept where a measurement names it."""
    document = document_of(seed)
    free = Likelihood(document)
    point = free.fit(free.observed, mu=2.0)
    assert point.certificate.distance < 1e-8
    names = [name for name in free.model.parameters if name.startswith("sf_")]
    above = []
    for bound in (10.0, 100.0, 1000.0):
        entries = [
            {"name": name, "bounds": [[0.0, bound]] * len(free.model.parameters[name])} for name in names
        ]
        measurement = {
            "name": "bounded",
            "config": {
                "poi": "mu",
                "parameters": [*document["measurements"][0]["config"]["parameters"], *entries],
            },
        }
        bounded = Likelihood({**document, "measurements": [measurement]})
        above.append(bounded.fit(bounded.observed, mu=2.0).nll2 - point.nll2)
    assert above[0] > above[1] > above[2] > 0.0
    assert above[1] / above[2] == pytest.approx(10.0, rel=0.1)


def test_a_factor_grows_as_the_content_that_it_multiplies_vanishes() -> None:
    """No other factor shrinks there, but a systematic uncertainty goes to where the bin of a sample is empty."""
    likelihood = Likelihood(document_of(4692))
    point = likelihood.fit(likelihood.observed, mu=2.0)
    assert "sf_ch1_1[3]" in point.certificate.on_bounds
    assert point.certificate.distance < 1e-5
    free = likelihood._free[likelihood._free != likelihood.poi]
    start = likelihood.with_poi(2.0)
    assert not likelihood._minimise(start, free, likelihood._low, likelihood.observed).converged
    found = likelihood._minimise(start, free, likelihood._low, likelihood.observed, 1000.0)
    assert found.converged
    assert 1e-4 < 2.0 * found.value - point.nll2 < 1e-2


def test_bounds_that_are_named_give_the_answer_of_pyhf() -> None:
    document = endless(4.0)
    document["measurements"][0]["config"]["parameters"] = [{"name": "each", "bounds": [[0.0, 10.0]]}]
    with schema_warnings_off():
        model = pyhf.Workspace(document).model()
        theirs = pyhf.infer.hypotest(6.0, [7.0, 4.0], model, test_stat="qtilde")
    assert hypothesis_test(document, 6.0).cls == pytest.approx(float(theirs), abs=1e-4)
