"""What the package tells people to type can be typed: each option that a message names, some command has."""

from __future__ import annotations

import ast
import functools
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
    "--force-reinstall": "pip",
    "--no-deps": "pip",
    "--smoke": "python -m benchmarks",
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


STAGES = {
    "generate": "generation",
    "run": "processing",
    "preflight": "processing",
    "train": "training",
    "models": "training",
    "fit": "fitting",
    "limit": "fitting",
    "plane": "fitting",
    "report": "reporting",
    "verify": "verification",
    "submit": "batch_jobs.submission",
    "status": "batch_jobs.submitted",
    "resubmit": "batch_jobs.submitted",
    "merge": "batch_jobs.submitted",
}
"""Command -> the module of massgap.stages that it calls. Studies do all of it, with options of their own."""
COMMAND = re.compile(r"massgap (?:--debug )?([a-z]+)")


def module_file(name: str) -> Path | None:
    """File of a module of the package, which reaches the rooms through links."""
    inside = ROOT.joinpath(*name.split("."))
    found = [path for path in (inside.with_suffix(".py"), inside / "__init__.py") if path.is_file()]
    return found[0].resolve() if name.startswith("massgap.") and found else None


@functools.cache
def imported_by(path: Path) -> frozenset[Path]:
    """Files of the package that a file imports, also within functions and by name, but not for type checkers alone."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            node.body = [ast.Pass()]
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            names |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
        elif isinstance(node, ast.Constant) and re.fullmatch(r"massgap(\.\w+)+(:\w+)?", str(node.value)):
            names.add(str(node.value).partition(":")[0])
    return frozenset(filter(None, map(module_file, names)))


@functools.cache
def reached() -> dict[str, set[Path]]:
    """Command -> files whose messages it can print."""
    found = {}
    for command, stage in STAGES.items():
        seen: set[Path] = set()
        todo = [(ROOT / "massgap" / "stages").joinpath(*stage.split(".")).with_suffix(".py").resolve()]
        while todo:
            path = todo.pop()
            if path not in seen:
                seen.add(path)
                todo += imported_by(path)
        beside = {"preflight": "run", "verify": "run", "models": "train", "limit": "fit"}
        # Some commands share a module.
        own = ROOT / "massgap" / "cli" / f"{beside.get(command, command)}.py"
        found[command] = seen | ({own.resolve()} if own.is_file() else set())
    return found


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


def test_whoever_prints_an_option_has_it(named) -> None:
    """A message that names no command speaks of the one that prints it: one that reaches its file must have the option."""
    have = options_by_command()
    wrong = []
    for place, text, option in named:
        told = COMMAND.findall(text[: text.index(option)])
        path = (ROOT / place.partition(":")[0]).resolve()
        commands = [command for command, files in reached().items() if path in files]
        if option in OTHERS or any(option in have.get(command, ()) for command in told):
            continue
        if commands and not any(option in have[command] for command in commands):
            wrong.append((place, option, commands))
    assert wrong == []


def test_commands_reach_what_they_use() -> None:
    """Else the test above would have nothing to compare."""
    for command, file in {
        "fit": "fits/workspaces/binning.py",
        "train": "models/training/table.py",
        "generate": "samples/lhe/file.py",
        "run": "models/scoring/onnx_file.py",
        "submit": "massgap/runner/slices/plan.py",
        "merge": "massgap/runner/slices/merge.py",
        "report": "reports/html/html.py",
    }.items():
        assert (ROOT / file).resolve() in reached()[command]
    assert (ROOT / "samples/lhe/file.py").resolve() not in reached()["fit"]


ARGUMENT = re.compile(r"\b[a-z]\w*=(?:\.\.\.|'|\[|True|False|\0)")
"""An argument of a Python function, as messages name it."""
PYTHON_ALONE = {
    "models/scoring/recipes_of_export.py": "what to type in the Python where a model of another program was made",
    "fits/plan.py": 'FitPlan(parts=..., Region(..., channel="..."): a plan or an analysis that somebody writes in Python',
    "fits/scans/threshold_scan.py": "ScanOptions(lumi_fb=...): massgap fit always gives it",
    "massgap/arrays/jagged/columns.py": "with_fields(...): in the analysis that somebody writes",
    "massgap/contracts/filesets/known_files.py": "recalculate_steps=True of coffea's preprocess, which made the fileset",
    "models/scoring/features.py": "features=[...]: massgap run always gives those of the analysis",
}
"""Messages that only somebody who writes Python can meet, by file, and why."""


def test_a_remedy_that_names_a_python_argument_names_the_option_as_well(named) -> None:
    wrong = []
    for room in ROOMS:
        for path in sorted((ROOT / room).rglob("*.py")):
            where = str(path.relative_to(ROOT))
            docs = docstrings(path)
            if where in PYTHON_ALONE:
                continue
            wrong += [
                (where, line, text)
                for line, text in texts(path)
                if len(text.split()) > 4
                and text not in docs
                and ARGUMENT.search(text)
                and not OPTION.search(text)
                if "<" not in text  # markup
            ]
    assert wrong == []


def test_a_remedy_that_names_a_parameter_of_a_command_names_its_option() -> None:
    """``lower min_background`` cannot be typed; words in quotation marks are keys of a file."""
    parameters = {
        param.name
        for command in main.commands.values()
        for param in command.params
        if param.name and "_" in param.name and any("--" in word for word in param.opts)
    } - {"is_data", "xsec_fb"}  # also keys of filesets
    assert {"min_background", "negative_weights", "accept_truncated"} <= parameters
    name = re.compile(rf"(?<![\w\"'.])({'|'.join(sorted(parameters))})(?![\w\"'=]|\.\w)")
    wrong = [
        (str(path.relative_to(ROOT)), line, text)
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for line, text in texts(path)
        if len(text.split()) > 4
        and name.search(text)
        and not OPTION.search(text)
        and text not in docstrings(path)
    ]
    assert wrong == []


@functools.cache
def docstrings(path: Path) -> set[str]:
    """Strings that stand alone: what they say is for readers of Python."""
    return {
        node.value.value
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    }


@pytest.mark.parametrize("place", sorted(PYTHON_ALONE))
def test_exceptions_are_still_needed(place) -> None:
    assert any(ARGUMENT.search(text) and not OPTION.search(text) for _, text in texts(ROOT / place))


def test_the_test_would_notice(tmp_path) -> None:
    (tmp_path / "a.py").write_text(
        'raise ValueError(f"{1} is wrong: massgap merge runs/x --nosuch 3")\n"a" "b --other"\n'
    )
    assert ARGUMENT.search("smaller bins: lower it (min_background=...)")
    assert ARGUMENT.search("negative_weights='absolute' in the recipe")
    assert sorted(o for _, text in texts(tmp_path / "a.py") for o in OPTION.findall(text)) == [
        "--nosuch",
        "--other",
    ]
