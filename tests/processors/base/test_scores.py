"""Several scores by name: each with its model, in its regions, from its observables."""

from __future__ import annotations

import json
import pickle
from typing import TYPE_CHECKING, Any

import eventfiles
import numpy as np
import pytest
from runs import bits, fileset_of

from massgap.contracts.description import Cut, Feature, Region, Score
from massgap.models.errors import ModelError
from massgap.models.folds import held_out_fold
from massgap.processors import Analysis
from massgap.processors.errors import ProcessorError
from massgap.runner import run

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("onnx")

PT, MET = Feature("pt", unit="GeV", high=200.0), Feature("met", unit="GeV", high=300.0)


class TwoScores(Analysis):
    name = "two_scores"
    observables = (PT, MET)
    regions = (
        Region("muon", channel="mu"),
        Region("soft", channel="mu", within="muon", cuts=[Cut("soft", "pt", lambda pt: pt <= 40)]),
        Region("hard", channel="mu", within="muon", cuts=[Cut("hard", "pt", lambda pt: pt > 40)]),
        Region("none", channel="no"),
    )
    scores = (
        Score("low", "Low", regions=["soft"]),
        Score("high", "High", regions=["hard", "muon"], features=["met"], bins=20),
        Score("unused", regions=["none"]),
    )

    def select(self, event: Any, flow: Any) -> None:
        with_muon = event.muons.counts > 0
        for name, mask in (("mu", with_muon), ("no", ~with_muon)):
            channel = flow.channel(name)
            chosen = channel.keep(event, name, mask)
            channel.record(chosen, {"pt": chosen.muons.at(0).pt, "met": chosen.met.pt})


def model(path: Path, weights: list[list[float]], features: list[str], **more: str) -> Path:
    """A linear classifier with one output per fold, as massgap stores it."""
    from onnx import TensorProto, helper, numpy_helper

    from massgap.models.scoring.onnx_file import DIGEST, FORMATS, content_digest

    w = np.array(weights, dtype=np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])],
        "own",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", w.shape[0]])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", w.shape[1]])],
        initializer=[numpy_helper.from_array(w, "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    known = {"format": FORMATS[0], "features": json.dumps(features), "n_folds": str(w.shape[1])}
    known |= {"training_hash": "0" * 64, **more}
    helper.set_model_props(made, {f"massgap.{key}": value for key, value in known.items()})
    helper.set_model_props(
        made, {entry.key: entry.value for entry in made.metadata_props} | {DIGEST: content_digest(made)}
    )
    path.write_bytes(made.SerializeToString())
    return path


class Twins(TwoScores):
    """Two scores of the same features: only their regions tell their models apart."""

    name = "twins"
    scores = (Score("low", regions=["soft"]), Score("high", regions=["hard", "muon"]))


@pytest.mark.parametrize(
    ("low", "high", "told"),
    [
        ("soft", "hard", []),
        ("hard", "soft", ["low", "high"]),
        ("all", "hard+muon", []),
        ("soft", "soft", ["high"]),
    ],
)
def test_models_that_were_trained_on_the_region_of_another_score_are_told(tmp_path, low, high, told) -> None:
    models = {
        "low": model(tmp_path / "low.onnx", LOW, ["pt", "met"], region=low),
        "high": model(tmp_path / "high.onnx", LOW, ["pt", "met"], region=high),
    }
    notes = Twins(models).notes()
    assert [note.partition("'")[2].partition("'")[0] for note in notes] == told
    assert all("was trained on the region" in note for note in notes)


LOW = [[0.01, 0.02, -0.01], [0.005, -0.005, 0.01]]
HIGH = [[0.01]]


@pytest.fixture(scope="module")
def models(tmp_path_factory) -> dict[str, Path]:
    folder = tmp_path_factory.mktemp("models")
    return {
        "low": model(folder / "low.onnx", LOW, ["pt", "met"]),
        "high": model(folder / "high.onnx", HIGH, ["met"]),
    }


@pytest.fixture(scope="module")
def fileset(tmp_path_factory) -> dict[str, Any]:
    path = tmp_path_factory.mktemp("scores") / "tt.root"
    return fileset_of(eventfiles.write_nano(path, eventfiles.make_events(600, seed=41)))


@pytest.fixture(scope="module")
def result(models, fileset):
    out = run(TwoScores(models, features=True), fileset)
    out.require_complete()
    return out


def sigmoid(z: np.ndarray) -> np.ndarray:
    return 1.0 / (1.0 + np.exp(-z))


def test_columns_are_the_answers_of_the_models(result) -> None:
    table = result.features["tt"]
    assert [name for name in table if name.startswith("score")] == ["score_low", "score_high"]
    muon = table[table["channel"] == "mu"]
    x = muon[["pt", "met"]].to_numpy()
    fold = held_out_fold(muon["fold_key"].to_numpy(), 3)
    assert set(fold) == {0, 1, 2}
    low = sigmoid(x @ np.array(LOW))[np.arange(len(x)), fold]
    np.testing.assert_allclose(muon["score_low"], low, rtol=0, atol=1e-5)
    np.testing.assert_allclose(muon["score_high"], sigmoid(0.01 * x[:, 1]), rtol=0, atol=1e-5)
    # Where no region of a channel is filled with a score, it is not computed.
    assert table.loc[table["channel"] == "no", ["score_low", "score_high"]].isna().all(axis=None)
    assert (table["channel"] == "no").sum() > 5


def test_histograms_are_filled_in_their_regions_only(result) -> None:
    table = result.features["tt"]
    h = result.histograms
    assert "score_unused" not in h
    assert (list(h["score_low"].axes["region"]), list(h["score_high"].axes["region"])) == (
        ["soft"],
        ["hard", "muon"],
    )
    assert (h["score_low"].axes["fold"].size, h["score_high"].axes["fold"].size) == (3, 1)
    assert (h["score_low"].axes["score_low"].size, h["score_high"].axes["score_high"].size) == (400, 20)
    for name, region in (("low", "soft"), ("high", "hard"), ("high", "muon")):
        inside = table[table[f"region_{region}"]]
        found = h[f"score_{name}"][{"process": "tt", "region": region, "variation": "nominal"}]
        fold = held_out_fold(inside["fold_key"].to_numpy(), found.axes["fold"].size)
        for k in range(found.axes["fold"].size):
            mine = inside[fold == k]
            edges = found.axes[f"score_{name}"].edges
            true, _ = np.histogram(mine[f"score_{name}"], bins=edges, weights=mine["weight"])
            np.testing.assert_allclose(found[{"fold": k}].values(), true, rtol=1e-9, atol=1e-12)
        assert len(inside) > 50


def test_models_are_told_apart_by_name(models, fileset, result, tmp_path) -> None:
    one = run(TwoScores({"high": models["high"]}, features=True), fileset)
    assert "score_low" not in one.histograms
    assert one.features["tt"]["score_high"].equals(result.features["tt"]["score_high"])
    assert sorted(TwoScores(models).models) == ["high", "low"]
    # The same file for both names is refused where it does not fit the observables of a score.
    with pytest.raises(ModelError):
        TwoScores({"high": models["low"]})
    # A changed model of one score makes no use of results with the other one.
    run(TwoScores(models), fileset, checkpoints=tmp_path / "c")
    assert all(
        e.from_checkpoint for e in run(TwoScores(models), fileset, checkpoints=tmp_path / "c").ledger.chunks
    )
    changed = {**models, "high": model(tmp_path / "high.onnx", [[0.02]], ["met"])}
    again = run(TwoScores(changed), fileset, checkpoints=tmp_path / "c")
    assert not any(e.from_checkpoint for e in again.ledger.chunks)


@pytest.mark.parametrize("chunksize", [50, 170])
def test_chunks_pickles_and_checkpoints_change_nothing(models, fileset, result, chunksize, tmp_path) -> None:
    processor = pickle.loads(pickle.dumps(TwoScores(models, features=True)))
    for _ in range(2):
        out = run(processor, fileset, chunksize=chunksize, checkpoints=tmp_path)
        assert bits(out) == bits(result)
        assert out.cutflow == result.cutflow
        assert out.features["tt"].equals(result.features["tt"])


def test_an_observable_that_a_model_needs_must_be_recorded(models, fileset) -> None:
    class Incomplete(TwoScores):
        def select(self, event: Any, flow: Any) -> None:
            channel = flow.channel("mu")
            chosen = channel.keep(event, "mu", event.muons.counts > 0)
            channel.record(chosen, {"pt": chosen.muons.at(0).pt})

    problems = run(Incomplete(models), fileset).ledger.problems()
    assert "the score 'low' needs the observable 'met': give it to record()" in " ".join(problems)


def test_a_parameterised_model_scores_at_the_hypothesis_of_the_processor(tmp_path, fileset) -> None:
    """A mass beside the features: its input is the same for all events, and an option of the run."""
    given = {"hypothesis": json.dumps(["true_T"]), "label": "true:random", "ranges": '{"true_T": [0, 200]}'}
    path = model(tmp_path / "p.onnx", [[0.01], [0.02], [0.005]], ["pt", "met", "true_T"], **given)
    processor = TwoScores({"low": path}, features=True, hypothesis="T=100")
    assert processor.options()["hypothesis"] == {"T": 100.0}
    assert processor.notes() == []
    table = run(processor, fileset).features["tt"]
    low = table[table["channel"] == "mu"]
    expected = sigmoid(0.01 * low["pt"] + 0.02 * low["met"] + 0.5)
    assert low["score_low"].to_numpy() == pytest.approx(expected.to_numpy(), abs=1e-6)
    (note,) = TwoScores({"low": path}, hypothesis={"T": 300.0}).notes()
    assert "T=300 lies outside of the trained range 0 to 200" in note
    with pytest.raises(ModelError, match="--hypothesis T=GEV"):
        TwoScores({"low": path})


def test_events_with_a_label_outside_of_the_trained_range_are_counted(tmp_path, fileset) -> None:
    """Of the events in the regions of the score, as the feature table tells them; in one chunk or in many."""
    ranges = json.dumps({"pt": [20.0, 30.0]})
    models = {
        "low": model(tmp_path / "low.onnx", LOW, ["pt", "met"], label="pt", ranges=ranges),
        "high": model(tmp_path / "high.onnx", HIGH, ["met"]),
    }
    found = run(TwoScores(models, features=True), fileset)
    table = found.features["tt"]
    soft = table.loc[table["region_soft"], "pt"].to_numpy(np.float32)
    outside = int(((soft < 20) | (soft > 30)).sum())
    assert 0 < outside < len(soft)
    entry = {
        "labels": {"pt": {"low": 20.0, "high": 30.0}},
        "datasets": {"tt": {"events": len(soft), "outside": outside}},
    }
    assert found.ledger.as_dict()["extrapolated"] == {"low": entry}
    (note,) = (note for note in found.notes if "trained range" in note)
    assert note == (
        f"score 'low': the label pt is missing or outside of the trained range 20 to 30 in {outside:,} of {len(soft):,} events: "
        "their scores are extrapolated"
    )
    again = run(TwoScores(models, variations=["jes"]), fileset, chunksize=70)
    assert again.ledger.extrapolated == {"low": entry}


def test_labels_inside_of_the_trained_range_are_no_matter(tmp_path, fileset) -> None:
    ranges = json.dumps({"pt": [0.0, 1e6]})
    low = model(tmp_path / "low.onnx", LOW, ["pt", "met"], label="pt", ranges=ranges)
    found = run(TwoScores({"low": low}), fileset)
    assert found.ledger.extrapolated == {}
    assert not any("trained range" in note for note in found.notes)


def test_a_hypothesis_outside_of_the_trained_range_is_counted_too(tmp_path, fileset) -> None:
    more = {
        "label": "true:random",
        "hypothesis": json.dumps(["true_T"]),
        "ranges": json.dumps({"true_T": [500.0, 900.0]}),
    }
    high = model(tmp_path / "high.onnx", [[0.01], [0.001]], ["met", "true_T"], **more)
    analysis = TwoScores({"high": high}, hypothesis={"T": 1000.0}, features=True)
    found = run(analysis, fileset)
    table = found.features["tt"]
    n = int((table["region_hard"] | table["region_muon"]).sum())
    assert found.ledger.extrapolated == {
        "high": {
            "labels": {"T": {"low": 500.0, "high": 900.0, "value": 1000.0}},
            "datasets": {"tt": {"events": n, "outside": n}},
        }
    }
    (note,) = (note for note in found.notes if "trained range" in note)
    assert "the hypothesis T=1000 lies outside of the trained range 500 to 900" in note
    assert run(TwoScores({"high": high}, hypothesis={"T": 700.0}), fileset).ledger.extrapolated == {}


POINTS = ["low:T=50", "low:T=100", "low:T=300"]


@pytest.fixture
def parameterised(tmp_path) -> Path:
    given = {"hypothesis": json.dumps(["true_T"]), "label": "true:random", "ranges": '{"true_T": [0, 200]}'}
    return model(
        tmp_path / "p.onnx", [[0.01, 0.02], [0.02, 0.01], [0.005, 0.004]], ["pt", "met", "true_T"], **given
    )


def test_one_model_at_several_hypotheses_in_one_run_gives_the_bits_of_separate_runs(
    parameterised, fileset, monkeypatch
) -> None:
    """Each hypothesis has its score, histogram and column; the graph is opened once, its inputs are prepared once."""
    from massgap.models.scoring import sessions
    from massgap.models.scoring.scorer import OnnxScorer

    opened, prepared = [], []
    open_session, inputs = sessions.open_session, OnnxScorer.inputs
    monkeypatch.setattr(sessions, "open_session", lambda *a: opened.append(1) or open_session(*a))
    monkeypatch.setattr(OnnxScorer, "inputs", lambda self, c: prepared.append(1) or inputs(self, c))
    processor = TwoScores({"low": parameterised}, features=True, hypothesis=POINTS)
    assert [score.name for score in processor.scores] == ["low_50", "low_100", "low_300", "high", "unused"]
    together = run(processor, fileset)
    assert len(prepared) == len(together.ledger.chunks)
    whole = len(opened)
    for value in ("50", "100", "300"):
        alone = run(TwoScores({"low": parameterised}, features=True, hypothesis=f"T={value}"), fileset)
        for dataset, table in alone.features.items():
            column = together.features[dataset][f"score_low_{value}"]
            assert table["score_low"].to_numpy().tobytes() == column.to_numpy().tobytes()
        one, many = alone.histograms["score_low"], together.histograms[f"score_low_{value}"]
        assert np.array_equal(one.view(flow=True), many.view(flow=True))
    assert len(opened) == 4 * whole
    assert together.output["extrapolated"].keys() == {"low_300"}
    (note,) = processor.notes()
    assert "score 'low_300'" in note
    assert "T=300 lies outside of the trained range 0 to 200" in note


def test_what_a_run_at_several_hypotheses_keeps_makes_it_again(parameterised, fileset) -> None:
    """Its options name each score, so that verification and bundles give back what they read."""
    first = TwoScores({"low": parameterised}, hypothesis=POINTS)
    kept = json.loads(json.dumps(first.options()["hypothesis"]))
    assert kept == {"low_50": {"T": 50.0}, "low_100": {"T": 100.0}, "low_300": {"T": 300.0}}
    again = TwoScores(dict.fromkeys(first.models, parameterised), hypothesis=kept)
    assert [(s.name, s.regions, s.bins) for s in again.scores if s.name in again.models] == [
        (s.name, s.regions, s.bins) for s in first.scores if s.name in first.models
    ]
    assert again.description().as_dict() == {
        **first.description().as_dict(),
        "scores": again.description().as_dict()["scores"],
    }
    assert again.options() == first.options()
    a, b = run(first, fileset), run(again, fileset)
    for name in ("score_low_50", "score_low_300"):
        assert np.array_equal(a.histograms[name].view(flow=True), b.histograms[name].view(flow=True))
    content = pickle.dumps(first)
    assert content.count(parameterised.read_bytes()) == 1  # what is shared travels once


def test_hypotheses_of_some_scores_leave_the_others_alone(parameterised, tmp_path) -> None:
    plain = model(tmp_path / "m.onnx", [[0.01]], ["met"])
    processor = TwoScores({"low": parameterised, "high": plain}, hypothesis="low:T=50")
    assert processor.options()["hypothesis"] == {"low": {"T": 50.0}}
    assert list(processor.models) == ["low", "high"]
    processor = TwoScores({"low": parameterised, "high": plain}, hypothesis=["T=50", "T=60"])
    assert list(processor.models) == ["low_50", "low_60", "high"]
    assert TwoScores({"low": parameterised, "high": plain}, hypothesis="T=50").options()["hypothesis"] == {
        "low": {"T": 50.0}
    }


@pytest.mark.parametrize(
    ("models", "given", "error", "words"),
    [
        (
            "low",
            "other:T=50",
            ProcessorError,
            r"hypothesis of 'other', and scores with a model are low: .*--model other=FILE",
        ),
        (
            "",
            "low:T=50",
            ProcessorError,
            r"hypothesis of 'low', and no score has a model: .*--model low=FILE",
        ),
        ("low", "low:m=50", ModelError, r"is parameterised in T; given are m: .*--hypothesis T=GEV"),
        (
            "low",
            ["low:T=50", "low:T=50.0"],
            ModelError,
            r"low:T=50 is given twice: leave one --hypothesis low:T=50 out",
        ),
        ("low", ["low:T=50", "low:T=50.00000000001"], ModelError, r"would share the name 'low_50'"),
        ("low", {"low": []}, ModelError, r"--hypothesis T=GEV"),
        ("low", ":T=50", ModelError, r"names no score before its colon: --hypothesis SCORE:"),
        ("low", {"T": float("nan")}, ModelError, r"not masses in GeV by name: --hypothesis"),
        (
            "high",
            "high:T=50",
            ModelError,
            r"not parameterised in masses: leave out the hypothesis \(--hypothesis\)",
        ),
        ("both", "high:T=50", ModelError, r"--hypothesis"),
    ],
)
def test_wrong_hypotheses_are_refused_with_what_to_type(
    parameterised, tmp_path, models, given, error, words
) -> None:
    plain = model(tmp_path / "m.onnx", [[0.01]], ["met"])
    known = {"low": {"low": parameterised}, "high": {"high": plain}, "": None}
    known["both"] = {**known["low"], **known["high"]}
    with pytest.raises(error, match=words):
        TwoScores(known[models], hypothesis=given)


def test_a_score_at_a_hypothesis_that_has_the_name_of_another_is_refused(parameterised) -> None:
    class Taken(TwoScores):
        scores = (*TwoScores.scores, Score("low_50", regions=["soft"]))

    with pytest.raises(
        ProcessorError, match=r"two scores of two_scores would be called 'low_50': .*--model NAME=FILE"
    ):
        Taken({"low": parameterised}, hypothesis=POINTS)


def test_the_only_score_at_several_hypotheses_is_named_after_their_masses(parameterised, fileset) -> None:
    class One(TwoScores):
        scores = (Score("score", "Score", regions=["muon"]),)

    processor = One(parameterised, features=True, hypothesis=["T=50", "T=72.5"])
    table = run(processor, fileset).features["tt"]
    assert {"score_50", "score_72p5"} <= set(table.columns)
    assert processor.scores[1].label == "Score at T = 72.5 GeV"
    kept = json.loads(json.dumps(processor.options()["hypothesis"]))
    assert One(dict.fromkeys(processor.models, parameterised), hypothesis=kept).scores == processor.scores
