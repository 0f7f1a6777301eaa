"""Random numbers that belong to a particle, a jet or an event, whatever else is simulated beside it.

A number is a hash of (seed, event number, kind of object, place of the object in its event, purpose). Simulating
events in batches of another size, or leaving a step out, therefore changes no other number: the same seed gives the
same events. The hash is the finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014), once per ingredient.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass

import numpy as np

_STEP = np.uint64(0x9E3779B97F4A7C15)


def _mix(x: np.ndarray) -> np.ndarray:
    """Finaliser of SplitMix64, modulo 2^64; changes its argument."""
    x ^= x >> np.uint64(30)
    x *= np.uint64(0xBF58476D1CE4E5B9)
    x ^= x >> np.uint64(27)
    x *= np.uint64(0x94D049BB133111EB)
    x ^= x >> np.uint64(31)
    return x


def _word(text: str) -> np.uint64:
    low, high = zlib.crc32(text.encode()), zlib.crc32(text.encode()[::-1] + b"\0")
    return np.uint64(high << 32 | low)


@dataclass(frozen=True)
class Draws:
    """Random numbers of many objects, one hash each; every purpose has its own number."""

    base: np.ndarray

    def take(self, where: np.ndarray) -> Draws:
        """The draws of the objects that a mask or index array selects."""
        return Draws(self.base[where])

    def uniform(self, purpose: str) -> np.ndarray:
        """One number per object, flat in the open interval (0, 1)."""
        bits = _mix(self.base ^ _word(purpose))
        return ((bits >> np.uint64(11)).astype(np.float64) + 0.5) * 2.0**-53

    def normal(self, purpose: str) -> np.ndarray:
        """One number per object, Gaussian with mean 0 and width 1 (Box and Muller)."""
        radius = np.sqrt(-2.0 * np.log(self.uniform(f"{purpose} radius")))
        return radius * np.cos(2.0 * np.pi * self.uniform(f"{purpose} angle"))


class EventRandom:
    """Random numbers of a batch of events.

    Parameters
    ----------
    seed : int
        From 0 to 2^64 - 1.
    first_event : int
        Number of the batch's first event; events count up from it.

    Examples
    --------
    >>> import numpy as np
    >>> whole = EventRandom(1).objects("jet", np.array([0, 0, 1])).uniform("b tag")
    >>> later = EventRandom(1, first_event=1).objects("jet", np.array([0])).uniform("b tag")
    >>> bool(whole[2] == later[0])
    True
    """

    def __init__(self, seed: int, first_event: int = 0) -> None:
        self.seed, self.first_event = seed, first_event

    @classmethod
    def from_generator(cls, rng: np.random.Generator, first_event: int) -> EventRandom:
        """Numbers that depend on how a numpy generator was seeded, not on what has been drawn from it."""
        sequence = rng.bit_generator.seed_seq
        return cls(int(sequence.generate_state(1, np.uint64)[0]), first_event)  # type: ignore[attr-defined, unused-ignore]

    def events(self, n: int) -> Draws:
        """Draws of the first n events."""
        with np.errstate(over="ignore"):
            number = np.arange(self.first_event, self.first_event + n, dtype=np.uint64)
            return Draws(_mix(_mix(np.array([self.seed], dtype=np.uint64)) + number * _STEP))

    def objects(self, kind: str, event: np.ndarray) -> Draws:
        """Draws of objects; ``event`` is the sorted column of their events, counted from 0 in this batch."""
        if not len(event):
            return Draws(np.zeros(0, dtype=np.uint64))
        n = int(event[-1]) + 1
        starts = np.concatenate(([0], np.cumsum(np.bincount(event, minlength=n))))[:-1]
        place = (np.arange(len(event)) - starts[event] + 1).astype(np.uint64)
        own = _mix(self.events(n).base ^ _word(kind))
        return Draws(_mix(own[event] + place * _STEP))
