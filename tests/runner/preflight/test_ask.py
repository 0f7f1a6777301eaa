"""Preflight with real workers: processes of dask, each with a fault of its own."""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

import massgap
from massgap.processors import Slepton
from massgap.runner.errors import RunnerError
from massgap.runner.executors.local import FuturesExecutor
from massgap.runner.preflight import ask
from massgap.runner.preflight.ask import NoWorkerInTimeError, preflight
from massgap.selections.slepton.features import FEATURE_NAMES

distributed = pytest.importorskip("distributed", reason="needs massgap[dask]")

PATIENCE = 300.0
"""Seconds that are enough for a worker to come or to answer, on however slow a machine; a tenth of ``wait`` is for the last ones."""

ROOT = Path(massgap.__file__).resolve().parent.parent

FAKE_ONNXRUNTIME = """
import numpy as np
__version__ = "0.0.1"
class SessionOptions: pass
class ExecutionMode: ORT_SEQUENTIAL = 0
class InferenceSession:
    def __init__(self, *a, **k): pass
    def run(self, names, given):
        return [np.full((len(next(iter(given.values()))), 1), 0.25, np.float32)]
"""
# What a worker tells the scheduler when it registers.
OLD_CLOUDPICKLE = """
import importlib.metadata
version = importlib.metadata.version
importlib.metadata.version = lambda name: "0.0.1" if name == "cloudpickle" else version(name)
"""


def make_model(path: Path) -> Path:
    """A logistic regression with the features of the slepton analysis."""
    from onnx import TensorProto, helper, numpy_helper

    n = len(FEATURE_NAMES)
    weights = np.linspace(-0.01, 0.01, n, dtype=np.float32).reshape(n, 1)
    nodes = [
        helper.make_node("IsNaN", ["features"], ["missing"]),
        helper.make_node("Where", ["missing", "zero", "features"], ["x"]),
        helper.make_node("MatMul", ["x", "w"], ["y"]),
        helper.make_node("Sigmoid", ["y"], ["score"]),
    ]
    graph = helper.make_graph(
        nodes,
        "logistic",
        [helper.make_tensor_value_info("features", TensorProto.FLOAT, [None, n])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, 1])],
        [numpy_helper.from_array(weights, "w"), numpy_helper.from_array(np.float32(0), "zero")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    path.write_bytes(model.SerializeToString())
    return path


def other_massgap(folder: Path) -> Path:
    shutil.copytree(ROOT / "massgap", folder / "massgap", ignore=shutil.ignore_patterns("__pycache__"))
    place = folder / "massgap/__init__.py"
    text = place.read_text()
    changed = text.replace(f'__version__ = "{massgap.__version__}"', '__version__ = "0.0.1"')
    assert changed != text
    place.write_text(changed)
    return folder


def module(folder: Path, name: str, text: str) -> Path:
    folder.mkdir()
    (folder / f"{name}.py").write_text(textwrap.dedent(text))
    return folder


@contextlib.contextmanager
def dask_worker(address: str, name: str, *path: Path, memory: str = "4GB", threads: int = 1, cwd: Path):
    environment = {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(map(str, [*path, ROOT])),
        "DASK_DISTRIBUTED__WORKER__MEMORY__TERMINATE": "False",
        "DASK_DISTRIBUTED__WORKER__MEMORY__PAUSE": "False",
    }
    command = [sys.executable, "-m", "distributed.cli.dask_worker", address, "--no-nanny", "--no-dashboard"]
    command += ["--nthreads", str(threads), "--name", name, "--memory-limit", memory]
    with (cwd / f"{name}.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, cwd=cwd, stdout=log, stderr=log)
    try:
        yield process
    finally:
        process.terminate()
        process.wait(PATIENCE)


@pytest.fixture(scope="module")
def cluster():
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=50) as local,
        distributed.Client(local) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def result(tmp_path_factory, nano_files, cluster):
    """Six workers, all asked at once."""
    from massgap.runner.executors.dask_cluster import DaskExecutor

    folder = tmp_path_factory.mktemp("preflight")
    away = folder / "away"
    away.mkdir()
    shutil.copy(nano_files["v12"], folder / "here_only.root")
    content = nano_files["v12"].read_bytes()
    (away / "damaged.root").write_bytes(content[: len(content) // 2])
    shutil.copy(nano_files["v12"], away / "good.root")
    shutil.copy(nano_files["v12"], folder / "good.root")
    processor = Slepton(str(make_model(folder / "model.onnx")), features=True)
    assert processor.models["score"].engine == "onnxruntime"
    # Relative paths: what is in the driver's folder is not in that of the workers.
    fileset = {
        "a": {"files": {"good.root": "Events"}, "metadata": {}},
        "b": {"files": {"here_only.root": "Events"}, "metadata": {}},
        "c": {"files": {"damaged.root": "Events"}, "metadata": {}},
        "d": {"files": {"root://127.0.0.1:1//store/x.root": "Events"}, "metadata": {}},
    }
    address = cluster.scheduler.address
    workers = {
        "good": {},
        "bare": {"path": module(folder / "bare", "massgap", "raise ImportError('no massgap here')")},
        "other": {"path": other_massgap(folder / "other")},
        "scores": {"path": module(folder / "scores", "onnxruntime", FAKE_ONNXRUNTIME)},
        "small": {"memory": "400MB", "threads": 2},
        "old": {"path": module(folder / "old", "sitecustomize", OLD_CLOUDPICKLE)},
    }
    before = Path.cwd()
    with contextlib.ExitStack() as stack:
        os.chdir(folder)
        stack.callback(os.chdir, before)
        for name, options in workers.items():
            path = [options.pop("path")] if "path" in options else []
            stack.enter_context(dask_worker(address, name, *path, cwd=away, **options))
        executor = DaskExecutor(cluster, workers=len(workers))
        yield preflight(processor, fileset, executor, workers=len(workers), wait=10 * PATIENCE)


def of(result, name):
    return [c for c in result.checks if c.name == name]


def about(result, name, worker):
    return [c for c in of(result, name) if any(w.startswith(worker + " at ") for w in c.workers)]


def test_every_worker_is_asked(result) -> None:
    assert len(result.answers) == 6
    assert [(c.status, c.what) for c in of(result, "workers")] == [("ok", "6 answered")]
    assert not result.ok
    assert json.loads(json.dumps(result.as_dict()))["ok"] is False


def test_a_good_worker_has_no_fault_of_its_own(result) -> None:
    mine = {c.name for c in result.checks if c.status != "ok" and any("good" in w for w in c.workers)}
    assert mine <= {"data"}


def test_a_worker_without_massgap_says_so(result) -> None:
    (check,) = about(result, "massgap", "bare")
    assert "massgap cannot be imported: ImportError: no massgap here" in check.what


def test_a_worker_with_another_massgap(result) -> None:
    (check,) = about(result, "massgap", "other")
    assert "massgap 0.0.1 in" in check.what
    assert massgap.__version__ in check.what


def test_a_model_with_other_scores(result) -> None:
    checks = of(result, "model")
    assert [c.status for c in checks] == ["failed"]
    assert "scores differ by up to" in checks[0].what
    assert [w.split()[0] for w in checks[0].workers] == ["scores"]


def test_a_worker_with_little_memory_and_two_threads(result) -> None:
    (check,) = about(result, "memory", "small")
    assert "but there are 320 MB (80% of dask's memory limit)" in check.what
    assert [w.split()[0] for c in of(result, "memory") for w in c.workers] == ["small"]
    (check,) = about(result, "threads", "small")
    assert "2 threads" in check.what


def test_a_worker_that_cannot_take_tasks_is_judged_by_the_record_of_the_scheduler(result) -> None:
    (check,) = about(result, "packages", "old")
    assert "cloudpickle 0.0.1 (here" in check.what
    answer = next(a for a in result.answers if a.name.startswith("old at"))
    assert answer.tried is None
    assert "host" not in answer.look


def test_files_as_the_workers_see_them(result) -> None:
    found = {c.what.split(": ")[0]: c for c in of(result, "data")}
    assert "root://SERVER//path" in found["here_only.root"].remedy
    assert "is truncated" in found["damaged.root"].what
    assert not any(path.startswith("good.root") for path in found)
    remote = next(c for path, c in found.items() if path.startswith("root"))
    assert "fsspec-xrootd" in remote.remedy or "did not answer" in remote.remedy


def test_no_worker_in_time() -> None:
    from massgap.runner.executors.dask_cluster import DaskExecutor

    class Status:
        idle, running, held, problems = 2, 0, (("7.0", "out of memory"), ("7.1", "out of memory")), ()

    class Pool:
        def status(self):
            return Status

        def check(self):
            pass

    said = []
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=50) as local,
        distributed.Client(local) as client,
    ):
        executor = DaskExecutor(client, workers=2, pool=Pool())
        with pytest.raises(NoWorkerInTimeError, match=r"2 jobs idle, 0 running; 2 held: out of memory\)"):
            preflight(Slepton(), {}, executor, workers=2, wait=1.0, announce=said.append)
    assert said == ["waiting for workers: 0 of 2 (2 jobs idle, 0 running; 2 held: out of memory)"]


def test_a_worker_that_hangs_does_not_keep_the_others(tmp_path, nano_files, monkeypatch) -> None:
    from massgap.runner.executors.dask_cluster import DaskExecutor

    # What a stopped worker is asked for comes neither sooner nor later; the other one may take its time.
    in_time, well = ask._in_time, []
    monkeypatch.setattr(
        ask,
        "_in_time",
        lambda call, _: in_time(call, PATIENCE if getattr(call, "args", ()) == (*well,) else 2.0),
    )

    fileset = {"a": {"files": {str(nano_files["v12"]): "Events"}, "metadata": {}}}
    with (
        distributed.LocalCluster(n_workers=0, dashboard_address="127.0.0.1:0", silence_logs=50) as local,
        distributed.Client(local) as client,
        dask_worker(local.scheduler_address, "well", cwd=tmp_path),
        dask_worker(local.scheduler_address, "stopped", cwd=tmp_path) as stopped,
    ):
        client.wait_for_workers(2, timeout=PATIENCE)
        workers = client.scheduler_info(n_workers=-1)["workers"]
        well += [address for address, worker in workers.items() if worker["name"] == "well"]
        stopped.send_signal(signal.SIGSTOP)
        try:
            found = preflight(Slepton(), fileset, DaskExecutor(client), workers=2, answer_within=PATIENCE)
        finally:
            stopped.send_signal(signal.SIGCONT)
    (check,) = of(found, "workers")
    assert check.status == "failed"
    assert [w.split()[0] for w in check.workers] == ["stopped"]
    assert {c.status for c in found.checks if c.name not in ("workers", "memory")} == {"ok"}


def test_a_scheduler_that_starts_workers_for_work_is_given_some(nano_files) -> None:
    from massgap.runner.executors.dask_cluster import DaskExecutor

    fileset = {"a": {"files": {str(nano_files["v12"]): "Events"}, "metadata": {}}}
    with (
        distributed.LocalCluster(
            n_workers=0, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=50
        ) as local,
        distributed.Client(local) as client,
    ):
        # A worker without a task is ended at once, also between two questions.
        local.adapt(minimum=0, maximum=1, interval="50ms", wait_count=1)
        found = preflight(Slepton(), fileset, DaskExecutor(client), workers=1, wait=PATIENCE, chunksize=1000)
    assert found.ok, found.checks


class Killer(Slepton):
    """Ends the process that loads it, as a broken library does."""

    def __setstate__(self, state) -> None:
        os._exit(3)

    def __getstate__(self):
        return {}


def test_a_process_that_dies_is_told(nano_files) -> None:
    import cloudpickle

    fileset = {"a": {"files": {str(nano_files["v12"]): "Events"}, "metadata": {}}}
    cloudpickle.register_pickle_by_value(sys.modules[Killer.__module__])
    try:
        found = preflight(Killer(), fileset, FuturesExecutor(2))
    finally:
        cloudpickle.unregister_pickle_by_value(sys.modules[Killer.__module__])
    (check,) = of(found, "workers")
    assert (check.status, "exit code 3" in check.what) == ("failed", True)


def test_the_command(nano_files, tmp_path) -> None:
    from click.testing import CliRunner

    from massgap.cli import main

    words = ["preflight", "slepton", str(nano_files["v12"]), "--executor", "iterative", "--chunksize", "1000"]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    assert done.stdout.splitlines()[-1].endswith("ready")
    (tmp_path / "none.root").write_bytes(b"nothing")
    bad = tmp_path / "bad.json"
    bad.write_text(
        json.dumps({"a": {"files": {str(tmp_path / "none.root"): "Events"}, "metadata": {"xsec_fb": 1.0}}})
    )
    words = ["preflight", "slepton", "--fileset", str(bad), "--executor", "iterative", "--json"]
    done = CliRunner().invoke(main, words, catch_exceptions=False)
    assert done.exit_code == 1
    given = json.loads(done.stdout)
    assert (given["format"], given["ok"]) == ("massgap-preflight/1", False)
    assert [c["name"] for c in given["checks"] if c["status"] == "failed"] == ["data"]


def test_here_all_is_well(nano_files) -> None:
    fileset = {
        v: {"files": {str(p): "Events", str(p) + "2": None}, "metadata": {}} for v, p in nano_files.items()
    }
    found = preflight(Slepton(features=True), fileset, FuturesExecutor(2), chunksize=1000)
    assert [c.what for c in found.checks if c.status == "failed"] == []
    assert of(found, "data")[0].what.startswith(f"{len(nano_files)} files of {len(nano_files)} datasets")
    with pytest.raises(RunnerError, match="--files-per-dataset"):
        preflight(Slepton(), fileset, FuturesExecutor(2), files_per_dataset=0)
    both = preflight(Slepton(), fileset, FuturesExecutor(2), files_per_dataset=2, chunksize=1000)
    assert "2 and 3 more files: no such file" in of(both, "data")[0].what


def test_what_the_fileset_says_of_a_file_is_compared(nano_files) -> None:
    path = str(nano_files["v12"])
    about = {"object_path": "Events", "steps": [[500, 560], [700, 900]], "num_entries": 900}
    fileset = {
        "good": {"files": {path: about}, "metadata": {}},
        "other": {"files": {path: {**about, "uuid": "27919c7a-eb1a-11f1-8ea4-02fc00000001"}}, "metadata": {}},
    }
    found = preflight(Slepton(), fileset, FuturesExecutor(1), chunksize=1000)
    (check,) = [c for c in found.checks if c.status == "failed"]
    assert "but the fileset means the file 27919c7a" in check.what
    good, other = found.answers[0].tried["files"]
    assert (good["error"], good["read"], good["entries"]) == (None, 60, 900)
    assert "recalculate_steps=True" in other["error"]
