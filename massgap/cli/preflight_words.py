"""The checks before a run as lines for people."""

from __future__ import annotations

import shutil
import textwrap
from typing import Any

__all__ = ["preflight_lines"]

_MARKS = {"ok": "ok", "warning": "note", "failed": "FAILED"}


def preflight_lines(result: Any, width: int | None = None) -> list[str]:
    """A line per check, and below it what to do where it does not hold.

    Parameters
    ----------
    result
        A :class:`massgap.runner.preflight.compare.Preflight`.
    width
        Columns; by default those of the terminal.
    """
    width = max(width or shutil.get_terminal_size((110, 24)).columns, 60)
    lines = []
    for check in result.checks:
        head = f"{_MARKS[check.status]:7}{check.name:10}"
        lines += _wrapped(check.what, head, width)
        if check.remedy:
            lines += _wrapped(check.remedy, " " * 17 + "-> ", width)
    failed = sum(check.status == "failed" for check in result.checks)
    notes = sum(check.status == "warning" for check in result.checks)
    asked = f"{len(result.answers)} worker{'s' if len(result.answers) != 1 else ''}"
    if failed:
        lines.append(f"{failed} of {len(result.checks)} checks failed on {asked}: not ready")
    else:
        said = f", {notes} with a note" if notes else ""
        lines.append(f"{len(result.checks)} checks on {asked}{said}: ready")
    return lines


def _wrapped(text: str, head: str, width: int) -> list[str]:
    # Paths and addresses are not cut: they are there to be copied.
    return textwrap.wrap(
        text,
        width,
        initial_indent=head,
        subsequent_indent=" " * len(head),
        break_long_words=False,
        break_on_hyphens=False,
    ) or [head.rstrip()]
