"""Results of a recast in words: of one signal, of several detector cards, of the validation events."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from massgap.stages.publishing.check import BundleCheck

__all__ = ["card_lines", "check_lines", "recast_lines"]

_KINDS = {
    "as_published": "as published (no statistics of the sample)",
    "with_sample_statistics": "with the statistics of the sample",
}


def recast_lines(results: Mapping[str, Any]) -> list[str]:
    """Lines for the console.

    Parameters
    ----------
    results
        See :class:`massgap.stages.publishing.recasting.Recast`.
    """
    rows = [
        ("signal", f"{results['signal']}, {results['events']:,} events read"),
        ("cross section", f"{results['cross_section_fb']:.5g} fb ({results['cross_section_source']})"),
        ("luminosity", f"{results['lumi_fb']:g} fb-1"),
    ]
    width = max(len(what) for what, _ in rows)
    lines = [f"{what:{width}s}  {text}" for what, text in rows]
    lines += ["", *_table(_channel_rows(results["channels"])), ""]
    for key, words in _KINDS.items():
        lines += [f"{words}:", *(f"  {line}" for line in _test_lines(results, key))]
    return lines


def _channel_rows(channels: Sequence[Mapping[str, Any]]) -> list[list[str]]:
    header = ["channel", "region", "efficiency", "signal", "background", "observed", "eff. events"]
    return [header] + [
        [
            row["channel"],
            row["region"],
            _measured(row["efficiency"], row["efficiency_error"]),
            _measured(row["signal"], row["signal_error"]),
            _measured(row["background"], row["background_error"]),
            "-" if row["observed"] is None else f"{row['observed']:g}",
            f"{row['effective_events']:.4g}",
        ]
        for row in channels
    ]


def _test_lines(results: Mapping[str, Any], key: str) -> list[str]:
    found = results[key]
    if found.get("error"):
        return [f"not converged: {found['error']}"]
    cls, limit, fb = found["cls"], found["upper_limit"], found["limit_fb"]
    rows = []
    if cls["observed"] is not None:
        rows.append(("observed CLs", f"{cls['observed']:.4g}"))
    rows.append(("expected CLs", _band(cls["expected"])))
    if limit is not None:
        percent = f"{100.0 * results['level']:g} % CLs limit"
        if limit["observed"] is not None:
            rows.append(
                (f"observed {percent}", f"{limit['observed']:.4g} times the signal, {fb['observed']:.4g} fb")
            )
        rows.append((f"expected {percent}", f"{_band(limit['expected'])} times the signal"))
        rows.append(("", f"{_band(fb['expected'])} fb"))
    if found["toys"] is not None:
        from massgap.fits.inference.toys.results import toy_rows

        rows += toy_rows(found["toys"], "mu")
    width = max(len(what) for what, _ in rows)
    return [f"{what:{width}s}  {text}" for what, text in rows]


def card_lines(results: Mapping[str, Any]) -> list[str]:
    """Lines for the console: what the detector cards change."""
    first = results["cards"][0]["card"]
    names = {_shown(row) for card in results["cards"] for row in card["channels"]}
    mean = f"mean {names.pop()}" if len(names) == 1 else "mean"
    less, over = f"less that of {first}", f"over that of {first}"
    table = [["card", "channel", "efficiency", less, mean, less, "limit", over]]
    for card in results["cards"]:
        for i, row in enumerate(card["channels"]):
            table.append(
                [
                    card["card"] if i == 0 else "",
                    row["channel"] + (" (control)" if row["control"] else ""),
                    *_changed(
                        row["efficiency"],
                        row["efficiency_error"],
                        row["efficiency_change"],
                        row["efficiency_change_error"],
                    ),
                    *_mean_cells(row, named=mean == "mean"),
                    *_limit_cells(row),
                ]
            )
        table.append(["", "all together", *[""] * 4, *_limit_cells(card)])
    controls = " and ".join(results["controls"])
    alone = f"with the control regions ({controls}) alone" if controls else "alone"
    return [
        (
            f"{results['signal']}, the same {results['events']:,} generated events through {len(results['cards'])} detector cards; "
            f"{results['cross_section_fb']:.5g} fb, {results['lumi_fb']:g} fb-1"
        ),
        "",
        *_table(table),
        "",
        (
            f"limit: expected median at {100.0 * results['level']:g} % CLs, in units of the signal, of the channel {alone}; errors are those of the finite sample"
        ),
        "errors of differences and ratios are those of the same events, paired; further observables and scores are in --json",
    ]


def _shown(row: Mapping[str, Any]) -> str:
    """Whose mean is shown: what is fitted if it is a score, else the first score that the events have."""
    fitted = str(row["fitted"])
    scores = [n for n, found in row["means"].items() if n.startswith("score") and found["mean"] is not None]
    return fitted if fitted in scores or not scores else scores[0]


def _changed(
    value: float | None, error: float | None, change: float | None, of_change: float | None
) -> list[str]:
    return [
        "-" if value is None else _measured(value, error),
        "-" if change is None or of_change is None else _signed(change, of_change),
    ]


def _mean_cells(row: Mapping[str, Any], *, named: bool) -> list[str]:
    name = _shown(row)
    found = row["means"].get(name) or {"mean": None, "error": None}
    change = (row["mean_changes"] or {}).get(name) or {"change": None, "error": None}
    value, difference = _changed(found["mean"], found["error"], change["change"], change["error"])
    return [f"{name} {value}" if named else value, difference]


def _limit_cells(found: Mapping[str, Any]) -> list[str]:
    limit, ratio = found["limit"], found["limit_ratio"]
    return [
        "-" if limit is None else _measured(limit, found["limit_error"]),
        "-" if ratio is None else _measured(ratio, found["limit_ratio_error"]),
    ]


def check_lines(found: BundleCheck) -> list[str]:
    """Lines for the console: whether features and scores come out."""
    lines = []
    for run in found.runs:
        label = f"run {run['label']}: " if run["label"] else ""
        if run["kind"] == "none":
            lines.append(f"{label}the bundle has no validation events ({run['why']})")
            continue
        lines.append(
            f"{label}{run['events']:,} selected validation events, {run['lost']} lost, {run['new']} new"
        )
        for kind in ("region", "feature", "score"):
            columns = [column for column in run["columns"] if column["kind"] == kind]
            if not columns:
                continue
            exact = sum(column["same"] == column["compared"] for column in columns)
            worst = max(columns, key=lambda column: column["largest"])
            said = (
                "all values equal to the last bit"
                if exact == len(columns)
                else f"{exact} equal to the last bit, largest difference {worst['largest']:.2g} in {worst['name']}"
            )
            lines.append(f"  {kind}s: {len(columns)} columns, {said}")
        if run["kind"] == "scores":
            lines.append(f"  only scores were checked, not the features ({run['why']})")
    lines += [f"differs: {problem}" for problem in found.problems()[:20]]
    return [*lines, "This installation is right." if found.ok else "This installation is NOT right."]


def _band(values: Sequence[float]) -> str:
    return f"{values[2]:.4g} (68 %: {values[1]:.4g} to {values[3]:.4g}, 95 %: {values[0]:.4g} to {values[4]:.4g})"


def _measured(value: float, error: float | None) -> str:
    return f"{value:.4g} +- {'?' if error is None else format(error, '.2g')}"


def _signed(value: float, error: float) -> str:
    return f"{value:+.3g} +- {error:.2g}"


def _table(rows: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [
        "  ".join(f"{cell:{width}s}" for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    ]
