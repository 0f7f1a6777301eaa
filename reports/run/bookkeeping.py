"""Ledger and provenance: what was read, what was not, and with which code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.html.html import Markup, Section, heading, join, paragraph, table, value
from massgap.reports.run.settings import plain_rows

if TYPE_CHECKING:
    from massgap.reports.run.inputs import Inputs

MOST_CHUNKS = 200


COUNTS = ("Expected", "Processed", "Failed", "Missing")
WEIGHTS = ("Weights expected", "Weights processed", "Weights lost")


def ledger_section(inputs: Inputs) -> Section:
    """Return the ledger per dataset and the files and chunks that were lost."""
    ledger = inputs.ledger
    rows: list[list[object]] = []
    for dataset, entry in sorted(ledger.get("datasets", {}).items()):
        counts = [entry.get(f"events_{key}") for key in ("expected", "processed", "failed", "missing")]
        weights = [entry.get(f"weights_{key}") for key in ("expected", "processed", "lost")]
        rows.append(
            [
                dataset,
                *[value(n, "-" if n is None else f"{n:,}") for n in counts],
                *[value(w, "-" if w is None else f"{w:,.8g}") for w in weights],
            ]
        )
    caption = "Events and sums of generator weights per dataset"
    chunks, files = ledger.get("chunks", []), ledger.get("files", [])
    lost = [chunk for chunk in chunks if chunk.get("status") != "processed"]
    closed = [file for file in files if file.get("status") == "failed"]
    return Section(
        "ledger",
        "Ledger",
        join(
            table(["Dataset", *COUNTS, *WEIGHTS], rows, caption=caption),
            paragraph(
                f"{len(chunks) - len(lost):,} of {len(chunks):,} chunks in {len(files):,} files were processed."
            ),
            _closed_files(closed),
            _lost_chunks(lost),
            _counted_as_nominal(ledger),
            _extrapolated(ledger),
            _counted_twice(ledger),
        ),
    )


def _closed_files(closed: list[dict[str, Any]]) -> Markup:
    if not closed:
        return Markup("")
    rows = [
        [
            file.get("dataset", ""),
            file.get("file", file.get("path", "")),
            "unknown" if file.get("weight") is None else f"{file['weight']:,.8g}",
            file.get("error") or "",
        ]
        for file in closed[:MOST_CHUNKS]
    ]
    header = ["Dataset", "File", "Weight lost", "Reason"]
    return join(
        heading("Files that could not be opened"),
        table(header, rows, caption="Files without any chunk", text_columns=(1, 3)),
        _more(closed),
    )


def _lost_chunks(lost: list[dict[str, Any]]) -> Markup:
    if not lost:
        return Markup("")
    rows = [
        [
            chunk.get("dataset", ""),
            chunk.get("file", ""),
            f"{chunk.get('start')} to {chunk.get('stop')}",
            chunk.get("status", ""),
            chunk.get("attempts", ""),
            chunk.get("host") or "",
            chunk.get("error") or "",
        ]
        for chunk in lost[:MOST_CHUNKS]
    ]
    header = ["Dataset", "File", "Events", "Status", "Attempts", "Host", "Reason"]
    return join(
        heading("Chunks that were not processed"),
        table(header, rows, caption="Failed and missing chunks", text_columns=(1, 2, 3, 5, 6)),
        _more(lost),
    )


def _counted_as_nominal(ledger: dict[str, Any]) -> Markup:
    """Which data sets, or how many of their events, have no weights of a systematic."""
    rows = [
        [
            dataset,
            systematic,
            value(entry["nominal"], f"{entry['nominal']:,} of {entry['events']:,}"),
            "; ".join(entry.get("why", ())),
        ]
        for dataset, about in sorted(ledger.get("datasets", {}).items())
        for systematic, entry in sorted((about.get("counted_as_nominal") or {}).items())
    ]
    if not rows:
        return Markup("")
    return join(
        heading("Systematics that events do not have"),
        table(
            ["Dataset", "Systematic", "Events", "Reason"],
            rows,
            caption="Events that count as nominal in a systematic",
            text_columns=(1, 3),
        ),
    )


def _extrapolated(ledger: dict[str, Any]) -> Markup:
    """Scores of events, or of a hypothesis, that lie outside of what their model was trained in."""
    rows: list[list[object]] = []
    for score, about in sorted((ledger.get("extrapolated") or {}).items()):
        labels = "; ".join(
            f"{name}{_equal(label)} (trained {label['low']:g} to {label['high']:g})"
            for name, label in about["labels"].items()
        )
        rows += [
            [score, dataset, labels, value(n["outside"], f"{n['outside']:,} of {n['events']:,}")]
            for dataset, n in sorted(about["datasets"].items())
        ]
    if not rows:
        return Markup("")
    caption = "Events whose label is missing or outside of the range that the model was trained in"
    header = ["Score", "Dataset", "Label", "Events"]
    return join(
        heading("Scores that are extrapolated"), table(header, rows, caption=caption, text_columns=(1, 2))
    )


def _equal(label: dict[str, float]) -> str:
    return f" = {label['value']:g}" if "value" in label else ""


def _counted_twice(ledger: dict[str, Any]) -> Markup:
    """Copies of files that were allowed, and events that were selected more than once."""
    parts = []
    if copies := ledger.get("duplicate_files"):
        rows: list[list[object]] = [[" = ".join(group)] for group in copies[:MOST_CHUNKS]]
        parts += [
            table(["Files"], rows, caption="Copies of one file, counted each, as allowed"),
            _more(copies),
        ]
    found = ledger.get("repeated_events") or {}
    counted: list[list[object]] = [
        [
            process,
            *(value(entry[key], f"{entry[key]:,}") for key in ("events", "repeated", "identical")),
            ", ".join(entry["datasets"]),
        ]
        for process, entry in sorted(found.items())
        if entry["repeated"] or entry["identical"]
    ]
    if counted:
        header = ["Process", "Selected", "Same numbers", "Same observables", "Datasets"]
        caption = "Selected events with the run, luminosity block and event number of another one"
        parts.append(table(header, counted, caption=caption, text_columns=(4,)))
    return join(heading("Events that count more than once"), *parts) if parts else Markup("")


def _more(entries: list[dict[str, Any]]) -> Markup:
    left = len(entries) - MOST_CHUNKS
    return paragraph(f"{left:,} more are in ledger.json.") if left > 0 else Markup("")


def provenance_section(inputs: Inputs) -> Section:
    """Return with what the run, the model and the fit were made."""
    manifest = inputs.manifest
    rows: list[list[object]] = [
        ["Run folder", inputs.run_name],
        ["Run made", manifest.get("created", "-")],
        ["Command", manifest.get("command", "-")],
        ["Processor", manifest.get("processor", "-")],
        ["Seed", _text(manifest.get("seed"))],
        ["Code hash", manifest.get("code_hash", "-")],
        ["Fileset hash", manifest.get("fileset_hash", "-")],
    ]
    for name, model in (manifest.get("models") or {}).items():
        rows += [
            [f"Model of {name}", _text(model.get("file"))],
            [f"Model of {name}: hash (sha256)", _text(model.get("sha256"))],
        ]
    for name, found in inputs.models.items():
        what = f"Model folder of {name}" if name else "Model folder"
        rows += [
            [f"{what}: training hash", _text(found.training.get("training_hash"))],
            [f"{what}: model hash (sha256)", _text(found.training.get("model_sha256"))],
            [f"{what}: seed", _text(found.training.get("seed"))],
        ]
    if inputs.results is not None:
        rows.append(["Fit: workspace", _text(inputs.results.get("workspace"))])
    parts = [table(["What", "Value"], rows, caption="Provenance", text_columns=(1,))]
    options = manifest.get("options") or {}
    if options:
        parts.append(
            table(
                ["Option", "Value"],
                plain_rows(options),
                caption="Options of the processor",
                text_columns=(1,),
            )
        )
    parts.append(_versions(inputs))
    return Section("provenance", "Provenance", join(*parts))


def _versions(inputs: Inputs) -> Markup:
    made = {"Run": inputs.manifest.get("versions")}
    for name, model in inputs.models.items():
        made[f"Training of {name}" if name else "Training"] = model.training.get("versions")
    packages = sorted({package for one in made.values() for package in one or {}})
    if not packages:
        return Markup("")
    rows = [[package, *[(one or {}).get(package, "-") for one in made.values()]] for package in packages]
    return table(["Package", *made], rows, caption="Versions", text_columns=tuple(range(1, len(made) + 1)))


def _text(content: Any) -> str:
    return "-" if content is None else str(content)
