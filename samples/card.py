"""Detector cards: TOML files of numbers that a physicist can read and change, checked before use.

Cards of this package are in ``samples/cards``. Every table of a card must say where its numbers come from
(``source``). A table or key that is unknown, missing or impossible is an error that names file, table and key.
"""

from __future__ import annotations

import itertools
import math
import tomllib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from massgap.samples.errors import CardError

if TYPE_CHECKING:
    from collections.abc import Callable

CARD_FOLDER = Path(__file__).parent / "cards"


class _Fault(Exception):
    """What is wrong with one value."""


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        msg = f"must be a number, not {value!r}"
        raise _Fault(msg)
    return float(value)


def _not_negative(value: Any) -> None:
    if _number(value) < 0:
        msg = f"must not be negative, but is {value}"
        raise _Fault(msg)


def _positive(value: Any) -> None:
    if _number(value) <= 0:
        msg = f"must be above 0, but is {value}"
        raise _Fault(msg)


def _share(value: Any) -> None:
    if not 0 <= _number(value) <= 1:
        msg = f"must lie between 0 and 1, but is {value}"
        raise _Fault(msg)


def _text(value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        msg = f"must be a text, not {value!r}"
        raise _Fault(msg)


def _mass(value: Any) -> None:
    if value not in ("pion", "true"):
        msg = f'must be "pion" or "true", not {value!r}'
        raise _Fault(msg)


def _list(check: Callable[[Any], Any], length: int | None = None) -> Callable[[Any], None]:
    def checked(value: Any) -> None:
        if not isinstance(value, list):
            msg = f"must be a list, not {value!r}"
            raise _Fault(msg)
        if length is not None and len(value) != length:
            msg = f"must have {length} entries, but has {len(value)}"
            raise _Fault(msg)
        for entry in value:
            check(entry)

    return checked


def _edges(value: Any) -> None:
    _list(_not_negative)(value)
    if not value or any(low >= high for low, high in itertools.pairwise(value)):
        msg = f"must rise from entry to entry, but is {value}"
        raise _Fault(msg)


def _eta_edges(value: Any) -> None:
    _edges(value)
    if len(value) < 2 or value[0] != 0:
        msg = f"must start at 0 and have at least two entries, but is {value}"
        raise _Fault(msg)


class _PerEta:
    """A list with one entry per bin of the table's own ``eta``."""

    def __init__(self, check: Callable[[Any], Any]) -> None:
        self.check = check


class _PerPtAndEta(_PerEta):
    """One row per entry of ``pt``, each with one entry per bin of ``eta``."""


_LEPTON = {
    "pt_min": _not_negative,
    "eta": _eta_edges,
    "efficiency": _PerEta(_share),
    "misidentification": _PerEta(_share),
}
_TRACKING = {"pt": _edges, "eta": _eta_edges, "values": _PerPtAndEta(_share), "falloff_pt?": _positive}
_MOMENTUM = {
    "eta": _eta_edges,
    "constant": _PerEta(_not_negative),
    "slope": _PerEta(_not_negative),
    "root?": _PerEta(_not_negative),
}
_RESOLUTION = {
    "eta": _eta_edges,
    "constant": _PerEta(_not_negative),
    "stochastic": _PerEta(_not_negative),
    "noise": _PerEta(_not_negative),
}
_CURVE = _list(_number, 4)
#: Tables and keys of a card; a question mark stands behind what may be left out.
SCHEMA: dict[str, dict[str, Any]] = {
    "tracking.hadron": _TRACKING,
    "tracking.electron": _TRACKING,
    "tracking.muon": _TRACKING,
    "momentum.hadron": _MOMENTUM,
    "momentum.electron": _MOMENTUM,
    "momentum.muon": _MOMENTUM,
    "calorimeter.ecal": {**_RESOLUTION, "scale": _PerEta(_list(_number, 3))},
    "calorimeter.hcal": {**_RESOLUTION, "scale": _PerEta(_list(_number, 3))},
    "calorimeter.sharing": {"strange_ecal": _share},
    "calorimeter.threshold": {"ecal": _not_negative, "hcal": _not_negative},
    "flow": {"mass": _mass},
    "electron": _LEPTON,
    "muon": _LEPTON,
    "photon": {**_LEPTON, "isolation_max": _positive},
    "isolation": {
        "pt_min": _not_negative,
        "muon_cone": _positive,
        "electron_cone": _positive,
        "photon_cone": _positive,
    },
    "jet": {
        "radius": _positive,
        "pt_min": _positive,
        "fat_radius": _positive,
        "fat_pt_min": _positive,
        "wide_radius": _positive,
        "wide_pt_min": _positive,
        "gen_pt_min": _positive,
        "gen_fat_pt_min": _positive,
    },
    "jet.smearing?": {**_RESOLUTION, "scale": _PerEta(_positive)},
    "btag": {
        "eta_max": _positive,
        "match_radius": _positive,
        "hadron_pt_min": _not_negative,
        "b": _CURVE,
        "c": _CURVE,
        "light": _list(_number, 2),
        "working_point": _share,
    },
    "tautag": {
        "eta_max": _positive,
        "pt_min": _positive,
        "match_radius": _positive,
        "visible_pt_min": _not_negative,
        "track_cone": _positive,
        "track_pt_min": _not_negative,
        "efficiency": _list(_share, 2),
        "misidentification": _list(_share, 3),
    },
    "met": {"eta_max": _positive, "soft_sigma": _not_negative},
}
_TOP = {"name": _text, "description": _text}


def load_card(card: str | Path = "cms") -> dict[str, Any]:
    """Read and check a detector card.

    Parameters
    ----------
    card : str or path
        Name of a card of this package (``cms``, ``atlas``, ``hl-lhc``, ``cascade``, ``perfect``), or the path of a
        TOML file.

    Returns
    -------
    dict
        Its tables, as nested dictionaries.

    Raises
    ------
    CardError
        If the card does not exist, is not TOML, or has a missing, unknown or impossible table or key.
    """
    path = Path(card)
    if path.suffix != ".toml":
        path = CARD_FOLDER / f"{card}.toml"
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        known = ", ".join(sorted(p.stem for p in CARD_FOLDER.glob("*.toml")))
        msg = f"detector card {card} does not exist: give one of {known}, or a path to a .toml file"
        raise CardError(msg) from None
    except (OSError, ValueError) as error:  # no file, not UTF-8, not TOML
        msg = f"detector card {path} cannot be read: {error}"
        raise CardError(msg) from None
    check_card(content, path)
    return content


def check_card(content: dict[str, Any], path: str | Path) -> None:
    """Raise a CardError about the first table or key that is missing, unknown or impossible."""
    schema = {name.removesuffix("?"): keys for name, keys in SCHEMA.items()}
    nested = {name.split(".")[0] for name in schema if "." in name}
    for name in SCHEMA:
        if not name.endswith("?") and not isinstance(_find(content, name), dict):
            msg = f"detector card {path} lacks the table [{name}]"
            raise CardError(msg)
    for key, value in content.items():
        if key in _TOP:
            _check(_TOP[key], value, f"{key} of detector card {path}")
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
    keys = {} if own is None else {"source": _text, **own}
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
        if isinstance(check, _PerPtAndEta):
            row = _list(check.check, len(table["eta"]) - 1)
            check = _list(row, len(table["pt"]))  # noqa: PLW2901
        elif isinstance(check, _PerEta):
            check = _list(check.check, len(table["eta"]) - 1)  # noqa: PLW2901
        _check(check, table[name], f"{name} in {where}")


def _check(check: Callable[[Any], Any], value: Any, where: str) -> None:
    try:
        check(value)
    except _Fault as fault:
        msg = f"{where} {fault}"
        raise CardError(msg) from None
