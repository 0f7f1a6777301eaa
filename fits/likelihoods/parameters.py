"""Parameters of a HistFactory model: their order, start values, bounds and constraint terms, as pyhf defines them.

Source: K. Cranmer et al., "HistFactory", CERN-OPEN-2012-016; L. Heinrich et al., pyhf, JOSS 6 (2021) 2823, and its likelihood
specification. Defaults are those of pyhf 0.7, but for the upper bound of factors per bin.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.errors import WorkspaceError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

__all__ = ["FREE", "GAUSSIAN", "POISSON", "ParameterSet", "collect_parameters"]

FREE, GAUSSIAN, POISSON = 0, 1, 2
"""Kinds of constraint terms."""

_NO_BOUND = float("inf")
"""Of factors per bin. pyhf stops them at 10, which is no part of the model: where much more is seen than expected, the
likelihood would not be that of counting experiments any more. Bounds that a measurement names are kept."""
_INTERPOLATED = ("normsys", "histosys")
_MODIFIERS = ("histosys", "lumi", "normfactor", "normsys", "shapefactor", "shapesys", "staterror")


@dataclass(frozen=True)
class ParameterSet:
    """One parameter, or one per bin, of a name.

    Attributes
    ----------
    name : str
        As in the workspace.
    scalar : bool
        Whether it is a single parameter; else there is one per bin.
    init, low, high : tuple of float
        Start values and bounds.
    constraint : int
        :data:`FREE`, :data:`GAUSSIAN` (of width ``widths`` around ``auxiliary``) or :data:`POISSON` (``auxiliary`` counts,
        of which a parameter of 1 expects ``widths``).
    fixed : tuple of bool
        Parameters that no fit moves.
    """

    name: str
    scalar: bool
    init: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    constraint: int
    auxiliary: tuple[float, ...] = ()
    widths: tuple[float, ...] = ()
    fixed: tuple[bool, ...] = field(default=())

    def __len__(self) -> int:
        return len(self.init)

    @property
    def names(self) -> list[str]:
        """One name per parameter."""
        return [self.name] if self.scalar else [f"{self.name}[{i}]" for i in range(len(self))]


def collect_parameters(
    channels: Sequence[Mapping[str, Any]], configuration: Iterable[Mapping[str, Any]] = ()
) -> dict[str, ParameterSet]:
    """All parameters of some channels, with what a measurement says of them.

    Parameters
    ----------
    channels : sequence of mapping
        Channels of a workspace.
    configuration : iterable of mapping
        ``parameters`` of a measurement: ``inits``, ``bounds``, ``auxdata``, ``sigmas``, ``fixed`` by name.

    Returns
    -------
    dict
        Name -> parameters, sorted by name.

    Raises
    ------
    WorkspaceError
        If a name has two meanings, a modifier is unknown, or lengths do not fit.
    """
    found: dict[str, ParameterSet] = {}
    errors: dict[str, dict[str, list[tuple[Sequence[float], Sequence[float]]]]] = {}
    meaning: dict[str, str] = {}
    _check_names([str(channel["name"]) for channel in channels], "channels")
    for channel in sorted(channels, key=lambda entry: str(entry["name"])):
        _check_names(
            [str(sample["name"]) for sample in channel["samples"]], f"samples in channel '{channel['name']}'"
        )
        for sample in sorted(channel["samples"], key=lambda entry: str(entry["name"])):
            for modifier in sample["modifiers"]:
                name, kind = str(modifier["name"]), str(modifier["type"])
                where = f"modifier '{name}' of sample '{sample['name']}' in channel '{channel['name']}'"
                _check_meaning(meaning, name, kind, where)
                if kind == "staterror":
                    of_channel = errors.setdefault(name, {}).setdefault(str(channel["name"]), [])
                    of_channel.append((sample["data"], modifier["data"]))
                elif kind == "shapesys" and name in found:
                    message = (
                        f"The {where} is the second shapesys of this name: its counts belong to one sample. Give each a "
                        "name of its own."
                    )
                    raise WorkspaceError(message)
                elif name not in found or (kind == "shapefactor" and len(found[name]) < len(sample["data"])):
                    found[name] = _default(kind, name, sample["data"], modifier["data"])
    for name, of_channels in errors.items():
        found[name] = _statistics(name, of_channels)
    for entry in configuration:
        if entry["name"] in found:
            found[entry["name"]] = _configured(found[entry["name"]], entry)
    for name, parameters in found.items():
        if not np.isfinite(parameters.init).all():
            message = (
                f"The luminosity parameter '{name}' needs auxdata and sigmas in the parameters of the measurement: "
                f'{{"name": "{name}", "auxdata": [1.0], "sigmas": [0.02], "inits": [1.0], "bounds": [[0.5, 1.5]]}}.'
            )
            raise WorkspaceError(message)
    return dict(sorted(found.items()))


def _check_names(names: Sequence[str], what: str) -> None:
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice:
        message = f"The workspace has two {what} of the name '{twice[0]}': rename one of them."
        raise WorkspaceError(message)


def _check_meaning(meaning: dict[str, str], name: str, kind: str, where: str) -> None:
    if kind not in _MODIFIERS:
        message = f"The {where} is of the unknown type '{kind}'; known are: {', '.join(_MODIFIERS)}."
        raise WorkspaceError(message)
    family = "interpolation" if kind in _INTERPOLATED else kind
    if meaning.setdefault(name, family) != family:
        message = (
            f"The {where} is a {kind}, but the same name is used for {meaning[name]} elsewhere: one name has one "
            "meaning. Rename one of the two."
        )
        raise WorkspaceError(message)


def _default(kind: str, name: str, nominal: Sequence[float], data: Any) -> ParameterSet:
    n = len(nominal)
    if kind == "normfactor":
        return ParameterSet(name, True, (1.0,), (0.0,), (10.0,), FREE, fixed=(False,))
    if kind == "lumi":
        unknown = (float("nan"),)
        return ParameterSet(name, True, unknown, (0.0,), (10.0,), GAUSSIAN, unknown, unknown, (False,))
    if kind in _INTERPOLATED:
        return ParameterSet(name, True, (0.0,), (-5.0,), (5.0,), GAUSSIAN, (0.0,), (1.0,), (False,))
    if kind == "shapefactor":
        return ParameterSet(name, False, (1.0,) * n, (0.0,) * n, (_NO_BOUND,) * n, FREE, fixed=(False,) * n)
    content, error = np.asarray(nominal, dtype=np.float64), np.asarray(data, dtype=np.float64)
    usable = (content > 0.0) & (error > 0.0)
    counts = np.where(usable, content**2 / np.where(usable, error, 1.0) ** 2, 1.0)
    factors = tuple(counts.tolist())
    fixed = tuple((~usable).tolist())
    return ParameterSet(
        name, False, (1.0,) * n, (1e-10,) * n, (_NO_BOUND,) * n, POISSON, factors, factors, fixed
    )


def _statistics(
    name: str, of_channels: Mapping[str, list[tuple[Sequence[float], Sequence[float]]]]
) -> ParameterSet:
    """Errors of the samples added in quadrature, relative to their sum (Barlow and Beeston's light form)."""
    widths: list[float] = []
    for samples in of_channels.values():
        nominal = np.sum([np.asarray(data, dtype=np.float64) for data, _ in samples], axis=0)
        variance = np.sum([np.asarray(error, dtype=np.float64) ** 2 for _, error in samples], axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            widths += np.where(nominal > 0.0, np.sqrt(variance) / nominal, 0.0).tolist()
    n, fixed = len(widths), tuple(width == 0.0 for width in widths)
    sizes = tuple(width or 1.0 for width in widths)
    return ParameterSet(
        name, False, (1.0,) * n, (1e-10,) * n, (_NO_BOUND,) * n, GAUSSIAN, (1.0,) * n, sizes, fixed
    )


def _configured(parameters: ParameterSet, entry: Mapping[str, Any]) -> ParameterSet:
    """What a measurement says of a parameter, in place of the defaults."""
    n = len(parameters)
    changes: dict[str, Any] = {}
    # As in pyhf: factors belong to counts, sigmas to all other constraints, and the other of the two says nothing.
    width = "factors" if parameters.constraint == POISSON else "sigmas"
    for key, attribute in (("inits", "init"), ("auxdata", "auxiliary"), (width, "widths")):
        if key in entry:
            changes[attribute] = _numbers(parameters.name, key, entry[key], n)
    if "bounds" in entry:
        bounds = [_numbers(parameters.name, "bounds", pair, 2) for pair in entry["bounds"]]
        _numbers(parameters.name, "bounds", [0.0] * len(bounds), n)
        changes |= {"low": tuple(low for low, _ in bounds), "high": tuple(high for _, high in bounds)}
    if "fixed" in entry:
        if not isinstance(entry["fixed"], bool | np.bool_):
            message = f"The parameter '{parameters.name}' is fixed or not in the measurement: true or false, not {entry['fixed']}."
            raise WorkspaceError(message)
        changes["fixed"] = tuple(bool(entry["fixed"]) or fixed for fixed in parameters.fixed)
    if parameters.constraint == FREE and ("auxdata" in entry or "sigmas" in entry):
        message = (
            f"The parameter '{parameters.name}' has no constraint term: auxdata and sigmas cannot be set."
        )
        raise WorkspaceError(message)
    if "auxdata" in entry and "inits" not in entry and not np.isfinite(parameters.init).all():
        changes["init"] = changes["auxiliary"]
    return replace(parameters, **changes)


def _numbers(name: str, key: str, values: Sequence[float], n: int) -> tuple[float, ...]:
    if len(values) != n:
        message = f"The parameter '{name}' needs {n} numbers of {key} in the measurement, not {len(values)}."
        raise WorkspaceError(message)
    return tuple(float(value) for value in values)
