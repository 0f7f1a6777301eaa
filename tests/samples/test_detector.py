"""Detector closure: efficiencies and resolutions measured on toy particles equal the card's."""

from __future__ import annotations

import math

import numpy as np
import pytest

from massgap.samples.detector import (
    binned,
    btag_efficiency,
    energy_resolution,
    load_card,
    lognormal,
    nearest,
    pairs,
    reconstruct,
    relative_isolation,
)
from massgap.samples.errors import CardError

N = 40_000


@pytest.fixture(scope="module")
def card():
    return load_card("cms")


def shoot(card, pdg, charge, pt, eta, seed=1):
    """N equal particles, one per event."""
    rng = np.random.default_rng(seed)
    phi = rng.uniform(-np.pi, np.pi, N)
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), np.full(N, pt * math.sinh(eta))
    return reconstruct(
        np.arange(N),
        np.full(N, pdg),
        np.full(N, charge),
        px,
        py,
        pz,
        np.full(N, pt * math.cosh(eta)),
        card,
        rng,
    )


# efficiency and relative resolution, worked out by hand from the numbers in the card
@pytest.mark.parametrize(
    ("pdg", "charge", "pt", "eta", "efficiency", "resolution"),
    [
        (13, -1.0, 40.0, 0.3, 0.99, math.hypot(0.01, 1.0e-4 * 40)),
        (13, -1.0, 200.0, 2.0, 0.98, math.hypot(0.025, 3.5e-4 * 200)),
        (-13, 1.0, 2000.0, 0.3, 0.99 * math.exp(-0.5), math.hypot(0.01, 1.0e-4 * 2000)),
        (13, -1.0, 40.0, 2.7, 0.0, None),
        (22, 0.0, 50.0, 0.0, 1.0, math.sqrt(0.008**2 * 50**2 + 0.11**2 * 50 + 0.4**2) / 50),
        (130, 0.0, 100.0, 0.0, 1.0, math.sqrt(0.05**2 * 100**2 + 1.5**2 * 100) / 100),
        (310, 0.0, 100.0, 0.0, 1.0, None),
        (12, 0.0, 50.0, 0.0, 0.0, None),
        (1000022, 0.0, 50.0, 0.0, 0.0, None),
    ],
)
def test_efficiency_and_resolution_close(card, pdg, charge, pt, eta, efficiency, resolution):
    seen = shoot(card, pdg, charge, pt, eta)
    error = math.sqrt(max(efficiency * (1 - efficiency), 1e-9) / N)
    assert len(seen.pt) / N == pytest.approx(efficiency, abs=5 * error)
    if resolution is not None:
        ratio = seen.pt / pt
        assert ratio.mean() == pytest.approx(1.0, abs=5 * resolution / math.sqrt(len(ratio)))
        assert ratio.std() == pytest.approx(resolution, rel=0.03)
    if len(seen.pt):
        assert seen.eta == pytest.approx(eta)


def test_charged_hadrons_take_the_better_of_track_and_calorimeter(card):
    seen = shoot(card, 211, 1.0, 20.0, 0.2)
    assert seen.track.mean() == pytest.approx(0.95, abs=0.006)
    assert set(seen.pdg) == {211, 130}
    track = math.hypot(0.06, 1.3e-3 * 20)
    energy = 20 * math.cosh(0.2)
    calorimeter = math.sqrt(0.05**2 * energy**2 + 1.5**2 * energy) / energy
    assert track < calorimeter
    assert (seen.pt[seen.track] / 20).std() == pytest.approx(track, rel=0.03)
    assert (seen.pt[~seen.track] / 20).std() == pytest.approx(calorimeter, rel=0.06)


def test_an_electron_without_track_becomes_a_photon(card):
    seen = shoot(card, 11, -1.0, 50.0, 0.2)
    assert set(seen.pdg) == {11, 22}
    assert (seen.pdg == 11).mean() == pytest.approx(0.95, abs=0.006)
    assert not seen.track[seen.pdg == 22].any()


def test_soft_hadrons_keep_their_mean_energy(card):
    # sigma exceeds the energy here: a clipped Gaussian would be biased by 20 %
    rng = np.random.default_rng(3)
    found = lognormal(np.full(400_000, 2.0), np.full(400_000, 2.2), rng)
    assert (found > 0).all()
    assert found.mean() == pytest.approx(2.0, rel=0.01)
    assert found.std() == pytest.approx(2.2, rel=0.05)


def test_binned_edges(card):
    table = card["tracking"]["hadron"]
    pt = np.array([0.05, 0.1, 0.99, 1.0, 500.0, 5.0, 5.0])
    eta = np.array([0.0, 0.0, 1.6, -1.4, 1.5, 2.5, -2.49])
    assert binned(table, pt, eta).tolist() == [0.0, 0.70, 0.60, 0.95, 0.85, 0.0, 0.85]


def test_forward_calorimeter(card):
    found = energy_resolution(card["calorimeter"]["ecal"], np.array([100.0]), np.array([-3.0]))
    assert found == pytest.approx(math.sqrt(0.107**2 * 100**2 + 2.08**2 * 100))


@pytest.mark.parametrize(
    ("flavour", "expected"),
    [
        (5, 0.85 * math.tanh(0.0025 * 100) * 25 / (1 + 0.063 * 100)),
        (4, 0.25 * math.tanh(0.018 * 100) / (1 + 0.0013 * 100)),
        (0, 0.01 + 3.8e-5 * 100),
    ],
)
def test_btag_efficiency(card, flavour, expected):
    found = btag_efficiency(np.array([flavour] * 2), np.array([100.0, 100.0]), np.array([1.0, 2.6]), card)
    assert found.tolist() == pytest.approx([expected, 0.0])


def test_isolation_counts_the_cone_but_not_the_object_itself(card):
    muon = [0, 13, -1.0, 50.0, 0.0, 0.0]
    rows = [
        muon,
        [0, 22, 0.0, 10.0, 0.3, 0.0],  # in the cone
        [0, 22, 0.0, 20.0, 0.0, 2 * math.pi - 0.2],  # in the cone across phi = pi
        [0, 22, 0.0, 30.0, 0.5, 0.0],  # outside
        [0, 22, 0.0, 0.4, 0.1, 0.0],  # too soft
        [1, 22, 0.0, 40.0, 0.0, 0.0],  # another event
    ]
    event, pdg, charge, pt, eta, phi = map(np.array, zip(*rows, strict=True))
    perfect = {
        **card,
        "tracking": {
            key: {**table, "values": np.ones_like(np.array(table["values"])).tolist()}
            for key, table in card["tracking"].items()
        },
    }
    seen = reconstruct(
        event,
        pdg,
        charge,
        pt * np.cos(phi),
        pt * np.sin(phi),
        pt * np.sinh(eta),
        pt * np.cosh(eta),
        perfect,
        np.random.default_rng(0),
    )
    lepton = seen.take(np.flatnonzero(np.abs(seen.pdg) == 13))
    near = np.isin(seen.index, (1, 2))
    expected = seen.pt[near].sum() / lepton.pt[0]
    assert relative_isolation(lepton, seen, 2, 0.4, 0.5) == pytest.approx([expected])


def test_pairs_equal_a_loop():
    rng = np.random.default_rng(5)
    left, right = np.sort(rng.integers(0, 7, 12)), np.sort(rng.integers(0, 7, 9))
    expected = [(i, j) for i in range(12) for j in range(9) if left[i] == right[j]]
    assert list(zip(*map(list, pairs(left, right, 7)), strict=True)) == expected


def test_nearest_equals_a_loop():
    rng = np.random.default_rng(6)
    event, other = np.sort(rng.integers(0, 4, 10)), np.sort(rng.integers(0, 4, 6))
    eta, phi = rng.normal(size=10), rng.uniform(-3, 3, 10)
    eta2, phi2 = rng.normal(size=6), rng.uniform(-3, 3, 6)
    row, distance = nearest(event, eta, phi, other, eta2, phi2, 4)
    for i in range(10):
        found = {
            j: math.hypot(eta[i] - eta2[j], math.remainder(phi[i] - phi2[j], 2 * math.pi))
            for j in range(6)
            if other[j] == event[i]
        }
        best = min(found, key=found.__getitem__, default=-1)
        assert row[i] == best
        assert distance[i] == pytest.approx(found.get(best, math.inf))


def test_card_faults(tmp_path):
    with pytest.raises(CardError, match="give one of cms"):
        load_card("nothing")
    path = tmp_path / "my.toml"
    path.write_text("not toml")
    with pytest.raises(CardError, match=r"my\.toml cannot be read"):
        load_card(path)
    path.write_text("[tracking]\n")
    with pytest.raises(CardError, match=r"lacks the table \[momentum\]"):
        load_card(path)


def test_every_table_of_a_card_names_its_source(card):
    def tables(table, name):
        nested = [(f"{name}.{key}", value) for key, value in table.items() if isinstance(value, dict)]
        if any(not isinstance(value, dict) for value in table.values()):
            yield name, table
        for key, value in nested:
            yield from tables(value, key)

    for key in card:
        if isinstance(card[key], dict):
            for name, table in tables(card[key], key):
                assert table.get("source"), name
