"""``massgap run --model``: a model that is not that of the run is refused in one sentence, with what can be typed instead."""

from __future__ import annotations

import json
from textwrap import dedent
from typing import TYPE_CHECKING

import eventfiles
import numpy as np
import pytest
from click.testing import CliRunner

from massgap.cli import main

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("onnx")

ANALYSIS = """
from massgap.contracts.description import Cut, Feature, Region, Score
from massgap.processors import Analysis


class Two(Analysis):
    name = "two"
    observables = (Feature("pt", unit="GeV", high=200.0), Feature("met", unit="GeV", high=300.0))
    regions = (
        Region("muon", channel="mu"),
        Region("hard", channel="mu", within="muon", cuts=[Cut("hard", "pt", lambda pt: pt > 40)]),
        Region("none", channel="no"),
    )
    scores = (Score("low", "Low", regions=["muon"]), Score("high", "High", regions=["none"], features=["met"]))

    def select(self, event, flow):
        some = event.muons.counts > 0
        for name, mask in (("mu", some), ("no", ~some)):
            channel = flow.channel(name)
            chosen = channel.keep(event, name, mask)
            pt = chosen.muons.at(0).pt if name == "mu" else 0.0 * chosen.met.pt
            channel.record(chosen, {"pt": pt, "met": chosen.met.pt})
"""


def model(path: Path, features: list[str], **more: str) -> Path:
    """A linear classifier of two folds, as massgap stores it."""
    from onnx import TensorProto, helper, numpy_helper

    from massgap.models.scoring.onnx_file import DIGEST, FORMATS, content_digest

    w = np.full((len(features), 2), 0.001, np.float32)
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["z"]), helper.make_node("Sigmoid", ["z"], ["p"])],
        "own",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", len(features)])],
        [helper.make_tensor_value_info("p", TensorProto.FLOAT, ["n", 2])],
        initializer=[numpy_helper.from_array(w, "w")],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    known = {
        "format": FORMATS[0],
        "features": json.dumps(features),
        "n_folds": "2",
        "training_hash": "0" * 64,
    }
    props = {f"massgap.{key}": value for key, value in (known | more).items()}
    helper.set_model_props(made, props)
    helper.set_model_props(made, {**props, DIGEST: content_digest(made)})
    path.write_bytes(made.SerializeToString())
    return path


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("models")
    (folder / "two.py").write_text(dedent(ANALYSIS))
    eventfiles.write_nano(folder / "tt.root", eventfiles.make_events(400, seed=41))
    true = {"label": "true:random", "hypothesis": '["true_T"]', "ranges": '{"true_T": [500, 900]}'}
    model(folder / "plain.onnx", ["pt", "met"])
    model(folder / "objects.onnx", ["pt", "met"], met="objects")
    model(folder / "other.onnx", ["met", "pt"])
    model(folder / "of_high.onnx", ["met"], region="none")
    model(folder / "channel.onnx", ["pt", "met"], region="none")
    model(folder / "parameterised.onnx", ["pt", "met", "true_T"], **true)
    model(folder / "labelled.onnx", ["pt", "met"], label="pt", ranges='{"pt": [20, 30]}')
    return folder


def run(place: Path, *arguments: str, out: Path):
    words = [
        "run",
        f"{place / 'two.py'}:Two",
        str(place / "tt.root"),
        "--executor",
        "iterative",
        "--out",
        str(out),
    ]
    arguments = [
        str(place / a[1:]) if a.startswith("@") else a.replace("=@", f"={place}/") for a in arguments
    ]
    done = CliRunner().invoke(main, [*words, *arguments], catch_exceptions=False)
    assert "Traceback" not in done.output
    return done


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--model", "@plain.onnx"], ["more than one score (low, high)", "--model NAME=FILE"]),
        (["--model", "mid=@plain.onnx"], ["no score 'mid'", "it has: low, high"]),
        (["--model", "low=@other.onnx"], ["another order, first at position 0: met in the model, pt given",
                                          "massgap train RUN_FOLDER --name low"]),
        (["--model", "low=@of_high.onnx"], ["not in the model: pt", "massgap train RUN_FOLDER --name low"]),
        (["--model", "low=@objects.onnx", "--met", "detector"], ["trained with another MET", "--met objects"]),
        (["--model", "low=@parameterised.onnx"], ["is parameterised in T", "--hypothesis T=GEV"]),
        (["--model", "low=@parameterised.onnx", "--hypothesis", "M=700"], ["given are M", "--hypothesis T=GEV"]),
        (["--model", "low=@parameterised.onnx", "--hypothesis", "T=many"], ["NAME=GEV", "--hypothesis m_a=100"]),
        (["--model", "low=@plain.onnx", "--hypothesis", "T=700"], ["is not parameterised", "--hypothesis"]),
    ],
)  # fmt: skip
def test_a_model_that_does_not_fit_is_refused(place, tmp_path, arguments, words):
    done = run(place, *arguments, out=tmp_path / "run")
    assert done.exit_code == 1, done.output
    (error,) = (line for line in done.stderr.splitlines() if line.startswith("Error: "))
    for word in words:
        assert word in error
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_what_is_beyond_the_training_is_told_at_the_end(place, tmp_path):
    arguments = ("--model", "low=@labelled.onnx", "--features")
    done = run(place, *arguments, out=tmp_path / "run")
    assert done.exit_code == 0, done.output
    told = " ".join(line for line in done.stderr.splitlines() if line.startswith("note: "))
    assert "score 'low': the label pt is missing or outside of the trained range 20 to 30 in" in told
    ledger = json.loads((tmp_path / "run" / "ledger.json").read_text())
    (counted,) = ledger["extrapolated"]["low"]["datasets"].values()
    assert 0 < counted["outside"] < counted["events"]
    assert f"in {counted['outside']} of {counted['events']} events" in told
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert any("outside of the trained range" in note for note in manifest["notes"])


def test_the_hypothesis_and_the_channel_of_a_model_are_told(place, tmp_path):
    arguments = ("--model", "low=@parameterised.onnx", "--hypothesis", "T=1000")
    done = run(place, *arguments, out=tmp_path / "run")
    assert done.exit_code == 0, done.output
    assert "the hypothesis T=1000 lies outside of the trained range 500 to 900" in done.stderr
    done = run(place, "--model", "low=@channel.onnx", out=tmp_path / "channel")
    assert done.exit_code == 0, done.output
    assert "its model was trained on the region none, and it is filled in muon" in done.stderr


def test_one_model_at_several_hypotheses_is_typed_verified_and_told(place, tmp_path):
    """Each is a score of the run with its line in the ledger; `massgap verify` makes it again from what the folder says."""
    out = tmp_path / "run"
    points = [word for mass in ("700", "1000") for word in ("--hypothesis", f"low:T={mass}")]
    done = run(place, "--model", "low=@parameterised.onnx", *points, out=out)
    assert done.exit_code == 0, done.output
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["options"]["hypothesis"] == {"low_700": {"T": 700.0}, "low_1000": {"T": 1000.0}}
    assert list(manifest["models"]) == ["low_700", "low_1000"]
    assert len({entry["sha256"] for entry in manifest["models"].values()}) == 1
    assert {"score_low_700", "score_low_1000"} <= set(
        json.loads((out / "histograms.json").read_text())["histograms"]
    )
    assert "T=1000 lies outside of the trained range 500 to 900" in done.output
    again = CliRunner().invoke(main, ["verify", str(out), "--all", "--workers", "1"], catch_exceptions=False)
    assert again.exit_code == 0, again.output


def test_a_hypothesis_of_a_score_without_a_model_is_refused(place, tmp_path):
    done = run(
        place, "--model", "low=@parameterised.onnx", "--hypothesis", "high:T=700", out=tmp_path / "run"
    )
    assert done.exit_code == 1
    assert "a hypothesis of 'high', and scores with a model are low" in done.stderr
    assert "--model high=FILE" in done.stderr
