"""What the package tells people to type can be typed: each option that a message names, some command has."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import click
import pytest

from massgap.cli import main
from massgap.processors.constructors import options_of
from massgap.processors.registry import ANALYSES, find_processor

ROOT = Path(__file__).parents[2]
ROOMS = (
    "samples",
    "events",
    "selections",
    "models",
    "processors",
    "fits",
    "studies",
    "condor",
    "reports",
    "massgap",
)
OPTION = re.compile(r"(?<![\w-])--[a-z][a-z0-9-]*(?![\w\0-])")
OTHERS = {
    "--voms": "voms-proxy-init",
    "--nthreads": "the worker of dask",
    "--nanny": "the worker of dask",
    "--no-nanny": "the worker of dask",
}
"""Options of other programs, by name."""


def texts(path: Path):
    """(line, text) of all strings of a file; what is put into a template is a blank."""
    tree = ast.parse(path.read_text())
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if id(node) in inside:
            continue
        if isinstance(node, ast.JoinedStr):
            yield node.lineno, "".join(p.value if isinstance(p, ast.Constant) else "\0" for p in node.values)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def options_by_command() -> dict[str, set[str]]:
    ours = {"": {word for param in main.params for word in (*param.opts, *param.secondary_opts)} | {"--help"}}
    analysis = {
        word
        for name in ANALYSES
        for option in options_of(find_processor(name))
        for word in (f"--{option.name.replace('_', '-')}", f"--no-{option.name.replace('_', '-')}")
    }
    for name, command in main.commands.items():
        words = {word for param in command.params for word in (*param.opts, *param.secondary_opts)}
        takes = any(isinstance(p, click.Argument) and p.name == "analysis" for p in command.params)
        ours[name] = words | {"--help"} | (analysis if takes else set())
    return ours


@pytest.fixture(scope="module")
def named() -> list[tuple[str, str, str]]:
    """(place, text, option) of all that the package says."""
    files = sorted(path for room in ROOMS for path in (ROOT / room).rglob("*.py"))
    found = [
        (f"{path.relative_to(ROOT)}:{line}", text, option)
        for path in files
        for line, text in texts(path)
        for option in OPTION.findall(text)
    ]
    assert len(found) > 100
    return found


def test_each_option_that_is_named_exists(named) -> None:
    have = set().union(*options_by_command().values(), OTHERS)
    assert [(place, option) for place, _, option in named if option not in have] == []


def test_a_command_has_the_options_that_are_named_with_it(named) -> None:
    """``massgap run slepton --without no_tau``: up to the end of the sentence, or the next command."""
    have = options_by_command()
    wrong = []
    names = "|".join(filter(None, have))
    typed = re.compile(rf"massgap ({names})\b([^.:;,`'\n]*(?:\.(?=\w)[^.:;,`'\n]*)*)")
    for place, text in {(place, text) for place, text, _ in named}:
        for command, rest in typed.findall(text):
            wrong += [
                (place, command, o)
                for o in OPTION.findall(rest.partition("massgap ")[0])
                if o not in have[command]
            ]
    assert wrong == []


def test_the_test_would_notice(tmp_path) -> None:
    (tmp_path / "a.py").write_text(
        'raise ValueError(f"{1} is wrong: massgap merge runs/x --nosuch 3")\n"a" "b --other"\n'
    )
    assert sorted(o for _, text in texts(tmp_path / "a.py") for o in OPTION.findall(text)) == [
        "--nosuch",
        "--other",
    ]
