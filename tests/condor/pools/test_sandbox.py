"""What a job finds, and what of it goes back."""

from __future__ import annotations

import importlib.util
import subprocess
from typing import TYPE_CHECKING

import pytest
from standin_jobs import TRANSFER, description, read, until

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from standin import Standin

    Start = Callable[..., Standin]

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("htcondor") is None, reason="the stand-in pool needs htcondor>=24,<25"
)


def test_without_shared_files_a_job_has_what_is_brought(standin: Start, tmp_path: Path, monkeypatch) -> None:
    monkeypatch.setenv("OF_THE_SUBMITTER", "1")
    pool = standin(shared_fs=False)
    (tmp_path / "one file").write_text("1")
    (tmp_path / "folder" / "deep").mkdir(parents=True)
    (tmp_path / "folder" / "deep" / "two").write_text("2")
    (tmp_path / "content").mkdir()
    (tmp_path / "content" / "three").write_text("3")
    (tmp_path / "run.sh").write_text(
        '#!/bin/sh\nls -d * folder/deep/*\n[ "$PWD" = "$_CONDOR_SCRATCH_DIR" ] && [ "$TMPDIR" = "$PWD" ] && echo box\n'
        "echo ${OF_THE_SUBMITTER:-clean} $HOME; echo wrong >&2\n"
    )
    cluster = pool.submit(
        "executable = run.sh\ntransfer_input_files = one file, folder, content/\noutput = out\nerror = err\nqueue\n",
        cwd=tmp_path,
    )
    pool.wait_for(cluster, "completed")
    lines = read(tmp_path / "out").splitlines()
    assert {"one file", "folder", "folder/deep/two", "three", "box", "clean /dev/null"} <= set(lines)
    assert "content" not in lines
    assert read(tmp_path / "err") == "wrong\n"
    assert list((pool.folder / "execute").iterdir()) == []


def test_with_shared_files_a_job_runs_where_it_was_submitted(standin: Start, tmp_path: Path) -> None:
    pool = standin()
    cluster = pool.submit(description("output = out", script="pwd; sleep 900"), cwd=tmp_path)
    pool.wait_for(cluster, "running")
    assert until(lambda: read(tmp_path / "out") == f"{tmp_path}\n")


def test_output_goes_back_at_the_end(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    (tmp_path / "sub").mkdir()
    lines = [
        "transfer_output_files = a, folder, deep/c",
        'transfer_output_remaps = "a = sub/a b; c=sub/d"',
        "output = out",
        "initialdir = .",
    ]
    script = "echo o; sleep 1; mkdir folder deep; touch not; echo a > a; echo b > folder/b; echo c > deep/c"
    cluster = pool.submit(description(*TRANSFER, *lines, script=script), cwd=tmp_path)
    pool.wait_for(cluster, "running")
    assert not (tmp_path / "out").exists()
    pool.wait_for(cluster, "completed")
    assert read(tmp_path / "out") == "o\n"
    assert read(tmp_path / "sub" / "a b") == "a\n"
    assert read(tmp_path / "folder" / "b") == "b\n"
    assert read(tmp_path / "sub" / "d") == "c\n" or read(tmp_path / "c") == "c\n"
    assert not (tmp_path / "not").exists()


def test_new_files_go_back_by_default_and_folders_do_not(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    (tmp_path / "given").write_text("old")
    script = "echo new > given; touch made; mkdir folder"
    cluster = pool.submit(description("transfer_input_files = given", script=script), cwd=tmp_path)
    pool.wait_for(cluster, "completed")
    assert (tmp_path / "made").exists()
    assert not (tmp_path / "folder").exists()
    assert read(tmp_path / "given") == "old"
    nothing = description('transfer_output_files = ""', script="touch other")
    pool.wait_for(pool.submit(nothing, cwd=tmp_path), "completed")
    assert not (tmp_path / "other").exists()


def test_a_stream_is_seen_at_once(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    pool.submit(description("output = out", "stream_output = True", script="echo o; sleep 900"), cwd=tmp_path)
    assert until(lambda: read(tmp_path / "out") == "o\n")


def test_condor_tail_reads_what_a_running_job_says(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    script = "echo out; echo err >&2; echo file > my.log; sleep 900"
    cluster = pool.submit(description("output = o", "error = e", script=script), cwd=tmp_path)
    pool.wait_for(cluster, "running")
    assert until(lambda: pool.tool("condor_tail", f"{cluster}.0", "my.log") == "file\n")
    assert pool.tool("condor_tail", f"{cluster}") == "out\n"
    assert pool.tool("condor_tail", "-stderr", "-maxbytes", "3", f"{cluster}.0") == "rr\n"
    pool.hold(cluster)
    pool.wait_for(cluster, "held")
    assert until(lambda: pool.job(cluster).get("RemoteHost") is None)
    with pytest.raises(subprocess.CalledProcessError):
        pool.tool("condor_tail", f"{cluster}.0")


def test_spooled_input_is_copied_and_output_waits(standin: Start, tmp_path: Path) -> None:
    pool = standin(shared_fs=False)
    (tmp_path / "in").write_text("first")
    (tmp_path / "logs").mkdir()
    (tmp_path / "run.sh").write_text(
        "#!/bin/sh\nsleep 0.5; mkdir result; cp in result; echo said; echo x > x\n"
    )
    lines = [
        "transfer_input_files = in",
        "transfer_output_files = result, x",
        "output = logs/out",
        "log = log",
    ]
    text = "\n".join(["executable = run.sh", *lines, 'transfer_output_remaps = "x=logs/y"', "queue", ""])
    cluster = pool.submit(text, "-spool", cwd=tmp_path)
    (job,) = pool.jobs()
    assert (job["state"], job["HoldReasonCode"]) == ("held", 16)
    assert job["HoldReason"] == "Spooling input data files"
    with pytest.raises(subprocess.CalledProcessError):
        pool.tool("condor_release", f"{cluster}.0")
    (tmp_path / "in").write_text("changed")
    (tmp_path / "run.sh").unlink()
    row = pool.wait_for(cluster, "completed")
    assert row in pool.jobs(), "it stays in the queue until it is removed"
    assert not (tmp_path / "result").exists()
    assert not (tmp_path / "log").exists()
    assert "Job terminated" in read(pool.folder / "spool" / f"{cluster}.0" / "log")
    pool.tool("condor_transfer_data", f"{cluster}.0")
    assert read(tmp_path / "result" / "in") == "first"
    assert read(tmp_path / "logs" / "out") == "said\n"
    assert read(tmp_path / "logs" / "y") == "x\n"
    pool.tool("condor_rm", str(cluster))
    pool.wait(lambda jobs: not jobs)
    assert list((pool.folder / "spool").iterdir()) == []
