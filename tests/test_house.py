"""The house stays in order: small folders, modules and functions, and generic rooms that know no analysis."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
ROOMS = [
    "samples",
    "events",
    "selections",
    "models",
    "processors",
    "fits",
    "studies",
    "reports",
    "condor",
    "massgap",
]
GENERIC = [
    *(
        "events",
        "models/training",
        "models/scoring",
        "models/measures",
        "processors/base",
        "fits",
        "reports",
        "condor",
    ),
    *(f"massgap/{folder}" for folder in ("arrays", "contracts", "runner", "stages", "cli")),
]
WORDS = re.compile(
    r"\b(slepton|smuon|vlq|cascade|electroweakino|precuts|table_iii|mt2_100|mumu1j)\b", re.IGNORECASE
)
ENTRIES, LINES, BODY = 13, 400, 60


def sources(room: str) -> list[Path]:
    """The Python files of a room; links to other rooms are not followed."""
    return sorted(
        path
        for path in (ROOT / room).rglob("*.py")
        if not any(parent.is_symlink() for parent in path.parents if ROOT in parent.parents)
    )


@pytest.mark.parametrize("room", ROOMS)
def test_folders_are_small(room: str) -> None:
    large = {}
    for folder in {path.parent for path in sources(room)}:
        entries = [p for p in folder.iterdir() if not p.name.startswith(("_", ".")) and not p.is_symlink()]
        if len(entries) > ENTRIES:
            large[folder.relative_to(ROOT).as_posix()] = len(entries)
    assert large == {}


@pytest.mark.parametrize("room", ROOMS)
def test_modules_and_functions_are_short(room: str) -> None:
    found = sources(room)
    assert found
    long = []
    for path in found:
        text = path.read_text(encoding="utf-8")
        if text.count("\n") > LINES:
            long.append(f"{path.relative_to(ROOT)}: {text.count(chr(10))} lines")
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                body = node.body[1:] if ast.get_docstring(node) else node.body
                if body and (node.end_lineno or 0) - body[0].lineno + 1 > BODY:
                    long.append(f"{path.relative_to(ROOT)}:{node.lineno} {node.name}")
    assert long == []


def without_docstrings(text: str) -> str:
    """Code with its comments and strings, but for strings that stand as statements."""
    lines = text.splitlines(keepends=True)
    for node in ast.walk(ast.parse(text)):
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = "\n"
    return "".join(lines)


def test_docstrings_are_told_from_code() -> None:
    text = 'def f():\n    """slepton"""\n    return "smuon"  # vlq\n'
    assert {m.group() for m in WORDS.finditer(without_docstrings(text))} == {"smuon", "vlq"}


@pytest.mark.parametrize("room", GENERIC)
def test_generic_rooms_name_no_analysis(room: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}: {match.group()}"
        for path in sources(room)
        for match in WORDS.finditer(without_docstrings(path.read_text(encoding="utf-8")))
    ]
    assert found == []
