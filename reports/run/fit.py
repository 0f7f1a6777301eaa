"""The binned fit: yields, significance, limit, signal strength, pulls."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from massgap.reports.figures import fitted_bins, pulls, render, upper_limit
from massgap.reports.figures.labels import region_label
from massgap.reports.html.html import Markup, Section, figure, grid, heading, join, paragraph, table, value
from massgap.reports.html.numbers import measured, number
from massgap.reports.run.expected import expected, expected_range
from massgap.reports.run.nuisances import combined, parameters
from massgap.reports.run.settings import plain_rows

if TYPE_CHECKING:
    from massgap.reports.run.inputs import Inputs


def fit_section(inputs: Inputs) -> Section | None:
    """Return the chapter on the fit, if a fit folder was given."""
    results = inputs.results
    if results is None:
        return None
    figures = []
    for index, part in enumerate(results["parts"]):
        drawn = fitted_bins(results, index, description=inputs.description, masses=inputs.masses)
        what = _part(inputs, part)
        figures.append(
            figure(
                render(drawn),
                alt=f"Expected events per bin of the fit, {what}: backgrounds stacked, signal as a line, S/B below.",
                caption=f"{what[:1].upper()}{what[1:]}, in the bins of the fit, drawn equally wide.",
            )
        )
    limit = results.get("upper_limit") or {}
    if limit.get("expected") and all(v is not None and math.isfinite(v) for v in limit["expected"]):
        figures.append(
            figure(
                render(upper_limit(limit, (results.get("simulation") or {}).get("upper_limit"))),
                alt="Upper limit on the signal strength with its one and two sigma bands.",
                caption="Upper limit on the signal strength (CLs)"
                + (
                    "; the bar on the median is from the number of simulated events."
                    if results.get("simulation")
                    else "."
                ),
            )
        )
    entries = pull_entries(results.get("pulls"))
    if entries:
        figures.append(
            figure(
                render(pulls(entries)),
                alt="Pulls of the nuisance parameters.",
                caption="Nuisance parameters after the fit.",
            )
        )
    yields = [_yields(inputs, results, part) for part in results["parts"]]
    heads = [
        _numbers(results),
        combined(results),
        grid(figures, wide=True),
        heading("Expected events per bin"),
    ]
    return Section(
        "fit", "Fit", join(*heads, *yields, _fitted(inputs, results), parameters(results), _options(results))
    )


def _part(inputs: Inputs, part: Mapping[str, Any]) -> str:
    """What is fitted and where, in words."""
    region = region_label(str(part.get("region") or ""), inputs.description)
    if part.get("run"):
        region = f"{region} of {part['run']}"
    return f"{part['histogram']} in {region}" if region else str(part["histogram"])


def pull_entries(stored: Any) -> list[tuple[str, float, float]]:
    """Return name, pull, uncertainty from a dict or a list of entries, leaving out what is neither."""
    items: list[tuple[str, Any]] = []
    if isinstance(stored, Mapping):
        items = [(str(name), entry) for name, entry in stored.items()]
    elif isinstance(stored, list):
        items = [(str(e.get("name", e.get("parameter", "?"))), e) for e in stored if isinstance(e, Mapping)]
    entries = []
    for name, entry in items:
        if isinstance(entry, Mapping):
            pull = entry.get("pull", entry.get("value"))
            error = entry.get("error", entry.get("uncertainty", 0.0))
        elif isinstance(entry, list | tuple) and len(entry) == 2:
            pull, error = entry
        else:
            pull, error = entry, 0.0
        if isinstance(pull, int | float) and isinstance(error, int | float):
            entries.append((name, float(pull), float(error)))
    return entries


def _numbers(results: Mapping[str, Any]) -> Markup:
    spread = results.get("simulation") or {}
    rows: list[list[object]] = []
    discovery = results.get("discovery") or {}
    for key, name in (
        ("expected_significance", "Expected significance [σ]"),
        ("observed_significance", "Observed significance [σ]"),
        ("p_value", "p-value of the background alone"),
    ):
        if discovery.get(key) is not None:
            rows.append([name, expected(discovery[key], spread.get(key), digits=4)])
    limit = results.get("upper_limit") or {}
    if limit.get("observed") is not None:
        rows.append(
            [
                "Observed upper limit on the signal strength",
                value(limit["observed"], number(limit["observed"])),
            ]
        )
    rows += _banded("Expected upper limit", limit, spread.get("upper_limit"))
    rows += _banded("Expected CLs of this model", results.get("cls") or {}, spread.get("cls"), expected_range)
    strength = results.get("signal_strength") or {}
    if strength.get("value") is not None:
        error = strength.get("error")
        shown = number(strength["value"]) if error is None else measured(strength["value"], error)
        rows.append(["Signal strength", value(strength["value"], shown)])
    if "toys" in results:
        from massgap.fits.inference.toys.results import toy_rows

        rows += [[what[:1].upper() + what[1:], said] for what, said in toy_rows(results["toys"], "μ")]
    found = table(["Quantity", "Value"], rows, caption=f"Results at {results['lumi_fb']:g} fb⁻¹")
    return join(found, paragraph(_simulation(spread))) if spread else found


def _banded(
    name: str,
    numbers: Mapping[str, Any],
    spread: Mapping[str, Any] | None,
    shown: Callable[..., Markup] = expected,
) -> list[list[object]]:
    bands = ("-2σ", "-1σ", "median", "+1σ", "+2σ")
    errors = (spread or {}).get("expected") or [None] * len(bands)
    found = zip(bands, numbers.get("expected") or (), errors, strict=False)
    return [[f"{name}, {band}", shown(bound, error)] for band, bound, error in found]


_METHODS = {
    "events": "the events of the feature tables were resampled",
    "histogram": "the bins of the histograms were resampled as scaled Poisson variables",
    "mixed": "the events of the feature tables were resampled where they are those of the histogram, else its bins",
}


def _simulation(spread: Mapping[str, Any]) -> str:
    """What the uncertainties behind ± are."""
    text = (
        "Behind ± of expected numbers is how they would differ, had the simulation been made anew with as many events: their "
        f"standard deviation over {spread['replicas']} replicas, for which {_METHODS[spread['method']]} (seed {spread['seed']}). "
        "The classifier, the bins and the relative size of systematic variations are held. Behind CLs stands the middle 68 % of the replicas."
    )
    significance = spread["expected_significance"]
    if significance["interval"] is not None:
        low, high = significance["interval"]
        text += f" 68 % of the significances are between {low:.2f} and {high:.2f} σ, their mean is {significance['mean']:.2f} σ."
    if spread["why"]:
        text += f" Not only events were resampled, because {'; '.join(spread['why'])}."
    if spread["joined"]:
        text += (
            f" In {spread['joined']} replicas a bin lost all its background and was joined to its neighbour."
        )
    for problem, n in spread["problems"].items():
        text += f" In {n} replicas {problem}: they are left out."
    return text


def _yields(inputs: Inputs, results: Mapping[str, Any], part: Mapping[str, Any]) -> Markup:
    bins = [f"{low:.4g} to {high:.4g}" for low, high in itertools.pairwise(part["binning"])]
    samples = [results["signal"], *results["backgrounds"]]
    samples += [name for name in part["yields"] if name not in samples]
    rows: list[list[object]] = []
    for sample in samples:
        contents = part["yields"].get(sample)
        if contents is None:
            continue
        errors = (part.get("stat_errors") or {}).get(sample)
        cells = [value(v, measured(v, errors[i]) if errors else number(v, 4)) for i, v in enumerate(contents)]
        total = math.fsum(contents)
        rows.append([sample, *cells, value(total, number(total, 4))])
    seen = part.get("observations")
    if seen:
        rows.append(
            ["Data", *[value(n, f"{n:g}") for n in seen], value(math.fsum(seen), f"{math.fsum(seen):g}")]
        )
    caption = f"{_part(inputs, part)}: events with the uncertainty of the simulation"
    return table(["Sample", *bins, "Sum"], rows, caption=caption)


def _fitted(inputs: Inputs, results: Mapping[str, Any]) -> Markup:
    """Yields before and after the fit; nothing for results that were written without."""
    found = results.get("yields")
    if not found:
        return Markup("")
    names = {part.get("channel"): _part(inputs, part) for part in results["parts"]}
    rows: list[list[object]] = []
    for entry in found:
        where = names.get(entry["channel"], entry["channel"])
        cells = [value(entry[key][0], measured(*entry[key])) for key in ("prefit", "postfit")]
        rows.append([where, entry["process"] or "all backgrounds", *cells])
    fitted_to = (
        "data" if (results.get("signal_strength") or {}).get("on_data") else "Asimov data with the signal"
    )
    return join(
        heading("Yields before and after the fit"),
        table(
            ["Part", "Process", "Before", "After"],
            rows,
            caption=f"Events in all bins; before the fit with what the widths of the parameters leave open, free factors at 1, after the fit to "
            f"{fitted_to} with what the covariance of all parameters leaves open. The simulation of a bin is one number for all processes in it, "
            "unless the fit keeps one for each",
            text_columns=(0, 1),
        ),
    )


def _options(results: Mapping[str, Any]) -> Markup:
    options = results.get("options") or {}
    if not options:
        return Markup("")
    return join(
        heading("Options of the fit"),
        table(
            ["Option", "Value"],
            plain_rows(options),
            caption="Options",
            text_columns=(1,),
        ),
        paragraph("Every parameter of the likelihood is in the workspace beside the results."),
    )
