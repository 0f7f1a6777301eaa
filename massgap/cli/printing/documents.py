"""``--json``, on every command: one document on standard output for programs, in place of the words for people.

A command says what it found with :func:`emit`, beside printing it; whoever adds a command to the group adds the option with
:func:`with_json`.  Notes, progress and errors go to standard error as ever.  Every document has a ``format``, a name and the
version of its form; where a command fails, it is ``massgap-error/1`` with ``error`` and ``type``.
"""

from __future__ import annotations

import contextlib
import functools
import io
import json
import math
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, TextIO

import click

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

__all__ = ["ERROR_FORMAT", "OPTION", "TO_STDOUT", "emit", "errors_as_documents", "plain", "with_json"]

OPTION = "--json"
TO_STDOUT = "-"
"""Value of the option where it is given without a file, by the command that may write it to one."""
ERROR_FORMAT = "massgap-error/1"
_ASKED, _DOCUMENT = "massgap.json", "massgap.document"
_HELP = "Print the result as JSON, for programs, in place of text."


def emit(form: str, content: Mapping[str, Any]) -> None:
    """Say what a command found.

    Parameters
    ----------
    form
        Name and version of the document, ``massgap-fit/2``; a ``format`` of the content itself comes first.
    content
        Plain data; paths, tuples and arrays are made plain, what is no finite number is null.
    """
    context = click.get_current_context(silent=True)
    if context is not None:
        context.meta[_DOCUMENT] = {"format": form, **content}


def with_json(command: click.Command) -> click.Command:
    """Give a command the option; one that has it already, as it may write a file as well, keeps its own."""
    inner = command.callback
    if inner is None:
        return command
    own = next((parameter for parameter in command.params if OPTION in parameter.opts), None)
    if own is None:
        command.params.append(
            click.Option([OPTION, "_json"], is_flag=True, expose_value=False, callback=_ask, help=_HELP)
        )
    else:
        own.callback = _ask

    @functools.wraps(inner)
    def callback(*arguments: Any, **options: Any) -> Any:
        with _as_document():
            return inner(*arguments, **options)

    command.callback = callback
    return command


def _ask(context: click.Context, _: click.Parameter, value: Any) -> Any:
    context.meta[_ASKED] = value in (True, TO_STDOUT)
    return value


@contextlib.contextmanager
def _as_document() -> Iterator[None]:
    """Hold back what a command prints, and print its document instead."""
    context = click.get_current_context()
    if not context.meta.get(_ASKED):
        yield
        return
    out = sys.stdout
    try:
        with contextlib.redirect_stdout(io.StringIO()):
            yield
    except click.exceptions.Exit:
        # The code of a command that has found what it looked for, and does not like it.
        _print(context.meta.get(_DOCUMENT), out)
        raise
    _print(context.meta.get(_DOCUMENT), out)


@contextlib.contextmanager
def errors_as_documents(context: click.Context, words: Sequence[str]) -> Iterator[None]:
    """Print a document of an error, whoever meets it: also the one who reads the words, before any command begins.

    Parameters
    ----------
    context
        Of the group.
    words
        What was typed behind it.
    """
    try:
        yield
    except (click.exceptions.Exit, click.Abort):
        raise
    except (Exception, KeyboardInterrupt) as error:
        if context.meta.get(_ASKED, OPTION in words):
            text = error.format_message() if isinstance(error, click.ClickException) else str(error)
            about = {"type": type(error).__name__, "error": text or "interrupted"}
            _print({"format": ERROR_FORMAT, **about}, sys.stdout)
        raise


def _print(document: Mapping[str, Any] | None, out: TextIO) -> None:
    if document is not None:
        out.write(json.dumps(plain(document), indent=1, allow_nan=False) + "\n")
        out.flush()


def plain(value: Any) -> Any:
    """Data as JSON knows them.

    Examples
    --------
    >>> plain({"masses": (110.0, float("nan")), "out": __import__("pathlib").PurePosixPath("runs/a")})
    {'masses': [110.0, None], 'out': 'runs/a'}
    """
    if isinstance(value, Mapping):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [plain(each) for each in value]
    if isinstance(value, bool) or value is None or isinstance(value, (str, int)):
        return value
    if hasattr(value, "tolist"):
        return plain(value.tolist())
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    return str(value)
