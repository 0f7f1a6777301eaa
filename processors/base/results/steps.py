"""Steps of the cutflows of chunks that are added up."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeAlias

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

__all__ = ["Steps", "all_steps", "joined_steps"]

Steps: TypeAlias = tuple[tuple[str, str], ...]
"""Channel and step, in the order of the cutflow."""


def joined_steps(one: Steps, other: Steps, left: Mapping[tuple[str, str], int]) -> Steps | None:
    """The steps of two chunks together.

    They are the same, but a chunk without events after a step, or one of several channels that it never began, may end
    there.

    Parameters
    ----------
    one, other
        The steps of each.
    left
        Number of events that reached the last step of a channel, of the chunk that ends there.

    Returns
    -------
    tuple or None
        None if they do not belong together.

    Examples
    --------
    >>> short, long = (("2l", "all"),), (("2l", "all"), ("2l", "a jet"))
    >>> joined_steps(short, long, {("2l", "all"): 0})
    (('2l', 'all'), ('2l', 'a jet'))
    >>> joined_steps(short, long, {("2l", "all"): 3}) is None
    True
    """
    if one == other:
        return one
    channels = tuple(dict.fromkeys(channel for channel, _ in (*one, *other)))
    out: list[tuple[str, str]] = []
    for channel in channels:
        a, b = ([key for key in steps if key[0] == channel] for steps in (one, other))
        short, long = sorted((a, b), key=len)
        if not short or long[: len(short)] != short:
            return None
        if short != long and len(channels) == 1 and left.get(short[-1], 0) > 0:
            return None
        out += long
    return tuple(out)


def all_steps(parts: Iterable[Steps], channels: tuple[str, ...]) -> Steps:
    """The steps of several datasets, channel after channel."""
    every = dict.fromkeys(key for steps in sorted(parts, key=len, reverse=True) for key in steps)
    return tuple(sorted(every, key=lambda key: channels.index(key[0])))
