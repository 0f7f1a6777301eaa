"""What may be written as a hyperparameter of a network, checked before a training begins."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, NamedTuple

from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["OPTIMISATION", "Choice", "Number", "Sizes", "checked"]


class Number(NamedTuple):
    """A number from `lowest` (without it if `above`) to `highest`."""

    default: float | int
    lowest: float = 0
    highest: float = math.inf
    above: bool = False
    whole: bool = False

    def check(self, name: str, value: Any) -> Any:
        """The value as it is used."""
        number = isinstance(value, int if self.whole else (int, float)) and not isinstance(value, bool)
        fits = number and math.isfinite(value) and self.lowest <= value <= self.highest
        if not fits or (self.above and value == self.lowest):
            kind = "an integer" if self.whole else "a number"
            least = f"above {self.lowest:g}" if self.above else f"of at least {self.lowest:g}"
            most = f" and at most {self.highest:g}" if math.isfinite(self.highest) else ""
            msg = f"Hyperparameter {name} is {value!r}: it must be {kind} {least}{most}."
            raise ModelError(msg)
        return int(value) if self.whole else float(value)


class Choice(NamedTuple):
    """One of several words."""

    default: str
    known: tuple[str, ...]

    def check(self, name: str, value: Any) -> Any:
        """The value as it is used."""
        if value not in self.known:
            msg = f"Hyperparameter {name} is {value!r}: choose one of {', '.join(self.known)}."
            raise ModelError(msg)
        return value


class Sizes(NamedTuple):
    """The widths of layers, at least one."""

    default: tuple[int, ...]

    def check(self, name: str, value: Any) -> Any:
        """The value as it is used."""
        good = isinstance(value, (list, tuple)) and len(value) > 0
        if not good or not all(isinstance(n, int) and not isinstance(n, bool) and n > 0 for n in value):
            msg = (
                f"Hyperparameter {name} is {value!r}: it must be a list of positive integers, one per layer."
            )
            raise ModelError(msg)
        return list(value)


class _Means(NamedTuple):
    """Names of metrics joined by ``+``."""

    default: str

    def check(self, name: str, value: Any) -> Any:
        from massgap.models.measures.epoch_metrics import METRICS

        parts = value.split("+") if isinstance(value, str) else []
        if not parts or any(part not in METRICS for part in parts) or len(set(parts)) != len(parts):
            msg = (
                f"Hyperparameter {name} is {value!r}: it must be one of {', '.join(METRICS)}, or several joined by '+', "
                "whose mean chooses the epoch."
            )
            raise ModelError(msg)
        return value


OPTIMISATION: dict[str, Any] = {
    "optimizer": Choice("adam", ("adam", "adamw", "sgd")),
    "learning_rate": Number(1e-3, above=True),
    "momentum": Number(0.9, highest=0.9999),
    "weight_decay": Number(0.0),
    "schedule": Choice("constant", ("constant", "cosine")),
    "batch_size": Number(1024, lowest=1, whole=True),
    "epochs": Number(100, lowest=1, whole=True),
    "choose_epoch": _Means("logloss"),
    "beta": Number(1.0, above=True),
    "missing": Choice("indicator", ("indicator", "mean")),
    "constant": Choice("refuse", ("refuse", "ignore")),
    "clip": Number(10.0, above=True),
}
"""Of every network. ``momentum`` is that of ``sgd``; ``weight_decay`` is added to the gradient (``adamw``: taken from the
parameters); ``choose_epoch`` names the metric, or several joined by ``+``, whose mean on the stopping events picks the
epoch; ``beta`` is that of ``f_beta``; ``missing`` says whether an input tells that a feature is missing, or the mean alone
stands for it; ``constant`` says whether a feature of one value is an error or an input that is always 0; ``clip`` bounds
the standardised features."""


def checked(known: Mapping[str, Any], changes: Mapping[str, Any]) -> dict[str, Any]:
    """Return all hyperparameters, with these changes.

    Raises
    ------
    ModelError
        If one is unknown or has a value that it cannot have.

    Examples
    --------
    >>> checked({"width": Number(8, lowest=1, whole=True)}, {"width": 4})
    {'width': 4}
    """
    unknown = sorted(set(changes) - set(known))
    if unknown:
        msg = f"Unknown hyperparameter {unknown[0]!r}: known are {', '.join(known)}."
        raise ModelError(msg)
    return {name: kind.check(name, changes.get(name, kind.default)) for name, kind in known.items()}
