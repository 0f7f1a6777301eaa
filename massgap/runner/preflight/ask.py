"""Ask workers what :mod:`massgap.runner.preflight.compare` wants to know.

The questions travel as the text of :mod:`massgap.runner.preflight.probe` and are evaluated by Python's own ``eval``: a worker
without massgap, with a broken one, or with another Python that could not load pickled code, answers all the same.
"""

from __future__ import annotations

import base64
import concurrent.futures
import functools
import json
import logging
import socket
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.contracts.filesets.known_files import known_of, plain_fileset
from massgap.contracts.filesets.paths import is_url
from massgap.runner.errors import RunnerError, short
from massgap.runner.planning import files_of
from massgap.runner.preflight import probe
from massgap.runner.preflight.answers import EVENT_MEMORY, Answer, Here, Preflight
from massgap.runner.preflight.compare import compare
from massgap.runner.preflight.files import assign_files
from massgap.runner.preflight.software import model_request
from massgap.runner.preflight.versions import DISTRIBUTED, LIBRARIES, MODULES
from massgap.runner.preflight.waiting import NoWorkerInTimeError, known_workers, workers_there

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

__all__ = ["NoWorkerInTimeError", "ask_cluster", "ask_process", "preflight"]

ENTRIES = 200
"""Events of each file that are processed."""

_CALL = "(exec(compile(text, 'massgap-probe', 'exec'), names), names[what](request))[1]"


def preflight(
    processor: Any,
    fileset: dict[str, Any],
    executor: Any,
    *,
    workers: int = 1,
    chunksize: int = 500_000,
    files_per_dataset: int = 1,
    wait: float = 300.0,
    answer_within: float = 300.0,
    announce: Callable[[str], None] | None = None,
) -> Preflight:
    """Ask the workers of an executor and compare them with what is here.

    Parameters
    ----------
    processor, fileset, executor, chunksize
        As for :func:`massgap.runner.runner.run`.
    workers
        How many workers there should be.
    files_per_dataset
        Files of each dataset that are opened, from the first on.
    wait
        Seconds to wait for the first worker of a cluster.  The others get a tenth of it, but at least 10 s.
    answer_within
        Seconds that a worker has to answer.
    announce
        Called with a line while there is something to wait for.

    Raises
    ------
    NoWorkerInTimeError
        If no worker has come in time.
    RunnerError
        If no scheduler answers, or the number of files is not positive.
    """
    if files_per_dataset < 1:
        msg = f"--files-per-dataset must be at least 1, not {files_per_dataset}"
        raise RunnerError(msg)
    fileset = plain_fileset(fileset)
    say = announce or (lambda _: None)
    cluster = hasattr(executor, "connected")
    files = [
        (name, path, tree)
        for name, entry in sorted(fileset.items())
        for path, tree in sorted(files_of(entry))[:files_per_dataset]
    ]
    here = Here(
        look=probe.look(look_request()),
        files=files,
        exists=[None if is_url(path) else Path(path).exists() for _, path, _ in files],
        chunksize=chunksize,
        event_memory=int(getattr(processor, "event_memory", EVENT_MEMORY)),
        wanted=workers,
        cluster=cluster,
    )
    request = _try_request(processor, here, fileset)
    if not cluster:
        answers = [ask_process(look_request(), request, within=answer_within)]
        here.wanted = 1
    else:
        with executor.connected() as (client, _):
            pool = getattr(executor, "pool", None)
            with workers_there(client, workers, wait, pool, say):
                answers = ask_cluster(client, look_request(), request, within=answer_within)
    return Preflight(tuple(compare(here, answers)), tuple(answers))


def look_request() -> dict[str, Any]:
    """What :func:`massgap.runner.preflight.probe.look` is asked."""
    return {"packages": [*LIBRARIES, *DISTRIBUTED], "modules": list(MODULES), "scratch": None}


def _try_request(processor: Any, here: Here, fileset: dict[str, Any]) -> dict[str, Any]:
    import cloudpickle

    request: dict[str, Any] = {
        "processor": base64.b64encode(cloudpickle.dumps(processor)).decode("ascii"),
        "models": {},
        "files": [list(row) for row in here.files],
        "here": {"*": list(range(len(here.files)))},
        "known": [known_of(fileset[name], name).get(path, {}) for name, path, _ in here.files],
        "entries": ENTRIES,
        "metadata": {name: dict(entry.get("metadata") or {}) for name, entry in fileset.items()},
    }
    for name, scorer in (getattr(processor, "models", None) or {}).items():
        request["models"][name], here.scores[name] = model_request(scorer)
        here.engines[name] = scorer.engine
    return request


# ---- one process of this machine


def ask_process(look: dict[str, Any], request: dict[str, Any], *, within: float) -> Answer:
    """Ask a new process of this Python, as the executors on this machine use them."""
    text = json.dumps(
        {"probe": Path(probe.__file__).read_text(), "request": {"look": look, "try_out": request}}
    )
    code = (
        "import json, sys; given = json.load(sys.stdin); names = {'__name__': 'massgap_probe'}; out = sys.stdout; "
        "sys.stdout = sys.stderr; exec(compile(given['probe'], 'massgap-probe', 'exec'), names); "
        "out.write(names['main'](json.dumps(given['request'])))"
    )
    answer = Answer(f"{socket.gethostname()} (a process here)", sent=time.time())
    try:
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=text,
            capture_output=True,
            text=True,
            timeout=within,
            check=False,
        )
    except subprocess.TimeoutExpired:
        answer.problem = f"a process on this machine did not answer for {within:.0f} s"
        return answer
    answer.received = time.time()
    if done.returncode != 0:
        last = done.stderr.strip().splitlines()[-1:] or [f"exit code {done.returncode}"]
        answer.problem = f"a process on this machine ended without an answer ({last[0][:300]})"
        return answer
    found = json.loads(done.stdout)
    answer.look, answer.tried = found["look"], found["try_out"]
    return answer


# ---- a cluster


def ask_cluster(client: Any, look: dict[str, Any], request: dict[str, Any], *, within: float) -> list[Answer]:
    """Ask all workers of a cluster.

    The scheduler's own record of their versions comes first: a worker with another dask may take a question and
    never answer it, so it is not asked.

    Parameters
    ----------
    client
        A ``distributed.Client``.
    look, request
        What the functions of :mod:`massgap.runner.preflight.probe` are given.
    within
        Seconds that a worker has to answer.
    """
    from massgap.runner.executors.version_gate import mismatches

    known = known_workers(client)
    answers = {
        address: Answer(
            f"{info.get('name', address)}"
            if str(info.get("name", "")) == address
            else f"{info.get('name')} at {address}",
            memory_limit=int(info.get("memory_limit") or 0) or None,
            threads=int(info.get("nthreads") or 0) or None,
        )
        for address, info in known.items()
    }
    mine, theirs = _recorded_versions(client, min(within, 60.0))
    able = []
    for address, answer in answers.items():
        packages = theirs.get(address)
        if packages and mismatches(mine, packages):
            answer.look = {"python": _python_of(packages), "packages": packages}
        else:
            able.append(address)
    _look(client, able, answers, look, within)
    _try(client, [a for a in able if answers[a].look is not None], answers, request, within)
    return list(answers.values())


def _python_of(packages: dict[str, Any]) -> str:
    return ".".join(str(packages.get("python", "?")).split(".")[:3])


def _recorded_versions(client: Any, within: float) -> tuple[dict[str, Any], dict[str, dict[str, Any]]]:
    from distributed.versions import get_versions

    mine = get_versions()["packages"]
    try:
        found = _in_time(client.get_versions, within)
    except Exception as error:  # noqa: BLE001 - then the workers are asked without
        logging.getLogger(__name__).info("no versions from the scheduler: %s", error)
        return mine, {}
    return mine, {address: (v or {}).get("packages") or {} for address, v in found["workers"].items()}


def _in_time(call: Callable[[], Any], within: float) -> Any:
    """The value of a call that may hang: it is then left to itself."""
    future: concurrent.futures.Future[Any] = concurrent.futures.Future()

    def work() -> None:
        try:
            future.set_result(call())
        except BaseException as error:  # noqa: BLE001 - handed on
            future.set_exception(error)

    threading.Thread(target=work, daemon=True, name="massgap-preflight").start()
    return future.result(timeout=within)


def _names(what: str, request: dict[str, Any]) -> dict[str, Any]:
    names: dict[str, Any] = {"__name__": "massgap_probe"}
    return {"text": Path(probe.__file__).read_text(), "what": what, "request": request, "names": names}


def _look(
    client: Any, able: Sequence[str], answers: dict[str, Answer], look: dict[str, Any], within: float
) -> None:
    if not able:
        return
    sent = time.time()
    try:
        found = _in_time(
            lambda: client.run(eval, _CALL, _names("look", look), workers=list(able), on_error="return"),
            within,
        )
    except TimeoutError:
        # One that hangs keeps the answers of all: ask one by one.
        found = _one_by_one(client, able, look, min(within, 30.0))
    except Exception as error:  # noqa: BLE001 - of the network or the scheduler
        found = dict.fromkeys(able, error)
    received = time.time()
    for address in able:
        value = found.get(address, TimeoutError("no answer"))
        answer = answers[address]
        answer.sent, answer.received = sent, received
        if isinstance(value, dict):
            answer.look = value
        else:
            answer.problem = f"a worker did not answer ({short(value, 300)})"


def _one_by_one(client: Any, able: Sequence[str], look: dict[str, Any], within: float) -> dict[str, Any]:
    def ask(address: str) -> Any:
        question = _names("look", look)
        return client.run(eval, _CALL, question, workers=[address], on_error="return").get(address)

    out: dict[str, Any] = {}
    with concurrent.futures.ThreadPoolExecutor(min(32, len(able))) as pool:
        calls = {a: pool.submit(_in_time, functools.partial(ask, a), within) for a in able}
        for address, call in calls.items():
            try:
                out[address] = call.result()
            except Exception as error:  # noqa: BLE001 - reported
                out[address] = error
    return out


def _try(
    client: Any, able: Sequence[str], answers: dict[str, Answer], request: dict[str, Any], within: float
) -> None:
    """A task pinned to each worker: it may take long, crash or fill the memory, which must cost that worker only."""
    from distributed import wait

    looks = {address: answers[address].look or {} for address in able}
    keys = {address: f"{look['host']}:{look['pid']}" for address, look in looks.items()}
    # Those whose massgap cannot be imported would only say that again.
    usable = [a for a in able if "error" not in looks[a]["massgap"]]
    hosts = {keys[a]: str(looks[a]["host"]) for a in usable}
    request = {**request, "here": assign_files(len(request["files"]), hosts)}
    futures = {
        address: client.submit(
            eval,
            _CALL,
            _names("try_out", request),
            workers=[address],
            allow_other_workers=False,
            pure=False,
            retries=0,
            key=f"massgap-preflight-{time.time_ns()}-{k}",
        )
        for k, address in enumerate(usable)
    }
    if not futures:
        return
    try:
        wait(list(futures.values()), timeout=within)
    except TimeoutError:
        logging.getLogger(__name__).info("not all workers have answered in time")
    for address, future in futures.items():
        answer = answers[address]
        if future.status == "finished":
            answer.tried = future.result()
        elif future.status == "error":
            reason = short(future.exception(), 300)
            answer.problem = f"a worker ended or failed while it tried the analysis ({reason})"
        else:
            answer.problem = f"a worker did not finish with the analysis and files in {within:.0f} s"
    client.cancel(list(futures.values()), force=True)
