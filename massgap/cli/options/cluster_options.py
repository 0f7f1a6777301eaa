"""The options of the command line that say where work is done, for all commands that have them."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import click

from massgap.stages.execution import EXECUTORS

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = [
    "BATCH_OPTIONS",
    "add_options",
    "batch_options",
    "executor_options",
    "take_cluster",
]


def _range(_: click.Context, __: click.Parameter, value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    found = re.fullmatch(r"(\d+):(\d+)", value)
    if found is None or not 0 <= int(found[1]) <= int(found[2]) or int(found[2]) < 1:
        msg = f"{value!r}: write MIN:MAX, for instance 0:200"
        raise click.BadParameter(msg)
    return int(found[1]), int(found[2])


def _pairs(_: click.Context, __: click.Parameter, values: tuple[str, ...]) -> dict[str, str]:
    out = {}
    for pair in values:
        key, sign, text = pair.partition("=")
        if not sign or not key.strip():
            msg = f"{pair!r}: write KEY=VALUE, for instance +MaxRuntime=7200"
            raise click.BadParameter(msg)
        out[key.strip()] = text.strip()
    return out


_EXECUTOR = (
    click.option(
        "--executor",
        default="futures",
        show_default=True,
        help=f"{', '.join(EXECUTORS)}, or a scheduler's address (tcp://..., tls://...).",
    ),
    click.option("--workers", default=2, show_default=True, help="Worker processes, or jobs."),
    click.option(
        "--adapt",
        callback=_range,
        metavar="MIN:MAX",
        help="As many workers as the work that is left needs, within bounds (clusters only).",
    ),
    click.option(
        "--timeout",
        type=click.FloatRange(min=0, min_open=True),
        help="Seconds without any result after which the workers at work are ended and their chunks tried elsewhere.  "
        "[default: 20 times the longest task, at least 600]",
    ),
)

BATCH_OPTIONS = ("memory", "disk", "walltime", "image", "environment", "python", "spool", "submit_lines")
"""Names of what :func:`batch_options` adds."""

_BATCH = (
    click.option("--memory", help="HTCondor: memory per job.  [default: 2GB]"),
    click.option("--disk", help="HTCondor: disk per job.  [default: 4GB]"),
    click.option("--walltime", help="HTCondor: longest time of a job, e.g. 8h or 30m."),
    click.option("--image", help="HTCondor: container image of the jobs."),
    click.option(
        "--environment",
        help="HTCondor: shared (the Python here is seen by the jobs), ship (pack what jobs import of this environment and send it "
        "along), ship-all (pack all of it), or an archive (.tar.gz).  [default: shared if the pool shares files, else ship]",
    ),
    click.option("--python", help="HTCondor: Python on the workers, where --environment does not bring it."),
    click.option("--spool", is_flag=True, default=None, help="HTCondor: let the schedd keep the files."),
    click.option(
        "--submit-line",
        "submit_lines",
        multiple=True,
        callback=_pairs,
        metavar="KEY=VALUE",
        help="HTCondor: a further line of the submit description.",
    ),
)


def executor_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add ``--executor``, ``--workers``, ``--adapt``, ``--timeout`` and the options of batch jobs to a command."""
    return add_options(command, (*_EXECUTOR, *_BATCH))


def batch_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options of batch jobs to a command."""
    return add_options(command, _BATCH)


def add_options(command: Callable[..., Any], options: tuple[Any, ...]) -> Callable[..., Any]:
    """Add options to a command, in this order."""
    for option in reversed(options):
        command = option(command)
    return command


def take_cluster(settings: dict[str, Any]) -> dict[str, Any]:
    """Take the options of batch jobs that were given out of a command's settings."""
    taken = {name: settings.pop(name) for name in BATCH_OPTIONS if name in settings}
    return {name: value for name, value in taken.items() if value not in (None, {})}
