"""What a workspace may not say of its parameters."""

from __future__ import annotations

from typing import Any

import pytest

from massgap.fits.errors import WorkspaceError
from massgap.fits.likelihoods.model import model_of


def workspace(*modifiers: dict[str, Any], parameters: list[dict[str, Any]] | None = None) -> dict[str, Any]:
    """A signal with a free normalisation over one background with some modifiers."""
    mu = {"name": "mu", "type": "normfactor", "data": None}
    samples = [
        {"name": "sig", "data": [1.0, 2.0], "modifiers": [mu]},
        {"name": "bkg", "data": [10.0, 8.0], "modifiers": list(modifiers)},
    ]
    return {
        "channels": [{"name": "sr", "samples": samples}],
        "observations": [{"name": "sr", "data": [11.0, 9.0]}],
        "measurements": [{"name": "m", "config": {"poi": "mu", "parameters": parameters or []}}],
    }


@pytest.mark.parametrize(
    ("modifiers", "message"),
    [
        ([{"name": "mu", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}], "one name has one meaning"),
        ([{"name": "x", "type": "strange", "data": None}], "unknown type 'strange'"),
        ([{"name": "x", "type": "normsys", "data": {"hi": 1.1, "lo": 0.0}}], "must be positive"),
        (
            [{"name": "x", "type": "histosys", "data": {"hi_data": [1.0], "lo_data": [1.0]}}],
            "must be 2 numbers",
        ),
        ([{"name": "lumi", "type": "lumi", "data": None}], "needs auxdata and sigmas"),
    ],
)
def test_modifiers_that_make_no_sense(modifiers, message) -> None:
    with pytest.raises(WorkspaceError, match=message):
        model_of(workspace(*modifiers))


def test_a_second_shapesys_of_a_name_is_refused() -> None:
    document = workspace({"name": "x", "type": "shapesys", "data": [1.0, 1.0]})
    document["channels"][0]["samples"][0]["modifiers"].append(
        {"name": "x", "type": "shapesys", "data": [0.1, 0.1]}
    )
    with pytest.raises(WorkspaceError, match="second shapesys"):
        model_of(document)


def test_a_measurement_changes_parameters() -> None:
    entry = {"name": "x", "inits": [0.5], "bounds": [[-1.0, 2.0]], "auxdata": [0.3], "sigmas": [2.0]}
    model = model_of(
        workspace({"name": "x", "type": "normsys", "data": {"hi": 1.1, "lo": 0.9}}, parameters=[entry])
    )
    p = model.names.index("x")
    assert (model.initial[p], model.arrays.low[p], model.arrays.high[p]) == (0.5, -1.0, 2.0)
    assert (model.observed.auxiliary[p], model.arrays.widths[p]) == (0.3, 2.0)
    fixed = model_of(workspace(parameters=[{"name": "mu", "fixed": True}]))
    assert fixed.arrays.fixed[fixed.poi]


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ([{"name": "mu", "inits": [1.0, 1.0]}], "needs 1 numbers of inits"),
        ([{"name": "mu", "bounds": [[0.0, 1.0], [0.0, 1.0]]}], "needs 1 numbers of bounds"),
        ([{"name": "mu", "auxdata": [1.0]}], "no constraint term"),
    ],
)
def test_configurations_that_do_not_fit(parameters, message) -> None:
    with pytest.raises(WorkspaceError, match=message):
        model_of(workspace(parameters=parameters))


def test_names_that_are_not_there() -> None:
    with pytest.raises(WorkspaceError, match=r"no measurement 'other'; it has .*: m"):
        model_of(workspace(), measurement="other")
    with pytest.raises(WorkspaceError, match=r"parameter of interest 'nu'.*: mu"):
        model_of(workspace(), poi="nu")
    document = workspace()
    document["observations"][0]["data"] = [1.0]
    with pytest.raises(WorkspaceError, match="observations of channel 'sr' must be 2 numbers"):
        model_of(document)


def test_a_staterror_of_two_channels_goes_on_in_the_next() -> None:
    document = workspace({"name": "mc", "type": "staterror", "data": [1.0, 2.0]})
    second = workspace({"name": "mc", "type": "staterror", "data": [3.0, 4.0]})
    second["channels"][0]["name"] = second["observations"][0]["name"] = "a_first"
    document["channels"] += second["channels"]
    document["observations"] += second["observations"]
    model = model_of(document)
    # Channels by name: that of a_first comes first.
    assert model.arrays.widths[[model.names.index(f"mc[{i}]") for i in range(4)]] == pytest.approx(
        [0.3, 0.5, 0.1, 0.25]
    )
    assert model.arrays.profiled.tolist() == [model.names.index(f"mc[{i}]") for i in (2, 3, 0, 1)]
