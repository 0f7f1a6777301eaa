"""Fixtures of the observables' tests."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

if TYPE_CHECKING:
    from collections.abc import Callable


def _two_body(parent, mass, m_a, m_b, rng):
    """Isotropic decay of parents (n, 4) into a and b, as (n, 4) each."""
    n = len(parent)
    energy = (mass**2 + m_a**2 - m_b**2) / (2 * mass)
    momentum = np.sqrt(energy**2 - m_a**2)
    cos, phi = rng.uniform(-1, 1, n), rng.uniform(0, 2 * np.pi, n)
    sin = np.sqrt(1 - cos**2)
    a = np.stack([sin * np.cos(phi), sin * np.sin(phi), cos], axis=1) * momentum
    rest = np.column_stack([np.full(n, energy), a])
    other = np.column_stack([np.full(n, mass - energy), -a])
    beta = parent[:, 1:] / parent[:, :1]
    gamma = parent[:, 0] / mass

    def boost(v):
        along = (beta * v[:, 1:]).sum(axis=1)
        factor = gamma**2 / (gamma + 1) * along + gamma * v[:, 0]
        return np.column_stack([gamma * (v[:, 0] + along), v[:, 1:] + factor[:, None] * beta])

    return boost(rest), boost(other)


@pytest.fixture(scope="session")
def cascade_decays() -> Callable[..., np.ndarray]:
    """Function of (number of events, spectrum, seed, muon mass): X -> p1 Y, Y -> p2 Z, Z -> p3 chi.

    It returns an array (12, n): pt, eta, phi and mass of p1, p2 and p3.
    """

    def generate(n, spectrum, seed, m_mu=0.0):
        rng = np.random.default_rng(seed)
        m_x, m_y, m_z, m_chi = spectrum
        p = rng.normal(0, [0.3 * m_x, 0.3 * m_x, m_x], (n, 3))
        parent = np.column_stack([np.sqrt((p**2).sum(axis=1) + m_x**2), p])
        p1, parent = _two_body(parent, m_x, m_mu, m_y, rng)
        p2, parent = _two_body(parent, m_y, m_mu, m_z, rng)
        p3, _ = _two_body(parent, m_z, 0.0, m_chi, rng)
        rows = []
        for p, mass in ((p1, m_mu), (p2, m_mu), (p3, 0.0)):
            pt = np.hypot(p[:, 1], p[:, 2])
            rows += [pt, np.arcsinh(p[:, 3] / pt), np.arctan2(p[:, 2], p[:, 1]), np.full(n, mass)]
        return np.array(rows)

    return generate
