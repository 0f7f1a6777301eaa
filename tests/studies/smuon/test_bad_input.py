"""What a user of the smuon study may get wrong: each case is typed, and says what to do."""

from __future__ import annotations

import json
import shutil
import sys
from types import SimpleNamespace

import numpy as np
import onnx
import pandas as pd
import pytest
from click.testing import CliRunner

from massgap import stages
from massgap.cli import main
from massgap.contracts.errors import TableError
from massgap.contracts.feature_table import write_feature_tables
from massgap.errors import MassgapError
from massgap.extras import MissingExtraError
from massgap.models.errors import FeatureError, ModelError
from massgap.processors import Smuon
from massgap.studies.smuon.chapters import _caveats
from massgap.studies.smuon.planes import Plane, counting_planes
from massgap.studies.smuon.yields import Yields

pytest.importorskip("jax")
SMALL = {"importances": False, "compare_protocols": False, "n_folds": 3, "hyperparameters": {"epochs": 3}}


def copy_of(small, tmp_path, change):
    """The run, with a change of the feature tables."""
    run = tmp_path / "run"
    shutil.copytree(small.folder / "run", run)
    manifest = json.loads((run / "manifest.json").read_text())
    tables = {name: change(pd.read_parquet(run / path)) for name, path in manifest["features"].items()}
    manifest["features"] = write_feature_tables(run / "features", tables, {})
    (run / "manifest.json").write_text(json.dumps(manifest))
    return run


def test_the_study_asks_for_what_trains_before_it_generates(tmp_path, monkeypatch) -> None:
    pytest.importorskip("pythia8mc")
    monkeypatch.setitem(sys.modules, "optax", None)
    with pytest.raises(MissingExtraError, match=r'pip install "massgap\[neural\]"'):
        stages.study("smuon", tmp_path / "study", small=True)
    assert not (tmp_path / "study" / "samples").exists()


def test_a_constant_feature_is_said_and_an_infinite_one_refused(small, tmp_path) -> None:
    run = copy_of(small, tmp_path, lambda table: table.assign(n_e=0.0))
    made = stages.train(run, tmp_path / "model", name="low", **SMALL)
    assert any("n_e" in note for note in made.training["notes"])
    infinite = copy_of(small, tmp_path / "infinite", lambda table: table.assign(met=np.inf))
    with pytest.raises(TableError, match=r"met.*undefined values must be NaN"):
        stages.train(infinite, tmp_path / "other", name="low", **SMALL)


def test_numbers_of_a_run_that_lost_events_are_not_compared(small, tmp_path) -> None:
    run = tmp_path / "run"
    shutil.copytree(small.folder / "run", run)
    ledger = json.loads((run / "ledger.json").read_text())
    (run / "ledger.json").write_text(json.dumps({**ledger, "complete": False}))
    done = CliRunner().invoke(main, ["validate", "smuon", str(run)])
    assert done.exit_code == 1
    assert "cannot be scaled to a luminosity" in done.output
    (run / "ledger.json").write_text(json.dumps({**ledger, "complete": False, "accepted_loss": True}))
    assert Yields(run).one("tt", "preselection").value > 0


def test_a_feature_that_is_missing_everywhere_is_an_input_of_no_effect(small, tmp_path) -> None:
    """No event with an electron: what a sample lacks must not make a network of NaN."""
    electrons = ("pt_e1", "eta_e1", "phi_e1", "pt_e2", "eta_e2", "phi_e2")
    run = copy_of(small, tmp_path, lambda table: table.assign(**dict.fromkeys(electrons, np.nan)))
    made = stages.train(run, tmp_path / "model", name="low", **SMALL)
    assert np.isfinite(made.auc_eval).all()


def test_a_class_without_events_is_named(small, tmp_path) -> None:
    run = copy_of(small, tmp_path, lambda table: table[table["process"] != "smuonR_500_0"])
    with pytest.raises(
        TableError, match=r"no rows of process .smuonR_500_0.; its processes are .*smuonR_200_0"
    ):
        stages.train(run, tmp_path / "model", name="high", signal=["smuonR_500_0"], **SMALL)


def changed(path, out, change):
    model = onnx.load(path)
    change(model)
    onnx.save(model, out)
    return out


def reversed_features(model) -> None:
    for entry in model.metadata_props:
        if entry.key == "massgap.features":
            entry.value = json.dumps(json.loads(entry.value)[::-1])


def another_opset(model) -> None:
    model.opset_import[0].version = 99


def another_output(model) -> None:
    model.graph.output[0].name = "something"


@pytest.mark.parametrize("change", [reversed_features, another_opset, another_output])
def test_a_model_that_was_tampered_with_is_refused(small, tmp_path, change) -> None:
    path = changed(small.models["low"], tmp_path / "low.onnx", change)
    with pytest.raises((FeatureError, ModelError), match=r"low\.onnx"):
        Smuon({"low": path})


def test_one_score_takes_one_model(small, tmp_path) -> None:
    one, two = small.models["low"], small.models["derived"]
    given = [
        "--fileset",
        str(small.scored / "fileset.json"),
        "--model",
        f"low={one}",
        "--model",
        f"low={two}",
    ]
    done = CliRunner().invoke(main, ["run", "smuon", *given, "--out", str(tmp_path / "run")])
    assert done.exit_code != 0
    assert "low" in done.output
    assert "--model" in done.output
    assert not (tmp_path / "run" / "manifest.json").exists()


def test_a_training_that_was_interrupted_goes_on_to_the_same_file(small, tmp_path) -> None:
    options = {**SMALL, "name": "low", "seed": 3}
    whole = stages.train(small.folder / "run", tmp_path / "whole", **options)
    seen = []

    def stop(what, done, total) -> None:
        seen.append(done)
        if done >= 1:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        stages.train(small.folder / "run", tmp_path / "parts", progress=stop, **options)
    assert not (tmp_path / "parts" / "training.json").exists()
    again = stages.train(small.folder / "run", tmp_path / "parts", **options)
    assert again.model_file.read_bytes() == whole.model_file.read_bytes()


def plane_of(points, effective=100.0) -> Plane:
    rows = tuple({"m_slepton": m, "m_lsp": lsp, "signal": 6.0 / mu, "mu": mu} for m, lsp, mu in points)
    return Plane("low", "as Table III", 139.0, 0.0, "asymptotic", 5.0, 0.5, effective, 6.0, rows)


def inputs_of(trained):
    masses = {name: {"m_slepton": float(name[0]), "m_lsp": float(name[1])} for name in trained}
    model = SimpleNamespace(training={"signal": list(masses)})
    return SimpleNamespace(models={"low": model}, masses=masses, run_folder="nowhere")


GRID = [(200.0, 0.0, 0.2), (400.0, 0.0, 4.0), (400.0, 100.0, 5.0), (200.0, 100.0, 0.3)]


def test_what_a_plane_cannot_say_is_said() -> None:
    whole = [(200.0, 0.0), (400.0, 0.0), (400.0, 100.0), (200.0, 100.0)]
    # The line runs from one edge of the points to another.
    assert _caveats(inputs_of(whole), [plane_of(GRID)]) == (
        " Lines that end at the edge of the points, beyond which nothing is known: Low network."
    )
    few = _caveats(inputs_of(whole), [plane_of(GRID, effective=9.0)])
    assert "Fewer than 10 effective simulated events of background: Low network." in few
    far = _caveats(inputs_of(whole[:2]), [plane_of(GRID)])
    assert "Low network extrapolates to 2 of 4 signals" in far
    assert "200/100, 400/100" in far
    one = _caveats(inputs_of(whole), [plane_of(GRID[:1])])
    assert "Fewer than three signals: there is no plane" in one


def test_planes_of_a_run_without_signals_are_none(small) -> None:
    yields = Yields(small.scored)
    yields.masses = {}
    assert all(plane.points == () for plane in counting_planes(yields))
    assert issubclass(TableError, MassgapError)
