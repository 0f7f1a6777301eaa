"""What came out, what was run, and whether anything is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.figures.labels import axis_label, region_label
from massgap.reports.html.html import Markup, Section, banner, cards, code, escape, join, paragraph
from massgap.reports.html.html import card as _card
from massgap.reports.html.numbers import number, percent
from massgap.reports.run.expected import expected_text
from massgap.reports.run.score import filled_scores

if TYPE_CHECKING:
    from collections.abc import Mapping

    from massgap.reports.run.inputs import Inputs

MOST_PROBLEMS = 12


def lost_events(ledger: Mapping[str, Any]) -> dict[str, dict[str, float]]:
    """Return per dataset what was expected and not processed: events, files, share of the weights."""
    lost: dict[str, dict[str, float]] = {}
    for dataset, entry in sorted(ledger.get("datasets", {}).items()):
        failed = int(entry.get("events_failed") or 0)
        missing = int(entry.get("events_missing") or 0)
        expected = entry.get("weights_expected")
        processed = entry.get("weights_processed")
        # Sums in another order differ in the last digits; that is not a loss.
        share = 0.0
        if expected and processed is not None and not entry.get("skimmed"):
            share = 1 - float(processed) / float(expected)
            share = share if abs(share) > 1e-6 else 0.0
        files = int(entry.get("files_failed") or 0)
        if failed or missing or share or files:
            lost[str(dataset)] = {"failed": failed, "missing": missing, "weights": share, "files": files}
    return lost


def status(inputs: Inputs) -> Markup:
    """Return the banner that says whether all events were processed."""
    ledger = inputs.ledger
    lost = lost_events(ledger)
    if ledger.get("complete") and not lost:
        events = sum(int(e.get("events_processed") or 0) for e in ledger.get("datasets", {}).values())
        return banner("good", f"Complete: all {events:,} events were processed.")
    items = "".join(
        f"<li>{code(dataset)}: {entry['failed']:,.0f} events failed, {entry['missing']:,.0f} missing, "
        f"{entry['files']:,.0f} files not opened, {percent(entry['weights'])} of the weights</li>"
        for dataset, entry in lost.items()
    )
    problems = [str(problem) for problem in ledger.get("problems", [])]
    why = "".join(f"<li>{escape(problem)}</li>" for problem in problems[:MOST_PROBLEMS])
    if len(problems) > MOST_PROBLEMS:
        why += f"<li>{len(problems) - MOST_PROBLEMS} more in the ledger below</li>"
    accepted = (
        "The loss was accepted when the run was made: nothing was scaled up to make up for it, "
        "so the affected processes are too small by these shares."
        if ledger.get("accepted_loss")
        else "Cross sections and everything after them are too small by these shares: repeat the run, "
        "which processes only what is missing. Reasons are in the ledger below."
    )
    return banner(
        "bad",
        "This run is not complete: the numbers below are not those of the whole sample.",
        Markup(f"<ul>{items}</ul>") if items else "",
        Markup(f"<p>Why:</p><ul>{why}</ul>") if why else "",
        paragraph(accepted),
    )


def _model_mismatch(inputs: Inputs) -> Markup:
    used = {str(model.get("sha256")) for model in (inputs.manifest.get("models") or {}).values()}
    shown = {name: str(model.training.get("model_sha256")) for name, model in inputs.models.items()}
    wrong = {name: here for name, here in shown.items() if here not in used} if used else {}
    return join(
        *(
            banner(
                "warning",
                f"The model {f'of {name} ' if name else ''}shown here is not the one that scored this run.",
                paragraph(
                    "Model of the model folder:",
                    code(here),
                    "- scored the run:",
                    code(", ".join(sorted(used))),
                ),
            )
            for name, here in wrong.items()
        )
    )


def headline_cards(inputs: Inputs) -> Markup:
    """Return the headline numbers."""
    shown = [*_fit_cards(inputs.results or {})]
    for scan in inputs.scans:
        shown += _scan_cards(scan, inputs)
    lumi = (inputs.results or {}).get("lumi_fb")
    if lumi is not None:
        shown.append(_card("Luminosity", Markup(f"{escape(f'{lumi:g}')} fb<sup>-1</sup>"), float(lumi)))
    events = sum(int(e.get("events_processed") or 0) for e in inputs.ledger.get("datasets", {}).values())
    shown.append(_card("Events processed", f"{events:,}", events))
    return cards(shown)


def _fit_cards(results: Mapping[str, Any]) -> list[Markup]:
    cards = []
    discovery, spread = results.get("discovery") or {}, results.get("simulation") or {}
    expected, observed = discovery.get("expected_significance"), discovery.get("observed_significance")
    if expected is not None:
        name = "Expected significance, binned fit"
        shown, note = f"{expected:.2f}", "with all uncertainties"
        if spread:
            shown = expected_text(expected, spread.get("expected_significance"))
            note += "; ± from the number of simulated events"
        cards.append(_card(name, f"{shown} σ", expected, note))
    if observed is not None:
        cards.append(_card("Observed significance", f"{observed:.2f} σ", observed))
    limit = results.get("upper_limit") or {}
    if limit.get("expected"):
        low, median, high = (float(limit["expected"][i]) for i in (1, 2, 3))
        name = f"Expected upper limit on the signal strength, {100 * limit.get('level', 0.95):g} % CL"
        error = (spread.get("upper_limit", {}).get("expected") or [None] * 5)[2]
        note = f"68 %: {number(low)} to {number(high)}"
        cards.append(_card(name, expected_text(median, error), median, note))
    return cards


def _scan_cards(scan: Mapping[str, Any], inputs: Inputs) -> list[Markup]:
    """What one threshold makes of a scan; scores and regions are named where there are several."""
    best = scan.get("best") or {}
    where = ""
    if len(inputs.scans) > 1:
        label = axis_label(scan["observable"], inputs.description)
        where = f", {label} in {region_label(scan['region'], inputs.description)}"
    cards = []
    if best.get("s_over_1pb") is not None:
        cards.append(
            _card(f"S/(1+B) at the best threshold{where}", number(best["s_over_1pb"]), best["s_over_1pb"])
        )
    if best.get("asimov") is not None:
        before = (scan.get("all_events") or {}).get("asimov")
        note = "Asimov, no uncertainties" + (
            "" if before is None else f"; without a threshold {before:.2f} σ"
        )
        name = f"Best significance, one threshold{where}"
        shown, spread = f"{best['asimov']:.2f}", (scan.get("simulation") or {}).get("best")
        if spread:
            shown = expected_text(best["asimov"], spread["asimov"])
            note += (
                ""
                if spread["optimism"] is None
                else f"; some {spread['optimism']:.1f} σ of it from its choice"
            )
        cards.append(_card(name, f"{shown} σ", best["asimov"], note))
    return cards


def summary(inputs: Inputs) -> Section:
    """Return the first chapter."""
    manifest = inputs.manifest
    named = ", ".join(inputs.signals) or "none"
    parts = [
        (
            f"Analysis {manifest.get('analysis', 'unknown')}; signal: {named}; "
            f"backgrounds: {', '.join(inputs.backgrounds) or 'none'}."
        )
    ]
    if inputs.data:
        parts.append(
            f"Data: {', '.join(inputs.data)}: listed in the cutflow, not drawn over simulation, "
            "which is in fb before any luminosity."
        )
    parts.append(f"{len(manifest.get('datasets', {}))} datasets.")
    absent = _absent(inputs)
    return Section(
        "summary",
        "Summary",
        join(status(inputs), _model_mismatch(inputs), headline_cards(inputs), paragraph(*parts), *absent),
    )


def _absent(inputs: Inputs) -> list[Markup]:
    """What the page cannot show, and which command makes it."""
    absent = []
    if not inputs.models:
        absent.append(
            paragraph(
                "Training and importances are left out: no model folder was given.",
                code("massgap train"),
                "makes one from this run.",
            )
        )
    if not filled_scores(inputs):
        absent.append(
            paragraph(
                "The score is left out: this run used no model.",
                code("massgap run --model"),
                "repeats it with one.",
            )
        )
    if inputs.results is None:
        absent.append(
            paragraph(
                "Significance, limit and threshold scan are left out: no fit folder was given.",
                code("massgap fit"),
                "makes one from this run.",
            )
        )
    return absent
