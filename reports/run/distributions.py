"""Distributions in all regions, side by side with those in the wider ones, and N-1 plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.figures import density_map, nminus1, render, stacked
from massgap.reports.figures.labels import grouped_features, ordered_regions, region_label
from massgap.reports.figures.spectra import Spectra, drawn_axes, regions, spectra
from massgap.reports.html.html import (
    Markup,
    Section,
    code,
    figure,
    fold_away,
    grid,
    heading,
    join,
    paragraph,
)
from massgap.reports.html.numbers import percent

if TYPE_CHECKING:
    from massgap.contracts.description import Cut
    from massgap.reports.run.inputs import Inputs

PREFIX = "nminus1_"


def drawable(inputs: Inputs) -> list[str]:
    """Return the names of the histograms that the chapter of distributions draws, in the order of the run."""
    scores = {score.column for score in inputs.description.scores}
    return [
        name
        for name, histogram in inputs.histograms.items()
        if name not in scores
        and "fold" not in histogram.axes.name
        and not name.startswith(PREFIX)
        and _can_be_drawn(histogram)
    ]


def _can_be_drawn(histogram: Any) -> bool:
    return "process" in histogram.axes.name and len(drawn_axes(histogram)) in {1, 2}


def distributions(inputs: Inputs) -> Section | None:
    """Return the chapter with all observables, in the groups of the description."""
    names = drawable(inputs)
    if not names:
        return None
    parts: list[Markup] = [
        paragraph(
            "Backgrounds are stacked, the signal is a line, hatched is the statistical uncertainty of the "
            "simulation; below, signal over background per bin. Contents are cross sections in fb, "
            "before any luminosity."
        ),
        _region_list(inputs, names),
    ]
    for group, members in grouped_features(names, inputs.description).items():
        body = join(*(_observable(inputs, name) for name in members))
        parts.append(fold_away(f"{group} ({len(members)})", body))
    parts.append(_not_drawn(inputs))
    return Section("distributions", "Distributions", join(*parts))


def _observable(inputs: Inputs, name: str) -> Markup:
    """One observable: a row of figures per channel, from the widest region to the narrowest."""
    histogram = inputs.histograms[name]
    title = join(code(name), inputs.description.feature(name).description, between=" ")
    draw = _maps if len(drawn_axes(histogram)) == 2 else _figures
    rows = [
        grid([shown for region in members for shown in draw(inputs, name, region)], wide=True)
        for members in inputs.regions(histogram).values()
    ]
    return join(heading(title), *rows)


def _maps(inputs: Inputs, name: str, region: str | None) -> list[Markup]:
    """Two observables: a map per signal and one of all backgrounds."""
    kinds = {signal: [signal] for signal in inputs.signals}
    if inputs.backgrounds or inputs.data:
        kinds["backgrounds" if inputs.backgrounds else "data"] = inputs.backgrounds or inputs.data
    unit = inputs.drawing.get("unit", "fb")
    figures = []
    for what, processes in kinds.items():
        options = {"region": region, "description": inputs.description, "unit": unit}
        image = render(density_map(inputs.histograms[name], processes=processes, **options), "png")
        words = ", ".join(part for part in (_where(inputs, region), what) if part)
        figures.append(figure(image, alt=f"Map of {name}: {words}.", caption=f"{words}."))
    return figures


def _figures(inputs: Inputs, name: str, region: str | None) -> list[Markup]:
    histogram = inputs.histograms[name]
    drawn = spectra(histogram, region=region)
    image = render(stacked(histogram, region=region, **inputs.drawing), "png")
    where = _where(inputs, region)
    caption = join(f"{where}." if where else "", *_notes(drawn, inputs), between=" ")
    return [figure(image, alt=_alt(f"{name} {where}".strip(), drawn, inputs), caption=caption)]


def _where(inputs: Inputs, region: str | None) -> str:
    """A region by its label, with its channel where the run has several."""
    if region is None:
        return ""
    label = region_label(region, inputs.description)
    channel = inputs.description.region(region).channel
    several = len({known.channel for known in inputs.description.regions}) > 1
    return f"{channel}: {label}" if several and channel else label


def _region_list(inputs: Inputs, names: list[str]) -> Markup:
    """Say which regions there are, and in which wider one each lies."""
    found = list(dict.fromkeys(region for name in names for region in regions(inputs.histograms[name])))
    told = []
    for members in ordered_regions(found, inputs.description).values():
        for name in members:
            region = inputs.description.region(name)
            wider = f" (a part of {region_label(region.within, inputs.description)})" if region.within else ""
            cuts = ", ".join(cut.label or cut.name for cut in region.cuts)
            told.append(f"{_where(inputs, name)}{wider}{f', after the cuts {cuts}' if cuts else ''}")
    return paragraph(f"Regions: {'; '.join(told)}.") if told else Markup("")


def _not_drawn(inputs: Inputs) -> Markup:
    left = [name for name, histogram in inputs.histograms.items() if not _can_be_drawn(histogram)]
    if not left:
        return Markup("")
    return paragraph(
        "Not drawn, for want of an axis",
        code("process"),
        f"and one or two axes of values: {', '.join(left)}.",
    )


def _notes(drawn: Spectra, inputs: Inputs) -> list[str]:
    notes = []
    backgrounds = inputs.backgrounds or inputs.data
    total, _ = drawn.total(backgrounds)
    outside = sum(drawn.outside.get(p, 0.0) for p in backgrounds)
    everything = float(total.sum()) + outside
    if everything > 0 and abs(outside / everything) > 1e-4:
        notes.append(f"{percent(outside / everything)} of the background lies outside this range.")
    negative = int((total < 0).sum())
    if negative:
        notes.append(
            f"{negative} {'bin has' if negative == 1 else 'bins have'} a negative sum of weights "
            "and cannot be shown on the logarithmic axis."
        )
    return notes


def _alt(what: str, drawn: Spectra, inputs: Inputs) -> str:
    names = [p for p in inputs.drawing["backgrounds"] if p in drawn.values]
    ranked = sorted(names, key=lambda p: -float(drawn.values[p].sum()))
    text = f"{what}. Stacked: {', '.join(ranked) or 'nothing'}, largest first"
    if inputs.signals:
        text += f"; signal as a line: {', '.join(inputs.signals)}; below, signal over background per bin"
    return text + "."


def nminus1_plots(inputs: Inputs) -> Section | None:
    """Return the chapter with the N-1 plots, a row of figures per region."""
    rows: dict[str, list[Markup]] = {}
    names = [name for name in inputs.histograms if name.startswith(PREFIX)]
    for name in (name for name in names if len(drawn_axes(inputs.histograms[name])) == 1):
        channels = inputs.regions(inputs.histograms[name])
        for region in [region for members in channels.values() for region in members]:
            rows.setdefault(region or "", []).append(_nminus1_figure(inputs, name, region))
    if not rows:
        return None
    text = paragraph(
        "All cuts of the region are applied but the one on the quantity itself; what that one removes is shaded."
    )
    several = len(rows) > 1
    ordered = [region for members in ordered_regions(rows, inputs.description).values() for region in members]
    body = [
        join(heading(_where(inputs, region)) if several else "", grid(rows[region], wide=True))
        for region in ordered
    ]
    return Section("nminus1", "N-1 plots", join(text, *body))


def _nminus1_figure(inputs: Inputs, name: str, region: str | None) -> Markup:
    histogram = inputs.histograms[name]
    drawn = spectra(histogram, region=region)
    cut = _cut(inputs, name.removeprefix(PREFIX), region)
    named = (cut.label if cut is not None else "") or name.removeprefix(PREFIX)
    of = "" if named == drawn.name else f" ({named})"
    where = _where(inputs, region)
    what = f"after all cuts{f' of {where}' if where else ''} but the one on itself{of}"
    image = render(nminus1(histogram, cut=cut, region=region, **inputs.drawing), "png")
    caption = join(code(drawn.name), f"{what}.", *_notes(drawn, inputs), between=" ")
    return figure(image, alt=_alt(f"{drawn.name} {what}", drawn, inputs), caption=caption)


def _cut(inputs: Inputs, name: str, region: str | None) -> Cut | None:
    """The described cut of that name: of the region if that is known, of any otherwise."""
    if region is None:
        return inputs.description.cuts.get(name, ("", None))[1]
    cuts = inputs.description.region(region).cuts
    return next((cut for cut in cuts if cut.name == name), None)
