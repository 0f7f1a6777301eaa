"""Lines of a submit description that jobs and workers have in common, in HTCondor's own language.

Values are written by HTCondor's own rules (its "new syntax" for arguments), so that a path with blanks, quotes or ``$(x)``
means just that; what these rules cannot express is refused.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from massgap.condor.errors import CondorError
from massgap.condor.job_options import JobOptions, megabytes, seconds

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

__all__ = ["arguments", "further_lines", "listed", "requests", "value"]


def value(what: str, given: str | Path) -> str:
    """The right side of a line that means exactly the given text.

    Raises
    ------
    CondorError
        If no line can mean it: line breaks, blanks at the ends, a backslash at the end.

    Examples
    --------
    >>> value("initialdir", "/data/my run $(x)")
    '/data/my run $(DOLLAR)(x)'
    """
    given = str(given)
    if re.search(r"[\x00-\x1f\x7f]", given) or given != given.strip() or given.endswith("\\"):
        msg = (
            f"{what} {given!r}: a submit description cannot hold this (line breaks, blanks or a backslash at the end); "
            "choose another name"
        )
        raise CondorError(msg)
    return given.replace("$", "$(DOLLAR)")


def listed(what: str, names: Iterable[str | Path]) -> str:
    """A list of files; HTCondor parts them at commas and knows no way to write one inside a name.

    Raises
    ------
    CondorError
        If a name holds a comma, or see :func:`value`.
    """
    given = [str(name) for name in names]
    for name in given:
        if "," in name:
            msg = f"{what} {name!r}: HTCondor cannot transfer a file with a comma in its name or folder; rename it"
            raise CondorError(msg)
    return ", ".join(value(what, name) for name in given)


def arguments(words: Iterable[str]) -> str:
    """Arguments of a job in HTCondor's new syntax.

    Examples
    --------
    >>> print(arguments(["$(name)", "it's", 'a "b"']))
    "$(name) 'it''s' 'a ""b""'"
    """
    out = []
    for word in words:
        quoted = word.replace('"', '""').replace("'", "''")
        out.append(f"'{quoted}'" if not word or re.search(r"[\s'\"]", word) else quoted)
    return '"' + " ".join(out) + '"'


def requests(options: JobOptions) -> list[str]:
    """Lines that say what a job asks for.

    Raises
    ------
    CondorError
        If a name cannot be written.
    """
    lines = ["# What the job asks for."]
    if options.image:
        lines += ["universe = container", f"container_image = {value('image', options.image)}"]
    lines += [
        f"request_cpus = {options.cpus}",
        f"request_memory = {megabytes('memory', options.memory)}MB",
        f"request_disk = {megabytes('disk', options.disk)}MB",
    ]
    if options.walltime is not None:
        lines += [
            f"# {options.walltime}: a longer job is held.  MaxRuntime says the same to pools that plan with it.",
            f"allowed_job_duration = {seconds(options.walltime)}",
            f"+MaxRuntime = {seconds(options.walltime)}",
        ]
    if options.proxy is not None:
        lines += ["# For files behind XRootD.", f"x509userproxy = {value('proxy', options.proxy)}"]
    return lines


def further_lines(options: JobOptions) -> list[str]:
    """The lines that the user has given."""
    if not options.submit_lines:
        return []
    return ["", "# From --submit-line.", *(f"{key} = {line}" for key, line in options.submit_lines.items())]
