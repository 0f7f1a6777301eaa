"""Faults in a run: the result is right, or the ledger says what is missing; the same call goes on with what is left."""

from __future__ import annotations

import os
from pathlib import Path

import eventfiles
import faulttasks
import numpy as np
import pytest
from coffea.processor import ProcessorABC
from faulttasks import Faulty
from runs import bits, fileset_of

from massgap.events.reading import faults
from massgap.runner import run, work
from massgap.runner.executors.dask_cluster import DaskExecutor
from massgap.runner.executors.local import FuturesExecutor, IterativeExecutor
from massgap.runner.work import Retries

QUICK = Retries(attempts=3, pause=0.01, factor=2.0)


@pytest.fixture(scope="module")
def sample(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("faults")
    return eventfiles.write_nano(folder / "tt.root", eventfiles.make_events(960, seed=3))


@pytest.fixture(autouse=True)
def importable(monkeypatch) -> None:
    monkeypatch.syspath_prepend(str(Path(faulttasks.__file__).parent))


def go(sample, folder, executor=None, **options):
    folder.mkdir(exist_ok=True)
    return run(
        Faulty(str(folder)),
        fileset_of(sample),
        executor=executor,
        chunksize=options.pop("chunksize", 80),
        retries=QUICK,
        checkpoints=folder / "checkpoints",
        **options,
    )


@pytest.fixture(scope="module")
def whole(sample, tmp_path_factory):
    return bits(go(sample, tmp_path_factory.mktemp("whole")))


def entry(result, start):
    return next(e for e in result.ledger.chunks if e.chunk.start == start)


# ---- errors that pass


@pytest.mark.parametrize("what", ["io", "full"])
def test_a_transient_error_is_met_with_another_attempt(sample, whole, tmp_path, what) -> None:
    (tmp_path / f"{what}-160").write_text("2")
    result = go(sample, tmp_path)
    assert result.ledger.complete
    assert bits(result) == whole
    assert entry(result, 160).attempts == 3
    assert entry(result, 80).attempts == 1


def test_a_longer_one_is_tried_again_when_all_else_is_done(sample, whole, tmp_path) -> None:
    (tmp_path / "io-160").write_text("4")
    order = []
    result = go(sample, tmp_path, progress=lambda p: order.append((p.done, p.retried)))
    assert result.ledger.complete
    assert bits(result) == whole
    assert entry(result, 160).attempts == 5
    assert (11, 0) in order
    assert (12, 1) in order


def test_one_that_stays_is_in_the_ledger_and_can_be_done_later(sample, whole, tmp_path) -> None:
    (tmp_path / "io-160").write_text("6")
    result = go(sample, tmp_path)
    failed = entry(result, 160)
    assert (failed.status, failed.exception, failed.attempts) == ("failed", "OSError", 6)
    assert failed.host == os.uname().nodename
    assert "tt.root (entries 160 to 240): could not be read for the moment (OSError: " in failed.error
    assert result.ledger.as_dict()["chunks"][2]["attempts"] == 6
    assert result.ledger.count("processed") == 880
    again = go(sample, tmp_path)
    assert again.ledger.complete
    assert sum(not e.from_checkpoint for e in again.ledger.chunks) == 1
    assert bits(again) == whole


def test_a_deterministic_error_has_one_attempt(sample, tmp_path) -> None:
    (tmp_path / "memory-160").touch()
    result = go(sample, tmp_path)
    failed = entry(result, 160)
    assert (failed.status, failed.exception, failed.attempts) == ("failed", "MemoryError", 1)
    assert "smaller --chunksize" in failed.error


def test_a_file_that_cannot_be_looked_into_for_the_moment(sample, tmp_path, monkeypatch) -> None:
    real = work.inspect_file
    calls = []

    def inspect_file(path, tree):
        calls.append(path)
        if len(calls) <= 4:
            msg = "storage"
            raise TimeoutError(msg)
        return real(path, tree)

    monkeypatch.setattr(work, "inspect_file", inspect_file)
    assert go(sample, tmp_path).ledger.complete
    assert len(calls) == 5
    calls.clear()
    monkeypatch.setattr(
        work, "inspect_file", lambda p, t: calls.append(p) or (_ for _ in ()).throw(TimeoutError("x"))
    )
    result = go(sample, tmp_path)
    assert len(calls) == 6
    assert result.ledger.bad_files[0].attempts == 6


# ---- errors that stop the run


def test_refused_credentials_stop_the_run_at_once(sample, tmp_path, monkeypatch) -> None:
    (tmp_path / "auth-160").touch()
    # What the words of a message mean counts for remote files only.
    real = faults.kind_of_fault
    monkeypatch.setattr(work, "kind_of_fault", lambda error, remote: real(error, remote=True))
    result = go(sample, tmp_path)
    assert [e.status for e in result.ledger.chunks] == ["processed"] * 2 + ["failed"] + ["missing"] * 9
    assert len(result.ledger.errors) == 1
    assert "access was refused (OSError: [FATAL] Auth failed" in result.ledger.errors[0]
    assert "voms-proxy-init" in result.ledger.errors[0]


def test_another_massgap_on_the_worker_computes_nothing(sample, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr("massgap.runner.process.code_hash", lambda: "0" * 64)
    result = go(sample, tmp_path)
    assert result.output is None
    assert "is not that of the driver" in result.ledger.errors[0]
    assert not list((tmp_path / "checkpoints").glob("*.npz"))


# ---- workers that end


@pytest.fixture(scope="module", params=["futures", "dask"])
def executor(request):
    if request.param == "futures":
        yield FuturesExecutor(2)
        return
    import dask
    from distributed import Client, LocalCluster

    with (
        pytest.MonkeyPatch.context() as patch,
        dask.config.set({"distributed.scheduler.allowed-failures": 1}),
    ):
        patch.syspath_prepend(str(Path(faulttasks.__file__).parent))
        with (
            LocalCluster(
                n_workers=2, threads_per_worker=1, dashboard_address="127.0.0.1:0", silence_logs=60
            ) as cluster,
            Client(cluster) as client,
        ):
            yield DaskExecutor(client)


def test_poisonous_chunks_are_isolated(sample, whole, tmp_path, executor) -> None:
    # alone and several in a task: each executor isolates in its own way, whatever is added where (a worker's start takes seconds)
    levels = (1, 2) if isinstance(executor, FuturesExecutor) else (0, 0)
    for start in (160, 880):
        (tmp_path / f"kill-{start}").touch()
    result = go(sample, tmp_path, executor, levels=levels)
    statuses = {e.chunk.start: e.status for e in result.ledger.chunks}
    assert statuses == {s: "failed" if s in (160, 880) else "processed" for s in range(0, 960, 80)}
    failed = entry(result, 160)
    assert failed.exception == "WorkerLost"
    assert failed.attempts >= 4
    assert "ended without a result" in failed.error
    assert "more memory" in failed.error
    assert not result.ledger.complete
    # When they no longer kill, only they are done, and nothing is as if it had not been.
    for start in (160, 880):
        (tmp_path / f"kill-{start}").unlink()
    again = go(sample, tmp_path, executor, levels=levels)
    assert again.ledger.complete
    assert {e.chunk.start for e in again.ledger.chunks if not e.from_checkpoint} == {160, 880}
    assert bits(again) == whole


def test_a_worker_killed_once(sample, whole, tmp_path, executor) -> None:
    (tmp_path / "kill-once-240").touch()
    result = go(sample, tmp_path, executor)
    assert result.ledger.complete
    assert bits(result) == whole


def test_a_worker_that_hangs_once(sample, whole, tmp_path, executor, monkeypatch) -> None:
    monkeypatch.setattr(executor, "timeout", 3)
    faulttasks.only_told_hangs_count(monkeypatch, tmp_path)
    (tmp_path / "hang-once-240").touch()
    result = go(sample, tmp_path, executor, levels=(0, 1))
    assert result.ledger.complete
    assert bits(result) == whole


# ---- files that change under the run


class Spoil(Faulty):
    """Cuts the file short, or removes it, in the middle."""

    def process(self, events):
        if events.metadata["entrystart"] == 480:
            path = Path(events.metadata["filename"])
            if (Path(self.folder) / "truncate").exists():
                os.truncate(path, path.stat().st_size // 3)
            else:
                path.unlink()
        return super().process(events)


@pytest.mark.parametrize("what", ["truncate", "unlink"])
def test_a_file_that_vanishes_in_the_middle(sample, whole, tmp_path, what) -> None:
    path = tmp_path / "tt.root"
    path.write_bytes(sample.read_bytes())
    (tmp_path / what).touch()
    result = run(Spoil(str(tmp_path)), fileset_of(path), chunksize=80, retries=QUICK)
    read = result.ledger.count("processed")
    assert read + result.ledger.count("failed") == 960
    assert result.cutflow["processes"]["tt"][0]["raw"] == read
    if what == "truncate":
        assert read < 960
        assert "the file is damaged or truncated" in result.ledger.problems()[0]
    else:
        # An open file can be read although its name is gone.
        assert bits(result) == whole


def test_a_file_that_is_gone_before_its_turn(sample, tmp_path) -> None:
    paths = [tmp_path / "a.root", tmp_path / "b.root"]
    for path in paths:
        path.write_bytes(sample.read_bytes())

    def removing(function, items):
        for i, item in enumerate(items):
            if i == 2:
                paths[1].unlink()
            yield i, function(item)

    fileset = fileset_of(*paths)
    result = run(
        Faulty(str(tmp_path)), fileset, chunksize=480, retries=QUICK, executor=removing, allow_duplicates=True
    )
    assert result.ledger.count("processed") == 960
    (problem,) = result.ledger.problems()
    assert "b.root: could be opened when the run began and cannot now (No such file or directory)" in problem
    assert "[2 chunks, 960 events lost]" in problem


# ---- sums


class Floats(ProcessorABC):
    """A processor of somebody else: plain floating-point sums, which depend on the order."""

    def process(self, events):
        import hist

        h = hist.Hist(hist.axis.Regular(3, 0, 300, name="x"), storage=hist.storage.Weight())
        h.fill(x=np.asarray(events.MET.pt), weight=np.asarray(events.genWeight, dtype=float) * np.pi)
        return {"h": h, "sum": float(np.sum(np.asarray(events.MET.pt, dtype=float)))}

    def postprocess(self, accumulator):
        return accumulator


def shuffled(function, items):
    for i in np.random.default_rng(1).permutation(len(items)):
        yield int(i), function(items[i])


def test_floating_point_sums_are_the_same_everywhere(sample, tmp_path, executor) -> None:
    def floats(executor, levels=None, checkpoints=None):
        out = run(
            Floats(),
            fileset_of(sample),
            chunksize=30,
            executor=executor,
            levels=levels,
            checkpoints=checkpoints,
        )
        assert out.ledger.complete
        return out.output["sum"], out.output["h"].view(flow=True).tobytes()

    expected = floats(IterativeExecutor())
    assert floats(shuffled) == expected
    for levels in ((0, 1), (1, 1), (1, 2)):
        assert floats(IterativeExecutor(), levels, tmp_path / str(levels)) == expected
        assert floats(executor, levels) == expected
        # Half of the sums come from an earlier run.
        for path in sorted((tmp_path / str(levels)).glob("*.npz"))[::2]:
            path.unlink()
        assert floats(executor, levels, tmp_path / str(levels)) == expected


# ---- what is lost


def test_weights_of_files_that_cannot_be_opened(sample, tmp_path) -> None:
    from massgap.contracts.filesets.fileset import validate_fileset

    text = tmp_path / "text.root"
    text.write_text("hello")
    given = {
        "tt": {
            "files": {
                str(sample): "Events",
                str(text): {"object_path": "Events", "num_entries": 70, "sum_weights": 64.5},
            },
            "metadata": {"process": "tt", "xsec_fb": 100.0, "sum_weights": 1000.0},
        }
    }
    fileset = validate_fileset(given)
    assert validate_fileset(fileset) == fileset
    result = run(Faulty(str(tmp_path)), fileset, accept_loss=True)
    ledger = result.ledger.as_dict()
    assert ledger["datasets"]["tt"]["weights_of_failed_files"] == 64.5
    assert "[70 events and a sum of weights of 64.5 lost]" in ledger["problems"][0]
    file = next(f for f in ledger["files"] if f["status"] == "failed")
    assert (file["weight"], file["entries"], file["attempts"]) == (64.5, 70, 1)
    assert ledger["datasets"]["tt"]["weights_lost"] == pytest.approx(
        1000.0 - ledger["datasets"]["tt"]["weights_processed"]
    )
    loss = next(iter(result.histograms.values())).metadata["massgap_loss"]
    assert loss["accepted"]
    assert loss["datasets"]["tt"]["files_failed"] == 1
    assert loss["datasets"]["tt"]["weights_of_failed_files"] == 64.5


def test_the_loss_travels_with_the_histograms(sample, tmp_path) -> None:
    import json

    import hist
    import uhi.io.json

    from massgap.contracts.run_writer import write_run_folder

    (tmp_path / "memory-160").touch()
    result = go(sample, tmp_path, accept_loss=True)
    folder = write_run_folder(result, tmp_path / "run", analysis="slepton")
    with (folder / "histograms.json").open() as stream:
        read = json.load(stream, object_hook=uhi.io.json.object_hook)["histograms"]
    for content in read.values():
        assert hist.Hist(content).metadata["massgap_loss"]["datasets"]["tt"]["events_failed"] == 80
    (tmp_path / "memory-160").unlink()
    folder = write_run_folder(go(sample, tmp_path), tmp_path / "run", analysis="slepton")
    assert "massgap_loss" not in (folder / "histograms.json").read_text()


def test_the_only_file_that_is_lost_carried_what_the_others_do_not(tmp_path) -> None:
    runs = {"run": np.array([1], dtype=np.uint32), "genEventSumw": np.array([300.0])}
    good = eventfiles.write_nano(tmp_path / "good.root", eventfiles.make_events(50), runs=runs)
    text = tmp_path / "text.root"
    text.write_text("hello")
    result = run(Faulty(str(tmp_path)), fileset_of(good, text, sum_weights=1000.0))
    assert result.ledger.bad_files[0].weight == 700.0


def test_a_mended_file_leaves_the_chunks_of_the_others(tmp_path) -> None:
    """Their sum of weights, which comes from the files, is another one then."""
    runs = {"run": np.array([1], dtype=np.uint32), "genEventSumw": np.array([300.0])}
    files = [
        eventfiles.write_nano(tmp_path / f"{k}.root", eventfiles.make_events(60, seed=k), runs=runs)
        for k in (1, 2)
    ]
    whole = run(Faulty(str(tmp_path)), fileset_of(*files))
    content = files[1].read_bytes()
    files[1].write_bytes(content[:1000])

    def go_on():
        return run(Faulty(str(tmp_path)), fileset_of(*files), checkpoints=tmp_path / "c")

    first = go_on()
    assert first.fileset["tt"]["metadata"]["sum_weights"] == 300.0
    assert len(first.ledger.bad_files) == 1
    files[1].write_bytes(content)
    second = go_on()
    assert [e.from_checkpoint for e in second.ledger.chunks] == [True, False]
    assert bits(second) == bits(whole)
    assert second.fileset["tt"]["metadata"]["sum_weights"] == 600.0


class Large(ProcessorABC):
    """A megabyte per chunk."""

    def process(self, events):
        return {"a": np.full(125_000, float(len(events)))}

    def postprocess(self, accumulator):
        return accumulator


def test_memory_of_the_driver_does_not_grow_with_the_number_of_chunks(sample, tmp_path) -> None:
    import gc
    import tracemalloc

    def peak(chunksize: int) -> float:
        gc.collect()
        tracemalloc.start()
        try:
            result = run(Large(), fileset_of(sample), chunksize=chunksize)
            assert result.ledger.complete
            assert result.output["a"][0] == 960
            return tracemalloc.get_traced_memory()[1] / 1e6
        finally:
            tracemalloc.stop()

    peak(480)  # imports
    few, many = peak(24), peak(3)
    # 280 more results of a megabyte each.
    assert many < few + 10, (few, many)


def test_what_results_take_is_said_before_the_first_chunk(sample, tmp_path) -> None:
    stages = []
    go(sample, tmp_path, progress=lambda p: stages.append((p.stage, p.done, p.message)))
    plans = [(i, message) for i, (stage, _, message) in enumerate(stages) if stage == "plan"]
    ((place, message),) = plans
    assert all(stage == "inspect" for stage, _, _ in stages[:place])
    assert (
        "960 events in 12 chunks, 12 of them to do; 30 histograms, 2,918 bins with their variations: 140 kB"
        in message
    )


def test_merging_leaves_its_parts_as_they_were() -> None:
    """dask takes them again where the worker that added them up is lost."""
    from massgap.runner.work import Outcome, TaskResult, merge_results

    parts = [TaskResult({i: Outcome()}, {(0, i): {"h": np.ones(3)}}) for i in range(8)]
    for _ in range(2):
        out = merge_results(8, 1, parts)
        assert sorted(out.outcomes) == list(range(8))
        ((node, value),) = out.nodes.items()
        assert node == (1, 0)
        assert value["h"].tolist() == [8.0] * 3
    assert all(part.nodes[0, i]["h"].tolist() == [1.0] * 3 for i, part in enumerate(parts))
