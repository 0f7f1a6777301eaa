"""Everything that toys tell of a workspace, as results files have it."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Any

from massgap.fits.inference.toys.hypotheses import toy_discovery, toy_tests
from massgap.fits.inference.toys.limits import toy_limit

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from massgap.fits.inference.likelihood import Likelihood
    from massgap.fits.inference.toys.options import ToyOptions

__all__ = ["toy_results", "toy_warnings"]


def toy_results(
    likelihood: Likelihood,
    options: ToyOptions,
    *,
    mu: float | None = 1.0,
    level: float = 0.95,
    limit: bool = True,
    observed: bool = True,
    progress: Callable[[int], None] | None = None,
) -> dict[str, Any]:
    """CLs, limit and significance of one signal from toys.

    Parameters
    ----------
    likelihood : Likelihood
    options : ToyOptions
    mu : float, optional
        Signal strength whose CLs is wanted; None for none.
    level : float
        Confidence level of the limit.
    limit : bool
        Whether a limit is wanted: it takes some ten times as many toys as the rest.
    observed : bool
        Whether the observations are data.
    progress : callable, optional
        Gets the number of toys of each block that is done.

    Returns
    -------
    dict
        ``number``, ``seed``, ``cls``, ``upper_limit``, ``discovery`` (as far as wanted) and ``certificate``, the sum of all.

    Raises
    ------
    InferenceError
        As of :func:`massgap.fits.inference.toys.hypotheses.toy_cls`.
    """
    results: dict[str, Any] = {"number": options.number, "seed": options.seed}
    found = toy_discovery(likelihood, options, observed=observed, progress=progress)
    certificate = found.certificate
    if mu is not None:
        (test,) = toy_tests(likelihood, [mu], options, observed=observed, progress=progress)
        results["cls"] = asdict(test)
        certificate += test.certificate
    if limit:
        bound = toy_limit(likelihood, options, level=level, observed=observed, progress=progress)
        results["upper_limit"] = asdict(bound)
        certificate += bound.certificate
    results["discovery"] = asdict(found)
    results["certificate"] = asdict(certificate)
    return results


def toy_warnings(toys: Mapping[str, Any]) -> list[str]:
    """Sentences that a user should see, from :func:`toy_results`."""
    certificate, out = toys["certificate"], []
    if certificate["failed"]:
        out.append(
            f"{certificate['failed']} of {certificate['toys']} toys could not be fitted: they are in no fraction, and the errors allow for "
            "either side of each."
        )
    out += [
        f"No toy without signal reaches the {what} signal: its significance is a lower bound. More toys tell more: "
        f"--toys {10 * toys['number']}."
        for what in ("expected", "observed")
        if toys["discovery"][f"{what}_p"] == 0.0
    ]
    return out
