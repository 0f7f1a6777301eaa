r"""M_T2 for massless visible systems and one trial mass: a maximum of one function of one variable.

With the missing momentum split along the visible ones, p_miss = pa a + pb b, and A = \|a\|, B = \|b\|,
c = a x b, the general condition (see :mod:`massgap.selections.observables.mt2.search`) becomes

    M_T2^2 = chi^2 + 2 max over w > 0 of k(w),    k^2 g + 2 k P = chi^2,
    g = (A B / c^2) (w + 1/w - 2 cos theta),      P = (pa A w + pb B) / (A w + B),

where w is the ratio n.a/A : n.b/B of the direction n that the search varies.  k has one maximum, at which
w^2 + C t^2 = 1 with C = 2 (pa - pb) c^2 / k and t = w / (A w + B).  Here a is the system with the larger
share, so that C >= 0 and 0 < w <= 1.  Everything is made dimensionless: r = A / (A + B), and P and k in units
of A B / \|c\| and c respectively.

Four candidates of w, then Newton steps on sqrt(w^2 + C t^2) = 1 in single precision: k is wrong by the
square of the error of w.  One evaluation in double precision follows, with the gain that the next Newton
step promises.  It is added, and it is the certificate as well: where it is not negligible, steps in double
precision follow, and where these do not settle the bracketed search decides.

All functions here are plain arithmetic without branches, which the compiler turns into vector instructions
for a block of events.  No operation is reordered or fused, so that an event has the same result in every
place of an array and on its own.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np

from massgap.arrays.compiled import compiled, compiled_inline

if TYPE_CHECKING:
    from massgap.arrays.elementwise import Floats

__all__ = [
    "BLOCK",
    "ROWS",
    "SINGLE_ROWS",
    "STRIDE",
    "massless_excess",
    "prepare_block",
    "ratio",
    "ratios_block",
    "solve_block",
]

Single: TypeAlias = Any
"""A number in single precision."""
Shape: TypeAlias = tuple[float, float, float, float, float, float]
"""r, 1 - r, za = pa r, zb = pb (1 - r), 2 (za (1 - r) - zb r) and 2 (1 - cos theta)."""

BLOCK = 128
"""Events that are handled together: what one block needs stays in the fastest cache."""
STRIDE = BLOCK + 8
"""Distance of the rows of the work array: not a power of two, which would map all rows to the same cache lines."""
(_R, _S, _ZA, _ZB, _KK, _E, _UNIT, _CROSS, _SINE, _X) = range(10)
ROWS = 10
SINGLE_ROWS = 8

# The promised gain below which the result is right to 1e-10, and below which steps in double precision stop.
_NEGLIGIBLE = 2e-8
_SINGLE_STEPS = 3
_SETTLED = 1e-13
# Relative change of w, and of w^2 + C t^2 from 1, up to which a Newton step is trusted to promise the right gain.
_NEAR = 0.02
_MAX_STEPS = 16
# Below this sine of the angle between the visible momenta, splitting along them loses too many digits.
_PARALLEL = 1e-5
_ZERO, _QUARTER, _HALF, _ONE, _FIVE = (np.float32(v) for v in (0.0, 0.25, 0.5, 1.0, 5.0))
_FIFTH, _THIRD = np.float32(0.2), np.float32(0.3)
_W1, _W2, _W3 = (np.float32(v) for v in (0.75, 0.35, 0.12))
_G1, _G2, _G3 = (np.float32((1.0 - v) ** 2 / v) for v in (0.75, 0.35, 0.12))
# The fourth candidate, 1 / (1 + width sqrt(e)), follows the maximum next to 1 of nearly parallel visible momenta.
_WIDTH = np.float32(1.3)


@compiled_inline
def _prepare(
    ax: float, ay: float, bx: float, by: float, px: float, py: float
) -> tuple[Shape, float, float, float]:
    r"""The shape of the event, 1 / (A B), \|c\| and the sine of the angle between a and b."""
    aa, bb = ax * ax + ay * ay, bx * bx + by * by
    ab = math.sqrt(aa * bb)
    cross, dot = ax * by - ay * bx, ax * bx + ay * by
    # One division for three: the product stays a normal number wherever unit is reliable.
    total, more = aa + ab, ab + abs(dot)
    half = ab * more
    inverse = 1.0 / (half * total)
    unit = more * (total * inverse)
    sine, cosine = abs(cross) * unit, dot * unit
    spread = 2.0 * (cross * total * inverse * cross if dot > 0.0 else 1.0 - cosine)
    part = half * inverse
    r, s = aa * part, ab * part
    signed = math.copysign(unit, cross)
    pa, pb = (px * by - py * bx) * signed, (ax * py - ay * px) * signed
    high, low = (pb, pa) if pa < pb else (pa, pb)
    r, s = (s, r) if pa < pb else (r, s)
    return (r, s, high * r, low * s, 2.0 * (high - low) * r * s, spread), unit, abs(cross), sine


@compiled_inline
def _trial(
    w: Single, gap: Single, r: Single, s: Single, za: Single, zb: Single, e: Single, x: Single
) -> Single:
    """k(w), where gap = (1 - w)^2 / w."""
    p, y = za * w + zb, r * w + s
    gy, xy = (gap + e) * y, x * y
    q = abs(p) + np.sqrt(p * p + xy * gy)
    return (q if p < _ZERO else xy) / (gy if p < _ZERO else q)


@compiled_inline
def _start(r: Single, s: Single, za: Single, zb: Single, e: Single, x: Single) -> Single:
    """The best of four candidates for w; without one, half of the w at which P = 0."""
    k1, k2 = _trial(_W1, _G1, r, s, za, zb, e, x), _trial(_W2, _G2, r, s, za, zb, e, x)
    w4 = _ONE / (_ONE + _WIDTH * np.sqrt(e))
    k3, k4 = _trial(_W3, _G3, r, s, za, zb, e, x), _trial(w4, _WIDTH * _WIDTH * e * w4, r, s, za, zb, e, x)
    w, k = (_W1 if k1 > k2 else _W2), (max(k2, k1))
    w, k = (w if k > k3 else _W3), (max(k3, k))
    w, k = (w if k > k4 else w4), (max(k4, k))
    return w if k > _ZERO else -_HALF * zb / za


@compiled_inline
def _step(
    w: Single, r: Single, s: Single, za: Single, zb: Single, kk: Single, e: Single, x: Single
) -> Single:
    """One Newton step in single precision."""
    y = r * w + s
    inverse = _ONE / (w * y)
    iy, iw = w * inverse, y * inverse
    p = (za * w + zb) * iy
    v = _ONE - w
    g = v * v * iw + e
    root = np.sqrt(p * p + x * g)
    q = abs(p) + root
    ik = (g if p < _ZERO else q) / (q if p < _ZERO else x)
    t = w * iy
    c = kk * ik
    f2 = w * w + c * t * t
    f = np.sqrt(f2)
    rise = root * (w + c * t * s * iy * iy) - _QUARTER * (kk * iy * iy) * (_ONE - f2)
    step = (f2 - f) * root / rise
    # Far above the solution k goes to 0 and f to infinity: there 1 / f is nearer to a straight line.
    step = step * (_HALF * (_ONE + f)) if f > _ONE else step
    new = w - step if rise > _ZERO else _THIRD * w
    new = max(_FIFTH * w, new)
    new = min(_FIVE * w, new)
    return min(_ONE, new)


@compiled_inline
def _evaluate(
    w: float, r: float, s: float, za: float, zb: float, kk: float, e: float, x: float, far: bool
) -> tuple[float, float, float, float]:
    """k, the relative gain that the next Newton step promises (NaN where it cannot tell), the w it leads to, sqrt(w^2 + C t^2)."""
    y = r * w + s
    inverse = 1.0 / (w * y)
    iy, iw = w * inverse, y * inverse
    p = (za * w + zb) * iy
    v = 1.0 - w
    g = v * v * iw + e
    root = math.sqrt(p * p + x * g)
    q = abs(p) + root
    upper, lower = (q if p < 0.0 else x), (g if p < 0.0 else q)
    inverse = 1.0 / (upper * lower)
    k, ik = upper * upper * inverse, lower * lower * inverse
    t = w * iy
    c = kk * ik
    f2 = w * w + c * t * t
    rho = 1.0 - f2
    # A series is enough for the gain, which is rejected for large rho; a search needs the root.
    f = math.sqrt(f2) if far else 1.0 - rho * (0.5 + rho * (0.125 + rho * 0.0625))
    rise = root * (w + c * t * s * iy * iy) - 0.25 * (kk * iy * iy) * rho
    step = (f2 - f) / rise
    gain = -0.25 * k * rho * iw * iw * step
    step = step * root
    near = (abs(step) < _NEAR * w) & (abs(rho) < _NEAR) & (rise > 0.0)
    gain = gain if near else math.nan
    step = step * (0.5 * (1.0 + f)) if f > 1.0 else step
    return k, gain, w - step, f


@compiled_inline
def _reliable(r: float, s: float, unit: float, sine: float) -> bool:
    """Whether nothing under- or overflows (NaN and infinity included) and the visible momenta are not parallel."""
    return (sine > _PARALLEL) & (unit > 1e-90) & (unit < 1e90) & (r > 1e-50) & (s > 1e-50)


@compiled_inline
def _certainly_zero(za: float, zb: float, sine: float) -> bool:
    """Whether p_miss lies between a and b, beyond all rounding."""
    return (zb * sine > 1e-14 * za) & (za < 1e100)


@compiled
def _refined(w: float, shape: Shape, x: float) -> float:
    """Maximum of k by bracketed Newton steps in double precision; NaN where they do not settle."""
    r, s, za, zb, kk, e = shape
    low, high = 0.0, 1.0
    for _ in range(_MAX_STEPS):
        k, gain, new, f = _evaluate(w, r, s, za, zb, kk, e, x, True)
        if abs(gain) < _SETTLED:
            return k + k * gain
        if f < 1.0:
            low = w
        else:
            high = w
        if not low < new < high:
            new = 0.5 * (low + high) if low > 0.1 * high else max(0.1 * high, 3.0 * low)
        w = new
    return math.nan


@compiled
def _ratio(shape: Shape, x: float) -> float:
    """The ratio w in single precision."""
    f = np.float32
    r, s, za, zb, kk, e = f(shape[0]), f(shape[1]), f(shape[2]), f(shape[3]), f(shape[4]), f(shape[5])
    w = _start(r, s, za, zb, e, f(x))
    for _ in range(_SINGLE_STEPS):
        w = _step(w, r, s, za, zb, kk, e, f(x))
    return np.float64(w)


@compiled
def ratio(ax: float, ay: float, bx: float, by: float, px: float, py: float, chi: float) -> float:
    """The ratio w of one event in single precision."""
    shape, unit, _cross, _sine = _prepare(ax, ay, bx, by, px, py)
    return _ratio(shape, chi * chi * unit)


@compiled
def massless_excess(ax: float, ay: float, bx: float, by: float, px: float, py: float, chi: float) -> float:
    """M_T2^2 - chi^2 of two massless visible systems; NaN where the search must decide."""
    shape, unit, cross, sine = _prepare(ax, ay, bx, by, px, py)
    r, s, za, zb, kk, e = shape
    if not _reliable(r, s, unit, sine):
        return math.nan
    x = chi * chi * unit
    if x == 0.0 and _certainly_zero(za, zb, sine):
        return 0.0
    w = _ratio(shape, x)
    k, gain, _new, _f = _evaluate(w, r, s, za, zb, kk, e, x, False)
    best = k + k * gain
    if not abs(gain) < _NEGLIGIBLE:
        best = _refined(w, shape, x)
    return 2.0 * cross * best


@compiled
def prepare_block(
    ax: Floats,
    ay: Floats,
    bx: Floats,
    by: Floats,
    px: Floats,
    py: Floats,
    first: int,
    size: int,
    work: Floats,
) -> None:
    """Fill the rows of the work array that do not depend on the trial mass."""
    for i in range(size):
        j = first + i
        shape, unit, cross, sine = _prepare(ax[j], ay[j], bx[j], by[j], px[j], py[j])
        work[_R * STRIDE + i], work[_S * STRIDE + i] = shape[0], shape[1]
        work[_ZA * STRIDE + i], work[_ZB * STRIDE + i] = shape[2], shape[3]
        work[_KK * STRIDE + i], work[_E * STRIDE + i] = shape[4], shape[5]
        work[_UNIT * STRIDE + i], work[_CROSS * STRIDE + i] = unit, cross
        work[_SINE * STRIDE + i] = sine


@compiled
def ratios_block(work: Floats, single: Any, chi: Floats) -> None:
    """The ratio w of the events of a block in single precision, in the first row of single."""
    f = np.float32
    for i in range(BLOCK):
        x = chi[i] * chi[i] * work[_UNIT * STRIDE + i]
        work[_X * STRIDE + i] = x
        single[STRIDE + i] = f(work[_R * STRIDE + i])
        single[2 * STRIDE + i] = f(work[_S * STRIDE + i])
        single[3 * STRIDE + i] = f(work[_ZA * STRIDE + i])
        single[4 * STRIDE + i] = f(work[_ZB * STRIDE + i])
        single[5 * STRIDE + i] = f(work[_KK * STRIDE + i])
        single[6 * STRIDE + i] = f(work[_E * STRIDE + i])
        single[7 * STRIDE + i] = f(x)
    for i in range(BLOCK):
        single[i] = _start(
            single[STRIDE + i],
            single[2 * STRIDE + i],
            single[3 * STRIDE + i],
            single[4 * STRIDE + i],
            single[6 * STRIDE + i],
            single[7 * STRIDE + i],
        )
    # One step in each pass: the passes of different events overlap in the processor.
    for _ in range(_SINGLE_STEPS):
        for i in range(BLOCK):
            single[i] = _step(
                single[i],
                single[STRIDE + i],
                single[2 * STRIDE + i],
                single[3 * STRIDE + i],
                single[4 * STRIDE + i],
                single[5 * STRIDE + i],
                single[6 * STRIDE + i],
                single[7 * STRIDE + i],
            )


@compiled
def solve_block(work: Floats, single: Any, chi: Floats, size: int, out: Floats) -> int:
    """M_T2^2 - chi^2 of the events of a block, NaN where the search must decide; 0 if that is nowhere."""
    ratios_block(work, single, chi)
    missing = 0
    for i in range(BLOCK):
        r, s = work[_R * STRIDE + i], work[_S * STRIDE + i]
        za, zb = work[_ZA * STRIDE + i], work[_ZB * STRIDE + i]
        x, sine = work[_X * STRIDE + i], work[_SINE * STRIDE + i]
        kk, e = work[_KK * STRIDE + i], work[_E * STRIDE + i]
        k, gain, _new, _f = _evaluate(np.float64(single[i]), r, s, za, zb, kk, e, x, False)
        excess = 2.0 * work[_CROSS * STRIDE + i] * (k + k * gain)
        zero = (x == 0.0) & _certainly_zero(za, zb, sine)
        reliable = _reliable(r, s, work[_UNIT * STRIDE + i], sine)
        settled = abs(gain) < _NEGLIGIBLE
        excess = 0.0 if zero else excess
        found = (settled | zero) & reliable
        out[i] = excess if found else math.nan
        missing += not found
    if missing == 0:
        return 0
    missing = 0
    for i in range(size):
        if math.isnan(out[i]) and _reliable(
            work[_R * STRIDE + i], work[_S * STRIDE + i], work[_UNIT * STRIDE + i], work[_SINE * STRIDE + i]
        ):
            shape = (
                work[_R * STRIDE + i],
                work[_S * STRIDE + i],
                work[_ZA * STRIDE + i],
                work[_ZB * STRIDE + i],
                work[_KK * STRIDE + i],
                work[_E * STRIDE + i],
            )
            best = _refined(np.float64(single[i]), shape, work[_X * STRIDE + i])
            out[i] = 2.0 * work[_CROSS * STRIDE + i] * best
        missing += math.isnan(out[i])
    return missing
