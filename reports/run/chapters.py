"""Chapters that somebody else hands in: a study's tables beside those of its paper, figures of one's own."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from massgap.reports.html.html import Markup, Section

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from massgap.reports.run.inputs import Inputs

__all__ = ["Chapter", "placed"]


@dataclass(frozen=True)
class Chapter:
    """A chapter of the report of a run that the report itself knows nothing of.

    Parameters
    ----------
    title
        Its heading.
    body
        HTML (:class:`massgap.reports.html.html.Markup`; any other text is escaped), or a function of the inputs of the
        report that gives it, None where it has nothing to show: the chapter is then left out.
    after
        Anchor of the chapter behind which it comes, for instance "cutflow"; by default behind all of the results.

    Examples
    --------
    >>> Chapter("A word", "1 < 2").anchor
    'chapter-a-word'
    """

    title: str
    body: str | Callable[[Inputs], str | None]
    after: str = ""

    @property
    def anchor(self) -> str:
        """Its place in the page."""
        return f"chapter-{re.sub(r'[^a-z0-9]+', '-', self.title.lower()).strip('-')}"

    def section(self, inputs: Inputs) -> Section | None:
        """Return the finished chapter, None where it has nothing to show."""
        from massgap.reports.html.html import escape, paragraph

        body = self.body(inputs) if callable(self.body) else self.body
        if not body:
            return None
        return Section(self.anchor, self.title, body if isinstance(body, Markup) else paragraph(escape(body)))


def placed(
    sections: Sequence[Section], chapters: Sequence[Chapter], inputs: Inputs, *, end: str
) -> list[Section]:
    """Return the sections with the chapters among them, each behind the one that it names.

    Parameters
    ----------
    end
        Anchor of the section before which chapters come that name none, or one that is not there.
    """
    anchors = {section.anchor for section in sections}
    made = [(chapter, chapter.section(inputs)) for chapter in chapters]
    out: list[Section] = []
    for section in sections:
        if section.anchor == end:
            out += [own for chapter, own in made if own is not None and chapter.after not in anchors]
        out.append(section)
        out += [own for chapter, own in made if own is not None and chapter.after == section.anchor]
    return out
