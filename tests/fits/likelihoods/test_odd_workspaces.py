"""Workspaces with what measurements, modifiers and data may have that is unusual, against pyhf."""

from __future__ import annotations

import numpy as np
import pyhf
import pytest

from massgap.fits.errors import FitError, InferenceError, WorkspaceError
from massgap.fits.inference.engines import likelihood_of
from massgap.fits.inference.hypothesis_tests import hypothesis_test
from massgap.fits.inference.likelihood import Likelihood
from massgap.fits.workspaces.schema import schema_warnings_off

MU = {"name": "mu", "type": "normfactor", "data": None}
RATE = {"name": "n", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}
LUMI = {"name": "lumi", "type": "lumi", "data": None}
STATISTICS = {"name": "st", "type": "staterror", "data": [5.0, 4.0, 3.0]}
COUNTS = {"name": "ss", "type": "shapesys", "data": [5.0, 4.0, 3.0]}
FREE = {"name": "k", "type": "normfactor", "data": None}
BACKGROUND = (50.0, 40.0, 30.0)
SEEN = (55.0, 42.0, 28.0)


def of_one_channel(
    modifiers=(), parameters=(), contents=BACKGROUND, seen=SEEN, signal=(MU,), more=()
) -> dict:
    """Signal and background in three bins."""
    samples = [
        {"name": "s", "data": [5.0, 6.0, 3.0], "modifiers": list(signal)},
        {"name": "b", "data": list(contents), "modifiers": list(modifiers)},
        *more,
    ]
    return {
        "channels": [{"name": "c", "samples": samples}],
        "observations": [{"name": "c", "data": list(seen)}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": list(parameters)}}],
        "version": "1.0.0",
    }


def lumi(nominal: float) -> dict:
    return {"name": "lumi", "auxdata": [nominal], "sigmas": [0.1], "bounds": [[0.5, 1.5]], "inits": [nominal]}


def shape(up, down) -> dict:
    return {"name": "h", "type": "histosys", "data": {"hi_data": up, "lo_data": down}}


def error_of(name: str, errors) -> dict:
    return {"name": name, "type": {"st": "staterror", "ss": "shapesys"}[name], "data": errors}


CASES = {
    "shape to one side": ([shape([55.0, 41.0, 30.0], [50.0, 40.0, 30.0])], ()),
    "statistics without an error": ([error_of("st", [5.0, 0.0, 3.0])], ()),
    "counts without an error": ([error_of("ss", [5.0, 0.0, 3.0])], ()),
    "luminosity not around 1": ([LUMI], [lumi(0.9)]),
    "fixed away from nominal": ([RATE], [{"name": "n", "fixed": True, "inits": [0.5]}]),
    "all of a name fixed": ([STATISTICS], [{"name": "st", "fixed": True}]),
    "starts only": (
        [RATE],
        [{"name": "n", "inits": [0.5]}, {"name": "mu", "inits": [2.0], "bounds": [[0, 5]]}],
    ),
    "narrow bounds": ([RATE], [{"name": "n", "bounds": [[-0.2, 0.2]]}]),
    "a free factor in bounds": ([FREE], [{"name": "k", "bounds": [[0.8, 0.95]], "inits": [0.9]}]),
    "another auxiliary measurement": ([RATE], [{"name": "n", "auxdata": [0.3]}]),
    "statistics in bounds": ([STATISTICS], [{"name": "st", "bounds": [[0.9, 1.02]] * 3}]),
    "statistics of another size": ([STATISTICS], [{"name": "st", "sigmas": [0.2] * 3}]),
    "counts of another size": (
        [COUNTS],
        [{"name": "ss", "auxdata": [50.0, 60.0, 90.0], "factors": [50.0, 60.0, 90.0]}],
    ),
    "counts of another expectation": ([COUNTS], [{"name": "ss", "factors": [80.0, 90.0, 95.0]}]),
    "a parameter that is nowhere": ([], [{"name": "nosuch", "inits": [1.0]}]),
    "a modifier twice": ([RATE, RATE], ()),
}


def in_pyhf(workspace: dict, mu: float) -> tuple[float, list[float]]:
    with schema_warnings_off():
        document = pyhf.Workspace(workspace)
        model = document.model()
        seen, band = pyhf.infer.hypotest(mu, document.data(model), model, return_expected_set=True)
    return float(seen), [float(x) for x in band]


@pytest.mark.parametrize("name", CASES)
def test_cls_is_that_of_pyhf(name) -> None:
    workspace = of_one_channel(*CASES[name])
    seen, band = in_pyhf(workspace, 1.3)
    found = hypothesis_test(workspace, 1.3)
    assert found.cls == pytest.approx(seen, abs=1e-4)
    assert found.expected == pytest.approx(band, abs=1e-4)


def test_statistics_of_several_samples_with_bins_of_nothing() -> None:
    more = [
        {"name": "b2", "data": [0.0, 0.0, 10.0], "modifiers": [error_of("st", [0.0, 0.0, 3.0])]},
        {"name": "b3", "data": [10.0, 10.0, 10.0], "modifiers": []},
    ]
    workspace = of_one_channel(
        [error_of("st", [5.0, 0.0, 2.0])], contents=(50.0, 0.0, 30.0), seen=(60.0, 12.0, 48.0), more=more
    )
    seen, band = in_pyhf(workspace, 1.3)
    found = hypothesis_test(workspace, 1.3)
    assert [found.cls, *found.expected] == pytest.approx([seen, *band], abs=1e-4)


def test_an_uncertainty_that_does_the_same_up_and_down() -> None:
    """pyhf starts at its top, where the slope is 0, and stays there; the minima are on both sides."""
    workspace = of_one_channel([shape([55.0, 44.0, 30.0], [55.0, 44.0, 30.0])])
    likelihood = Likelihood(workspace)
    point = likelihood.fit(likelihood.observed, mu=0.0)
    top = likelihood.at(likelihood.observed, likelihood.with_poi(0.0))
    assert abs(point.pars[0]) > 0.4
    assert point.nll2 < top.nll2 - 0.01


@pytest.mark.parametrize(
    ("workspace", "words"),
    [
        (of_one_channel([LUMI]), r'"auxdata": \[1.0\]'),
        (of_one_channel([RATE, {**RATE, "data": {"hi": 1.2, "lo": 0.8}}]), "two normsys 'n'"),
        (
            of_one_channel(more=[{"name": "b", "data": [1.0] * 3, "modifiers": []}]),
            "two samples in channel 'c'",
        ),
        (of_one_channel(contents=(50.0, float("nan"), 30.0)), "not nan as in bin 1"),
        (of_one_channel(seen=(-1.0, 3.0, 4.0)), "none of them negative"),
        (of_one_channel([RATE], [{"name": "n", "auxdata": [0.0, 1.0]}]), "needs 1 numbers of auxdata"),
        (of_one_channel([{**RATE, "data": {"hi": 1.1, "lo": 0.0}}]), "must be positive"),
        (of_one_channel([RATE], [{"name": "n", "fixed": [False]}]), r"true or false, not \[False\]"),
        (of_one_channel(signal=()), r"without signals.*\(--patchset FILE\)"),
    ],
)
def test_what_has_no_meaning_is_named(workspace, words) -> None:
    with pytest.raises(WorkspaceError, match=words):
        hypothesis_test(workspace, 1.0)


def test_two_channels_of_a_name() -> None:
    workspace = of_one_channel()
    workspace["channels"] *= 2
    with pytest.raises(WorkspaceError, match="two channels of the name 'c'"):
        Likelihood(workspace)


def test_events_where_nothing_is_expected_are_named() -> None:
    with pytest.raises(FitError, match="Bin 1 of channel 'c' has 42 events, where 0 are expected"):
        hypothesis_test(of_one_channel(contents=(50.0, 0.0, 30.0)), 1.0)


def test_no_test_without_a_parameter_of_interest() -> None:
    workspace = of_one_channel()
    workspace["measurements"][0]["config"]["poi"] = ""
    likelihood = Likelihood(workspace)
    assert np.isfinite(likelihood.fit(likelihood.observed).nll2)
    for given in (workspace, likelihood):
        with pytest.raises(InferenceError, match="--poi"):
            hypothesis_test(given, 1.0)


@pytest.mark.parametrize("engine", ["massgap", "pyhf"])
def test_no_test_of_a_parameter_that_the_measurement_fixes(engine) -> None:
    workspace = of_one_channel([FREE], [{"name": "mu", "fixed": True}, {"name": "k", "bounds": [[0, 10]]}])
    with pytest.raises(InferenceError, match="fixes the parameter of interest 'mu'"):
        likelihood_of(workspace, engine=engine)
    with pytest.raises(InferenceError, match="fixes the parameter of interest 'mu'"):
        hypothesis_test(workspace, 1.0)
    assert likelihood_of(workspace, engine=engine, poi="k").names[-1] == "mu"
