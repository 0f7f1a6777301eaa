"""The runner: checkpoints that are never stale, a ledger that is right, failures that cost nothing else."""

from __future__ import annotations

import errno
import json
import os
import shutil
import signal
from typing import TYPE_CHECKING

import eventfiles
import numpy as np
import pytest
from runs import bits, fileset_of

from massgap.contracts.errors import FolderError
from massgap.contracts.run_writer import write_run_folder
from massgap.errors import MassgapError
from massgap.processors import Slepton
from massgap.processors.registry import make_processor
from massgap.runner import planning, run
from massgap.runner.checkpoints import folder as checkpoints
from massgap.runner.checkpoints.merge_tree import MergeTree
from massgap.runner.errors import IncompleteRunError, RunnerError

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def sample(tmp_path, nano_files) -> Path:
    path = tmp_path / "tt.root"
    shutil.copy(nano_files["v12"], path)
    return path


def go(sample, folder, processor=None, **options):
    metadata = options.pop("metadata", {})
    fileset = sample if isinstance(sample, dict) else fileset_of(sample, **metadata)
    return run(
        processor or Slepton(),
        fileset,
        checkpoints=folder,
        chunksize=options.pop("chunksize", 300),
        **options,
    )


def reused(result) -> list[bool]:
    return [e.from_checkpoint for e in result.ledger.chunks]


# ---- checkpoints


def test_unchanged_comes_from_checkpoints_with_the_same_bits(sample, tmp_path) -> None:
    first = go(sample, tmp_path / "c", Slepton(features=True))
    assert reused(first) == [False] * 3
    again = go(sample, tmp_path / "c", Slepton(features=True))
    assert reused(again) == [True] * 3
    assert bits(again) == bits(first)
    assert again.cutflow == first.cutflow
    assert again.features["tt"].equals(first.features["tt"])
    assert again.datasets == first.datasets
    left = [p.name for p in (tmp_path / "c").iterdir()]
    assert len(left) == 3
    assert all(name.endswith(".npz") and not name.startswith(".") for name in left)


class TightSlepton(Slepton):
    """A subclass that forgets to name its own attribute in options()."""

    def __init__(self, extra=0.0, scale=None, **options) -> None:
        super().__init__(**options)
        self.extra = extra
        self.scale = scale

    def select(self, event, flow) -> None:
        event = flow.keep(event, "extra", event.met.pt > self.extra)
        super().select(event, flow)


LONG = np.arange(5000.0)
OTHER = np.where(LONG == 2500, 0.5, LONG)


@pytest.mark.parametrize(
    "other",
    [
        pytest.param(lambda: Slepton(precuts=("met",)), id="precuts"),
        pytest.param(lambda: Slepton(variations=("jes",)), id="variations"),
        pytest.param(lambda: Slepton(taggers={"b_threshold": 0.95}), id="taggers"),
    ],
)
def test_other_options_do_not_reuse(sample, tmp_path, other) -> None:
    go(sample, tmp_path / "c")
    result = go(sample, tmp_path / "c", other())
    assert reused(result) == [False] * 3


def test_attributes_of_a_subclass_count(sample, tmp_path) -> None:
    from massgap.runner.checkpoints.fingerprint import processor_identity

    def state(**options):
        return processor_identity(TightSlepton(**options))

    assert state() == state()
    assert state(extra=1.0) != state()
    # Their repr() is the same: the middle of a long array is not shown.
    assert state(scale=LONG) == state(scale=LONG.copy())
    assert state(scale=LONG) != state(scale=OTHER)
    go(sample, tmp_path / "c", TightSlepton())
    tight = go(sample, tmp_path / "c", TightSlepton(extra=200.0))
    assert reused(tight) == [False] * 3
    assert tight.cutflow["processes"]["tt"][1]["raw"] < 900


USER = """
import hist
from coffea.processor import ProcessorABC

class Count(ProcessorABC):
    def __init__(self, start=0.0):
        self.start = start
    def process(self, events):
        h = hist.Hist(hist.axis.Regular(5, 0, 200, name="met"), storage=hist.storage.Weight())
        h.fill(events.MET.pt[events.MET.pt > CUT], weight=events.genWeight[events.MET.pt > CUT])
        return {"met": h, "n": len(events), "deep": {"h": h.copy()}, "lists": [len(events)]}
    def postprocess(self, accumulator):
        return None
"""


def user(folder: Path, cut: float, text: str = USER):
    path = folder / "mine.py"
    path.write_text(text.replace("CUT", str(cut)))
    return make_processor(f"{path}:Count")


def test_own_processor_with_a_changed_cut(sample, tmp_path) -> None:
    loose = go(sample, tmp_path / "c", user(tmp_path, 1.0))
    assert reused(go(sample, tmp_path / "c", user(tmp_path, 1.0))) == [True] * 3
    tight = go(sample, tmp_path / "c", user(tmp_path, 100.0))
    assert reused(tight) == [False] * 3
    assert tight.output["met"].sum().value < loose.output["met"].sum().value
    assert loose.output["n"] == 900
    assert loose.output["lists"] == [300, 300, 300]


def test_own_processor_through_worker_processes_and_run_folder(sample, tmp_path) -> None:
    from massgap.runner.executors.local import FuturesExecutor

    here = go(sample, None, user(tmp_path, 1.0))
    there = go(sample, None, user(tmp_path, 1.0), executor=FuturesExecutor(1))
    assert there.output["met"] == here.output["met"]
    out = write_run_folder(here, tmp_path / "run", analysis="mine.py:Count")
    stored = json.loads((out / "histograms.json").read_text())
    assert set(stored["histograms"]) == {"met", "deep/h"}
    assert not (out / "cutflow.json").exists()
    assert json.loads((out / "ledger.json").read_text())["complete"] is True


def test_what_cannot_be_stored_is_said_and_computed_again(sample, tmp_path) -> None:
    text = USER.replace('"n": len(events)', '"n": __import__("decimal").Decimal(len(events))')
    result = go(sample, tmp_path / "c", user(tmp_path, 1.0, text))
    assert len(result.notes) == 1
    assert "finished chunks are not kept for a restart: a result of type decimal.Decimal" in result.notes[0]
    assert list((tmp_path / "c").iterdir()) == []


def test_a_changed_file_of_the_same_name_and_size(sample, tmp_path) -> None:
    first = go(sample, tmp_path / "c")
    status = sample.stat()
    content = bytearray(sample.read_bytes())
    content[-1] ^= 1  # behind the last record: the events stay the same, the file does not
    other = tmp_path / "other.root"
    other.write_bytes(content)
    other.replace(sample)
    os.utime(sample, ns=(status.st_atime_ns, status.st_mtime_ns))
    assert sample.stat().st_size == status.st_size
    result = go(sample, tmp_path / "c")
    assert reused(result) == [False] * 3
    assert bits(result) == bits(first)


def test_changed_metadata_or_chunks_do_not_reuse(sample, tmp_path) -> None:
    first = go(sample, tmp_path / "c")
    twice = go(sample, tmp_path / "c", metadata={"xsec_fb": 200.0})
    assert reused(twice) == [False] * 3
    assert (
        twice.cutflow["processes"]["tt"][0]["weighted"] == 2 * first.cutflow["processes"]["tt"][0]["weighted"]
    )
    other = go(sample, tmp_path / "c", chunksize=450)
    assert reused(other) == [False] * 2
    assert bits(other) == bits(first)


def test_changed_code_does_not_reuse(sample, tmp_path, monkeypatch) -> None:
    go(sample, tmp_path / "c")
    monkeypatch.setattr("massgap.runner.checkpoints.fingerprint.code_hash", lambda: "other")
    assert reused(go(sample, tmp_path / "c")) == [False] * 3


@pytest.mark.parametrize("damage", ["truncated", "flipped", "empty", "text"])
def test_damaged_checkpoints_are_computed_again(sample, tmp_path, damage) -> None:
    first = go(sample, tmp_path / "c")
    for path in (tmp_path / "c").iterdir():
        raw = bytearray(path.read_bytes())
        if damage == "truncated":
            raw = raw[: len(raw) // 2]
        elif damage == "flipped":
            for i in range(200, len(raw) - 1000, 97):
                raw[i] ^= 0x10
        elif damage == "empty":
            raw = bytearray()
        else:
            raw = bytearray(b"not a checkpoint")
        path.write_bytes(raw)
    again = go(sample, tmp_path / "c")
    assert reused(again) == [False] * 3
    assert bits(again) == bits(first)
    assert reused(go(sample, tmp_path / "c")) == [True] * 3


# ---- ledger


def poisoned(tmp_path, where: int) -> Path:
    """A file of 900 events with a NaN in the pT of one muon."""

    def spoil(values):
        values[where] = np.nan
        return values

    return eventfiles.write_nano(
        tmp_path / "bad.root", eventfiles.make_events(900, seed=3), change={"Muon_pt": spoil}
    )


def test_a_failing_chunk_leaves_the_others(tmp_path) -> None:
    bad = poisoned(tmp_path, 900)
    result = go(bad, tmp_path / "c", metadata={"sum_weights": 750.0})
    ledger = result.ledger.as_dict()
    assert [c["status"] for c in ledger["chunks"]] == ["processed", "failed", "processed"]
    assert "bad.root (entries 300 to 600): branch Muon_pt has 1 NaN" in ledger["chunks"][1]["error"]
    mine = ledger["datasets"]["tt"]
    assert (mine["events_expected"], mine["events_processed"], mine["events_failed"]) == (900, 600, 300)
    weights = [np.float32(e["weight"]) for e in eventfiles.make_events(900, seed=3)]
    np.testing.assert_allclose(
        mine["weights_processed"], np.sum(weights[:300] + weights[600:], dtype=float), rtol=1e-12
    )
    assert not ledger["complete"]
    assert len(ledger["problems"]) == 1
    assert "[1 chunk, 300 events lost]" in ledger["problems"][0]
    with pytest.raises(IncompleteRunError, match="Muon_pt"):
        result.require_complete()
    go(bad, None, accept_loss=True).require_complete()

    again = go(bad, tmp_path / "c", metadata={"sum_weights": 750.0})
    assert reused(again) == [True, False, True]
    assert bits(again) == bits(result)


def test_sum_of_weights_in_equals_the_sum_accounted_for(sample) -> None:
    true = float(np.sum([np.float32(e["weight"]) for e in eventfiles.make_events(900, seed=3)], dtype=float))
    good = go(sample, None, metadata={"sum_weights": true})
    assert good.ledger.complete
    np.testing.assert_allclose(good.ledger.processed_weights["tt"], true, rtol=1e-14)
    np.testing.assert_allclose(good.cutflow["processes"]["tt"][0]["weighted"], 100.0, rtol=1e-12)
    bad = go(sample, None, metadata={"sum_weights": true * 1.001})
    assert not bad.ledger.complete
    assert "the files hold a sum of generator weights of" in bad.ledger.problems()[0]
    assert go(sample, None, metadata={"sum_weights": true * 1.001, "skimmed": True}).ledger.complete


def test_weights_that_nearly_cancel_are_compared_with_their_size(tmp_path) -> None:
    """The file holds them in single precision, the fileset their sum in double."""
    w = np.random.default_rng(1).uniform(0.5, 1.5, 400) * np.where(np.arange(400) % 2, 1.0, -1.0)
    w[-1] -= w.sum() + 1e-3
    path = eventfiles.write_nano(
        tmp_path / "i.root", eventfiles.make_events(400), change={"genWeight": lambda _: w.astype(np.float32)}
    )
    metadata = {"xsec_fb": -3.0, "sum_weights": float(w.sum())}
    good = go(path, None, metadata=metadata)
    assert abs(good.ledger.processed_weights["tt"] - w.sum()) > 1e-6 * abs(w.sum())
    assert good.ledger.complete
    # an event that is missing is still noticed
    assert not go(path, None, metadata={**metadata, "sum_weights": float(w[1:].sum() - 5)}).ledger.complete


def test_runs_tree_gives_the_sum_of_a_skim(tmp_path) -> None:
    runs = {"run": np.array([1, 2], dtype=np.uint32), "genEventSumw": np.array([1500.0, 500.0])}
    path = eventfiles.write_nano(tmp_path / "skim.root", eventfiles.make_events(200), runs=runs)
    result = go(path, None)
    assert result.ledger.complete
    assert result.fileset["tt"]["metadata"]["sum_weights"] == 2000.0
    weights = sum(float(np.float32(e["weight"])) for e in eventfiles.make_events(200))
    np.testing.assert_allclose(
        result.cutflow["processes"]["tt"][0]["weighted"], 100 * weights / 2000, rtol=1e-12
    )


def test_bad_files_beside_good_ones(sample, tmp_path) -> None:
    text = tmp_path / "text.root"
    text.write_text("hello")
    result = run(Slepton(), fileset_of(sample, text, tmp_path / "gone.root"))
    assert not result.ledger.complete
    assert len(result.ledger.bad_files) == 2
    assert result.cutflow["processes"]["tt"][0]["raw"] == 900
    assert result.ledger.as_dict()["datasets"]["tt"]["files_failed"] == 2


def test_empty_files_keep_their_process(sample, tmp_path) -> None:
    empty = eventfiles.write_nano(tmp_path / "empty.root", eventfiles.make_events(50), baskets=1)
    arrays = {k: v[:0] for k, v in eventfiles.columns(eventfiles.make_events(2), "v12").items()}
    eventfiles.write_columns(empty, arrays)
    fileset = {
        **fileset_of(sample),
        "WW": {"files": {str(empty): "Events"}, "metadata": {"process": "WW", "xsec_fb": 1.0}},
    }
    result = run(Slepton(features=True, variations=("jes", "isr")), fileset)
    assert result.ledger.complete
    assert list(result.histograms["met"].axes["process"]) == ["WW", "tt"]
    assert result.histograms["met"][{"process": "WW"}].values(flow=True).sum() == 0.0
    assert result.cutflow["processes"]["WW"][-1]["raw"] == 0
    assert len(result.features["WW"]) == 0
    assert list(result.features["WW"].columns) == list(result.features["tt"].columns)
    assert "has no events" in result.notes[0]


@pytest.mark.parametrize(
    ("metadata", "message"),
    [
        ({"is_data": True, "xsec_fb": None}, "declared as data, but .* is simulation"),
        ({"sum_weights": -5.0}, "sum of generator weights is -5"),
    ],
)
def test_refused_before_any_event_is_read(sample, metadata, message) -> None:
    with pytest.raises(MassgapError, match=message):
        go(sample, None, metadata=metadata)


def test_data_mixed_with_simulation(sample, nano_files) -> None:
    fileset = fileset_of(sample, nano_files["data"])
    del fileset["tt"]["metadata"]["is_data"]
    with pytest.raises(RunnerError, match="data mixed with simulation in 'tt'"):
        run(Slepton(), fileset)


def test_no_files_and_no_chunks() -> None:
    with pytest.raises(RunnerError, match="holds no files"):
        run(Slepton(), {"tt": {"files": {}, "metadata": {}}})
    with pytest.raises(RunnerError, match="chunk size must be at least 1"):
        run(Slepton(), {}, chunksize=0)


# ---- things that go wrong around the chunks


def test_negative_total_weight_keeps_chunks_and_ledger(tmp_path) -> None:
    path = eventfiles.write_nano(
        tmp_path / "neg.root", eventfiles.make_events(100), change={"genWeight": lambda w: -abs(w)}
    )
    result = go(path, tmp_path / "c", chunksize=50)
    assert result.output is None
    assert [e.status for e in result.ledger.chunks] == ["processed"] * 2
    assert not result.ledger.complete
    assert "every event would change its sign" in result.ledger.problems()[0]


def test_full_disk_stops_and_keeps_what_is_there(sample, tmp_path, monkeypatch) -> None:
    real = checkpoints.save
    calls = []

    def save(path, value):
        calls.append(path)
        if len(calls) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        real(path, value)

    monkeypatch.setattr(checkpoints, "save", save)
    result = go(sample, tmp_path / "c")
    assert "No space left on device" in result.ledger.problems()[0]
    assert "Make room" in result.ledger.problems()[0]
    assert [e.status for e in result.ledger.chunks] == ["processed", "missing", "missing"]
    monkeypatch.undo()
    assert reused(go(sample, tmp_path / "c")) == [True, False, False]


def test_results_that_cannot_be_written_leave_no_run(sample, tmp_path, monkeypatch) -> None:
    from massgap.contracts import feature_table

    result = go(sample, None, Slepton(features=True))
    out = write_run_folder(result, tmp_path / "run", analysis="slepton")
    assert (out / "manifest.json").is_file()

    def full(path):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(feature_table, "replacing", full)
    with pytest.raises(FolderError, match=r"could not write the results .No space left on device"):
        write_run_folder(result, tmp_path / "run", analysis="slepton")
    # Half of the old run and half of the new one are not a run.
    assert not (out / "manifest.json").exists()


def test_interrupted_in_the_middle(sample, tmp_path) -> None:
    def until_second(function, items):
        yield 0, function(items[0])
        raise KeyboardInterrupt

    result = go(sample, tmp_path / "c", executor=until_second)
    assert result.interrupted
    assert [e.status for e in result.ledger.chunks] == ["processed", "missing", "missing"]
    assert result.ledger.as_dict()["datasets"]["tt"]["events_missing"] == 600
    with pytest.raises(IncompleteRunError):
        result.require_complete()
    assert reused(go(sample, tmp_path / "c")) == [True, False, False]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
@pytest.mark.parametrize("where", ["save", "add"])
def test_a_signal_between_a_kept_chunk_and_its_entry_in_the_ledger(
    sample, tmp_path, monkeypatch, where, number
) -> None:
    def interrupt(*_):
        raise KeyboardInterrupt

    whole = bits(go(sample, None))
    folder = tmp_path / "c"
    owner, name = (checkpoints, "save") if where == "save" else (MergeTree, "add")
    step = getattr(owner, name)

    def step_and_signal(*arguments):
        step(*arguments)
        os.kill(os.getpid(), number)

    before = {n: signal.signal(n, interrupt) for n in (signal.SIGINT, signal.SIGTERM)}
    try:
        with monkeypatch.context() as patch:
            patch.setattr(owner, name, step_and_signal)
            for done in (1, 2) if where == "save" else (1, 1):
                result = go(sample, folder)
                assert result.interrupted
                # What is kept is on record, and the sum holds the whole of it.
                assert [e.status for e in result.ledger.chunks] == ["processed"] * done + ["missing"] * (
                    3 - done
                )
                assert len(list(folder.glob("*.npz"))) == done
        assert all(signal.getsignal(n) is interrupt for n in before)
        last = go(sample, folder)
    finally:
        for n, handler in before.items():
            signal.signal(n, handler)
    assert last.ledger.complete
    assert bits(last) == whole


def test_a_failing_processor_is_not_called_a_damaged_file(sample, tmp_path) -> None:
    text = USER.replace('"n": len(events)', '"n": open("corrections.json")')
    result = go(sample, None, user(tmp_path, 1.0, text))
    problem = result.ledger.problems()[0]
    assert "the processor failed (FileNotFoundError" in problem
    assert "[3 chunks, 900 events lost]" in problem
    result = go(sample, None, user(tmp_path, 1.0, USER.replace("return {", "return None and {")))
    assert "must return an accumulator" in result.ledger.problems()[0]


def test_a_file_replaced_while_the_run_goes_on(sample, tmp_path) -> None:
    other = eventfiles.write_nano(tmp_path / "new.root", eventfiles.make_events(900, seed=8))

    def replacing(function, items):
        shutil.copy(other, sample)
        for i, item in enumerate(items):
            yield i, function(item)

    result = go(sample, None, executor=replacing)
    assert "was replaced by another file while the run was going on" in result.ledger.problems()[0]


# ---- run folder


def test_run_folder_is_what_later_stages_read(sample, tmp_path) -> None:
    from massgap.contracts.run_folder import open_run
    from massgap.models.training.train_run import read_run_features

    signal = eventfiles.write_nano(tmp_path / "signal.root", eventfiles.make_events(500, seed=9), "v15")
    metadata = {"process": "slepton_110_80", "xsec_fb": 1.0, "is_signal": True, "is_data": False}
    fileset = {**fileset_of(sample), "signal": {"files": {str(signal): "Events"}, "metadata": metadata}}
    result = run(Slepton(features=True), fileset, allow_duplicates=True)
    out = write_run_folder(result, tmp_path / "run", analysis="slepton", command="massgap run", chunksize=5)
    opened = open_run(out)
    assert opened.signals == ("slepton_110_80",)
    assert opened.backgrounds == ("tt",)
    h = opened.histogram("met")
    assert h.view(flow=True).tobytes() == result.histograms["met"].view(flow=True).tobytes()
    assert [a.name for a in h.axes] == ["process", "region", "variation", "met"]
    features = read_run_features(out)
    assert len(features.table) == sum(len(t) for t in result.features.values())
    manifest = json.loads((out / "manifest.json").read_text())
    assert manifest["format"] == "massgap-run/1"
    assert manifest["processor"] == "massgap.processors.slepton:Slepton"
    assert manifest["datasets"]["tt"]["events"] == 900
    assert manifest["complete"] is True
    assert json.loads((out / "histograms.json").read_text())["unit"] == "fb"
    assert not list(out.rglob(".*"))
    assert manifest["features"] == {"signal": "features/signal.parquet", "tt": "features/tt.parquet"}
    # A second run in the same folder leaves nothing of the first.
    write_run_folder(run(Slepton(features=True), fileset_of(sample)), out, analysis="slepton")
    assert [p.name for p in (out / "features").iterdir()] == ["tt.parquet"]


def test_dataset_names_with_slashes(sample, tmp_path) -> None:
    fileset = {f"/TT{c}Jets/NANOAODSIM": fileset_of(sample)["tt"] for c in "/_"}
    result = run(Slepton(features=True), fileset, allow_duplicates=True)
    out = write_run_folder(result, tmp_path / "run", analysis="slepton")
    named = json.loads((out / "manifest.json").read_text())["features"]
    assert set(named) == set(fileset)
    assert len({(out / path).resolve() for path in named.values()}) == 2
    for path in named.values():
        assert (out / path).is_file()


@pytest.mark.parametrize(("events", "expected"), [(10_000, 1), (250_000, 3), (40_000_000, 80)])
def test_default_chunks_follow_the_number_of_events(events, expected) -> None:
    """100,000 events in a chunk of a small fileset, 500,000 in one of a large."""

    assert len(planning._chunks(_infos(events), planning.default_chunksize(_infos(events)))) == expected


def _infos(entries, clusters=()):
    from massgap.events.reading.files import FileInfo

    info = FileInfo("a.root", "Events", entries, "NanoAOD", "u", 1, (0, 0), True, None, tuple(clusters))
    return {("d", "a.root"): info}


def test_chunks_end_where_baskets_end() -> None:

    clusters = [0, 900, 2100, 2900, 4000]
    chunks = planning._chunks(_infos(4000, clusters), 1000)
    assert [(c.start, c.stop) for c in chunks] == [(0, 900), (900, 2100), (2100, 2900), (2900, 4000)]
    # Baskets that are too far away change nothing, and no event is lost or doubled.
    for width in (1, 7, 333, 1000, 1500, 4000, 9000):
        for ends in (clusters, [0, 4000], [0, 1, 3999, 4000], list(range(0, 4001, 50))):
            parts = planning._chunks(_infos(4000, ends), width)
            edges = [p.start for p in parts] + [parts[-1].stop]
            assert edges == sorted(set(edges))
            assert (edges[0], edges[-1]) == (0, 4000)
