"""Clusters by name: facilities are reached through their own packages and schedulers, or the remedy is told."""

from __future__ import annotations

import json
import subprocess
import sys
import time
import types
from pathlib import Path

import pytest

import massgap
from massgap.condor.errors import CondorError
from massgap.condor.job_options import JobOptions
from massgap.condor.workers import clusters
from massgap.condor.workers.clusters import open_cluster
from massgap.condor.workers.pool import Pool

PATIENCE = 300.0
"""Seconds after which a test is taken to hang, on however slow a machine."""
PACKAGE = Path(massgap.__file__).parent


@pytest.fixture
def site(monkeypatch):
    """A site's package with a cluster class that keeps its arguments and is a small cluster here."""
    from distributed import LocalCluster

    made = {}

    class Cluster(LocalCluster):
        def __init__(self, **options):
            made["options"] = options
            super().__init__(n_workers=0, processes=False, dashboard_address="127.0.0.1:0", silence_logs=60)

        def scale(self, n):
            made.setdefault("scale", n)  # closing scales, too
            return super().scale(1)

        def adapt(self, **options):
            made["adapt"] = options

    def provide(module: str, name: str):
        fake = types.ModuleType(module)
        setattr(fake, name, Cluster)
        monkeypatch.setitem(sys.modules, module, fake)
        return made

    return provide


def test_lpc(site, tmp_path) -> None:
    made = site("lpcjobqueue", "LPCCondorCluster")
    options = JobOptions(memory="3GB", disk="1GB", environment="x.tar.gz", submit_lines={"+Group": '"cms"'})
    with open_cluster("lpc", workers=7, folder=tmp_path, package=PACKAGE, options=options) as pool:
        assert pool.client.submit(sum, [1, 2]).result() == 3
        assert pool.status().running == 1
        pool.check()
    assert made["scale"] == 7
    given = made["options"]
    assert given["ship_env"] is True
    (sent,) = map(Path, given["transfer_input_files"])
    # HTCondor does not follow links: a copy without any goes along.
    assert sent.name == "massgap"
    assert (sent / "selections" / "observables" / "mt2" / "mt2.py").is_file()
    assert not any(path.is_symlink() for path in sent.rglob("*"))
    assert (given["memory"], given["disk"], given["cores"]) == ("3GB", "1GB", 1)
    assert given["job_extra_directives"] == {"+Group": '"cms"'}
    assert Path(given["log_directory"]).is_dir()


def test_lxplus(site, tmp_path) -> None:
    made = site("dask_lxplus", "CernCluster")
    options = JobOptions(walltime="2h", image="/cvmfs/x")
    with open_cluster("lxplus", adapt=(1, 9), folder=tmp_path, package=PACKAGE, options=options):
        pass
    assert made["adapt"] == {"minimum": 1, "maximum": 9}
    assert made["options"]["worker_image"] == "/cvmfs/x"
    assert made["options"]["job_extra_directives"] == {"+MaxRuntime": "7200"}
    with open_cluster("lxplus", folder=tmp_path):
        pass
    assert made["options"]["lcg"] is True


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("lpc", "lpcjobqueue cannot be imported .*bootstrap.sh"),
        ("lxplus", r"dask_lxplus cannot be imported .*pip install dask-lxplus"),
        ("swan", "the address of the scheduler is not known. Start a cluster in the Dask panel of SWAN"),
        ("nonsense", "unknown cluster 'nonsense'; known are htcondor, lpc, lxplus, coffea-casa, swan"),
    ],
)
def test_not_there(name, words, tmp_path, monkeypatch) -> None:
    for module in ("lpcjobqueue", "dask_lxplus"):
        monkeypatch.setitem(sys.modules, module, None)
    monkeypatch.delenv("DASK_SCHEDULER_ADDRESS", raising=False)
    with pytest.raises(CondorError, match=words):
        open_cluster(name, folder=tmp_path)


def test_a_site_whose_class_fails(tmp_path, monkeypatch) -> None:
    fake = types.ModuleType("dask_lxplus")

    def broken(**_: object) -> None:
        msg = "no token"
        raise RuntimeError(msg)

    fake.CernCluster = broken  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "dask_lxplus", fake)
    with pytest.raises(CondorError, match=r"could not be made \(RuntimeError: no token\)"):
        open_cluster("lxplus", folder=tmp_path)


def test_no_scheduler_at_a_facility(tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(clusters, "_CONNECT", 2)
    with pytest.raises(CondorError, match=r"coffea-casa: no scheduler answers at tcp://127\.0\.0\.1:9"):
        open_cluster("coffea-casa", address="tcp://127.0.0.1:9", folder=tmp_path)
    with pytest.raises(CondorError, match="options of jobs and --adapt do not go with it"):
        open_cluster("coffea-casa", folder=tmp_path, options=JobOptions(memory="8GB"))


def address_in(file: Path) -> str:
    """Where the scheduler is that writes this file: when it is there and whole."""
    end = time.monotonic() + PATIENCE
    while True:
        try:
            return str(json.loads(file.read_text())["address"])
        except (OSError, ValueError):
            assert time.monotonic() < end, "the scheduler did not start"
        time.sleep(0.05)


def test_code_for_workers_that_do_not_have_it(tmp_path, monkeypatch) -> None:
    """Scheduler and worker of a facility: another Python process, without the package."""
    monkeypatch.setattr(clusters, "_CONNECT", PATIENCE)
    bare = {"PATH": "/usr/bin:/bin", "HOME": str(tmp_path)}
    common = "--scheduler-file s.json --host 127.0.0.1 --no-dashboard --dashboard-address 127.0.0.1:0"
    (tmp_path / "toy").mkdir()
    (tmp_path / "toy" / "__init__.py").write_text("value = 42\n")
    with (
        subprocess.Popen(
            f"{sys.executable} -m distributed.cli.dask_scheduler --port 0 {common}".split(),
            cwd=tmp_path,
            env=bare,
            stderr=subprocess.DEVNULL,
        ) as scheduler,
        subprocess.Popen(
            f"{sys.executable} -m distributed.cli.dask_worker --no-nanny --nthreads 1 {common}".split(),
            cwd=tmp_path,
            env=bare,
            stderr=subprocess.DEVNULL,
        ) as worker,
    ):
        try:
            from distributed import Client

            address = address_in(tmp_path / "s.json")
            with Client(address, timeout=PATIENCE) as first:
                first.wait_for_workers(1, timeout=PATIENCE)
            with open_cluster("swan", address=address, folder=tmp_path, package=tmp_path / "toy") as pool:
                value = eval("lambda: __import__('toy').value")
                assert pool.client.submit(value, pure=False).result(timeout=PATIENCE) == 42
            # The facility's scheduler goes on.
            with Client(address, timeout=PATIENCE) as again:
                assert len(again.nthreads()) == 1
        finally:
            # Not asked to end: on a loaded machine a worker that loses its scheduler meanwhile may take a quarter of an hour.
            worker.kill()
            scheduler.kill()


def test_a_cluster_without_workers_is_told_and_given_up(site, tmp_path, monkeypatch) -> None:
    site("dask_lxplus", "CernCluster")
    with open_cluster("lxplus", workers=0, folder=tmp_path) as pool:
        assert pool.status().problems == ()
        pool.check()
        monkeypatch.setattr(pool, "_count", lambda: (0, 7 * 3600.0))
        assert "no worker for 420 minutes. condor_q -hold" in pool.status().problems[0]
        with pytest.raises(CondorError, match=r"no worker.*condor_q -hold.*finished chunks are kept"):
            pool.check()


def test_a_cluster_of_a_site_is_closed_as_its_class_has_it() -> None:
    """Such classes need not take a time, as dask's own do."""
    closed = []
    client = types.SimpleNamespace(close=lambda: closed.append("client"))
    Pool(client, types.SimpleNamespace(close=lambda: closed.append("cluster"))).close()
    assert closed == ["client", "cluster"]
