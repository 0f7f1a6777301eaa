"""A classifier of another program, from its file to the score of each event in the rows of a run."""

from __future__ import annotations

import numpy as np
import onnx
import pandas as pd
import pytest
from click.testing import CliRunner
from onnx import TensorProto, helper, numpy_helper

from massgap.cli import main
from massgap.runner.slices.merge import merge_slices
from massgap.runner.slices.plan import write_slices
from massgap.runner.slices.work import work_slice
from tests import eventfiles
from tests.runs import fileset_of

ANALYSIS = '''
"""MET and the leading muon."""

from massgap.contracts.description import Feature, Region
from massgap.processors import Analysis


class Mine(Analysis):
    """MET and the leading muon."""

    name = "mine"
    observables = (
        Feature("met", "MET", "GeV", 0, 300, 30, "Missing transverse momentum"),
        Feature("pt", "pt", "GeV", 0, 300, 30, "Transverse momentum of the leading muon"),
    )
    regions = (Region("all", "All"),)

    def select(self, event, flow):
        event = flow.keep(event, "a muon", event.muons.counts > 0)
        flow.record(event, {"met": event.met.pt, "pt": event.muons.at(0).pt})
'''
WEIGHT = np.array([[0.01], [-0.02]], np.float32)


def classifier(**metadata):
    """Label and two probabilities."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["one"]),
        helper.make_node("Sub", ["unit", "one"], ["zero"]),
        helper.make_node("Concat", ["zero", "one"], ["probabilities"], axis=1),
        helper.make_node("ArgMax", ["probabilities"], ["label"], axis=1, keepdims=0),
    ]
    graph = helper.make_graph(
        nodes,
        "classifier",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 2])],
        [
            helper.make_tensor_value_info("label", TensorProto.INT64, ["n"]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, ["n", 2]),
        ],
        initializer=[
            numpy_helper.from_array(WEIGHT, "w"),
            numpy_helper.from_array(np.ones((1, 1), np.float32), "unit"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    helper.set_model_props(model, metadata)
    return model


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("foreign")
    (folder / "mine.py").write_text(ANALYSIS)
    eventfiles.write_nano(folder / "tt.root", eventfiles.make_events(120, seed=2))
    onnx.save(classifier(), folder / "model.onnx")
    onnx.save(classifier(feature_names="pt,met"), folder / "turned.onnx")
    return folder


def massgap(folder, out, model):
    analysis = f"{folder / 'mine.py'}:Mine"
    words = ["run", analysis, folder / "tt.root", "--process", "tt", "--xsec", 1, "--model", folder / model]
    done = CliRunner().invoke(main, [str(word) for word in (*words, "--out", out)])
    return done.exit_code, done.output


def right(rows):
    z = rows[["met", "pt"]].to_numpy(dtype=np.float64) @ WEIGHT[:, 0].astype(np.float64)
    return 1 / (1 + np.exp(-z))


def test_the_score_is_the_probability_of_class_1_and_notes_say_so(folder, tmp_path):
    code, said = massgap(folder, tmp_path / "run", "model.onnx")
    assert code == 0, said
    assert (
        "of its outputs label, probabilities the probability of class 1 is taken (probabilities, column 1)"
        in said
    )
    assert "its columns are taken for met, pt, in this order" in said
    rows = pd.read_parquet(next((tmp_path / "run" / "features").glob("*.parquet")))
    assert len(rows) > 50
    assert rows["score"].to_numpy() == pytest.approx(right(rows), rel=1e-4)


def test_names_in_another_order_are_refused_before_the_run(folder, tmp_path):
    code, said = massgap(folder, tmp_path / "run", "turned.onnx")
    assert code == 1
    assert "another order, first at position 0: pt in the model, met given" in said
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_notes_reach_the_result_of_batch_jobs(folder, tmp_path):
    options = {"model": str(folder / "model.onnx"), "features": True}
    made = write_slices(
        f"{folder / 'mine.py'}:Mine", options, fileset_of(folder / "tt.root"), tmp_path / "run", jobs=1
    )
    assert sum("probability of class 1" in note for note in made.notes) == 1
    assert work_slice(made.slices[0], made.folder / "out-0000")["complete"]
    merged = merge_slices(tmp_path / "run")
    assert sum("probability of class 1" in note for note in merged.notes) == 1
    rows = merged.output["features"]["tt"]
    assert rows["score"].to_numpy() == pytest.approx(right(rows), rel=1e-4)
