"""What a worker says about itself: its software, memory, scratch space and clock, and what it can open and score.

This file travels as text and is run on workers that may have no massgap, other packages or another Python: it imports
nothing but the standard library at its top, takes and gives plain data (that JSON can hold), and never raises.
"""

from __future__ import annotations

import base64
import contextlib
import importlib
import json
import os
import platform
import re
import shutil
import socket
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

__all__ = ["cgroup_limit", "look", "try_out"]

_PROXY_VARIABLES = ("X509_USER_PROXY", "BEARER_TOKEN_FILE", "KRB5CCNAME")


def look(request: dict[str, Any]) -> dict[str, Any]:
    """The software and the machine of this worker.

    Parameters
    ----------
    request : dict
        ``packages``: names of distributions; ``modules``: names to import; ``scratch``: folder for temporary files, or
        None.

    Returns
    -------
    dict
    """
    out = {
        "host": socket.gethostname(),
        "pid": os.getpid(),
        "time": time.time(),
        "python": platform.python_version(),
        "executable": sys.executable,
        "machine": platform.machine(),
        "cores": _cores(),
        "threads_variable": os.environ.get("OMP_NUM_THREADS"),
    }
    for name, call in (
        ("packages", lambda: {p: _version(p) for p in request["packages"]}),
        ("modules", lambda: {m: _import_error(m) for m in request["modules"]}),
        ("massgap", _massgap),
        ("memory", _memory),
        ("scratch", lambda: _scratch(request.get("scratch"))),
        ("credentials", _credentials),
    ):
        out[name] = _safely(call)
    return out


def try_out(request: dict[str, Any]) -> dict[str, Any]:
    """What the run's processor, model and files do on this worker.

    Parameters
    ----------
    request : dict
        ``processor``: a pickle that the driver has just made, in base 64, or None; ``models``: score -> rows for its model, see
        :func:`massgap.runner.preflight.software.model_request`; ``files``: list of dataset, path and tree; ``here``: key of
        a worker -> numbers of its files; ``entries``: events to read of each file; ``known``: what the fileset says of each;
        ``metadata``: dataset -> metadata.

    Returns
    -------
    dict
    """
    key = "%s:%d" % (socket.gethostname(), os.getpid())  # noqa: UP031 - also for an old Python
    out: dict[str, Any] = {"processor": None, "models": {}, "files": []}
    processor = None
    if request.get("processor") is not None:
        try:
            import cloudpickle

            processor = cloudpickle.loads(base64.b64decode(request["processor"]))
            out["processor"] = {"error": None}
        except BaseException as error:  # noqa: BLE001 - an ABI mismatch can raise anything
            out["processor"] = {"error": _text(error)}
    if processor is not None:
        for name, model in request["models"].items():
            out["models"][name] = _safely(lambda n=name, m=model: _score(processor.models[n], m))
    numbers = request["here"].get(key, request["here"].get("*", []))
    for number in numbers:
        dataset, path, tree = request["files"][number]
        start = time.time()
        found = _safely(
            lambda d=dataset, p=path, t=tree, n=number: _read(
                processor, d, p, t, request["metadata"].get(d, {}), request["entries"], request["known"][n]
            )
        )
        out["files"].append(dict(found, file=number, seconds=time.time() - start))
    out["memory"] = _safely(_memory)
    return out


def _safely(call: Any) -> Any:
    try:
        return call()
    except BaseException as error:  # noqa: BLE001 - of any library; a probe reports and never ends its worker
        return {"error": _text(error)}


def _text(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return "%s: %s" % (type(error).__name__, lines[0][:500] if lines else "no message")  # noqa: UP031


def _version(package: str) -> str | None:
    from importlib import metadata

    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _import_error(module: str) -> str | None:
    try:
        importlib.import_module(module)
    except BaseException as error:  # noqa: BLE001 - a binary wheel for another machine can raise anything
        return _text(error)
    return None


def _massgap() -> dict[str, str]:
    import massgap
    from massgap.runner.checkpoints.fingerprint import code_hash

    return {"version": massgap.__version__, "code": code_hash(), "place": str(Path(massgap.__file__).parent)}


def _cores() -> int | None:
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count()


def _memory() -> dict[str, Any]:
    """Bytes: what this process has, and every limit that it can see."""
    out: dict[str, Any] = {"resident": None, "virtual": None, "total": None, "limits": {}}
    try:
        status = Path("/proc/self/status").read_text()
        for name, key in (("resident", "VmRSS"), ("virtual", "VmSize")):
            found = re.search(key + r":\s*(\d+) kB", status)
            out[name] = int(found.group(1)) * 1024 if found else None
        found = re.search(r"MemTotal:\s*(\d+) kB", Path("/proc/meminfo").read_text())
        out["total"] = int(found.group(1)) * 1024 if found else None
    except OSError:
        pass
    cgroup = cgroup_limit()
    if cgroup is not None:
        out["limits"]["cgroup"] = cgroup
    try:
        import resource

        soft = resource.getrlimit(resource.RLIMIT_AS)[0]
        if soft != resource.RLIM_INFINITY:
            out["limits"]["address space (ulimit -v)"] = soft
    except (ImportError, OSError, ValueError):
        pass
    job = os.environ.get("_CONDOR_JOB_AD")
    if job:
        try:
            found = re.search(
                r"^RequestMemory\s*=\s*(\d+)\s*$", Path(job).read_text(), re.MULTILINE | re.IGNORECASE
            )
        except OSError:
            found = None
        if found:
            out["limits"]["HTCondor's request_memory"] = int(found.group(1)) * 1024 * 1024
    return out


def cgroup_limit(root: str | Path = "/") -> int | None:
    """The smallest memory limit of this process's control groups in bytes, version 2 or 1; None without one."""
    root = Path(root)
    try:
        lines = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:
        return None
    limits = []
    for line in lines:
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            base, name = root / "sys/fs/cgroup", "memory.max"
        elif "memory" in controllers.split(","):
            base, name = root / "sys/fs/cgroup/memory", "memory.limit_in_bytes"
        else:
            continue
        folder = base / path.strip("/")
        # A limit of any parent holds, too.  Inside of a container the path may be that of the host: then the
        # container's own group is at the base.
        for place in [folder, *folder.parents]:
            with contextlib.suppress(OSError, ValueError):
                limits.append(int((place / name).read_text()))
            if place == base:
                break
    limits = [limit for limit in limits if limit < 1 << 60]  # version 1 says "none" by a huge number
    return min(limits) if limits else None


def _scratch(folder: str | None) -> dict[str, Any]:
    place = Path(folder or os.environ.get("_CONDOR_SCRATCH_DIR") or tempfile.gettempdir())
    if not place.is_dir():
        place = Path(tempfile.gettempdir())
    error = None
    try:
        with tempfile.NamedTemporaryFile(dir=str(place)) as file:
            file.write(b"massgap" * 4096)
            file.flush()
    except OSError as raised:
        error = raised.strerror or str(raised)
    return {"folder": str(place), "free": shutil.disk_usage(str(place)).free, "unwritable": error}


def _credentials() -> dict[str, Any]:
    """Names of credential files: whether they exist, never what is in them."""
    out = {}
    for name in _PROXY_VARIABLES:
        value = os.environ.get(name)
        if value:
            path = value[5:] if value[:5] == "FILE:" else value
            out[name] = {"path": path, "exists": Path(path).exists()}
    return out


def _score(scorer: Any, model: dict[str, Any]) -> dict[str, Any]:
    import numpy as np

    rows = np.frombuffer(base64.b64decode(model["rows"]), dtype="<f4").reshape(model["shape"])
    scores = np.ascontiguousarray(scorer.score_all_folds(rows), dtype="<f4")
    return {
        "error": None,
        "engine": scorer.engine,
        "scores": base64.b64encode(scores.tobytes()).decode("ascii"),
    }


def _refuse_another(info: Any, known: dict[str, Any]) -> None:
    """Refuse a file that is not the one that the fileset means."""
    from massgap.contracts.filesets.known_files import disagreement
    from massgap.events.errors import FileProblem

    wrong = disagreement(known, info.entries, info.uuid)
    if wrong is not None:
        raise FileProblem(info.path + ": " + wrong)


def _read(
    processor: Any,
    dataset: str,
    path: str,
    tree: str | None,
    metadata: dict[str, Any],
    entries: int,
    known: dict[str, Any],
) -> dict[str, Any]:
    """Open a file, and run the processor on its first events."""
    from massgap.contracts.filesets.known_files import chosen_ranges
    from massgap.contracts.filesets.paths import is_url
    from massgap.events.reading.faults import kind_of_fault
    from massgap.events.reading.files import inspect_file
    from massgap.events.reading.open import Chunk, close_files, open_events
    from massgap.processors.base.analysis import Analysis

    remote = is_url(path)
    step = "open"
    try:
        info = inspect_file(path, tree)
        _refuse_another(info, known)
        step = "read"
        start, stop = chosen_ranges(known, info.entries)[0]
        stop = min(start + entries, stop)
        chunk = Chunk(dataset, path, start, stop, info.tree, info.format, info.uuid)
        if metadata.get("is_data") is None:
            metadata = dict(metadata, is_data=info.simulated is False)
        if not info.entries and not isinstance(processor, Analysis):
            pass  # nothing that a processor of somebody else could look at
        elif processor is not None:
            processor.process(open_events(chunk, metadata, columns=isinstance(processor, Analysis)))
        else:
            open_events(chunk, metadata)
        close_files()
    except Exception as error:  # noqa: BLE001 - bad bytes raise many types
        causes: list[str] = []
        cause: BaseException | None = error
        while cause is not None and len(causes) < 20:
            causes.append(type(cause).__name__)
            cause = cause.__cause__ or cause.__context__
        return {
            "error": _text(error),
            "kind": kind_of_fault(error, remote=remote),
            "step": step,
            "types": causes,
            "exists": None if remote else Path(path).exists(),
        }
    return {"error": None, "entries": info.entries, "read": stop - start, "format": info.format}


def main(text: str) -> str:
    """Answer a request from a text in JSON by another one, for a process that has just this file."""
    request = json.loads(text)
    return json.dumps({"look": look(request["look"]), "try_out": try_out(request["try_out"])})
