"""ClassAds, with HTCondor's own evaluation."""

from __future__ import annotations

import os
import warnings
from typing import Any

DOMAIN = "submit.standin"
"""File system domain of the host where jobs are submitted."""


def load(*names: str) -> Any:
    """Import HTCondor's modules; there is no configuration to be found, and no daemon."""
    os.environ["CONDOR_CONFIG"] = os.devnull
    os.environ["_CONDOR_FILESYSTEM_DOMAIN"] = DOMAIN
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        modules = [__import__(name) for name in names]
    return modules[0] if len(modules) == 1 else modules


def evaluate(ad: Any, attribute: str, default: Any = None) -> Any:
    """The value of an attribute; undefined and errors are the default."""
    if attribute not in ad:
        return default
    return _value(ad.lookup(attribute), ad, default)


def holds(ad: Any, expression: str) -> bool:
    """Whether an expression, in words, is true for an ad."""
    return _value(load("classad").ExprTree(expression), ad, False) is True


def _value(expression: Any, ad: Any, default: Any) -> Any:
    classad = load("classad")
    value = expression.eval(ad) if isinstance(expression, classad.ExprTree) else expression
    return default if value is None or isinstance(value, classad.Value) else value


def split(text: str) -> list[str]:
    """Arguments or environment as they stand in an ad: blanks part, single quotes keep, two of them inside are one."""
    words: list[str] = []
    word, begun, quoted, at = "", False, False, 0
    while at < len(text):
        char = text[at]
        if quoted and text[at : at + 2] == "''":
            word, at = word + "'", at + 1
        elif char == "'":
            quoted, begun = not quoted, True
        elif char in " \t\n\r" and not quoted:
            if begun:
                words.append(word)
            word, begun = "", False
        else:
            word, begun = word + char, True
        at += 1
    return [*words, word] if begun else words


def listed(text: str) -> list[str]:
    """A list of files."""
    return [name.strip() for name in text.split(",") if name.strip()]


def remaps(text: str) -> dict[str, str]:
    """``name = path; other = path``; a backslash keeps the next character."""
    parts, key, word, at = {}, None, "", 0
    while at < len(text):
        if text[at] == "\\":
            at += 1
            word += text[at : at + 1]
        elif text[at] == "=" and key is None:
            key, word = word.strip(), ""
        elif text[at] == ";":
            if key:
                parts[key] = word.strip()
            key, word = None, ""
        else:
            word += text[at]
        at += 1
    if key:
        parts[key] = word.strip()
    return parts
