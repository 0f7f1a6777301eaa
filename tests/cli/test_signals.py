"""Ctrl-C and killed workers: one message, finished chunks kept, nobody left behind, the same bits in the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import eventfiles
import pytest

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="looks for processes in /proc")

SLOW = """
import os
import time
from massgap.processors import Slepton

class Slow(Slepton):
    def process(self, events):
        time.sleep(float(os.environ["PAUSE"]))
        return super().process(events)
"""
PATIENCE = 400.0
"""Seconds after which something is taken to hang, on however slow a machine."""
# Many and slow enough that a busy machine cannot finish them between a look and a signal.
CHUNKS = 48


def session(leader: int) -> dict[int, str]:
    """Processes of a session: pid -> command line."""
    found = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            with contextlib.suppress(OSError, IndexError):
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[3]) == leader and fields[0] != "Z":
                    found[int(entry.name)] = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
    return found


def wait_for(condition, seconds: float = PATIENCE) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.05)
    return False


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("signals")
    eventfiles.write_nano(folder / "tt.root", eventfiles.make_events(240, seed=6), "v12")
    (folder / "slow.py").write_text(SLOW)
    return folder


def start(place: Path, out: str, executor: str, pause: str | None = None) -> subprocess.Popen[str]:
    words = [
        sys.executable,
        "-m",
        "massgap",
        "run",
        "./slow.py:Slow",
        "tt.root",
        "--xsec",
        "10",
        "--chunksize",
        "5",
    ]
    words += ["--out", out, "--executor", executor]
    if pause is None:
        pause = "0.4" if executor == "futures" else "0"
    return subprocess.Popen(
        words,
        env=os.environ | {"PAUSE": pause},
        cwd=place,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        # Tests that run in the background of a shell have inherited that Ctrl-C is ignored.
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # noqa: PLW1509
    )


def finish(process: subprocess.Popen[str]) -> tuple[int, str, str]:
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise
    assert wait_for(lambda: not session(process.pid)), session(process.pid)
    assert "Traceback" not in err
    return process.returncode, out, err


def kept(folder: Path) -> int:
    return len(list((folder / "checkpoints").glob("*.npz")))


def statuses(folder: Path) -> dict[str, int]:
    chunks = json.loads((folder / "ledger.json").read_text())["chunks"]
    assert len(chunks) == CHUNKS
    return {s: sum(c["status"] == s for c in chunks) for s in ("processed", "failed", "missing")}


def as_if_undisturbed(place: Path, run: Path, out: str) -> None:
    """The run folder, and what the command printed, are those of a run that nobody disturbed."""
    code, whole, err = finish(start(place, "undisturbed", "iterative"))
    assert code == 0, err
    assert out.splitlines()[:-1] == whole.splitlines()[:-1]
    for name in ("histograms.json", "cutflow.json"):
        assert (run / name).read_bytes() == (place / "undisturbed" / name).read_bytes()
    assert statuses(run) == {"processed": CHUNKS, "failed": 0, "missing": 0}


def test_killed_worker_then_ctrl_c_then_the_end(place) -> None:
    run = place / "run"
    # 1. A worker is killed, as by the kernel when memory runs out: it is replaced, and the run goes on.
    process = start(place, "run", "futures")
    assert wait_for(lambda: kept(run) >= 2), finish(process)
    workers = [pid for pid, line in session(process.pid).items() if "popen_loky" in line]
    assert len(workers) == 2
    before = kept(run)
    os.kill(workers[0], signal.SIGKILL)
    assert wait_for(lambda: kept(run) > before + 2), finish(process)
    os.killpg(process.pid, signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130
    first = statuses(run)
    assert first["processed"] == kept(run) >= 2
    assert first["missing"] > 0
    assert not list(run.rglob("*.part"))

    # 2. The same command goes on; Ctrl-C reaches the whole process group.
    process = start(place, "run", "futures")
    assert wait_for(lambda: kept(run) > first["processed"]), finish(process)
    os.killpg(process.pid, signal.SIGINT)
    code, _, err = finish(process)
    assert code == 130
    assert "Interrupted after" in err
    second = statuses(run)
    assert first["processed"] < second["processed"] == kept(run)
    assert second["missing"] > 0
    assert not list(run.rglob("*.part"))
    ledger = json.loads((run / "ledger.json").read_text())
    assert ledger["interrupted"] is True
    assert ledger["complete"] is False

    # 3. The same command once more comes to the end, with the numbers of a run that nobody disturbed.
    code, out, err = finish(start(place, "run", "iterative"))
    assert code == 0, err
    assert f"{second['processed']} of {CHUNKS} chunks were already finished" in err
    as_if_undisturbed(place, run, out)


@pytest.mark.parametrize("executor", ["futures", "dask"])
def test_the_driver_is_killed_again_and_again(place, executor) -> None:
    """kill -9 of the process that has the ledger: what is kept is good, nobody is left behind, the same command goes on."""
    run = place / f"killed-{executor}"
    kept_before = 0
    for _ in range(2):
        process = start(place, run.name, executor, pause="0.3")
        assert wait_for(lambda: kept(run) > kept_before + 1), finish(process)  # noqa: B023
        os.kill(process.pid, signal.SIGKILL)
        process.communicate(timeout=PATIENCE)
        assert wait_for(lambda: not session(process.pid)), session(process.pid)  # noqa: B023
        assert not (run / "manifest.json").exists()
        kept_before = kept(run)
    code, out, err = finish(start(place, run.name, executor, pause="0"))
    assert code == 0, err
    assert f"{kept_before} of {CHUNKS} chunks were already finished" in err
    as_if_undisturbed(place, run, out)
