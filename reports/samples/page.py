"""The page about a folder of samples: what is in it, and whether it closes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.reports.html.html import (
    Markup,
    Section,
    banner,
    escape,
    figure,
    fold_away,
    grid,
    join,
    page,
    paragraph,
    table,
    value,
    write_page,
)
from massgap.reports.html.numbers import measured, number
from massgap.reports.samples.checks import FEW, LIMIT, LOOK, OK, Check, Part
from massgap.reports.samples.inputs import SampleFolder, chunks, read_folder

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

COLOURS = {OK: "#2a7d3f", LOOK: "#9a5b00", FEW: "#56606a"}
FORMAT = "massgap-samples-report/1"
#: More figures than this in a chapter are folded away.
OPEN_FIGURES = 12
PART_FIELDS = ("checks", "figures", "tables", "absent")
CHAPTERS = {
    "bookkeeping": ("overview", "What is in the folder"),
    "slices": ("slices", "Slices"),
    "physics": ("physics", "Physics: masses, endpoints, jets"),
    "detector": ("detector", "Detector: efficiencies and resolutions"),
    "comparison": ("comparison", "Comparison with independent samples"),
}
INTRODUCTIONS = {
    "bookkeeping": "Every number here is either stated by the fileset or counted again in the files.",
    "slices": "Rare corners of a process get their own samples. They must not overlap, and together they must look "
    "like one sample: without a step where one ends and the next begins.",
    "physics": "Quantities whose right values are known before any detector: masses of known particles, and masses of "
    "decay products that kinematics bounds from above.",
    "detector": "What the simulated detector did, measured back from matched pairs of generated and reconstructed "
    "objects, next to the curves of detector.toml, which are evaluated here anew.",
    "comparison": "Shapes against samples that others made with other programs, after the same selection. They need "
    "not agree perfectly: other orders of the calculation, pile-up and detector simulation differ.",
}


def write_samples_report(
    folder: str | Path,
    out: str | Path | None = None,
    *,
    reference: Mapping[str, str | Path] | None = None,
    title: str | None = None,
) -> Path:
    """Write a page of closure plots about a folder of generated samples, and its checks as JSON beside it.

    The page needs nothing but itself. Events are read in chunks, so that memory does not grow with their number.

    Parameters
    ----------
    folder
        What `massgap generate` wrote: a folder with ``fileset.json`` and, for detector closure,
        ``detector.toml``.
    out
        The page to write; by default ``samples.html`` in the folder. The checks go to the same name with
        ``.json``.
    reference
        Files of independent samples (NanoAOD) per process, whose shapes are laid over those of the process.
    title
        Title of the page.

    Returns
    -------
    pathlib.Path
        The page.

    Raises
    ------
    MissingInput
        If the folder has no ``fileset.json``, or a reference file does not exist.
    UnreadableInput
        If ``fileset.json`` or ``detector.toml`` is damaged, or a reference is no NanoAOD file.
    ReportError
        If the page cannot be written, or a reference is for a process that the folder does not have.
    """
    samples = read_folder(folder)
    parts, rendered = _measure(samples, dict(reference or {}))
    checks = [check for part in parts.values() for check in part.checks]
    sections = [_summary(samples, checks, [text for part in parts.values() for text in part.absent])]
    sections += [
        _chapter(key, part, rendered[key]) for key, part in parts.items() if key != "comparison" or reference
    ]
    name = Path(folder).resolve().name
    text = page(title or f"massgap samples: {name}", _subtitle(samples), sections)
    path = Path(out) if out is not None else Path(folder) / "samples.html"
    plain = {
        "format": FORMAT,
        "folder": name,
        "datasets": [dataset.name for dataset in samples.datasets],
        "counts": {status: sum(check.status == status for check in checks) for status in (OK, LOOK, FEW)},
        "checks": [check.as_json() for check in checks],
        "absent": [text for part in parts.values() for text in part.absent],
        "problems": samples.problems,
    }
    write_page(path, text)
    write_page(path.with_suffix(".json"), json.dumps(plain, indent=1, ensure_ascii=False) + "\n")
    return path


def _measure(
    samples: SampleFolder, reference: Mapping[str, str | Path]
) -> tuple[dict[str, Part], dict[str, list[Markup]]]:
    # matplotlib loads here, after all that can be wrong with the folder was said.
    from massgap.reports.figures import render
    from massgap.reports.samples.compare import Comparison
    from massgap.reports.samples.detector.jets import JetsAndMet
    from massgap.reports.samples.detector.recoil import Recoil
    from massgap.reports.samples.detector.response import Response
    from massgap.reports.samples.masses import Masses
    from massgap.reports.samples.overview import Overview
    from massgap.reports.samples.slices import Slices

    overview = Overview(samples.datasets)
    slices, masses, response = Slices(samples.datasets), Masses(), Response(samples.card)
    comparison = Comparison(reference, {dataset.process for dataset in samples.datasets})
    others, recoil = JetsAndMet(samples.card), Recoil()
    measurements: list[Any] = [overview, slices, masses, response, others, recoil, comparison]
    branches = {name for measurement in measurements for name in measurement.branches}
    for dataset in samples.datasets:
        for chunk in chunks(dataset, branches, samples.problems):
            for measurement in measurements:
                measurement.fill(chunk)
    parts = {
        "bookkeeping": overview.finish(samples.problems),
        "slices": slices.finish(),
        "physics": masses.finish(),
        "detector": _joined(response.finish(), others.finish(), recoil.finish()),
        "comparison": comparison.finish(),
    }
    rendered = {
        key: [figure(render(drawn.figure), alt=drawn.alt, caption=drawn.caption) for drawn in part.figures]
        for key, part in parts.items()
    }
    return parts, rendered


def _joined(*parts: Part) -> Part:
    return Part(*([entry for part in parts for entry in getattr(part, name)] for name in PART_FIELDS))


def _subtitle(samples: SampleFolder) -> str:
    processes = list(dict.fromkeys(dataset.process for dataset in samples.datasets))
    shown = ", ".join(processes[:12]) + (f" and {len(processes) - 12} more" if len(processes) > 12 else "")
    card = (
        (samples.card or {}).get("description") or (samples.card or {}).get("name") or "no card in the folder"
    )
    return f"{len(samples.datasets)} datasets of {len(processes)} processes: {shown}. Detector: {card}."


def _expected(check: Check) -> str:
    return "-" if check.expected is None else f"{check.expected:.6g}"


def _shown(check: Check) -> str:
    if check.value is None or check.value != check.value:
        return "-"
    if isinstance(check.value, int):
        text = f"{check.value:,}"
    elif check.error is None or check.error != check.error or check.error <= 0:
        text = "below 1e-12" if 0 < abs(check.value) < 1e-12 else number(check.value, 4)
    else:
        text = measured(check.value, check.error)
    return f"{text} {check.unit}".strip()


def _row(check: Check) -> list[object]:
    return [
        Markup(
            f'{escape(check.name)}<span class="small" style="color: {COLOURS[check.status]}">'
            f"{escape(check.status)}</span>"
        ),
        value(check.value if check.value == check.value else None, _shown(check)),
        _expected(check),
        "-" if check.pull is None else f"{check.pull:+.1f}",
        # On a phone the column would otherwise be a dozen lines of two words.
        Markup(f'<span style="display: inline-block; min-width: 34ch">{escape(check.words)}</span>'),
    ]


def _check_table(checks: Sequence[Check], caption: str) -> Markup:
    return table(
        ["Check", "Found", "Expected", "Pull", "What it means"],
        [_row(check) for check in checks],
        caption=caption,
        text_columns=(4,),
    )


def _summary(samples: SampleFolder, checks: Sequence[Check], absent: Sequence[str]) -> Section:
    parts: list[object] = [*_banners(samples, checks), _cards(checks, absent)]
    parts.append(
        paragraph(
            "Pull: (found - expected) / error. A check is fine while its pull is between -3 and 3. "
            "Where a number has no statistical error, it must agree exactly or within what its explanation says."
        )
    )
    for key, (_, title) in CHAPTERS.items():
        own = sorted(
            (check for check in checks if check.group == key),
            key=lambda check: (LOOK, OK, FEW).index(check.status),
        )
        if own:
            flagged = sum(check.status == LOOK for check in own)
            label = f"{title}: {len(own)} checks" + (f", {flagged} want a look" if flagged else "")
            shown = _check_table(own, "Checks that want a look come first.")
            parts.append(fold_away(label, shown, is_open=len(own) <= 12))
    if absent:
        parts.append(
            fold_away(
                f"Not available: {len(absent)}", _bullets(map(escape, absent)), is_open=len(absent) <= 8
            )
        )
    return Section("summary", "Summary", join(*parts))


def _bullets(items: Iterable[str]) -> Markup:
    """Return a list of what is HTML already."""
    return Markup(f"<ul>{''.join(f'<li>{item}</li>' for item in items)}</ul>")


def _banners(samples: SampleFolder, checks: Sequence[Check]) -> list[Markup]:
    """Files that cannot be read, and whether any check wants a look."""
    banners = []
    if samples.problems:
        title = "Some files cannot be read: what follows is without them."
        banners.append(banner("bad", title, _bullets(map(escape, samples.problems))))
    look = [check for check in checks if check.status == LOOK]
    if not look:
        good = sum(check.status == OK for check in checks)
        return [*banners, banner("good", f"All {good} checks that have enough events are fine.")]
    pulls = sum(check.pull is not None for check in checks)
    chance = (
        f"Of {pulls} checks with a statistical error, {number(pulls * 0.0027, 2)} deviate by more than {LIMIT:g} standard "
        "deviations by chance alone, so one flag among many may be nothing; several, or a large pull, mean something."
    )
    items = _bullets(
        f"<b>{escape(check.name)}</b>: {escape(_shown(check))}, expected {_expected(check)}"
        f"{'' if check.pull is None else f', pull {check.pull:+.1f}'}"
        for check in look
    )
    title = f"{len(look)} of {len(checks)} checks want a look."
    return [*banners, banner("warning", title, items, paragraph(chance))]


def _cards(checks: Sequence[Check], absent: Sequence[str]) -> Markup:
    """How many checks are fine, and how many are not."""
    names = {OK: "Fine", LOOK: "Want a look", FEW: "Not enough events"}
    counts = {name: sum(check.status == status for check in checks) for status, name in names.items()}
    counts["Not available"] = len(absent)
    boxes = "".join(f"<div><dt>{escape(name)}</dt><dd>{count}</dd></div>" for name, count in counts.items())
    return Markup(f'<dl class="cards">{boxes}</dl>')


def _chapter(key: str, part: Part, figures: Sequence[Markup]) -> Section:
    anchor, heading = CHAPTERS[key]
    parts: list[object] = [paragraph(INTRODUCTIONS[key]), *part.tables]
    if figures:
        first, rest = list(figures[:OPEN_FIGURES]), list(figures[OPEN_FIGURES:])
        parts.append(grid(first))
        if rest:
            parts.append(fold_away(f"{len(rest)} more figures", grid(rest), is_open=False))
    if part.absent:
        shown = _bullets(map(escape, part.absent))
        parts.append(fold_away("Not available", shown, is_open=len(part.absent) <= 4))
    return Section(anchor, heading, join(*parts))
