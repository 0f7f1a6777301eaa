"""Nuisance parameters of one's own: a small TOML file, or a dictionary of the same form.

The file changes the likelihood that is made without it: a normalisation ``norm_<process>`` of each background, ``lumi``,
``mcstat_<channel>``, and all variations of the run by their names.  An entry of the name ``norm_<process>``, ``lumi``, or of a
variation replaces that; ``drop`` takes away; everything else is added.

.. code-block:: toml

    drop = ["norm_*"]                 # patterns of names; everything not named stays
    variations = "all"                # or "none", or patterns: which variations of the run enter without an entry
    [rename]                          # variation of the run = "name in the likelihood"
    jesTotal = "jes"

    [[nuisance]]
    name = "xsec_tt"
    kind = "lnN"                      # log-normal rate: normsys with 1 + size and 1 / (1 + size)
    size = 0.06
    processes = ["tt"]                # names, patterns, or the words "signal" and "backgrounds"

    [[nuisance]]
    name = "trigger"
    kind = "lnN"
    up = 0.03                         # relative changes of either side
    down = -0.02
    processes = ["*"]
    channels = ["2l", "cr_*"]         # patterns of channels; also regions, runs; default all
    decorrelate = ["channels"]        # one parameter per channel: trigger_2l, ...; also processes, regions, runs
    # correlated = false              # one per channel and process

    [[nuisance]]
    name = "fakes"
    kind = "gauss"                    # rate that is linear in the parameter; kept where it is positive
    size = 0.3
    processes = ["fakes"]

    [[nuisance]]
    name = "jes"
    kind = "shape"                    # a variation of the run, rate and shape
    variation = "jes"                 # default: that of the same name
    effect = "shape"                  # or "rate", default "both": what of it is used, channel by channel
    smooth = true                     # its ratio to the nominal yields, by a spline (at least five bins)
    size = 0.5                        # times this

    [[nuisance]]
    name = "top_pt"
    kind = "shape"
    one_sided = "mirror"              # the missing side: "mirror" (2 nominal - up) or "zero" (nominal)
    processes = ["tt"]

    [[nuisance]]
    name = "mu_tt"
    kind = "free"                     # a factor that the data decide, in place of norm_tt and lumi
    processes = ["tt"]
    bounds = [0, 5]                   # default [0, 10]

    [[nuisance]]
    name = "mcstat"
    kind = "mcstat"                   # statistics of the simulation in some channels: lite, full or off
    treatment = "full"
    channels = ["cr_*"]

Entries of one name are one parameter, which may have other sizes for other processes and channels.
"""

from __future__ import annotations

import math
from dataclasses import asdict, dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from massgap.fits.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["POI", "Nuisance", "NuisanceSet", "Place", "read_nuisances"]

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
        Patterns.  A pattern of channels is also compared with the names of regions.
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
            raise _wrong(name, f"its kind is one of {', '.join(KINDS)}, not {kind!r}")
        allowed = {"name", "kind", "channels", "regions", "runs", *_KEYS[str(kind)]}
        unknown = sorted(set(entry) - allowed)
        if unknown:
            raise _wrong(
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
            raise _wrong(self.name, "this is the name of the signal strength; give it another one")
        if self.kind in ("lnN", "gauss", "free") and not (names_processes and self.processes):
            raise _wrong(self.name, 'it names no process: processes = ["tt"], or ["*"] for all')
        if self.kind in ("lnN", "gauss"):
            up, down = self.changes()
            if up == down == 0.0 or min(up, down) <= -1.0:
                raise _wrong(
                    self.name,
                    f"relative changes of {up:g} and {down:g} of a rate: one must not be 0, and both be above -1",
                )
        if self.kind == "shape" and self.size == 0.0:
            raise _wrong(self.name, "a size of 0 leaves nothing of its variation; take it away with drop")
        if self.kind == "mcstat" and not self.treatment:
            raise _wrong(self.name, 'it needs a treatment: "lite", "full" or "off"')
        if self.bounds is not None and not (0.0 <= self.bounds[0] < 1.0 < self.bounds[1]):
            raise _wrong(self.name, f"bounds must hold 1, from 0 upwards, not {list(self.bounds)}")

    def changes(self) -> tuple[float, float]:
        """Relative changes of a rate at +1 and -1 standard deviation.

        Raises
        ------
        WorkspaceError
            If they are not given, given twice, or of one side without saying what the other one is.
        """
        if (self.size is None) == (self.up is None and self.down is None):
            raise _wrong(self.name, "it needs a size, or up and down: relative changes, as size = 0.06")
        if self.size is not None:
            if self.size <= 0.0:
                raise _wrong(
                    self.name, f"its size must be positive, not {self.size:g}; give up and down for others"
                )
            return self.size, self._mirrored(self.size)
        if self.up is not None and self.down is not None:
            return self.up, self.down
        known = self.up if self.up is not None else self.down
        assert known is not None, "one of them is given"
        if not self.one_sided:
            raise _wrong(
                self.name,
                'it has one side; say what the other one is: one_sided = "mirror", or "zero" for no change',
            )
        other = 0.0 if self.one_sided == "zero" else self._mirrored(known)
        return (known, other) if self.up is not None else (other, known)

    def _mirrored(self, change: float) -> float:
        return 1.0 / (1.0 + change) - 1.0 if self.kind == "lnN" else -change

    def at(self, place: Place) -> bool:
        """Whether it is of a place."""
        return all(any(place.fits(axis, pattern) for pattern in getattr(self, axis)) for axis in AXES)

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


def _wrong(name: str, what: str) -> WorkspaceError:
    return WorkspaceError(f"The nuisance '{name}' {_OPTION}: {what}.")


def _value(name: str, key: str, value: Any) -> Any:
    """The value of a key, of the right type."""
    if key in (*AXES, "decorrelate"):
        values = (value,) if isinstance(value, str) else value
        if not isinstance(values, list | tuple) or not all(isinstance(x, str) for x in values):
            raise _wrong(name, f"{key} is a list of words, not {value!r}")
        for word in values if key == "decorrelate" else ():
            if word not in AXES:
                raise _wrong(name, f"decorrelate is of {', '.join(AXES)}, not {word!r}")
        return tuple(values)
    if key in ("size", "up", "down"):
        if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
            raise _wrong(name, f"{key} is a number, as 0.06 for 6 %, not {value!r}")
        return float(value)
    if key == "bounds":
        if not isinstance(value, list | tuple) or len(value) != 2:
            raise _wrong(name, f"bounds are two numbers, not {value!r}")
        return tuple(_value(name, "size", x) for x in value)
    if key in _CHOICES and value not in _CHOICES[key]:
        raise _wrong(name, f"{key} is one of {', '.join(_CHOICES[key])}, not {value!r}")
    if key == "smooth" and not isinstance(value, bool):
        raise _wrong(name, f"smooth is true or false, not {value!r}")
    if key == "variation" and not isinstance(value, str):
        raise _wrong(name, f"variation is a name, not {value!r}")
    return value


@dataclass(frozen=True)
class NuisanceSet:
    """What a file of nuisances says.

    Attributes
    ----------
    nuisances : tuple of Nuisance
    drop : tuple of str
        Patterns of names that are taken out of the likelihood.
    rename : mapping
        Variation of the run -> name in the likelihood.
    variations : tuple of str
        Patterns of the variations that enter without an entry.

    Examples
    --------
    >>> made = NuisanceSet.from_dict(
    ...     {"nuisance": [{"name": "xsec", "kind": "lnN", "size": 0.25, "processes": ["tt"]}]}
    ... )
    >>> made.nuisances[0].changes()
    (0.25, -0.19999999999999996)
    """

    nuisances: tuple[Nuisance, ...] = ()
    drop: tuple[str, ...] = ()
    rename: Mapping[str, str] = field(default_factory=dict)
    variations: tuple[str, ...] = ("*",)

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Self:
        """The set that a dictionary of the form of the file describes.

        Raises
        ------
        WorkspaceError
            With the entry and key at fault.
        """
        known = ("nuisance", "drop", "rename", "variations")
        unknown = sorted(set(data) - set(known))
        if unknown:
            message = (
                f"A file of nuisances (--nuisances) has no entry '{unknown[0]}'; it has: {', '.join(known)}."
            )
            raise WorkspaceError(message)
        entries, rename = data.get("nuisance", []), data.get("rename", {})
        if not isinstance(entries, list | tuple) or not all(isinstance(entry, dict) for entry in entries):
            message = "The nuisances (--nuisances) are a list of tables, each begun with [[nuisance]]."
            raise WorkspaceError(message)
        if not isinstance(rename, dict) or not all(isinstance(new, str) and new for new in rename.values()):
            message = f'The table rename (--nuisances) is of variation = "new name", not {rename!r}.'
            raise WorkspaceError(message)
        if POI in rename.values():
            raise _wrong(
                POI, "a variation cannot have the name of the signal strength (rename); give it another one"
            )
        chosen = data.get("variations", "all")
        words = {"all": ("*",), "none": ()}
        return cls(
            tuple(Nuisance.from_dict(entry) for entry in entries),
            _patterns("drop", data.get("drop", ())),
            dict(rename),
            words[chosen] if isinstance(chosen, str) and chosen in words else _patterns("variations", chosen),
        )

    def as_dict(self) -> dict[str, Any]:
        """Plain dictionary for the results file: what differs from the defaults."""
        default = {f.name: f.default for f in fields(Nuisance)}
        entries = [
            {
                key: list(value) if isinstance(value, tuple) else value
                for key, value in asdict(each).items()
                if value != default[key] or (key == "processes" and each.kind != "mcstat")
            }
            for each in self.nuisances
        ]
        return {
            "drop": list(self.drop),
            "rename": dict(self.rename),
            "variations": list(self.variations),
            "nuisance": entries,
        }

    def of(self, *kinds: str) -> list[Nuisance]:
        """The entries of some kinds."""
        return [each for each in self.nuisances if each.kind in kinds]

    def drops(self, name: str) -> bool:
        """Whether a name is dropped."""
        return any(fnmatchcase(name, pattern) for pattern in self.drop)

    @property
    def shapes(self) -> frozenset[str]:
        """Variations of the run that entries are made of."""
        return frozenset(each.variation or each.name for each in self.of("shape"))

    def without(self, processes: Iterable[str]) -> tuple[NuisanceSet, list[str]]:
        """The set for a likelihood that goes without some processes, and sentences on entries that are gone with them."""
        gone = set(processes)
        kept, notes = [], []
        for each in self.nuisances:
            left = tuple(name for name in each.processes if name not in gone)
            if left:
                kept.append(replace(each, processes=left))
            else:
                notes.append(
                    f"The nuisance '{each.name}' is of processes without events alone and is left out."
                )
        drop = tuple(pattern for pattern in self.drop if pattern.removeprefix("norm_") not in gone)
        return replace(self, nuisances=tuple(kept), drop=drop), notes


def _patterns(key: str, value: Any) -> tuple[str, ...]:
    values: Sequence[Any] = (value,) if isinstance(value, str) else value
    if not isinstance(values, list | tuple) or not all(isinstance(word, str) and word for word in values):
        message = f"{key} in a file of nuisances (--nuisances) is a list of names or patterns, not {value!r}."
        raise WorkspaceError(message)
    return tuple(values)


def read_nuisances(path: str | Path) -> NuisanceSet:
    """Read a TOML file of nuisances; see the head of :mod:`massgap.fits.workspaces.nuisances` for what it may hold.

    Raises
    ------
    WorkspaceError
        If it cannot be read, is no TOML, or an entry makes no sense.
    """
    import tomllib

    try:
        data = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        message = f"{path} cannot be read ({error.strerror or error}). Give a TOML file of nuisances (--nuisances FILE)."
        raise WorkspaceError(message) from error
    except ValueError as error:
        message = f"{path} is not TOML ({error}); mend it, and give it again (--nuisances FILE)."
        raise WorkspaceError(message) from error
    try:
        return NuisanceSet.from_dict(data)
    except WorkspaceError as error:
        message = f"{path}: {error}"
        raise WorkspaceError(message) from error
