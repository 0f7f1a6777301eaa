"""Before a long run: do the workers have what it needs, compared with what is here.

Nothing here talks to a worker: :mod:`massgap.runner.preflight.ask` asks, :func:`compare` judges.
"""

from __future__ import annotations

import base64
import itertools
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.events.reading.faults import AUTHENTICATION, AUTHENTICATION_REMEDY, TRANSIENT
from massgap.runner.preflight.versions import DISTRIBUTED, LIBRARIES, MODULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Sequence

__all__ = [
    "FAILED",
    "OK",
    "WARNING",
    "Answer",
    "Check",
    "Here",
    "Preflight",
    "assign_files",
    "compare",
    "model_request",
    "needed_memory",
]

OK, WARNING, FAILED = "ok", "warning", "failed"

BASE_MEMORY = 450 << 20
"""Bytes that a worker has when libraries are loaded and kernels are compiled: measured 441 MiB (Linux, x86-64)."""
BASE_ADDRESSES = 2200 << 20
"""The same for its address space, which counts what is only mapped: measured 2.0 GiB with feature tables."""
EVENT_MEMORY = 350
"""Bytes per event of a chunk: measured 216 for the slepton selection, 310 with variations and feature tables."""
DASK_SHARE = 0.8
"""Share of its memory limit at which a dask worker takes no further tasks (distributed.worker.memory.pause)."""

SMALLEST_SCRATCH = 100 << 20
COMFORTABLE_SCRATCH = 1 << 30
SKEW, LARGEST_SKEW = 5.0, 120.0
"""Seconds from which a clock is worth a word, and from which certificates and tokens are refused."""
AGREEMENT = 2e-6
"""Difference in a score between machines that is rounding and not another model."""


@dataclass(frozen=True)
class Check:
    """One thing that was looked at.

    Attributes
    ----------
    name
        What: ``workers``, ``python``, ``massgap``, ``packages``, ``imports``, ``analysis``, ``model``, ``data``, ``memory``,
        ``scratch``, ``threads`` or ``clock``.
    status
        :data:`OK`, :data:`WARNING` or :data:`FAILED`.
    what, remedy
        What was found, and what to do where it does not hold.
    workers
        Names of the workers that it is about; empty for all.
    """

    name: str
    status: str
    what: str
    remedy: str = ""
    workers: tuple[str, ...] = ()


@dataclass
class Answer:
    """What is known of a worker.

    Attributes
    ----------
    name
        As dask or the process calls it.
    look, tried
        What :func:`massgap.runner.preflight.probe.look` and :func:`~massgap.runner.preflight.probe.try_out` gave there; None if they
        were not run.  ``look`` may hold the packages only.
    problem
        Why there is no (complete) answer.
    sent, received
        Times here, before and after the worker read its clock.
    memory_limit, threads
        As dask says; None without.
    """

    name: str
    look: dict[str, Any] | None = None
    tried: dict[str, Any] | None = None
    problem: str = ""
    sent: float = 0.0
    received: float = 0.0
    memory_limit: int | None = None
    threads: int | None = None


@dataclass
class Here:
    """What the workers are compared with.

    Attributes
    ----------
    look
        What :func:`massgap.runner.preflight.probe.look` gave here.
    files
        Dataset, path and tree of the files that are tried.
    exists
        Whether each of them is there, seen from here; None for remote ones.
    scores, engine
        Scores of the rows of :func:`model_request`, and what scored; None without a model.
    chunksize
        Events in a chunk.
    wanted
        Number of workers that were asked for.
    cluster
        Whether dask carries the work.
    """

    look: dict[str, Any]
    files: list[tuple[str, str, str | None]] = field(default_factory=list)
    exists: list[bool | None] = field(default_factory=list)
    scores: np.ndarray | None = None
    engine: str | None = None
    chunksize: int = 500_000
    wanted: int = 1
    cluster: bool = False


@dataclass(frozen=True)
class Preflight:
    """The result: all checks, and the answers that they were made of."""

    checks: tuple[Check, ...]
    answers: tuple[Answer, ...]

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return all(check.status != FAILED for check in self.checks)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "format": "massgap-preflight/1",
            "ok": self.ok,
            "checks": [asdict(check) for check in self.checks],
            "workers": [asdict(answer) for answer in self.answers],
        }


@dataclass(frozen=True)
class _Finding:
    worker: str
    what: str
    remedy: str
    status: str = FAILED


# ---- what is sent


def model_request(scorer: Any, seed: int = 20, n: int = 256) -> tuple[dict[str, Any], np.ndarray]:
    """Rows for a model, as plain data, and their scores here.

    Parameters
    ----------
    scorer
        A :class:`massgap.models.scoring.scorer.OnnxScorer`.
    seed, n
        The same seed gives the same rows; how many.

    Returns
    -------
    request : dict
        The rows themselves: another NumPy might draw others.
    scores : ndarray
        Of shape (n, folds).
    """
    rng = np.random.default_rng(seed)
    shape = (n, len(scorer.features))
    # Of the size of angles, ratios, masses and momenta, and some that are missing.
    rows = (rng.standard_normal(shape) * 10.0 ** rng.uniform(-1, 3, shape)).astype("<f4")
    rows[rng.random(shape) < 0.05] = np.nan
    text = base64.b64encode(rows.tobytes()).decode("ascii")
    return {"rows": text, "shape": list(shape)}, scorer.score_all_folds(rows)


def assign_files(files: int, workers: dict[str, str], copies: int = 3) -> dict[str, list[int]]:
    """Which worker tries which files: each file on several machines, and at least one file on each machine.

    Parameters
    ----------
    files
        Number of files.
    workers
        Key of a worker -> its host.
    copies
        Machines that open the same file: not all, as a storage serves others, too.

    Examples
    --------
    >>> assign_files(2, {"a:1": "a", "a:2": "a", "b:1": "b"}, copies=2)
    {'a:1': [0], 'a:2': [1], 'b:1': [0, 1]}
    """
    by_host: dict[str, list[str]] = {}
    for key, host in sorted(workers.items()):
        by_host.setdefault(host, []).append(key)
    hosts = list(by_host)
    turn = {host: itertools.cycle(keys) for host, keys in by_host.items()}
    out: dict[str, list[int]] = {key: [] for key in workers}
    if not files or not hosts:
        return out
    used: set[str] = set()
    for number in range(files):
        for copy in range(min(copies, len(hosts))):
            host = hosts[(number * copies + copy) % len(hosts)]
            used.add(host)
            out[next(turn[host])].append(number)
    for k, host in enumerate(h for h in hosts if h not in used):
        out[next(turn[host])].append(k % files)
    return out


# ---- judging


def compare(here: Here, answers: Sequence[Answer]) -> list[Check]:
    """Judge what workers have said.

    Parameters
    ----------
    here
        What they are compared with.
    answers
        One per worker.

    Returns
    -------
    list of Check
        At least one for each thing; several where workers differ.
    """
    heard = [a for a in answers if a.look is not None]
    looked = [a for a in heard if "host" in (a.look or {})]
    checks = _workers(here, answers)
    if not heard:
        return checks
    checks += _checks("python", f"{here.look['python']} everywhere", heard, lambda a: _python(here, a))
    checks += _checks("massgap", "the same code everywhere", looked, lambda a: _massgap(here, a))
    names = [*LIBRARIES, *(DISTRIBUTED if here.cluster else ())]
    checks += _checks("packages", "the same versions everywhere", heard, lambda a: _packages(here, a, names))
    checks += _checks("imports", "all modules can be imported", looked, lambda a: _imports(here, a))
    tried = [a for a in looked if a.tried is not None]
    checks += _checks("analysis", "the analysis can be loaded", tried, _analysis)
    if here.scores is not None:
        checks += _checks(
            "model",
            f"gives the same bits ({here.engine})",
            [a for a in tried if _loaded(a)],
            lambda a: _model(here, a),
        )
    checks += _data(here, tried)
    need = needed_memory(here.chunksize)
    checks += _checks(
        "memory",
        f"enough for chunks of {here.chunksize:,} events (about {_size(need)} each)",
        looked,
        lambda a: _memory(here, a, looked),
    )
    checks += _checks("scratch", _least_scratch(looked), looked, _scratch)
    if here.cluster:
        checks += _checks("threads", "one per worker", [a for a in answers if a.threads], _threads)
    checks += _checks("clock", "agrees with the clock here", [a for a in looked if a.sent], _clock)
    return checks


def needed_memory(chunksize: int) -> int:
    """Bytes of resident memory that a worker needs for chunks of so many events, about."""
    return BASE_MEMORY + EVENT_MEMORY * chunksize


def _checks(name: str, fine: str, answers: Sequence[Answer], judge: Any) -> list[Check]:
    """One check where all is well, else one for each different finding."""
    found: dict[tuple[str, str, str], list[str]] = {}
    for answer in answers:
        for finding in judge(answer):
            found.setdefault((finding.status, finding.what, finding.remedy), []).append(finding.worker)
    if not answers:
        return [
            Check(name, WARNING, "was not looked at: no worker came so far", "mend what failed above first")
        ]
    checks = [
        Check(name, status, f"{what} ({_who(workers, len(answers))})", remedy, tuple(workers))
        for (status, what, remedy), workers in found.items()
    ]
    return checks or [Check(name, OK, fine)]


def _who(workers: Sequence[str], of: int) -> str:
    names = list(dict.fromkeys(workers))
    if len(names) == of:
        return "the worker" if of == 1 else f"all {of} workers"
    shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"{len(names)} of {of} workers: {shown}"


def _workers(here: Here, answers: Sequence[Answer]) -> list[Check]:
    checks = []
    silent: dict[str, list[str]] = {}
    for answer in answers:
        if answer.problem:
            silent.setdefault(answer.problem, []).append(answer.name)
    for problem, names in silent.items():
        checks.append(
            Check(
                "workers",
                FAILED,
                f"{problem} ({_who(names, len(answers))})",
                "look into the log of the worker; where other checks fail for it, mend those first",
                tuple(names),
            )
        )
    if not answers:
        return [
            Check(
                "workers",
                FAILED,
                "there is no worker",
                "start workers, or look at the queue of the batch system",
            )
        ]
    if len(answers) < here.wanted:
        checks.append(
            Check(
                "workers",
                WARNING,
                f"{len(answers)} of {here.wanted} workers were there in time; the others were not looked at",
                "run again when more have come, or wait longer for them (--wait)",
            )
        )
    return checks or [Check("workers", OK, f"{len(answers)} answered")]


_INSTALL = (
    "install the same versions on the workers: the environment that massgap ships with --environment ship, an image "
    "with these versions, or pip install there"
)


def _python(here: Here, answer: Answer) -> Iterator[_Finding]:
    theirs, mine = str(answer.look["python"]), str(here.look["python"])  # type: ignore[index]
    if theirs.split(".")[:2] != mine.split(".")[:2]:
        yield _Finding(
            answer.name,
            f"Python {theirs} (here {mine})",
            "code cannot be sent between them: use the same minor version on both sides, for instance by "
            "--environment ship or an image with it",
        )


def _massgap(here: Here, answer: Answer) -> Iterator[_Finding]:
    mine, theirs = here.look["massgap"], answer.look["massgap"]  # type: ignore[index]
    if "error" in theirs:
        yield _Finding(
            answer.name,
            f"massgap cannot be imported: {theirs['error']}",
            f"install massgap {mine['version']} on the workers, or send it along with --environment ship",
        )
    elif theirs["version"] != mine["version"]:
        yield _Finding(
            answer.name,
            f"massgap {theirs['version']} in {theirs['place']} (here {mine['version']})",
            f"install massgap {mine['version']} on the workers, or send it along with --environment ship",
        )
    elif theirs["code"] != mine["code"]:
        yield _Finding(
            answer.name,
            f"massgap {theirs['version']} in {theirs['place']} has other source ({theirs['code'][:12]}, here {mine['code'][:12]})",
            "one side was edited or is another commit: install the same there, or send yours along with --environment ship",
        )


def _packages(here: Here, answer: Answer, names: Iterable[str]) -> Iterator[_Finding]:
    mine, theirs = here.look["packages"], answer.look["packages"]  # type: ignore[index]
    if "error" in theirs:
        yield _Finding(answer.name, f"its packages could not be listed: {theirs['error']}", _INSTALL)
        return
    wrong, absent = [], []
    for name in names:
        if name not in theirs or mine.get(name) is None:
            continue
        if theirs[name] is None:
            if name != "onnxruntime" or here.engine == "onnxruntime":
                absent.append(name)
        elif theirs[name] != mine[name]:
            wrong.append(f"{name} {theirs[name]} (here {mine[name]})")
    if absent:
        yield _Finding(
            answer.name,
            f"not installed: {', '.join(absent)}",
            f"pip install {' '.join(f'{name}=={mine[name]}' for name in absent)} there, or --environment ship",
        )
    if wrong:
        yield _Finding(answer.name, ", ".join(wrong), _INSTALL)


def _imports(here: Here, answer: Answer) -> Iterator[_Finding]:
    modules = answer.look["modules"]  # type: ignore[index]
    if isinstance(modules.get("error"), str):
        yield _Finding(answer.name, modules["error"], _INSTALL)
        return
    for module in MODULES:
        error = modules.get(module)
        if error and not (module == "onnxruntime" and here.engine != "onnxruntime"):
            yield _Finding(
                answer.name,
                f"import {module}: {error}",
                f"install {module} on the workers for their Python and machine, or send it along with --environment ship",
            )


def _loaded(answer: Answer) -> bool:
    processor = (answer.tried or {}).get("processor")
    return processor is not None and processor["error"] is None


def _analysis(answer: Answer) -> Iterator[_Finding]:
    processor = (answer.tried or {}).get("processor")
    if processor is not None and processor["error"] is not None:
        yield _Finding(
            answer.name,
            f"the analysis cannot be loaded: {processor['error']}",
            "a module that it imports is not on the workers, or has another version there: install it, or send it along "
            "with --environment ship",
        )


def _model(here: Here, answer: Answer) -> Iterator[_Finding]:
    found = (answer.tried or {}).get("model")
    assert here.scores is not None
    if found is None or found.get("error"):
        yield _Finding(
            answer.name,
            f"the model cannot be scored: {(found or {}).get('error', 'no answer')}",
            "install the versions of numba, numpy and onnxruntime that are here, and look at the memory of the worker",
        )
        return
    scores = np.frombuffer(base64.b64decode(found["scores"]), dtype="<f4")
    mine = np.ascontiguousarray(here.scores, dtype="<f4").ravel()
    if scores.tobytes() == mine.tobytes():
        return
    same = scores.shape == mine.shape
    difference = float(np.abs(scores.astype(np.float64) - mine).max()) if same else float("nan")
    small = difference <= AGREEMENT
    yield _Finding(
        answer.name,
        f"scores differ by up to {difference:.2g} from those here",
        "the results depend a little on where a chunk is scored: use the same versions of numba, numpy and onnxruntime, and "
        "workers of one kind of processor, where the same bits matter"
        if small
        else "do not run there: install the same massgap, numba, numpy and onnxruntime as here",
        WARNING if small else FAILED,
    )


def _data(here: Here, tried: Sequence[Answer]) -> list[Check]:
    if not here.files:
        return []
    opened: set[int] = set()
    asked = [a for a in tried if (a.tried or {}).get("files")]
    for answer in asked:
        opened |= {f["file"] for f in answer.tried["files"] if not f["error"]}  # type: ignore[index]
    fine = f"{len(opened)} files of {len({d for d, _, _ in here.files})} datasets were opened, and their first events processed"
    checks = _checks("data", fine, asked, lambda a: _files(here, a))
    rest = set(range(len(here.files))) - {f["file"] for a in asked for f in (a.tried or {})["files"]}
    if rest and asked:
        paths = ", ".join(here.files[i][1] for i in sorted(rest)[:3])
        checks.append(
            Check(
                "data",
                WARNING,
                f"{len(rest)} files were not tried, as workers did not answer: {paths}",
                "run it again",
            )
        )
    return checks


def _files(here: Here, answer: Answer) -> Iterator[_Finding]:
    by_remedy: dict[tuple[str, str], list[str]] = {}
    for found in (answer.tried or {})["files"]:
        if found["error"]:
            path = here.files[found["file"]][1]
            text = found["error"].partition(": ")[2] or found["error"]
            text = text if path in text else f"{path}: {found['error']}"
            key = (_file_remedy(here, found, answer), text.replace(path, "{}") if path else text)
            by_remedy.setdefault(key, []).append(path)
    for (remedy, text), paths in by_remedy.items():
        more = f" and {len(paths) - 1} more files" if len(paths) > 1 else ""
        yield _Finding(answer.name, text.replace("{}", paths[0] + more, 1).replace("{}", paths[0]), remedy)


def _file_remedy(here: Here, found: dict[str, Any], answer: Answer) -> str:
    if "kind" not in found:
        return "massgap must be importable there first"
    types = set(found["types"])
    if types & {"ImportError", "ModuleNotFoundError"}:
        return "a package for this kind of address is missing on the workers: for root:// install fsspec-xrootd and xrootd there"
    if found["exists"] is False:
        if here.exists[found["file"]]:
            return (
                "the file is here, but not on the worker: give an address that every machine can read, such as "
                "root://SERVER//path (XRootD) instead of a mounted or home folder, or put the file where workers mount it"
            )
        return "the file is not here either: correct the path in the fileset"
    if found["kind"] == AUTHENTICATION:
        lost = [
            f"{name} names {entry['path']}, which does not exist there"
            for name, entry in (answer.look or {}).get("credentials", {}).items()
            if isinstance(entry, dict) and not entry["exists"]
        ]
        return "; ".join([*lost, AUTHENTICATION_REMEDY])
    if "PermissionError" in types:
        return "the account of the worker may not read it: change the permissions, or use XRootD with a proxy or token"
    if found["kind"] == TRANSIENT:
        return "the storage did not answer: try again, or take another server or redirector (the run tries it several times)"
    if found["step"] == "read":
        return "the same events would fail in the run: try massgap run on this file alone, here"
    return "copy or make the file again, or take it out of the fileset"


def _memory(here: Here, answer: Answer, everyone: Sequence[Answer]) -> Iterator[_Finding]:
    look = answer.look or {}
    memory = look["memory"]
    if "error" in memory:
        return
    after = ((answer.tried or {}).get("memory") or {}).get("resident") or 0
    base = max(BASE_MEMORY, after)
    per_chunk = EVENT_MEMORY * here.chunksize
    limits = [(name, float(size), base) for name, size in memory["limits"].items() if "address" not in name]
    limits += [
        (name, float(size), BASE_ADDRESSES) for name, size in memory["limits"].items() if "address" in name
    ]
    if answer.memory_limit:
        limits.append((f"{DASK_SHARE:.0%} of dask's memory limit", DASK_SHARE * answer.memory_limit, base))
    hard = [(name, size, floor) for name, size, floor in limits if size < floor + per_chunk]
    if hard:
        name, size, floor = min(hard, key=lambda row: row[1] - row[2])
        fits = int((size - floor) / EVENT_MEMORY / 1000) * 1000
        smaller = f"--chunksize {fits} or " if fits >= 10_000 else ""
        yield _Finding(
            answer.name,
            f"a chunk of {here.chunksize:,} events needs about {_size(floor + per_chunk)}, but there are {_size(size)} ({name})",
            f"{smaller}more memory per worker, at least {_size((floor + per_chunk) / DASK_SHARE)} (--memory of the batch executors)",
        )
        return
    if memory["total"]:
        beside = sum((a.look or {}).get("host") == look["host"] for a in everyone)
        share = memory["total"] / max(beside, here.wanted if not here.cluster else 1)
        if share < base + per_chunk:
            yield _Finding(
                answer.name,
                f"the machine has {_size(memory['total'])}, which is {_size(share)} per worker; a chunk of "
                f"{here.chunksize:,} events needs about {_size(base + per_chunk)}",
                "fewer --workers on this machine, or a smaller --chunksize",
                WARNING,
            )


def _least_scratch(looked: Sequence[Answer]) -> str:
    free = [s["free"] for a in looked if "free" in (s := (a.look or {})["scratch"])]
    return f"writable, at least {_size(min(free))} free" if free else "writable"


def _scratch(answer: Answer) -> Iterator[_Finding]:
    scratch = (answer.look or {})["scratch"]
    if "error" in scratch:
        yield _Finding(
            answer.name, f"no folder for temporary files: {scratch['error']}", "set TMPDIR on the workers"
        )
        return
    place = scratch["folder"]
    if scratch["unwritable"]:
        yield _Finding(
            answer.name,
            f"{place} cannot be written: {scratch['unwritable']}",
            "set TMPDIR (or dask's temporary-directory) to a folder that workers can write, on their local disk",
        )
    elif scratch["free"] < SMALLEST_SCRATCH or scratch["free"] < COMFORTABLE_SCRATCH:
        bad = scratch["free"] < SMALLEST_SCRATCH
        yield _Finding(
            answer.name,
            f"{place} has {_size(scratch['free'])} free",
            "free some, set TMPDIR to a larger disk, or ask for more (--disk of the batch executors)",
            FAILED if bad else WARNING,
        )


def _threads(answer: Answer) -> Iterator[_Finding]:
    if answer.threads != 1:
        yield _Finding(
            answer.name,
            f"{answer.threads} threads",
            "start workers with one thread each (dask worker --nthreads 1): files are kept open per process, and events "
            "are processed by one thread",
        )


def _clock(answer: Answer) -> Iterator[_Finding]:
    time = float((answer.look or {})["time"])
    ahead, behind = time - answer.received, answer.sent - time
    off = max(ahead, behind)
    if off <= SKEW:
        return
    yield _Finding(
        answer.name,
        f"its clock is {_rough(off)} {'ahead' if ahead > behind else 'behind'}",
        "certificates, proxies and tokens are refused by machines with a wrong clock: the administrators must set it (NTP)",
        FAILED if off > LARGEST_SKEW else WARNING,
    )


def _rough(seconds: float) -> str:
    """Workers of one fault should not differ by the milliseconds of their answers."""
    return f"about {seconds:.0f} s" if seconds < 100 else f"about {seconds / 60:.0f} min"


def _size(size: float) -> str:
    return f"{size / 1e9:.1f} GB" if size >= 1e9 else f"{size / 1e6:.0f} MB"
