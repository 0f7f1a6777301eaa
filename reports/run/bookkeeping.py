"""Ledger and provenance: what was read, what was not, and with which code."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.reports.html.html import Section, heading, join, paragraph, table, value
from massgap.reports.run.settings import plain_rows

if TYPE_CHECKING:
    from massgap.reports.run.inputs import Inputs

MOST_CHUNKS = 200


def ledger_section(inputs: Inputs) -> Section:
    """Return the ledger per dataset and the chunks that were lost."""
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
    header = [
        "Dataset",
        "Expected",
        "Processed",
        "Failed",
        "Missing",
        "Weights expected",
        "Weights processed",
        "Weights lost",
    ]
    parts = [table(header, rows, caption="Events and sums of generator weights per dataset")]
    chunks = ledger.get("chunks", [])
    lost = [chunk for chunk in chunks if chunk.get("status") != "processed"]
    closed = [file for file in ledger.get("files", []) if file.get("status") == "failed"]
    parts.append(
        paragraph(
            f"{len(chunks) - len(lost):,} of {len(chunks):,} chunks in {len(ledger.get('files', [])):,} files were processed."
        )
    )
    if closed:
        parts += [
            heading("Files that could not be opened"),
            table(
                ["Dataset", "File", "Weight lost", "Reason"],
                [
                    [
                        file.get("dataset", ""),
                        file.get("file", file.get("path", "")),
                        "unknown" if file.get("weight") is None else f"{file['weight']:,.8g}",
                        file.get("error") or "",
                    ]
                    for file in closed[:MOST_CHUNKS]
                ],
                caption="Files without any chunk",
                text_columns=(1, 3),
            ),
        ]
        if len(closed) > MOST_CHUNKS:
            parts.append(paragraph(f"{len(closed) - MOST_CHUNKS:,} more are in ledger.json."))
    if lost:
        parts += [
            heading("Chunks that were not processed"),
            table(
                ["Dataset", "File", "Events", "Status", "Attempts", "Host", "Reason"],
                [
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
                ],
                caption="Failed and missing chunks",
                text_columns=(1, 2, 3, 5, 6),
            ),
        ]
        if len(lost) > MOST_CHUNKS:
            parts.append(paragraph(f"{len(lost) - MOST_CHUNKS:,} more are in ledger.json."))
    return Section("ledger", "Ledger", join(*parts))


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
    model = manifest.get("model")
    if model:
        rows += [
            ["Model that scored the run", _text(model.get("path"))],
            ["Model hash (sha256)", _text(model.get("sha256"))],
            ["Training hash", _text(model.get("training_hash"))],
        ]
    if inputs.training is not None:
        rows += [
            ["Model folder: training hash", _text(inputs.training.get("training_hash"))],
            ["Model folder: model hash (sha256)", _text(inputs.training.get("model_sha256"))],
            ["Model folder: seed", _text(inputs.training.get("seed"))],
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
    versions: dict[str, list[Any]] = {}
    for column, source in enumerate((manifest.get("versions"), (inputs.training or {}).get("versions"))):
        for package, version in (source or {}).items():
            versions.setdefault(package, ["-", "-"])[column] = version
    if versions:
        with_model = inputs.training is not None
        header = ["Package", "Run", "Training"] if with_model else ["Package", "Run"]
        parts.append(
            table(
                header,
                [[package, *pair[: len(header) - 1]] for package, pair in sorted(versions.items())],
                caption="Versions",
                text_columns=(1, 2),
            )
        )
    return Section("provenance", "Provenance", join(*parts))


def _text(content: Any) -> str:
    return "-" if content is None else str(content)
