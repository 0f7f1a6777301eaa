"""How many toys are wanted, and how they are drawn."""

from __future__ import annotations

from dataclasses import dataclass

from massgap.fits.errors import FitError

__all__ = ["ToyOptions", "wanted_toys"]


@dataclass(frozen=True)
class ToyOptions:
    """How many toys, and how.

    Attributes
    ----------
    number : int
        Toys of each hypothesis, at each signal strength.
    seed : int
        The same seed gives the same numbers.
    workers : int
        Threads; the compiled loop does not hold the interpreter.

    Raises
    ------
    FitError
        If a number makes no sense.
    """

    number: int
    seed: int = 1
    workers: int = 1

    def __post_init__(self) -> None:
        for name, option, least in (
            ("number", "--toys", 1),
            ("seed", "--seed", 0),
            ("workers", "--workers", 1),
        ):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                message = f"The {name} of toys must be a whole number from {least}, not {value!r} ({option})."
                raise FitError(message)

    @staticmethod
    def check_engine(engine: str) -> None:
        """Refuse an engine that fits no toys.

        Raises
        ------
        FitError
            If it is not the compiled one.
        """
        if engine != "massgap":
            message = "Toys need the engine massgap (engine=..., --engine massgap)."
            raise FitError(message)


def wanted_toys(number: int | None, seed: int | None = None, workers: int | None = None) -> ToyOptions | None:
    """What a command was told of toys; None where none are wanted.

    Parameters
    ----------
    number : int or None
        Toys of each hypothesis.
    seed, workers : int or None
        Default 1 each.

    Raises
    ------
    FitError
        If a number makes no sense, or there is a seed and no toy.
    """
    if number is not None:
        return ToyOptions(number, 1 if seed is None else seed, 1 if workers is None else workers)
    for name, value in (("seed", seed), ("workers", workers)):
        if value is not None:
            message = f"The {name} (--{name}) is that of toys, and none are wanted: say how many, for instance --toys 20000."
            raise FitError(message)
    return None
