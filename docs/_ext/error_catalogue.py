"""Every message that massgap ends on, read from its source: text, cause, remedy and place.

Nothing is typed here: a message is whatever is handed to a class of error of the package (or to click's), followed through names,
conditions and sums of strings to the words in the source. What is filled in when it is printed stands as ``{name}``.
"""

from __future__ import annotations

import ast
import re
from dataclasses import dataclass
from functools import cache, cached_property
from itertools import islice, product
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

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
BASE = "MassgapError"
MOST_FORMS = 24
"""Of a message whose halves are chosen in several places: so many of its forms are written down."""
OF_CLICK = {"UsageError", "BadParameter", "ClickException"}
TYPED = re.compile(r"(?<![\w-])--[a-z]|\bmassgap [a-z]+|pip install|conda |ulimit|voms-proxy|\bmake [a-z]+")
IMPERATIVE = re.compile(
    r"^(?:or |then |and |but |to \w+[^,]*, |for \w+[^,:]*[,:] |in [A-Z][^,:]*: |there )?"
    r"(accept|add|allow|ask|begin|build|bring|call|change|check|choose|close|convert|copy|correct|cut|delete|divide|download|draw|drop|"
    r"end|export|fill|fit|free|generate|get|give|go|import|install|keep|leave|let|list|log|look|lower|make|mark|measure|mend|merge|mount|move|name|"
    r"note|open|order|pass|pick|point|put|raise|read|rebin|remove|rename|repair|repeat|replace|request|reset|restart|resume|resubmit|return|run|save|say|score|see|select|"
    r"send|set|shorten|shift|start|state|stop|submit|switch|take|tell|test|train|try|turn|type|unpack|update|upgrade|use|wait|widen|write|renew|fetch|"
    r"store|simulate|sort|split|report|recompute|merge|lengthen|known|choices|possible|allowed|have a look|increase|decrease|enlarge|declare|define|describe|either|without)\b",
    re.IGNORECASE,
)

LISTED = re.compile(
    r"^(the|it has|known|there are|its?|one of|of)\b[^;]*(are|has|have|is|:)[^;]*\{\w*\}", re.IGNORECASE
)
"""Choices that the message lists: "the columns are {columns}"."""


@dataclass(frozen=True)
class Message:
    """One message: ``text`` with ``{name}`` for what is filled in, ``kind`` the class, ``file`` and ``line`` where it is made."""

    text: str
    kind: str
    file: str
    line: int
    cause: str

    @cached_property
    def remedy(self) -> str:
        """The part of the message that says what to do, empty where the cause is all that there is to say."""
        parts = re.split(r"(?<=[;:.!?])\s+|\s+(?=\([^()]*--)", self.text.strip())
        for first, part in enumerate(parts):
            if first and (IMPERATIVE.match(part.strip("( ")) or TYPED.search(part) or LISTED.match(part)):
                return " ".join(parts[first:]).strip()
        return self.text.strip() if TYPED.search(self.text) else ""


def files(root: Path) -> list[Path]:
    """Modules of all rooms; the links of ``massgap/`` to the rooms are not followed."""

    def below(folder: Path) -> Iterator[Path]:
        for path in sorted(folder.iterdir()):
            if path.is_symlink() or path.name.startswith((".", "__pycache__")):
                continue
            if path.is_dir():
                yield from below(path)
            elif path.suffix == ".py":
                yield path

    return [path for room in ROOMS for path in below(root / room)]


def error_classes(trees: dict[str, ast.Module]) -> dict[str, str]:
    """Class below ``MassgapError`` -> the first sentence of its docstring; private ones belong to their module and are left out."""
    bases: dict[str, list[str]] = {}
    documents: dict[str, str] = {}
    for tree in trees.values():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases.setdefault(node.name, []).extend(
                    ast.unparse(base).rpartition(".")[2] for base in node.bases
                )
                documents[node.name] = " ".join((ast.get_docstring(node) or "").split("\n\n")[0].split())
    found = {BASE}
    while more := {name for name, above in bases.items() if name not in found and found & set(above)}:
        found |= more
    return {name: documents.get(name, "") for name in sorted(found)}


def _placeholder(node: ast.expr) -> str:
    """What a reader needs to know of something that is filled in: the last name of its expression."""
    names = [
        n.attr if isinstance(n, ast.Attribute) else n.id if isinstance(n, ast.Name) else ""
        for n in ast.walk(node)
    ]
    if (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "join"
        and node.args
    ):
        return _placeholder(node.args[0])
    plain = [
        n.strip("_") for n in names if n and n not in {"str", "len", "sorted", "repr", "type", "join", "Path"}
    ]
    return "{" + (plain[0] if plain else "...") + "}"


class _Words:
    """Strings that an expression of one module can become."""

    def __init__(self, tree: ast.Module, elsewhere: dict[str, ast.FunctionDef]) -> None:
        self.elsewhere = elsewhere
        self.constants = {
            target.id: node.value
            for node in tree.body
            if isinstance(node, ast.Assign)
            for target in node.targets
            if isinstance(target, ast.Name)
        }
        self.functions = {
            node.name: node
            for node in ast.walk(tree)
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        }

    def of(
        self, node: ast.expr, scope: dict[str, list[ast.expr]], seen: frozenset[str] = frozenset()
    ) -> list[str]:
        """All forms of the text; empty if no word of it stands in the source."""
        if isinstance(node, ast.Constant):
            return [node.value] if isinstance(node.value, str) else []
        if isinstance(node, ast.JoinedStr):
            parts = [
                [p.value] if isinstance(p, ast.Constant) else self._inside(p, scope, seen)
                for p in node.values
            ]
            return ["".join(chosen) for chosen in islice(product(*parts), MOST_FORMS)]
        if isinstance(node, ast.IfExp):
            return [*self.of(node.body, scope, seen), *self.of(node.orelse, scope, seen)]
        if isinstance(node, ast.BoolOp):
            return [text for value in node.values for text in self.of(value, scope, seen)]
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add):
            left = self.of(node.left, scope, seen) or [_placeholder(node.left)]
            right = self.of(node.right, scope, seen) or [_placeholder(node.right)]
            return [a + b for a in left for b in right]
        if isinstance(node, ast.Name) and node.id not in seen:
            values = scope.get(node.id) or ([self.constants[node.id]] if node.id in self.constants else [])
            found = [text for value in values for text in self.of(value, scope, seen | {node.id})]
            return list(dict.fromkeys(found))
        if (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr in {"format", "strip"}
        ):
            return self.of(node.func.value, scope, seen)
        if isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            function = self.functions.get(name) or self.elsewhere.get(name)
            return self._returned(function, seen | {name}) if function and name not in seen else []
        return []

    def _returned(self, function: ast.FunctionDef | ast.AsyncFunctionDef, seen: frozenset[str]) -> list[str]:
        scope = _scope(function)
        values = [n.value for n in ast.walk(function) if isinstance(n, ast.Return) and n.value is not None]
        return [text for value in values for text in self.of(value, scope, seen)]

    def kind(self, call: ast.Call, classes: dict[str, str]) -> str | None:
        """The error that a call makes: a class, ``super().__init__`` left out, or a function of the module that makes one."""
        name = ast.unparse(call.func).rpartition(".")[2]
        if name in classes or name in OF_CLICK:
            return name
        inside = self.functions.get(name)
        if inside is None or not call.args:
            return None
        made = [
            found
            for node in ast.walk(inside)
            if isinstance(node, ast.Call) and (found := ast.unparse(node.func).rpartition(".")[2]) in classes
        ]
        own = {argument.arg for argument in inside.args.args}
        passes = any(isinstance(node, ast.Name) and node.id in own for node in ast.walk(inside))
        return made[0] if made and passes else None

    def _inside(self, part: ast.expr, scope: dict[str, list[ast.expr]], seen: frozenset[str]) -> list[str]:
        """Half-sentences that are chosen before belong to the message; anything else is a name in braces."""
        value = part.value if isinstance(part, ast.FormattedValue) else part
        if isinstance(value, ast.Name) and value.id not in scope:
            constant = self.constants.get(value.id)
            if isinstance(constant, ast.Constant):
                return [str(constant.value)]
        if isinstance(value, ast.BoolOp):
            # {name or 'words where there is none'}: both are forms of it.
            texts = [
                text
                for one in value.values[1:]
                for text in self.of(one, scope, seen)
                if len(text.split()) > 2
            ]
            return [_placeholder(value.values[0]), *texts]
        if isinstance(value, ast.Name | ast.IfExp | ast.Call):
            texts = list(
                dict.fromkeys(text for text in self.of(value, scope, seen) if len(text.split()) != 1)
            )
            if any(len(text.split()) > 2 for text in texts):
                return texts  # also nothing at all, where that may stand
        return [_placeholder(value)]


def _scope(function: ast.AST) -> dict[str, list[ast.expr]]:
    found: dict[str, list[ast.expr]] = {}
    for node in ast.walk(function):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if isinstance(target, ast.Name):
                    found.setdefault(target.id, []).append(node.value)
        elif isinstance(node, ast.AugAssign) and isinstance(node.target, ast.Name):
            before = found.setdefault(node.target.id, [])
            before += [ast.BinOp(left=value, op=ast.Add(), right=node.value) for value in list(before)]
    return {
        name: sorted(values, key=lambda value: getattr(value, "lineno", 0)) for name, values in found.items()
    }


def _raises(document: str | None, kind: str) -> str:
    """What a docstring says of when it raises this class."""
    said = re.search(rf"^{kind}\n((?:    .*\n?)+)", (document or "") + "\n", flags=re.MULTILINE)
    return " ".join(said[1].split()) if said else ""


def _of_parameter(call: ast.Call, around: list[ast.AST], classes: dict[str, str]) -> str | None:
    """The class of ``error(...)``, where ``error: type[FolderError]`` is a parameter of the function."""
    func = call.func.values[-1] if isinstance(call.func, ast.BoolOp) else call.func  # (absent or error)(...)
    if not isinstance(func, ast.Name):
        return None
    for one in reversed(around):
        if isinstance(one, ast.FunctionDef | ast.AsyncFunctionDef):
            for argument in (*one.args.args, *one.args.kwonlyargs):
                if argument.arg == func.id and argument.annotation is not None:
                    said = re.search(r"type\[(\w+)\]", ast.unparse(argument.annotation))
                    return said[1] if said and said[1] in classes else None
    return None


def _of_class_or_function(of_class: str, documents: list[str | None]) -> str:
    """The sentence of the class; where that is the base of a room, what the function does that makes the error."""
    if of_class and not of_class.startswith("Base of all"):
        return of_class
    does = next((" ".join(text.split("\n\n")[0].split()) for text in documents if text), "")
    return f"While this was done: {does[0].lower()}{does[1:]}" if does else of_class


def _functions(tree: ast.Module) -> Iterator[tuple[list[ast.AST], ast.Call]]:
    """Each call with the functions and classes that it stands in, outermost first."""

    def walk(node: ast.AST, around: list[ast.AST]) -> Iterator[tuple[list[ast.AST], ast.Call]]:
        if isinstance(node, ast.Call):
            yield around, node
        inside = (
            [*around, node]
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef)
            else around
        )
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside)

    yield from walk(tree, [])


def _nearest(assigned: list[ast.expr], line: int) -> list[ast.expr]:
    """Of several values of a name the last one before the line, and those that may also hold there (branches next to it)."""
    before = [value for value in assigned if getattr(value, "lineno", 0) <= line]
    return before[-1:] or assigned


def text_makers(trees: dict[str, ast.Module]) -> dict[str, ast.FunctionDef]:
    """Functions of a module that say they return text, by name; of names that several modules have, none."""
    found: dict[str, list[ast.FunctionDef]] = {}
    for tree in trees.values():
        for node in tree.body:
            if (
                isinstance(node, ast.FunctionDef)
                and node.returns is not None
                and "str" in ast.unparse(node.returns)
            ):
                found.setdefault(node.name, []).append(node)
    return {name: nodes[0] for name, nodes in found.items() if len(nodes) == 1}


def messages_of(
    tree: ast.Module, file: str, classes: dict[str, str], elsewhere: dict[str, ast.FunctionDef]
) -> tuple[list[Message], list[tuple[str, int]]]:
    """Messages of a module, and (class, line) of those of which no word stands in it (another place has the words)."""
    words = _Words(tree, elsewhere)
    found, without = [], []
    for around, call in _functions(tree):
        kind = words.kind(call, classes)
        if ast.unparse(call.func) == "super().__init__":
            kind = next(
                (
                    one.name
                    for one in reversed(around)
                    if isinstance(one, ast.ClassDef) and one.name in classes
                ),
                None,
            )
        kind = kind or _of_parameter(call, around, classes)
        if kind is None:
            continue
        arguments = [*call.args, *(k.value for k in call.keywords if k.arg in {"message", None})]
        if not arguments:
            continue
        functions = [one for one in around if not isinstance(one, ast.ClassDef)]
        scope = {
            name: _nearest(values, call.lineno) for one in functions for name, values in _scope(one).items()
        }
        texts = [text for argument in arguments for text in words.of(argument, scope)]
        direct = (
            kind in ast.unparse(call.func)
            or _of_parameter(call, around, classes) == kind
            or "super()" in ast.unparse(call.func)
        )
        # What is handed to a function that makes the error may be a part of a sentence, or a name.
        texts = [text for text in texts if len(re.sub(r"\{\w*\}", "", text).split()) > (1 if direct else 5)]
        documents = [ast.get_docstring(one) for one in reversed(around)]
        cause = next((said for document in documents if (said := _raises(document, kind))), "")
        cause = cause or _of_class_or_function(classes.get(kind, ""), documents)
        found += [Message(" ".join(text.split()), kind, file, call.lineno, cause) for text in texts]
        if not texts and direct:
            without.append((kind, call.lineno))
    return found, without


@cache
def survey(root: Path) -> tuple[tuple[Message, ...], frozenset[str], dict[str, str]]:
    """Messages in the order of rooms, files and lines; files with an error of which no word stands there; classes of errors."""
    trees = {str(path.relative_to(root)): ast.parse(path.read_text(encoding="utf-8")) for path in files(root)}
    classes, makers = error_classes(trees), text_makers(trees)
    found: dict[Message, None] = {}
    without = set()
    for file, tree in trees.items():
        said, silent = messages_of(tree, file, classes, makers)
        found |= dict.fromkeys(said)
        without |= {file} if silent else set()
    return tuple(found), frozenset(without), classes


def collect(root: Path) -> tuple[Message, ...]:
    """All messages of the package, in the order of rooms, files and lines."""
    return survey(root)[0]


ADVICE = {
    "BinningError": "Ask for other bins: `massgap fit RUN --edges` or `--min-background`.",
    "BundleError": "Get the bundle again whole, or publish it again: `massgap publish RUN --out BUNDLE`; the page on [recasting](../recasting.md) has more.",
    "CardError": "Copy a card of `samples/cards`, change one number at a time, and try it with a few events: `massgap generate ttbar --card my.toml --events 1k --out try`.",
    "CondorError": "Look at what the pool says: `massgap status RUN` and `RUN/cluster`; the page on [facilities](../facilities.md) has the options of jobs.",
    "CutShortError": "Copy the file again, or take its complete events: `--accept-truncated`.",
    "EnvironmentMismatchError": "Give the workers the same packages as here (`--environment ship`), and see with `massgap preflight`.",
    "FeatureError": "Compare the features of model and run: `massgap models NAME` shows those of a model.",
    "FilesetError": "Mend the named key of the fileset; [its page](../guide/files.md) has a complete one, and [its schema](contracts.md) checks yours.",
    "FileProblem": "Copy or make the file again, or take it out of the fileset; the same command then does only what is missing.",
    "FitError": "See what is fitted with `massgap fit RUN --help`; the page on [fits](../guide/fits.md) has each option.",
    "GenerationError": "Correct the named option; `massgap generate --list` names what can be generated.",
    "HistogramError": "Choose a histogram of the run; `RUN/histograms.json` holds them, and the message lists them.",
    "IncompleteRunError": "Repeat the command that made the run, or take the loss: `--accept-loss`.",
    "InferenceError": "Look at the likelihood (`massgap limit workspace.json --impacts`) and compare with `--engine pyhf`.",
    "LheError": "Get or make the whole file again; the page on [samples](../guide/samples.md) says which files are taken.",
    "MissingBranchError": "Take a file that has the branch, or name another collection: `--collections`.",
    "MissingInput": "Run the stage that makes it first: the message names the file.",
    "ModelError": "Correct the named field of the recipe or option; the page on [training](../guide/training.md) has them.",
    "ModelFileError": "Export the model again as the page on [models](../guide/models.md) shows.",
    "PaperError": "This is a fault in the numbers of a study's folder: restore the file.",
    "PlaneError": "Correct the named file or option; the page on [planes](../guide/planes.md) has them.",
    "ProcessorError": "Correct the named part of the analysis or its option; [own analysis](../guide/own-analysis.md) has a complete one.",
    "RecipeError": "Correct the named field of the recipe; the page on [training](../guide/training.md) has a complete one.",
    "ReportError": "Give a folder that `massgap run`, `fit` or `plane` has finished.",
    "RunFolderError": "Make the run again into the folder: the command is in its `manifest.json`.",
    "RunnerError": "Correct the named option of `massgap run`; `massgap preflight` asks the workers before a long run.",
    "SelectionError": "Correct the array or argument in the code of the analysis: shapes and names are in the message.",
    "StudyError": "Give the folder of `massgap study`, and repeat that command where it was interrupted.",
    "TableError": "Make the feature tables again: repeat the command in `manifest.json` of the run.",
    "UnknownProcessError": "`massgap generate --list` names all processes, and the forms of names of signals.",
    "UnreadableInput": "Make the named file again with the stage that writes it.",
    "WrongEnvironmentError": "Give the jobs the same Python and packages as here: `massgap submit --environment ship`.",
    "WorkspaceError": "Correct the named entry; the page on [fits](../guide/fits.md) has complete files of nuisances.",
}
"""Class -> what can be done where a message itself ends with its cause."""
GENERAL = "Correct what the message names, and repeat the command: what was finished is kept."
TITLES = {
    "events": "Reading events",
    "massgap": "Commands, files and runs",
    "fits": "Fits, limits, planes",
    "models": "Models and training",
    "processors": "Analyses",
    "selections": "Objects and observables",
    "samples": "Making samples",
    "reports": "Reports",
    "condor": "Pools and jobs",
    "studies": "Studies",
}
"""Room -> heading, in the order of the page: what a newcomer meets comes first."""


def _code(text: str) -> str:
    """A message as code, whatever it has of backticks."""
    return f"``{text}``" if "`" not in text else f"``` {text} ```"


def _prose(text: str) -> str:
    """A sentence of a docstring (reStructuredText) or of a message as Markdown."""
    text = re.sub(r":\w+:`~?\.?([^`<]+?)(?: <[^`]*>)?`", r"`\1`", text).replace("``", "`")
    plain = re.split(r"(`[^`]*`)", text)
    return "".join(p if p.startswith("`") else re.sub(r"([\\*_<>\[\]$|~#{}])", r"\\\1", p) for p in plain)


def remedy_of(message: Message) -> str:
    """Markdown of what can be done: the message's own words, or else what helps with its class."""
    remedy = message.remedy.strip()
    if remedy and remedy != message.text.strip():
        balanced = remedy.count("(") == remedy.count(")")
        if balanced and not remedy.startswith("--"):
            return _code(remedy[1:-1] if remedy.startswith("(") and remedy.endswith(")") else remedy)
        options = dict.fromkeys(re.findall(r"--[a-z][a-z-]*", remedy))
        if options:
            return "With " + " or ".join(f"`{option}`" for option in options) + ", as the message says."
    if remedy:
        return "The message says it."
    return ADVICE.get(message.kind, GENERAL)


def page(root: Path) -> str:
    """Markdown of the catalogue: by room, each message with cause, remedy and place."""
    found = collect(root)
    parts = []
    for room, title in TITLES.items():
        mine = sorted((m for m in found if m.file.startswith(f"{room}/")), key=lambda m: (m.file, m.line))
        parts.append(f"## {title}\n\n{len(mine)} messages of `{room}/`.\n")
        for message in mine:
            cause = f"{message.cause.rstrip('.')}. " if message.cause else ""
            parts.append(
                f"{_code(message.text)}\n"
                f": **Cause.** {_prose(cause)}*({message.kind}, [{message.file}:{message.line}](../../{message.file}))*\n"
                f": **Remedy.** {remedy_of(message)}\n"
            )
    return "\n".join(parts)
