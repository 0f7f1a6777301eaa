from __future__ import annotations

import json
import warnings
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pyhf
import pytest

from massgap.fits.errors import BinningError, WorkspaceError
from massgap.fits.workspaces.binning import choose_edges, rebin
from massgap.fits.workspaces.schema import schema_warnings_off, validate_workspace
from massgap.fits.workspaces.templates import Template, Templates, templates_from_histogram
from massgap.fits.workspaces.workspace import (
    WorkspaceOptions,
    build_workspace,
    dump_workspace,
)

if TYPE_CHECKING:
    from collections.abc import Callable

AT_300 = WorkspaceOptions(lumi_fb=300.0)


def templates(channel: str = "sr", **background: Any) -> Templates:
    values = {"values": np.array([20.0, 10.0]), "variances": np.array([4.0, 1.0])} | background
    return Templates(
        channel,
        "score",
        np.array([0.0, 0.5, 1.0]),
        {
            "sig": Template(np.array([1.0, 3.0]), np.array([0.01, 0.04])),
            "tt": Template(**values),
            "WW": Template(np.array([5.0, 4.0]), np.array([1.0, 0.25])),
        },
    )


def modifiers(workspace: dict[str, Any], sample: str) -> dict[tuple[str, str], Any]:
    found = next(s for s in workspace["channels"][0]["samples"] if s["name"] == sample)
    return {(m["type"], m["name"]): m["data"] for m in found["modifiers"]}


def test_content() -> None:
    options = WorkspaceOptions(lumi_fb=2.0, normalisation={"tt": "free"}, default_normalisation=0.25)
    workspace = build_workspace(templates(), "sig", ["tt", "WW"], options=options)
    samples = {s["name"]: s["data"] for s in workspace["channels"][0]["samples"]}
    assert samples == {"sig": [2.0, 6.0], "tt": [40.0, 20.0], "WW": [10.0, 8.0]}
    assert workspace["observations"] == [{"name": "sr", "data": [50.0, 28.0]}]
    assert modifiers(workspace, "sig") == {("normfactor", "mu"): None, ("lumi", "lumi"): None}
    assert modifiers(workspace, "tt") == {
        ("normfactor", "norm_tt"): None,
        ("staterror", "mcstat_sr"): [4.0, 2.0],
    }
    assert modifiers(workspace, "WW") == {
        ("normsys", "norm_WW"): {"hi": 1.25, "lo": 0.8},
        ("lumi", "lumi"): None,
        ("staterror", "mcstat_sr"): [2.0, 1.0],
    }
    config = workspace["measurements"][0]["config"]
    assert config["poi"] == "mu"
    assert {p["name"]: p.get("sigmas") for p in config["parameters"]} == {
        "mu": None,
        "lumi": [0.025],
        "norm_tt": None,
    }


def test_the_same_input_gives_the_same_text() -> None:
    texts = {
        dump_workspace(build_workspace(templates(), "sig", names, options=AT_300))
        for names in (["tt", "WW"], ["WW", "tt"])
    }
    assert len(texts) == 1
    validate_workspace(json.loads(texts.pop()))


def test_pyhf_expects_the_yields_of_the_run() -> None:
    workspace = build_workspace(templates(), "sig", ["tt", "WW"], options=WorkspaceOptions(lumi_fb=3.0))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = pyhf.Workspace(workspace).model()
    pars = np.array(model.config.suggested_init())
    pars[model.config.poi_index] = 2.0
    expected = model.expected_data(pars, include_auxdata=False)
    assert expected == pytest.approx([3 * (2 * 1 + 25), 3 * (2 * 3 + 14)])


def test_a_negative_background_keeps_its_uncertainties() -> None:
    """At either side of each parameter pyhf expects what the histograms hold: nothing of a negative sample is lost."""
    nominal, up, down = np.array([-4.0, -1.0]), np.array([-5.0, -1.5]), np.array([-3.0, -0.6])
    t = templates()
    made = replace(
        t, processes={**t.processes, "minus": Template(nominal, np.array([0.2, 0.1]), {"jes": (up, down)})}
    )
    options = replace(AT_300, lumi_uncertainty=0.0, default_normalisation=0.0, mc_statistics="off")
    workspace = build_workspace(made, "sig", ["tt", "WW", "minus"], options=options)
    assert modifiers(workspace, "minus").keys() == {("normsys", "jes"), ("histosys", "jes")}
    with schema_warnings_off():
        model = pyhf.Workspace(workspace).model()
    rest = np.array([25.0, 14.0])
    for side, shifted in ((0.0, nominal), (1.0, up), (-1.0, down)):
        parameters = np.zeros(model.config.npars)
        parameters[model.config.par_slice("jes")] = side
        expected = model.expected_data(parameters, include_auxdata=False)
        np.testing.assert_allclose(expected, 300.0 * (rest + shifted), rtol=1e-9)


def test_variations_are_split_into_rate_and_shape() -> None:
    up, down = np.array([22.0, 14.0]), np.array([19.0, 8.0])
    t = templates(variations={"jes": (up, down)})
    workspace = build_workspace(t, "sig", ["tt", "WW"], options=WorkspaceOptions(lumi_fb=1.0))
    found = modifiers(workspace, "tt")
    assert found["normsys", "jes"] == {"hi": 36 / 30, "lo": 27 / 30}
    shapes = found["histosys", "jes"]
    assert sum(shapes["hi_data"]) == pytest.approx(30.0)
    assert sum(shapes["lo_data"]) == pytest.approx(30.0)
    assert np.array(shapes["hi_data"]) * 36 / 30 == pytest.approx(up)
    # At one standard deviation the model is the varied histogram.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        model = pyhf.Workspace(workspace).model()
    pars = np.array(model.config.suggested_init())
    pars[model.config.poi_index] = 0.0
    pars[model.config.par_slice("jes")] = -1.0
    assert model.expected_data(pars, include_auxdata=False) == pytest.approx(down + np.array([5.0, 4.0]))
    without = build_workspace(t, "sig", ["tt", "WW"], options=replace(AT_300, systematics=False))
    assert ("normsys", "jes") not in modifiers(without, "tt")


def test_pure_rate_and_pure_shape() -> None:
    nominal = np.array([20.0, 10.0])
    rate = build_workspace(
        templates(variations={"a": (1.1 * nominal, 0.9 * nominal)}), "sig", ["tt"], options=AT_300
    )
    assert ("histosys", "a") not in modifiers(rate, "tt")
    shape = build_workspace(
        templates(variations={"a": (nominal[::-1], nominal)}), "sig", ["tt"], options=AT_300
    )
    assert ("normsys", "a") not in modifiers(shape, "tt")
    assert ("histosys", "a") in modifiers(shape, "tt")


def test_options_leave_things_out() -> None:
    options = replace(AT_300, lumi_uncertainty=0.0, default_normalisation=0.0, mc_statistics="off")
    workspace = build_workspace(templates(), "sig", ["tt", "WW"], options=options)
    assert modifiers(workspace, "tt") == {}
    assert list(modifiers(workspace, "sig")) == [("normfactor", "mu")]


def test_full_statistics_skips_empty_bins() -> None:
    t = templates(values=np.array([20.0, 0.0]), variances=np.array([4.0, 0.0]))
    workspace = build_workspace(
        t, "sig", ["tt", "WW"], options=WorkspaceOptions(lumi_fb=1.0, mc_statistics="full")
    )
    assert modifiers(workspace, "tt")["shapesys", "mcstat_sr_tt"] == [2.0, 0.0]
    assert ("shapesys", "mcstat_sr_sig") in modifiers(workspace, "sig")


def test_signal_statistics_are_an_option() -> None:
    options = WorkspaceOptions(lumi_fb=1.0, signal_statistics=True)
    workspace = build_workspace(templates(), "sig", ["tt"], options=options)
    assert modifiers(workspace, "sig")["staterror", "mcstat_sr"] == pytest.approx([0.1, 0.2])


def test_several_channels_share_parameters() -> None:
    workspace = build_workspace([templates("a"), templates("b")], "sig", ["tt", "WW"], options=AT_300)
    assert [c["name"] for c in workspace["channels"]] == ["a", "b"]
    with pytest.raises(WorkspaceError, match="names must differ"):
        build_workspace([templates("a"), templates("a")], "sig", ["tt"], options=AT_300)


def test_a_bin_without_background_is_named() -> None:
    t = templates(values=np.array([20.0, -4.0]))
    with pytest.raises(
        BinningError, match=r"Bin 1 of channel 'sr' \(score from 0\.5 to 1\) expects 0 fb of back.*Merge"
    ):
        build_workspace(t, "sig", ["tt", "WW"], options=AT_300)
    t = templates(variations={"jes": (np.array([20.0, 10.0]), np.array([30.0, -5.0]))})
    with pytest.raises(BinningError, match="background with jes_down of tt"):
        build_workspace(t, "sig", ["tt", "WW"], options=AT_300)


@pytest.mark.parametrize(
    ("signal", "backgrounds", "options", "text"),
    [
        ("sig", ["ZZ"], {}, "no process 'ZZ'; it has: WW, sig, tt"),
        ("tt", ["tt"], {}, "both signal and background"),
        ("sig", [], {}, "at least one channel and one background"),
        ("sig", ["tt"], {"lumi_fb": 0.0}, "luminosity must be positive"),
        ("sig", ["tt"], {"lumi_fb": float("nan")}, "luminosity must be positive"),
        ("sig", ["tt"], {"lumi_uncertainty": 1.5}, r"must be in \[0, 1\)"),
        ("sig", ["tt"], {"mc_statistics": "some"}, "lite, full or off"),
        ("sig", ["tt"], {"normalisation": {"WW": 0.1}}, "'WW' .*, which is no background"),
        ("sig", ["tt"], {"normalisation": {"tt": "loose"}}, "'free' or a relative uncertainty"),
        ("sig", ["tt"], {"default_normalisation": -0.1}, "'free' or a relative uncertainty"),
    ],
)
def test_bad_requests(signal: str, backgrounds: list[str], options: dict[str, Any], text: str) -> None:
    with pytest.raises(WorkspaceError, match=text):
        build_workspace(templates(), signal, backgrounds, options=replace(AT_300, **options))


def test_more_bad_requests() -> None:
    with pytest.raises(WorkspaceError, match="must be 2 numbers"):
        build_workspace(templates(), "sig", ["tt"], observations={"sr": [1.0]}, options=AT_300)
    t = templates()
    gone = Template(np.array([5.0, 4.0]), np.zeros(2), {"jes": (np.array([5.0, 4.0]), np.zeros(2))})
    with pytest.raises(WorkspaceError, match="leaves 'WW' no events"):
        build_workspace(
            replace(t, processes={**t.processes, "WW": gone}), "sig", ["tt", "WW"], options=AT_300
        )
    none = Template(np.zeros(2), np.zeros(2))
    with pytest.raises(WorkspaceError, match="signal 'sig' has no events"):
        build_workspace(replace(t, processes={**t.processes, "sig": none}), "sig", ["tt"], options=AT_300)
    with pytest.raises(WorkspaceError, match="HistFactory schema"):
        validate_workspace({"channels": []})


def test_straight_from_a_run(
    make_score: Callable[..., Any], signal: str, backgrounds: tuple[str, ...], precuts_fb: dict[str, float]
) -> None:
    fine = templates_from_histogram(make_score(variations=True))
    edges = choose_edges(fine, signal, backgrounds, lumi_fb=300.0)
    workspace = build_workspace(rebin(fine, edges), signal, backgrounds, options=AT_300)
    for sample in workspace["channels"][0]["samples"]:
        assert sum(sample["data"]) == pytest.approx(300.0 * precuts_fb[sample["name"]])
