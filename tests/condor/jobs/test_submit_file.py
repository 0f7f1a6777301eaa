"""Submit descriptions: HTCondor reads exactly what was meant, and what it cannot read is refused."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from paper_pool import _arguments

from massgap.condor.errors import CondorError
from massgap.condor.job_options import JobOptions
from massgap.condor.jobs.submit_file import Job, submit_description, table_of_jobs

NASTY = 'it\'s "my" $(x) $ENV(HOME); `rm` #1'


def described(folder: Path, options: JobOptions, **how) -> str:
    settings = {
        "title": "massgap slepton",
        "run": "0123",
        "submission": 0,
        "description": "massgap.sub",
        "table": "slices.txt",
        "jobs": 2,
        "log": "logs/massgap.log",
    }
    return submit_description(options, folder=folder, **{**settings, **how})


@pytest.fixture
def ads(tmp_path, monkeypatch):
    """What HTCondor makes of a description with two jobs."""
    htcondor = pytest.importorskip("htcondor", reason="htcondor<25 reads submit descriptions")
    monkeypatch.setenv("CONDOR_CONFIG", "/dev/null")
    monkeypatch.chdir(tmp_path)
    Path("job.sh").touch()
    Path("slices.txt").write_text(table_of_jobs([Job(0), Job(31, 2, kept=True)]))

    def read(text: str) -> list[dict]:
        rows = htcondor.Submit(text).jobs(clusterid=7)
        return [
            {key: ad.eval(key) if key != "OnExitRemove" else str(ad.lookup(key)) for key in ad} for ad in rows
        ]

    return read


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_htcondor_reads_what_was_meant(ads, tmp_path) -> None:
    options = JobOptions(
        memory="1.5GB",
        disk="500MB",
        cpus=2,
        walltime="1h30m",
        environment=f"/e n v/{NASTY}.tar.gz",
        python=f"/opt/{NASTY}/bin/python",
        submit_lines={"+JobFlavour": '"longlunch"', "accounting_group": "higgs"},
    )
    first, second = ads(described(tmp_path, options, title=NASTY, inputs=[f"{NASTY}.py"]))
    arguments = ["job-0031.json", f"/opt/{NASTY}/bin/python", f"{NASTY}.tar.gz"]
    assert _arguments(second["Arguments"]) == ["0031-2", *arguments]
    inputs = ["code.tar.gz", f"{NASTY}.py", f"/e n v/{NASTY}.tar.gz"]
    assert first["TransferInput"].split(",") == [*inputs, "job-0000.json"]
    assert second["TransferInput"].split(",") == [*inputs, "job-0031.json", "kept-0031-2"]
    assert [ad["TransferOutput"] for ad in (first, second)] == ["out-0000", "out-0031-2"]
    assert (second["MassgapSlice"], second["MassgapAttempt"], second["MassgapRun"]) == (31, 2, "0123")
    assert second["JobBatchName"] == NASTY
    assert second["Iwd"] == str(tmp_path)
    assert second["Err"] == "logs/0031-2.err"
    assert (second["RequestMemory"], second["RequestDisk"], second["RequestCpus"]) == (1536, 500 * 1024, 2)
    assert second["AllowedJobDuration"] == second["MaxRuntime"] == 5400
    assert second["WhenToTransferOutput"] == "ON_EXIT_OR_EVICT"
    assert second["ShouldTransferFiles"] == "YES"
    assert second["JobFlavour"] == "longlunch"
    assert second["AcctGroup"] == "higgs"
    assert second["JobMaxRetries"] == 3


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_folder_with_any_name(ads, tmp_path) -> None:
    folder = tmp_path / NASTY
    folder.mkdir()
    (folder / "job.sh").touch()
    row = ads(described(folder, JobOptions()))[0]
    assert row["Iwd"] == str(folder)
    assert row["UserLog"] == str(folder / "logs" / "massgap.log")
    assert _arguments(row["Arguments"])[2] == "python3"


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize(("code", "leaves"), [(0, True), (1, True), (3, True), (4, True), (75, False)])
def test_only_a_bad_machine_is_tried_again(ads, tmp_path, code, leaves) -> None:
    import classad

    ad = classad.ClassAd(
        {"NumJobCompletions": 1, "JobMaxRetries": 3, "ExitCode": code, "ExitBySignal": False}
    )
    ad["leaves"] = classad.ExprTree(ads(described(tmp_path, JobOptions()))[0]["OnExitRemove"])
    assert ad.eval("leaves") is leaves
    ad["NumJobCompletions"] = 4
    assert ad.eval("leaves") is True


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_an_image_is_named(ads, tmp_path) -> None:
    row = ads(described(tmp_path, JobOptions(image="/cvmfs/unpacked/my image:1")))[0]
    assert row["WantContainer"] is True
    assert row["ContainerImage"] == "/cvmfs/unpacked/my image:1"


def test_a_proxy_goes_along(tmp_path) -> None:
    # HTCondor reads the certificate when it reads the line, so that it is not asked here.
    text = described(tmp_path, JobOptions(proxy="/tmp/x509up $(x)"))
    assert "\nx509userproxy = /tmp/x509up $(DOLLAR)(x)\n" in text


def test_there_is_no_event_log_in_the_spool(tmp_path) -> None:
    text = described(tmp_path, JobOptions(spool=True), log=None)
    assert not re.search(r"^log\b", text, re.MULTILINE)
    assert "condor_submit -spool massgap.sub" in text


def test_every_block_of_the_description_says_what_it_is_for(tmp_path) -> None:
    text = described(tmp_path, JobOptions(walltime="8h", submit_lines={"+A": "1"}))
    for block in text.strip().split("\n\n")[1:-1]:
        assert block.startswith("#") or "output = " in block, block
    assert max(map(len, text.splitlines())) < 140


@pytest.mark.parametrize("bad", ["/a\nqueue 1000", "/a\\", " /a", "/a\x00"])
def test_what_no_line_can_mean_is_refused(tmp_path, bad) -> None:
    with pytest.raises(CondorError, match="submit description cannot hold this"):
        described(tmp_path, JobOptions(python=bad))
    with pytest.raises(CondorError, match="submit description cannot hold this"):
        described(Path(bad), JobOptions())
    with pytest.raises(CondorError, match="submit description cannot hold this"):
        described(tmp_path, JobOptions(), title=bad)


def test_a_comma_in_a_file_name_is_refused(tmp_path) -> None:
    with pytest.raises(CondorError, match=r"'a,b\.py'.*comma"):
        described(tmp_path, JobOptions(), inputs=["a,b.py"])
