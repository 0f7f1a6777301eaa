from __future__ import annotations

import math

import awkward as ak
import numpy as np
import pytest
import vector
from hypothesis import given, settings
from hypothesis import strategies as st

from massgap.arrays import Collection, PerEvent
from massgap.physical_constants import Z_MASS
from massgap.selections.observables.neutrino import neutrino_pz
from massgap.selections.vlq.features import CUTFLOW, FEATURE_NAMES, FEATURES, QUANTITIES, vlq_features
from massgap.selections.vlq.objects import selected_leptons, slim_jets_away_from


def lepton(pt, eta, phi, charge, flavour=13):
    return {"pt": pt, "eta": eta, "phi": phi, "mass": 0.1, "charge": charge, "flavour": flavour}


def jet(pt, eta, phi, mass=10.0):
    return {"pt": pt, "eta": eta, "phi": phi, "mass": mass}


EVENT = {
    "leptons": [lepton(500.0, 0.2, 0.0, 1), lepton(300.0, 0.2, 0.236, -1), lepton(150.0, -0.1, 3.1, 1)],
    "fat_jets": [jet(500.0, 0.0, 3.1, 120.0)],
    "slim_jets": [jet(80.0, 3.5, 1.0), jet(40.0, 1.0, -1.0)],
    "met": 250.0,
    "phi_met": 3.0,
}


def one(options=None, **changed):
    """One event, with parts replaced: quantities, indices and cuts as plain numbers."""
    event = {**EVENT, **changed}
    result = vlq_features(
        [event["leptons"]],
        [event["fat_jets"]],
        [event["slim_jets"]],
        PerEvent({"pt": [event["met"]], "phi": [event["phi_met"]]}),
        **(options or {}),
    )
    return tuple({name: values[0] for name, values in part.items()} for part in result)


def number_passed(**changed):
    flags = [bool(flag) for flag in one(**changed)[2].values()]
    assert flags == sorted(flags, reverse=True)
    return sum(flags)


def test_names():
    assert FEATURE_NAMES == ("m_t_prime", "pt_z_l1", "pt_z_l2", "m_top", "dphi_z_l3", "n_forward")
    assert QUANTITIES[: len(FEATURES)] == FEATURE_NAMES
    assert len(CUTFLOW) == 6


@settings(deadline=None, max_examples=60)
@given(
    st.floats(150, 900), st.floats(-1.5, 1.5), st.floats(60, 400), st.floats(-0.3, 0.3), st.floats(0, 400),
    st.floats(-3.1, 3.1), st.booleans(),
)  # fmt: skip
def test_against_vector(pt, eta, pt3, offset, met, phi_met, rescale):
    """The whole chain from four-vectors, with the neutrino's roots from their own function."""
    leptons = [lepton(pt, eta, 0.1, 1), lepton(100.0, eta + 0.2, 0.4, -1), lepton(pt3, offset, 3.1, 1, 11)]
    fat = jet(pt3 + 100.0, 0.0, 3.0, 90.0)
    got, indices, _ = one({"rescale_met": rescale}, leptons=leptons, fat_jets=[fat], met=met, phi_met=phi_met)
    a, b, c, big = (vector.obj(**{k: x[k] for k in ("pt", "eta", "phi", "mass")}) for x in (*leptons, fat))
    assert list(indices.values()) == [0, 1, 2, 0]
    z = a + b
    roots = neutrino_pz(c.pt, c.eta, c.phi, c.mass, met, phi_met)
    assert got["complex_roots"] == roots.is_complex
    scaled = rescale and roots.is_complex == 1.0
    size = met * (float(roots.scale) if scaled else 1.0)
    options = [roots.pz_scaled] if scaled else [roots.pz1, roots.pz2]
    found = []
    for pz in options:
        if not math.isnan(pz):
            px, py = size * math.cos(phi_met), size * math.sin(phi_met)
            top = big + vector.obj(px=px, py=py, pz=float(pz), E=math.hypot(size, pz))
            found.append((abs(top.mass - 172.5), pz, top))
    best = min(found, key=lambda option: option[0])
    if len(found) < 2 or abs(found[0][0] - found[1][0]) > 1e-4:
        assert got["nu_pz"] == pytest.approx(best[1], rel=1e-9, abs=1e-9)
        assert got["m_top"] == pytest.approx(best[2].mass, rel=1e-7)
        assert got["m_t_prime"] == pytest.approx((best[2] + z).mass, rel=1e-7)
    assert got["m_z"] == pytest.approx(z.mass, rel=1e-7)
    assert got["pt_z"] == pytest.approx(z.pt, rel=1e-9)
    assert got["dphi_z_l3"] == pytest.approx(abs(z.deltaphi(c)), abs=1e-12)
    assert got["dr_z_j"] == pytest.approx(z.deltaR(big), rel=1e-9)
    assert (got["pt_z_l1"], got["pt_z_l2"]) == (pt, 100.0)


@settings(deadline=None, max_examples=30)
@given(st.floats(-3, 3), st.permutations(range(3)))
def test_rotations_mirror_and_order(turn, order):
    before = one()[0]
    moved = {
        name: [{**x, "phi": x["phi"] + turn, "eta": -x["eta"]} for x in EVENT[name]]
        for name in ("leptons", "fat_jets", "slim_jets")
    }
    moved["leptons"] = [moved["leptons"][k] for k in order]
    after = one(phi_met=EVENT["phi_met"] + turn, **moved)[0]
    for name in QUANTITIES:
        sign = -1.0 if name.startswith("nu_pz") else 1.0
        assert sign * after[name] == pytest.approx(before[name], rel=1e-8, abs=1e-6), name


def test_masses_of_a_generated_decay():
    """T -> t Z at rest, t -> b l nu, Z -> l l: with the b quark and the lepton as the jet, all masses come back."""
    m_t_prime, m_t, m_w = 2000.0, 172.5, 80.379
    p = math.sqrt((m_t_prime**2 - (m_t + Z_MASS) ** 2) * (m_t_prime**2 - (m_t - Z_MASS) ** 2)) / 2 / m_t_prime
    top = vector.obj(px=p, py=0.0, pz=0.3 * p, mass=m_t)
    scale = p / math.hypot(p, 0.3 * p)
    top = vector.obj(px=p * scale, py=0.0, pz=0.3 * p * scale, mass=m_t)
    z = vector.obj(px=-top.px, py=0.0, pz=-top.pz, mass=Z_MASS)

    def decay(parent, m1, angle, plane):
        q = (parent.mass**2 - m1**2) / 2 / parent.mass
        x, y, h = (
            q * math.sin(angle) * math.cos(plane),
            q * math.sin(angle) * math.sin(plane),
            q * math.cos(angle),
        )
        first = vector.obj(px=x, py=y, pz=h, mass=m1).boost_p4(parent)
        return first, vector.obj(px=-x, py=-y, pz=-h, mass=0.0).boost_p4(parent)

    w, b = decay(top, m_w, 1.1, 0.4)
    l3, nu = decay(w, 0.0, 1.9, 2.0)
    l1, l2 = decay(z, 0.0, 0.8, 1.0)
    big = b + l3
    result = one(
        {"select_leptons": False},
        leptons=[
            {**lepton(x.pt, x.eta, x.phi, charge), "mass": 0.0} for x, charge in ((l1, 1), (l2, -1), (l3, 1))
        ],
        fat_jets=[jet(big.pt, big.eta, big.phi, big.mass)],
        met=nu.pt,
        phi_met=nu.phi,
    )[0]
    assert result["m_z"] == pytest.approx(Z_MASS, rel=1e-6)
    assert result["m_top"] == pytest.approx(m_t, rel=1e-5)
    assert result["m_t_prime"] == pytest.approx(m_t_prime, rel=1e-5)
    assert result["nu_pz"] == pytest.approx(nu.pz, rel=1e-4)


def test_cuts_one_by_one():
    leptons, fat = EVENT["leptons"], EVENT["fat_jets"][0]
    assert number_passed() == 6
    assert number_passed(leptons=leptons[:2]) == 0
    assert number_passed(leptons=[*leptons[:2], lepton(25.0, -0.1, 3.1, 1)]) == 6
    assert number_passed(leptons=[*leptons[:2], lepton(math.nextafter(25, 0), -0.1, 3.1, 1)]) == 0
    assert number_passed(leptons=[*leptons[:2], lepton(150.0, 2.5, 3.1, 1)]) == 0
    soft = [lepton(40.0, 0.2, 0.0, 1), lepton(40.0, 0.2, 0.5, -1), lepton(40.0, -0.1, 3.1, 1, 11)]
    assert number_passed(leptons=soft) == 0
    assert number_passed(leptons=[lepton(40.1, 0.2, 0.0, 1), *soft[1:]]) == 6
    # Back to back, pT(Z) is 50 GeV.
    balanced = [lepton(80.0, 0.2, 0.0, 1), lepton(30.0, 0.2, math.pi, -1), lepton(35.0, -0.1, 3.1, 1, 11)]
    assert number_passed(leptons=balanced) == 1
    # One of equal charge: no Z.
    assert number_passed(leptons=[{**x, "charge": 1} for x in leptons]) == 1
    assert number_passed(fat_jets=[]) == 2
    assert number_passed(fat_jets=[{**fat, "pt": 80.0}]) == 2
    assert number_passed(fat_jets=[{**fat, "eta": 2.5}]) == 2
    # Away from the Z leptons but without the third lepton inside.
    assert number_passed(fat_jets=[{**fat, "phi": 1.8}]) == 3
    assert number_passed(fat_jets=[{**fat, "phi": 0.0}]) == 2
    assert number_passed(slim_jets=[]) == 4
    assert number_passed(slim_jets=[jet(25.0, 0.0, 1.5)]) == 4
    assert number_passed(slim_jets=[jet(50.0, 5.0, 1.5)]) == 4
    assert number_passed(slim_jets=[jet(50.0, -0.1, 3.1)]) == 4


def test_fat_jet_must_be_far_from_the_z():
    # The Z leptons lie 0.9 on both sides of J, the Z itself on top of it.
    leptons = [lepton(200.0, 0.9, 0.0, 1), lepton(200.0, -0.9, 0.0, -1), lepton(100.0, 0.0, 0.0, 1, 11)]
    assert number_passed(leptons=leptons, fat_jets=[jet(400.0, 0.0, 0.0, 120.0)]) == 5


def test_leading_qualified_jet_and_lepton():
    leptons = [*EVENT["leptons"], lepton(200.0, 1.5, -2.0, 1, 11)]
    fat_jets = [jet(900.0, 0.2, 0.0), jet(300.0, 1.4, -2.0), jet(400.0, 1.5, -2.1), jet(500.0, 0.0, 3.1)]
    _, indices, _ = one(leptons=leptons, fat_jets=fat_jets)
    assert indices == {"z_i": 0, "z_j": 1, "l3": 3, "fat_jet": 2}
    # Equal pT: the first.
    _, indices, _ = one(fat_jets=[EVENT["fat_jets"][0], EVENT["fat_jets"][0]])
    assert indices["fat_jet"] == 0


def test_forward_and_clean_slim_jets():
    near = EVENT["leptons"][2]
    slim = [
        jet(30.0, 2.5, 1.0),
        jet(30.0, math.nextafter(2.5, 0), 1.0),
        jet(30.0, -4.9999, 1.0),
        jet(30.0, 5.0, 1.0),
        jet(30.0, near["eta"] + 0.39, near["phi"]),
        jet(30.0, near["eta"] + 0.41, near["phi"]),
    ]
    values = one(slim_jets=slim)[0]
    assert (values["n_slim"], values["n_forward"]) == (4, 2)


def test_distance_of_exactly_the_radius_is_outside():
    leptons = Collection.of([[{"pt": 50.0, "eta": 0.0, "phi": 0.0}]])
    for eta, expected in ((0.4, 1), (math.nextafter(0.4, 0), 0)):
        slim = Collection.of([[{"pt": 30.0, "eta": eta, "phi": 0.0}]])
        assert slim_jets_away_from(slim, leptons).size == expected


def test_selected_leptons_keep_their_indices():
    soft = [lepton(10.0, 0.0, 0.0, 1), lepton(24.0, 0.2, 0.1, -1)]
    _, indices, cuts = one(leptons=[soft[0], *EVENT["leptons"], soft[1]])
    assert (indices["z_i"], indices["z_j"], indices["l3"]) == (1, 2, 3)
    assert all(cuts.values())
    # Without selection the soft leptons may be taken.
    _, indices, _ = one({"select_leptons": False}, leptons=[soft[0], lepton(20.0, 0.0, 0.1, -1)], fat_jets=[])
    assert (indices["z_i"], indices["z_j"]) == (0, 1)


def test_met_zero():
    values = one(met=0.0, phi_met=math.nan)[0]
    assert values["complex_roots"] == 0.0
    assert values["m_top"] > 120.0
    # Continuous for vanishing MET.
    near = one(met=1e-9, phi_met=1.0)[0]
    for name in ("m_top", "m_t_prime", "nu_pz"):
        assert near[name] == pytest.approx(values[name], rel=1e-8)


def test_empty_events_and_batches():
    batch = ak.Array([EVENT["leptons"], [], EVENT["leptons"][:1], EVENT["leptons"]])
    fat = ak.Array([EVENT["fat_jets"], EVENT["fat_jets"], [], EVENT["fat_jets"]])
    slim = ak.Array([EVENT["slim_jets"], [], [], EVENT["slim_jets"]])
    result = vlq_features(batch, fat, slim, PerEvent({"pt": np.full(4, 250.0), "phi": np.full(4, 3.0)}))
    alone = one()[0]
    for name in QUANTITIES:
        assert result.quantities[name][0] == result.quantities[name][3] == alone[name]
    assert np.isnan(result.quantities["m_t_prime"][1:3]).all()
    assert result.quantities["n_slim"].tolist() == [2, 0, 0, 2]
    assert result.indices["l3"].tolist() == [2, -1, -1, 2]
    assert result.cutflow["dr_z_j"].tolist() == [True, False, False, True]
    nothing = vlq_features([], [], [], PerEvent({"pt": [], "phi": []}))
    assert len(nothing.quantities["m_top"]) == 0


def test_selection_of_leptons():
    leptons = Collection(
        np.array([0, 1, 1, 3]), {"pt": np.array([30.0, 10.0, 25.0]), "eta": np.array([0.0, 0.0, 2.4])}
    )
    kept = selected_leptons(leptons)
    assert kept.columns("pt", "eta", "position").tolist() == [[30.0, 25.0], [0.0, 2.4], [0.0, 1.0]]
    assert kept.offsets.tolist() == [0, 1, 1, 2]
    assert selected_leptons(leptons, everything=True).columns("pt", "eta", "position").shape == (3, 3)


@pytest.mark.parametrize(
    ("fat", "least", "found"),
    [
        (jet(150.0, -0.1, 3.1, 0.1), 0.0, True),  # nothing but the lepton
        (jet(150.0, -0.1, 3.1, 0.1), 1.0, False),
        (jet(240.0, -0.1, 3.1, 30.0), 80.0, True),
        (jet(240.0, -0.1, 3.1, 30.0), 95.0, False),
        # The axis is near the lepton, which pulls it; what is beside it is 1 away.
        (jet(200.0, 0.2, 3.1, 60.0), 40.0, False),
    ],
)
def test_what_the_fat_jet_holds_beside_the_lepton(fat, least, found):
    _, indices, cuts = one({"min_pt_beside_lepton": least}, fat_jets=[fat])
    assert bool(indices["fat_jet"] == 0) is found
    assert cuts["fat_jet"] == found
    assert cuts["fat_jet_away"]


def test_a_lone_lepton_gives_way_to_the_softer_jet():
    fat_jets = [jet(400.0, -0.1, 3.1, 0.1), jet(300.0, -0.1, 3.0, 50.0)]
    leptons = [*EVENT["leptons"][:2], lepton(400.0, -0.1, 3.1, 1)]
    for least, chosen in ((0.0, 0), (80.0, -1)):
        assert (
            one({"min_pt_beside_lepton": least}, fat_jets=fat_jets[:1], leptons=leptons)[1]["fat_jet"]
            == chosen
        )
    softer = jet(600.0, -0.1, 3.05, 50.0)
    found = one({"min_pt_beside_lepton": 80.0}, fat_jets=[*fat_jets[:1], softer], leptons=leptons)
    assert found[1]["fat_jet"] == 1
