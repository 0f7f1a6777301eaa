"""The house stays easy to find one's way in: small folders, modules and functions, and generic rooms that know no analysis."""

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
    "events",
    "models/training",
    "models/scoring",
    "models/measures",
    "processors/base",
    "fits",
    "reports",
    "condor",
    "massgap/runner",
    "massgap/contracts",
    "massgap/arrays",
    "massgap/stages",
    "massgap/cli",
]
ENTRIES, MODULE, FUNCTION = 13, 400, 60
REASON = "Long on purpose:"
"""With these words and a reason in its docstring, a module or function may be longer: see CONTRIBUTING, Conventions."""
WORDS = re.compile(
    r"(?<![a-z])(slepton|smuon|vlq|cascade|electroweakino|precuts|table_iii|mt2_100|mumu1j)(?![a-z])",
    re.IGNORECASE,
)
"""Names of analyses, of their cuts, tables and channels, also as parts of longer names."""


def files_of(folder: str, pattern: str = "*") -> list[Path]:
    """Files below a folder; the links of ``massgap/`` to the rooms are not followed."""
    found: list[Path] = []
    for path in sorted((ROOT / folder).iterdir()):
        if path.is_symlink() or path.name == "__pycache__" or path.name.startswith("."):
            continue
        if path.is_dir():
            found += files_of(str(path.relative_to(ROOT)), pattern)
        elif path.match(pattern):
            found.append(path)
    return found


def modules() -> dict[str, str]:
    return {str(p.relative_to(ROOT)): p.read_text() for room in ROOMS for p in files_of(room, "*.py")}


def has_reason(node: ast.Module | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    """Whether the docstring says, in a few words at least, why this is long."""
    _, found, reason = (ast.get_docstring(node) or "").partition(REASON)
    return bool(found) and len(reason.split()) >= 5


def long_functions(source: str) -> list[str]:
    """Functions whose body, without its docstring, is too long."""
    found = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            body = node.body[1:] if ast.get_docstring(node) is not None else node.body
            lines = body[-1].end_lineno - body[0].lineno + 1 if body else 0
            if lines > FUNCTION and not has_reason(node):
                found.append(f"{node.name} (line {node.lineno}) has {lines} lines")
    return found


def spoken_words(source: str) -> list[str]:
    """Where a module speaks of an analysis: code, comments and strings, but not docstrings, where examples may."""
    lines = source.splitlines()
    for node in ast.walk(ast.parse(source)):
        # A string that stands alone documents what it stands in, or what stands before it.
        if (
            isinstance(node, ast.Expr)
            and isinstance(node.value, ast.Constant)
            and isinstance(node.value.value, str)
        ):
            for number in range(node.lineno - 1, node.end_lineno or node.lineno):
                lines[number] = ""
    return [f"{n}: {m[0]}" for n, line in enumerate(lines, 1) for m in WORDS.finditer(line)]


def test_folders_are_small() -> None:
    files = [path for room in ROOMS for path in files_of(room)]
    folders = {path.parent for path in files}
    assert len(folders) > 50
    entries = {
        str(folder.relative_to(ROOT)): {
            path.relative_to(folder).parts[0]
            for path in files
            if path.is_relative_to(folder) and not path.relative_to(folder).parts[0].startswith("_")
        }
        for folder in folders
    }
    assert {name: len(found) for name, found in entries.items() if len(found) > ENTRIES} == {}


def test_modules_are_short_or_say_why_not() -> None:
    sources = modules()
    assert len(sources) > 200
    found = {name: len(source.splitlines()) for name, source in sources.items()}
    assert {
        name: lines
        for name, lines in found.items()
        if lines > MODULE and not has_reason(ast.parse(sources[name]))
    } == {}


def test_functions_are_short_or_say_why_not() -> None:
    assert {name: found for name, source in modules().items() if (found := long_functions(source))} == {}


@pytest.mark.parametrize("room", GENERIC)
def test_generic_rooms_know_no_analysis(room: str) -> None:
    files = files_of(room)
    assert files
    found = {}
    for path in files:
        name = str(path.relative_to(ROOT))
        words = spoken_words(path.read_text()) if path.suffix == ".py" else WORDS.findall(path.read_text())
        if words or WORDS.search(name):
            found[name] = words
    assert found == {}


def test_what_is_counted() -> None:
    """The tests above can fail: a long function, one with a reason, words in each place where they may and may not stand."""
    body = "\n".join(f"    x = {i}" for i in range(FUNCTION + 1))
    doc = '    """What it does.\n\n    {} one loop, which the compiler turns into one pass.\n    """\n'
    assert long_functions(f"def f():\n{body}\n") == ["f (line 1) has 61 lines"]
    assert long_functions(f"async def f():\n{doc.format('It is')}{body}\n") == ["f (line 1) has 61 lines"]
    assert long_functions(f"def f():\n{doc.format(REASON)}{body}\n") == []
    assert long_functions(f'def f():\n    """{REASON} so."""\n{body}\n') != []
    assert spoken_words('"""Runs slepton."""\nNAME = 1\n"""As for smuon."""\n') == []
    assert spoken_words('def f():\n    """Of vlq.\n\n    >>> f("vlq")\n    """\n') == []
    source = '# of the cascade\nx = "mumu1j"\ny = f"{x}_precuts"\ndef Slepton_cut(): pass\nvlq_2 = cascades\n'
    assert spoken_words(source) == ["1: cascade", "2: mumu1j", "3: precuts", "4: Slepton", "5: vlq"]
