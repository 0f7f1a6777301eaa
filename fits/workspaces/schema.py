"""Whether a document is a HistFactory workspace as pyhf's schema 1.0.0 has it.

The schema is in a few loops here, which take milliseconds where the library that reads schemas takes seconds for a workspace
of many channels, and which need no pyhf. What they do not accept, pyhf's own schema judges, and says what is wrong.
"""

from __future__ import annotations

import contextlib
import warnings
from typing import TYPE_CHECKING, Any

from massgap.fits.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Mapping

__all__ = ["follows_schema", "schema_warnings_off", "validate_workspace"]


def validate_workspace(workspace: Mapping[str, Any]) -> None:
    """Check a workspace against pyhf's schema.

    Raises
    ------
    WorkspaceError
        With the place in the document and what is wrong there.
    """
    if follows_schema(workspace):
        return
    import pyhf

    try:
        with schema_warnings_off():
            pyhf.schema.validate(dict(workspace), "workspace.json", version="1.0.0")
    except pyhf.exceptions.InvalidSpecification as error:
        first = str(error).strip().splitlines()[0]
        message = f"The workspace does not follow the HistFactory schema: {first}"
        raise WorkspaceError(message) from error


@contextlib.contextmanager
def schema_warnings_off() -> Iterator[None]:
    """Silence one warning: pyhf resolves its schema with a class that jsonschema has deprecated."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="jsonschema.RefResolver", category=DeprecationWarning)
        yield


def follows_schema(document: Any) -> bool:
    """Whether all is as in pyhf's schema, which allows nothing that it does not name.

    Arrays in place of lists, and truth values in place of numbers, count as not accepted; pyhf takes both.

    Examples
    --------
    >>> follows_schema({"channels": []})
    False
    """
    return (
        _record(document, ("channels", "measurements", "observations", "version"))
        and document["version"] == "1.0.0"
        and _each(document["channels"], _channel)
        and _each(document["measurements"], _measurement)
        and _each(document["observations"], _observation)
    )


def _record(entry: Any, names: Iterable[str]) -> bool:
    """An object with these names and no others."""
    return type(entry) is dict and entry.keys() == set(names)


def _each(entries: Any, fits: Callable[[Any], bool], least: int = 1) -> bool:
    return type(entries) is list and len(entries) >= least and all(map(fits, entries))


def _numbers(values: Any) -> bool:
    # A truth value is an integer to Python and no number to JSON.
    return type(values) is list and len(values) > 0 and set(map(type, values)) <= {float, int}


def _number(value: Any) -> bool:
    return type(value) in (float, int)


def _text(value: Any) -> bool:
    return type(value) is str


def _channel(entry: Any) -> bool:
    return _record(entry, ("name", "samples")) and _text(entry["name"]) and _each(entry["samples"], _sample)


def _sample(entry: Any) -> bool:
    return (
        _record(entry, ("name", "data", "modifiers"))
        and _text(entry["name"])
        and _numbers(entry["data"])
        and _each(entry["modifiers"], _modifier, least=0)
    )


def _nothing(data: Any) -> bool:
    return data is None


def _rates(data: Any) -> bool:
    return _record(data, ("lo", "hi")) and _number(data["lo"]) and _number(data["hi"])


def _shapes(data: Any) -> bool:
    return _record(data, ("lo_data", "hi_data")) and _numbers(data["lo_data"]) and _numbers(data["hi_data"])


_DATA: dict[str, Callable[[Any], bool]] = {
    "histosys": _shapes,
    "lumi": _nothing,
    "normfactor": _nothing,
    "normsys": _rates,
    "shapefactor": _nothing,
    "shapesys": _numbers,
    "staterror": _numbers,
}
"""Type of a modifier -> whether its data are as they must be."""


def _modifier(entry: Any) -> bool:
    if not _record(entry, ("name", "type", "data")) or not _text(entry["name"]) or not _text(entry["type"]):
        return False
    if entry["type"] == "lumi" and entry["name"] != "lumi":
        return False
    return entry["type"] in _DATA and _DATA[entry["type"]](entry["data"])


def _observation(entry: Any) -> bool:
    return _record(entry, ("name", "data")) and _text(entry["name"]) and _numbers(entry["data"])


def _measurement(entry: Any) -> bool:
    if not _record(entry, ("name", "config")) or not _text(entry["name"]):
        return False
    config = entry["config"]
    return (
        _record(config, ("poi", "parameters"))
        and _text(config["poi"])
        and _each(config["parameters"], _parameter, least=0)
    )


def _pairs(values: Any) -> bool:
    return _each(values, lambda pair: type(pair) is list and set(map(type, pair)) <= {float, int})


_SETTINGS: dict[str, Callable[[Any], bool]] = {
    "name": _text,
    "inits": _numbers,
    "bounds": _pairs,
    "auxdata": _numbers,
    "factors": _numbers,
    "sigmas": _numbers,
    "fixed": lambda value: type(value) is bool,
}
"""What a measurement may say of a parameter -> whether it is as it must be."""


def _parameter(entry: Any) -> bool:
    if type(entry) is not dict or "name" not in entry:
        return False
    return all(key in _SETTINGS and _SETTINGS[key](value) for key, value in entry.items())
