"""Links from pages to files of the repository: relative, so that a code host shows them, and full addresses on the site."""

from __future__ import annotations

import re
from pathlib import Path

LINK = re.compile(r"(?<=\]\()(?!\w+:|#|<)([^)\s#]+)(#[^)\s]*)?(?=\))")


def outside(text: str, page: Path, docs: Path, address: str) -> str:
    """The text of a page with the links to folders, and those that leave ``docs``, made addresses below ``address``.

    Parameters
    ----------
    text
        Markdown.
    page
        File that the text is of; links are relative to its folder.
    docs
        Folder of the site.
    address
        Of the repository on its host.
    """
    root = docs.parent

    def full(found: re.Match[str]) -> str:
        target = Path(page.parent, found[1]).resolve()
        if (target.is_relative_to(docs) and not target.is_dir()) or not target.is_relative_to(root):
            return found[0]
        kind = "tree" if target.is_dir() else "blob"
        return f"{address}/{kind}/main/{target.relative_to(root).as_posix()}{found[2] or ''}"

    parts = re.split(r"(^```.*?^```)", text, flags=re.DOTALL | re.MULTILINE)
    return "".join(part if part.startswith("```") else LINK.sub(full, part) for part in parts)
