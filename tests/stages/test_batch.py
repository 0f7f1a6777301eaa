"""massgap submit, status, resubmit, merge: a run as batch jobs, on a pool on paper."""

from __future__ import annotations

import fcntl
import json
import os
import subprocess
import sys
import tarfile
from typing import TYPE_CHECKING

import eventfiles
import pytest
from click.testing import CliRunner
from paper_pool import PaperPool, write_payload
from runs import fileset_of

from massgap.cli import main
from massgap.condor.jobs.job_record import locked

if TYPE_CHECKING:
    from pathlib import Path

pytest.importorskip("htcondor", reason="htcondor<25 reads the submit descriptions of these tests")
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")


# No compiled functions, so that a job takes no time; the slices of an analysis of massgap are in tests/processors.
ANALYSIS = """
import awkward as ak
import hist
from coffea import processor


class Count(processor.ProcessorABC):
    def process(self, events):
        out = hist.Hist(hist.axis.Regular(20, 0, 200, name="pt"), storage="weight")
        out.fill(ak.flatten(events.Muon.pt), weight=0.1)
        return {"pt": out, "events": len(events)}

    def postprocess(self, accumulator):
        return accumulator
"""


def invoke(*arguments) -> tuple[int, str]:
    done = CliRunner().invoke(main, [str(word) for word in arguments], catch_exceptions=False)
    assert "Traceback" not in done.output
    assert "fault of massgap" not in done.output, done.output
    return done.exit_code, done.output


@pytest.fixture(scope="module")
def whole(tmp_path_factory) -> Path:
    """A sample of nine chunks, and its run in one piece with the results of all chunks."""
    folder = tmp_path_factory.mktemp("batch")
    sample = eventfiles.write_nano(folder / "t t.root", eventfiles.make_events(900, seed=3))
    (folder / "fileset.json").write_text(json.dumps(fileset_of(sample)))
    (folder / "my analysis.py").write_text(ANALYSIS)
    code, output = invoke(
        *(
            "run",
            f"{folder / 'my analysis.py'}:Count",
            "--fileset",
            folder / "fileset.json",
            "--out",
            folder / "whole",
        ),
        *("--chunksize", "100", "--executor", "iterative"),
    )
    assert code == 0, output
    return folder


@pytest.fixture
def pool(tmp_path, monkeypatch, whole) -> PaperPool:
    made = PaperPool(tmp_path / "pool")
    monkeypatch.setenv("PATH", str(made.home / "bin"), prepend=os.pathsep)
    monkeypatch.delenv("X509_USER_PROXY", raising=False)
    return made


@pytest.fixture
def run(tmp_path) -> Path:
    return tmp_path / "my run"


@pytest.fixture
def submit(pool, whole, tmp_path, run):
    """Call massgap submit; jobs copy the results of the run in one piece."""
    payload = write_payload(tmp_path / "py thon")

    def call(*arguments, code: int = 0) -> str:
        done, output = invoke(
            *("submit", f"{whole / 'my analysis.py'}:Count", "--fileset", whole / "fileset.json"),
            *("--out", run, "--chunksize", "100"),
            *("--jobs", "3", "--python", payload, *arguments),
        )
        assert done == code, output
        return output

    return call


@pytest.fixture
def work(pool, whole):
    return lambda key, **how: pool.run(key, STORE=str(whole / "whole" / "checkpoints"), **how)


def did(run: Path, name: str) -> int:
    return len((run / "jobs" / f"out-{name}" / "did.txt").read_text().split())


def test_jobs_give_the_run_of_one_piece(submit, work, run, whole) -> None:
    output = submit("--memory", "3GB", "--walltime", "8h", "--submit-line", "+Flavour=1")
    assert "3 jobs with 9 chunks (900 events)" in output
    assert "submitted to cluster 1" in output
    text = (run / "jobs" / "massgap.sub").read_text()
    assert all(
        line in text for line in ("request_memory = 3072MB", "allowed_job_duration = 28800", "+Flavour = 1")
    )
    code, output = invoke("status", run)
    assert code == 3
    assert "3  idle" in output
    assert "chunks: 9, of which 0 done, 0 failed, 9 left" in output
    for k in (2, 0, 1):
        assert work(f"1.{k}") == 0
    code, output = invoke("status", run)
    assert code == 0
    assert f"Next: massgap merge '{run}'" in output
    code, output = invoke("merge", run)
    assert code == 0
    assert (run / "histograms.json").read_bytes() == (whole / "whole" / "histograms.json").read_bytes()
    ledger = json.loads((run / "ledger.json").read_text())
    assert ledger["complete"]
    manifest = json.loads((run / "manifest.json").read_text())
    assert manifest["analysis"] == f"{whole / 'my analysis.py'}:Count"
    assert invoke("status", run)[0] == 0
    # Merged, nothing is left to submit, and merging again is the same.
    assert "nothing to submit" in invoke("resubmit", run)[1]
    assert invoke("merge", run)[0] == 0


def test_a_dry_run_writes_and_submits_nothing(submit, pool, run, work) -> None:
    output = submit("--dry-run")
    assert "Nothing was submitted. This submits it: massgap resubmit" in output
    assert f"cd '{run}/jobs' && condor_submit massgap.sub" in output
    assert pool.calls == []
    names = {path.name for path in (run / "jobs").iterdir()}
    assert names >= {"massgap.sub", "slices.txt", "job.sh", "code.tar.gz", "plan.json", "job-0002.json"}
    code, output = invoke("status", run)
    assert code == 1
    assert "3  unsent" in output
    assert "submitted to cluster 1" in invoke("resubmit", run)[1]
    assert [path.name for path in (run / "jobs").glob("*.sub")] == ["massgap.sub"]
    assert work("1.0") == 0
    assert did(run, "0000") == 3


def test_a_dry_run_submitted_by_hand_is_known(submit, pool, run) -> None:
    submit("--dry-run")
    subprocess.run(["condor_submit", "massgap.sub"], cwd=run / "jobs", check=True, capture_output=True)
    assert invoke("status", run)[0] == 3
    assert "nothing to submit" in invoke("resubmit", run)[1]
    assert len(pool.queue) == 3


def test_what_is_not_done_is_submitted_again_and_the_rest_kept(submit, work, run, pool, whole) -> None:
    submit()
    assert work("1.0", LIMIT="1") == -9
    assert work("1.1", CODE="3") == 3
    assert work("1.2") == 0
    code, output = invoke("status", run)
    assert code == 1
    assert "1  done" in output
    assert "2  failed" in output
    assert "killed by signal 9: payload: the memory is full" in output
    assert "2x branch Muon_pt: bad" in output
    assert "chunks: 9, of which 5 done, 2 failed, 2 left" in output
    found = json.loads(invoke("status", run, "--json")[1])
    assert found["counts"] == {"failed": 2, "done": 1}
    assert [row["done"] for row in found["slices"]] == [1, 1, 3]
    assert found["slices"][0]["job"] == "1.0"
    assert found["needs_user"]

    code, output = invoke("merge", run)
    assert code == 1
    assert "2 of 3 slices (4 of 9 chunks) have no result yet: 2 failed" in output
    assert not (run / "histograms.json").exists()

    code, output = invoke("resubmit", run, "--memory", "4GB")
    assert code == 0
    assert "2 jobs" in output
    assert {key: ad["MassgapSlice"] for key, ad in pool.queue.items()} == {"2.0": 0, "2.1": 1}
    assert pool.queue["2.0"]["RequestMemory"] == 4096
    code, output = invoke("resubmit", run)
    assert "There is nothing to submit" in output
    assert "2 slices left alone: the job waits in the queue" in output
    assert len(pool.queue) == 2
    assert work("2.0") == work("2.1") == 0
    assert did(run, "0000-1") == did(run, "0001-1") == 2
    assert invoke("merge", run)[0] == 0
    assert (run / "histograms.json").read_bytes() == (whole / "whole" / "histograms.json").read_bytes()


def test_a_loss_is_accepted_on_request_and_mended_later(submit, work, run, whole) -> None:
    submit()
    assert work("1.0") == work("1.1") == 0
    assert work("1.2", CODE="3") == 3
    code, output = invoke("merge", run, "--accept-loss")
    assert code == 0
    assert "note: " in output
    assert "1 of 3 slices (2 of 9 chunks) have no result yet: 1 failed" in output
    assert "Accepted loss: branch Muon_pt: bad [2 chunks, 200 events lost]" in output
    ledger = json.loads((run / "ledger.json").read_text())
    failed = [chunk for chunk in ledger["chunks"] if chunk["status"] == "failed"]
    assert {(chunk["host"], chunk["attempts"]) for chunk in failed} == {("w1", 2)}
    # The results have moved to RUN/checkpoints; the next attempt takes them from there.
    invoke("resubmit", run)
    assert work("2.0") == 0
    assert did(run, "0002-1") == 2
    assert invoke("merge", run)[0] == 0
    assert (run / "histograms.json").read_bytes() == (whole / "whole" / "histograms.json").read_bytes()


def test_held_jobs_are_told_and_replaced_on_request(submit, pool, run, work) -> None:
    submit()
    pool.hold("1.1", "memory usage exceeded request_memory")
    code, output = invoke("status", run)
    assert code == 1
    assert "held 1x, e.g. job 1.1 (slice 1): memory usage exceeded request_memory" in output
    assert "--held" in output
    output = invoke("resubmit", run)[1]
    assert "1 slice left alone: the job is held; --held removes and replaces it" in output
    code, output = invoke("resubmit", run, "--held", "--memory", "4GB")
    assert code == 0
    assert sorted(pool.queue) == ["1.0", "1.2", "2.0"]
    assert pool.queue["2.0"]["RequestMemory"] == 4096
    assert invoke("status", run)[0] == 3


def test_lost_jobs_are_replaced_only_on_request(submit, pool, run) -> None:
    submit()
    pool.forget("1.1")
    code, output = invoke("status", run)
    assert code == 1
    assert "1  lost" in output
    assert "--lost" in output
    assert "nothing to submit" in invoke("resubmit", run)[1]
    assert invoke("resubmit", run, "--lost")[0] == 0
    assert pool.queue["2.0"]["MassgapSlice"] == 1


def test_a_removed_job_is_submitted_again(submit, pool, run) -> None:
    submit()
    subprocess.run(["condor_rm", "1.1"], check=True)
    code, output = invoke("status", run)
    assert code == 1
    assert "removed 1x, e.g. job 1.1 (slice 1): via condor_rm (by user)" in output
    invoke("resubmit", run)
    assert sorted(pool.queue) == ["1.0", "1.2", "2.0"]


def test_spooled_output_is_fetched(submit, pool, run, work, whole) -> None:
    submit("--spool")
    for k in range(3):
        assert work(f"1.{k}") == 0
    assert "3  fetch" in invoke("status", run, "--no-fetch")[1]
    code, output = invoke("status", run)
    assert code == 0
    assert "note: fetched the output of 3 jobs from the spool" in output
    assert pool.queue == {}
    assert invoke("merge", run)[0] == 0
    assert (run / "histograms.json").read_bytes() == (whole / "whole" / "histograms.json").read_bytes()


def test_merge_fetches_by_itself(submit, run, work) -> None:
    submit("--spool")
    for k in range(3):
        work(f"1.{k}")
    assert invoke("merge", run)[0] == 0


def test_more_jobs_than_chunks_are_told(submit) -> None:
    output = submit("--dry-run", "--jobs", "20")
    assert (
        "note: there are 9 chunks, not enough for 20 jobs: a smaller --chunksize than 100 makes more"
        in output
    )
    assert "9 jobs with 9 chunks" in output


def test_a_folder_is_not_submitted_twice(submit, pool) -> None:
    submit()
    output = submit(code=1)
    assert "holds the jobs of an earlier massgap submit" in output
    assert "massgap status" in output
    assert len(pool.queue) == 3


def test_what_was_interrupted_before_it_was_submitted_is_begun_again(submit, run, pool) -> None:
    submit("--dry-run")
    (run / "jobs" / "submissions.json").unlink()
    assert "use massgap submit" in invoke("resubmit", run)[1]
    submit()
    assert len(pool.queue) == 3


@pytest.mark.parametrize(("moment", "queued"), [("before", 0), ("after", 3)])
def test_a_killed_submit_leaves_no_slice_with_two_jobs(submit, pool, run, moment, queued) -> None:
    submit("--dry-run")
    pool.wrong("condor_submit", kills=moment)
    done = subprocess.run(
        [sys.executable, "-m", "massgap", "resubmit", run], check=False, capture_output=True
    )
    assert done.returncode == -9
    assert len(pool.queue) == queued
    pool.wrong("condor_submit")
    # condor_submit outlives its command for a moment, and the folder stays locked for as long.
    with (run / "jobs" / ".lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
    assert invoke("resubmit", run)[0] == 0
    assert sorted(ad["MassgapSlice"] for ad in pool.queue.values()) == [0, 1, 2]
    assert invoke("status", run)[0] == 3


def test_without_condor_nothing_is_planned(submit, run, monkeypatch) -> None:
    monkeypatch.setenv("PATH", "/nonexistent")
    output = submit(code=1)
    assert "condor_submit is not on the PATH: run this on a submit host" in output
    assert not (run / "jobs" / "plan.json").exists()
    assert "Nothing was submitted" in submit("--dry-run")
    assert "condor_q is not on the PATH" in invoke("status", run)[1]
    code, output = invoke("merge", run)
    assert code == 1
    assert (
        "3 of 3 slices (9 of 9 chunks) have no result yet. What became of the jobs is not known: condor_q is not"
        in output
    )


def test_results_are_merged_without_condor(submit, run, work, monkeypatch) -> None:
    submit()
    for k in range(3):
        work(f"1.{k}")
    monkeypatch.setenv("PATH", "/nonexistent")
    assert invoke("status", run)[0] == 0
    assert invoke("merge", run)[0] == 0


def test_what_htcondor_refuses_is_told(submit, run, pool) -> None:
    pool.wrong("condor_submit", says="ERROR: Can't find address of local schedd")
    output = submit(code=1)
    assert "ERROR: Can't find address of local schedd" in output
    assert f"massgap resubmit '{run}' submits them" in output
    pool.wrong("condor_submit")
    assert invoke("resubmit", run)[0] == 0
    assert len(pool.queue) == 3


def test_resubmit_without_an_answer_of_the_queue_submits_nothing(submit, run, pool) -> None:
    submit()
    pool.wrong("condor_q", says="Failed to connect to the schedd")
    code, output = invoke("resubmit", run, "--lost", "--held")
    assert code == 1
    assert "Failed to connect to the schedd" in output
    assert len(pool.queue) == 3


def test_another_command_at_work_is_respected(submit, run) -> None:
    submit()
    with locked(run / "jobs"):
        assert "another massgap command works on these jobs" in invoke("resubmit", run)[1]
        code, output = invoke("status", run)
    assert code == 3
    assert "3  idle" in output


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (("--environment", "nosuch.tar.gz"), "--environment nosuch.tar.gz: is no archive"),
        (("--memory", "2000"), "write a size with its unit"),
        (("--submit-line", "queue=5"), "massgap writes this line itself"),
        (("--jobs", "0"), "at least 1"),
        (("--chunks-per-job", "2"), "not both"),
    ],
)
def test_wrong_options_are_told_before_any_work(submit, run, arguments, words) -> None:
    assert words in submit("--dry-run", *arguments, code=1)
    assert not (run / "jobs" / "plan.json").exists()


def test_a_name_that_htcondor_cannot_read_is_told_before_any_work(submit, whole, tmp_path) -> None:
    run = tmp_path / "new\nline"
    code, output = invoke("submit", "slepton", "--fileset", whole / "fileset.json", "--out", run, "--dry-run")
    assert code == 1
    assert "a submit description cannot hold this" in output
    assert not (run / "jobs").exists()


@pytest.mark.parametrize("command", ["status", "resubmit", "merge"])
def test_a_folder_without_jobs_is_told(pool, tmp_path, command) -> None:
    code, output = invoke(command, tmp_path)
    assert code == 1
    assert "holds no jobs of massgap submit" in output


def test_work_ends_with_the_code_that_says_what_is_wrong(submit, run, tmp_path) -> None:
    submit("--dry-run")
    job = run / "jobs" / "job-0000.json"
    content = json.loads(job.read_text())
    job.write_text(json.dumps({**content, "code": "0" * 64}))
    code, output = invoke("work", job, "--out", tmp_path / "out")
    assert code == 4
    assert "digest" in output
    content["chunks"][1]["path"] = str(tmp_path / "gone.root")
    job.write_text(json.dumps(content))
    code, output = invoke("work", job, "--out", tmp_path / "out")
    assert code == 3
    assert "gone.root" in output
    assert len(list((tmp_path / "out").glob("*.npz"))) == 2


def test_the_environment_goes_along_where_no_files_are_shared(
    submit, pool, run, work, whole, monkeypatch
) -> None:
    def pack(archive, **_):
        write_payload(run / "env" / "bin" / "python")
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(run / "env" / "bin", "bin")

    monkeypatch.setattr("massgap.condor.shipping.environment.pack_environment", pack)
    monkeypatch.setattr("massgap.condor.commands.shares_files", lambda: False)
    code, output = invoke(
        *("submit", f"{whole / 'my analysis.py'}:Count", "--fileset", whole / "fileset.json"),
        *("--out", run, "--chunksize", "100", "--jobs", "3"),
    )
    assert code == 0, output
    assert "the environment is packed and goes along with each job" in output
    assert work("1.0") == 0
    # What is sent again takes the same environment.
    pool.forget("1.1")
    invoke("resubmit", run, "--lost")
    assert work("2.0") == 0
    assert did(run, "0001-1") == 3


def test_an_archive_of_an_environment_can_be_named(pool, run, work, whole, tmp_path) -> None:
    write_payload(tmp_path / "env" / "bin" / "python")
    with tarfile.open(tmp_path / "e n v.tgz", "w:gz") as tar:
        tar.add(tmp_path / "env" / "bin", "bin")
    code, output = invoke(
        *("submit", f"{whole / 'my analysis.py'}:Count", "--fileset", whole / "fileset.json"),
        *("--out", run, "--chunksize", "100", "--jobs", "3", "--environment", tmp_path / "e n v.tgz"),
    )
    assert code == 0, output
    assert work("1.2") == 0


def test_a_job_with_the_real_python_gives_the_same_bits(pool, whole, run, monkeypatch) -> None:
    monkeypatch.chdir(whole)
    code, output = invoke(
        *("submit", "./my analysis.py:Count", "t t.root", "--process", "tt", "--xsec", "100", "--out", run),
        *("--chunksize", "100", "--jobs", "2", "--simulation"),
    )
    assert code == 0, output
    assert pool.run("1.0") == pool.run("1.1") == 0
    # Merged from elsewhere, although the analysis and the file were named relative to a folder.
    monkeypatch.chdir(run)
    assert invoke("merge", run)[0] == 0
    assert (run / "histograms.json").read_bytes() == (whole / "whole" / "histograms.json").read_bytes()
