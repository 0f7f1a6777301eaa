"""The mass points of a plane: which signals a run has, their masses and cross sections, and the axes that they span."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.errors import PlaneError

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray

    from massgap.fits.plan import PlannedRun

__all__ = ["Axes", "PlanePoint", "axes_of", "own_cross_section", "plane_points"]

_SAME = 1e-6
"""Masses closer than this (GeV) are one."""
_DIFFERENT = 0.02
"""Cross sections of two samples of a process that are further apart than this are not the same."""


@dataclass(frozen=True)
class PlanePoint:
    """One signal.

    Attributes
    ----------
    process : str
        As the run names it.
    masses : dict
        Name -> GeV.
    own_fb, own_error_fb : float
        Cross section of the generated process before filters and cuts, and its statistical error, in fb.
    """

    process: str
    masses: dict[str, float]
    own_fb: float
    own_error_fb: float = 0.0


@dataclass(frozen=True)
class Axes:
    """What spans the plane.

    Attributes
    ----------
    names : tuple of str
        One or two masses.
    positions : ndarray of shape (points, names)
        GeV.
    shape : {"plane", "line", "point"}
        What the points span; a line may run across two masses.
    forbidden : str or None
        ``"y > x"`` where the second mass is below the first one for all points.
    """

    names: tuple[str, ...]
    positions: NDArray[np.float64] = field(repr=False)
    shape: str
    forbidden: str | None

    def as_dict(self) -> dict[str, Any]:
        """``axes`` of ``plane.json``."""
        described = [{"name": name, "label": _label(name), "unit": "GeV"} for name in self.names]
        y = described[1] if len(described) == 2 else None
        return {"x": described[0], "y": y, "shape": self.shape, "forbidden": self.forbidden}


def plane_points(
    runs: Sequence[PlannedRun],
    masses: Mapping[str, Mapping[str, float]] | None = None,
    wanted: Iterable[str] = (),
) -> list[PlanePoint]:
    """The signals of runs, sorted by their masses.

    Parameters
    ----------
    runs : sequence of PlannedRun
        A process that is in several of them is one signal.
    masses : mapping, optional
        Process -> name -> GeV, in place of what the metadata of the datasets say.
    wanted : iterable of str
        Only these processes, by name or pattern (``pair_300_*``); default all signals.

    Raises
    ------
    PlaneError
        If there is no signal, one has no masses or two kinds of them, or two have the same masses.
    """
    signals = list(dict.fromkeys(name for planned in runs for name in planned.named(planned.run.signals)))
    where = ", ".join(str(planned.run.path) for planned in runs)
    if not signals:
        message = (
            f"{where} has no signal: set is_signal and masses in the metadata of its datasets, and run again."
        )
        raise PlaneError(message)
    # A pattern without a match stays as it is, and is said to be no signal.
    matching = ([name for name in signals if fnmatchcase(name, word)] or [word] for word in wanted)
    chosen = list(dict.fromkeys(name for names in matching for name in names)) or signals
    for name in (*chosen, *(masses or {})):
        if name not in signals:
            message = f"{where} has no signal '{name}' (--signal, --masses); it has: {', '.join(signals)}."
            raise PlaneError(message)
    points = []
    for name in chosen:
        of_runs = [found for planned in runs if (found := _datasets(planned, name))]
        own, error = _one_cross_section(name, of_runs)
        datasets = [metadata for found in of_runs for metadata in found]
        points.append(PlanePoint(name, _masses(name, datasets, (masses or {}).get(name)), own, error))
    names = {tuple(sorted(point.masses)) for point in points}
    if len(names) > 1:
        one, two = sorted(names)[:2]
        message = (
            f"The signals of {where} have different kinds of masses ({', '.join(one)}; {', '.join(two)}): choose those of "
            "one plane (--signal), or give masses of one kind for all (--masses FILE)."
        )
        raise PlaneError(message)
    points.sort(key=lambda point: (*point.masses.values(), point.process))
    return points


def axes_of(points: Sequence[PlanePoint], x: str | None = None, y: str | None = None) -> Axes:
    """The axes that points span: the first two masses that vary independently, or those that are named.

    Raises
    ------
    PlaneError
        If a mass is not there, more than two vary, or two points lie at one place.
    """
    names = list(points[0].masses)
    for option, name in (("--x", x), ("--y", y)):
        if name is not None and name not in names:
            message = f"The signals have no mass '{name}' ({option}); they have: {', '.join(names)}."
            raise PlaneError(message)
    table = np.array([[point.masses[name] for name in names] for point in points])
    chosen = _chosen(names, table, x, y)
    positions = table[:, [names.index(name) for name in chosen]]
    _refuse_duplicates(points, chosen, positions)
    rank = _rank(positions)
    below = len(chosen) == 2 and bool((positions[:, 1] <= positions[:, 0]).all())
    return Axes(tuple(chosen), positions, ("point", "line", "plane")[rank], "y > x" if below else None)


def _chosen(names: list[str], table: NDArray[np.float64], x: str | None, y: str | None) -> list[str]:
    varying = [name for name, column in zip(names, table.T, strict=True) if np.ptp(column) > _SAME]
    if x is not None or y is not None:
        given = [name for name in (x, y) if name is not None]
        if len(given) == 2 and given[0] == given[1]:
            message = f"The axes of a plane are two masses, not '{x}' twice (--x, --y)."
            raise PlaneError(message)
        others = [name for name in varying if name not in given]
        found = [*given, *others[: 2 - len(given)]] if x is not None else [*others[:1], *given]
        return found[:2]
    independent: list[str] = []
    for name in varying:
        columns = table[:, [names.index(n) for n in (*independent, name)]]
        if _rank(columns) == len(independent) + 1:
            independent.append(name)
    if len(independent) > 2:
        message = (
            f"The masses {', '.join(independent)} of the signals vary independently: choose two as axes (--x {independent[0]} "
            f"--y {independent[1]}) and the signals of one plane (--signal)."
        )
        raise PlaneError(message)
    if len(independent) == 2:
        return independent
    # A line: along two masses that rise together, or one; a single point has its first two.
    return (varying or names)[:2]


def _rank(positions: NDArray[np.float64]) -> int:
    centred = positions - positions.mean(axis=0)
    if np.abs(centred).max(initial=0.0) <= _SAME:
        return 0
    return int(np.linalg.matrix_rank(centred, tol=1e-9 * np.abs(positions).max() * np.sqrt(positions.size)))


def _refuse_duplicates(
    points: Sequence[PlanePoint], names: Sequence[str], positions: NDArray[np.float64]
) -> None:
    for i in range(len(points)):
        for j in range(i):
            if np.abs(positions[i] - positions[j]).max() <= _SAME:
                place = ", ".join(f"{n} = {v:g} GeV" for n, v in zip(names, positions[i], strict=True))
                message = (
                    f"The signals '{points[j].process}' and '{points[i].process}' are the same mass point ({place}): a "
                    "plane has one signal at each. Name those that it is to have (--signal NAME, again for each), or give "
                    'the datasets of one signal the same "process" in the fileset and run again.'
                )
                raise PlaneError(message)


def _masses(
    process: str, datasets: Sequence[Mapping[str, Any]], given: Mapping[str, float] | None
) -> dict[str, float]:
    if given is not None:
        return {str(name): float(value) for name, value in given.items()}
    found = [dict(metadata.get("masses") or {}) for metadata in datasets]
    if not found[0]:
        message = (
            f"The signal '{process}' has no masses: add them to the metadata of its datasets and run again, or give a file "
            "with columns for process and masses (--masses FILE)."
        )
        raise PlaneError(message)
    if any(other != found[0] for other in found):
        message = f"The datasets of the signal '{process}' have different masses: {found[0]} and {next(o for o in found if o != found[0])}. Give one for the process (--masses FILE)."
        raise PlaneError(message)
    return {str(name): float(value) for name, value in found[0].items()}


def _datasets(planned: PlannedRun, process: str) -> list[Mapping[str, Any]]:
    """Metadata of the datasets of a signal in a run."""
    return [
        metadata
        for metadata in planned.run.manifest["datasets"].values()
        if metadata.get("is_signal") and planned.named([str(metadata["process"])]) == [process]
    ]


def _one_cross_section(process: str, of_runs: Sequence[Sequence[Mapping[str, Any]]]) -> tuple[float, float]:
    """That of the first run; the same signal has no other one in another run, but for its statistics."""
    found = [own_cross_section(datasets) for datasets in of_runs]
    for value, _ in found[1:]:
        if abs(value - found[0][0]) > _DIFFERENT * found[0][0]:
            message = (
                f"The signal '{process}' has {found[0][0]:g} fb in one run and {value:g} fb in another one: limits in fb would be "
                "of neither. Give both the same xsec_fb in the filesets and run again, or another name (--rename RUN:OLD=NEW)."
            )
            raise PlaneError(message)
    return found[0]


def own_cross_section(datasets: Sequence[Mapping[str, Any]]) -> tuple[float, float]:
    """Cross section of a process and its statistical error, from the metadata of its datasets.

    Slices of one part add up where they are slices of phase space, whose hard cross sections differ; slices made by a
    filter have that of the whole in common. Parts add up.
    """
    parts: dict[str, list[Mapping[str, Any]]] = {}
    for i, metadata in enumerate(datasets):
        group = (metadata.get("tranche") or {}).get("group")
        parts.setdefault(f"{i}" if group is None else f"group {group}", []).append(metadata)
    total = variance = 0.0
    for slices in parts.values():
        hard = [metadata.get("hard_xsec_fb") for metadata in slices]
        errors = [float(metadata.get("hard_xsec_error_fb") or 0.0) for metadata in slices]
        if None in hard:
            total += sum(float(metadata["xsec_fb"]) for metadata in slices)
        elif len(set(hard)) == 1:
            total += float(hard[0] or 0.0)
            variance += max(errors) ** 2
        else:
            total += sum(float(value or 0.0) for value in hard)
            variance += sum(error**2 for error in errors)
    return total, float(np.sqrt(variance))


def _label(name: str) -> str:
    """LaTeX label of a mass, as ``m_lsp`` is an m with an index."""
    found = re.fullmatch(r"(m|dm|delta_m)_?(\w*)", name)
    if found is None:
        return name.replace("_", " ")
    symbol = "m" if found[1] == "m" else r"\Delta m"
    index = found[2].replace("_", r"\,")
    return f"${symbol}_{{\\mathrm{{{index}}}}}$" if index else f"${symbol}$"
