"""What the report of a smuon run shows besides: the paper's tables, and what counting in its regions excludes."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.reports.run.chapters import Chapter
from massgap.studies.comparison import compared_html
from massgap.studies.smuon.numbers.folders import Folders
from massgap.studies.smuon.places import LUMINOSITIES
from massgap.studies.smuon.planes import (
    FEW,
    REGIONS,
    Plane,
    beyond,
    counting_plane,
    counting_planes,
    exclusion_line,
    open_ends,
)
from massgap.studies.smuon.validation import paper, validate
from massgap.studies.smuon.yields import MIXTURES, Yields

if TYPE_CHECKING:
    from collections.abc import Sequence

    from matplotlib.figure import Figure

    from massgap.reports.html.html import Markup
    from massgap.reports.run.inputs import Inputs
    from massgap.studies.smuon.reach import Method

__all__ = ["chapters", "draw_exclusions", "draw_fiducial", "draw_methods"]

_COLORS = {"low": "#3f90da", "high": "#832db6", "bdt": "#222222", "static_veto": "#bd1f01"}
_LABELS = {"low": "Low network", "high": "High network", "bdt": "BDT", "static_veto": "Static jet veto"}
SIX = 6.0
"""Events after the preselection that bound the paper's range of masses (its figure 1)."""


def chapters() -> tuple[Chapter, ...]:
    """The chapters of a report on a run of this study."""
    return (
        Chapter("Beside the paper", beside_the_paper, after="cutflow"),
        Chapter("What counting excludes", exclusions, after="training"),
        Chapter("Beyond the paper", beyond_the_paper, after="fit"),
    )


def beside_the_paper(inputs: Inputs) -> Markup | None:
    """The paper's tables beside the numbers of this run."""
    from massgap.reports.html.html import join, paragraph

    if not set(Yields(inputs.run_folder).masses):
        return None
    text = paragraph(
        "Hard numbers must come out, moderate ones depend on details that the paper prints, trends on such that it does not. "
        "A number whose simulation is too small to tell is unclear. Backgrounds are normalised as in the paper: tt to 9.5 pb, "
        "the others to 1.2 times leading order."
    )
    return join(text, compared_html(validate(inputs.run_folder), paper()))


def beyond_the_paper(inputs: Inputs) -> Markup | None:
    """What each step buys, limits by method and by cross sections, the learning curve."""
    from massgap.reports.html.html import join, paragraph, table
    from massgap.studies.smuon.numbers.further import further_tables

    if not Yields(inputs.run_folder).masses:
        return None
    parts = []
    for found in further_tables(inputs.run_folder):
        parts += [paragraph(found.note), table(found.header, found.texts(), caption=found.title)]
    return join(*parts)


def exclusions(inputs: Inputs) -> Markup | None:
    """The paper's figures 1, 3 and 4, and how far each region reaches."""
    from massgap.reports.figures import render
    from massgap.reports.html.html import figure, grid, join, paragraph, table

    yields = Yields(inputs.run_folder)
    planes = list(counting_planes(yields))
    if not planes or not yields.masses:
        return None
    rows = [_row(plane) for plane in planes if plane.luminosity == LUMINOSITIES[0]]
    head = ["region", "background", "uncertainty", "b", "excluded s", "reach [GeV]"]
    said = _caveats(inputs, planes)
    drawn = [
        figure(
            render(draw_fiducial(yields)),
            alt="Events after the preselection",
            caption="Events at 139 fb-1 after M_T2; the line is at 6 events.",
        )
    ]
    for mixture in MIXTURES:
        picture = draw_exclusions([plane for plane in planes if plane.mixture == mixture])
        caption = (
            f"Expected 95 % CL exclusion, background {mixture}; solid without uncertainty, dashed with 50 %."
        )
        drawn.append(figure(render(picture), alt=caption, caption=caption))
    caption = (
        f"The same at {LUMINOSITIES[0]:g} fb-1, background as Table VIII, by what is assumed of its 50 %: asymptotic, and exact CLs "
        "with a log-normal and with a truncated Gaussian."
    )
    drawn.append(figure(render(draw_methods(yields)), alt=caption, caption=caption))
    words = paragraph(
        f"Counting at {LUMINOSITIES[0]:g} fb-1, leading-order signals, median of the asymptotic CLs.{said}"
    )
    return join(
        words,
        table(head, rows, caption=f"Counting at {LUMINOSITIES[0]:g} fb-1", text_columns=(1,)),
        grid(drawn, wide=True),
    )


def _caveats(inputs: Inputs, planes: Sequence[Plane]) -> str:
    """What a reader must know of these planes: few events, extrapolation, lines that end at the edge of the points."""
    out = ""
    few = sorted({_LABELS[p.region] for p in planes if p.effective < FEW})
    if few:
        out += f" Fewer than {FEW:g} effective simulated events of background: {', '.join(few)}."
    points = [(p["m_slepton"], p["m_lsp"]) for p in planes[0].points]
    folders = Folders.of(inputs.run_folder)
    records = {score: folders.training(f"models/{score}") for score in _LABELS}
    records |= {score: model.training for score, model in inputs.models.items()}
    for score, record in records.items():
        named_signals = (record or {}).get("signal") or ()
        seen = [inputs.masses[name] for name in named_signals if name in inputs.masses]
        masses = [(m["m_slepton"], m["m_lsp"]) for m in seen if {"m_slepton", "m_lsp"} <= set(m)]
        if score in _LABELS and masses and (far := beyond(masses, points)):
            named = ", ".join(f"{m:g}/{lsp:g}" for m, lsp in far[:8]) + (", ..." if len(far) > 8 else "")
            out += f" {_LABELS[score]} extrapolates to {len(far)} of {len(points)} signals, outside of those that it was trained on: {named}."
    open_lines = sorted({_LABELS[p.region] for p in planes if open_ends(p, exclusion_line(p))})
    if open_lines:
        out += f" Lines that end at the edge of the points, beyond which nothing is known: {', '.join(open_lines)}."
    if len({tuple(point) for point in points}) < 3:
        out += " Fewer than three signals: there is no plane, and no line."
    return out


def _row(plane: Plane) -> list[str]:
    gev = plane.reach()
    return [
        _LABELS[plane.region],
        plane.mixture,
        f"{100 * plane.uncertainty:g} %",
        f"{plane.background:.3g} ± {plane.background_error:.2g}",
        f"{plane.excluded:.3g}",
        "-" if gev is None else f"{gev:.0f}",
    ]


def draw_exclusions(planes: Sequence[Plane]) -> Figure:
    """Lines of exclusion of all regions, a panel per luminosity."""
    from matplotlib.figure import Figure

    from massgap.reports.figures.style import style

    with style():
        drawn = Figure(figsize=(11.0, 3.8), layout="constrained")
        axes: Any = drawn.subplots(1, len(LUMINOSITIES), sharey=True)
        for ax, lumi in zip(axes, LUMINOSITIES, strict=True):
            for plane in (p for p in planes if p.luminosity == lumi):
                dashes = "-" if plane.uncertainty == 0.0 else "--"
                for line in exclusion_line(plane):
                    ax.plot(line[:, 0], line[:, 1], dashes, color=_COLORS[plane.region])
            at = np.array([(p["m_slepton"], p["m_lsp"]) for p in planes[0].points])
            ax.plot(at[:, 0], at[:, 1], ".", color="0.7", markersize=3)
            ax.set_title(f"{lumi:g} fb$^{{-1}}$")
            ax.set_xlabel(r"$m_{\tilde{\mu}}$ [GeV]")
        axes[0].set_ylabel(r"$m_{\tilde{\chi}}$ [GeV]")
        for region in dict.fromkeys(plane.region for plane in planes):
            axes[0].plot([], [], color=_COLORS[region], label=_LABELS[region])
        axes[0].legend(loc="upper left", fontsize="small")
    return drawn


_STYLES: dict[Method, tuple[float, str]] = {
    "asymptotic": (0.0, "-"),
    "exact": (0.0, "--"),
    "exact lnN": (0.5, "-."),
    "exact gauss": (0.5, ":"),
}


def draw_methods(yields: Yields) -> Figure:
    """Lines of exclusion at the first luminosity by method, a panel per region."""
    from matplotlib.figure import Figure

    from massgap.reports.figures.style import style

    regions = [name for name in REGIONS if name in yields.regions]
    with style():
        drawn = Figure(figsize=(3.2 * len(regions) + 1.4, 3.4), layout="constrained")
        axes: Any = drawn.subplots(1, len(regions), sharey=True, squeeze=False)[0]
        for ax, region in zip(axes, regions, strict=True):
            for method, (uncertainty, dashes) in _STYLES.items():
                plane = counting_plane(yields, region, "as Table VIII", LUMINOSITIES[0], uncertainty, method)
                for line in exclusion_line(plane):
                    ax.plot(line[:, 0], line[:, 1], dashes, color=_COLORS[region])
            ax.set_title(_LABELS[region])
            ax.set_xlabel(r"$m_{\tilde{\mu}}$ [GeV]")
        for method, (uncertainty, dashes) in _STYLES.items():
            axes[0].plot([], [], dashes, color="0.3", label=f"{method}, {100 * uncertainty:g} %")
        axes[0].set_ylabel(r"$m_{\tilde{\chi}}$ [GeV]")
        axes[0].legend(loc="upper left", fontsize="x-small")
    return drawn


def draw_fiducial(yields: Yields) -> Figure:
    """Signal events at 139 fb-1 after the preselection, and where they are six."""
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    from massgap.reports.figures.style import style

    lumi = LUMINOSITIES[0]
    names = sorted(yields.masses)
    at = np.array([yields.masses[name] for name in names])
    events = np.array([lumi * yields.one(name, "preselection").value for name in names])
    points = tuple(
        {
            "m_slepton": float(m),
            "m_lsp": float(lsp),
            "signal": float(s),
            "mu": SIX / s if s > 0 else float("inf"),
        }
        for (m, lsp), s in zip(at, events, strict=True)
    )
    six = Plane("preselection", "as Table III", lumi, 0.0, "asymptotic", 0.0, 0.0, 0.0, SIX, points)
    with style():
        drawn = Figure(figsize=(5.5, 3.8), layout="constrained")
        ax: Any = drawn.subplots()
        seen = events > 0
        shown = ax.scatter(at[seen, 0], at[seen, 1], c=events[seen], norm=LogNorm(), s=60)
        drawn.colorbar(shown, label="Events")
        for line in exclusion_line(six):
            ax.plot(line[:, 0], line[:, 1], color="0.2")
        ax.set_xlabel(r"$m_{\tilde{\mu}}$ [GeV]")
        ax.set_ylabel(r"$m_{\tilde{\chi}}$ [GeV]")
    return drawn
