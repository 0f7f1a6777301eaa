r"""CLs of one counting experiment, exact and asymptotic.

CLs is :math:`p_{s+b} / p_b` with the lower tail of the count, so that a point is excluded where
CLs < 0.05 (Read, Junk). The exact forms average the Poisson tails over a prior for the background;
the asymptotic ones follow arXiv:1007.1727 with the statistic :math:`\tilde q_\mu` at :math:`\mu = 1`
and an auxiliary count of mean :math:`\tau b`, :math:`\tau = b/\sigma_b^2`.

Everything is done with logarithms of the tails, so that ratios of numbers below 1e-308 stay right.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal, get_args

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import gammaincc, gammaln, log_ndtr

from massgap.fits.counting.deviance import deviance

if TYPE_CHECKING:
    from collections.abc import Callable

__all__ = ["asymptotic", "asymptotic_expected", "exact", "log_poisson_cdf"]

Prior = Literal["poisson", "gauss", "lnN", "gamma"]
Floats = NDArray[np.float64]

_LOG_DROP = 46.0  # integrands are followed down to exp(-46) = 1e-20 of their maximum
_CERTAIN = 1e-100  # a background whose 1 / (1 + tau) is below is exactly known: tau itself would overflow
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(20)


def exact(
    n: ArrayLike, s: ArrayLike, b: ArrayLike, db_rel: ArrayLike = 0.0, prior: Prior = "poisson"
) -> Floats:
    r"""CLs of ``n`` observed events.

    Parameters
    ----------
    n : array_like of int
        Observed count.
    s, b : array_like
        Expected signal and background events.
    db_rel : array_like
        Relative uncertainty of the background; ignored by ``"poisson"``.
    prior : {"poisson", "gauss", "lnN", "gamma"}
        Background exactly known; Gaussian truncated at 0 and renormalised;
        :math:`b (1 + db_{rel})^\theta` with a unit Gaussian :math:`\theta`; Gamma of mean ``b`` and
        standard deviation ``db_rel * b``.

    Returns
    -------
    ndarray
        NaN where ``n`` is no count, ``s < 0``, ``b < 0`` or ``db_rel < 0``, and, for a prior with
        ``db_rel > 0``, where ``b == 0``.

    Examples
    --------
    >>> round(float(exact(3, 3.0, 1.0)), 6)
    0.44186
    >>> float(exact(0, 3.0, 1.0)) == float(exact(0, 3.0, 1.0, 0.5, prior="gamma"))
    True
    """
    n, s, b, db_rel = _inputs(n, s, b, db_rel)
    if prior not in get_args(Prior):
        message = f"prior {prior!r} is unknown: use poisson, gauss, lnN or gamma"
        raise ValueError(message)
    if prior == "poisson":
        db_rel = np.zeros_like(db_rel)
    out = np.full(n.shape, np.nan)
    for index in np.ndindex(n.shape):
        ni, si, bi, ri = float(n[index]), float(s[index]), float(b[index]), float(db_rel[index])
        if not _defined(ni, si, bi, ri):
            continue
        if ni == 0.0 or si == 0.0:  # P(0 | s + b) factorises, whatever the prior
            out[index] = np.exp(-si)
        elif ri == 0.0:
            out[index] = np.exp(log_poisson_cdf(ni, si + bi) - log_poisson_cdf(ni, bi))
        else:
            out[index] = np.exp(_log_average(ni, si, bi, ri, prior) - _log_average(ni, 0.0, bi, ri, prior))
    return out


def log_poisson_cdf(n: ArrayLike, mean: ArrayLike) -> Floats:
    r"""Logarithm of :math:`\sum_{k \le n} \mathrm{Poisson}(k; \mu)`, also where it underflows.

    Examples
    --------
    >>> float(log_poisson_cdf(0, 2000.0))
    -2000.0
    """
    n, mean = np.broadcast_arrays(np.asarray(n, dtype=np.float64), np.asarray(mean, dtype=np.float64))
    tail = gammaincc(n + 1.0, mean)
    small = (tail < 1e-280) & (mean > n)
    out = np.log(np.where(small | (tail <= 0.0), 1.0, tail))
    if small.any():
        out = np.array(out)
        out[small] = _log_far_tail(n[small], mean[small])
    return np.asarray(out)


def asymptotic(
    n: ArrayLike,
    s: ArrayLike,
    b: ArrayLike,
    db_rel: ArrayLike = 0.0,
    asimov: Literal["nominal", "fitted"] = "nominal",
) -> Floats:
    """Asymptotic CLs of ``n`` observed events.

    Parameters
    ----------
    n, s, b, db_rel : array_like
        As in `exact`.
    asimov : {"nominal", "fitted"}
        Background of the Asimov data: the nominal one, or the background-only fit to the data, which
        is what pyhf does.

    Returns
    -------
    ndarray
        NaN where `exact` with a prior is.
    """
    n, s, b, db_rel = _inputs(n, s, b, db_rel)
    root = np.sqrt(_q_tilde(n, s, b, db_rel))
    if asimov not in ("nominal", "fitted"):
        message = f"asimov {asimov!r} is unknown: use nominal or fitted"
        raise ValueError(message)
    base = b if asimov == "nominal" else b + (n - b) * _inverse_one_plus_tau(b, db_rel)
    # The auxiliary count of the Asimov data moves with its background, its tau does not.
    root_asimov = np.sqrt(_q_tilde(base, s, b, db_rel, auxiliary_b=base))
    return _cls_from_roots(root, root_asimov)


def asymptotic_expected(
    s: ArrayLike, b: ArrayLike, db_rel: ArrayLike = 0.0, n_sigma: ArrayLike = 0.0
) -> Floats:
    """Asymptotic CLs expected without signal, the background fluctuating upwards by ``n_sigma``.

    Examples
    --------
    >>> float(asymptotic_expected(0.0, 10.0))
    1.0
    """
    n_sigma = np.asarray(n_sigma, dtype=np.float64)
    _, s, b, db_rel = _inputs(0.0, s, b, db_rel)
    root = np.sqrt(_q_tilde(b, s, b, db_rel))
    return np.asarray(np.exp(log_ndtr(n_sigma - root) - log_ndtr(n_sigma)))


def _inputs(
    n: ArrayLike, s: ArrayLike, b: ArrayLike, db_rel: ArrayLike
) -> tuple[Floats, Floats, Floats, Floats]:
    n, s, b, db_rel = np.broadcast_arrays(*(np.asarray(x, dtype=np.float64) for x in (n, s, b, db_rel)))
    return n, s, b, db_rel


def _defined(n: float, s: float, b: float, db_rel: float) -> bool:
    count = n >= 0.0 and float(n).is_integer()
    return count and s >= 0.0 and b >= 0.0 and db_rel >= 0.0 and (b > 0.0 or db_rel == 0.0)


def _log_far_tail(n: Floats, mean: Floats) -> Floats:
    """Logarithm of the Poisson lower tail for n far below the mean.

    The point probability in Loader's saddle-point form times 1 + n/mu + n(n-1)/mu^2 + ..., as Lentz
    evaluates it: the continued fraction of the upper incomplete gamma function.
    """
    shape = n + 1.0
    tiny = 1e-300
    b = mean + 1.0 - shape
    c = np.full_like(b, 1.0 / tiny)
    d = 1.0 / b
    fraction = d.copy()
    for i in range(1, 10_000):
        a = -i * (i - shape)
        b = b + 2.0
        d = a * d + b
        d = 1.0 / np.where(np.abs(d) < tiny, tiny, d)
        c = b + a / c
        c = np.where(np.abs(c) < tiny, tiny, c)
        delta = c * d
        fraction = fraction * delta
        if np.all(np.abs(delta - 1.0) < 1e-15):
            break
    # mu^(n+1) e^-mu / n! = mu * Poisson(n; mu)
    stirling = np.where(n < 16.0, gammaln(shape) - _stirling(n), _stirling_error(n))
    half_log = 0.5 * np.log(2.0 * np.pi * np.maximum(n, 1.0))
    log_point = np.where(n == 0.0, -mean, -stirling - deviance(mean, n - mean) - half_log)
    return np.asarray(log_point + np.log(mean) + np.log(fraction))


def _stirling(n: Floats) -> Floats:
    safe = np.maximum(n, 1.0)
    return np.asarray(safe * np.log(safe) - safe + 0.5 * np.log(2.0 * np.pi * safe))


def _stirling_error(n: Floats) -> Floats:
    inverse = 1.0 / np.maximum(n, 1.0)
    square = inverse * inverse
    series = 1 / 12 - square * (1 / 360 - square * (1 / 1260 - square * (1 / 1680 - square / 1188)))
    return np.asarray(inverse * series)


def _log_average(n: float, s: float, b: float, db_rel: float, prior: str) -> float:
    """Logarithm of the tail P(<= n | s + background) averaged over the prior, up to a common factor.

    In the variable chosen for each prior the integrand is log-concave: one maximum, falling on
    both sides.
    """
    if prior == "gauss":
        # z = (background - b) / db, truncated where the background is 0
        def log_gauss(z: Floats) -> Floats:
            return log_poisson_cdf(n, s + np.maximum(b + db_rel * b * z, 0.0)) - 0.5 * z * z

        return _log_integral(log_gauss, lower=-1.0 / db_rel)
    if prior == "lnN":
        width = np.log1p(db_rel)

        def log_normal(z: Floats) -> Floats:
            return log_poisson_cdf(n, s + b * np.exp(np.minimum(width * z, 700.0))) - 0.5 * z * z

        return _log_integral(log_normal)

    # z = ln(background / b) / db_rel; the Gamma density is exp(a (w - e^w + 1)), w = db_rel z,
    # a = 1 / db_rel^2, Jacobian included: log-concave for any a, also where the density itself
    # diverges at 0.
    def log_gamma(z: Floats) -> Floats:
        w = np.minimum(db_rel * z, 600.0)  # beyond, e^w overflows: go on falling in a straight line
        beyond = (db_rel * z - w) * 1e250
        return log_poisson_cdf(n, s + b * np.exp(w)) - _expm1_minus(w) / db_rel**2 - beyond

    return _log_integral(log_gamma)


def _expm1_minus(w: Floats) -> Floats:
    """Return e^w - 1 - w without cancellation."""
    near = np.abs(w) < 0.3
    x = np.where(near, w, 0.0)
    series = np.zeros_like(x)
    for k in range(16, 1, -1):
        series = (series * x + 1.0) / k if k > 2 else (series * x + 1.0) * x * x / 2.0
    return np.where(near, series, np.expm1(w) - w)


def _log_integral(log_f: Callable[[Floats], Floats], lower: float = -np.inf) -> float:
    """Logarithm of the integral of exp(log_f) over (lower, inf) for a log-concave integrand."""
    peak = _maximum(log_f, lower)
    top = float(log_f(np.array([peak]))[0])
    left = _drop(log_f, peak, top, -1.0, lower)
    right = _drop(log_f, peak, top, +1.0, np.inf)

    def panel_sums(start: Floats, stop: Floats) -> Floats:
        half = 0.5 * (stop - start)
        points = start[:, np.newaxis] + half[:, np.newaxis] * (1.0 + _NODES)
        values = np.exp(log_f(points.ravel()) - top).reshape(points.shape)
        return np.asarray(half * (values @ _WEIGHTS))

    # Graded towards the peak: a wide prior can have a slow side and a sudden one.
    grades = 0.5 ** np.arange(21)
    edges = np.concatenate([peak - (peak - left) * grades, [peak], (peak + (right - peak) * grades)[::-1]])
    start, stop = edges[:-1], edges[1:]
    start, stop = start[stop > start], stop[stop > start]
    coarse = panel_sums(start, stop)
    done = 0.0
    for _ in range(60):
        middle = 0.5 * (start + stop)
        first, second = panel_sums(start, middle), panel_sums(middle, stop)
        fine = first + second
        scale = done + float(fine.sum())
        open_ = np.abs(fine - coarse) > 1e-14 * scale
        done += float(fine[~open_].sum())
        if not open_.any():
            break
        start, stop = (
            np.concatenate([start[open_], middle[open_]]),
            np.concatenate([middle[open_], stop[open_]]),
        )
        coarse = np.concatenate([first[open_], second[open_]])
    else:
        done += float(coarse.sum())
    return top + float(np.log(done))


def _maximum(log_f: Callable[[Floats], Floats], lower: float) -> float:
    """Position of the maximum of a concave function, to a fraction of its width."""
    low, high = max(lower, -1.0), max(lower, -1.0) + 2.0
    for _ in range(80):  # move or widen the bracket until the maximum is inside
        width = high - low
        f_low, f_in_low, f_in_high, f_high = (
            float(v) for v in log_f(np.array([low, low + 1e-3 * width, high - 1e-3 * width, high]))
        )
        if f_low >= f_in_low and low > lower:
            low = max(lower, low - 2.0 * width)
        elif f_high >= f_in_high:
            high = high + 2.0 * width
        else:
            break
    for _ in range(12):
        grid = np.linspace(low, high, 17)
        best = int(np.argmax(log_f(grid)))
        low, high = float(grid[max(best - 1, 0)]), float(grid[min(best + 1, 16)])
    return 0.5 * (low + high)


def _drop(log_f: Callable[[Floats], Floats], peak: float, top: float, sign: float, limit: float) -> float:
    """Where the integrand has fallen by exp(-46), or the limit of its range."""
    step = 1e-3
    while True:
        edge = peak + sign * step
        if (edge - limit) * sign >= 0.0:
            edge = limit
        if edge == limit or float(log_f(np.array([edge]))[0]) < top - _LOG_DROP:
            break
        step *= 2.0
    inner, outer = peak, edge
    if float(log_f(np.array([outer]))[0]) >= top - _LOG_DROP:
        return outer
    for _ in range(30):
        middle = 0.5 * (inner + outer)
        if float(log_f(np.array([middle]))[0]) < top - _LOG_DROP:
            outer = middle
        else:
            inner = middle
    return outer


def _inverse_one_plus_tau(b: Floats, db_rel: Floats) -> Floats:
    """1 / (1 + tau) with tau = 1 / (b db_rel^2); 0 of a background that is as good as exactly known."""
    variance_ratio = b * db_rel * db_rel
    variance_ratio = np.where(variance_ratio < _CERTAIN, 0.0, variance_ratio)
    return np.where(np.isinf(variance_ratio), 1.0, variance_ratio / (1.0 + variance_ratio))


def _q_tilde(n: Floats, s: Floats, b: Floats, db_rel: Floats, auxiliary_b: Floats | None = None) -> Floats:
    """Profile-likelihood statistic q~ at mu = 1, with an auxiliary count of tau times ``auxiliary_b``."""
    aux = b if auxiliary_b is None else auxiliary_b
    defined = (n >= 0.0) & (s >= 0.0) & (db_rel >= 0.0) & ((b > 0.0) | ((b == 0.0) & (db_rel == 0.0)))
    n, s, b, aux = (np.where(defined, x, 1.0) for x in (n, s, b, aux))
    db_rel = np.where(defined, db_rel, 0.0)
    weight = _inverse_one_plus_tau(b, db_rel)
    with np.errstate(all="ignore"):
        tau = np.where(weight > 0.0, 1.0 / (b * db_rel * db_rel), 0.0)

    def profiled(signal: Floats) -> Floats:
        """Minus log likelihood ratio to the saturated model, the background profiled at this signal."""
        # (background - aux) = delta solves delta^2 + delta p + q = 0, the larger root.
        p = signal + aux + weight * (aux - n)
        q = weight * aux * (aux + signal - n)
        root = np.sqrt(np.maximum(p * p - 4.0 * q, 0.0))
        with np.errstate(all="ignore"):
            delta = np.where(p > 0.0, -2.0 * q / (p + root), 0.5 * (root - p))
            delta = np.where(weight > 0.0, np.maximum(delta, -aux), 0.0)
            main = deviance(signal + aux + delta, n - (signal + aux + delta))
            off = np.where(tau > 0.0, deviance(tau * (aux + delta), -tau * delta), 0.0)
        return np.asarray(main + off)

    at_one = profiled(s)
    at_best = np.where(n < aux, profiled(np.zeros_like(s)), 0.0)
    with np.errstate(invalid="ignore"):
        q_value = np.where(n >= s + aux, 0.0, 2.0 * np.maximum(at_one - at_best, 0.0))
    return np.where(defined, q_value, np.nan)


def _cls_from_roots(root: Floats, root_asimov: Floats) -> Floats:
    """Equations (66) to (69) of arXiv:1007.1727 from the roots of q~ and of its Asimov value."""
    inside = root <= root_asimov
    safe = np.where(root_asimov > 0.0, root_asimov, 1.0)
    upper = np.where(inside, root, (root * root + root_asimov * root_asimov) / (2.0 * safe))
    lower = np.where(inside, root_asimov - root, (root_asimov * root_asimov - root * root) / (2.0 * safe))
    return np.asarray(np.exp(log_ndtr(-upper) - log_ndtr(lower)))
