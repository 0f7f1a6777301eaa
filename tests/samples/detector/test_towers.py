"""Cells of the hadron calorimeter: what is left after the tracks, what the tracks become, and what is not touched."""

from __future__ import annotations

import copy

import numpy as np
import pytest
from scipy import optimize, stats

from massgap.samples.detector.card import load_card
from massgap.samples.detector.draws import EventRandom
from massgap.samples.detector.response import reconstruct
from massgap.samples.errors import CardError

N = 20_000
PION = 0.13957


@pytest.fixture(scope="module")
def card():
    """Tracks of hadrons are found always, and measured with almost no error."""
    card = copy.deepcopy(load_card("cms-towers"))
    del card["field"]
    card["tracking"]["hadron"]["values"] = [[1.0, 1.0], [1.0, 1.0]]
    card["momentum"]["hadron"] |= {"constant": [1e-6] * 3, "slope": [0.0] * 3}
    return card


def simulate(record, card, first=0):
    rows = record.visible
    columns = {
        name: getattr(record, name)[rows] for name in ("pdg", "charge", "px", "py", "pz", "energy", "mass")
    }
    draws = EventRandom(1, first_event=first).objects("particle", record.event[rows])
    return reconstruct(record.event[rows], **columns, card=card, draws=draws)


def hadrons(guns, *particles, n=N):
    """Events of some hadrons each: PDG number, energy at eta 0.3, and distance in phi from the middle of a cell."""
    pdg, energy, shift = (np.tile(values, n) for values in zip(*particles, strict=True))
    phi = -np.pi + 0.087 * 20.5 + shift
    mass = np.where(np.abs(pdg) == 211, PION, 0.4976)
    pt = np.sqrt(energy**2 - mass**2) / np.cosh(0.3)
    return guns.record_of(n, np.repeat(np.arange(n), len(particles)), pdg, 1, -1, pt, 0.3, phi, mass)


def test_the_excess_of_a_single_track_has_the_calorimeters_distribution(guns, card):
    energy = 50.0
    seen = simulate(hadrons(guns, (211, energy, 0.0)), card)
    tracks, neutral = seen.take(np.abs(seen.pdg) == 211), seen.take(seen.pdg == 130)
    sigma = np.hypot(0.05 * energy, 1.5 * np.sqrt(energy)) / energy
    shape = stats.lognorm(np.sqrt(np.log1p(sigma**2)), scale=1 / np.sqrt(1 + sigma**2))
    assert len(tracks.pt) == N
    # a fluctuation of more than one standard deviation of what is measured is a neutral hadron
    edge = optimize.brentq(lambda m: m - 1 - np.hypot(0.05 * m, 1.5 * np.sqrt(m / energy)), 1.0, 3.0)
    expected = shape.sf(edge)
    assert abs(len(neutral.pt) / N - expected) < 4 * np.sqrt(expected * (1 - expected) / N)
    excess = 1 + neutral.pt * np.cosh(neutral.eta) / energy
    assert stats.kstest(excess, lambda x: 1 - shape.sf(x) / expected).pvalue > 1e-3
    # the others leave the track, which is measured far better, as it is
    assert tracks.pt * np.cosh(0.3) == pytest.approx(np.full(N, np.sqrt(energy**2 - PION**2)), rel=1e-4)
    assert (neutral.event[:, None] == tracks.event[None, neutral.event]).any(axis=1).all()


def test_tracks_and_calorimeter_are_combined_by_their_errors(guns, card):
    card = copy.deepcopy(card)
    card["momentum"]["hadron"]["constant"] = [0.15, 0.15, 0.15]
    energy = 100.0
    seen = simulate(hadrons(guns, (211, energy, 0.0)), card)
    measured = seen.pt[np.abs(seen.pdg) == 211] * np.cosh(0.3) / energy
    alone = np.ones(N, dtype=bool)
    alone[seen.event[seen.pdg == 130]] = False
    sigma = np.hypot(0.05 * energy, 1.5 * np.sqrt(energy)) / energy
    # of two estimates with these errors the weighted mean is narrower than either; the excess is cut off above
    both = sigma * 0.15 / np.hypot(sigma, 0.15)
    assert measured[alone].std() == pytest.approx(both, rel=0.15)


def test_neutral_hadrons_under_a_track_are_what_is_left_of_the_cell(guns, card):
    under = simulate(hadrons(guns, (211, 20.0, 0.0), (130, 100.0, 0.02)), card)
    beside = simulate(hadrons(guns, (211, 20.0, 0.0), (130, 100.0, 0.087)), card)
    for seen in (under, beside):
        neutral = seen.take(seen.pdg == 130)
        # the neutral hadron is found (almost) always, once, with its mean energy
        assert len(neutral.pt) == pytest.approx(N, rel=0.2)
        assert len(np.unique(neutral.event)) >= 0.95 * N
    lone = under.take(under.pdg == 130)
    assert len(np.unique(lone.event)) == len(lone.event)
    assert lone.pt.mean() * np.cosh(0.3) == pytest.approx(100.0, rel=0.02)
    # it is where the track is, since that is all that is known
    assert np.ptp(lone.phi) == pytest.approx(0.0, abs=1e-9)


def test_what_does_not_share_a_cell_is_as_without_cells(guns, card):
    plain = copy.deepcopy(card)
    del plain["calorimeter"]["towers"]
    open_ = copy.deepcopy(card)
    open_["calorimeter"]["towers"]["significance"] = [0.0, 0.0]
    crowd = guns.crowd(200)
    crowd.pdg[np.abs(crowd.charge) > 0] = np.where(np.abs(crowd.pdg) > 100, 22, crowd.pdg)[
        np.abs(crowd.charge) > 0
    ]
    first, second = simulate(crowd, plain), simulate(crowd, open_)
    for name in ("event", "pdg", "pt", "eta", "phi"):
        assert getattr(first, name).tolist() == getattr(second, name).tolist()
    # soft deposits below the significance are lost, and nothing else
    third = simulate(crowd, card)
    assert 0 < len(third.pt) < len(first.pt)
    assert set(third.index) < set(first.index)


def test_a_batch_may_be_cut_anywhere(guns):
    card, crowd = load_card("cms-towers"), guns.crowd(40)
    whole = simulate(crowd, card)
    late = crowd.select(np.arange(40) >= 17)
    part, rest = simulate(late, card, first=17), whole.take(whole.event >= 17)
    assert part.pt.tolist() == rest.pt.tolist()
    assert part.pdg.tolist() == rest.pdg.tolist()
    assert (np.diff(whole.event) >= 0).all()


def test_cards_stand_on_others(tmp_path):
    own = tmp_path / "own.toml"
    own.write_text('base = "cms-towers"\nname = "own"\n[met]\nsoft_sigma = 7.0\n')
    card, below = load_card(own), load_card("cms")
    assert card["met"] == {**below["met"], "soft_sigma": 7.0}
    assert card["calorimeter"]["towers"] == load_card("cms-towers")["calorimeter"]["towers"]
    assert "towers" not in below["calorimeter"]
    assert card["muon"] == below["muon"]
    for text, words in (
        (f'base = "{own}"', "is based on itself: name another card"),
        ("base = 3", "must be the name or path of a card, not 3"),
        ('base = "nowhere"', "nowhere does not exist"),
        ('base = "cms-towers"\n[calorimeter.towers]\nsignificance = [1.0]', "must have 2 entries"),
        ('base = "cms-towers"\n[calorimeter.towers]\ncell = [0.1]', "must have 2 entries"),
    ):
        own.write_text(text)
        with pytest.raises(CardError, match=words):
            load_card(own)
