"""The description file of somebody else's model: which ONNX and sidecar files belong together, and how they are meant.

format = "massgap-published/1"
trained_on_even = "net_even.onnx"       # by event number: it scores the odd ones; or alone: model = "net.onnx"
trained_on_odd = "net_odd.onnx"
sidecar = "variables.json"              # names of the inputs, scale, offset; sidecar_odd where the other has its own
scaling = "(x + offset) * scale"        # or "(x - offset) / scale"
activation = "sigmoid"                  # what is still to be done: none (default), sigmoid, softmax
column = 1                              # of the output, where it has several
missing = -999.0                        # what stands for a value that is missing

[observables]                           # name in the sidecar = name in the analysis; equal names may be left out
lep1Pt = "pt_l1"

[factors]                               # from the unit of the analysis (GeV) to that of the model
lep1Pt = 1000.0

[hypothesis]                            # an input that is a mass = its name in --hypothesis N2=200
mN2 = "N2"

[[check]]                               # an event of the authors, in their names and units
inputs = { lep1Pt = 31000.0, mN2 = 200000.0 }
event = 4
score = 0.731
"""

from __future__ import annotations

import math
import tomllib
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from massgap.models.errors import ModelFileError
from massgap.models.published.sidecar import SCALINGS

if TYPE_CHECKING:
    from pathlib import Path

__all__ = ["ACTIVATIONS", "FORMAT", "Check", "Published", "read_description"]

FORMAT = "massgap-published/1"
ACTIVATIONS = ("none", "sigmoid", "softmax")
_TEXTS = (
    "format", "model", "trained_on_even", "trained_on_odd", "sidecar", "sidecar_odd", "scaling", "activation", "source",
)  # fmt: skip
_TABLES = ("observables", "factors", "hypothesis")
_KNOWN = (*_TEXTS, "column", "missing", *_TABLES, "check")
_TOLERANCE = 1e-5


@dataclass(frozen=True)
class Check:
    """An event of the authors: its inputs in their names and units, event number, score, and how near it must come."""

    inputs: dict[str, float]
    score: float
    event: int = 0
    tolerance: float = _TOLERANCE


@dataclass(frozen=True)
class Published:
    """A description that was read; files are absolute or as the description's folder makes them."""

    path: Path
    models: tuple[Path, ...]
    sidecars: tuple[Path, ...]
    scaling: str | None = None
    activation: str = "none"
    column: int | None = None
    missing: float | None = None
    observables: dict[str, str] = field(default_factory=dict)
    factors: dict[str, float] = field(default_factory=dict)
    hypothesis: dict[str, str] = field(default_factory=dict)
    checks: tuple[Check, ...] = ()
    source: str = ""

    @property
    def by_parity(self) -> bool:
        """Whether even and odd events have a model each."""
        return len(self.models) == 2


def read_description(path: Path) -> Published:
    """Read a description file.

    Parameters
    ----------
    path
        A TOML file, as the head of this module shows it; ``models[i]`` is the one that scores events of the fold i.

    Raises
    ------
    ModelFileError
        If it cannot be read, or an entry is unknown, missing, or has a value that it cannot have.
    """
    try:
        content = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        msg = f"Cannot read the description {path}: {error.strerror or error}; give another file (--model)."
        raise ModelFileError(msg) from error
    except ValueError as error:
        msg = f"The description {path} is not TOML: {error}."
        raise ModelFileError(msg) from error
    _check_keys(path, content)
    pair = [content.get("trained_on_odd"), content.get("trained_on_even")]
    alone = content.get("model")
    if (alone is None) == (None in pair) or (alone is not None and any(pair)):
        msg = f"The description {path} must name model = ..., or trained_on_even = ... and trained_on_odd = ...."
        raise ModelFileError(msg)
    if "sidecar" not in content:
        msg = f"The description {path} names no sidecar = ...: the file that lists the inputs of the model."
        raise ModelFileError(msg)
    if alone is not None and "sidecar_odd" in content:
        msg = f"The description {path} has sidecar_odd, but one model alone: leave it out."
        raise ModelFileError(msg)
    # Even events (fold 0) are scored by what was trained on odd ones, with the sidecar of that.
    names = [alone] if alone is not None else pair
    sidecars = [content["sidecar"]]
    if alone is None:
        sidecars = [content.get("sidecar_odd", content["sidecar"]), content["sidecar"]]
    return Published(
        path,
        tuple(path.parent / str(name) for name in names),
        tuple(path.parent / name for name in sidecars),
        scaling=_one_of(path, content, "scaling", SCALINGS),
        activation=_one_of(path, content, "activation", ACTIVATIONS) or "none",
        column=content.get("column"),
        missing=content.get("missing"),
        **{name: dict(content.get(name, {})) for name in _TABLES},
        checks=tuple(_check(path, entry) for entry in content.get("check", [])),
        source=content.get("source", ""),
    )


def _check_keys(path: Path, content: dict[str, Any]) -> None:
    if content.get("format") != FORMAT:
        msg = f"The description {path} must begin with format = {FORMAT!r}; it has {content.get('format')!r}."
        raise ModelFileError(msg)
    for name, value in content.items():
        if name not in _KNOWN:
            msg = f"The description {path} has the unknown entry {name!r}; known are {', '.join(_KNOWN)}."
            raise ModelFileError(msg)
        good = {
            "column": isinstance(value, int) and not isinstance(value, bool) and value >= 0,
            "missing": _is_number(value),
            "factors": isinstance(value, dict) and all(_is_number(v) and v != 0 for v in value.values()),
            "check": isinstance(value, list) and all(isinstance(v, dict) for v in value),
        }.get(
            name,
            isinstance(value, str)
            if name in _TEXTS
            else isinstance(value, dict) and all(isinstance(v, str) and v for v in value.values()),
        )
        if not good:
            msg = f"The entry {name!r} of the description {path} cannot be {value!r}."
            raise ModelFileError(msg)


def _is_number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)


def _one_of(path: Path, content: dict[str, Any], name: str, known: tuple[str, ...]) -> str | None:
    value = content.get(name)
    if value is not None and value not in known:
        msg = f"The entry {name!r} of the description {path} is {value!r}: choose one of {', '.join(map(repr, known))}."
        raise ModelFileError(msg)
    return value


def _check(path: Path, entry: dict[str, Any]) -> Check:
    inputs = entry.get("inputs")
    inputs = inputs if isinstance(inputs, dict) else {}
    good = bool(inputs) and all(_is_number(value) for value in inputs.values())
    good = good and set(entry) <= {"inputs", "score", "event", "tolerance"} and _is_number(entry.get("score"))
    good = good and _is_number(entry.get("tolerance", 0)) and isinstance(entry.get("event", 0), int)
    if not good:
        msg = f"A [[check]] of the description {path} needs inputs = {{...}} and score, and may have event and tolerance: {entry!r}."
        raise ModelFileError(msg)
    return Check(
        {name: float(value) for name, value in inputs.items()},
        float(entry["score"]),
        int(entry.get("event", 0)),
        float(entry.get("tolerance", _TOLERANCE)),
    )
