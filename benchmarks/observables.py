"""Each observable of the package against the plain way a coffea user writes it: vector behaviours, NumPy, awkward."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure import Effort, Row, ratio

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator

GROUP = "Observables"
AGREEMENT = 1e-9


def rows(effort: Effort) -> Iterator[Row]:
    """Yield one line per observable and kind of array."""
    import awkward as ak

    n, rounds = effort.of(100_000, 20_000, 2_000), effort.rounds(7)
    rng = np.random.default_rng(11)
    flat = _objects(rng, n)
    yield from _lines(_pairs(flat), "flat", n, rounds)
    counts = rng.poisson(2.0, n // 2)
    many = _objects(rng, int(counts.sum()))
    jagged = {name: {key: ak.unflatten(x, counts) for key, x in one.items()} for name, one in many.items()}
    yield from _lines(_pairs(jagged, wanted=("m_ll", "delta R", "m_CT")), "jagged", len(counts), rounds)


def _objects(rng: np.random.Generator, n: int) -> dict[str, dict[str, Any]]:
    def one(scale: float, mass: float) -> dict[str, Any]:
        return {
            "pt": 10.0 + rng.exponential(scale, n),
            "eta": rng.normal(0.0, 1.1, n),
            "phi": rng.uniform(-np.pi, np.pi, n),
            "mass": np.full(n, mass),
        }

    return {
        "a": one(40.0, 0.1056583755),
        "b": one(25.0, 0.1056583755),
        "jet": one(60.0, 9.0),
        "met": one(50.0, 0.0),
    }


Pair = tuple[str, "Callable[[], Any]", "Callable[[], Any]"]


def _pairs(o: dict[str, dict[str, Any]], wanted: tuple[str, ...] | None = None) -> Iterator[Pair]:
    """Name, the package's function, and the plain way."""
    import vector

    from massgap.selections.observables import angles, transverse_sums
    from massgap.selections.observables.cos_theta_star import abs_cos_theta_star
    from massgap.selections.observables.ditau import ditau_mass_squared
    from massgap.selections.observables.four_vector_sum import four_vector_sum
    from massgap.selections.observables.invariant_mass import invariant_mass
    from massgap.selections.observables.mct import mct

    a, b, jet, met = o["a"], o["b"], o["jet"], o["met"]
    jagged = not isinstance(a["pt"], np.ndarray)
    make = vector.zip if jagged else vector.array

    def momenta() -> tuple[Any, Any]:
        return make(dict(a)), make(dict(b))

    four = (*a.values(), *b.values())

    def plain_sum() -> Any:
        p, q = momenta()
        total = p + q
        return total.mass, total.pt

    def our_sum() -> Any:
        total = four_vector_sum(*four)
        return total.mass, total.pt

    def plain_mct() -> Any:
        e1, e2 = (np.sqrt(x["mass"] ** 2 + x["pt"] ** 2) for x in (a, b))
        px = a["pt"] * np.cos(a["phi"]) - b["pt"] * np.cos(b["phi"])
        py = a["pt"] * np.sin(a["phi"]) - b["pt"] * np.sin(b["phi"])
        return np.sqrt((e1 + e2) ** 2 - px * px - py * py)

    def plain_ditau() -> Any:
        p, q = momenta()
        x1, y1 = a["pt"] * np.cos(a["phi"]), a["pt"] * np.sin(a["phi"])
        x2, y2 = b["pt"] * np.cos(b["phi"]), b["pt"] * np.sin(b["phi"])
        xj, yj = jet["pt"] * np.cos(jet["phi"]), jet["pt"] * np.sin(jet["phi"])
        cross = x1 * y2 - y1 * x2
        xi1, xi2 = (yj * x2 - xj * y2) / cross, (xj * y1 - yj * x1) / cross
        return (p + q).mass2 * xi1 * xi2

    def our_ditau() -> Any:
        return ditau_mass_squared(*four, jet["pt"], jet["phi"]).m2

    def plain_delta_r() -> Any:
        p, q = momenta()
        return p.deltaR(q)

    everything: tuple[Pair, ...] = (
        ("m_ll", lambda: invariant_mass(*four), lambda: plain_sum()[0]),
        ("sum of two four-vectors: mass and pT", our_sum, plain_sum),
        (
            "|delta phi|",
            lambda: angles.abs_delta_phi(a["phi"], met["phi"]),
            lambda: abs((a["phi"] - met["phi"] + np.pi) % (2 * np.pi) - np.pi),
        ),
        ("delta R", lambda: angles.delta_r(a["eta"], a["phi"], b["eta"], b["phi"]), plain_delta_r),
        (
            "|cos theta*|",
            lambda: abs_cos_theta_star(a["eta"], b["eta"]),
            lambda: abs(np.tanh((a["eta"] - b["eta"]) / 2)),
        ),
        (
            "tanh |delta eta|",
            lambda: angles.tanh_abs_delta_eta(a["eta"], jet["eta"]),
            lambda: np.tanh(abs(a["eta"] - jet["eta"])),
        ),
        ("m_CT", lambda: mct(a["pt"], a["phi"], a["mass"], b["pt"], b["phi"], b["mass"]), plain_mct),
        ("m_tautau^2 with the jet as recoil", our_ditau, plain_ditau),
        (
            "effective mass",
            lambda: transverse_sums.effective_mass(met["pt"], jet["pt"]),
            lambda: met["pt"] + jet["pt"],
        ),
    )
    return (pair for pair in everything if wanted is None or pair[0] in wanted)


def _lines(pairs: Iterator[Pair], kind: str, events: int, rounds: int) -> Iterator[Row]:
    for name, ours, plain in pairs:
        worst = _difference(ours(), plain())
        if worst > AGREEMENT:
            msg = f"{name}: the results differ by {worst:g} of their size"
            raise AssertionError(msg)
        yield Row(
            GROUP,
            f"{name}, {kind} arrays",
            ratio(ours, plain, rounds=rounds, least=0.05),
            detail=f"{events:,} events; results agree to {worst:.1g} of their size",
        )


def _difference(ours: Any, plain: Any) -> float:
    import awkward as ak

    pairs = zip(ours, plain, strict=True) if isinstance(ours, tuple) else ((ours, plain),)
    worst = 0.0
    for one, other in pairs:
        x, y = (
            np.asarray(ak.to_numpy(ak.flatten(value, axis=None)), dtype=np.float64) for value in (one, other)
        )
        # Differences of large numbers are rounded in proportion to what is subtracted.
        scale = np.maximum(np.abs(y), 1e-6 * np.abs(y).max())
        worst = max(worst, float((np.abs(x - y) / scale).max()))
    return worst
