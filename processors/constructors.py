"""What a constructor of a processor takes: names, defaults, and what its docstring says of them."""

from __future__ import annotations

import inspect
import re
from dataclasses import dataclass
from typing import Any, Literal

__all__ = ["Option", "options_of"]

_SEQUENCES = ("tuple", "list", "Sequence", "Iterable")


@dataclass(frozen=True)
class Option:
    """A parameter of a constructor.

    Parameters
    ----------
    name
        Its name.
    kind
        ``"flag"`` for true or false, ``"list"`` for several values, else ``"value"``.
    default
        What it is if nobody says; None if there is none.
    text
        What the docstring says of it, in one line of plain text.
    """

    name: str
    kind: Literal["flag", "list", "value"]
    default: Any = None
    text: str = ""


def options_of(cls: type) -> tuple[Option, ...]:
    """The options of a class; those of its bases count where it passes ``**options`` on.

    Parameters
    ----------
    cls
        A class with a numpy-style docstring, if its options are to be explained.

    Returns
    -------
    tuple of Option
        Those of the class first.

    Examples
    --------
    >>> class Base:
    ...     def __init__(self, *, met: str = "detector") -> None: ...
    >>> class Mine(Base):
    ...     '''An analysis.
    ...
    ...     Parameters
    ...     ----------
    ...     window
    ...         Width in GeV, see :func:`~massgap.x.y`.
    ...     '''
    ...
    ...     def __init__(self, window: float = 10.0, **options) -> None: ...
    >>> [option.name for option in options_of(Mine)], options_of(Mine)[0].text
    (['window', 'met'], 'Width in GeV, see massgap.x.y.')
    """
    found: dict[str, Option] = {}
    for base in cls.__mro__:
        if "__init__" not in vars(base) or base is object:
            continue
        # Only its own parameters: those of its bases come with the bases.
        parameters = list(inspect.signature(base.__init__).parameters.values())[1:]  # type: ignore[misc]
        for p in parameters:
            if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY) and p.name not in found:
                default = None if p.default is p.empty else p.default
                found[p.name] = Option(p.name, _kind(p), default, _text(cls, p.name))
        if not any(p.kind == p.VAR_KEYWORD for p in parameters):
            break
    return tuple(found.values())


def _kind(parameter: inspect.Parameter) -> Literal["flag", "list", "value"]:
    default, annotation = parameter.default, str(parameter.annotation)
    if isinstance(default, bool):
        return "flag"
    if isinstance(default, (tuple, list)) or any(word in annotation for word in _SEQUENCES):
        return "list"
    return "value"


def _text(cls: type, name: str) -> str:
    """What a class or the nearest of its bases says of a parameter; a mere "See ..." only if nothing better is found."""
    texts = [text for base in cls.__mro__ if (text := _documented(base).get(name))]
    return next((text for text in texts if not text.startswith("See ")), texts[0] if texts else "")


def _documented(cls: type) -> dict[str, str]:
    """Parameter -> text, from the section Parameters of the docstrings of a class and of its constructor."""
    out: dict[str, str] = {}
    for doc in (vars(cls).get("__doc__"), getattr(vars(cls).get("__init__"), "__doc__", None)):
        section = re.search(
            r"^Parameters\n-+\n(.*?)(?=^\S[^\n]*\n-{3,}|\Z)",
            inspect.cleandoc(doc or ""),
            re.MULTILINE | re.DOTALL,
        )
        if section is None:
            continue
        for names, text in re.findall(
            r"^(\S[^\n]*)\n((?:[ \t]+[^\n]*\n?|\n)+)", section[1] + "\n", re.MULTILINE
        ):
            plain = " ".join(re.sub(r":\w+:`~?([^`]+)`|`+([^`]+)`+", r"\1\2", text).split())
            out.update(dict.fromkeys((name.strip(" *") for name in names.split(":")[0].split(",")), plain))
    return out
