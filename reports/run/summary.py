"""What came out, what was run, and whether anything is lost."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.html.html import Markup, Section, banner, code, escape, join, paragraph, value
from massgap.reports.html.numbers import number, percent

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
    used = inputs.manifest.get("model")
    if inputs.training is None or not used:
        return Markup("")
    here, there = inputs.training.get("training_hash"), used.get("training_hash")
    if here == there:
        return Markup("")
    return banner(
        "warning",
        "The model shown here is not the one that scored this run.",
        paragraph(
            "Training of the model folder:", code(here), "- training that scored the run:", code(there)
        ),
    )


def _card(label: str, shown: object, exact: float | None, note: str = "") -> Markup:
    small = f"<small>{escape(note)}</small>" if note else ""
    return Markup(f"<div><dt>{escape(label)}</dt><dd>{value(exact, shown)}{small}</dd></div>")


def headline_cards(inputs: Inputs) -> Markup:
    """Return the headline numbers."""
    cards: list[Markup] = []
    results, scan = inputs.results, inputs.scan
    if results is not None:
        discovery = results.get("discovery") or {}
        expected = discovery.get("expected_significance")
        if expected is not None:
            cards.append(
                _card(
                    "Expected significance, binned fit",
                    f"{expected:.2f} σ",
                    expected,
                    "with all uncertainties",
                )
            )
        observed = discovery.get("observed_significance")
        if observed is not None:
            cards.append(_card("Observed significance", f"{observed:.2f} σ", observed))
        limit = results.get("upper_limit") or {}
        if limit.get("expected"):
            low, median, high = (float(limit["expected"][i]) for i in (1, 2, 3))
            cards.append(
                _card(
                    f"Expected upper limit on the signal strength, {100 * limit.get('level', 0.95):g} % CL",
                    number(median),
                    median,
                    f"68 %: {number(low)} to {number(high)}",
                )
            )
    table = (scan or {}).get("table_iii") or {}
    best = (table.get("bdt") or {}).get("s_over_1pb")
    if best and best[1] is not None:
        cards.append(_card("Best S/(1+B) above a score threshold", number(best[1]), best[1]))
    asimov = (table.get("bdt") or {}).get("asimov")
    if asimov and asimov[1] is not None:
        before = (table.get("precuts") or {}).get("asimov")
        note = "Asimov, no uncertainties" + ("" if before is None else f"; without the score {before:.2f} σ")
        cards.append(_card("Best significance, one score threshold", f"{asimov[1]:.2f} σ", asimov[1], note))
    lumi = (results or {}).get("lumi_fb") or (scan or {}).get("lumi_fb")
    if lumi is not None:
        cards.append(_card("Luminosity", Markup(f"{escape(f'{lumi:g}')} fb<sup>-1</sup>"), float(lumi)))
    events = sum(int(e.get("events_processed") or 0) for e in inputs.ledger.get("datasets", {}).values())
    cards.append(_card("Events processed", f"{events:,}", events))
    return Markup(f'<dl class="cards">{join(*cards)}</dl>')


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
    absent = []
    if inputs.training is None:
        absent.append(
            paragraph(
                "Training and importances are left out: no model folder was given.",
                code("massgap train"),
                "makes one from this run.",
            )
        )
    if "score" not in inputs.histograms:
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
                "makes one from a run with a score.",
            )
        )
    return Section(
        "summary",
        "Summary",
        join(status(inputs), _model_mismatch(inputs), headline_cards(inputs), paragraph(*parts), *absent),
    )
