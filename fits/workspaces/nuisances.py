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
    processes = ["tt"]                # names, patterns, "signal", "backgrounds"; "!tt" takes one away

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

from dataclasses import asdict, dataclass, field, fields, replace
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

from massgap.fits.errors import WorkspaceError
from massgap.fits.workspaces.nuisance_entries import POI, Nuisance, wrong

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["NuisanceSet", "read_nuisances"]


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
            raise wrong(
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

    def enters(self, variation: str) -> bool:
        """Whether a variation of the run enters without an entry."""
        return (
            variation not in self.shapes
            and any(fnmatchcase(variation, pattern) for pattern in self.variations)
            and not self.drops(self.rename.get(variation, variation))
        )

    def may_be_one_sided(self, variation: str) -> bool:
        """Whether an entry says what to do with a variation, or nobody wants it."""
        return variation in self.shapes or not self.enters(variation)

    def without(self, processes: Iterable[str]) -> tuple[NuisanceSet, list[str]]:
        """The set for a likelihood that goes without some processes, and sentences on entries that are gone with them."""
        gone = set(processes)
        kept, notes = [], []
        for each in self.nuisances:
            left = tuple(name for name in each.processes if name.removeprefix("!") not in gone)
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
