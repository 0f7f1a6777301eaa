"""HTCondor's command line tools, as far as tests need them."""

from __future__ import annotations

import getpass
import json
import os
import re
import signal
import socket
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable

NAME = "standin"
VERSION = "$CondorVersion: 24.12.24 2026-09-24 BuildID: standin $\n$CondorPlatform: X86_64-AlmaLinux_9 $"
_STATES = {1: "I", 2: "R", 3: "X", 4: "C", 5: "H"}
_QUEUE = re.compile(r"^[ \t]*queue\b", re.IGNORECASE | re.MULTILINE)


def ask(folder: Path, do: str, **request: Any) -> dict[str, Any]:
    """Ask the pool."""
    # By way of a descriptor: the path of a socket must be short.
    handle = os.open(folder, os.O_RDONLY)
    try:
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(300.0)
            connection.connect(f"/proc/self/fd/{handle}/socket")
            with connection.makefile("rw") as stream:
                stream.write(json.dumps({"do": do, **request}) + "\n")
                stream.flush()
                return json.loads(stream.readline())
    finally:
        os.close(handle)


class Failure(Exception):
    """What a tool says before it fails."""


def run(folder: Path, tool: str, words: list[str]) -> int:
    """Run a tool."""
    try:
        return _run(folder, tool, words)
    except Failure as failure:
        print(failure, file=sys.stderr)
    except OSError as error:
        print(f"ERROR: Can't connect to the standin of {folder}: {error}", file=sys.stderr)
    return 1


def _run(folder: Path, tool: str, words: list[str]) -> int:
    fault = ask(folder, "call", tool=tool, words=words)
    if fault.get("says"):
        raise Failure(fault["says"])
    time.sleep(fault.get("sleeps", 0.0))
    if fault.get("kills") == "before":
        os.kill(os.getppid(), signal.SIGKILL)
        return 1
    options, names = _words(tool, words)
    schedd = options.get("name", options.get("remote", NAME))
    if schedd != NAME:
        msg = f"ERROR: Can't find address of schedd {schedd}"
        raise Failure(msg)
    if not (fault.get("only_with_name") and "name" not in options):
        TOOLS[tool](folder, options, names)
    if fault.get("kills") == "after":
        os.kill(os.getppid(), signal.SIGKILL)
    return 0


# Tool -> options without and with a value; HTCondor knows shorter forms of all.
_OPTIONS: dict[str, tuple[str, str]] = {
    "condor_submit": ("spool terse verbose disable", "batch-name append remote"),
    "condor_rm": ("all forcex", "constraint reason"),
    "condor_hold": ("all", "constraint reason subcode"),
    "condor_release": ("all", "constraint reason"),
    "condor_vacate_job": ("all fast", "constraint"),
    "condor_transfer_data": ("all", "constraint"),
    "condor_q": (
        "json long af autoformat nobatch batch allusers global hold held run totals wide",
        "constraint attributes limit",
    ),
    "condor_history": ("json long af autoformat wide", "constraint attributes limit match"),
    "condor_status": ("json long af autoformat compact", "constraint attributes"),
    "condor_tail": ("follow stdout stderr", "maxbytes"),
    "condor_version": ("", ""),
    "condor_config_val": ("", ""),
}


def _words(tool: str, words: list[str]) -> tuple[dict[str, Any], list[str]]:
    options: dict[str, Any] = {"append": []}
    names: list[str] = []
    flags, valued = (given.split() for given in _OPTIONS[tool])
    valued += ["name", "pool"]
    rest = list(words)
    while rest:
        word = rest.pop(0)
        if not word.startswith("-") or word == "-":
            names.append(word)
            continue
        name, _, how = word.lstrip("-").partition(":")
        known = [name] if name in flags + valued else [o for o in flags + valued if o.startswith(name)]
        if tool == "condor_submit":
            known = {"a": ["append"], "s": ["spool"]}.get(name, known)
        if not known:
            msg = f"{tool}: the stand-in does not know the option {word}"
            raise Failure(msg)
        option = known[0]
        if option in ("af", "autoformat"):
            # All words up to the next option are attributes, or expressions.
            end = next((k for k, following in enumerate(rest) if following.startswith("-")), len(rest))
            options |= {"af": how, "columns": rest[:end]}
            rest = rest[end:]
        elif option in flags:
            options[option] = True
        elif not rest:
            msg = f"{tool}: {word} needs a value"
            raise Failure(msg)
        elif option == "append":
            options["append"].append(rest.pop(0))
        else:
            options[option] = rest.pop(0)
    return options, names


def submit(folder: Path, options: dict[str, Any], names: list[str]) -> None:
    """condor_submit."""
    from standin import ads

    source = names[0] if names else "-"
    try:
        text = sys.stdin.read() if source == "-" else Path(source).read_text()
    except OSError as error:
        msg = f'ERROR: Failed to open command file ({error.strerror}) "{source}"'
        raise Failure(msg) from error
    extra = [*options["append"]]
    if "batch-name" in options:
        extra.append(f"batch_name = {options['batch-name']}")
    queues = list(_QUEUE.finditer(text))
    if any(_QUEUE.match(line) for line in extra):
        text, queues = text[: queues[0].start()] if queues else text, []
    elif not queues:
        msg = f'ERROR: no "queue" command in {source}'
        raise Failure(msg)
    elif len(queues) > 1:
        msg = "the stand-in reads one queue command"
        raise Failure(msg)
    at = queues[0].start() if queues else len(text)
    # Appended lines come just before the queue command.
    text = text[:at].rstrip("\n") + "\n" + "\n".join(extra) + "\n" + text[at:]
    htcondor = ads.load("htcondor")
    cluster = ask(folder, "new_cluster")["cluster"]
    spool = "spool" in options or "remote" in options
    try:
        made = [str(ad) for ad in htcondor.Submit(text).jobs(clusterid=cluster)]
    except (htcondor.HTCondorException, ValueError) as error:
        msg = f"\nERROR: {error}"
        raise Failure(msg) from error
    said = ask(folder, "submit", jobs=made, owner=getpass.getuser(), spool=spool)
    if "error" in said:
        msg = f"\nERROR: {said['error']}"
        raise Failure(msg)
    if "terse" in options:
        print(f"{cluster}.0 - {cluster}.{len(made) - 1}")
    else:
        print(f"Submitting job(s){'.' * len(made)}\n{len(made)} job(s) submitted to cluster {cluster}.")


def act(action: str, done: str, none: str) -> Callable[[Path, dict[str, Any], list[str]], None]:
    """A tool that changes jobs."""

    def tool(folder: Path, options: dict[str, Any], names: list[str]) -> None:
        if not names and "constraint" not in options and "all" not in options:
            msg = f"condor_{action}: no job given"
            raise Failure(msg)
        said = ask(
            folder,
            "act",
            action=action,
            ids=names,
            constraint=options.get("constraint"),
            reason=options.get("reason"),
            fast="fast" in options,
        )
        if "error" in said:
            raise Failure(said["error"])
        for name in names:
            if name not in said["missing"]:
                print(f"Job {name} {done}" if "." in name else f"All jobs in cluster {name} have been {done}")
        missing = [
            f"Job {name} not found" if "." in name else f"Couldn't find/{none} all jobs in cluster {name}"
            for name in said["missing"]
        ]
        if "constraint" in options:
            what = f"jobs matching constraint {options['constraint']}"
            if said["done"]:
                print(f"All {what} have been {done}")
            else:
                missing.append(f"Couldn't find/{none} all {what}")
        elif not names:
            print(f"All jobs have been {done}")
        if missing:
            raise Failure("\n".join(missing))

    return tool


def query(history: bool) -> Callable[[Path, dict[str, Any], list[str]], None]:
    """condor_q or condor_history."""

    def tool(folder: Path, options: dict[str, Any], names: list[str]) -> None:
        limit = options.get("limit", options.get("match"))
        constraint = options.get("constraint")
        if "held" in options or "hold" in options:
            constraint = f"JobStatus == 5 && ({constraint})" if constraint else "JobStatus == 5"
        _show(
            options,
            lambda form, attributes: ask(
                folder,
                "query",
                ids=names,
                constraint=constraint,
                attributes=attributes,
                history=history,
                form=form,
                limit=None if limit is None else int(limit),
            ),
            _table,
        )

    return tool


def status(folder: Path, options: dict[str, Any], names: list[str]) -> None:
    """condor_status."""

    def table(rows: list[dict[str, Any]]) -> None:
        print("Name OpSys Arch State Activity Cpus Mem")
        for row in rows:
            print(*(row[name] for name in ("Name", "OpSys", "Arch", "State", "Activity", "Cpus", "Memory")))

    _show(
        options,
        lambda form, attributes: ask(
            folder, "machines", constraint=options.get("constraint"), attributes=attributes, form=form
        ),
        table,
    )


def _show(
    options: dict[str, Any],
    ask_for: Callable[[str, list[str] | None], dict[str, Any]],
    table: Callable[[list[Any]], None],
) -> None:
    attributes = options.get("columns")
    if attributes is None and "attributes" in options:
        attributes = [name for name in re.split(r"[,\s]+", options["attributes"]) if name]
    form = "words" if "af" in options else "long" if "long" in options else "json"
    said = ask_for(form, attributes)
    if "error" in said:
        msg = f"ERROR: {said['error']}"
        raise Failure(msg)
    rows = said["rows"]
    if form == "words":
        separator = ", " if "," in options["af"] else "\t" if "t" in options["af"] else " "
        for row in rows:
            print(separator.join(row))
    elif form == "long":
        print("\n".join(rows))
    elif "json" in options:
        # HTCondor prints nothing at all where there is nothing.
        if rows:
            print("[\n" + ",\n".join(rows) + "\n]")
    else:
        table([json.loads(row) for row in rows])


def _table(rows: list[dict[str, Any]]) -> None:
    print(" ID      OWNER  SUBMITTED  RUN_TIME ST CMD")
    for row in rows:
        state = _STATES[row["JobStatus"]]
        print(
            f"{row['ClusterId']:>4}.{row['ProcId']:<3} {row['Owner']} {state} {row.get('JobBatchName', '')} {row['Cmd']}"
        )
    counts = {letter: sum(_STATES[row["JobStatus"]] == letter for row in rows) for letter in "CXIRH"}
    words = zip(("completed", "removed", "idle", "running", "held"), counts.values(), strict=True)
    print(f"\nTotal for query: {len(rows)} jobs; " + ", ".join(f"{count} {word}" for word, count in words))


def tail(folder: Path, options: dict[str, Any], names: list[str]) -> None:
    """condor_tail."""
    if not names:
        msg = "condor_tail: no job given"
        raise Failure(msg)
    said = ask(folder, "sandbox", job=names[0] if "." in names[0] else f"{names[0]}.0")
    if "error" in said:
        raise Failure(said["error"])
    if names[1:]:
        path = Path(said["folder"], names[1])
    else:
        path = Path(said["err" if "stderr" in options else "out"])
    try:
        content = path.read_bytes() if path.is_file() else b""
    except OSError as error:
        msg = f"{path}: {error.strerror}"
        raise Failure(msg) from error
    sys.stdout.buffer.write(content[-int(options.get("maxbytes", 1024)) :])


def version(folder: Path, options: dict[str, Any], names: list[str]) -> None:
    """condor_version."""
    print(VERSION)


def config_val(folder: Path, options: dict[str, Any], names: list[str]) -> None:
    """condor_config_val."""
    from standin.ads import DOMAIN

    host = socket.gethostname()
    values = {
        "FULL_HOSTNAME": host,
        "HOSTNAME": host.split(".")[0],
        "CONDOR_HOST": host,
        "SCHEDD_NAME": NAME,
        "SCHEDD_HOST": NAME,
        "UID_DOMAIN": host,
        "FILESYSTEM_DOMAIN": DOMAIN,
        "SPOOL": str(folder / "spool"),
        "EXECUTE": str(folder / "execute"),
        "LOCAL_DIR": str(folder),
        "BIN": str(folder / "bin"),
        "CONDOR_VERSION": "24.12.24",
        "JOB_DEFAULT_REQUESTMEMORY": "128",
    }
    for name in names:
        if name.upper() not in values:
            msg = f"Not defined: {name}"
            raise Failure(msg)
        print(values[name.upper()])


TOOLS: dict[str, Callable[[Path, dict[str, Any], list[str]], None]] = {
    "condor_submit": submit,
    "condor_rm": act("rm", "marked for removal", "remove"),
    "condor_hold": act("hold", "held", "hold"),
    "condor_release": act("release", "released", "release"),
    "condor_vacate_job": act("vacate_job", "vacated", "vacate"),
    "condor_transfer_data": act("transfer_data", "fetched", "fetch data of"),
    "condor_q": query(history=False),
    "condor_history": query(history=True),
    "condor_tail": tail,
    "condor_status": status,
    "condor_version": version,
    "condor_config_val": config_val,
}
"""Name -> what runs."""
