"""Judging what workers say: each thing that does not hold is found, named and has its remedy."""

from __future__ import annotations

import base64
import copy
import time

import numpy as np
import pytest

from massgap.cli.printing.words import preflight_lines
from massgap.runner.preflight import probe
from massgap.runner.preflight.answers import (
    FAILED,
    OK,
    WARNING,
    Answer,
    Here,
    Preflight,
)
from massgap.runner.preflight.ask import look_request
from massgap.runner.preflight.compare import compare
from massgap.runner.preflight.files import assign_files
from massgap.runner.preflight.software import model_request

GOOD_FILE = {"file": 0, "error": None, "entries": 900, "read": 200, "format": "NanoAOD", "seconds": 0.1}


@pytest.fixture(scope="module")
def mine():
    return probe.look(look_request())


@pytest.fixture
def here(mine) -> Here:
    return Here(mine, [("tt", "/data/tt.root", None)], [True], chunksize=500_000, wanted=1, cluster=True)


@pytest.fixture
def answer(mine) -> Answer:
    look = copy.deepcopy(mine)
    now = time.time()
    look["time"] = now
    look["memory"] = {"resident": 10**8, "virtual": 10**9, "total": 10**11, "limits": {}}
    look["scratch"] = {"folder": "/tmp", "free": 10**11, "unwritable": None}
    tried = {
        "processor": {"error": None},
        "models": {},
        "files": [dict(GOOD_FILE)],
        "memory": look["memory"],
    }
    return Answer("w0", look, tried, sent=now, received=now, memory_limit=4 << 30, threads=1)


def found(here, *answers):
    """Checks that are not ok, by name."""
    return {c.name: c for c in compare(here, answers) if c.status != OK}


def test_all_well(here, answer) -> None:
    checks = compare(here, [answer])
    assert {c.status for c in checks} == {OK}
    names = ["workers", "python", "massgap", "packages", "imports", "analysis", "data", "memory", "scratch"]
    assert [c.name for c in checks] == [*names, "threads", "clock"]


def test_other_python(here, answer) -> None:
    major, minor, _ = here.look["python"].split(".")
    answer.look["python"] = f"{major}.{int(minor) + 1}.0"
    check = found(here, answer)["python"]
    assert check.status == FAILED
    assert answer.look["python"] in check.what
    assert "--environment ship" in check.remedy
    answer.look["python"] = f"{major}.{minor}.99"
    assert "python" not in found(here, answer)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"error": "ModuleNotFoundError: No module named 'massgap'"}, "cannot be imported"),
        ({"version": "0.0.1"}, "massgap 0.0.1"),
        ({"code": "f" * 64}, "has other source (ffffffffffff"),
    ],
)
def test_other_massgap(here, answer, change, words) -> None:
    answer.look["massgap"] = {**answer.look["massgap"], **change}
    check = found(here, answer)["massgap"]
    assert (check.status, check.workers) == (FAILED, ("w0",))
    assert words in check.what


@pytest.mark.parametrize(
    "package",
    ["coffea", "awkward", "uproot", "numpy", "numba", "hist", "vector", "onnxruntime", "dask", "distributed", "msgpack", "cloudpickle"],
)  # fmt: skip
def test_each_package_counts(here, answer, package) -> None:
    answer.look["packages"][package] = "0.1"
    assert f"{package} 0.1 (here {here.look['packages'][package]})" in found(here, answer)["packages"].what


def test_packages_that_are_not_there(here, answer) -> None:
    answer.look["packages"]["onnxruntime"] = None
    assert found(here, answer) == {}  # compiled trees score without it
    here.engines = {"score": "onnxruntime"}
    here.look["packages"]["onnxruntime"] = "1.2.3"
    check = found(here, answer)["packages"]
    assert "not installed: onnxruntime" in check.what
    assert "pip install onnxruntime==1.2.3" in check.remedy


def test_dask_does_not_matter_without_a_cluster(here, answer) -> None:
    answer.look["packages"]["dask"] = "0.1"
    here.cluster = False
    assert found(here, answer) == {}


def test_modules_that_cannot_be_imported(here, answer) -> None:
    answer.look["modules"]["numba"] = "ImportError: GLIBC_2.34 not found"
    assert "import numba: ImportError: GLIBC_2.34" in found(here, answer)["imports"].what


def test_analysis_that_cannot_be_loaded(here, answer) -> None:
    answer.tried["processor"] = {"error": "ModuleNotFoundError: No module named 'mine'"}
    assert "No module named 'mine'" in found(here, answer)["analysis"].what


@pytest.mark.parametrize(
    ("shift", "status"), [(0.0, OK), (1e-7, WARNING), (1e-3, FAILED), (float("nan"), FAILED)]
)
def test_scores(here, answer, shift, status) -> None:
    mine = np.linspace(0, 1, 12, dtype=np.float32).reshape(6, 2)
    here.scores, here.engines = {"score": mine}, {"score": "compiled trees"}
    theirs = (mine + np.float32(shift)).astype("<f4")
    answer.tried["models"]["score"] = {"error": None, "scores": base64.b64encode(theirs.tobytes()).decode()}
    check = next(c for c in compare(here, [answer]) if c.name == "model")
    assert check.status == status


def test_model_that_cannot_be_scored(here, answer) -> None:
    here.scores, here.engines = {"score": np.zeros((2, 1), np.float32)}, {"score": "onnxruntime"}
    answer.tried["models"]["score"] = {"error": "ImportError: onnxruntime"}
    assert "ImportError: onnxruntime" in found(here, answer)["model"].what
    answer.tried["models"] = {}
    assert found(here, answer)["model"].status == FAILED


BAD = {"file": 0, "step": "open", "seconds": 0.1, "exists": None, "kind": "permanent", "types": []}


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"exists": False}, "root://SERVER//path"),
        ({"kind": "authentication"}, "voms-proxy-init"),
        ({"kind": "transient"}, "did not answer"),
        ({"types": ["FileProblem", "PermissionError"]}, "account of the worker"),
        ({"types": ["FileProblem", "ModuleNotFoundError"]}, "fsspec-xrootd"),
        ({"step": "read"}, "alone, here"),
        ({}, "copy or make the file again"),
    ],
)
def test_files(here, answer, change, words) -> None:
    answer.tried["files"] = [{**BAD, "error": "FileProblem: /data/tt.root: is bad", **change}]
    check = found(here, answer)["data"]
    assert check.what.startswith("/data/tt.root: is bad")
    assert words in check.remedy


def test_a_file_that_is_nowhere(here, answer) -> None:
    here.exists = [False]
    answer.tried["files"] = [{**BAD, "error": "FileProblem: /data/tt.root: no such file", "exists": False}]
    assert "not here either" in found(here, answer)["data"].remedy


def test_a_credential_that_the_worker_does_not_have(here, answer) -> None:
    answer.look["credentials"] = {"X509_USER_PROXY": {"path": "/home/me/proxy", "exists": False}}
    answer.tried["files"] = [{**BAD, "error": "OSError: Auth failed", "kind": "authentication"}]
    assert "X509_USER_PROXY names /home/me/proxy" in found(here, answer)["data"].remedy


def test_many_files_of_one_fault_are_one_line(here, answer) -> None:
    here.files = [("tt", f"/data/{i}.root", None) for i in range(50)]
    here.exists = [True] * 50
    answer.tried["files"] = [
        {**BAD, "file": i, "error": f"FileProblem: /data/{i}.root: no such file", "exists": False}
        for i in range(50)
    ]
    lines = [c for c in compare(here, [answer]) if c.name == "data"]
    assert len(lines) == 1
    assert "/data/0.root and 49 more files" in lines[0].what


def test_memory(here, answer) -> None:
    answer.memory_limit = 700 << 20
    check = found(here, answer)["memory"]
    assert "but there are 587 MB (80% of dask's memory limit)" in check.what
    fits = int(check.remedy.split("--chunksize ")[1].split()[0])
    here.chunksize = fits
    assert found(here, answer) == {}
    here.chunksize = int(1.02 * fits)
    assert "memory" in found(here, answer)


def test_memory_of_a_worker_that_is_large_before_it_begins(here, answer) -> None:
    answer.memory_limit = 1 << 30
    assert found(here, answer) == {}
    answer.tried["memory"] = {**answer.look["memory"], "resident": 800 << 20}
    assert "memory" in found(here, answer)


@pytest.mark.parametrize("name", ["cgroup", "HTCondor's request_memory", "address space (ulimit -v)"])
def test_memory_limits_of_the_system(here, answer, name) -> None:
    answer.look["memory"]["limits"] = {name: 500 << 20}
    assert name in found(here, answer)["memory"].what


def test_address_space_is_larger_than_memory(here, answer) -> None:
    answer.look["memory"]["limits"] = {"address space (ulimit -v)": 1 << 30}
    assert "memory" in found(here, answer)
    answer.look["memory"]["limits"] = {"cgroup": 1 << 30}
    assert found(here, answer) == {}


def test_memory_of_the_machine_is_shared(here, answer) -> None:
    answer.look["memory"]["total"] = 1 << 30
    assert found(here, answer) == {}
    other = copy.deepcopy(answer)
    assert found(here, answer, other)["memory"].status == WARNING


def test_scratch(here, answer) -> None:
    answer.look["scratch"]["unwritable"] = "Read-only file system"
    assert "Read-only" in found(here, answer)["scratch"].what
    answer.look["scratch"] = {"folder": "/tmp", "free": 10 << 20, "unwritable": None}
    assert found(here, answer)["scratch"].status == FAILED
    answer.look["scratch"]["free"] = 500 << 20
    assert found(here, answer)["scratch"].status == WARNING


def test_threads(here, answer) -> None:
    answer.threads = 4
    assert "4 threads" in found(here, answer)["threads"].what


@pytest.mark.parametrize(
    ("off", "status"), [(2, OK), (30, WARNING), (-30, WARNING), (3600, FAILED), (-3600, FAILED)]
)
def test_clock(here, answer, off, status) -> None:
    answer.look["time"] += off
    check = next(c for c in compare(here, [answer]) if c.name == "clock")
    assert check.status == status
    if status != OK:
        assert ("ahead" if off > 0 else "behind") in check.what


def test_silent_and_absent_workers(here, answer) -> None:
    here.wanted = 3
    check = found(here, answer)["workers"]
    assert (check.status, "1 of 3 workers" in check.what) == (WARNING, True)
    here.wanted = 2
    silent = Answer("w1", problem="a worker did not answer (CommClosedError: x)")
    check = found(here, answer, silent)["workers"]
    assert (check.status, check.workers) == (FAILED, ("w1",))
    assert found(here)["workers"].status == FAILED


def test_same_findings_are_one_check_with_all_workers(here, answer) -> None:
    others = []
    for i in range(1, 6):
        other = copy.deepcopy(answer)
        other.name = f"w{i}"
        other.look["packages"]["numpy"] = "0.1"
        others.append(other)
    checks = [c for c in compare(here, [answer, *others]) if c.name == "packages"]
    assert [c.workers for c in checks] == [("w1", "w2", "w3", "w4", "w5")]
    assert "5 of 6 workers: w1, w2, w3 and 2 more" in checks[0].what


def test_files_are_spread() -> None:
    workers = {f"h{i // 4}:{i}": f"h{i // 4}" for i in range(40)}
    given = assign_files(100, workers)
    hosts = [{key.split(":")[0] for key, numbers in given.items() if n in numbers} for n in range(100)]
    assert {len(h) for h in hosts} == {3}
    assert max(map(len, given.values())) <= 8
    few = assign_files(1, workers)
    assert {key.split(":")[0] for key, numbers in few.items() if numbers} == {f"h{i}" for i in range(10)}
    assert assign_files(0, workers) == {key: [] for key in workers}


@pytest.mark.parametrize("width", [60, 80, 160])
def test_lines_fit(here, answer, width) -> None:
    answer.look["packages"]["numpy"] = "0.1"
    answer.memory_limit = 100 << 20
    result = Preflight(tuple(compare(here, [answer])), (answer,))
    assert not result.ok
    lines = preflight_lines(result, width)
    assert all(len(line) <= width for line in lines)
    assert lines[-1].startswith("2 of 11 checks failed")
    assert "--environment ship" in " ".join(lines)


# ---- what the probe sees


def test_cgroup_limit(tmp_path) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    groups = tmp_path / "proc/self/cgroup"
    assert probe.cgroup_limit(tmp_path) is None
    groups.write_text("0::/slice/job\n")
    assert probe.cgroup_limit(tmp_path) is None
    job = tmp_path / "sys/fs/cgroup/slice/job"
    job.mkdir(parents=True)
    (job / "memory.max").write_text("max\n")
    assert probe.cgroup_limit(tmp_path) is None
    (job.parent / "memory.max").write_text("4000000000\n")
    assert probe.cgroup_limit(tmp_path) == 4_000_000_000
    (job / "memory.max").write_text("1000000000\n")
    assert probe.cgroup_limit(tmp_path) == 1_000_000_000
    # In a container the path is that of the host.
    groups.write_text("0::/not/seen/here\n")
    (tmp_path / "sys/fs/cgroup/memory.max").write_text("2000000000\n")
    assert probe.cgroup_limit(tmp_path) == 2_000_000_000
    groups.write_text("7:cpu:/x\n4:memory:/job\n")
    old = tmp_path / "sys/fs/cgroup/memory/job"
    old.mkdir(parents=True)
    (old / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert probe.cgroup_limit(tmp_path) is None
    (old / "memory.limit_in_bytes").write_text("3000000000\n")
    assert probe.cgroup_limit(tmp_path) == 3_000_000_000


def test_memory_that_the_job_asked_for(tmp_path, monkeypatch) -> None:
    (tmp_path / "job").write_text('MyType = "Job"\nRequestMemory = 2048\n')
    monkeypatch.setenv("_CONDOR_JOB_AD", str(tmp_path / "job"))
    assert probe.look(look_request())["memory"]["limits"]["HTCondor's request_memory"] == 2048 << 20


def test_a_limit_of_the_address_space() -> None:
    import json
    import subprocess
    import sys

    code = (
        "import resource; resource.setrlimit(resource.RLIMIT_AS, (2**31, 2**31));"
        "import json; from massgap.runner.preflight import probe; print(json.dumps(probe._memory()))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout)["limits"]["address space (ulimit -v)"] == 2**31


def test_scratch_that_cannot_be_used(tmp_path, monkeypatch) -> None:
    def refuse(**_):
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(probe.tempfile, "NamedTemporaryFile", refuse)
    assert probe._scratch(str(tmp_path))["unwritable"] == "Read-only file system"


def test_content_of_credentials_is_not_told(tmp_path, monkeypatch) -> None:
    proxy = tmp_path / "proxy"
    proxy.write_text("secret")
    monkeypatch.setenv("X509_USER_PROXY", str(proxy))
    seen = probe.look(look_request())["credentials"]
    assert seen["X509_USER_PROXY"] == {"path": str(proxy), "exists": True}
    assert "secret" not in str(seen)


def test_rows_of_the_model_are_the_same_each_time() -> None:
    class Scorer:
        features = ("a", "b", "c")

        def score_all_folds(self, x):
            return x[:, :2]

    (first, scores), (second, _) = model_request(Scorer()), model_request(Scorer())
    assert first == second
    assert np.isnan(scores).any()


def test_each_of_several_models_is_checked(here, answer) -> None:
    here.engines = dict.fromkeys(("low", "high"), "compiled trees")
    here.scores = {name: np.full((3, 1), 0.5, np.float32) for name in here.engines}
    fine = base64.b64encode(np.full(3, 0.5, "<f4").tobytes()).decode()
    answer.tried["models"] = {"low": {"error": None, "scores": fine}, "high": {"error": "MemoryError: no"}}
    checks = {check.name: check for check in compare(here, [answer])}
    assert checks["model low"].status == OK
    assert checks["model high"].status == FAILED
    assert "MemoryError: no" in checks["model high"].what
