"""The catalogue of messages names every message of the code, and what people really see is in it."""

from __future__ import annotations

import ast
import json
import re
from pathlib import Path

import error_catalogue
import eventfiles
import pytest
from click.testing import CliRunner
from error_catalogue import ADVICE, Message, collect, messages_of, remedy_of

from massgap.cli import main
from massgap.processors.constructors import options_of
from massgap.processors.registry import find_processor

ROOT = Path(__file__).parents[2]
ELSEWHERE = {
    "events/columns.py": "MissingBranchError and its kin make their words themselves",
    "events/formats/fields.py": "the same",
    "events/formats/nanoaod.py": "the same",
    "events/formats/physlite_links.py": "the same",
    "events/reading/ntuple/columns.py": "the same",
    "events/reading/tree_columns.py": "the same",
    "samples/detector/card.py": "hands on what one check of a card says, behind its place",
    "samples/processes/signals.py": "hands on the words of another error, behind the name",
    "fits/workspaces/nuisances.py": "the same, behind the file",
    "condor/workers/caretaker.py": "the words of why a job is held",
    "massgap/arrays/jagged/columns.py": "no message: super().__setattr__",
    "massgap/runner/executors/dask_workers.py": "hands on what the scheduler says",
    "massgap/runner/planning.py": "hands on the words of another error",
    "massgap/runner/process.py": "the same",
    "massgap/stages/studying/steps.py": "the words of an error in another process",
    "massgap/stages/studying/studies.py": "the messages of all extras that are missing",
}
"""Files in which an error is made of words that stand elsewhere, and why."""


def messages() -> tuple[Message, ...]:
    return collect(ROOT)


def test_there_are_many_messages_from_every_room() -> None:
    assert len(messages()) > 900
    assert {m.file.partition("/")[0] for m in messages()} == set(error_catalogue.ROOMS)


def raised_words(tree: ast.Module, names: set[str]) -> list[tuple[int, str]]:
    """(line, words) of ``raise Name("...")`` and of ``msg = "..."`` right before ``raise Name(msg)``, by statements side by side."""
    found = []
    for node in ast.walk(tree):
        for body in (getattr(node, field, None) for field in ("body", "orelse", "finalbody")):
            if not isinstance(body, list):
                continue
            for before, statement in zip([None, *body], body, strict=False):
                if not isinstance(statement, ast.Raise) or not isinstance(statement.exc, ast.Call):
                    continue
                if ast.unparse(statement.exc.func).rpartition(".")[2] not in names:
                    continue
                said = list(statement.exc.args)
                if said and isinstance(said[0], ast.Name) and isinstance(before, ast.Assign):
                    said = [before.value]
                strings = [part for one in said for part in ast.walk(one) if isinstance(part, ast.Constant)]
                found += [
                    (statement.lineno, " ".join(part.value.split()))
                    for part in strings
                    if isinstance(part.value, str) and len(part.value.split()) > 3
                ]
    return found


def below_the_base() -> set[str]:
    """Classes of errors, found by importing the rooms' modules of errors."""
    import importlib

    from massgap.errors import MassgapError

    for room in (
        "samples",
        "events",
        "models",
        "processors",
        "fits",
        "studies",
        "condor",
        "reports",
        "contracts",
        "arrays",
        "runner",
    ):
        importlib.import_module(f"massgap.{room}.errors")

    def below(kind: type) -> set[type]:
        return {kind}.union(*map(below, kind.__subclasses__()))

    return {kind.__name__ for kind in below(MassgapError)}


def test_every_message_of_the_code_is_named() -> None:
    """By another way than the catalogue's: statements side by side, classes from Python itself."""
    text = "\n".join(message.text for message in messages())
    names = below_the_base()
    assert {"FilesetError", "LheError", "FileProblem", "WorkspaceError"} <= names
    missing, looked_at = [], 0
    for path in error_catalogue.files(ROOT):
        for line, words in raised_words(ast.parse(path.read_text(encoding="utf-8")), names):
            looked_at += 1
            if words not in text:
                missing.append((str(path.relative_to(ROOT)), line, words))
    assert looked_at > 900
    assert missing == []


def test_where_no_words_are_found_is_known() -> None:
    assert sorted(error_catalogue.survey(ROOT)[1] - ELSEWHERE.keys()) == []


def is_named(told: str) -> bool:
    """Whether a printed message is one of the catalogue, with something in place of each brace."""
    told = " ".join(told.split())
    for message in messages():
        parts = [re.escape(part) for part in re.split(r"\{\w*(?:\.\.\.)?\}", message.text)]
        if len("".join(parts)) > 12 and re.fullmatch(".*".join(parts), told):
            return True
    return False


def seen(*words: object) -> str:
    result = CliRunner().invoke(main, [str(word) for word in words])
    assert result.exit_code != 0
    return result.output


def test_what_is_seen_on_bad_input_is_in_the_catalogue(tmp_path: Path) -> None:
    """Messages as they are printed, not as they stand in the source."""
    text = tmp_path / "text.root"
    text.write_text("these are no events, and this is no ROOT file\n" * 40)
    whole = (
        eventfiles.write_nano(tmp_path / "whole.root", eventfiles.make_events(40, 1))
        or tmp_path / "whole.root"
    )
    cut = tmp_path / "cut.root"
    cut.write_bytes(Path(whole).read_bytes()[:4000])
    fileset = tmp_path / "fileset.json"
    fileset.write_text('{"tt": {"files": {"whole.root": "Events"}}}')
    broken = tmp_path / "broken.json"
    broken.write_text("{")
    out = ("--out", tmp_path / "run", "--executor", "iterative")
    tries = [
        ("run", "slepton", tmp_path / "not_there.root", *out),
        ("run", "slepton", text, *out),
        ("run", "slepton", cut, *out),
        ("run", "nosuch", whole, *out),
        ("run", "slepton", "--fileset", fileset, *out),
        ("run", "slepton", "--fileset", broken, *out),
        ("fit", tmp_path),
        ("train", tmp_path / "nothing"),
        ("limit", broken),
        ("report", tmp_path / "nothing"),
        ("models", "nosuch"),
        ("generate", "nosuch", "--out", tmp_path / "s"),
        ("verify", tmp_path),
    ]
    unknown = []
    for words in tries:
        shown = seen(*words)
        errors = re.findall(
            r"^(?:Usage: .*?)?Error: (.*?)(?=\n\S*Error: |\nThe run is not complete|\Z)",
            shown,
            flags=re.DOTALL | re.MULTILINE,
        )
        assert errors, (words, shown)
        if not any(is_named(error) or any(is_named(line) for line in error.splitlines()) for error in errors):
            unknown.append((words[:2], errors))
    assert unknown == []


def test_a_message_that_is_not_there_is_not_found() -> None:
    assert not is_named("The moon is made of green cheese; eat it with --spoon")
    assert is_named("data/tt_7.root: is truncated (20000 of 980772 bytes); copy it again")


def test_every_message_has_a_remedy() -> None:
    assert [m for m in messages() if not remedy_of(m).strip()] == []
    own = [m for m in messages() if m.remedy]
    assert len(own) > 0.5 * len(messages())


def test_what_helps_with_a_class_is_said_of_every_class_that_needs_it() -> None:
    needed = {m.kind for m in messages() if not m.remedy} - error_catalogue.OF_CLICK
    private = {kind for kind in needed if kind.startswith("_")}
    assert (
        sorted(needed - private - ADVICE.keys() - {"MassgapError", "SampleError", "UnknownFieldError"}) == []
    )
    assert sorted(ADVICE.keys() - error_catalogue.survey(ROOT)[2].keys()) == []


def test_what_helps_can_be_typed() -> None:
    options = {
        word
        for command in main.commands.values()
        for param in command.params
        for word in (*param.opts, *param.secondary_opts)
    }
    options |= {f"--{option.name.replace('_', '-')}" for option in options_of(find_processor("slepton"))}
    options |= {"--help"}
    for advice in ADVICE.values():
        assert set(re.findall(r"--[a-z][a-z-]*", advice)) <= options, advice
        for name in re.findall(r"`massgap ([a-z]+)", advice):
            assert name in main.commands, advice
        for link in re.findall(r"\]\(([^)]+)\)", advice):
            assert (ROOT / "docs" / "reference" / link).is_file(), advice


@pytest.mark.parametrize(
    ("source", "texts", "remedies"),
    [
        (
            'def f(a):\n    raise FooError(f"{a.path} is bad; copy it again")\n',
            ["{path} is bad; copy it again"],
            ["copy it again"],
        ),
        (
            'def f(a):\n    msg = "one way" if a else "another way"\n    raise FooError(msg)\n',
            ["one way", "another way"],
            ["", ""],
        ),
        ('W = "never so"\ndef f():\n    raise FooError("this is " + W)\n', ["this is never so"], [""]),
        (
            'def why(x) -> str:\n    return f"{x} is too long"\ndef f(x):\n    raise FooError(why(x))\n',
            ["{x} is too long"],
            [""],
        ),
        (
            'def f(x):\n    raise FooError(f"no such thing: give it with --thing {x}")\n',
            ["no such thing: give it with --thing {x}"],
            ["give it with --thing {x}"],
        ),
        ('def f(x):\n    raise ValueError("not ours, whatever it says")\n', [], []),
    ],
)
def test_words_are_followed_to_where_they_stand(source, texts, remedies) -> None:
    base = ast.parse(
        'class MassgapError(ValueError):\n    pass\nclass FooError(MassgapError):\n    """Foo."""\n'
    )
    classes = error_catalogue.error_classes({"b.py": base})
    assert classes == {"FooError": "Foo.", "MassgapError": ""}
    found, _ = messages_of(ast.parse(source), "a.py", classes, {})
    assert [m.text for m in found] == texts
    assert [m.remedy for m in found] == remedies


def test_the_page_has_every_message() -> None:
    page = error_catalogue.page(ROOT)
    assert [m.text for m in messages() if m.text not in page] == []
    assert page.count("**Remedy.**") == len(messages())
    assert json.dumps(page)  # plain text
