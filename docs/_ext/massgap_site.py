"""What the site of massgap makes itself: pages from the code, and links to the repository."""

from __future__ import annotations

import inspect
import logging
import re
import shutil
import sys
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import api_pages
import error_catalogue
import house_picture
import repository_links
import schema_pages
import verdicts
from docutils import nodes

if TYPE_CHECKING:
    from collections.abc import Callable

    from sphinx.application import Sphinx

DOCS = Path(__file__).parents[1]
ROOT = DOCS.parent
GENERATED = DOCS / "generated"
REPOSITORY = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["urls"][
    "Homepage"
]
MADE: dict[str, Callable[[Path], str]] = {
    "errors": error_catalogue.page,
    "contracts": schema_pages.page,
    "verdicts": verdicts.page,
}
"""What stands in a page as ``<!-- made from the code: NAME -->`` -> what makes its Markdown."""
BAR = re.compile(r"(?<!\\)\|(?!\s|$)|(?<![\\\s])\|")


def generate(root: Path = ROOT, out: Path = GENERATED) -> None:
    """Write all pages that are made from the code; a file that would be the same is left alone."""
    made = {f"api/{name}": text for name, text in api_pages.pages(root).items()}
    made["house.svg"] = house_picture.svg(root)
    for name, text in made.items():
        path = out / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.is_file() or path.read_text(encoding="utf-8") != text:
            path.write_text(text, encoding="utf-8")
    for old in {path for path in out.rglob("*") if path.is_file()} - {out / name for name in made}:
        old.unlink()
    for notebook in sorted((root / "notebooks").glob("*.ipynb")):
        (out / "notebooks").mkdir(exist_ok=True)
        shutil.copy2(notebook, out / "notebooks" / notebook.name)


def filled(text: str, root: Path = ROOT) -> str:
    """The text of a page with what is made from the code in place of its mark."""
    for name, make in MADE.items():
        mark = f"<!-- made from the code: {name} -->"
        if mark in text:
            text = text.replace(mark, make(root))
    return text


def _of_page(app: Sphinx, name: str, source: list[str]) -> None:
    path = Path(app.env.doc2path(name))
    if path.suffix == ".md":
        source[0] = repository_links.outside(filled(source[0]), path, DOCS, REPOSITORY)


def _always_read(*_: object) -> list[str]:
    """Pages that are made from the code are never up to date."""
    return ["reference/errors", "reference/contracts", "analyses/index", "house"]


def _bars(_app: Sphinx, _what: str, _name: str, _object: object, _options: object, lines: list[str]) -> None:
    """``|eta|`` in a docstring is an absolute value, and no substitution of reStructuredText."""
    inside = -1
    for number, line in enumerate(lines):
        depth = len(line) - len(line.lstrip())
        if inside >= 0 and line.strip() and depth <= inside:
            inside = -1
        if line.lstrip().startswith(".. math::"):
            inside = depth
        if inside < 0:
            parts = line.split("`")
            parts[::2] = [BAR.sub(r"\\|", part) for part in parts[::2]]
            lines[number] = "`".join(parts)


def _of_included(_app: Sphinx, relative: Path, _parent: str, source: list[str]) -> None:
    path = (DOCS / relative).resolve()
    if path.suffix == ".md":
        source[0] = repository_links.outside(source[0], path, DOCS, REPOSITORY)


class _Offline(logging.Filter):
    """Where no inventory can be fetched, names of other packages are words without links: told, and no fault."""

    def filter(self, record: logging.LogRecord) -> bool:
        if "failed to reach any of the inventories" in str(record.msg):
            record.levelno, record.levelname = logging.INFO, "INFO"
        return True


def _formulas(
    _app: Sphinx, what: str, _name: str, _object: object, _options: object, lines: list[str]
) -> None:
    """Indented lines in the docstring of a module are formulas: kept line by line, and not flowed as a quotation."""
    if what != "module":
        return
    for number, line in enumerate(lines[1:-1], 1):
        before, after = lines[number - 1], lines[number + 1]
        starts_block = not line.strip() and after.startswith("    ")
        if starts_block and before[:1].isalnum() and not before.rstrip().endswith("::"):
            lines[number - 1] = f"{before.rstrip()} ::"


def _dashes(_app: Sphinx, doctree: nodes.document, _name: str) -> None:
    """Sphinx writes parameters as ``name -- meaning`` and leaves the dash to smartquotes, which would spoil ``--option``."""
    for node in list(doctree.findall(nodes.Text)):
        if str(node) == " -- ":
            node.parent.replace(node, nodes.Text(" \u2013 "))


def source_address(domain: str, info: dict[str, str]) -> str | None:
    """Where the source of a documented name is on the repository's host (``sphinx.ext.linkcode``)."""
    if domain != "py" or not info["module"]:
        return None
    found: Any = sys.modules.get(info["module"])
    for part in info["fullname"].split("."):
        found = getattr(found, part, None)
    found = inspect.unwrap(getattr(found, "fget", None) or found) if found is not None else None
    try:
        path = Path(inspect.getsourcefile(found) or "")  # type: ignore[arg-type]
        line = inspect.getsourcelines(found)[1]  # type: ignore[arg-type]
    except (OSError, TypeError):
        return None
    if not path.is_relative_to(ROOT / "massgap"):
        return None
    place = path.relative_to(ROOT / "massgap").as_posix()
    folder = "" if (ROOT / "massgap" / place.partition("/")[0]).is_symlink() else "massgap/"
    return f"{REPOSITORY}/blob/main/{folder}{place}#L{line}"


def setup(app: Sphinx) -> dict[str, Any]:
    """Called by Sphinx."""
    logging.getLogger("sphinx.sphinx.ext.intersphinx").addFilter(_Offline())
    logging.getLogger("sphinx.ext.intersphinx._load").addFilter(_Offline())
    generate()
    app.setup_extension("sphinx.ext.autodoc")
    app.connect("env-get-outdated", _always_read)
    app.connect("autodoc-process-docstring", _bars)
    app.connect("autodoc-process-docstring", _formulas)
    app.connect("doctree-resolved", _dashes)
    app.connect("source-read", _of_page)
    app.connect("include-read", _of_included)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
