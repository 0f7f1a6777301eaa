"""The statistics of the fits room in the form of the reference files: case["in"] -> case["out"]."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from massgap.fits.counting import cls, significance

if TYPE_CHECKING:
    from collections.abc import Callable

Case = dict[str, Any]


def _asimov(case: Case) -> Case:
    s, b = case["s"], case["b"]
    return {
        "asimov": float(significance.asimov(s, b)),
        "asimov_unc": float(significance.asimov_with_uncertainty(s, b, case["db_rel"] * b)),
        "s_over_1pb": float(significance.s_over_1pb(s, b)),
        "s_over_sqrtb": float(significance.s_over_sqrtb(s, b)),
    }


def _binned(case: Case) -> Case:
    s, b, rel = case["s"], case["b"], case["rel"]
    return {
        "stat": float(significance.binned_statistical(s, b)),
        "uncorr": float(significance.binned_uncorrelated(s, b, rel)),
        "corr_lnN": float(significance.binned_common_normalisation(s, b, rel)),
    }


def _cls(case: Case) -> Case:
    n, s, b, rel = case["n"], case["s"], case["b"], case["db_rel"]
    out = {
        prior: float(cls.exact(n, s, b, rel, prior=prior)) for prior in ("poisson", "gauss", "lnN", "gamma")
    }
    out["asym_obs_nominal"] = float(cls.asymptotic(n, s, b, rel, asimov="nominal"))
    out["asym_obs_fitted"] = float(cls.asymptotic(n, s, b, rel, asimov="fitted"))
    for n_sigma in (-2, -1, 0, 1, 2):
        out[f"asym_exp{n_sigma:+d}"] = float(cls.asymptotic_expected(s, b, rel, n_sigma))
    return out


ADAPTERS: dict[str, Callable[[Case], Case]] = {"asimov": _asimov, "binned": _binned, "cls": _cls}
