r"""Which of many templates of a signal fits binned counts best, with its strength and the background's left free within its uncertainty.

The model is that of a pyhf workspace with one channel: a signal with a ``normfactor`` :math:`\mu \geq 0`, and a background with a
``lumi``-like factor :math:`\lambda` of Gaussian constraint (:func:`workspace`),

.. math:: -\ln L = \sum_i (\nu_i - n_i \ln \nu_i) + \frac{(\lambda - 1)^2}{2 \sigma^2}, \quad \nu_i = \mu s_i + \lambda b_i,

which is convex in both: Newton's method fits thousands of experiments with tens of templates at once.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from massgap.fits.errors import FitError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import ArrayLike, NDArray

__all__ = ["best_value", "template_scan", "workspace"]

_STEPS = 60
_ENOUGH = 1e-9


def workspace(
    channel: str, signal: ArrayLike, background: ArrayLike, counts: ArrayLike, uncertainty: float
) -> dict[str, Any]:
    """The pyhf workspace of one template.

    Parameters
    ----------
    channel
        Its name.
    signal, background, counts
        Expected and observed events of each bin, shape (n,).
    uncertainty
        Of the background's normalisation, relative.
    """
    samples = [
        ("signal", signal, {"name": "mu", "type": "normfactor", "data": None}),
        ("background", background, {"name": "lumi", "type": "lumi", "data": None}),
    ]
    parameters = [
        {"name": "lumi", "auxdata": [1.0], "sigmas": [uncertainty], "bounds": [[1e-3, 10.0]], "inits": [1.0]},
        {"name": "mu", "bounds": [[0.0, 100.0]], "inits": [1.0]},
    ]
    return {
        "channels": [
            {
                "name": channel,
                "samples": [
                    {"name": name, "data": np.asarray(data, np.float64).tolist(), "modifiers": [modifier]}
                    for name, data, modifier in samples
                ],
            }
        ],
        "observations": [{"name": channel, "data": np.asarray(counts, np.float64).tolist()}],
        "measurements": [{"name": "templates", "config": {"poi": "mu", "parameters": parameters}}],
        "version": "1.0.0",
    }


def template_scan(
    counts: ArrayLike, templates: ArrayLike, background: ArrayLike, uncertainty: float
) -> NDArray[np.float64]:
    """Twice the negative logarithm of the likelihood, profiled, less that of a perfect fit.

    Parameters
    ----------
    counts
        Observed events of each bin, shape (experiments, bins).
    templates
        Expected signal, of any normalisation, shape (templates, bins).
    background
        Expected background, shape (bins,), all above 0.
    uncertainty
        Of the background's normalisation, relative.

    Returns
    -------
    ndarray
        Shape (experiments, templates).

    Raises
    ------
    FitError
        If shapes do not fit together, a bin has no background, a template is empty, or the uncertainty is not above 0.

    Examples
    --------
    >>> found = template_scan([[10.0, 2.0]], [[8.0, 0.0], [0.0, 8.0]], [2.0, 2.0], 0.1)
    >>> bool(found[0, 0] < found[0, 1])
    True
    """
    n, s, b = (np.asarray(values, np.float64) for values in (counts, templates, background))
    if n.ndim != 2 or s.ndim != 2 or b.shape != n.shape[1:] or s.shape[1:] != b.shape:
        msg = f"counts {n.shape}, templates {s.shape} and background {b.shape} do not have the same bins"
        raise FitError(msg)
    if not ((b > 0).all() and (s >= 0).all() and (s.sum(axis=1) > 0).all() and uncertainty > 0):
        msg = "a template fit needs background in each bin, signal in each template, and an uncertainty above 0: merge bins, or generate more"
        raise FitError(msg)
    s = s / s.sum(axis=1, keepdims=True)
    n, s, b = n[:, None, :], s[None], b[None, None]
    mu = np.maximum(n.sum(axis=2) - b.sum(), 1.0) * np.ones(s.shape[:2])
    lam = np.ones_like(mu)
    value = _value(n, s, b, mu, lam, uncertainty)
    for _ in range(_STEPS):
        step_mu, step_lam = _newton(n, s, b, mu, lam, uncertainty)
        size = np.ones_like(mu)
        for _ in range(12):
            new_mu = np.maximum(mu + size * step_mu, 0.0)
            new_lam = np.maximum(lam + size * step_lam, 1e-3)
            new = _value(n, s, b, new_mu, new_lam, uncertainty)
            worse = new > value + 1e-12 * np.abs(value)
            if not worse.any():
                break
            size = np.where(worse, 0.5 * size, size)
        better = new <= value
        change = np.where(better, value - new, 0.0)
        mu, lam = np.where(better, new_mu, mu), np.where(better, new_lam, lam)
        value = np.where(better, new, value)
        if change.max() < _ENOUGH:
            break
    perfect = np.where(n > 0, n - n * np.log(np.where(n > 0, n, 1.0)), 0.0).sum(axis=2)
    return np.asarray(2.0 * (value - perfect))


def _value(n: Any, s: Any, b: Any, mu: Any, lam: Any, sigma: float) -> Any:
    nu = mu[..., None] * s + lam[..., None] * b
    return (nu - n * np.log(nu)).sum(axis=2) + 0.5 * ((lam - 1.0) / sigma) ** 2


def _newton(n: Any, s: Any, b: Any, mu: Any, lam: Any, sigma: float) -> tuple[Any, Any]:
    """Steps of both; where the strength is at 0 and wants below, of the background alone."""
    nu = mu[..., None] * s + lam[..., None] * b
    first, second = 1.0 - n / nu, n / nu**2
    g_mu, g_lam = (first * s).sum(axis=2), (first * b).sum(axis=2) + (lam - 1.0) / sigma**2
    h_mm, h_ml = (second * s * s).sum(axis=2) + 1e-12, (second * s * b).sum(axis=2)
    h_ll = (second * b * b).sum(axis=2) + 1.0 / sigma**2
    det = np.maximum(h_mm * h_ll - h_ml**2, 1e-30)
    d_mu, d_lam = (h_ml * g_lam - h_ll * g_mu) / det, (h_ml * g_mu - h_mm * g_lam) / det
    held = (mu <= 0.0) & (g_mu > 0.0)
    return np.where(held, 0.0, d_mu), np.where(held, -g_lam / h_ll, d_lam)


def best_value(values: Sequence[float], scan: ArrayLike) -> NDArray[np.float64]:
    """Where each row of a scan is lowest: the vertex of a parabola through the lowest point and its neighbours.

    Parameters
    ----------
    values
        Of the templates' parameter, rising, shape (templates,).
    scan
        Shape (experiments, templates).

    Examples
    --------
    >>> best_value([0.0, 1.0, 2.0], [[1.0, 0.0, 1.0], [0.0, 1.0, 4.0]]).tolist()
    [1.0, 0.0]
    """
    x, y = np.asarray(values, np.float64), np.asarray(scan, np.float64)
    k = y.argmin(axis=1)
    inner = np.clip(k, 1, len(x) - 2)
    rows = np.arange(len(y))
    x0, x1, x2 = x[inner - 1], x[inner], x[inner + 1]
    y0, y1, y2 = y[rows, inner - 1], y[rows, inner], y[rows, inner + 1]
    top = (x1 - x0) ** 2 * (y1 - y2) - (x1 - x2) ** 2 * (y1 - y0)
    bottom = (x1 - x0) * (y1 - y2) - (x1 - x2) * (y1 - y0)
    with np.errstate(divide="ignore", invalid="ignore"):
        vertex = x1 - 0.5 * top / bottom
    good = (k == inner) & np.isfinite(vertex)
    return np.asarray(np.where(good, vertex, x[k]))
