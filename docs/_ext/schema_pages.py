"""Pages of the contracts: what the module of a format says of it, and its JSON schema as a table."""

from __future__ import annotations

import ast
import json
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from pathlib import Path

FORMATS = {
    "fileset": "filesets/fileset.py",
    "manifest": "run_folder.py",
    "cutflow": "",
    "ledger": "",
    "training": "model_folder.py",
    "fit-results": "fit_folder.py",
    "plane": "plane_folder.py",
}
"""Schema -> the module of ``massgap/contracts`` that writes and reads the format, whose docstring is shown."""


def kind(schema: dict[str, Any]) -> str:
    """Type of an entry in words."""
    if "const" in schema:
        return f"`{schema['const']}`"
    if "anyOf" in schema:
        return " or ".join(kind(one) for one in schema["anyOf"])
    types = schema.get("type", "any")
    found = " or ".join([types] if isinstance(types, str) else types)
    if "enum" in schema:
        found += ": " + ", ".join(f"`{value}`" for value in schema["enum"])
    if found.startswith("array") and isinstance(schema.get("items", {}).get("type"), str):
        found += f" of {schema['items']['type']}"
    return found.replace("null", "null")


def rows(schema: dict[str, Any], prefix: str = "") -> list[tuple[str, str, str, str]]:
    """(entry, type, needed, meaning) of a schema and of what lies in it; ``NAME`` stands for a key that somebody chooses."""
    found = []
    needed = set(schema.get("required", ()))
    for name, inner in schema.get("properties", {}).items():
        place = f"{prefix}{name}"
        found.append((place, kind(inner), "yes" if name in needed else "", inner.get("description", "")))
        items = inner.get("items")
        below = items if isinstance(items, dict) else inner
        found += rows(below, f"{place}[]." if items else f"{place}.")
    more = schema.get("additionalProperties")
    if isinstance(more, dict):
        found += rows(more, f"{prefix}NAME.")
        if isinstance(more.get("items"), dict):
            found += rows(more["items"], f"{prefix}NAME[].")
    return found


def page(root: Path) -> str:
    """Markdown of all formats."""
    parts = []
    for name, module in FORMATS.items():
        path = root / "docs" / "reference" / "schemas" / f"{name}.schema.json"
        schema = json.loads(path.read_text(encoding="utf-8"))
        parts.append(
            f"## {schema['title']}\n\n{schema['description']}\n\nSchema: {{download}}`{path.name} <schemas/{path.name}>`\n"
        )
        table = [
            f"| `{place}` | {of} | {needed} | {meaning} |" for place, of, needed, meaning in rows(schema)
        ]
        parts.append(
            "\n".join(["| entry | type | needed | meaning |", "| --- | --- | --- | --- |", *table]) + "\n"
        )
        if module:
            source = root / "massgap" / "contracts" / module
            said = ast.get_docstring(ast.parse(source.read_text(encoding="utf-8"))) or ""
            parts.append(f"What `massgap/contracts/{module}` says of it:\n\n````{{eval-rst}}\n{said}\n````\n")
    return "\n".join(parts)
