"""Without any extra: what the base can do, and which command brings what is missing, wherever one enters."""

from __future__ import annotations

import json
import subprocess
import sys
import types
from pathlib import Path
from typing import Any

import eventfiles
import numpy as np
import pytest
from bareenvironment import bare_environment

from massgap.errors import MassgapError
from massgap.extras import MissingExtraError, require
from massgap.selections.slepton.features import FEATURE_NAMES

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory):
    """Run Python where nothing but the base is installed, worker processes included."""
    folder = tmp_path_factory.mktemp("bare")
    environment = bare_environment(folder)

    def run(*arguments: object) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, *map(str, arguments)]
        return subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, check=False, timeout=600
        )

    return run


def logistic(path: Path) -> Path:
    """A model that onnxruntime scores: a logistic regression of MET and the like."""
    from onnx import TensorProto, helper, numpy_helper

    n = len(FEATURE_NAMES)
    nodes = [
        helper.make_node("IsNaN", ["x"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "x"], ["filled"]),
        helper.make_node("MatMul", ["filled", "w"], ["z"]),
        helper.make_node("Sigmoid", ["z"], ["score"]),
    ]
    weights = np.linspace(-0.01, 0.01, n, dtype=np.float32).reshape(n, 1)
    graph = helper.make_graph(
        nodes,
        "logistic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, n])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.float32(0), "zero")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


@pytest.fixture(scope="module")
def fileset(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("files")
    content = {}
    for name, seed, xsec in (("signal", 1, 50.0), ("background", 2, 500.0)):
        events = eventfiles.make_events(1500, seed, first=10_000 * seed, negative=False)
        path = eventfiles.write_nano(folder / f"{name}.root", events)
        metadata = {"process": name, "xsec_fb": xsec, "is_signal": name == "signal"}
        content[name] = {"files": {str(path): "Events"}, "metadata": metadata}
    path = folder / "fileset.json"
    path.write_text(json.dumps(content))
    return path


@pytest.fixture(scope="module")
def run_folder(bare, fileset: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run with a score, made with the base alone."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    model = logistic(folder.parent / "model.onnx")
    done = bare(
        "-m",
        "massgap",
        "run",
        "slepton",
        "--fileset",
        fileset,
        "--model",
        model,
        "--out",
        folder,
        "--workers",
        2,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


def test_the_base_reads_selects_and_scores(run_folder: Path) -> None:
    ledger = json.loads((run_folder / "ledger.json").read_text())
    assert ledger["complete"]
    assert {name: row["events_processed"] for name, row in ledger["datasets"].items()} == {
        "signal": 1500,
        "background": 1500,
    }
    import pandas as pd

    table = pd.read_parquet(run_folder / "features")
    x = np.nan_to_num(table[list(FEATURE_NAMES)].to_numpy(np.float32))
    z = x.astype(np.float64) @ np.linspace(-0.01, 0.01, len(FEATURE_NAMES))
    assert len(table) > 100
    assert table["score"].to_numpy() == pytest.approx(1 / (1 + np.exp(-z)), abs=1e-5)


def test_the_base_fits_and_reports(bare, run_folder: Path) -> None:
    fitted = bare("-m", "massgap", "fit", run_folder, "--lumi", 300)
    assert fitted.returncode == 0, fitted.stdout + fitted.stderr
    assert "expected significance" in fitted.stdout
    reported = bare("-m", "massgap", "report", run_folder)
    assert reported.returncode == 0, reported.stdout + reported.stderr
    assert (run_folder / "report.html").stat().st_size > 100_000


ENTER = """
import json
import sys

from click.testing import CliRunner

from massgap.cli import main

told = []
for arguments in json.loads(sys.argv[1]):
    done = CliRunner().invoke(main, arguments)
    told.append([done.exit_code, done.output, repr(done.exception)])
print(json.dumps(told))
"""
CALL = """
import json
import sys

from massgap import stages
from massgap.errors import MassgapError

run, fileset, out = sys.argv[1:]


def train_folds():
    import pandas as pd

    from massgap.models.training.recipe import Recipe
    from massgap.models.training.trained_folds import train

    train(pd.DataFrame(), Recipe("mine", signal=("a",), backgrounds=("b",)))


def fit_one():
    from massgap.models.training.boosted_trees import fit

    fit(None, None, None)


def jets():
    import numpy as np

    from massgap.samples.detector.jets import cluster

    cluster(np.zeros(1, int), *[np.ones(1)] * 4, 1, 0.4, 20.0)


def dask():
    with stages.Execution(executor="dask").open(out):
        pass
    from massgap.runner.executors.dask_cluster import DaskExecutor

    with DaskExecutor().connected():
        pass


told = {}
for name, call in {
    "train": lambda: stages.train(run),
    "train_folds": train_folds,
    "fit_one": fit_one,
    "demo": lambda: stages.demo(out),
    "study": lambda: stages.study("slepton", out),
    "generate": lambda: stages.generate("tt", out, events=10),
    "jets": jets,
    "dask": dask,
    "run": lambda: stages.run("slepton", fileset=fileset, out=out, executor="dask"),
}.items():
    try:
        call()
    except MassgapError as error:
        told[name] = str(error)
    except BaseException as error:
        told[name] = f"{type(error).__name__} is no MassgapError: {error}"
    else:
        told[name] = "nothing was raised"
print(json.dumps(told))
"""


def test_every_command_names_what_brings_it(bare, run_folder: Path, fileset: Path, tmp_path: Path) -> None:
    from massgap.condor.workers.clusters import CLUSTERS

    run = ["run", "slepton", "--fileset", str(fileset), "--out", str(tmp_path / "out")]
    commands = {
        "train": (["train", str(run_folder)], "training", "train"),
        "demo": (["demo", "--out", str(tmp_path / "demo")], "event generation", "generator"),
        "study": (["study", "slepton", "--out", str(tmp_path / "study")], "event generation", "generator"),
        "generate": (["generate", "tt", "--out", str(tmp_path / "data")], "event generation", "generator"),
        "dask": ([*run, "--executor", "dask"], "the executor dask", "dask"),
        "address": ([*run, "--executor", "tcp://127.0.0.1:1"], "the executor", "dask"),
        **{name: ([*run, "--executor", name], f"the executor {name}", "htcondor") for name in CLUSTERS},
    }
    done = bare("-c", ENTER, json.dumps([arguments for arguments, _, _ in commands.values()]))
    assert done.returncode == 0, done.stderr
    for (name, (_, purpose, extra)), (code, output, exception) in zip(
        commands.items(), json.loads(done.stdout.splitlines()[-1]), strict=True
    ):
        assert code == 1, (name, output, exception)
        assert purpose in output, (name, output)
        assert f'pip install "massgap[{extra}]"' in output, (name, output)
        assert "Traceback" not in output
    # Nothing was begun that could not be ended.
    assert not (tmp_path / "demo").exists()
    assert not (tmp_path / "study").exists()


def test_every_function_names_what_brings_it(bare, run_folder: Path, fileset: Path, tmp_path: Path) -> None:
    done = bare("-c", CALL, run_folder, fileset, tmp_path / "out")
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout.splitlines()[-1])
    extras = {"generate": "generator", "jets": "generator", "demo": "generator", "study": "generator"}
    extras |= {"dask": "dask", "run": "dask"}
    for name, message in told.items():
        assert f'pip install "massgap[{extras.get(name, "train")}]"' in message, (name, message)


@pytest.mark.parametrize(
    ("package", "executor", "told"),
    [
        ("pythia8mc", "futures", r"event generation needs pythia8mc.*massgap\[generator\]"),
        ("fastjet", "futures", r"event generation needs fastjet.*massgap\[generator\]"),
        ("xgboost", "futures", r"training needs xgboost.*massgap\[train\].*massgap\[train-cpu\]"),
        ("dask", "dask", r"the executor dask needs dask,.*massgap\[dask\]"),
        ("distributed", "lpc", r"the executor lpc needs distributed.*massgap\[htcondor\]"),
        ("cryptography", "htcondor", r"the executor htcondor needs cryptography.*massgap\[htcondor\]"),
    ],
)
def test_a_study_says_it_before_its_first_step(monkeypatch, tmp_path, package, executor, told) -> None:
    """Each package alone is missing; hours later would be too late."""
    from massgap import stages

    for needed in ("pythia8mc", "fastjet", "xgboost"):
        # Whether or not it is installed here.
        monkeypatch.setitem(sys.modules, needed, types.SimpleNamespace(__version__="0"))
    monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError, match=told):
        stages.study("slepton", tmp_path / "study", executor=executor)
    assert not (tmp_path / "study").exists()


def test_a_study_says_all_that_is_missing_at_once(monkeypatch, tmp_path) -> None:
    from massgap import stages

    for package in ("pythia8mc", "fastjet", "xgboost", "distributed"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(MissingExtraError) as found:
        stages.study("slepton", tmp_path / "study", executor="dask")
    assert [line.split(", which")[0] for line in str(found.value).splitlines()] == [
        "event generation needs fastjet",
        "the executor dask needs distributed",
        "training needs xgboost",
    ]


def test_a_package_that_is_there_is_given() -> None:
    assert require("dask", "work") is sys.modules["dask"]


def test_a_package_that_lacks_another(tmp_path, monkeypatch) -> None:
    """The other one is named, and not an extra that is there."""
    (tmp_path / "xgboost.py").write_text("import no_such_package_at_all.part\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "xgboost", raising=False)
    with pytest.raises(
        MissingExtraError, match=r"needs xgboost, which needs no_such_package_at_all, .*: pip install no_such"
    ):
        require("xgboost", "training")


def test_a_package_that_does_not_load_is_not_called_missing(tmp_path, monkeypatch) -> None:
    (tmp_path / "xgboost.py").write_text("raise OSError('libgomp.so.1: cannot open\\n shared object file')\n")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "xgboost", raising=False)
    with pytest.raises(MissingExtraError) as found:
        require("xgboost", "training")
    assert "installed but cannot be imported (OSError: libgomp.so.1: cannot open shared object file)" in str(
        found.value
    )
    assert "not installed" not in str(found.value)


def test_errors_are_those_of_their_rooms() -> None:
    from massgap.models.errors import ModelError, TrainerMissingError
    from massgap.samples.errors import GeneratorMissingError, SampleError

    assert issubclass(TrainerMissingError, MissingExtraError)
    assert issubclass(TrainerMissingError, ModelError)
    assert issubclass(GeneratorMissingError, MissingExtraError)
    assert issubclass(GeneratorMissingError, SampleError)
    assert issubclass(MissingExtraError, MassgapError)


def test_either_distribution_of_xgboost_is_named_in_the_training(monkeypatch) -> None:
    """``xgboost-cpu`` is imported as xgboost: its version is asked of the module, not of the distribution."""
    from massgap.models.training import boosted_trees

    module: Any = types.SimpleNamespace(__version__="9.8.7")
    monkeypatch.setitem(sys.modules, "xgboost", module)
    assert boosted_trees.library() == {"xgboost": "9.8.7"}
