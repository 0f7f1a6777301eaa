"""What a fileset says of single files: which entries are to be read, how many there are, which file was meant.

coffea's ``preprocess`` writes ``steps``, ``num_entries`` and ``uuid`` beside ``object_path``; this package writes ``num_entries`` and
``sum_weights``.
"""

from __future__ import annotations

import itertools
import math
import numbers
import os
import uuid
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, cast

from massgap.contracts.errors import FilesetError
from massgap.contracts.filesets.paths import expand

if TYPE_CHECKING:
    from pathlib import Path

    from massgap.contracts.filesets.dataset import KnownFile

__all__ = [
    "chosen_ranges",
    "disagreement",
    "file_facts",
    "known_files",
    "known_of",
    "plain_fileset",
    "same_uuid",
]

_REMEDY = (
    "The file was written anew since, or is another one: make the fileset anew (coffea.dataset_tools.preprocess with "
    'recalculate_steps=True), or take "uuid", "num_entries" and "steps" of this file out of it'
)


def plain_fileset(fileset: Any) -> Any:
    """A fileset as plain dicts, also one of coffea's ``DataGroupSpec``.

    Parameters
    ----------
    fileset
        What a user gave; not checked here.
    """
    if hasattr(fileset, "model_dump"):
        return fileset.model_dump(mode="json")
    if isinstance(fileset, Mapping):
        return {
            name: entry.model_dump(mode="json") if hasattr(entry, "model_dump") else entry
            for name, entry in fileset.items()
        }
    return fileset


def known_files(spec: Mapping[str, Any], where: str, folder: Path) -> dict[str, KnownFile]:
    """What a dataset says of single files, by absolute path or URL.

    Parameters
    ----------
    spec
        The dataset: ``files`` and, if it was read before, ``known``.
    where
        For messages: the dataset.
    folder
        Which relative paths start from.

    Raises
    ------
    FilesetError
        Naming the file and the key at fault, see :func:`file_facts`.
    """
    given = {**(spec.get("known") or {})}
    if isinstance(spec["files"], Mapping):
        given |= {path: about for path, about in spec["files"].items() if isinstance(about, Mapping)}
    known: dict[str, KnownFile] = {}
    for path, about in given.items():
        found = file_facts(about, f"{where}: file {path}")
        if found:
            for expanded in expand(os.fspath(path), where, folder, check=False):
                known[expanded] = found
    return known


def known_of(entry: dict[str, Any], dataset: str) -> dict[str, KnownFile]:
    """What a dataset says of single files, by path as it is given, from any of coffea's forms.

    Parameters
    ----------
    entry
        The dataset, read by :func:`massgap.contracts.filesets.fileset.validate_fileset` or not.
    dataset
        Its name.

    Raises
    ------
    FilesetError
        See :func:`file_facts`.
    """
    files = entry["files"] if isinstance(entry["files"], dict) else {}
    given = {
        **(entry.get("known") or {}),
        **{path: about for path, about in files.items() if isinstance(about, dict)},
    }
    found = {
        str(path): file_facts(about, f"dataset {dataset!r}: file {path}") for path, about in given.items()
    }
    return {path: facts for path, facts in found.items() if facts}


def file_facts(about: Mapping[str, Any], where: str) -> KnownFile:
    """What a fileset says of one file, checked; keys that are not known here are left out.

    Parameters
    ----------
    about
        ``num_entries``, ``sum_weights``, ``uuid``, ``steps`` (pairs of first entry and entry behind the last), ``format``.
    where
        For messages: dataset and file.

    Raises
    ------
    FilesetError
        If a number is none, or steps overlap, go backwards, end beyond the last entry or choose nothing at all.

    Examples
    --------
    >>> file_facts({"object_path": "Events", "steps": [[50, 80], [0, 50]], "num_entries": 100}, "zz.root")
    {'num_entries': 100, 'steps': [[0, 50], [50, 80]]}
    """
    if about.get("format") not in (None, "root"):
        msg = f"{where}: is of the format {about['format']!r}: massgap reads ROOT files"
        raise FilesetError(msg)
    found: dict[str, Any] = {
        key: about[key]
        for key in ("num_entries", "sum_weights", "uuid", "steps")
        if about.get(key) is not None
    }
    for key in found.keys() & {"num_entries", "sum_weights"}:
        number = found[key]
        if isinstance(number, bool) or not isinstance(number, (int, float)) or not math.isfinite(number):
            msg = f'{where}: "{key}" must be a number, not {number!r}'
            raise FilesetError(msg)
    if "uuid" in found and not isinstance(found["uuid"], str):
        msg = f'{where}: "uuid" must be a text, not {found["uuid"]!r}'
        raise FilesetError(msg)
    if "steps" in found:
        found["steps"] = _checked_steps(found["steps"], found.get("num_entries"), where)
    return cast("KnownFile", found)


def _checked_steps(steps: Any, entries: float | None, where: str) -> list[list[int]]:
    if not isinstance(steps, Sequence) or isinstance(steps, str):
        msg = f'{where}: "steps" must be a list of pairs such as [[0, 1000]], not {steps!r}'
        raise FilesetError(msg)
    if not steps:
        msg = f'{where}: "steps" is empty: take the file out of the fileset, or leave "steps" out to read all of it'
        raise FilesetError(msg)
    for step in steps:
        pair = isinstance(step, Sequence) and not isinstance(step, str) and len(step) == 2
        if not pair or any(isinstance(x, bool) or not isinstance(x, numbers.Integral) for x in step):
            msg = f'{where}: {step!r} in "steps" is no pair of entries such as [0, 1000]'
            raise FilesetError(msg)
        if not 0 <= step[0] <= step[1]:
            msg = f'{where}: the step {list(step)} in "steps" does not go from a first entry to a later one'
            raise FilesetError(msg)
        if entries is not None and step[1] > entries:
            msg = f'{where}: the step {list(step)} in "steps" ends beyond its {entries} entries. {_REMEDY}'
            raise FilesetError(msg)
    found = sorted([int(a), int(b)] for a, b in steps if a < b)
    for left, right in itertools.pairwise(found):
        if right[0] < left[1]:
            msg = (
                f'{where}: the steps {left} and {right} overlap: their common events would count twice. Mend "steps", or leave '
                "it out to read all of the file"
            )
            raise FilesetError(msg)
    return found or [[0, 0]]


def chosen_ranges(known: Mapping[str, Any], entries: int) -> list[tuple[int, int]]:
    """Ranges of entries of a file that are to be read: of its steps, adjacent ones joined; all where there are none.

    Parameters
    ----------
    known
        See :func:`file_facts`.
    entries
        Number of entries of the file.

    Returns
    -------
    list of tuple of int
        At least one, which is empty if nothing is to be read.

    Examples
    --------
    >>> chosen_ranges({"steps": [[0, 50], [50, 80], [90, 95]]}, 100)
    [(0, 80), (90, 95)]
    >>> chosen_ranges({}, 100)
    [(0, 100)]
    """
    if "steps" not in known:
        return [(0, entries)]
    out: list[tuple[int, int]] = []
    for start, stop in known["steps"]:
        if out and out[-1][1] == start:
            out[-1] = (out[-1][0], stop)
        else:
            out.append((start, stop))
    return out


def same_uuid(one: str, other: str) -> bool | None:
    """Whether two texts are the same UUID; None if one of them is no UUID.

    Examples
    --------
    >>> same_uuid("27919C7AEB1A11F18EA402FC00000001", "27919c7a-eb1a-11f1-8ea4-02fc00000001"), same_uuid("x", "y")
    (True, None)
    """
    try:
        return uuid.UUID(one) == uuid.UUID(other)
    except ValueError:
        return None


def disagreement(known: Mapping[str, Any], entries: int, file_uuid: str) -> str | None:
    """What a fileset says of a file that is not so, with a remedy; None if all is so.

    Parameters
    ----------
    known
        See :func:`file_facts`.
    entries, file_uuid
        Of the file.
    """
    if same_uuid(known.get("uuid", ""), file_uuid) is False:
        return f"has the UUID {file_uuid}, but the fileset means the file {known['uuid']}. {_REMEDY}"
    if known.get("num_entries", entries) != entries:
        return f"has {entries} entries, but the fileset says num_entries {known['num_entries']}. {_REMEDY}"
    beyond = [step for step in known.get("steps", ()) if step[1] > entries]
    if beyond:
        return f'has {entries} entries, but the fileset\'s step {beyond[0]} in "steps" ends beyond them. {_REMEDY}'
    return None
