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

__all__ = ["toy_results", "toy_rows", "toy_warnings"]


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
        (test,), fitted = toy_tests(likelihood, [mu], options, observed=observed, progress=progress)
        results["cls"] = asdict(test)
        certificate += fitted
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


def toy_rows(toys: Mapping[str, Any], poi: str) -> list[tuple[str, str]]:
    """Rows (what, value with its error) of a short table, from :func:`toy_results`; ``poi`` is what is limited."""
    rows: list[tuple[str, str]] = []
    test, limit, found = toys.get("cls"), toys.get("upper_limit"), toys["discovery"]
    if test is not None:
        rows += _observed_and_expected(f"CLs of {poi} = {test['mu']:g}", test, "cls", "cls_error")
    if limit is not None:
        what = f"{100.0 * limit['level']:g} % CLs limit on {poi}"
        rows += _observed_and_expected(what, limit, "observed", "observed_error")
    for which in ("expected", "observed"):
        p, error, sigma = (found[f"{which}_{key}"] for key in ("p", "p_error", "significance"))
        if p is not None:
            text = (
                f"{sigma:.3g} sigma (p = {p:.3g} +- {error:.1g})"
                if p > 0.0
                else f"> {sigma:.3g} sigma (p < {error:.1g})"
            )
            rows.append((f"{which} significance, toys", text))
    certificate = toys["certificate"]
    fitted = f"{certificate['accepted']:,} of {certificate['toys']:,} fitted"
    again = f", {certificate['again']:,} of them from other starts" if certificate["again"] else ""
    distance = f"; at most {certificate['distance']:.1g} above a minimum in -2 ln L"
    return [*rows, (f"toys, {toys['number']:,} of each hypothesis", fitted + again + distance)]


def _observed_and_expected(
    what: str, found: Mapping[str, Any], value: str, error: str
) -> list[tuple[str, str]]:
    rows = []
    if found[value] is not None:
        rows.append((f"observed {what}, toys", f"{found[value]:.4g} +- {found[error]:.2g}"))
    low, median, high = found["expected"][1:4]
    text = f"{median:.4g} +- {found['expected_errors'][2]:.2g} (68 %: {low:.4g} to {high:.4g})"
    return [*rows, (f"expected {what}, toys", text)]
