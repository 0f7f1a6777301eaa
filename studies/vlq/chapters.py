"""What the report of the study shows besides: the paper's table, the classifiers at each mass, the background's shape."""

from __future__ import annotations

from typing import TYPE_CHECKING

from massgap.reports.run.chapters import Chapter
from massgap.studies.comparison import compared_html
from massgap.studies.vlq.classifiers import CLASSIFIERS
from massgap.studies.vlq.further import claims_table, edges_table, shapes_table
from massgap.studies.vlq.numbers.bins import bin_counts, counts_table
from massgap.studies.vlq.numbers.calibrated import calibration_table, calibrations
from massgap.studies.vlq.numbers.claims import claims_at
from massgap.studies.vlq.numbers.limits import limits_of, limits_table
from massgap.studies.vlq.numbers.measured import MASSES, Shapes, edge_jumps, mass_edges, shapes
from massgap.studies.vlq.numbers.performance import AtMass, Performance, performance_of
from massgap.studies.vlq.study import BACKGROUND_EFFICIENCY
from massgap.studies.vlq.validation import paper, validate

if TYPE_CHECKING:
    from massgap.reports.html.html import Markup
    from massgap.reports.run.inputs import Inputs
    from massgap.studies.markdown import FurtherTable

__all__ = ["chapters"]


def chapters() -> tuple[Chapter, ...]:
    """The chapters of a report on a run of this study."""
    return (
        Chapter("Beside the paper", beside_the_paper, after="cutflow"),
        Chapter("Classifiers at each mass", at_each_mass, after="training"),
        Chapter("The background keeps its shape", shape_of_background, after="training"),
        Chapter("Limits against the mass", limits_against_mass, after="training"),
        Chapter("The numbers behind", numbers_behind, after="training"),
    )


def _performance(inputs: Inputs) -> Performance | None:
    """Of the study that a run is in, None for a run alone."""
    return performance_of(inputs.run_folder.resolve().parent)


def beside_the_paper(inputs: Inputs) -> Markup | None:
    """The table of efficiencies and the statements, beside the numbers of this study."""
    performance = _performance(inputs)
    rows = validate(inputs.run_folder if performance is None else performance.folder)
    return compared_html(rows, paper()) if any(row.ours is not None for row in rows) else None


def at_each_mass(inputs: Inputs) -> Markup | None:
    """ROC curves at a few masses, and the signal efficiency of all classifiers against the mass."""
    from massgap.reports.figures import render
    from massgap.reports.html.html import figure, grid, join, paragraph
    from massgap.studies.vlq.figures import curves_at, efficiencies

    performance = _performance(inputs)
    if performance is None:
        return None
    points = [performance.at(mass) for mass in performance.masses]
    told = [point for point in points if point.found]
    if not told:
        return paragraph("In no window of the reconstructed mass are there enough events of both classes.")
    pictures = [
        figure(
            render(curves_at(point)),
            alt=f"ROC curves of all classifiers for T of {point.mass:g} GeV.",
            caption=f"T of {point.mass:g} GeV: {point.n_signal:,} signal and {point.n_background:,} background events with a "
            "reconstructed mass within 0.1 TeV; the numbers are areas. Bands: 68 % of bootstrap replicas.",
        )
        for point in told
        if point.mass in MASSES
    ]
    against = figure(
        render(efficiencies(told)),
        alt="Signal efficiency of all classifiers against the mass.",
        caption=f"Signal efficiency at a background efficiency of {100 * BACKGROUND_EFFICIENCY:g} %, events within 0.1 TeV of each mass.",
    )
    few = [f"{point.mass:g}" for point in points if not point.found]
    return join(
        paragraph(
            "All events are scored by the classifier of a fold that has not seen them; parameterised classifiers are asked "
            "about the mass of the window."
        ),
        grid([*pictures, against]),
        _areas(told),
        paragraph(f"Too few events in the windows of {', '.join(few)} GeV.") if few else "",
    )


def _areas(points: list[AtMass]) -> Markup:
    """1 - AUC of each classifier at each mass."""
    from massgap.reports.html.html import table
    from massgap.reports.html.numbers import measured

    there = [c for c in CLASSIFIERS if any(c.place in point.found for point in points)]
    rows = []
    for point in points:
        row: list[object] = [f"{point.mass:g}", point.n_signal, point.n_background]
        for classifier in there:
            quality = point.found.get(classifier.place)
            row.append(
                "-" if quality is None else measured(1 - quality.auc, float(quality.auc_replicas.std()))
            )
        rows.append(row)
    header = ["m_T [GeV]", "signal", "background", *(c.recipe for c in there)]
    return table(header, rows, caption="1 - AUC, by recipes, with the error of the bootstrap replicas")


def shape_of_background(inputs: Inputs) -> Markup | None:
    """Thresholds and shares against the reconstructed mass, and spectra before and after the cut."""
    from massgap.reports.figures import render
    from massgap.reports.html.html import figure, grid, join, paragraph
    from massgap.studies.vlq.figures import shares, spectra, thresholds

    performance = _performance(inputs)
    if performance is None or not performance.has_flat:
        return None
    found = shapes(performance)
    cuts = {"flat score": found.flat, **({"fixed threshold, muNN": found.fixed} if found.fixed else {})}
    pictures = [
        figure(
            render(shares(cuts, BACKGROUND_EFFICIENCY)),
            alt="Share of the background that is kept against the reconstructed mass.",
            caption="Share of the background that is kept in bins of the reconstructed mass.",
        )
    ]
    if found.thresholds:
        pictures.append(
            figure(
                render(thresholds(mass_edges(), found.thresholds)),
                alt="Thresholds against the reconstructed mass.",
                caption=f"Thresholds that keep {100 * BACKGROUND_EFFICIENCY:g} % of the background in each bin, of scores that are not made "
                "flat; that of the flat score is the same everywhere.",
            )
        )
    histogram = inputs.histograms.get("m_t_prime")
    signals = [name for name in ("vlq_1000", "vlq_2000", "vlq_4000", "vlq_6000") if name in inputs.signals]
    if histogram is not None and "tagged" in {str(r) for r in histogram.axes["region"]}:
        labels = ["background", *(f"{inputs.masses[name]['m_T'] / 1000:g} TeV" for name in signals)]
        pictures.append(
            figure(
                render(spectra(histogram, inputs.backgrounds, signals, labels)),
                alt="Spectra of the reconstructed mass before and after the cut.",
                caption="Before (dashed) and after the cut (full), each of area one.",
            )
        )
    tables = (shapes_table(performance), edges_table(edge_jumps(performance)))
    return join(paragraph(_words(found)), grid(pictures), *(_shown(one) for one in tables))


def limits_against_mass(inputs: Inputs) -> Markup | None:
    """Limits on the cross section against the mass, beside those with a classifier of a mass alone."""
    from massgap.reports.figures import render
    from massgap.reports.html.html import figure, join
    from massgap.studies.vlq.figures import limits

    found = limits_of(inputs.run_folder.resolve().parent)
    if not found:
        return None
    picture = figure(
        render(limits(found)),
        alt="Expected limits on the cross section against the mass.",
        caption="Expected upper limit at 95 % CLs with its bands of one and two standard deviations; circles: with a classifier "
        "of that mass alone, cut at the same background efficiency and fitted in the same way.",
    )
    return join(picture, _shown(limits_table(found)))


def numbers_behind(inputs: Inputs) -> Markup | None:
    """Each statement with its numbers, how events are spread over bins, and how scores are calibrated."""
    from massgap.reports.figures import render
    from massgap.reports.html.html import figure, grid, join
    from massgap.studies.vlq.figures import calibration

    performance = _performance(inputs)
    if performance is None:
        return None
    points = [performance.at(mass) for mass in MASSES if mass in performance.masses]
    counts = bin_counts(performance.table, performance.is_background(performance.table))
    made = calibrations(performance)
    picture = grid(
        [
            figure(
                render(calibration(made)),
                alt="Share of signal against the score.",
                caption="Share of signal among held-out events against the score; both classes weigh the same in each bin of the "
                "reconstructed mass, as in the training.",
            )
        ]
        if made
        else []
    )
    tables = (claims_table(claims_at(points)), calibration_table(performance), counts_table(counts))
    first, *rest = (_shown(one) for one in tables)
    return join(first, picture, *rest)


def _shown(found: FurtherTable) -> Markup:
    """A table, with its note as caption."""
    from massgap.reports.html.html import Markup, table

    if not found.rows:
        return Markup("")
    caption = f"{found.title}. {found.note}".strip()
    return table(list(found.header), found.texts(), caption=caption)


def _words(found: Shapes) -> str:
    def said(name: str, shape: object) -> str:
        return f"{name}: chi2 {shape.chi2:.1f} for {shape.ndf} degrees of freedom, Kolmogorov-Smirnov p = {shape.p_value:.2g}"  # type: ignore[attr-defined]

    parts = [said("the flat score", found.flat)]
    if found.fixed:
        parts.append(said("a fixed threshold on the score of muNN", found.fixed))
    return f"The share of the background that is kept against the reconstructed mass. {'; '.join(parts)}."
