"""Make data/mt2_mpmath.json: M_T2 of a few hundred nasty configurations in 50-digit arithmetic.

Independent of the package: the definition is minimised directly, max(m_T1^2, m_T2^2) over the plane of
splittings.  The function is convex, so that two nested golden-section searches find its minimum; the
coordinates are q = S sinh(u), which reaches splittings far outside the scale S of the input.

Run as ``python tests/selections/observables/mt2/make_mt2_reference.py`` (about ten minutes on two cores; needs mpmath).
"""

from __future__ import annotations

import json
import math
import multiprocessing
import random
from pathlib import Path

NAMES = ("m1", "px1", "py1", "m2", "px2", "py2", "pxmiss", "pymiss", "chi1", "chi2")
MUON = 0.1056583755


def vector(length: float, angle: float) -> tuple[float, float]:
    return length * math.cos(angle), length * math.sin(angle)


def cases() -> list[dict[str, object]]:
    rng = random.Random(20240)
    out: list[dict[str, object]] = []

    def add(kind: str, m1, p1, m2, p2, miss, chi1, chi2) -> None:
        out.append({"kind": kind, "in": dict(zip(NAMES, (m1, *p1, m2, *p2, *miss, chi1, chi2), strict=True))})

    def angle() -> float:
        return rng.uniform(-math.pi, math.pi)

    def log(low: float, high: float) -> float:
        return 10 ** rng.uniform(math.log10(low), math.log10(high))

    def pick(*values: float) -> float:
        return rng.choice(values)

    for _ in range(20):
        p1, p2, miss = (vector(rng.uniform(5, 500), angle()) for _ in range(3))
        add(
            "massive",
            rng.uniform(0, 200),
            p1,
            rng.uniform(0, 200),
            p2,
            miss,
            rng.uniform(0, 300),
            rng.uniform(0, 300),
        )
        add("massless, trial 0", 0.0, p1, 0.0, p2, miss, 0.0, 0.0)
        add("massless, trial 100", 0.0, p1, 0.0, p2, miss, 100.0, 100.0)
        add("muons, trial 0", MUON, p1, MUON, p2, miss, 0.0, 0.0)
        add("muons, trial 100", MUON, p1, MUON, p2, miss, 100.0, 100.0)
    for _ in range(60):
        p1, p2, miss = (vector(log(1e-3, 1e5), angle()) for _ in range(3))
        masses = [pick(0.0, log(1e-3, 1e5)) for _ in range(4)]
        add("any scales", masses[0], p1, masses[1], p2, miss, masses[2], masses[3])
    for _ in range(24):
        direction, small = angle(), log(1e-9, 1e-1)
        p1 = vector(rng.uniform(5, 500), direction)
        p2 = vector(rng.uniform(5, 500), direction + small)
        p3 = vector(rng.uniform(5, 500), direction + math.pi - small)
        miss = vector(rng.uniform(5, 500), angle())
        mass, chi = pick(0.0, 0.0, MUON, 10.0), pick(0.0, 1.0, 100.0)
        add("nearly parallel", mass, p1, mass, p2, miss, chi, chi)
        add("nearly antiparallel", mass, p1, mass, p3, miss, chi, chi)
    for _ in range(16):
        p1, p2 = (vector(rng.uniform(5, 500), angle()) for _ in range(2))
        share, small = rng.uniform(0, 3), pick(0.0, log(1e-8, 1e-2), -log(1e-8, 1e-2))
        miss = tuple(share * a + small * b for a, b in zip(p1, p2, strict=True))
        mass, chi = pick(0.0, MUON), pick(0.0, 0.0, 30.0)
        add("missing momentum along a lepton", mass, p1, mass, p2, miss, chi, chi)
        miss = tuple(-a - b for a, b in zip(p1, p2, strict=True))
        add("no recoil", pick(0.0, MUON, 50.0), p1, mass, p2, miss, pick(0.0, 80.0, 100.0), chi)
        add("zero missing momentum", pick(0.0, MUON, 50.0), p1, mass, p2, (0.0, 0.0), pick(0.0, 80.0), chi)
    for _ in range(16):
        p1, p2, miss = (vector(log(1, 1e5), angle()) for _ in range(3))
        add(
            "fast and light",
            log(1e-4, 1),
            p1,
            log(1e-4, 1),
            p2,
            miss,
            pick(0.0, log(1, 1e3)),
            pick(0.0, log(1, 1e3)),
        )
        add(
            "one leg at rest",
            log(1, 100),
            (0.0, 0.0),
            pick(0.0, MUON, 20.0),
            p2,
            miss,
            pick(0.0, 50.0),
            pick(0.0, 50.0),
        )
        add("heavy trial", 0.0, vector(log(1e-3, 10), angle()), pick(0.0, MUON), vector(log(1e-3, 10), angle()),
            vector(log(1e-3, 10), angle()), 1e4, pick(0.0, 1e4))  # fmt: skip
    for _ in range(12):
        # Around the border of the unbalanced region, where M_T2 leaves its lower bound.
        m1, chi1, p1 = rng.uniform(50, 200), rng.uniform(20, 100), vector(rng.uniform(5, 200), angle())
        m2, chi2, p2 = pick(0.0, MUON, 5.0), pick(0.0, 5.0), vector(rng.uniform(5, 100), angle())
        q2 = vector(rng.uniform(50, 400), angle())
        miss = tuple(chi1 / m1 * a + b for a, b in zip(p1, q2, strict=True))
        add("border of unbalanced", m1, p1, m2, p2, miss, chi1, chi2)
    for index, case in enumerate(out):
        case["id"] = f"mt2-mpmath-{index:04d}"
    return out


def solve(case: dict[str, object]) -> dict[str, object]:
    import mpmath as mp

    mp.mp.dps = 45
    m1, x1, y1, m2, x2, y2, px, py, chi1, chi2 = (mp.mpf(case["in"][name]) for name in NAMES)
    scale = max(abs(v) for v in (m1, x1, y1, m2, x2, y2, px, py, chi1, chi2))
    energy1, energy2 = mp.sqrt(m1**2 + x1**2 + y1**2), mp.sqrt(m2**2 + x2**2 + y2**2)
    low1, low2, sq1, sq2 = m1**2 + chi1**2, m2**2 + chi2**2, chi1**2, chi2**2
    sqrt, sinh = mp.sqrt, mp.sinh

    def worst(qx, qy):
        rx, ry = px - qx, py - qy
        t1 = low1 + 2 * (energy1 * sqrt(sq1 + qx * qx + qy * qy) - x1 * qx - y1 * qy)
        t2 = low2 + 2 * (energy2 * sqrt(sq2 + rx * rx + ry * ry) - x2 * rx - y2 * ry)
        return max(t1, t2)

    ratio = (sqrt(mp.mpf(5)) - 1) / 2

    def golden(function, low, high, width):
        a, b = low, high
        c, d = b - ratio * (b - a), a + ratio * (b - a)
        fc, fd = function(c), function(d)
        while b - a > width:
            if fc < fd:
                b, d, fd = d, c, fc
                c = b - ratio * (b - a)
                fc = function(c)
            else:
                a, c, fc = c, d, fd
                d = a + ratio * (b - a)
                fd = function(d)
        return min(fc, fd)

    reach, width = mp.mpf(30), mp.mpf(10) ** -24

    def best_over_y(u):
        qx = scale * sinh(u)
        return golden(lambda v: worst(qx, scale * sinh(v)), -reach, reach, width)

    squared = golden(best_over_y, -reach, reach, width)
    bound = max(m1 + chi1, m2 + chi2)
    value = mp.sqrt(max(squared, bound**2))
    return {**case, "mt2": float(value), "lower_bound": float(bound)}


def main() -> None:
    with multiprocessing.Pool(2) as pool:
        solved = pool.map(solve, cases(), chunksize=4)
    target = Path(__file__).parent / "data" / "mt2_mpmath.json"
    lines = ",\n".join(json.dumps(case) for case in solved)
    target.write_text(f"[\n{lines}\n]\n")


if __name__ == "__main__":
    main()
