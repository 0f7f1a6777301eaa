"""The options of all commands that may draw toys."""

from __future__ import annotations

import functools
from typing import TYPE_CHECKING, Any

import click

from massgap.cli.options.cluster_options import add_options

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["toy_options"]

_OPTIONS = (
    click.option(
        "--toys",
        type=int,
        metavar="N",
        help="Also with N toys of each hypothesis, for small counts; 20000 is a good number.",
    ),
    click.option("--seed", type=int, help="Seed of the toys.  [default: 1]"),
    click.option("--workers", type=int, help="Threads that fit toys; they change no number.  [default: 1]"),
)


def toy_options(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options; it gets one argument ``toys``, a ``ToyOptions`` or None.

    Parameters
    ----------
    command
        The function of the command.

    Returns
    -------
    callable
    """

    @functools.wraps(command)
    def with_toys(*, toys: int | None, seed: int | None, workers: int | None, **others: Any) -> Any:
        from massgap.fits.inference.toys.options import wanted_toys

        return command(toys=wanted_toys(toys, seed, workers), **others)

    return add_options(with_toys, _OPTIONS)
