"""What a detector card may say: its tables and keys, and which values are possible."""

from __future__ import annotations

import itertools
import math
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from collections.abc import Callable


class Fault(Exception):
    """What is wrong with one value."""


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)) or not math.isfinite(value):
        msg = f"must be a number, not {value!r}"
        raise Fault(msg)
    return float(value)


def _not_negative(value: Any) -> None:
    if _number(value) < 0:
        msg = f"must not be negative, but is {value}"
        raise Fault(msg)


def _positive(value: Any) -> None:
    if _number(value) <= 0:
        msg = f"must be above 0, but is {value}"
        raise Fault(msg)


def _eta_max(value: Any) -> None:
    if not 0 < _number(value) <= 20:
        msg = f"must be above 0 and at most 20, but is {value}"
        raise Fault(msg)


def _share(value: Any) -> None:
    if not 0 <= _number(value) <= 1:
        msg = f"must lie between 0 and 1, but is {value}"
        raise Fault(msg)


def _text(value: Any) -> None:
    if not isinstance(value, str) or not value.strip():
        msg = f"must be a text, not {value!r}"
        raise Fault(msg)


def _mass(value: Any) -> None:
    if value not in ("pion", "true"):
        msg = f'must be "pion" or "true", not {value!r}'
        raise Fault(msg)


def list_of(check: Callable[[Any], Any], length: int | None = None) -> Callable[[Any], None]:
    """Check of a list by a check of its entries."""

    def checked(value: Any) -> None:
        if not isinstance(value, list):
            msg = f"must be a list, not {value!r}"
            raise Fault(msg)
        if length is not None and len(value) != length:
            msg = f"must have {length} entries, but has {len(value)}"
            raise Fault(msg)
        for entry in value:
            check(entry)

    return checked


def _edges(value: Any) -> None:
    list_of(_not_negative)(value)
    if not value or any(low >= high for low, high in itertools.pairwise(value)):
        msg = f"must rise from entry to entry, but is {value}"
        raise Fault(msg)


def _eta_edges(value: Any) -> None:
    _edges(value)
    if len(value) < 2 or value[0] != 0:
        msg = f"must start at 0 and have at least two entries, but is {value}"
        raise Fault(msg)


class PerEta:
    """A list with one entry per bin of the table's own ``eta``."""

    def __init__(self, check: Callable[[Any], Any]) -> None:
        self.check = check


class PerPtAndEta(PerEta):
    """One row per entry of ``pt``, each with one entry per bin of ``eta``."""


_LEPTON = {
    "pt_min": _not_negative,
    "eta": _eta_edges,
    "efficiency": PerEta(_share),
    "misidentification": PerEta(_share),
}
_TRACKING = {"pt": _edges, "eta": _eta_edges, "values": PerPtAndEta(_share), "falloff_pt?": _positive}
_MOMENTUM = {
    "eta": _eta_edges,
    "constant": PerEta(_not_negative),
    "slope": PerEta(_not_negative),
    "root?": PerEta(_not_negative),
}
_RESOLUTION = {
    "eta": _eta_edges,
    "constant": PerEta(_not_negative),
    "stochastic": PerEta(_not_negative),
    "noise": PerEta(_not_negative),
}
_CURVE = list_of(_number, 4)
#: Tables and keys of a card; a question mark stands behind what may be left out.
SCHEMA: dict[str, dict[str, Any]] = {
    "tracking.hadron": _TRACKING,
    "tracking.electron": _TRACKING,
    "tracking.muon": _TRACKING,
    "momentum.hadron": _MOMENTUM,
    "momentum.electron": _MOMENTUM,
    "momentum.muon": _MOMENTUM,
    "calorimeter.ecal": {**_RESOLUTION, "scale": PerEta(list_of(_number, 3))},
    "calorimeter.hcal": {**_RESOLUTION, "scale": PerEta(list_of(_number, 3))},
    "calorimeter.sharing": {"strange_ecal": _share},
    "calorimeter.threshold": {"ecal": _not_negative, "hcal": _not_negative},
    "calorimeter.towers?": {
        "eta": _eta_edges,
        "cell": PerEta(_positive),
        "significance": list_of(_not_negative, 2),
    },
    "field?": {"strength": _positive, "radius": _positive, "half_length": _positive},
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
    "jet.smearing?": {**_RESOLUTION, "scale": PerEta(_positive)},
    "btag": {
        "eta_max": _eta_max,
        "match_radius": _positive,
        "hadron_pt_min": _not_negative,
        "b": _CURVE,
        "c": _CURVE,
        "light": list_of(_number, 2),
        "working_point": _share,
    },
    "tautag": {
        "eta_max": _eta_max,
        "pt_min": _positive,
        "match_radius": _positive,
        "visible_pt_min": _not_negative,
        "track_cone": _positive,
        "track_pt_min": _not_negative,
        "efficiency": list_of(_share, 2),
        "misidentification": list_of(_share, 3),
    },
    "met": {"eta_max": _eta_max, "soft_sigma": _not_negative},
}
#: Every table says where its numbers come from.
SOURCE = _text
#: Keys outside of tables.
TOP = {"name": _text, "description": _text}
