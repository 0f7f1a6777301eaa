"""Detector cards: TOML files of numbers that a physicist can read and change, checked before use.

Cards of this package are in ``samples/cards``. Every table of a card must say where its numbers come from
(``source``). A table or key that is unknown, missing or impossible is an error that names file, table and key.
"""

from __future__ import annotations

import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.samples.detector.card_schema import SCHEMA, SOURCE, TOP, Fault, PerEta, PerPtAndEta, list_of
from massgap.samples.errors import CardError

if TYPE_CHECKING:
    from collections.abc import Callable

CARD_FOLDER = Path(__file__).parent.parent / "cards"


def load_card(card: str | Path = "cms") -> dict[str, Any]:
    """Read and check a detector card.

    Parameters
    ----------
    card : str or path
        Name of a card of this package (``cms``, ``cms-towers``, ``cms-wide-jets``, ``atlas``, ``hl-lhc``, ``cascade``,
        ``perfect``), or the path of a TOML file. A card with ``base = "cms"`` says only what differs from that.

    Returns
    -------
    dict
        Its tables, as nested dictionaries.

    Raises
    ------
    CardError
        If the card or its base does not exist, is not TOML, or has a missing, unknown or impossible table or key.
    """
    content = _read(card, ())
    check_card(content, card_path(card))
    return content


def _read(card: str | Path, above: tuple[Path, ...]) -> dict[str, Any]:
    """Content of a card, on top of that of its base."""
    path = card_path(card)
    if path in above:
        msg = f"detector card {above[0]} is based on itself: name another card as its base"
        raise CardError(msg)
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in CARD_FOLDER.glob("*.toml")))
        msg = f"detector card {card} does not exist: give one of {known}, or a path to a .toml file"
        raise CardError(msg) from None
    except (OSError, ValueError) as error:  # no file, not UTF-8, not TOML
        msg = f"detector card {path} cannot be read: {error}"
        raise CardError(msg) from None
    base = content.pop("base", None)
    if base is None:
        return content
    if not isinstance(base, str):
        msg = f"base of detector card {path} must be the name or path of a card, not {base!r}"
        raise CardError(msg)
    return _over(_read(base, (*above, path)), content)


def _over(base: dict[str, Any], changes: dict[str, Any]) -> dict[str, Any]:
    """A card with the keys of another one in place of its own."""
    merged = dict(base)
    for key, value in changes.items():
        below = merged.get(key)
        merged[key] = _over(below, value) if isinstance(below, dict) and isinstance(value, dict) else value
    return merged


def card_path(card: str | Path) -> Path:
    """File of a card, given by name or path; it need not exist."""
    path = Path(card)
    return path if path.suffix == ".toml" else CARD_FOLDER / f"{card}.toml"


def check_card(content: dict[str, Any], path: str | Path) -> None:
    """Raise a CardError about the first table or key that is missing, unknown or impossible."""
    schema = {name.removesuffix("?"): keys for name, keys in SCHEMA.items()}
    nested = {name.split(".")[0] for name in schema if "." in name}
    for name in SCHEMA:
        if not name.endswith("?") and not isinstance(_find(content, name), dict):
            msg = f"detector card {path} lacks the table [{name}]"
            raise CardError(msg)
    for key, value in content.items():
        if key in TOP:
            _check(TOP[key], value, f"{key} of detector card {path}")
        elif key not in schema and key not in nested:
            known = ", ".join(dict.fromkeys(name.split(".")[0] for name in schema))
            msg = f"detector card {path} has an unknown table or key {key}; the tables are {known}"
            raise CardError(msg)
    for name in sorted({*schema, *nested}):
        table = _find(content, name)
        if table is None:
            continue
        if not isinstance(table, dict):
            msg = f"[{name}] of detector card {path} must be a table, not {table!r}"
            raise CardError(msg)
        own = schema.get(name)
        inner = {key.rpartition(".")[2] for key in schema if key.startswith(f"{name}.")}
        _check_table(table, own, inner, f"[{name}] of detector card {path}")


def _find(content: dict[str, Any], name: str) -> Any:
    found: Any = content
    for part in name.split("."):
        if not isinstance(found, dict) or part not in found:
            return None
        found = found[part]
    return found


def _check_table(table: dict[str, Any], own: dict[str, Any] | None, inner: set[str], where: str) -> None:
    keys = {} if own is None else {"source": SOURCE, **own}
    known = {key.removesuffix("?") for key in keys}
    for key in table:
        if key not in known | inner:
            msg = f"{where} has an unknown key {key}; it may have {', '.join(sorted(known | inner))}"
            raise CardError(msg)
    for key, check in keys.items():
        name = key.removesuffix("?")
        if name not in table:
            if key.endswith("?"):
                continue
            msg = f"{where} lacks the key {name}"
            raise CardError(msg)
        if isinstance(check, PerPtAndEta):
            row = list_of(check.check, len(table["eta"]) - 1)
            check = list_of(row, len(table["pt"]))  # noqa: PLW2901
        elif isinstance(check, PerEta):
            check = list_of(check.check, len(table["eta"]) - 1)  # noqa: PLW2901
        _check(check, table[name], f"{name} in {where}")


def _check(check: Callable[[Any], Any], value: Any, where: str) -> None:
    try:
        check(value)
    except Fault as fault:
        msg = f"{where} {fault}"
        raise CardError(msg) from None
