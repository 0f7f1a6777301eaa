"""How the numbers of the analyses stand: the heads of the pages that ``massgap validate --page`` wrote, as one table."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path


def head(page: str) -> tuple[str, str, str]:
    """(date, samples, verdicts) of a page; empty where it does not say."""
    found = [
        re.search(pattern, page, flags=re.MULTILINE)
        for pattern in (r"^- written: (\S+)", r"^- samples: (.*)", r"^(\d+ numbers: .*)\.$")
    ]
    return tuple(one[1] if one else "" for one in found)  # type: ignore[return-value]


def page(root: Path) -> str:
    """Markdown of the table."""
    rows = ["| analysis | written | samples | verdicts |", "| --- | --- | --- | --- |"]
    for path in sorted((root / "docs" / "analyses").glob("*-validation.md")):
        name = path.stem.removesuffix("-validation")
        date, samples, verdicts = head(path.read_text(encoding="utf-8"))
        rows.append(f"| [{name}]({path.name}) | {date} | {samples} | {verdicts} |")
    return "\n".join(rows) + "\n"
