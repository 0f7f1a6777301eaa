"""Distributions before and after the pre-cuts, and N-1 plots."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.figures import nminus1, render, stacked
from massgap.reports.figures.distributions import Cut
from massgap.reports.figures.labels import SELECTION_LABELS, feature_label, grouped_features
from massgap.reports.figures.spectra import CHOOSING_AXES, Spectra, selections, spectra
from massgap.reports.html.html import (
    Markup,
    Section,
    code,
    escape,
    figure,
    fold_away,
    grid,
    heading,
    join,
    paragraph,
)
from massgap.reports.html.numbers import percent

if TYPE_CHECKING:
    from massgap.reports.run.inputs import Inputs

PREFIX = "nminus1_"

# The slepton analysis' pre-cuts by name (and by the feature they cut on): what is drawn.
PRECUTS = {
    "z_window": Cut(81.0, 101.0, keep="outside"),
    "m_ll": Cut(81.0, 101.0, keep="outside"),
    "met": Cut(110.0, None),
    "cos_theta_star": Cut(-0.5, 0.5),
    "mt2_100": Cut(None, 130.0),
    "met_125": Cut(125.0, None),
}


def drawable(inputs: Inputs) -> list[str]:
    """Return the names of the histograms that this chapter draws, features in their own order."""
    names = []
    for name, histogram in inputs.histograms.items():
        axes = list(histogram.axes.name)
        values = [axis for axis in axes if axis not in CHOOSING_AXES]
        if name != "score" and not name.startswith(PREFIX) and "process" in axes and len(values) == 1:
            names.append(name)
    return names


def _options(inputs: Inputs) -> dict[str, Any]:
    """Return what the figures have in common; a run of data alone is drawn in events."""
    if inputs.signals or inputs.backgrounds:
        return {"signals": inputs.signals, "backgrounds": inputs.backgrounds, "masses": inputs.masses}
    return {"backgrounds": inputs.data, "unit": "events"}


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


def _alt(what: str, drawn: Spectra, options: dict[str, Any]) -> str:
    names = [p for p in options.get("backgrounds", ()) if p in drawn.values]
    ranked = sorted(names, key=lambda p: -float(drawn.values[p].sum()))
    text = f"{what}. Stacked: {', '.join(ranked) or 'nothing'}, largest first"
    if options.get("signals"):
        text += f"; signal as a line: {', '.join(options['signals'])}; below, signal over background per bin"
    return text + "."


def distributions(inputs: Inputs) -> Section | None:
    """Return the chapter with all features, in the groups of Table II."""
    names = drawable(inputs)
    if not names:
        return None
    options = _options(inputs)
    parts: list[Markup] = [
        paragraph(
            "Backgrounds are stacked, the signal is a line, hatched is the statistical uncertainty of the "
            "simulation; below, signal over background per bin. Contents are cross sections in fb, "
            "before any luminosity."
        )
    ]
    for group, members in grouped_features(names).items():
        body: list[Markup] = []
        for name in members:
            histogram = inputs.histograms[name]
            figures = []
            description = ""
            steps: list[str | None] = [*selections(histogram)] or [None]
            for selection in steps:
                drawn = spectra(histogram, selection=selection)
                description = feature_label(name, drawn.axis_label).description
                where = SELECTION_LABELS.get(selection or "", selection or "")
                image = render(stacked(histogram, selection=selection, **options), "png")
                caption = join(
                    f"{where[:1].upper()}{where[1:]}." if where else "", *_notes(drawn, inputs), between=" "
                )
                figures.append(
                    figure(image, alt=_alt(f"{name} {where}".strip(), drawn, options), caption=caption)
                )
            title = join(code(name), escape(description), between=" ") if description else code(name)
            body += [heading(title), grid(figures, wide=True)]
        parts.append(fold_away(f"{group} ({len(members)})", join(*body)))
    return Section("distributions", "Distributions", join(*parts))


def nminus1_plots(inputs: Inputs) -> Section | None:
    """Return the chapter with the N-1 plots."""
    names = [name for name in inputs.histograms if name.startswith(PREFIX)]
    if not names:
        return None
    options = _options(inputs)
    figures = []
    for name in names:
        named = name.removeprefix(PREFIX)
        histogram = inputs.histograms[name]
        cut = PRECUTS.get(named) if inputs.manifest.get("analysis") == "slepton" else None
        drawn = spectra(histogram)
        feature = drawn.name
        of = "" if named == feature else f" ({named})"
        image = render(nminus1(histogram, cut=cut, **options), "png")
        what = f"{feature} after all pre-cuts but the one on itself{of}"
        caption = join(
            code(feature),
            f"after all pre-cuts but the one on itself{of}.",
            *_notes(drawn, inputs),
            between=" ",
        )
        figures.append(figure(image, alt=_alt(what, drawn, options), caption=caption))
    text = paragraph(
        "All pre-cuts are applied but the one on the quantity itself; what that one removes is shaded."
    )
    return Section("nminus1", "N-1 plots", join(text, grid(figures, wide=True)))
