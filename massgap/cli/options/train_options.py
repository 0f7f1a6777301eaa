"""Options of ``massgap train`` that are more than one word or number."""

from __future__ import annotations

import json
import re
from typing import Any

import click

__all__ = ["balance", "class_weights", "folds", "hyperparameters"]


def folds(_context: click.Context, _parameter: click.Parameter, value: str | None) -> dict[str, Any] | None:
    """``3`` or ``8:1:1`` as the fields of a recipe."""
    if value is None:
        return None
    if value == "8:1:1":
        return {"n_folds": 10, "protocol": "next_fold"}
    try:
        return {"n_folds": int(value)}
    except ValueError:
        msg = f"{value!r} is neither a number of folds nor 8:1:1."
        raise click.BadParameter(msg) from None


def class_weights(
    _context: click.Context, _parameter: click.Parameter, value: str | None
) -> dict[str, float] | None:
    """``2:1`` as the field of a recipe."""
    if value is None:
        return None
    try:
        signal, background = (float(part) for part in value.split(":"))
    except ValueError:
        msg = f"{value!r} is not two numbers, of signal and background, as 2:1."
        raise click.BadParameter(msg) from None
    return {"signal": signal, "background": background}


def hyperparameters(
    _context: click.Context, _parameter: click.Parameter, value: tuple[str, ...]
) -> dict[str, Any] | None:
    """``NAME=VALUE`` as entries of a table: numbers, words, and sizes of layers as 50-50."""
    found: dict[str, Any] = {}
    for text in value:
        name, equals, given = text.partition("=")
        if not (name and equals and given):
            msg = f"{text!r} is not NAME=VALUE, as learning_rate=0.01."
            raise click.BadParameter(msg)
        if name in found:
            msg = f"{name} is given twice."
            raise click.BadParameter(msg)
        found[name] = _value(given)
        if name == "hidden" and isinstance(found[name], int):
            found[name] = [found[name]]
    return found or None


def _value(text: str) -> Any:
    if re.fullmatch(r"\d+(-\d+)+", text):
        return [int(part) for part in text.split("-")]
    try:
        return json.loads(text)
    except ValueError:
        return text


def balance(_context: click.Context, _parameter: click.Parameter, value: str | None) -> dict[str, Any] | None:
    """``COLUMN:LOW:HIGH:WIDTH`` as the field of a recipe."""
    if value is None:
        return None
    column, *numbers = value.rsplit(":", 3)
    try:
        low, high, width = (float(part) for part in numbers)
    except ValueError:
        msg = f"{value!r} is not COLUMN:LOW:HIGH:WIDTH, as m_jj:500:3500:200."
        raise click.BadParameter(msg) from None
    return {"column": column, "low": low, "high": high, "width": width}
