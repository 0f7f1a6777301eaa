"""The score inside the processor: cross-fitted, kept out of pickles, part of the checkpoint's key."""

from __future__ import annotations

import pickle
import shutil

import eventfiles
import numpy as np
import pytest

from massgap import stages
from massgap.contracts.description import Score
from massgap.models.errors import FeatureError, ModelError
from massgap.processors import Slepton
from massgap.runner import run
from massgap.runner.executors.local import FuturesExecutor
from massgap.selections.slepton.features import FEATURE_NAMES


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    folder = tmp_path_factory.mktemp("score")
    fileset = {}
    for seed, process in enumerate(("slepton_110_80", "tt")):
        events = eventfiles.make_events(900, seed=seed, first=5000 * seed, negative=False)
        path = eventfiles.write_nano(folder / f"{process}.root", events, "v12")
        metadata = {"process": process, "xsec_fb": 5.0 + seed, "is_signal": not seed, "is_data": False}
        fileset[process] = {"files": {str(path): "Events"}, "metadata": metadata}
    stages.run("slepton", fileset=fileset, out=folder / "run", executor="iterative").require_complete()
    model = stages.train(folder / "run", folder / "model", region="all")
    return fileset, model.model_file


@pytest.fixture(scope="module")
def scored(trained):
    fileset, model = trained
    return run(Slepton(str(model), features=True), fileset)


def test_every_event_is_scored_by_the_fold_that_has_not_seen_it(trained, scored) -> None:
    onnxruntime = pytest.importorskip("onnxruntime")
    session = onnxruntime.InferenceSession(str(trained[1]), providers=["CPUExecutionProvider"])
    for table in scored.features.values():
        x = table[list(FEATURE_NAMES)].to_numpy().astype(np.float32)
        every = session.run(None, {"features": x})[0]
        fold = (table["fold_key"].to_numpy() % np.uint64(3)).astype(int)
        assert set(fold) == {0, 1, 2}
        np.testing.assert_allclose(table["score"], every[np.arange(len(x)), fold], rtol=0, atol=1e-6)


def test_a_model_of_another_score_is_refused_with_what_to_type(trained) -> None:
    class Two(Slepton):
        scores = (Score("all_of_them"), Score("met_alone", features=["met"]))

    Two({"all_of_them": trained[1]})
    with pytest.raises(
        FeatureError, match=r"differ from those of the model.*massgap train .*--name met_alone"
    ):
        Two({"met_alone": trained[1]})


def test_the_histogram_of_the_score(scored) -> None:
    h = scored.histograms["score"]
    assert [a.name for a in h.axes] == ["process", "region", "variation", "fold", "score"]
    assert list(h.axes["region"]) == ["precuts"]
    assert (h.axes["fold"].size, h.axes["score"].size) == (3, 400)
    for process, table in scored.features.items():
        passed = table[table["region_precuts"]]
        fold = passed["fold_key"].to_numpy() % np.uint64(3)
        for i in range(3):
            one = h[{"process": process, "region": "precuts", "variation": "nominal", "fold": i}]
            np.testing.assert_allclose(
                one.values(flow=True).sum(), passed["weight"][fold == i].sum(), rtol=1e-12
            )
        step = scored.cutflow["processes"][process][-1]
        everything = h[{"process": process}].values(flow=True).sum()
        np.testing.assert_allclose(everything, step["weighted"], rtol=1e-12)


def test_worker_processes_score_alike(trained, scored) -> None:
    fileset, model = trained
    processor = Slepton(str(model), features=True)
    other = run(pickle.loads(pickle.dumps(processor)), fileset, chunksize=500, executor=FuturesExecutor(1))
    assert other.ledger.complete, other.ledger.problems()
    for name, h in scored.histograms.items():
        assert other.histograms[name].view(flow=True).tobytes() == h.view(flow=True).tobytes(), name
    for name, table in scored.features.items():
        assert other.features[name].equals(table)


def test_another_model_of_the_same_name_is_not_confused(trained, tmp_path) -> None:
    import onnx

    fileset, model = trained
    path = tmp_path / "slepton.onnx"
    shutil.copy(model, path)
    run(Slepton(str(path)), fileset, checkpoints=tmp_path / "c")
    assert all(
        e.from_checkpoint for e in run(Slepton(str(path)), fileset, checkpoints=tmp_path / "c").ledger.chunks
    )
    changed = onnx.load(path)
    changed.doc_string = "another"
    onnx.save(changed, path)
    result = run(Slepton(str(path)), fileset, checkpoints=tmp_path / "c")
    assert not any(e.from_checkpoint for e in result.ledger.chunks)


def test_a_damaged_model_is_refused_before_any_event(trained, tmp_path) -> None:
    path = tmp_path / "slepton.onnx"
    path.write_bytes(trained[1].read_bytes()[:-100])
    with pytest.raises(ModelError, match=r"slepton.onnx"):
        Slepton(str(path))
