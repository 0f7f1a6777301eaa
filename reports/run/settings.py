"""Options and other settings of any depth, as rows of a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


def plain_rows(content: Mapping[str, Any], prefix: str = "") -> list[list[object]]:
    """Return one row of name and value per setting; names of nested ones are joined.

    >>> plain_rows({"level": 0.95, "scan": {"edges": [0.1, 2]}, "channel": None})
    [['level', '0.95'], ['scan / edges', '0.1, 2'], ['channel', 'none']]
    >>> plain_rows({"nuisance": [{"name": "jes", "size": 0.5}]})
    [['nuisance', 'name: jes, size: 0.5']]
    """
    rows: list[list[object]] = []
    for key, value in content.items():
        name = f"{prefix} / {key}" if prefix else str(key)
        if isinstance(value, Mapping) and value:
            rows += plain_rows(value, name)
        elif isinstance(value, list | tuple | Mapping):
            tables = any(isinstance(item, Mapping) for item in value)
            rows.append([name, ("; " if tables else ", ").join(_plain(item) for item in value) or "none"])
        else:
            rows.append([name, _plain(value)])
    return rows


def _plain(value: Any) -> str:
    if value is None:
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, Mapping):
        return ", ".join(f"{key}: {_plain(item)}" for key, item in value.items())
    if isinstance(value, list | tuple):
        return " ".join(map(_plain, value))
    return f"{value:.5g}" if isinstance(value, float) else str(value)
