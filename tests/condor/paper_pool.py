"""An HTCondor pool on paper: its tools over a file, where a job runs, is held or dies when the test says so.

The submit description is read by HTCondor's own code (``htcondor.Submit``), expressions are evaluated by ``classad``; the queue, the
sandbox, the transfer of files, the spool and the event log are written here, and nothing happens by itself.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import warnings
from pathlib import Path

TOOLS = ("condor_submit", "condor_q", "condor_history", "condor_rm", "condor_transfer_data")
PLAIN = (
    "ClusterId",
    "ProcId",
    "JobBatchName",
    "MassgapRun",
    "MassgapSubmission",
    "MassgapSlice",
    "MassgapAttempt",
    "Iwd",
    "Cmd",
    "Arguments",
    "TransferInput",
    "TransferOutput",
    "UserLog",
    "Out",
    "Err",
    "RequestMemory",
    "RequestDisk",
)


PAYLOAD = """
import json, os, shutil, signal, sys
job, out = sys.argv[4], sys.argv[6]
limit, store, code = int(os.environ.get("LIMIT", 99)), os.environ.get("STORE"), int(os.environ.get("CODE", 0))
slice_ = json.load(open(job))
with open(out + "/did.txt", "a") as did:
    for key in slice_["keys"]:
        if os.path.exists(f"{out}/{key}.npz"):
            continue
        if not limit:
            print("payload: the memory is full", file=sys.stderr, flush=True)
            os.kill(os.getpid(), signal.SIGKILL)
        limit -= 1
        shutil.copy(f"{store}/{key}.npz", out) if store else open(f"{out}/{key}.npz", "w").close()
        print(key, file=did, flush=True)
        if code:
            break
if code:
    chunks = [{"status": "failed", "error": "branch Muon_pt: bad", "exception": "E", "host": "w1", "attempts": 2, "dataset": c["dataset"],
               "file": c["path"], "start": c["start"]} for c in slice_["chunks"][1:]]
    json.dump({"chunks": chunks, "complete": False}, open(out + "/ledger.json", "w"))
    print("payload: some chunks failed", file=sys.stderr)
sys.exit(code)
"""


def write_payload(path: Path) -> Path:
    """A stand-in for Python on the worker: it leaves a result for each chunk of its slice.

    LIMIT chunks are done before it dies, results are copied from STORE, and with CODE only the first chunk is done.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!{sys.executable}{PAYLOAD}")
    path.chmod(0o755)
    return path


class PaperPool:
    """The pool, for the test: ``home`` holds everything, ``home / "bin"`` goes in front of PATH."""

    def __init__(self, home: Path) -> None:
        self.home = home
        (home / "bin").mkdir(parents=True)
        for tool in TOOLS:
            path = home / "bin" / tool
            path.write_text(f'#!/bin/sh\nexec "{sys.executable}" "{__file__}" "{home}" {tool} "$@"\n')
            path.chmod(0o755)
        with self.state(new=True):
            pass

    @contextlib.contextmanager
    def state(self, new: bool = False):
        """The queue, the history, the calls of tools, and what tools shall do wrong; written back at the end."""
        with (self.home / "lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            path = self.home / "state.json"
            empty = {"next": 1, "queue": {}, "history": [], "calls": [], "wrong": {}}
            content = empty if new else json.loads(path.read_text())
            yield content
            path.write_text(json.dumps(content))

    @property
    def queue(self) -> dict:
        with self.state() as state:
            return state["queue"]

    @property
    def calls(self) -> list:
        with self.state() as state:
            return state["calls"]

    def wrong(self, tool: str, **what) -> None:
        """From now on a tool fails (``says``), kills the command that called it (``kills``), or knows its jobs with -name only."""
        with self.state() as state:
            state["wrong"][tool] = what

    def event(self, ad: dict, number: int, words: str) -> None:
        if ad.get("UserLog"):
            with Path(ad["UserLog"]).open("a") as log:
                log.write(
                    f"{number:03d} ({ad['ClusterId']:03d}.{ad['ProcId']:03d}.000) 2026-01-01 00:00:00 {words}\n...\n"
                )

    def hold(self, key: str, reason: str) -> None:
        with self.state() as state:
            state["queue"][key] |= {"JobStatus": 5, "HoldReason": reason}
            self.event(state["queue"][key], 12, f"Job was held.\n\t{reason}\n\tCode 34 Subcode 0")

    def start(self, key: str) -> None:
        with self.state() as state:
            state["queue"][key]["JobStatus"] = 2
            self.event(state["queue"][key], 1, "Job executing on host: <127.0.0.1:0>")

    def forget(self, key: str) -> None:
        """Drop a job from the queue without a trace."""
        with self.state() as state:
            del state["queue"][key]

    def run(
        self, key: str, *, evict: bool = False, log: bool = True, history: bool = True, **environment: str
    ) -> int:
        """Run a job in a sandbox and end it as HTCondor would; returns its exit code, negative for a signal."""
        ad = self.queue[key]
        self.start(key)
        box = self.home / "execute" / f"{key}-{time.monotonic_ns()}"
        box.mkdir(parents=True)
        spool = self.home / "spool" / key
        base = spool if ad["spooled"] else Path(ad["Iwd"])
        names = [name.strip() for name in ad["TransferInput"].split(",") if name.strip()]
        for name in names if not ad["spooled"] else [Path(name).name for name in names]:
            _copy(base / name, box)
        if not ad["spooled"] and spool.is_dir():
            for path in spool.iterdir():
                _copy(path, box)
        _copy(base / Path(ad["Cmd"]).name, box)
        with (box / "_out").open("wb") as out, (box / "_err").open("wb") as err:
            done = subprocess.run(
                [box / Path(ad["Cmd"]).name, *_arguments(ad["Arguments"])],
                cwd=box,
                env={"PATH": os.environ["PATH"], **environment},
                stdout=out,
                stderr=err,
                check=False,
            )
        code = done.returncode
        for output in ad["TransferOutput"].split(","):
            assert (box / output).exists(), "HTCondor would hold this job: its output is missing"
            spool.mkdir(parents=True, exist_ok=True)
            _copy(box / output, spool if evict or ad["spooled"] else Path(ad["Iwd"]))
        if evict:
            with self.state() as state:
                state["queue"][key]["JobStatus"] = 1
            self.event(ad, 4, "Job was evicted.")
            return code
        for attribute, name in (("Out", "_out"), ("Err", "_err")):
            shutil.copy(box / name, spool / name if ad["spooled"] else Path(ad["Iwd"]) / ad[attribute])
        self._end(key, code, log, history)
        return code

    def _end(self, key: str, code: int, log: bool, history: bool) -> None:
        with self.state() as state:
            ad = state["queue"][key]
            ended = {"ExitBySignal": code < 0, "ExitSignal" if code < 0 else "ExitCode": abs(code)}
            ad["NumJobCompletions"] = ad.get("NumJobCompletions", 0) + 1
            if _evaluate(ad["OnExitRemove"], {**ad, **ended}) is not True:
                ad["JobStatus"] = 1
                self.event(ad, 4, "Job was evicted.\n\t(0) Job terminated and was requeued")
                return
            words = (
                f"(1) Normal termination (return value {code})"
                if code >= 0
                else f"(0) Abnormal termination (signal {-code})"
            )
            if log:
                self.event(ad, 5, f"Job terminated.\n\t{words}")
            ad |= {"JobStatus": 4, **ended}
            if not ad["spooled"]:
                del state["queue"][key]
                if history:
                    state["history"].insert(0, ad)


def _copy(source: Path, folder: Path) -> None:
    if source.is_dir():
        shutil.copytree(source, folder / source.name, dirs_exist_ok=True)
    else:
        shutil.copy(source, folder)


def _arguments(text: str) -> list[str]:
    """Arguments as they stand in a job's ad: blanks part, single quotes keep, two of them are one."""
    words, word, quoted, any_, k = [], "", False, False, 0
    while k < len(text):
        c = text[k]
        if quoted and text[k : k + 2] == "''":
            word, k = word + "'", k + 1
        elif c == "'":
            quoted, any_ = not quoted, True
        elif c == " " and not quoted:
            words, word, any_ = words + ([word] if word or any_ else []), "", False
        else:
            word += c
        k += 1
    return words + ([word] if word or any_ else [])


def _evaluate(expression: str, attributes: dict):
    import classad

    ad = classad.ClassAd({k: v for k, v in attributes.items() if isinstance(v, str | int | bool)})
    ad["_value"] = classad.ExprTree(expression)
    return ad.eval("_value")


# ------------------------------------------------------------------ the tools, in processes of their own


def _tool(pool: PaperPool, tool: str, arguments: list[str]) -> None:
    options, plain = {}, []
    words = iter(arguments)
    for word in words:
        if word in ("-spool", "-json"):
            options[word] = True
        elif word.startswith("-"):
            options[word] = next(words)
        else:
            plain.append(word)
    with pool.state() as state:
        state["calls"].append([tool, *arguments])
        wrong = state["wrong"].get(tool, {})
    if wrong.get("says"):
        print(wrong["says"], file=sys.stderr)
        sys.exit(1)
    if wrong.get("kills") == "before":
        os.kill(os.getppid(), signal.SIGKILL)
        sys.exit(1)
    if wrong.get("only_with_name") and "-name" not in options:
        return
    if tool == "condor_submit":
        _submit(pool, plain[0], spool="-spool" in options)
    else:
        with pool.state() as state:
            _other(pool, state, tool, options, plain)
    if wrong.get("kills") == "after":
        os.kill(os.getppid(), signal.SIGKILL)


def _submit(pool: PaperPool, name: str, *, spool: bool) -> None:
    warnings.simplefilter("ignore")
    os.environ["CONDOR_CONFIG"] = os.devnull
    import htcondor

    description = htcondor.Submit(Path(name).read_text())
    with pool.state() as state:
        cluster = state["next"]
        ads = list(description.jobs(clusterid=cluster))
        for process, ad in enumerate(ads):
            row = {key: ad.eval(key) for key in PLAIN if key in ad}
            row |= {
                "ProcId": process,
                "JobStatus": 1,
                "spooled": spool,
                "JobMaxRetries": ad.get("JobMaxRetries", 0),
            }
            row |= {
                "OnExitRemove": str(ad.lookup("OnExitRemove")),
                "GlobalJobId": f"paper@host#{cluster}.{process}#1",
            }
            assert str(ad["WhenToTransferOutput"]) == "ON_EXIT_OR_EVICT"
            key = f"{cluster}.{process}"
            if spool:
                folder = pool.home / "spool" / key
                folder.mkdir(parents=True)
                for path in [row["Cmd"], *row["TransferInput"].split(",")]:
                    _copy(Path(row["Iwd"]) / path.strip(), folder)
            state["queue"][key] = row
            pool.event(row, 0, "Job submitted from host: <127.0.0.1:0>")
        state["next"] += 1
    print(f"Submitting job(s)..\n{len(ads)} job(s) submitted to cluster {cluster}.")


def _other(pool: PaperPool, state: dict, tool: str, options: dict, ids: list[str]) -> None:
    rows = state["history"] if tool == "condor_history" else list(state["queue"].values())
    if "-constraint" in options:
        rows = [ad for ad in rows if _evaluate(options["-constraint"], ad) is True]
    if ids:
        rows = [ad for ad in rows if {str(ad["ClusterId"]), f"{ad['ClusterId']}.{ad['ProcId']}"} & set(ids)]
    if tool in ("condor_q", "condor_history"):
        wanted = options["-attributes"].split(",")
        rows = rows[: int(options.get("-limit", len(rows)))]
        if rows:
            print(json.dumps([{name: ad[name] for name in wanted if name in ad} for ad in rows], indent=1))
        return
    for ad in rows:
        key = f"{ad['ClusterId']}.{ad['ProcId']}"
        spool = pool.home / "spool" / key
        if tool == "condor_transfer_data":
            _copy(spool / ad["TransferOutput"], Path(ad["Iwd"]))
            for attribute, name in (("Out", "_out"), ("Err", "_err")):
                shutil.copy(spool / name, Path(ad["Iwd"]) / ad[attribute])
        else:
            shutil.rmtree(spool, ignore_errors=True)
            del state["queue"][key]
            state["history"].insert(0, {**ad, "JobStatus": 4 if ad["JobStatus"] == 4 else 3})
            pool.event(ad, 9, "Job was aborted.\n\tvia condor_rm (by user)")


if __name__ == "__main__":
    pool_ = PaperPool.__new__(PaperPool)
    pool_.home = Path(sys.argv[1])
    _tool(pool_, sys.argv[2], sys.argv[3:])
