"""What fits a workspace: the compiled likelihood, or expectations of pyhf as a reference."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.fits.errors import InferenceError
from massgap.fits.inference.likelihood import Likelihood

if TYPE_CHECKING:
    from collections.abc import Mapping

__all__ = ["ENGINES", "likelihood_of", "with_interest"]


def _reference(workspace: Mapping[str, Any], **options: Any) -> Any:
    # pyhf takes longer to be imported than a small workspace to be fitted.
    from massgap.fits.inference.pyhf_likelihood import PyhfLikelihood

    return PyhfLikelihood(workspace, **options)


ENGINES: dict[str, Any] = {"massgap": Likelihood, "pyhf": _reference}
"""Name of an engine -> what makes the likelihood of a workspace. ``pyhf`` takes the expectation from pyhf and differentiates
it by finite differences: the same answers, some hundred times slower."""


def likelihood_of(
    workspace: Mapping[str, Any],
    *,
    engine: str = "massgap",
    measurement: str | None = None,
    poi: str | None = None,
) -> Any:
    """The likelihood of a workspace.

    Parameters
    ----------
    workspace : mapping
        HistFactory workspace.
    engine : {"massgap", "pyhf"}
    measurement, poi : str, optional
        Measurement and parameter of interest; default the first, and that of the measurement.

    Raises
    ------
    InferenceError
        If there is no such engine, or no parameter of interest.
    WorkspaceError
        If the workspace is no HistFactory model.
    """
    if engine not in ENGINES:
        message = f"There is no engine '{engine}' (engine=..., --engine); there are: {', '.join(ENGINES)}."
        raise InferenceError(message)
    return with_interest(ENGINES[engine](workspace, measurement=measurement, poi=poi))


def with_interest(likelihood: Any) -> Any:
    """The likelihood itself, if it has a parameter of interest that may move.

    Raises
    ------
    InferenceError
        If it has none, or a measurement fixes it.
    """
    if likelihood.poi is None or likelihood.poi < 0:
        message = (
            "The workspace has no parameter of interest: name one (poi=..., --poi), usually the normalisation of the "
            "signal."
        )
        raise InferenceError(message)
    if likelihood.poi_fixed:
        message = (
            f"The measurement fixes the parameter of interest '{likelihood.names[likelihood.poi]}', so that nothing can be said "
            'of it: remove "fixed": true from its parameters, or name another (poi=..., --poi).'
        )
        raise InferenceError(message)
    return likelihood
