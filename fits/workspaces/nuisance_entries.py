"""One nuisance parameter as a file describes it, and the places that it is of."""

from __future__ import annotations

import math
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any, Self

from massgap.fits.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["AXES", "POI", "Nuisance", "Place", "wrong"]

POI = "mu"
"""The parameter of interest."""
KINDS = ("lnN", "gauss", "shape", "free", "mcstat")
AXES = ("runs", "channels", "regions", "processes")
_ROLES = ("signal", "backgrounds")
_OPTION = "(nuisances=..., --nuisances)"


@dataclass(frozen=True)
class Place:
    """Where a sample stands: what the patterns of a nuisance are compared with.

    Attributes
    ----------
    channel, region, run, process : str
        Region and run are "" where nobody says them.
    is_signal : bool
    """

    channel: str
    region: str
    run: str
    process: str
    is_signal: bool

    def along(self, axis: str) -> str:
        """Its name on one of :data:`AXES`."""
        return {
            "channels": self.channel,
            "regions": self.region,
            "runs": self.run,
            "processes": self.process,
        }[axis]

    def fits(self, axis: str, pattern: str) -> bool:
        """Whether a pattern, or the word for its role, is of this place."""
        if axis == "processes" and pattern in _ROLES and pattern != self.process:
            return self.is_signal == (pattern == "signal")
        if axis == "channels" and fnmatchcase(self.region, pattern):
            return True
        return fnmatchcase(self.along(axis), pattern)


@dataclass(frozen=True)
class Nuisance:
    """One nuisance parameter, or several that are decorrelated.

    Attributes
    ----------
    name : str
    kind : {"lnN", "gauss", "shape", "free", "mcstat"}
    up, down : float or None
        Relative changes of a rate.
    size : float or None
        Relative, of both sides; of a shape, a factor on its variation.
    processes, channels, regions, runs : tuple of str
        Patterns; one that begins with ``!`` takes away.  A pattern of channels is also compared with the names of regions.
    decorrelate : tuple of str
        Those of these four along which each has a parameter of its own.
    variation : str
        The one of the run that a shape is made of.
    effect : {"both", "shape", "rate"}
        What of it is used.
    one_sided : {"", "mirror", "zero"}
        How a missing side is made.
    smooth : bool
    bounds : tuple of float or None
        Of a free factor.
    treatment : {"", "lite", "full", "off"}
        Of the statistics of the simulation.
    """

    name: str
    kind: str
    up: float | None = None
    down: float | None = None
    size: float | None = None
    processes: tuple[str, ...] = ("*",)
    channels: tuple[str, ...] = ("*",)
    regions: tuple[str, ...] = ("*",)
    runs: tuple[str, ...] = ("*",)
    decorrelate: tuple[str, ...] = ()
    variation: str = ""
    effect: str = "both"
    one_sided: str = ""
    smooth: bool = False
    bounds: tuple[float, float] | None = None
    treatment: str = ""

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Self:
        """A nuisance as a file has it.

        Raises
        ------
        WorkspaceError
            With the key at fault and what it may be.
        """
        name = entry.get("name")
        if not isinstance(name, str) or not name:
            message = f'A nuisance has no name {_OPTION}: name = "xsec_tt", in {dict(entry)}.'
            raise WorkspaceError(message)
        kind = entry.get("kind")
        if kind not in KINDS:
            raise wrong(name, f"its kind is one of {', '.join(KINDS)}, not {kind!r}")
        allowed = {"name", "kind", "channels", "regions", "runs", *_KEYS[str(kind)]}
        unknown = sorted(set(entry) - allowed)
        if unknown:
            raise wrong(
                name,
                f"a nuisance of kind {kind} has no key '{unknown[0]}'; it has: {', '.join(sorted(allowed))}",
            )
        given = {key: _value(name, key, value) for key, value in entry.items() if key != "correlated"}
        if entry.get("correlated") is False and "decorrelate" not in given:
            given["decorrelate"] = ("channels", "processes")
        made = cls(**given)
        made.check(names_processes="processes" in entry)
        return made

    def check(self, *, names_processes: bool = True) -> None:
        """Check what it says.

        Raises
        ------
        WorkspaceError
            If something is missing or makes no sense.
        """
        if self.name == POI:
            raise wrong(self.name, "this is the name of the signal strength; give it another one")
        if self.kind in ("lnN", "gauss", "free") and not (names_processes and self.processes):
            raise wrong(self.name, 'it names no process: processes = ["tt"], or ["*"] for all')
        if self.kind in ("lnN", "gauss"):
            up, down = self.changes()
            if up == down == 0.0 or min(up, down) <= -1.0:
                raise wrong(
                    self.name,
                    f"relative changes of {up:g} and {down:g} of a rate: one must not be 0, and both be above -1",
                )
        if self.kind == "shape" and self.size == 0.0:
            raise wrong(self.name, "a size of 0 leaves nothing of its variation; take it away with drop")
        if self.kind == "mcstat" and not self.treatment:
            raise wrong(self.name, 'it needs a treatment: "lite", "full" or "off"')
        if self.bounds is not None and not (0.0 <= self.bounds[0] < 1.0 < self.bounds[1]):
            raise wrong(self.name, f"bounds must hold 1, from 0 upwards, not {list(self.bounds)}")

    def changes(self) -> tuple[float, float]:
        """Relative changes of a rate at +1 and -1 standard deviation.

        Raises
        ------
        WorkspaceError
            If they are not given, given twice, or of one side without saying what the other one is.
        """
        if (self.size is None) == (self.up is None and self.down is None):
            raise wrong(self.name, "it needs a size, or up and down: relative changes, as size = 0.06")
        if self.size is not None:
            if self.size <= 0.0:
                raise wrong(
                    self.name, f"its size must be positive, not {self.size:g}; give up and down for others"
                )
            return self.size, self._mirrored(self.size)
        if self.up is not None and self.down is not None:
            return self.up, self.down
        known = self.up if self.up is not None else self.down
        assert known is not None, "one of them is given"
        if not self.one_sided:
            raise wrong(
                self.name,
                'it has one side; say what the other one is: one_sided = "mirror", or "zero" for no change',
            )
        other = 0.0 if self.one_sided == "zero" else self._mirrored(known)
        return (known, other) if self.up is not None else (other, known)

    def _mirrored(self, change: float) -> float:
        return 1.0 / (1.0 + change) - 1.0 if self.kind == "lnN" else -change

    def at(self, place: Place) -> bool:
        """Whether it is of a place."""
        return all(self._along(axis, place) for axis in AXES)

    def _along(self, axis: str, place: Place) -> bool:
        patterns = getattr(self, axis)
        wanted = [pattern for pattern in patterns if not pattern.startswith("!")] or ["*"]
        unwanted = [pattern.removeprefix("!") for pattern in patterns if pattern.startswith("!")]
        return any(place.fits(axis, pattern) for pattern in wanted) and not any(
            place.fits(axis, pattern) for pattern in unwanted
        )

    def name_at(self, place: Place) -> str:
        """Name of its parameter there."""
        return "_".join(
            [
                self.name,
                *(place.along(axis) for axis in AXES if axis in self.decorrelate and place.along(axis)),
            ]
        )


_COMMON = ("processes", "decorrelate", "correlated")
_KEYS = {
    "lnN": (*_COMMON, "size", "up", "down", "one_sided"),
    "gauss": (*_COMMON, "size", "up", "down", "one_sided"),
    "shape": (*_COMMON, "variation", "effect", "one_sided", "smooth", "size"),
    "free": (*_COMMON, "bounds"),
    "mcstat": ("treatment",),
}
_CHOICES = {
    "effect": ("both", "shape", "rate"),
    "one_sided": ("mirror", "zero"),
    "treatment": ("lite", "full", "off"),
    "decorrelate": AXES,
}


def wrong(name: str, what: str) -> WorkspaceError:
    return WorkspaceError(f"The nuisance '{name}' {_OPTION}: {what}.")


def _value(name: str, key: str, value: Any) -> Any:
    """The value of a key, of the right type."""
    if key in (*AXES, "decorrelate"):
        values = (value,) if isinstance(value, str) else value
        if not isinstance(values, list | tuple) or not all(isinstance(x, str) for x in values):
            raise wrong(name, f"{key} is a list of words, not {value!r}")
        for word in values if key == "decorrelate" else ():
            if word not in AXES:
                raise wrong(name, f"decorrelate is of {', '.join(AXES)}, not {word!r}")
        return tuple(values)
    if key in ("size", "up", "down"):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise wrong(name, f"{key} is a number, as 0.06 for 6 %, not {value!r}")
        return float(value)
    if key == "bounds":
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise wrong(name, f"bounds are two numbers, not {value!r}")
        return tuple(_value(name, "size", x) for x in value)
    if key in _CHOICES and value not in _CHOICES[key]:
        raise wrong(name, f"{key} is one of {', '.join(_CHOICES[key])}, not {value!r}")
    if key == "smooth" and not isinstance(value, bool):
        raise wrong(name, f"smooth is true or false, not {value!r}")
    if key == "variation" and not isinstance(value, str):
        raise wrong(name, f"variation is a name, not {value!r}")
    return value
