"""Compare a result with a worked example, by the tolerance that the example's file states.

A file states its tolerance as text, such as ``|x-ref| <= 1e-10*|ref| + 1e3*noise; ... + 2e-7*scale when
ref ~ 0``.  :class:`Tolerance` reads the four numbers that occur in it.  A case may list keys as
``unstable`` (on the edge of a cut: not compared) and gives its rounding ``noise`` under dotted keys.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from numbers import Integral, Real
from typing import Any

import numpy as np

UNDEFINED = "undefined"
_NUMBER = r"(\d+(?:\.\d*)?(?:[eE][+-]?\d+)?)"


@dataclass(frozen=True)
class Tolerance:
    """Allowed distance: relative * |ref| + absolute + noise * (noise of the value), and where the reference
    is zero (up to zero_below * scale) zero * scale on top; scale is the largest input.
    """

    relative: float
    noise: float = 0.0
    absolute: float = 0.0
    zero: float = 0.0
    zero_below: float = 0.0

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Read the rule of a file; ValueError if it has no number that could be one."""

        def first(*patterns: str) -> float | None:
            found = (re.search(pattern, text) for pattern in patterns)
            return next((float(match.group(1)) for match in found if match), None)

        relative = first(_NUMBER + r"\s*\*?\s*\|?ref\b", _NUMBER + r"\s+relative")
        absolute = None if relative is not None else first(r"<=?\s*" + _NUMBER)
        if relative is None and absolute is None:
            msg = f"no tolerance can be read from {text!r}"
            raise ValueError(msg)
        return cls(
            relative or 0.0,
            first(_NUMBER + r"\s*\*\s*noise") or 0.0,
            absolute or 0.0,
            first(_NUMBER + r"\s*\*\s*scale") or 0.0,
            1e-9 if re.search(r"ref\s*~\s*0", text) else 0.0,
        )

    def allows(self, got: float, ref: float, noise: float, scale: float, periodic: bool) -> bool:
        """Whether a value is near enough to the reference."""
        if math.isnan(got):
            return False
        if math.isinf(ref) or math.isinf(got):
            return got == ref
        distance = abs(got - ref)
        if periodic:
            distance = min(distance, abs(2 * math.pi - distance))
        allowed = self.relative * abs(ref) + self.absolute + self.noise * noise
        if abs(ref) <= self.zero_below * scale:
            allowed += self.zero * scale
        return distance <= allowed


def largest_number(given: Any) -> float:
    """The largest magnitude among the numbers of an input: the scale of a case."""
    if isinstance(given, dict):
        return max(map(largest_number, given.values()), default=0.0)
    if isinstance(given, list):
        return max(map(largest_number, given), default=0.0)
    if isinstance(given, Real) and not isinstance(given, bool):
        return abs(float(given))
    return 0.0


def is_angle(key: str) -> bool:
    """Whether a key names an azimuth, which is compared modulo 2 pi."""
    return "phi" in key.rsplit(".", 1)[-1].lower()


def is_undefined(got: Any) -> bool:
    """Whether a result says that the quantity does not exist: None or NaN."""
    if got is None:
        return True
    return isinstance(got, Real) and math.isnan(float(got))


def plain(got: Any) -> Any:
    """NumPy scalars and arrays of no dimension as Python's own."""
    if isinstance(got, np.generic) or (isinstance(got, np.ndarray) and got.ndim == 0):
        return got.item()
    if isinstance(got, np.ndarray | tuple):
        return [plain(item) for item in got]
    return got


def differences(
    got: Any, expected: Any, tolerance: Tolerance | dict[str, Tolerance], case: dict[str, Any]
) -> list[str]:
    """What is wrong with a result, one line per value; empty if it agrees.

    ``tolerance`` may be a dict from the last part of a key to its own rule, "" for all others.
    """
    rules = tolerance if isinstance(tolerance, dict) else {"": tolerance}
    noise = case.get("noise") or {}
    unstable = set(case.get("unstable") or ())
    scale = largest_number(case.get("in"))
    wrong: list[str] = []

    def exempt(key: str) -> bool:
        parts = key.split(".")
        return any(".".join(parts[: i + 1]) in unstable for i in range(len(parts)))

    def compare(key: str, value: Any, ref: Any) -> None:
        if key and exempt(key):
            return
        value = plain(value)
        if ref == UNDEFINED or ref is None:
            if isinstance(value, dict):
                for name, item in value.items():
                    compare(f"{key}.{name}" if key else name, item, UNDEFINED)
            elif not is_undefined(value):
                wrong.append(f"{key}: {value!r}, but it is undefined")
        elif isinstance(ref, dict):
            if not isinstance(value, dict):
                wrong.append(f"{key}: {value!r} instead of the keys {sorted(ref)}")
                return
            for name, item in ref.items():
                inner = f"{key}.{name}" if key else name
                if name not in value and not exempt(inner):
                    wrong.append(f"{inner}: missing from the result")
                elif name in value:
                    compare(inner, value[name], item)
        elif isinstance(ref, list):
            if not isinstance(value, list) or len(value) != len(ref):
                wrong.append(f"{key}: {value!r} instead of a list of {len(ref)}")
                return
            for index, item in enumerate(ref):
                compare(f"{key}.{index}" if key else str(index), value[index], item)
        elif isinstance(ref, bool | str):
            if type(value) is not type(ref) or value != ref:
                wrong.append(f"{key}: {value!r} instead of {ref!r}")
        elif isinstance(value, bool) or not isinstance(value, Real):
            wrong.append(f"{key}: {value!r} instead of the number {ref!r}")
        elif isinstance(ref, Integral):
            # An integer is exact; a float that the file writes without a fraction comes as 3.0.
            if value != ref:
                wrong.append(f"{key}: {value!r} instead of exactly {ref!r}")
        else:
            last = key.rsplit(".", 1)[-1]
            rule = rules.get(last, rules[""])
            own = noise.get(key, noise.get(last, 0.0)) if isinstance(noise, dict) else noise
            if not rule.allows(float(value), float(ref), float(own or 0.0), scale, is_angle(key)):
                wrong.append(f"{key}: {value!r} instead of {ref!r} (noise {own!r}, scale {scale!r})")

    compare("", got, expected)
    return wrong
