"""Jets against a plain anti-kt algorithm, their members, and their flavour."""

from __future__ import annotations

import math

import numpy as np
import pytest

from massgap.samples.detector.jets import cluster, cluster_where_possible, hadron_flavour, jet_resolution

pytest.importorskip("fastjet")


def momenta(rng, n):
    axis = rng.integers(0, 2, n)
    pt = rng.exponential(8.0, n) + 0.2
    rapidity, phi = np.array([-0.7, 1.4])[axis] + rng.normal(0, 0.5, n), axis * 2.5 + rng.normal(0, 0.5, n)
    mass = rng.choice([0.0, 0.14], n)
    transverse = np.sqrt(pt**2 + mass**2)
    return pt * np.cos(phi), pt * np.sin(phi), transverse * np.sinh(rapidity), transverse * np.cosh(rapidity)


def anti_kt(px, py, pz, energy, radius):
    """The definition (Cacciari, Salam, Soyez 2008): combine the closest pair, or call a particle a jet."""
    alive = [((a, b, c, d), {k}) for k, (a, b, c, d) in enumerate(zip(px, py, pz, energy, strict=True))]
    jets = []
    while alive:
        kt2 = [p[0] ** 2 + p[1] ** 2 for p, _ in alive]
        rapidity = [0.5 * math.log((p[3] + p[2]) / (p[3] - p[2])) for p, _ in alive]
        phi = [math.atan2(p[1], p[0]) for p, _ in alive]
        best = min((1 / k, i, i) for i, k in enumerate(kt2))
        for i in range(len(alive)):
            for j in range(i):
                apart = (rapidity[i] - rapidity[j]) ** 2 + math.remainder(phi[i] - phi[j], 2 * math.pi) ** 2
                best = min(best, (apart / radius**2 / max(kt2[i], kt2[j]), i, j))
        _, i, j = best
        if i == j:
            jets.append(alive.pop(i))
        else:
            first, second = alive.pop(i), alive.pop(j)
            total = tuple(a + b for a, b in zip(first[0], second[0], strict=True))
            alive.append((total, first[1] | second[1]))
    return sorted(jets, key=lambda jet: -math.hypot(jet[0][0], jet[0][1]))


@pytest.mark.parametrize("radius", [0.4, 1.0])
def test_jets_are_those_of_the_definition(radius):
    rng = np.random.default_rng(1)
    sizes = [14, 0, 1, 25, 9]
    event = np.repeat(np.arange(5), sizes)
    px, py, pz, energy = momenta(rng, sum(sizes))
    jets = cluster(event, px, py, pz, energy, 5, radius, 5.0)
    for k in range(5):
        rows = np.flatnonzero(event == k)
        expected = [
            (p, members)
            for p, members in anti_kt(px[rows], py[rows], pz[rows], energy[rows], radius)
            if math.hypot(p[0], p[1]) > 5.0
        ]
        own = np.flatnonzero(jets["event"] == k)
        assert len(own) == len(expected)
        for row, (p, members) in zip(own, expected, strict=True):
            pt = math.hypot(p[0], p[1])
            assert jets["pt"][row] == pytest.approx(pt)
            assert jets["eta"][row] == pytest.approx(math.asinh(p[2] / pt))
            assert jets["phi"][row] == pytest.approx(math.atan2(p[1], p[0]))
            mass2 = max(p[3] ** 2 - p[0] ** 2 - p[1] ** 2 - p[2] ** 2, 0.0)
            assert jets["mass"][row] == pytest.approx(math.sqrt(mass2), abs=1e-4)
            assert set(np.flatnonzero(jets["member"] == row)) == {rows[m] for m in members}
            assert jets["n"][row] == len(members)
    assert (jets["member"] == -1).any()


def test_events_without_enough_momentum_change_nothing():
    rng = np.random.default_rng(2)
    event = np.repeat(np.arange(40), 6)
    px, py, pz, energy = momenta(rng, 240)
    clock: dict[str, float] = {}
    flow = {"event": event, "px": px, "py": py, "pz": pz, "energy": energy}
    flow["scalar_sum"] = np.bincount(event, np.hypot(px, py))
    assert 0 < np.sum(flow["scalar_sum"] > 40) < 40
    some = cluster_where_possible(flow, 40, 0.8, 40.0, clock=clock)
    everything = cluster(event, px, py, pz, energy, 40, 0.8, 40.0)
    assert len(everything["pt"]) > 3
    for key, values in everything.items():
        np.testing.assert_array_equal(some[key], values)
    assert clock["fastjet"] > 0


def test_no_particles_no_jets():
    nothing = np.zeros(0)
    jets = cluster(np.zeros(0, np.int64), nothing, nothing, nothing, nothing, 3, 0.4, 10.0)
    assert all(not len(values) for values in jets.values())


def test_flavour_is_that_of_the_heaviest_hadron_nearby(guns):
    rows = [
        # event, pdg, status, mother, pt, eta, phi
        (0, 511, -2, -1, 30.0, 0.1, 0.0),
        (0, 511, -2, 0, 29.0, 0.1, 0.0),  # a copy: the last one counts
        (0, 421, -2, 1, 20.0, 0.1, 0.1),  # charm from beauty
        (0, 421, -2, -1, 20.0, 1.0, 1.0),
        (0, 4122, -2, -1, 4.0, -1.0, 2.0),  # too soft
        (1, 553, -2, -1, 30.0, 0.0, 0.0),
        (1, 113, -2, -1, 30.0, 2.0, 0.0),
    ]
    record = guns.record_of(2, *(np.array(column) for column in zip(*rows, strict=True)))
    jets = {
        "event": np.array([0, 0, 0, 0, 1, 1, 1]),
        "eta": np.array([0.0, 1.1, -1.0, 2.0, 0.1, 2.0, 0.6]),
        "phi": np.array([0.1, 0.8, 2.0, -2.0, -0.2, 0.1, 0.0]),
        "pt": np.full(7, 40.0),
    }
    assert hadron_flavour(record, jets, 0.4, 5.0).tolist() == [5, 4, 0, 0, 5, 0, 0]


def test_jet_resolution_adds_in_quadrature():
    table = {"eta": [0.0, 2.0], "noise": [4.0], "stochastic": [0.6], "constant": [0.05], "scale": [1.0]}
    found = jet_resolution(table, np.array([25.0, 25.0, 25.0]), np.array([1.0, -1.0, 2.5]), 0.8)
    expected = math.sqrt((2 * 4.0 / 25) ** 2 + 0.6**2 / 25 + 0.05**2)
    assert found == pytest.approx([expected, expected, 0.0])
