"""What the base does for an analysis: options, description, further histograms, defaults."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from typing import Any

import awkward as ak
import eventfiles
import hist
import numpy as np
import pytest
from runs import fileset_of

from massgap import stages
from massgap.contracts.description import Cut, Description, Feature, ProcessLabel, Region, Score
from massgap.contracts.run_folder import open_run
from massgap.processors import Analysis, HistogramSpec, Slepton
from massgap.processors.base.axes import Integer, Regular, Variable
from massgap.processors.errors import ProcessorError

PT = Feature("pt", "$p_T$", "GeV", 0.0, 100.0, 10, "Leading muon", "Muons")


class Bare(Analysis):
    """As little as an analysis can be."""

    name = "bare"

    def select(self, event: Any, flow: Any) -> None:
        flow.keep(event, "a muon", event.muons.counts > 0)


class Own(Analysis):
    """Histograms of its own beside that of its observable."""

    name, title, source, channel, luminosity = "own", "An analysis", "A paper", "mu", 20.0
    observables = (PT,)
    regions = (
        Region("all_muons", "All"),
        Region("hard", "Hard", within="all_muons", cuts=[Cut("pt_30", "pt", lambda pt: pt > 30, edges=[30])]),
    )
    scores = (Score("low", "Low", regions=["hard"]), Score("high"))
    processes = {"tt": ProcessLabel("$t\\bar{t}$", "C0")}  # noqa: RUF012

    def histograms(self) -> tuple[HistogramSpec, ...]:
        pt, n = Regular(5, 0.0, 100.0, name="pt"), Integer(0, 4, name="n")
        return (
            HistogramSpec("pt_n", pt, n),
            HistogramSpec("n", n, regions=["hard"]),
            HistogramSpec("met", hist.axis.Variable([0, 30, 200], name="met", label="MET")),
            HistogramSpec("phi", hist.axis.Regular(8, -4, 4, name="phi"), regions=["all_muons"]),
        )

    def select(self, event: Any, flow: Any) -> None:
        event = flow.keep(event, "a muon", event.muons.counts > 0)
        pt, n = event.muons.at(0).pt, event.muons.counts
        flow.fill("pt_n", pt, n)
        flow.fill("n", n, mask=event.met.pt > 50)
        flow.fill("met", event.met.pt)
        flow.fill("phi", event.jets.at(0).phi)
        flow.record(event, {"pt": pt})


@pytest.fixture(scope="module")
def plain() -> list[dict[str, Any]]:
    events = eventfiles.make_events(300, seed=17)
    for event in events[20::50]:
        event["jets"].clear()
    return events


def result_of(analysis: Analysis, plain: list[dict[str, Any]]) -> dict[str, Any]:
    events = ak.zip(eventfiles.columns(plain), depth_limit=1)
    return analysis.postprocess(analysis.process(events))


def test_histograms_of_one_and_two_observables(plain) -> None:
    result = result_of(Own(), plain)
    assert list(result["histograms"]) == ["pt", "nminus1_pt_30", "pt_n", "n", "met", "phi"]

    def single(x: float) -> float:
        return float(np.float32(x))

    rows = []
    for e in plain:
        if e["muons"]:
            jets = sorted(e["jets"], key=lambda j: -single(j["pt"]))
            pt = max(single(m["pt"]) for m in e["muons"])
            phi = single(jets[0]["phi"]) if jets else math.nan
            rows.append((pt, len(e["muons"]), single(e["met"][0]), phi, single(e["weight"])))
    pt, n, met, phi, w = (np.array(column) for column in zip(*rows, strict=True))
    for region, inside in (("all_muons", np.ones(len(pt), dtype=bool)), ("hard", pt > 30)):
        place = {"process": 0, "region": region, "variation": "nominal"}
        axes = hist.axis.Regular(5, 0, 100), hist.axis.Integer(0, 4), hist.axis.Variable([0, 30, 200])
        both = hist.Hist(axes[0], axes[1], storage="weight").fill(pt[inside], n[inside], weight=w[inside])
        one = hist.Hist(axes[2], storage="weight").fill(met[inside], weight=w[inside])
        for name, true in (("pt_n", both), ("met", one)):
            found = result["histograms"][name][place].view(flow=True)
            np.testing.assert_allclose(found["value"], true.view(flow=True)["value"], rtol=1e-12, atol=1e-12)
            np.testing.assert_allclose(found["variance"], true.view(flow=True)["variance"], rtol=1e-12)
    chosen = (pt > 30) & (met > 50)
    true = hist.Hist(hist.axis.Integer(0, 4), storage="weight").fill(n[chosen], weight=w[chosen])
    found = result["histograms"]["n"]
    assert list(found.axes["region"]) == ["hard"]
    np.testing.assert_allclose(found[0, 0, 0, :].values(flow=True), true.values(flow=True), rtol=1e-12)
    # Without a jet there is no azimuth: left out, and counted once.
    assert result["undefined"] == {"phi": int(np.isnan(phi).sum())}
    total = result["histograms"]["phi"].values(flow=True).sum()
    assert total == pytest.approx(w[~np.isnan(phi)].sum(), rel=1e-12)


def test_an_observable_may_have_bins_of_its_own(plain) -> None:
    class Coarse(Own):
        def histograms(self) -> tuple[HistogramSpec, ...]:
            return (*super().histograms(), HistogramSpec("pt", Variable((0.0, 50.0, 500.0), name="pt")))

    h = result_of(Coarse(), plain)["histograms"]["pt"]
    assert h.axes["pt"].edges.tolist() == [0.0, 50.0, 500.0]


def test_without_regions_there_is_one_of_all_selected_events(plain) -> None:
    result = result_of(Bare(), plain)
    described = Description.from_dict(result["description"])
    assert [(r.name, r.channel) for r in described.regions] == [("selected", "all")]
    assert [row["raw"] for row in next(iter(result["cutflow"]["processes"].values()))] == [
        300,
        sum(bool(e["muons"]) for e in plain),
    ]


def test_two_histograms_of_one_name_are_refused() -> None:
    class Double(Own):
        def histograms(self) -> tuple[HistogramSpec, ...]:
            return (*super().histograms(), HistogramSpec("n", Integer(0, 2, name="n")))

    with pytest.raises(ProcessorError, match="two histograms of the analysis are called n: give each"):
        Double().layout()


def test_a_region_of_a_histogram_or_score_must_exist() -> None:
    class Elsewhere(Own):
        def histograms(self) -> tuple[HistogramSpec, ...]:
            return (HistogramSpec("n", Integer(0, 2, name="n"), regions=["sr"]),)

    with pytest.raises(
        ProcessorError, match="histogram 'n': there is no region 'sr'; there are all_muons, hard"
    ):
        Elsewhere().layout()


# Options


class Keeps(Own):
    def __init__(
        self, model: Any = None, *, window: float = 10.0, steps: tuple[str, ...] = (), **options: Any
    ) -> None:
        super().__init__(model, **options)
        self.window = window
        self.steps = tuple(steps)


class Computes(Keeps):
    """Keeps what it was given under another name, and gives it back."""

    def __init__(self, *, half: float = 1.0, **options: Any) -> None:
        super().__init__(**options)
        self._double = 2 * half

    @property
    def half(self) -> float:
        return self._double / 2


def test_options_are_the_parameters_of_all_constructors() -> None:
    options = Computes(
        half=3.0, window=np.float64(5.0), steps=["a", "b"], met="objects", variations="jes"
    ).options()
    assert options == {
        "half": 3.0,
        "window": 5.0,
        "steps": ["a", "b"],
        "met": "objects",
        "variations": ["jes"],
        "engine": "auto",
        "taggers": {
            **dict.fromkeys(("b_tagger", "b_threshold", "b_charm_fraction", "b_tau_fraction", "met")),
            **dict.fromkeys(("muon_id", "electron_id", "photon_id", "tau_id")),
            "b_tag_bit": 0,
            "collections": [],
        },
        "collections": {},
        "hypothesis": {},
    }
    assert json.loads(json.dumps(options)) == options
    assert Keeps(window=7.0).options() != Keeps().options()
    # Whether rows are kept changes no number.
    assert Own(features=True).options() == Own().options()


def test_a_parameter_that_is_not_kept_is_refused() -> None:
    class Forgets(Own):
        def __init__(self, *, window: float = 10.0, **options: Any) -> None:
            super().__init__(**options)
            self.cut = window

    with pytest.raises(
        ProcessorError, match=r"Forgets does not keep its parameter 'window': write self.window = window"
    ):
        Forgets().options()


def test_an_attribute_of_the_class_does_not_stand_for_a_parameter() -> None:
    """Two objects with other luminosities would be taken for the same."""

    class Hidden(Own):
        def __init__(self, *, luminosity: float = 1.0, **options: Any) -> None:
            super().__init__(**options)
            self.scale = 2 * luminosity

    with pytest.raises(ProcessorError, match="Hidden does not keep its parameter 'luminosity'"):
        Hidden(luminosity=3.0).options()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"met": "truth"}, "met='truth' .--met. is unknown; MET is one of detector, objects"),
        ({"variations": ["jec"]}, "unknown variation 'jec'; known are"),
        ({"model": {"mid": "m.onnx"}}, "own has no score 'mid' that a model could give; it has: low, high"),
        ({"model": "m.onnx"}, r"own has more than one score.*low, high.*--model NAME=FILE"),
    ],
)
def test_unknown_options_are_refused(options, message) -> None:
    with pytest.raises(ProcessorError, match=message):
        Own(**options)


def test_a_score_of_a_region_that_is_not_there_is_refused() -> None:
    class Misspelt(Own):
        scores = (Score("low", regions=["hart"]),)

    with pytest.raises(
        ProcessorError, match=r"score 'low' is of the region 'hart'.*there are all_muons, hard"
    ):
        Misspelt().layout()


def test_an_analysis_without_scores_takes_no_model() -> None:
    class Scoreless(Own):
        scores = ()

    with pytest.raises(ProcessorError, match="own has no score that a model could give"):
        Scoreless(model="m.onnx")


def test_an_analysis_without_a_selection_says_so(plain) -> None:
    class Empty(Analysis):
        name = "empty"

    with pytest.raises(ProcessorError, match=r"Empty does not say which events.*select\(self, event, flow\)"):
        result_of(Empty(), plain)


def test_met_of_objects_is_an_option_of_every_analysis(plain) -> None:
    detector, objects = (
        result_of(Own(met=met), plain)["histograms"]["met"] for met in ("detector", "objects")
    )
    assert not (detector.values(flow=True) == objects.values(flow=True)).all()
    varied = result_of(Own(met="objects", variations=["jes"]), plain)["histograms"]["met"]
    assert (varied[{"variation": "nominal"}].values() == objects[{"variation": "nominal"}].values()).all()
    assert not (varied[{"variation": "jes_up"}].values() == objects[{"variation": "nominal"}].values()).all()


# Description


def test_description_of_an_analysis() -> None:
    described = Own().description()
    assert (described.analysis, described.title, described.source) == ("own", "An analysis", "A paper")
    assert described.luminosity == 20.0
    assert described.features == (PT,)
    assert [(r.name, r.channel, r.within) for r in described.regions] == [
        ("all_muons", "mu", ""),
        ("hard", "mu", "all_muons"),
    ]
    assert [score.column for score in described.scores] == ["score_low", "score_high"]
    assert described.processes["tt"].label == "$t\\bar{t}$"
    (cut,) = described.regions[1].cuts
    assert (cut.edges, cut.kept) == ((30,), (False, True))


@pytest.mark.parametrize("analysis", [Own, Bare, Slepton])
def test_description_goes_through_json_and_back(analysis) -> None:
    described = analysis().description()
    again = Description.from_dict(json.loads(json.dumps(described.as_dict())))
    # What a stored cut keeps is written down, its function is not.
    assert again == described
    for before, after in zip(described.regions, again.regions, strict=True):
        assert [cut.kept for cut in before.cuts] == [cut.kept for cut in after.cuts]
        assert all(cut.passes is None for cut in after.cuts)
    assert again.as_dict() == described.as_dict()


def test_lists_are_as_good_as_tuples() -> None:
    cut = Cut("c", "x", edges=[1.0, 2.0], keeps=[True, False, True])
    assert cut == replace(cut, edges=(1.0, 2.0))
    assert hash(Region("r", cuts=[cut])) == hash(Region("r", cuts=(cut,)))
    assert Score("s", regions=["a"], features=["x"]) == Score("s", regions=("a",), features=("x",))


def test_the_manifest_of_a_run_holds_it(tmp_path) -> None:
    path = eventfiles.write_nano(tmp_path / "tt.root", eventfiles.make_events(200, seed=3))
    stages.run(
        "slepton", fileset=fileset_of(path), out=tmp_path / "run", executor="iterative"
    ).require_complete()
    run = open_run(tmp_path / "run")
    assert run.description == Slepton().description()
    assert (
        json.loads((tmp_path / "run" / "manifest.json").read_text())["description"]["analysis"] == "slepton"
    )
    assert list(run.histogram("met").axes["region"]) == [r.name for r in run.description.regions]
