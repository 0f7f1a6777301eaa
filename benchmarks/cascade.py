"""The observables of the cascade-decays analysis against the plain NumPy and vector ways."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from benchmarks.measure import Effort, Row, cost, ratio
from massgap.arrays import PerEvent
from massgap.models.measures.decision_ordering import decision_ordering
from massgap.models.measures.ensembles import ensemble_score
from massgap.selections.cascade.features import cascade_features
from massgap.selections.cascade.spectrum import TESTING_SPECTRUM, TRUTH_SPECTRUM
from massgap.selections.observables.cascades.delta4 import delta4
from massgap.selections.observables.cascades.delta4_noise import delta4_noise

if TYPE_CHECKING:
    from collections.abc import Iterator

GROUP = "Cascade"


def _decay(parent: Any, mass: float, m_a: float, m_b: float, rng: np.random.Generator) -> tuple[Any, Any]:
    """Isotropic decay of parents (n, 4)."""
    n = len(parent)
    energy = (mass**2 + m_a**2 - m_b**2) / (2 * mass)
    cos, phi = rng.uniform(-1, 1, n), rng.uniform(0, 2 * np.pi, n)
    sin = np.sqrt(1 - cos**2)
    a = np.sqrt(energy**2 - m_a**2) * np.stack([sin * np.cos(phi), sin * np.sin(phi), cos], axis=1)
    beta, gamma = parent[:, 1:] / parent[:, :1], parent[:, 0] / mass

    def boost(e: float, p: Any) -> Any:
        along = (beta * p).sum(axis=1)
        factor = gamma**2 / (gamma + 1) * along + gamma * e
        return np.column_stack([gamma * (e + along), p + factor[:, None] * beta])

    return boost(energy, a), boost(mass - energy, -a)


def signal(n: int, seed: int) -> list[PerEvent]:
    """mu, mu and photon of decays with the truth spectrum, boosted as at the LHC."""
    rng = np.random.default_rng(seed)
    m_x, m_y, m_z, m_chi = TRUTH_SPECTRUM
    p = rng.normal(0, [100, 100, 400], (n, 3))
    parent = np.column_stack([np.sqrt((p**2).sum(axis=1) + m_x**2), p])
    muon = 0.1056583755
    first, parent = _decay(parent, m_x, muon, m_y, rng)
    second, parent = _decay(parent, m_y, muon, m_z, rng)
    photon, _ = _decay(parent, m_z, 0.0, m_chi, rng)
    objects = []
    for p, mass in ((first, muon), (second, muon), (photon, 0.0)):
        pt = np.hypot(p[:, 1], p[:, 2])
        objects.append(
            PerEvent(
                {
                    "pt": pt,
                    "eta": np.arcsinh(p[:, 3] / pt),
                    "phi": np.arctan2(p[:, 2], p[:, 1]),
                    "mass": np.full(n, mass),
                }
            )
        )
    return objects


def numpy_delta4(p1: Any, p2: Any, p3: Any, spectrum: Any) -> Any:
    """Minus the determinant of the 4 x 4 matrix of scalar products, as one writes it with NumPy."""
    momenta = []
    for leg in (p1, p2, p3):
        x, y, z = leg.pt * np.cos(leg.phi), leg.pt * np.sin(leg.phi), leg.pt * np.sinh(leg.eta)
        momenta.append((np.sqrt(x**2 + y**2 + z**2 + leg.mass**2), x, y, z))
    gram = np.empty((len(p1.pt), 4, 4))
    for i, a in enumerate(momenta):
        for j, b in enumerate(momenta):
            gram[:, i, j] = a[0] * b[0] - a[1] * b[1] - a[2] * b[2] - a[3] * b[3]
    m_x, m_y, m_z, m_chi = spectrum
    gram[:, 2, 3] = (m_z**2 - m_chi**2 - p3.mass**2) / 2
    gram[:, 1, 3] = (m_y**2 - m_z**2 - p2.mass**2) / 2 - gram[:, 1, 2]
    gram[:, 0, 3] = (m_x**2 - m_y**2 - p1.mass**2) / 2 - gram[:, 0, 1] - gram[:, 0, 2]
    gram[:, 3, :3] = gram[:, :3, 3]
    gram[:, 3, 3] = m_chi**2
    return -np.linalg.det(gram)


def vector_features(plus: Any, minus: Any, photon: Any, spectrum: Any) -> dict[str, Any]:
    """The features with the behaviours of vector, one expression each."""
    import vector

    mu1, mu2, gamma = (
        vector.array({"pt": p.pt, "eta": p.eta, "phi": p.phi, "mass": p.mass}) for p in (plus, minus, photon)
    )
    return {
        "pt_plus": mu1.pt,
        "pt_minus": mu2.pt,
        "pt_gamma": gamma.pt,
        "met": (mu1 + mu2 + gamma).pt,
        "m_mumu": (mu1 + mu2).mass,
        "dr_mumu": mu1.deltaR(mu2),
        "m_plus_gamma": (mu1 + gamma).mass,
        "dr_plus_gamma": mu1.deltaR(gamma),
        "m_minus_gamma": (mu2 + gamma).mass,
        "dr_minus_gamma": mu2.deltaR(gamma),
        "m_mumugamma": (mu1 + mu2 + gamma).mass,
        "delta4_pm": numpy_delta4(plus, minus, photon, spectrum),
        "delta4_mp": numpy_delta4(minus, plus, photon, spectrum),
    }


def numpy_ordering(f_a: Any, g_a: Any, f_b: Any, g_b: Any) -> float:
    """Average decision ordering from all pairs."""
    product = (f_a[:, None] - f_b) * (g_a[:, None] - g_b)
    return float(np.mean(np.heaviside(product, 0.5)))


def _same(name: str, ours: Any, theirs: Any, allowed: Any) -> None:
    excess = np.abs(np.asarray(ours) - np.asarray(theirs)) - allowed
    if not np.all(excess <= 0):
        msg = f"{name}: the two ways differ by {np.nanmax(excess):g} more than allowed"
        raise AssertionError(msg)


def rows(effort: Effort) -> Iterator[Row]:
    """The lines of the table.

    Parameters
    ----------
    effort
        How many events and rounds.

    Yields
    ------
    Row
    """
    n, rounds = effort.of(100_000, 20_000, 2_000), effort.rounds()
    plus, minus, photon = signal(n, 1)
    spectrum = TESTING_SPECTRUM
    momenta = [leg[name] for leg in (plus, minus, photon) for name in ("pt", "eta", "phi", "mass")]
    inputs = (*momenta, *spectrum)
    allowed = 1e5 * delta4_noise(*inputs)
    detail = f"{n} signal events with muon mass"

    _same("Delta_4", delta4(*inputs), numpy_delta4(plus, minus, photon, spectrum), allowed)
    yield Row(
        GROUP,
        "Delta_4 against np.linalg.det",
        ratio(lambda: delta4(*inputs), lambda: numpy_delta4(plus, minus, photon, spectrum), rounds=rounds),
        detail=f"{detail}; ours within 2e-11 of 200 digits, the two agree to 1e5 times the noise of the input",
    )
    truth = (*momenta, *TRUTH_SPECTRUM)
    yield Row(
        GROUP,
        "Delta_4 of events at the boundary of phase space",
        cost(lambda: delta4(*truth), rounds=rounds, scale=1e9 / n),
        "ns per event",
        detail=f"{detail}, right spectrum: a tenth of them is done again with twice the digits",
    )

    ours = cascade_features(plus, minus, photon, spectrum)
    theirs = vector_features(plus, minus, photon, spectrum)
    for name, values in theirs.items():
        _same(
            name,
            ours[name],
            values,
            allowed * 10 if name.startswith("delta4") else 1e-6 * (1 + np.abs(values)),
        )
    yield Row(
        GROUP,
        "13 features against vector and np.linalg.det",
        ratio(
            lambda: cascade_features(plus, minus, photon, spectrum),
            lambda: vector_features(plus, minus, photon, spectrum),
            rounds=rounds,
        ),
        detail=f"{detail}; agree to 1e-6, Delta_4 to 1e6 times the noise of the input",
    )

    rng = np.random.default_rng(2)
    m = effort.of(3_000, 1_000, 200)
    pairs = rng.normal(size=(4, m)).round(2)
    _same("decision ordering", decision_ordering(*pairs).ado, numpy_ordering(*pairs), 1e-12)
    yield Row(
        GROUP,
        "Decision ordering against all pairs in NumPy",
        ratio(lambda: decision_ordering(*pairs), lambda: numpy_ordering(*pairs), rounds=rounds),
        detail=f"{m} events per class, with ties; agree to 1e-12; ours grows as n log n, all pairs as n^2",
    )
    large = rng.normal(size=(4, effort.of(500_000, 20_000, 2_000)))
    yield Row(
        GROUP,
        "Decision ordering of large classes",
        cost(lambda: decision_ordering(*large), rounds=min(rounds, 5), scale=1e9 / large[:2].size),
        "ns per event",
        detail=f"{large.shape[1]} events per class, all pairs counted",
    )

    y = rng.uniform(0.3, 0.7, (200, 1_000))

    def numpy_scores() -> Any:
        return 1.0 / (1.0 + np.exp(-(np.log(y) - np.log1p(-y)).sum(axis=-1)))

    _same("ensemble score", ensemble_score(y).score, numpy_scores(), 1e-12)
    yield Row(
        GROUP,
        "Scores of ensembles against NumPy",
        ratio(lambda: ensemble_score(y), numpy_scores, rounds=rounds),
        detail="200 ensembles of 1000 events; agree to 1e-12",
    )
