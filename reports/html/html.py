"""The HTML of the report: escaping, tables, figures, sections, the page around them."""

from __future__ import annotations

import base64
import html
import re
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from massgap.contracts.writing import write_atomically
from massgap.reports.errors import ReportError

if TYPE_CHECKING:
    from collections.abc import Sequence


class Markup(str):
    """Text that is HTML already. Every other string is escaped on its way into the page."""

    __slots__ = ()


@dataclass(frozen=True)
class Image:
    """A drawn figure: `data` is PNG or SVG, `width` and `height` are CSS pixels."""

    data: bytes
    kind: str
    width: int
    height: int


@dataclass(frozen=True)
class Section:
    """One chapter of the page."""

    anchor: str
    title: str
    body: Markup


def escape(text: object) -> Markup:
    """Return `text` safe for HTML; `Markup` passes unchanged.

    >>> escape("<b>"), escape(Markup("<b>"))
    ('&lt;b&gt;', '<b>')
    """
    return text if isinstance(text, Markup) else Markup(html.escape(str(text), quote=True))


def join(*parts: object, between: str = "\n") -> Markup:
    """Escape and join parts, leaving out empty ones."""
    return Markup(between.join(escape(part) for part in parts if part not in {None, ""}))


def paragraph(*parts: object, css: str = "") -> Markup:
    """Return a paragraph."""
    attribute = f' class="{css}"' if css else ""
    return Markup(f"<p{attribute}>{join(*parts, between=' ')}</p>")


def code(text: object) -> Markup:
    """Return text set as code."""
    return Markup(f"<code>{escape(text)}</code>")


def value(exact: float | None, shown: object) -> Markup:
    """Return a number as it is shown, with its exact value for machines that read the page."""
    if exact is None:
        return escape(shown)
    return Markup(f'<data value="{exact!r}">{escape(shown)}</data>')


def lines(*parts: object) -> Markup:
    """Return a table cell of several lines: the first plain, the others small."""
    first, *rest = parts
    small = "".join(f'<span class="small">{escape(part)}</span>' for part in rest)
    return Markup(f"{escape(first)}{small}")


def table(
    header: Sequence[object],
    rows: Sequence[Sequence[object]],
    *,
    caption: object,
    text_columns: Sequence[int] = (),
) -> Markup:
    """Return a table in a box that scrolls sideways; the first column stays in sight.

    `text_columns` are set to the left, like the first one; all others to the right.
    """

    def css(column: int) -> str:
        return ' class="text"' if column in text_columns else ""

    head = "".join(f'<th scope="col"{css(i)}>{escape(cell)}</th>' for i, cell in enumerate(header))
    body = []
    for row in rows:
        first, *rest = row
        cells = "".join(f"<td{css(i)}>{escape(cell)}</td>" for i, cell in enumerate(rest, 1))
        body.append(f'<tr><th scope="row">{escape(first)}</th>{cells}</tr>')
    return Markup(
        f'<div class="table" tabindex="0" role="region" aria-label="{escape(re.sub("<[^>]*>", "", caption) if isinstance(caption, Markup) else caption)}">'
        f"<table><caption><span>{escape(caption)}</span></caption><thead><tr>{head}</tr></thead>"
        f"<tbody>\n{chr(10).join(body)}\n</tbody></table></div>"
    )


def figure(image: Image, *, alt: str, caption: object = "") -> Markup:
    """Return a figure with the image inside the page."""
    kind = {"svg": "image/svg+xml", "png": "image/png"}[image.kind]
    encoded = base64.b64encode(image.data).decode("ascii")
    text = f"<figcaption>{escape(caption)}</figcaption>" if caption else ""
    return Markup(
        f'<figure><img src="data:{kind};base64,{encoded}" alt="{escape(alt)}" '
        f'width="{image.width}" height="{image.height}">{text}</figure>'
    )


def grid(figures: Sequence[Markup], *, wide: bool = False) -> Markup:
    """Return figures side by side where there is room, below each other where not."""
    css = "grid wide" if wide else "grid"
    return Markup(f'<div class="{css}">\n{join(*figures)}\n</div>')


def heading(text: object, level: int = 3) -> Markup:
    """Return a heading inside a section."""
    return Markup(f"<h{level}>{escape(text)}</h{level}>")


def fold_away(summary: object, body: Markup, *, is_open: bool = True) -> Markup:
    """Return a part that a reader can fold away."""
    state = " open" if is_open else ""
    return Markup(f"<details{state}><summary>{escape(summary)}</summary>\n{body}\n</details>")


def banner(kind: str, title: object, *body: object) -> Markup:
    """Return a box that must not be overlooked; `kind` is good, warning or bad."""
    return Markup(
        f'<div class="banner {kind}" role="note"><strong>{escape(title)}</strong>{join(*body)}</div>'
    )


def card(label: str, shown: object, exact: float | None, note: str = "") -> Markup:
    """Return one number of the headline, with what it is above it and a note below."""
    small = f"<small>{escape(note)}</small>" if note else ""
    return Markup(f"<div><dt>{escape(label)}</dt><dd>{value(exact, shown)}{small}</dd></div>")


def cards(shown: Sequence[Markup]) -> Markup:
    """Return the numbers of the headline side by side."""
    return Markup(f'<dl class="cards">{join(*shown)}</dl>')


def page(title: str, subtitle: object, sections: Sequence[Section]) -> str:
    """Return the whole page."""
    style = Path(__file__).with_name("report.css").read_text(encoding="utf-8")
    contents = "".join(f'<li><a href="#{s.anchor}">{escape(s.title)}</a></li>' for s in sections)
    body = "\n".join(
        f'<section id="{s.anchor}" aria-labelledby="{s.anchor}-title">\n'
        f'<h2 id="{s.anchor}-title">{escape(s.title)}</h2>\n{s.body}\n</section>'
        for s in sections
    )
    return (
        '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>\n{style}</style>\n</head>\n<body>\n"
        f'<header id="top"><h1>{escape(title)}</h1>\n<p class="subtitle">{escape(subtitle)}</p></header>\n'
        f'<nav aria-label="Contents"><h2 id="contents">Contents</h2><ol>{contents}</ol></nav>\n'
        f"<main>\n{body}\n</main>\n"
        '<footer><p><a href="#top">Back to the top</a></p></footer>\n</body>\n</html>\n'
    )


def write_page(path: Path, text: str) -> None:
    """Write a page, whole or not at all.

    Raises
    ------
    ReportError
        If it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, text.encode())
    except OSError as error:
        message = (
            f"the report cannot be written to {path} ({error.strerror}): choose another file with --out."
        )
        raise ReportError(message) from error
