"""Facility style: the analysis in coffea's own Runner, bit for bit what massgap's runner gives."""

from __future__ import annotations

import copy
import itertools
import subprocess
import sys
import warnings

import eventfiles
import pytest
from coffea.nanoevents import BaseSchema, NanoAODSchema
from coffea.processor import FuturesExecutor, IterativeExecutor, Runner
from runs import bits

from massgap.events.reading.schemas import NanoAOD
from massgap.processors import Slepton
from massgap.runner import run
from massgap.runner.executors import dask_cluster as dask_executor
from massgap.runner.executors import local as executors

pytestmark = pytest.mark.filterwarnings(
    "ignore:Missing cross-reference index", "ignore:.*fork.*:DeprecationWarning"
)


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two datasets of one process and one of another."""
    folder = tmp_path_factory.mktemp("coffea")
    out = {}
    for i, (name, n) in enumerate([("tt_a", 700), ("tt_b", 400), ("WW", 300)]):
        events = eventfiles.make_events(n, seed=i + 10, first=10_000 * i)
        path = eventfiles.write_nano(folder / f"{name}.root", events, "v12")
        out[name] = {
            "files": {str(path): "Events"},
            "metadata": {
                "process": name.split("_")[0],
                "xsec_fb": 10.0 * (i + 1),
                "sum_weights": 1000.0,
                "is_data": False,
            },
        }
    return out


@pytest.fixture(scope="module")
def processor() -> Slepton:
    return Slepton(features=True, variations=("jes", "isr"))


@pytest.fixture(scope="module")
def expected(files, processor):
    """What massgap's runner gives in one process.  The weights of the files are not 1000: a loss is accepted."""
    return run(processor, files, chunksize=100_000, accept_loss=True)


def check(out, expected) -> None:
    assert bits(out["histograms"]) == bits(expected.histograms)
    assert out["cutflow"] == expected.cutflow
    for name, table in expected.features.items():
        assert out["features"][name].equals(table)


def coffea_run(files, processor, schema, executor, chunksize):
    # coffea's own schema warns of missing identifiers and masses; the analysis does not need them.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return Runner(executor, schema=schema, chunksize=chunksize)(copy.deepcopy(files), processor)


def test_histograms_have_something_in_them(expected) -> None:
    h = expected.histograms["met"]
    assert list(h.axes["process"]) == ["WW", "tt"]
    assert (h[{"region": "precuts", "variation": "nominal"}].values().sum(axis=1) > 0).all()
    assert not (h[{"variation": "jes_up"}].values() == h[{"variation": "nominal"}].values()).all()


@pytest.mark.parametrize("schema", [NanoAOD, NanoAODSchema, BaseSchema])
def test_iterative_with_every_schema(files, processor, expected, schema) -> None:
    check(coffea_run(files, processor, schema, IterativeExecutor(), 100_000), expected)


def test_futures(files, processor, expected) -> None:
    import loky

    with loky.ProcessPoolExecutor(1) as pool:
        out = coffea_run(files, processor, NanoAOD, FuturesExecutor(pool=pool), 300)
    check(out, expected)


def test_dask_here_and_there(files, processor, expected) -> None:
    """coffea's DaskExecutor and massgap's on the same small cluster of processes."""
    from coffea.processor import DaskExecutor
    from distributed import Client, LocalCluster

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with (
            LocalCluster(
                n_workers=2, threads_per_worker=1, processes=True, dashboard_address=None
            ) as cluster,
            Client(cluster) as client,
        ):
            out = coffea_run(files, processor, NanoAOD, DaskExecutor(client=client), 300)
            mine = run(
                processor, files, chunksize=400, accept_loss=True, executor=dask_executor.DaskExecutor(client)
            )
    check(out, expected)
    check(mine.output, expected)


def test_futures_of_massgap(files, processor, expected) -> None:
    mine = run(processor, files, chunksize=400, accept_loss=True, executor=executors.FuturesExecutor(1))
    check(mine.output, expected)
    assert [e.status for e in mine.ledger.chunks] == ["processed"] * 4


def test_chunk_size_changes_no_bit(files, processor) -> None:
    fileset = {"WW": files["WW"]}
    whole = run(processor, fileset, accept_loss=True)
    parts = run(processor, fileset, chunksize=40, accept_loss=True)
    assert len(parts.ledger.chunks) == 8
    check(parts.output, whole)


def test_any_order_of_arrival(files, processor, expected) -> None:
    parts = {}

    def one_chunk_each(function, items):
        for i, item in enumerate(items):
            parts[i] = function(item)
            yield i, copy.deepcopy(parts[i])

    run(processor, files, chunksize=700, accept_loss=True, executor=one_chunk_each)
    assert len(parts) == 3
    for order in itertools.permutations(parts):

        def shuffled(_function, _items, order=order):
            for i in order:
                yield i, copy.deepcopy(parts[i])

        check(run(processor, files, chunksize=700, accept_loss=True, executor=shuffled).output, expected)
        # The plain sum, as coffea's tree reduction may take it.
        tallies = {i: part.nodes[0, i]["tally"] for i, part in parts.items()}
        total = tallies[order[0]]
        for i in order[1:]:
            total = total + tallies[i]
        assert bits(total.result()["histograms"]) == bits(expected.histograms)


FOREIGN = """
import pickle, sys
import processors, models
assert processors.MINE and models.MINE
from massgap.processors import Slepton
from coffea.processor import Runner, FuturesExecutor
from massgap.events.reading.schemas import NanoAOD
import loky

if __name__ == "__main__":
    files = {"tt_a": {"files": {sys.argv[1]: "Events"}, "metadata": {"process": "tt", "xsec_fb": 10.0,
             "sum_weights": 1000.0, "is_data": False}}}
    p = pickle.loads(pickle.dumps(Slepton()))
    with loky.ProcessPoolExecutor(1) as pool:
        out = Runner(FuturesExecutor(pool=pool, status=False), schema=NanoAOD, chunksize=700)(files, p)
    h = out["histograms"]["met"]
    print(h.values(flow=True).sum().hex(), h.variances(flow=True).sum().hex())
"""


def test_from_a_folder_with_rooms_of_its_own(tmp_path, files) -> None:
    """Somebody's analysis folder has processors/ and models/ too; workers are spawned from there."""
    for room in ("processors", "models"):
        (tmp_path / room).mkdir()
        (tmp_path / room / "__init__.py").write_text("MINE = True\n")
    (tmp_path / "analysis.py").write_text(FOREIGN)
    path = next(iter(files["tt_a"]["files"]))
    done = subprocess.run(
        [sys.executable, "-W", "ignore", "analysis.py", path],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr
    h = run(Slepton(), {"tt_a": files["tt_a"]}, accept_loss=True).histograms["met"]
    words = [h.values(flow=True).sum().hex(), h.variances(flow=True).sum().hex()]
    assert done.stdout.split()[-2:] == words
