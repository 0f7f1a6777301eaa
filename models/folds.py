"""The stable fold of an event: the same on every machine, in any order, for any chunk size.

An event is identified by run, luminosity block and event number. Their hash decides in which
fold the event is held out, so training and cross-fitted scoring agree without storing anything.
Neighbouring event numbers end in unrelated folds, also when a generator numbers its events with
a stride.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.models.errors import ModelError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

# SplitMix64 (Steele, Lea, Flood, OOPSLA 2014): Weyl increment, two odd multipliers, three shifts.
_GAMMA = np.uint64(0x9E3779B97F4A7C15)
_MULTIPLIER_1 = np.uint64(0xBF58476D1CE4E5B9)
_MULTIPLIER_2 = np.uint64(0x94D049BB133111EB)
_SHIFT_1, _SHIFT_2, _SHIFT_3 = np.uint64(30), np.uint64(27), np.uint64(31)
# "nested" in ASCII: a second, independent split of the same events.
_NESTED_SALT = np.uint64(0x6E6573746564)
NESTED_PARTS = 5
"""One of this many parts of a training set is set aside for early stopping."""

EVENT_PARITY = "event number modulo 2"
"""Rule of a pair of models that others have trained on even and on odd events: fold 0 is the even ones."""


def splitmix64(state: ArrayLike) -> NDArray[np.uint64]:
    """Return the first output of the SplitMix64 generator started in each `state`.

    A bijection of the 64-bit integers in which every input bit moves about half of the output bits.

    >>> hex(int(splitmix64(0)))
    '0xe220a8397b1dcdaf'
    """
    with np.errstate(over="ignore"):  # the hash is arithmetic modulo 2**64
        z = np.asarray(state, dtype=np.uint64) + _GAMMA
        z = (z ^ (z >> _SHIFT_1)) * _MULTIPLIER_1
        z = (z ^ (z >> _SHIFT_2)) * _MULTIPLIER_2
        return np.asarray(z ^ (z >> _SHIFT_3), dtype=np.uint64)


def uniform_of_key(fold_key: ArrayLike, salt: int, seed: int = 0) -> NDArray[np.float64]:
    """A random number from 0 to 1 (1 excluded) of each event, decided by its key.

    Parameters
    ----------
    fold_key
        uint64, any shape.
    salt, seed
        Of what it is for: other numbers for another one.

    Examples
    --------
    >>> uniform_of_key([1, 2], salt=7).round(3).tolist()
    [0.71, 0.98]
    """
    key = np.asarray(fold_key, dtype=np.uint64)
    drawn = splitmix64(splitmix64(key ^ np.uint64(salt)) + np.uint64(seed)) >> np.uint64(11)
    return drawn.astype(float) * 2.0**-53


def fold_key(run: ArrayLike, luminosity_block: ArrayLike, event: ArrayLike) -> NDArray[np.uint64]:
    """Return the stable 64-bit hash of each event.

    Parameters
    ----------
    run, luminosity_block, event
        Non-negative integers, any integer type; they broadcast against each other.

    Returns
    -------
    numpy.ndarray
        uint64, the broadcast shape.

    Raises
    ------
    ModelError
        If one of the three is not an integer or is negative.

    Examples
    --------
    >>> [int(key) for key in fold_key(1, 1, [1, 2])]
    [8112600223918159332, 4941388768090179157]
    """
    key = splitmix64(_unsigned(run, "run"))
    key = splitmix64(key ^ _unsigned(luminosity_block, "luminosity_block"))
    return splitmix64(key ^ _unsigned(event, "event"))


def held_out_fold(fold_key: ArrayLike, n_folds: int = 3) -> NDArray[np.int64]:
    """Return the fold (0 to `n_folds` - 1) in which each event is held out: fold_key % n_folds.

    The classifier of that fold has not seen the event and is the one that may score it.

    Raises
    ------
    ModelError
        If `n_folds` is not a positive integer or the keys are not non-negative integers.

    Examples
    --------
    >>> held_out_fold([0, 1, 2, 3])
    array([0, 1, 2, 0])
    """
    check_n_folds(n_folds, at_least=1)
    return np.asarray(_unsigned(fold_key, "fold_key") % np.uint64(n_folds)).astype(np.int64)


def fold_of(rule: str, fold_key: ArrayLike, event: ArrayLike, n_folds: int) -> NDArray[np.int64]:
    """The fold in which each event is held out, by the rule of a model.

    Parameters
    ----------
    rule
        `EVENT_PARITY` for a pair of models that were trained on even and on odd event numbers, else "".
    fold_key, event
        Keys and event numbers, shape (n,).
    n_folds
        Of the model.

    Examples
    --------
    >>> fold_of(EVENT_PARITY, [8, 9], [3, 4], 2), fold_of("", [8, 9], [3, 4], 2)
    (array([1, 0]), array([0, 1]))
    """
    return held_out_fold(event if rule == EVENT_PARITY else fold_key, n_folds)


def check_n_folds(n_folds: object, *, at_least: int) -> None:
    """Raise a ModelError unless `n_folds` is an integer of at least `at_least`."""
    whole = isinstance(n_folds, (int, np.integer)) and not isinstance(n_folds, bool)
    if not whole or n_folds < at_least:  # type: ignore[operator]
        msg = f"n_folds is {n_folds!r}: it must be an integer of at least {at_least} (--folds)."
        raise ModelError(msg)


def set_aside_for_stopping(fold_key: ArrayLike) -> NDArray[np.bool_]:
    """Return True for the fifth of the events that early stopping watches in the nested protocol.

    The split re-hashes the key with a salt, so it is independent of the fold for any number of folds.
    """
    nested = splitmix64(_unsigned(fold_key, "fold_key") ^ _NESTED_SALT)
    return np.asarray(nested % np.uint64(NESTED_PARTS) == 0)


def _unsigned(values: ArrayLike, name: str) -> NDArray[np.uint64]:
    array: NDArray[Any] = np.asarray(values)
    if array.size == 0:
        return array.astype(np.uint64)
    if array.dtype.kind not in "iu":
        msg = f"'{name}' must be an integer array to give a stable fold, not {array.dtype}."
        raise ModelError(msg)
    if array.dtype.kind == "i" and array.min() < 0:
        msg = f"'{name}' has the negative value {array.min()}: event identifiers must not be negative."
        raise ModelError(msg)
    return array.astype(np.uint64)
