"""Who tries which files, and judge whether workers can open them."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

from massgap.events.reading.faults import AUTHENTICATION, AUTHENTICATION_REMEDY, TRANSIENT
from massgap.runner.preflight.answers import WARNING, Answer, Check, Finding, Here, judge

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence


__all__ = ["assign_files", "data"]


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


def data(here: Here, tried: Sequence[Answer]) -> list[Check]:
    """Whether the files that were tried could be opened, and their first events processed."""
    if not here.files:
        return []
    opened: set[int] = set()
    asked = [a for a in tried if (a.tried or {}).get("files")]
    for answer in asked:
        opened |= {f["file"] for f in answer.tried["files"] if not f["error"]}  # type: ignore[index]
    fine = f"{len(opened)} files of {len({d for d, _, _ in here.files})} datasets were opened, and their first events processed"
    checks = judge("data", fine, asked, lambda a: _files(here, a))
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


def _files(here: Here, answer: Answer) -> Iterator[Finding]:
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
        yield Finding(answer.name, text.replace("{}", paths[0] + more, 1).replace("{}", paths[0]), remedy)


def _file_remedy(here: Here, found: dict[str, Any], answer: Answer) -> str:
    if "kind" not in found:
        return "massgap must be importable there first"
    types = set(found["types"])
    if types & {"ImportError", "ModuleNotFoundError"}:
        return "a package for this kind of address is missing on the workers: for root:// install it there: pip install fsspec-xrootd (the extra xrootd of massgap)"
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
