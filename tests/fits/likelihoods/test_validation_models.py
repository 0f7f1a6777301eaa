"""The models that pyhf validates itself with, and its modifiers one by one, against pyhf.

Contents are those of ``validation/data`` and of ``tests/test_patchset/example_bkgonly.json`` in the repository scikit-hep/pyhf
(Apache License 2.0), where the same models were compared with ROOT's HistFactory.
"""

from __future__ import annotations

import copy
from typing import Any

import pyhf
import pytest

from massgap.fits.inference.hypothesis_tests import hypothesis_test, upper_limit
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.workspaces.schema import schema_warnings_off

Document = dict[str, Any]
MU = ("normfactor", "mu", None)
LUMI = ("lumi", "lumi", None)


def lumi(nominal: float = 1.0, sigma: float = 0.1, **more: Any) -> Document:
    width = {"auxdata": [nominal], "sigmas": [sigma], "inits": [nominal]}
    return {"name": "lumi", "bounds": [[0.5, 1.5]], **width, **more}


def rate(name: str, high: float = 1.1, low: float = 0.9) -> tuple[str, str, Any]:
    return "normsys", name, {"hi": high, "lo": low}


def shape(name: str, up: list[float], down: list[float]) -> tuple[str, str, Any]:
    return "histosys", name, {"hi_data": up, "lo_data": down}


def workspace(
    channels: dict[str, tuple[list[float], dict[str, tuple[Any, ...]]]], *parameters: Document
) -> Document:
    """Channel -> what is seen, and sample -> contents and (type, name, data) of modifiers."""
    built = [
        {
            "name": channel,
            "samples": [
                {
                    "name": sample,
                    "data": contents,
                    "modifiers": [{"type": t, "name": n, "data": d} for t, n, d in modifiers],
                }
                for sample, (contents, *modifiers) in samples.items()
            ],
        }
        for channel, (_, samples) in channels.items()
    ]
    return {
        "channels": built,
        "observations": [{"name": channel, "data": seen} for channel, (seen, _) in channels.items()],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": list(parameters)}}],
        "version": "1.0.0",
    }


def counts(name: str, *errors: float) -> tuple[str, str, Any]:
    return "shapesys", name, list(errors)


def statistics(name: str, *errors: float) -> tuple[str, str, Any]:
    return "staterror", name, list(errors)


def factors(name: str) -> tuple[str, str, Any]:
    return "shapefactor", name, None


MODELS: dict[str, Document] = {
    "1bin_example1": workspace({"c": ([120.0], {"s": ([30.0], MU), "b": ([100.0], counts("u", 10.0))})}),
    "1bin_lumi": workspace(
        {"c": ([55.0], {"s": ([20.0], MU, LUMI), "b1": ([100.0], LUMI), "b2": ([0.0], LUMI)})}, lumi()
    ),
    "1bin_normsys": workspace(
        {"c": ([120.0, 180.0], {"s": ([30.0, 95.0], MU), "b": ([100.0, 150.0], rate("n"))})}
    ),
    "2bin_histosys_example2": workspace(
        {
            "c": (
                [120.0, 180.0],
                {"s": ([30.0, 95.0], MU), "b": ([100.0, 150.0], shape("h", [102.0, 190.0], [98.0, 100.0]))},
            )
        }
    ),
    "2bin_2channel_example1": workspace(
        {
            "signal": (
                [110.0, 155.0],
                {"s": ([10.0, 35.0], MU), "b": ([100.0, 150.0], counts("u1", 10.0, 10.0))},
            ),
            "control": ([205.0, 345.0], {"b": ([200.0, 350.0], counts("u2", 5.0, 10.0))}),
        }
    ),
    "2bin_2channel_couplednorm": workspace(
        {
            "signal": (
                [105.0, 220.0],
                {
                    "s": ([10.0, 35.0], MU),
                    "b1": ([100.0, 100.0], rate("coupled")),
                    "b2": ([50.0, 100.0], rate("own", 1.2, 0.8)),
                },
            ),
            "control": ([110.0, 105.0], {"b1": ([100.0, 100.0], rate("coupled"))}),
        }
    ),
    "2bin_2channel_coupledhisto": workspace(
        {
            "signal": (
                [170.0, 220.0],
                {
                    "s": ([30.0, 35.0], MU),
                    "b1": ([100.0, 100.0], shape("coupled", [110.0, 110.0], [90.0, 90.0])),
                    "b2": ([50.0, 120.0], shape("coupled", [55.0, 132.0], [45.0, 108.0])),
                },
            ),
            "control": (
                [110.0, 105.0],
                {"b1": ([105.0, 100.0], shape("coupled", [110.0, 115.0], [95.0, 90.0]))},
            ),
        }
    ),
    "2bin_2channel_coupledshapefactor": workspace(
        {
            "signal": ([220.0, 230.0], {"s": ([20.0, 20.0], MU), "b": ([100.0, 70.0], factors("f"))}),
            "control": ([200.0, 300.0], {"b": ([100.0, 100.0], factors("f"))}),
        }
    ),
    "2bin_statex": workspace(
        {
            "c": (
                [100.0, 100.0],
                {
                    "s": ([10.0, 10.0], MU),
                    "b1": ([50.0, 70.0], statistics("st", 10.0, 10.0)),
                    "b2": ([30.0, 20.0], statistics("st", 5.0, 5.0)),
                    "b3": ([20.0, 15.0],),
                },
            )
        }
    ),
    "statistics of one name in two channels": workspace(
        {
            "z": (
                [60.0, 40.0],
                {"s": ([9.0, 12.0], MU), "b": ([55.0, 33.0], statistics("st", 6.0, 5.0), factors("f"))},
            ),
            "a": ([80.0, 52.0], {"b": ([75.0, 60.0], statistics("st", 5.0, 9.0), factors("f"))}),
        }
    ),
    "rate and shape of one name across samples and channels": workspace(
        {
            "z": (
                [60.0, 40.0],
                {
                    "s": ([9.0, 12.0], MU, rate("jes", 1.04, 0.97)),
                    "b": ([55.0, 33.0], rate("jes"), shape("jes", [58.0, 30.0], [53.0, 35.0])),
                },
            ),
            "a": ([80.0], {"b": ([75.0], shape("jes", [70.0], [82.0])), "o": ([4.0], rate("jes", 0.9, 1.2))}),
        }
    ),
    "a signal that two factors scale": workspace(
        {
            "z": ([30.0], {"s": ([6.0], MU, ("normfactor", "k", None)), "b": ([25.0], counts("u", 2.0))}),
            "a": ([90.0], {"b": ([80.0], ("normfactor", "k", None), rate("n", 1.05, 0.95))}),
        }
    ),
    "a luminosity off 1 that a measurement fixes": workspace(
        {"c": ([55.0, 30.0], {"s": ([9.0, 12.0], MU, LUMI), "b": ([50.0, 25.0], LUMI, rate("n"))})},
        lumi(1.05, fixed=True),
    ),
    "all modifiers on one sample": workspace(
        {
            "z": (
                [56.0, 41.0],
                {
                    "s": ([9.0, 12.0], MU, LUMI, rate("n", 1.02, 0.98)),
                    "b": (
                        [50.0, 30.0],
                        LUMI,
                        rate("n"),
                        shape("h", [53.0, 28.0], [48.0, 31.0]),
                        counts("u", 3.0, 2.0),
                        statistics("st", 4.0, 3.0),
                        ("normfactor", "k", None),
                    ),
                },
            ),
            "a": ([210.0], {"b": ([200.0], LUMI, ("normfactor", "k", None), rate("n"))}),
        },
        lumi(sigma=0.02),
    ),
}


WITH_LIMITS = ("1bin_example1", "1bin_lumi", "2bin_2channel_couplednorm", "2bin_statex")


def model_of_pyhf(document: Document, measurement: str | None = None) -> tuple[Any, list[float]]:
    """Model and data."""
    with schema_warnings_off():
        entry = pyhf.Workspace(document, validate=False)
        model = entry.model(measurement_name=measurement, validate=False)
    return model, entry.data(model)


def in_pyhf(model: Any, data: Any, mu: float) -> list[float]:
    """CLs of the data and the five expected ones."""
    seen, band = pyhf.infer.hypotest(mu, data, model, return_expected_set=True)
    return [float(seen), *map(float, band)]


def ours(likelihood: Likelihood, mu: float) -> list[float]:
    found = hypothesis_test(likelihood, mu)
    assert found.cls is not None
    return [found.cls, *found.expected]


@pytest.mark.parametrize("name", MODELS)
def test_cls_and_limits_are_those_of_pyhf(name) -> None:
    likelihood, (model, data) = Likelihood(MODELS[name]), model_of_pyhf(MODELS[name])
    assert ours(likelihood, 1.0) == pytest.approx(in_pyhf(model, data, 1.0), abs=1e-4)
    if name in WITH_LIMITS:
        limit = upper_limit(likelihood, observed=True)
        assert limit.observed is not None
        # CLs falls with the signal strength: pyhf's limit is within a thousandth of ours.
        for place, at in ((0, limit.observed), (3, limit.expected[2])):
            below, above = (in_pyhf(model, data, at * (1.0 + shift))[place] for shift in (-1e-3, 1e-3))
            assert below > 0.05 > above


def test_where_pyhf_ends_in_the_higher_of_two_minima() -> None:
    """The contents of 2bin_2channel_coupledhisto: both variations of a sample are far below its second bin."""
    document = copy.deepcopy(MODELS["2bin_2channel_coupledhisto"])
    document["channels"][0]["samples"][2]["modifiers"][0]["data"] = {
        "hi_data": [55.0, 55.0],
        "lo_data": [45.0, 45.0],
    }
    likelihood, (model, data) = Likelihood(document), model_of_pyhf(document)
    best = likelihood.fit(likelihood.observed, non_negative=True)
    order = [likelihood.names.index(name) for name in model.config.par_names]
    theirs, lowest = pyhf.infer.mle.fit(data, model, return_fitted_val=True)
    assert -2.0 * float(model.logpdf(best.pars[order], data)[0]) < float(lowest) - 1.0
    start = model.config.suggested_init()
    start[model.config.par_names.index("coupled")] = float(best.pars[likelihood.names.index("coupled")])
    again, value = pyhf.infer.mle.fit(data, model, init_pars=start, return_fitted_val=True)
    assert float(value) == pytest.approx(-2.0 * float(model.logpdf(best.pars[order], data)[0]), abs=1e-6)
    assert best.pars[order] == pytest.approx(again, abs=1e-3)
    assert abs(theirs[model.config.par_names.index("coupled")] - again[order.index(0)]) > 0.5


def test_each_measurement_is_that_of_pyhf() -> None:
    """The model of pyhf's xmlimport_input; a measurement may name a parameter that is nowhere, and another of interest."""
    signal = {"bounds": [[0.0, 3.0]], "inits": [1.0], "name": "mu"}
    document = workspace(
        {
            "channel1": (
                [122.0, 112.0],
                {
                    "signal": ([20.0, 10.0], rate("syst1", 1.05, 0.95), MU),
                    "background1": (
                        [100.0, 0.0],
                        LUMI,
                        statistics("st", 5.000000074505806, 0.0),
                        rate("syst2", 1.05, 0.95),
                        ("normfactor", "k", None),
                    ),
                    "background2": (
                        [0.0, 100.0],
                        LUMI,
                        statistics("st", 0.0, 10.0),
                        rate("syst3", 1.05, 0.95),
                    ),
                },
            )
        }
    )
    fixed_k = {"name": "k", "fixed": True}
    document["measurements"] = [
        {"name": name, "config": {"poi": poi, "parameters": parameters}}
        for name, poi, parameters in (
            ("Gauss", "mu", [lumi(fixed=True), signal, {"name": "alpha_syst1", "fixed": True}, fixed_k]),
            ("free luminosity", "mu", [lumi(), signal, fixed_k]),
            ("no syst1", "mu", [lumi(sigma=0.02), {"name": "syst1", "fixed": True}, fixed_k]),
            ("of the background", "k", [lumi(), {"name": "mu", "inits": [1.5], "fixed": True}]),
        )
    ]
    found = []
    for entry in document["measurements"]:
        found.append(ours(Likelihood(document, measurement=entry["name"]), 0.8))
        assert found[-1] == pytest.approx(in_pyhf(*model_of_pyhf(document, entry["name"]), 0.8), abs=1e-4)
    assert len({round(cls, 4) for cls, *_ in found}) == 4


def test_a_parameter_of_interest_that_the_workspace_does_not_name() -> None:
    """The contents of pyhf's tests/test_workspace/poiless.json."""
    document = workspace(
        {"c": ([51.0, 48.0], {"s": ([12.0, 11.0], MU), "b": ([50.0, 52.0], counts("u", 3.0, 7.0))})}
    )
    named = in_pyhf(*model_of_pyhf(document), 1.0)
    document["measurements"][0]["config"]["poi"] = ""
    assert ours(Likelihood(document, poi="mu"), 1.0) == pytest.approx(named, abs=1e-4)
