"""The flat event record: batches of the generator, selection, ancestry, tau decays."""

from __future__ import annotations

import awkward as ak
import numpy as np
import pytest

from massgap.samples.record import (
    from_batch,
    invisible,
    last_copies,
    lepton_origin,
    nearest_ancestor,
    tau_decays,
)

# event, pdg, status, mother, pt, eta, phi
CHAIN = [
    (0, 23, -22, -1, 0.0, 0.0, 0.0),
    (0, 23, -44, 0, 20.0, 0.0, 0.0),
    (0, 15, -23, 1, 40.0, 0.5, 0.0),
    (0, -15, -23, 1, 40.0, -0.5, 3.0),
    (0, 15, -2, 2, 38.0, 0.5, 0.0),
    (0, 22, 1, 2, 2.0, 0.6, 0.0),
    (0, 16, 1, 4, 10.0, 0.5, 0.0),
    (0, -211, 1, 4, 12.0, 0.5, 0.0),
    (0, 111, -2, 4, 16.0, 0.5, 0.0),
    (0, 22, 1, 8, 9.0, 0.5, 0.0),
    (0, 22, 1, 8, 7.0, 0.5, 0.0),
    (0, -16, 1, 3, 10.0, -0.5, 3.0),
    (0, -13, 1, 3, 20.0, -0.5, 3.0),
    (0, 14, 1, 3, 10.0, -0.5, 3.0),
    (1, 511, -2, -1, 30.0, 0.0, 1.0),
    (1, 411, -2, 14, 20.0, 0.0, 1.0),
    (1, -13, 1, 15, 9.0, 0.0, 1.0),
    (1, 11, 1, 14, 9.0, 0.0, 1.0),
    (1, 111, -2, -1, 9.0, 0.0, 2.0),
    (1, 11, 1, 18, 9.0, 0.0, 2.0),
    (1, 13, 1, -1, 50.0, 0.0, -1.0),
]


@pytest.fixture(scope="module")
def record(guns):
    return guns.record_of(2, *(np.array(column) for column in zip(*CHAIN, strict=True)))


def test_ancestors(record):
    z, tau = record.pdg == 23, np.abs(record.pdg) == 15
    rows = np.array([9, 12, 5, 16, 1, 0])
    assert nearest_ancestor(record, rows, z).tolist() == [1, 1, 1, -1, 0, -1]
    assert nearest_ancestor(record, rows, tau).tolist() == [4, 3, 2, -1, -1, -1]
    assert last_copies(record, z | tau).tolist() == [1, 3, 4]


def test_origin_of_leptons_as_in_nanoaod(record):
    # from a tau, from charm in beauty, from beauty, from a light hadron, prompt
    assert lepton_origin(record, np.array([12, 16, 17, 19, 20])).tolist() == [15, 5, 5, 3, 1]


def test_nothing_comes_from_the_beams(guns):
    """Every particle descends from a beam proton: that does not make it a product of a hadron."""
    rows = [
        (0, 2212, -12, -1, 0.0, 0.0, 0.0),
        (0, 2, -21, 0, 0.0, 0.0, 0.0),
        (0, 23, -22, 1, 20.0, 0.0, 0.0),
        (0, -13, 1, 2, 40.0, 0.5, 0.0),
        (0, 15, -2, 2, 40.0, 0.5, 3.0),
        (0, 13, 1, 4, 20.0, 0.5, 3.0),
        (0, 511, -83, 1, 20.0, 0.5, 1.0),
        (0, 11, 1, 6, 9.0, 0.5, 1.0),
    ]
    beams = guns.record_of(1, *(np.array(column) for column in zip(*rows, strict=True)))
    assert beams.heaviest_quark.tolist() == [0, 0, 0, 0, 0, 0, 5, 0]
    assert lepton_origin(beams, np.array([3, 5, 7])).tolist() == [1, 15, 5]


def test_tau_decays(record):
    decays = tau_decays(record)
    assert decays["row"].tolist() == [3, 4]
    assert decays["hadronic"].tolist() == [False, True]
    # pi- and two photons, without the neutrino and without the photon before the decay
    assert decays["pt"][1] == pytest.approx(28.0)
    assert decays["eta"][1] == pytest.approx(0.5)
    assert decays["mass"][1] == pytest.approx(0.0, abs=1e-5)
    assert decays["prongs"].tolist() == [1.0, 1.0]
    assert decays["neutral"].tolist() == [0.0, 2.0]


def test_selection_renumbers_events_and_mothers(record):
    second = record.select(np.array([False, True]))
    assert second.n_events == 1
    assert set(second.event.tolist()) == {0}
    assert second.mother.tolist() == [-1, 0, 1, 0, -1, 4, -1]
    assert second.pdg.tolist() == record.pdg[14:].tolist()
    assert second.pt.tolist() == record.pt[14:].tolist()
    assert record.select(np.array([True, True])) is record
    assert second.info["weight"].tolist() == [1.0]


def test_what_can_be_seen(record):
    assert (
        invisible(np.array([12, -14, 16, 1000022, -1000039, 13, 22, 1000013, 111])).tolist()
        == [True] * 5 + [False] * 4
    )
    assert not np.any(np.isin(record.pdg[record.visible], (14, 16, -16)))
    assert (record.status[record.visible] > 0).all()
    assert len(record.visible) == 9


@pytest.mark.parametrize(
    ("pdg", "quark", "hadron"),
    [
        (511, 5, True),
        (-5122, 5, True),
        (553, 5, True),
        (411, 4, True),
        (443, 4, True),
        (10411, 4, True),
        (20443, 4, True),
        (-4122, 4, True),
        (211, 2, True),
        (130, 1, True),
        (3122, 3, True),
        (22, 0, False),
        (1000022, 0, False),
        (5, 0, False),
    ],
)
def test_hadrons_and_their_heaviest_quark(guns, pdg, quark, hadron):
    record = guns.shots(pdg, 10.0, 0.0, 1)
    assert record.heaviest_quark.tolist() == [quark]
    assert (record.heaviest_quark > 0).tolist() == [hadron]


def test_kinematics_along_the_beam(guns):
    record = guns.record_of(1, [0, 0], [2212, 11], 1, -1, [0.0, 5.0], [0.0, 1.5], [0.0, 0.5])
    record.pz[0] = -7000.0
    assert record.eta.tolist() == pytest.approx([-2e4, 1.5])
    assert record.phi[1] == pytest.approx(0.5)
    pt, eta, phi = record.pt_eta_phi(np.array([1, 0]))
    assert (pt.tolist(), eta.tolist(), phi.tolist()) == (
        pytest.approx([5.0, 0.0]),
        pytest.approx([1.5, -2e4]),
        pytest.approx([0.5, 0.0]),
    )


def test_a_batch_of_the_generator_is_flattened():
    def column(*events):
        return ak.Array([list(map(float, event)) for event in events])

    momentum = ak.zip({key: column([0, 1, 2], [3]) + k for k, key in enumerate(("px", "py", "pz", "e"))})
    particles = ak.zip(
        {
            "id": ak.Array([[90, 2212, 9010221], [-24]]),
            "status": ak.Array([[-11, -12, 1], [1]]),
            "mother1": ak.Array([[0, 0, 1], [0]]),
            "p": momentum,
            "m": column([7, 8, 9], [10]),
        },
        depth_limit=2,
    )
    names = ("id1", "id2", "x1", "x2", "pdf1", "pdf2", "Q2Fac", "Q2Ren", "alphaS", "pT2Hat", "mHat")
    info = {name: np.array([1.0, 2.0]) for name in names} | {"weights": ak.Array([[0.5, 1.0], [0.7, 1.0]])}
    batch = ak.zip({"prt": particles, "info": ak.zip(info, depth_limit=1)}, depth_limit=1)
    asked = []

    def charge(kind):
        asked.append(kind)
        return {90: 0.0, 2212: 1.0, 9010221: 0.0, -24: -1.0}[kind]

    known: dict[int, float] = {}
    record = from_batch(batch, known, charge)
    assert record.event.tolist() == [0, 0, 0, 1]
    assert record.pdg.tolist() == [90, 2212, 9010221, -24]
    assert record.mother.tolist() == [-1, -1, 1, -1]
    assert record.charge.tolist() == [0.0, 1.0, 0.0, -1.0]
    assert record.px.tolist() == [0.0, 1.0, 2.0, 3.0]
    assert record.energy.tolist() == [3.0, 4.0, 5.0, 6.0]
    assert record.mass.tolist() == [7.0, 8.0, 9.0, 10.0]
    assert record.info["weight"].tolist() == [0.5, 0.7]
    assert record.info["Q2Ren"].tolist() == [1.0, 2.0]
    assert sorted(asked) == [-24, 90, 2212, 9010221]
    from_batch(batch, known, charge)
    assert len(asked) == 4
