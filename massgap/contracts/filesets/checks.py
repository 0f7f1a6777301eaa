"""What a fileset must say, and what it must not: keys, numbers, files that are listed twice, processes that contradict each other.

Every fault is reported with the dataset and the key it stands in.
"""

from __future__ import annotations

import itertools
import math
import os
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, cast

from massgap.contracts.errors import FilesetError
from massgap.contracts.filesets.paths import is_url
from massgap.contracts.filesets.pdf_sets import COMBINATIONS

if TYPE_CHECKING:
    from massgap.contracts.filesets.dataset import Fileset, Metadata

__all__ = [
    "DATASET_KEYS",
    "RESERVED_KEYS",
    "check_duplicates",
    "check_metadata",
    "check_processes",
    "kind_of",
]

#: Keys that coffea's runner writes into a chunk's metadata itself (coffea 2026.9, processor/executor.py).
RESERVED_KEYS = frozenset(
    {
        "dataset",
        "filename",
        "treename",
        "metadata",
        "entrystart",
        "entrystop",
        "fileuuid",
        "numentries",
        "uuid",
        "clusters",
        "preload",
    }
)

#: Keys that coffea allows beside "files" and "metadata" in a dataset.
DATASET_KEYS = frozenset(
    {"files", "metadata", "treename", "preload", "form", "format", "compressed_form", "did", "known"}
)


def kind_of(value: Any) -> str:
    """What a value of JSON is, in words."""
    names = {type(None): "null", bool: "a boolean", int: "a number", float: "a number", str: "a text"}
    return names.get(type(value), "a list" if isinstance(value, (list, tuple)) else "an object")


def check_metadata(metadata: Any, name: str, where: str) -> Metadata:
    """The metadata of a dataset, checked, with what is left out filled in."""
    if metadata is None:
        metadata = {}
    if not isinstance(metadata, Mapping):
        msg = f'{where}: "metadata" must be an object, not {kind_of(metadata)}'
        raise FilesetError(msg)
    checked = dict(metadata)
    if reserved := sorted(RESERVED_KEYS & set(checked)):
        msg = f"{where}: the metadata key {reserved[0]!r} is reserved by coffea: rename it"
        raise FilesetError(msg)
    checked.setdefault("process", name)
    if not isinstance(checked["process"], str) or not checked["process"]:
        msg = f'{where}: "process" must be a text, not {kind_of(checked["process"])}'
        raise FilesetError(msg)
    for key in ("is_data", "is_signal", "unnormalised"):
        if not isinstance(checked.setdefault(key, False), bool):
            msg = f'{where}: "{key}" must be true or false, not {checked[key]!r}'
            raise FilesetError(msg)
    if not checked["unnormalised"]:
        del checked["unnormalised"]
    checked["sqrt_s_tev"] = _number(checked.get("sqrt_s_tev", 13.0), "sqrt_s_tev", where, positive=True)
    _check_weights(checked, where)
    if "masses" in checked:
        checked["masses"] = _check_masses(checked["masses"], where)
    if checked.get("variations") is not None:
        checked["variations"] = _check_variations(checked["variations"], where)
    if checked.get("pdf_members") is not None and checked["pdf_members"] not in COMBINATIONS:
        msg = (
            f'{where}: "pdf_members" must be one of {", ".join(COMBINATIONS)}, not {checked["pdf_members"]!r}'
        )
        raise FilesetError(msg)
    if "n_events" in checked and (
        not isinstance(checked["n_events"], int)
        or isinstance(checked["n_events"], bool)
        or checked["n_events"] < 0
    ):
        msg = f'{where}: "n_events" must be a whole number, not {checked["n_events"]!r}'
        raise FilesetError(msg)
    if checked.get("tranche") is not None:
        checked["tranche"] = _check_tranche(checked["tranche"], where)
    else:
        checked.pop("tranche", None)
    return cast("Metadata", checked)


def _check_variations(names: Any, where: str) -> list[str]:
    if not isinstance(names, (list, tuple)) or not all(isinstance(name, str) for name in names):
        msg = f'{where}: "variations" must be a list of names of systematics, for instance ["isr", "fsr"], or [] for none'
        raise FilesetError(msg)
    return list(names)


def _check_masses(masses: Any, where: str) -> dict[str, float]:
    if not isinstance(masses, Mapping):
        msg = f'{where}: "masses" must be an object of masses in GeV'
        raise FilesetError(msg)
    checked = {key: _number(m, f"masses.{key}", where) for key, m in masses.items()}
    if negative := [key for key, m in checked.items() if m < 0]:
        msg = f"{where}: the mass {negative[0]!r} is negative"
        raise FilesetError(msg)
    return checked


def _check_weights(checked: dict[str, Any], where: str) -> None:
    if checked["is_data"]:
        if checked["is_signal"]:
            msg = f'{where} is both data and signal: remove "is_data" or "is_signal"'
            raise FilesetError(msg)
        if checked.get("xsec_fb") is not None:
            msg = f'{where} is data but has "xsec_fb": remove it, or set "is_data" to false'
            raise FilesetError(msg)
        checked.pop("xsec_fb", None)
    elif checked.get("xsec_fb") is not None:
        # Negative is right for a sample that takes away from another (interference).
        checked["xsec_fb"] = _number(checked["xsec_fb"], "xsec_fb", where)
        if checked["xsec_fb"] == 0:
            msg = f'{where}: "xsec_fb" is 0: none of its events would count; give its cross section in fb, or take it out'
            raise FilesetError(msg)
    elif not checked.get("unnormalised"):
        msg = (
            f"{where} has no xsec_fb: add its cross section in fb to the metadata, "
            'or "is_data": true if it is collision data'
        )
        raise FilesetError(msg)
    if checked.get("sum_weights") is not None:
        checked["sum_weights"] = _number(checked["sum_weights"], "sum_weights", where)
        if checked["sum_weights"] == 0:
            msg = f'{where}: "sum_weights" is 0: events cannot be normalised'
            raise FilesetError(msg)
    else:
        checked.pop("sum_weights", None)


def _number(value: Any, key: str, where: str, *, positive: bool = False) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        msg = f'{where}: "{key}" must be a number, not {kind_of(value)}'
        raise FilesetError(msg)
    try:
        value = float(value)
    except OverflowError:
        value = math.inf
    if not math.isfinite(value):
        msg = f'{where}: "{key}" is {value}: it must be finite'
        raise FilesetError(msg)
    if positive and value <= 0:
        msg = f'{where}: "{key}" is {value:g}: it must be positive'
        raise FilesetError(msg)
    return value


def _check_tranche(tranche: Any, where: str) -> dict[str, Any]:
    if not isinstance(tranche, Mapping) or not isinstance(tranche.get("variable"), str):
        msg = f'{where}: "tranche" must be an object with "variable", "min" and "max"'
        raise FilesetError(msg)
    low = _number(tranche.get("min", 0.0), "tranche.min", where)
    high = tranche.get("max")
    if high is not None:
        high = _number(high, "tranche.max", where)
        if high <= low:
            msg = f"{where}: the tranche in {tranche['variable']} ends at {high:g}, below its start {low:g}"
            raise FilesetError(msg)
    return {**tranche, "min": low, "max": high}


def check_duplicates(fileset: Fileset, source: str | os.PathLike[str]) -> None:
    """Refuse one file under two names: its events would count twice."""
    seen: dict[Any, tuple[str, str]] = {}
    for name, entry in fileset.items():
        for file in entry["files"]:
            key: Any = file
            if not is_url(file):
                try:
                    status = os.stat(file)  # noqa: PTH116  (inode: finds links of both kinds)
                    key = (status.st_dev, status.st_ino)
                except OSError:
                    key = os.path.realpath(file)
                except ValueError:  # a zero byte in the name
                    key = file
            if key in seen:
                first, other = seen[key]
                how = "twice" if file == other else f"twice, also as {other}"
                place = f"dataset {name!r}" if first == name else f"datasets {first!r} and {name!r}"
                msg = f"{source}: file {file} is listed {how} ({place}): its events would count twice; list it once, or give --allow-duplicates"
                raise FilesetError(msg)
            seen[key] = (name, file)


def check_processes(fileset: Fileset, source: str | os.PathLike[str]) -> None:
    """Refuse processes that are data here and simulation there, and tranches that overlap."""
    first: dict[str, tuple[str, Metadata]] = {}
    slices: dict[tuple[str, str, str], list[tuple[float, float, str]]] = {}
    for name, entry in fileset.items():
        metadata = entry["metadata"]
        other, known = first.setdefault(metadata["process"], (name, metadata))
        for key, what in (
            ("is_data", "data mixed with simulation"),
            ("is_signal", "signal mixed with background"),
        ):
            if known.get(key) != metadata.get(key):
                msg = (
                    f"{source}: process {metadata['process']!r} has {what}: datasets {other!r} and {name!r} "
                    f'differ in "{key}"'
                )
                raise FilesetError(msg)
        if tranche := metadata.get("tranche"):
            group = (metadata["process"], tranche["variable"], str(tranche.get("group", "")))
            high = math.inf if tranche["max"] is None else tranche["max"]
            slices.setdefault(group, []).append((tranche["min"], high, name))
    for (process, variable, _), found in slices.items():
        found.sort()
        for (_, end, left), (start, _, right) in itertools.pairwise(found):
            if start < end:
                msg = f"{source}: the tranches {left!r} and {right!r} of process {process!r} overlap in {variable}"
                raise FilesetError(msg)
