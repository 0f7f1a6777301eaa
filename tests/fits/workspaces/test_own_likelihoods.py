"""Nuisances of a file in a workspace, beside workspaces that are written by hand."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pyhf
import pytest

from massgap.fits.errors import WorkspaceError
from massgap.fits.inference.engines import likelihood_of
from massgap.fits.inference.hypothesis_tests import upper_limit
from massgap.fits.workspaces.correlations import correlations
from massgap.fits.workspaces.nuisances import NuisanceSet
from massgap.fits.workspaces.schema import schema_warnings_off
from massgap.fits.workspaces.shapes import smoothed
from massgap.fits.workspaces.templates import Template, Templates
from massgap.fits.workspaces.workspace import (
    WorkspaceOptions,
    build_workspace,
    dump_workspace,
)

Array = np.ndarray
JES = {"jes": (np.array([36.0, 20.0]), np.array([28.0, 12.0]))}


def channel(name: str = "sr", *, signal: tuple[float, float] = (1.0, 4.0), **tt: Any) -> Templates:
    """Numbers that binary fractions hold exactly, with those of tt as wished."""
    shapes = {"variations": JES, **tt}
    return Templates(
        name,
        "met",
        np.array([0.0, 50.0, 100.0]),
        {
            "sig": Template(np.array(signal), np.array([0.25, 0.25])),
            "tt": Template(np.array([32.0, 16.0]), np.array([4.0, 1.0]), **shapes),
            "WW": Template(np.array([8.0, 4.0]), np.array([1.0, 0.25])),
        },
        region=f"region_{name}",
    )


def build(*channels: Templates, notes: list[str] | None = None, **data: Any) -> dict[str, Any]:
    options = WorkspaceOptions(lumi_fb=1.0, nuisances=NuisanceSet.from_dict(data))
    return build_workspace(channels or channel(), "sig", ["tt", "WW"], options=options, notes=notes)


def nuisance(name: str, kind: str, **words: Any) -> dict[str, Any]:
    return {"name": name, "kind": kind, **words}


def modifiers(workspace: dict[str, Any], sample: str, at: int = 0) -> dict[tuple[str, str], Any]:
    found = next(s for s in workspace["channels"][at]["samples"] if s["name"] == sample)
    return {(m["type"], m["name"]): m["data"] for m in found["modifiers"]}


def expected(workspace: dict[str, Any], **values: float) -> Array:
    """What pyhf expects in all bins at mu = 0, parameters at their start values but for those named."""
    with schema_warnings_off():
        model = pyhf.Workspace(workspace).model()
    parameters = np.asarray(model.config.suggested_init())
    for name, value in {"mu": 0.0, **values}.items():
        parameters[model.config.par_slice(name)] = value
    return np.asarray(model.expected_actualdata(parameters))


DEFAULT = """
{"channels": [{"name": "sr", "samples": [
 {"name": "sig", "data": [1.0, 4.0], "modifiers": [
  {"name": "mu", "type": "normfactor", "data": null}, {"name": "lumi", "type": "lumi", "data": null}]},
 {"name": "WW", "data": [8.0, 4.0], "modifiers": [
  {"name": "norm_WW", "type": "normsys", "data": {"hi": 1.2, "lo": 0.8333333333333334}},
  {"name": "lumi", "type": "lumi", "data": null},
  {"name": "mcstat_sr", "type": "staterror", "data": [1.0, 0.5]}]},
 {"name": "tt", "data": [32.0, 16.0], "modifiers": [
  {"name": "norm_tt", "type": "normsys", "data": {"hi": 1.2, "lo": 0.8333333333333334}},
  {"name": "lumi", "type": "lumi", "data": null},
  {"name": "mcstat_sr", "type": "staterror", "data": [2.0, 1.0]},
  {"name": "jes", "type": "normsys", "data": {"hi": 1.3333333333333333, "lo": 0.6666666666666666}},
  {"name": "jes", "type": "histosys", "data": {"hi_data": [30.0, 18.0], "lo_data": [36.0, 12.0]}}]}]}],
 "observations": [{"name": "sr", "data": [40.0, 20.0]}],
 "measurements": [{"name": "massgap", "config": {"poi": "mu", "parameters": [
  {"name": "mu", "inits": [1.0], "bounds": [[0.0, 10.0]]},
  {"name": "lumi", "auxdata": [1.0], "sigmas": [0.025], "bounds": [[0.75, 1.25]], "inits": [1.0]}]}}],
 "version": "1.0.0"}
"""


def test_the_likelihood_without_a_file_stays_what_it_was() -> None:
    """Bit for bit the workspace of versions that knew no file; a file that says nothing changes nothing."""
    exact = channel(variations={"jes": (np.array([40.0, 24.0]), np.array([24.0, 8.0]))})
    plain = build_workspace(exact, "sig", ["tt", "WW"], options=WorkspaceOptions(lumi_fb=1.0))
    assert dump_workspace(plain) == dump_workspace(json.loads(DEFAULT))
    assert dump_workspace(build(exact)) == dump_workspace(plain)


def test_log_normal_rates() -> None:
    made = build(
        channel("sr"),
        channel("cr", signal=(0.0, 0.0)),
        nuisance=[
            nuisance("xsec", "lnN", size=0.25, processes=["tt"]),
            nuisance("eff", "lnN", up=0.5, down=-0.25, processes=["signal"]),
            nuisance("trigger", "lnN", size=1.0, processes=["backgrounds"], decorrelate=["channels"]),
            nuisance(
                "trigger",
                "lnN",
                size=0.5,
                processes=["sig"],
                channels=["region_sr"],
                decorrelate=["channels"],
            ),
        ],
    )
    assert modifiers(made, "tt")["normsys", "xsec"] == {"hi": 1.25, "lo": 0.8}
    assert modifiers(made, "tt", 1)["normsys", "xsec"] == {"hi": 1.25, "lo": 0.8}
    assert ("normsys", "xsec") not in modifiers(made, "WW")
    assert modifiers(made, "sig")["normsys", "eff"] == {"hi": 1.5, "lo": 0.75}
    assert modifiers(made, "sig")["normsys", "trigger_sr"] == {"hi": 1.5, "lo": 1.0 / 1.5}
    assert modifiers(made, "WW", 1)["normsys", "trigger_cr"] == {"hi": 2.0, "lo": 0.5}
    # The channel without signal has none of its uncertainties.
    assert ("normsys", "eff") not in modifiers(made, "sig", 1)
    # A log-normal rate is exact at any number of standard deviations beyond the first.
    nominal = expected(made)
    assert expected(made, xsec=2.0)[0] - nominal[0] == pytest.approx(32.0 * (1.25**2 - 1.0))
    assert expected(made, xsec=-1.0)[3] - nominal[3] == pytest.approx(-16.0 * 0.2)
    # pyhf orders channels by name.
    assert expected(made, trigger_cr=1.0).tolist() == pytest.approx([80.0, 40.0, 40.0, 20.0])


def test_a_linear_rate_stays_positive() -> None:
    notes: list[str] = []
    made = build(
        nuisance=[
            nuisance("fakes", "gauss", size=0.5, processes=["WW"]),
            nuisance("small", "gauss", size=0.1, processes="tt"),
        ],
        notes=notes,
    )
    assert modifiers(made, "WW")["histosys", "fakes"] == {"hi_data": [12.0, 6.0], "lo_data": [4.0, 2.0]}
    nominal = expected(made)
    for value in (-1.5, 0.3, 2.5):
        # Linear; pyhf's interpolation makes a smooth, here straight, line of both sides.
        assert (expected(made, fakes=value) - nominal).tolist() == pytest.approx(
            [4.0 * value, 2.0 * value], abs=1e-9
        )
    parameters = {p["name"]: p for p in made["measurements"][0]["config"]["parameters"]}
    assert parameters["fakes"]["bounds"] == [[pytest.approx(-1.998), 5.0]]
    assert "small" not in parameters
    assert notes == [
        "The Gaussian rate 'fakes' is truncated: its parameter stays between -2 and 5 standard deviations, where the rate is positive."
    ]
    assert expected(made, fakes=parameters["fakes"]["bounds"][0][0])[0] > 32.0


def test_a_free_factor_replaces_normalisation_and_luminosity() -> None:
    made = build(nuisance=[nuisance("k_tt", "free", processes=["tt"], bounds=[0, 3])])
    assert modifiers(made, "tt")["normfactor", "k_tt"] is None
    assert not {("normsys", "norm_tt"), ("lumi", "lumi")} & set(modifiers(made, "tt"))
    assert ("lumi", "lumi") in modifiers(made, "WW")
    parameters = {p["name"]: p for p in made["measurements"][0]["config"]["parameters"]}
    assert parameters["k_tt"]["bounds"] == [[0.0, 3.0]]
    assert expected(made, k_tt=0.0).tolist() == [8.0, 4.0]
    with pytest.raises(WorkspaceError, match="free factor of the signal 'sig'"):
        build(nuisance=[nuisance("k", "free", processes=["*"])])


def test_defaults_are_replaced_by_name_and_dropped() -> None:
    made = build(
        drop=["norm_W*", "mcstat_sr"],
        nuisance=[
            nuisance("norm_tt", "lnN", size=0.05, processes=["tt"]),
            nuisance("lumi", "lnN", size=0.0625, processes=["*"]),
        ],
    )
    assert modifiers(made, "tt")["normsys", "norm_tt"] == {"hi": 1.05, "lo": 1.0 / 1.05}
    assert modifiers(made, "WW") == {("normsys", "lumi"): {"hi": 1.0625, "lo": 1.0 / 1.0625}}
    assert [p["name"] for p in made["measurements"][0]["config"]["parameters"]] == ["mu"]
    with pytest.raises(
        WorkspaceError, match=r"Nothing is called 'norm_ZZ'.*norm_WW, norm_tt, lumi, mcstat_sr, jes"
    ):
        build(drop=["norm_ZZ"])


def test_variations_are_chosen_renamed_and_dropped() -> None:
    def names(**data: Any) -> set[str]:
        return {name for _, name in modifiers(build(**data), "tt")} - {"norm_tt", "lumi", "mcstat_sr"}

    assert names() == {"jes"}
    assert names(variations="none") == names(drop=["jes"]) == names(variations=["pdf*"]) == set()
    assert names(rename={"jes": "scale"}) == {"scale"}
    assert names(nuisance=[nuisance("mine", "shape", variation="jes")]) == {"mine"}
    assert names(variations="none", nuisance=[nuisance("jes", "shape", decorrelate="processes")]) == {
        "jes_tt"
    }
    with pytest.raises(WorkspaceError, match=r"'JES' that is to be renamed.*are: jes"):
        build(rename={"JES": "jes"})
    with pytest.raises(WorkspaceError, match=r"is of the variation 'pdf', which none .*are: jes"):
        build(nuisance=[nuisance("pdf", "shape")])
    # Each entry of a name must be of something.
    with pytest.raises(WorkspaceError, match=r"'jes' .* is of the variation 'jes', which none"):
        build(nuisance=[nuisance("jes", "shape"), nuisance("jes", "shape", processes=["WW"])])
    # Named by an entry for one channel, it is not there by itself in the other one.
    made = build(channel("a"), channel("b"), nuisance=[nuisance("jes", "shape", channels=["a"])])
    assert ("normsys", "jes") in modifiers(made, "tt", 0)
    assert ("normsys", "jes") not in modifiers(made, "tt", 1)


@pytest.mark.parametrize(
    ("words", "at_one"),
    [
        ({}, [36.0, 20.0]),
        ({"size": 0.5}, [34.0, 18.0]),
        ({"effect": "rate"}, [32.0 * 7 / 6, 16.0 * 7 / 6]),
        ({"effect": "shape"}, [36.0 * 6 / 7, 20.0 * 6 / 7]),
    ],
)
def test_what_of_a_variation_is_used(words: dict[str, Any], at_one: list[float]) -> None:
    made = build(nuisance=[nuisance("jes", "shape", **words)])
    assert (expected(made, jes=1.0) - [8.0, 4.0]).tolist() == pytest.approx(at_one)
    kinds = {kind for kind, name in modifiers(made, "tt") if name == "jes"}
    assert kinds == {"rate": {"normsys"}, "shape": {"histosys"}}.get(
        words.get("effect", ""), {"normsys", "histosys"}
    )


def one_sided(values: tuple[float, float] = (36.0, 20.0), side: str = "up") -> Templates:
    return channel(variations={}, one_sided={"toppt": (side, np.array(values))})


@pytest.mark.parametrize(
    ("side", "choice", "up", "down"),
    [
        ("up", "mirror", [36.0, 20.0], [28.0, 12.0]),
        ("down", "mirror", [28.0, 12.0], [36.0, 20.0]),
        ("up", "zero", [36.0, 20.0], [32.0, 16.0]),
        ("down", "zero", [32.0, 16.0], [36.0, 20.0]),
    ],
)
def test_one_sided_variations(side: str, choice: str, up: list[float], down: list[float]) -> None:
    notes: list[str] = []
    made = build(one_sided(side=side), notes=notes, nuisance=[nuisance("toppt", "shape", one_sided=choice)])
    assert (expected(made, toppt=1.0) - [8.0, 4.0]).tolist() == pytest.approx(up)
    assert (expected(made, toppt=-1.0) - [8.0, 4.0]).tolist() == pytest.approx(down)
    assert notes == [
        f"The nuisance 'toppt' has the side {side} only; the other one is taken {'mirrored' if choice == 'mirror' else 'as nominal'}."
    ]


def test_one_side_needs_a_choice() -> None:
    with pytest.raises(WorkspaceError, match=r"one side only, 'up'.*one_sided = \"mirror\""):
        build(one_sided(), nuisance=[nuisance("toppt", "shape")])
    with pytest.raises(WorkspaceError, match="has both sides"):
        build(nuisance=[nuisance("jes", "shape", one_sided="mirror")])


def test_negative_bins_are_truncated_and_told() -> None:
    notes: list[str] = []
    # Mirrored, the second bin would hold 32 - 40 = -8.
    made = build(
        one_sided((36.0, 40.0)), notes=notes, nuisance=[nuisance("toppt", "shape", one_sided="mirror")]
    )
    assert (expected(made, toppt=-1.0) - [8.0, 4.0]).tolist() == pytest.approx([28.0, 0.0])
    assert "make 'tt' negative in the channel 'sr' (down, bin 1): truncated at 0 there." in notes[1]


def test_simulation_statistics_by_channel() -> None:
    made = build(
        channel("sr"),
        channel("cr"),
        channel("off"),
        nuisance=[
            nuisance("mcstat", "mcstat", treatment="full", channels=["cr"]),
            nuisance("mcstat", "mcstat", treatment="off", channels=["of*"]),
        ],
    )
    kinds = [{k for k, name in modifiers(made, "tt", i) if name.startswith("mcstat")} for i in range(3)]
    assert kinds == [{"staterror"}, {"shapesys"}, set()]
    with pytest.raises(WorkspaceError, match=r"two treatments .*full and off"):
        build(nuisance=[nuisance("m", "mcstat", treatment=t) for t in ("full", "off")])


@pytest.mark.parametrize(
    ("entries", "text"),
    [
        (
            [("a", "lnN", {"size": 0.1, "processes": ["ZZ"]})],
            "names 'ZZ' among its processes.*are: sig, WW, tt",
        ),
        (
            [("a", "lnN", {"size": 0.1, "processes": ["tt"], "channels": ["cr"]})],
            "'cr' among its channels.*are: sr",
        ),
        ([("a", "lnN", {"size": 0.1, "processes": ["tt"], "runs": ["b"]})], "'b' among its runs.*are: none"),
        (
            [
                ("a", "lnN", {"size": 0.1, "processes": ["tt"]}),
                ("a", "lnN", {"size": 0.2, "processes": ["*"]}),
            ],
            "'a' .*two meanings for 'tt' in the channel 'sr'",
        ),
        (
            [("a", "lnN", {"size": 0.1, "processes": ["tt"]}), ("a", "free", {"processes": ["WW"]})],
            "name 'a' .*two meanings: free for 'WW' .* constrained for 'tt'|two meanings: constrained for 'tt'",
        ),
        ([("jes", "lnN", {"size": 0.1, "processes": ["tt"]})], "'jes' .*an entry and a variation of the run"),
        ([("mcstat_sr", "lnN", {"size": 0.1, "processes": ["tt"]})], "'mcstat_sr' .*two meanings"),
        ([("mu", "free", {"processes": ["tt"]})], "'mu' .*name of the signal strength"),
        ([("mu", "lnN", {"size": 0.1, "processes": ["tt"]})], "'mu' .*name of the signal strength"),
        (
            [("x", "shape", {"variation": "jes"}), ("x", "shape", {"variation": "jes"})],
            "'x' .*two meanings: two variations of 'tt'",
        ),
    ],
)
def test_names_that_mean_nothing_or_two_things(
    entries: list[tuple[str, str, dict[str, Any]]], text: str
) -> None:
    with pytest.raises(WorkspaceError, match=text) as found:
        build(nuisance=[nuisance(name, kind, **words) for name, kind, words in entries])
    assert "--nuisances" in str(found.value)


def test_patterns_that_never_meet_and_samples_without_events() -> None:
    channels = (channel("sr"), channel("cr", signal=(0.0, 0.0)))
    with pytest.raises(WorkspaceError, match=r"'a' .*is of no sample"):
        build(
            *channels,
            nuisance=[
                nuisance("a", "lnN", size=0.1, processes=["tt"], channels=["sr"], regions=["region_cr"])
            ],
        )
    with pytest.raises(WorkspaceError, match="without events alone"):
        build(*channels, nuisance=[nuisance("a", "lnN", size=0.1, processes=["signal"], channels=["cr"])])


def test_the_hand_written_likelihood_gives_the_same_limit() -> None:
    """A workspace written by hand: two channels, a free background, a log-normal rate, a shape of half its size."""
    ours = build(
        channel("sr", variations=JES),
        channel("cr", signal=(0.0, 0.0)),
        drop=["norm_WW", "lumi", "mcstat_*"],
        nuisance=[
            nuisance("k_tt", "free", processes=["tt"]),
            nuisance("xsec_WW", "lnN", size=0.25, processes=["WW"]),
            nuisance("jes", "shape", size=0.5, channels=["sr"]),
        ],
    )
    shape = {
        "hi_data": (np.array([34.0, 18.0]) * 48 / 52).tolist(),
        "lo_data": (np.array([30.0, 14.0]) * 48 / 44).tolist(),
    }
    samples = [
        {
            "name": "sig",
            "data": [1.0, 4.0],
            "modifiers": [{"name": "mu", "type": "normfactor", "data": None}],
        },
        {
            "name": "WW",
            "data": [8.0, 4.0],
            "modifiers": [{"name": "xsec_WW", "type": "normsys", "data": {"hi": 1.25, "lo": 0.8}}],
        },
    ]
    free = {"name": "k_tt", "type": "normfactor", "data": None}
    jes = [
        {"name": "jes", "type": "normsys", "data": {"hi": 52 / 48, "lo": 44 / 48}},
        {"name": "jes", "type": "histosys", "data": shape},
    ]
    hand = {
        "channels": [
            {
                "name": "sr",
                "samples": [*samples, {"name": "tt", "data": [32.0, 16.0], "modifiers": [free, *jes]}],
            },
            {
                "name": "cr",
                "samples": [*samples[1:], {"name": "tt", "data": [32.0, 16.0], "modifiers": [free]}],
            },
        ],
        "observations": [{"name": name, "data": [40.0, 20.0]} for name in ("sr", "cr")],
        "measurements": [
            {
                "name": "by hand",
                "config": {
                    "poi": "mu",
                    "parameters": [
                        {"name": "mu", "inits": [1.0], "bounds": [[0.0, 10.0]]},
                        {"name": "k_tt", "inits": [1.0], "bounds": [[0.0, 10.0]]},
                    ],
                },
            }
        ],
        "version": "1.0.0",
    }
    limits = [
        upper_limit(likelihood_of(workspace, engine=engine), level=0.95, observed=False).expected
        for workspace, engine in ((ours, "massgap"), (hand, "pyhf"))
    ]
    assert limits[0] == pytest.approx(limits[1], rel=1e-4)


def test_smoothing_finds_the_line_that_the_noise_hides() -> None:
    rng = np.random.default_rng(3)
    nominal = np.full(20, 400.0)
    truth = nominal * np.linspace(0.9, 1.1, 20)
    noisy = truth + rng.normal(0.0, 20.0, size=20)
    smooth = smoothed(nominal, nominal, noisy)
    assert np.abs(smooth - truth).max() < 0.4 * np.abs(noisy - truth).max()
    assert smooth.sum() == pytest.approx(noisy.sum())
    # Of a straight line nothing changes, and bins without events stay as they are.
    assert smoothed(nominal, nominal, truth) == pytest.approx(truth)
    holes = np.where(np.arange(20) == 4, 0.0, nominal)
    assert smoothed(holes, holes, np.where(holes > 0.0, truth, 7.0))[4] == pytest.approx(7.0, rel=1e-6)


def test_smoothing_needs_bins() -> None:
    notes: list[str] = []
    made = build(notes=notes, nuisance=[nuisance("jes", "shape", smooth=True)])
    assert "not smoothed in the channel 'sr', which has fewer than 5 bins" in notes[0]
    assert (expected(made, jes=1.0) - [8.0, 4.0]).tolist() == pytest.approx([36.0, 20.0])


def test_what_is_correlated_is_listed() -> None:
    made = build(
        channel("sr"),
        channel("cr"),
        nuisance=[
            nuisance("xsec", "lnN", size=0.25, processes=["tt"]),
            nuisance("fakes", "gauss", size=0.5, processes=["WW"], decorrelate=["channels"]),
            nuisance("k", "free", processes=["tt"], channels=["cr"]),
        ],
    )
    table = {entry["name"]: entry for entry in correlations(made)}
    assert "mu" not in table
    assert (table["xsec"]["processes"], table["xsec"]["channels"]) == (["tt"], ["sr", "cr"])
    assert table["xsec"]["effects"][0] == {
        "channel": "sr",
        "process": "tt",
        "up": 0.25,
        "down": pytest.approx(-0.2),
    }
    assert (table["fakes_sr"]["channels"], table["fakes_sr"]["kinds"]) == (["sr"], ["linear rate"])
    assert table["fakes_cr"]["effects"][0]["up"] == pytest.approx(0.5)
    assert (table["k"]["constraint"], table["k"]["effects"][0]["up"]) == ("free", None)
    assert table["jes"]["kinds"] == ["log-normal rate", "shape"]
    # Rate and shape of one parameter together: what pyhf expects at one standard deviation.
    up = (expected(made, jes=1.0) - expected(made))[:2].sum() / 48.0
    assert table["jes"]["effects"][0]["up"] == pytest.approx(up)
    assert table["lumi"]["effects"][0]["up"] == 0.025
    assert table["mcstat_sr"]["processes"] == ["WW", "tt"]
    assert table["norm_WW"]["effects"][1]["channel"] == "cr"
