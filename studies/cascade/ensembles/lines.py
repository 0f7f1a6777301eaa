"""Lines of spectra through the testing spectrum: a network for each, and which of them lets most of the benchmark pass (Tables I and IV)."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from massgap.arrays.errors import SelectionError
from massgap.selections.cascade.spectrum import (
    TESTING_SPECTRUM,
    TRUTH_SPECTRUM,
    Spectrum,
    falling_spectrum,
    shifted_spectrum,
)
from massgap.studies.cascade.discovery import cut_at
from massgap.studies.cascade.networks import cross_fitted
from massgap.studies.cascade.ordering import Sides
from massgap.studies.cascade.samples import (
    LUMINOSITY,
    PAPER_BACKGROUND_FB,
    Events,
    observables,
    signal_events,
)
from massgap.studies.cascade.variables import columns_of
from massgap.studies.errors import StudyError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from massgap.studies.cascade.ordering import Training

__all__ = ["RATIOS", "Direction", "along", "require_different", "winners"]

RATIOS = (1.0, 0.1, 0.01)
"""S/B before the discovery cut."""
ITERATIONS = 50
"""Of the scan, each with other events of the benchmark (section IV.B)."""
DIRECTIONS = ("alpha", "beta", "gamma", "delta")


class Direction(NamedTuple):
    """A line of spectra through the testing spectrum: name of the parameter of eq. (4.6), and its values in GeV."""

    name: str
    values: tuple[float, ...]

    @classmethod
    def of_text(cls, text: str) -> Direction:
        """``alpha=-20:20:5``, from, to and step in GeV; where a step does not end on the last value, the one before it is the last.

        Raises
        ------
        StudyError
            If it is not of this form, or the masses of a spectrum on it do not fall.

        Examples
        --------
        >>> Direction.of_text("alpha=-10:10:10").values
        (-10.0, 0.0, 10.0)
        """
        name, _, numbers = text.partition("=")
        try:
            low, high, step = (float(part) for part in numbers.split(":"))
            n = math.floor((high - low) / step + 1e-9)
        except (ValueError, ZeroDivisionError, OverflowError):
            n = 0
        if name not in DIRECTIONS or not 1 <= n <= 1000:
            msg = f"{text!r} is no line of spectra: write --line alpha=-20:20:5 with one of {', '.join(DIRECTIONS)}"
            raise StudyError(msg)
        found = cls(name, tuple(low + step * k for k in range(n + 1)))
        for value in found.values:
            try:
                found.spectrum(value)
            except SelectionError:
                shown = ", ".join(
                    f"{mass:.4g}" for mass in shifted_spectrum(**{name: value}, start=TESTING_SPECTRUM)
                )
                msg = f"--line {text}: at {name} = {value:g} GeV the masses of X, Y, Z and chi are {shown} GeV, and must fall and be none below 0; give a shorter line"
                raise StudyError(msg) from None
        return found

    def spectrum(self, value: float) -> Spectrum:
        """The spectrum at a value.

        Raises
        ------
        massgap.arrays.errors.SelectionError
            If its masses do not fall.
        """
        return falling_spectrum(shifted_spectrum(**{self.name: value}, start=TESTING_SPECTRUM))


def require_different(lines: Sequence[Direction]) -> None:
    """Refuse two lines of one parameter, whose results have one name.

    Raises
    ------
    StudyError
        If there are.
    """
    names = [line.name for line in lines]
    twice = [name for name in names if names.count(name) > 1]
    if twice:
        msg = f"there are two lines of {twice[0]}, of which one would be lost: give one --line {twice[0]}=FROM:TO:STEP"
        raise StudyError(msg)


def along(
    line: Direction,
    model: str,
    names: tuple[str, ...],
    other: Events,
    events: int,
    training: Training,
) -> dict[str, Any]:
    """A network per spectrum of a line, and which of them has the largest gain for the benchmark, 50 times."""
    spectra = [line.spectrum(value) for value in line.values]
    benchmark = signal_events(model, TRUTH_SPECTRUM, events, seed=training.seed + 1)
    columns = columns_of(names)
    tasks = {}
    for value, spectrum in zip(line.values, spectra, strict=True):
        signal = signal_events(model, spectrum, events, seed=training.seed)
        x = observables(benchmark, spectrum)
        tasks[f"{line.name} = {value:g}"] = (
            Sides.of(signal, other, spectrum)
            .task(names)
            ._replace(also=np.stack([x[name] for name in columns], axis=1))
        )
    fitted = cross_fitted(
        tasks,
        columns,
        training.hidden(names),
        epochs=training.epochs,
        patience=training.patience,
        seed=training.seed,
    )
    passed = []
    for one in fitted.values():
        cut = cut_at(one.first, one.second, other.weight)
        passed.append((one.also > cut.threshold, one.second > cut.threshold))
    shares = [float(signal.mean()) for signal, _ in passed]
    best = {
        f"{ratio:g}": winners(line.values, passed, other.weight, ratio, training.seed) for ratio in RATIOS
    }
    return {"values": list(line.values), "eps_s": shares, "best": best}


def winners(
    values: tuple[float, ...],
    passed: list[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    weight: NDArray[np.float64],
    ratio: float,
    seed: int,
) -> dict[str, float]:
    """Mean and standard deviation of the value whose network lets most of the benchmark pass, over iterations."""
    rng = np.random.default_rng([seed, round(1e6 * ratio)])
    expected = PAPER_BACKGROUND_FB * LUMINOSITY
    signal = np.stack([one for one, _ in passed]).astype(np.float64)
    other = np.stack([two for _, two in passed]).astype(np.float64)
    found = []
    for _ in range(ITERATIONS):
        drawn = rng.poisson(ratio * expected / signal.shape[1], signal.shape[1])
        beside = rng.poisson(expected * weight / weight.sum())
        found.append(values[int(np.argmax(signal @ drawn + other @ beside))])
    return {"mean": float(np.mean(found)), "spread": float(np.std(found, ddof=1))}
